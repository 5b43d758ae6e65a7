"""Flux as a pilot: an instance inside a local job, where flux-core is installed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from integrations.named_psij import as_psij
from integrations.system import EXAMPLES, System
from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec, JobState, ResourceSpecV1, SubmitException
from psij_like.integrations.flux_pilot import FluxPilot

needs_flux = pytest.mark.skipif(shutil.which("flux") is None, reason="flux-core is not installed: no command flux")


@pytest.fixture(scope="module")
def environment() -> Path:
    """This one: Flux is found in PATH."""
    return Path(sys.prefix)


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[JobExecutor]:
    with JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "work")) as executor:
        yield executor


@needs_flux
def test_jobs_run_in_the_pilot(outer: JobExecutor, tmp_path: Path) -> None:
    config = JobExecutorConfig(work_directory=tmp_path / "inner")
    with FluxPilot(outer, config=config, timeout=timedelta(seconds=60)) as pilot:
        assert pilot.executor.name == "flux"
        level = Job(JobSpec("flux", ["getattr", "instance-level"], stdout_path=tmp_path / "level"))
        fails = Job(JobSpec("/bin/sh", ["-c", "exit 3"]))
        lasts = Job(JobSpec("/bin/sleep", ["300"]))
        for job in (level, fails, lasts):
            pilot.executor.submit(job)
        assert [job.wait(timedelta(seconds=60)) and job.status.exit_code for job in (level, fails)] == [0, 3]
        lasts.wait(target_states=JobState.ACTIVE)
    assert pilot.job.status.state is JobState.COMPLETED
    assert lasts.wait(timedelta(seconds=120)) is not None
    assert (tmp_path / "level").read_text() == "0\n"
    with pytest.raises(SubmitException, match="does not run"):
        _ = pilot.executor


@needs_flux
def test_the_example(system: System) -> None:
    nodes, launcher = ("1", "single") if system.cluster is None else ("2", "srun")
    command = as_psij("python", EXAMPLES / "flux" / "pilot.py", system.executor, nodes, launcher)
    printed = system.at("example").run(*command)
    assert printed.splitlines()[0] == str([n % 2 for n in range(20)])
    assert printed.splitlines()[1].startswith("the pilot: COMPLETED")


def test_a_pilot_that_does_not_come_up_says_why(
    outer: JobExecutor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "flux").write_text("#!/bin/sh\necho no such config >&2\nexit 4\n")
    (tmp_path / "bin" / "flux").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(SubmitException, match=r"(?s)exit code 4.*no such config"):
        FluxPilot(outer).start()
    assert list((tmp_path / "work" / "flux-pilots").iterdir()) == []


def test_brokers_that_do_not_find_each_other_are_refused(
    outer: JobExecutor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "flux").write_text(
        '#!/bin/sh\n[ "$1" = start ] || { echo 1; exit; }\nshift; FLUX_URI=local:///x exec "$@"\n'
    )
    (tmp_path / "bin" / "flux").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    pilot = FluxPilot(outer, ResourceSpecV1(node_count=2, processes_per_node=1), launcher="multiple")
    with pytest.raises(SubmitException, match=r"2 Flux brokers were asked for, the instance has 1.*'multiple'"):
        pilot.start()
    assert pilot.job.status.final
