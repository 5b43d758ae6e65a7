"""N1: what starts a job's processes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from executors.sites import SITES, Site
from executors.support import cancelled_afterwards, completed, ended, shell, submit, until
from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobSpec,
    JobState,
    Launcher,
    Reason,
    ResourceSpecV1,
)

# Open MPI starts nothing as root, nor more processes than there are cores, unless told to.
ANY_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": 1,
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": 1,
    "OMPI_MCA_rmaps_base_oversubscribe": 1,
}

everywhere = pytest.mark.parametrize(
    ("site", "launcher"),
    [
        pytest.param(site, launcher, id=f"{site.id}-{launcher}", marks=site.marks)
        for site in SITES
        for launcher in ("single", *site.launchers)
    ],
    indirect=["site"],
)


def ranks(launcher: str, script: str, directory: Path, processes: int = 2) -> JobSpec:
    if launcher not in ("single", "multiple") and shutil.which(launcher) is None:
        pytest.skip(f"no {launcher} here")
    spec = shell(script, directory=directory, launcher=launcher, environment=ANY_MPI)
    spec.resources = ResourceSpecV1(node_count=1, process_count=processes)
    return spec


@everywhere
def test_N1_as_many_processes_as_asked_for(executor: JobExecutor, work_directory: Path, launcher: str) -> None:
    (work_directory / "pre.sh").write_text("export FROM_PRE='a b'; echo x >>pre\n")
    script = 'echo "<$GIVEN|$FROM_PRE|$1|$(cat)>" >>ranks; wc -l <"$PSIJ_NODEFILE" >>nodes; echo out; echo err >&2'
    spec = ranks(launcher, script, work_directory)
    assert spec.arguments is not None
    spec.arguments.append("it's $x")
    spec.environment = {**(spec.environment or {}), "GIVEN": "g v"}
    spec.pre_launch, spec.stdout_path, spec.stderr_path = work_directory / "pre.sh", "out", "err"
    completed(submit(executor, spec))
    count = 1 if launcher == "single" else 2
    assert (work_directory / "ranks").read_text() == "<g v|a b|it's $x|>\n" * count
    assert (work_directory / "nodes").read_text().split() == ["2"] * count
    assert (work_directory / "pre").read_text() == "x\n"
    assert (work_directory / "out").read_text() == "out\n" * count
    assert (work_directory / "err").read_text().count("err\n") == count


@everywhere
def test_N1_a_process_that_fails_fails_the_job(executor: JobExecutor, work_directory: Path, launcher: str) -> None:
    first_fails = "mkdir first 2>/dev/null && exit 7; exit 0"
    job = submit(executor, ranks(launcher, first_fails, work_directory))
    status = ended(job)
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 7, Reason.EXIT)


@everywhere
def test_N1_a_program_that_is_missing(site: Site, executor: JobExecutor, work_directory: Path, launcher: str) -> None:
    spec = ranks(launcher, "", work_directory)
    spec.executable = "/no/such/program"
    status = ended(submit(executor, spec))
    assert status.state is JobState.FAILED
    assert status.exit_code != 0
    if Launcher.get_instance(launcher).lead_node_only:
        assert (status.exit_code, status.reason) == (127, Reason.LAUNCH_FAILED)
        assert "/no/such/program" in str(status.message)


@everywhere
def test_N1_cancel_ends_all_processes(executor: JobExecutor, work_directory: Path, launcher: str) -> None:
    count = 1 if launcher == "single" else 2
    job = submit(executor, ranks(launcher, "touch up.$$; while :; do sleep 0.05; touch alive; done", work_directory))
    with cancelled_afterwards(job):
        until(lambda: len(list(work_directory.glob("up.*"))) == count)
    assert ended(job).state is JobState.CANCELED
    until(lambda: _quiet(work_directory / "alive"))


def _quiet(sign: Path) -> bool:
    """Whether nobody makes the sign again, for ten times as long as it takes somebody who is alive."""
    sign.unlink(missing_ok=True)
    try:
        until(sign.exists, 0.5)
    except AssertionError:
        return True
    return False


def test_N1_launchers_that_are_missing(executor: JobExecutor, work_directory: Path) -> None:
    """Not known here: refused. Not installed where the job runs: the job fails and says so."""
    with pytest.raises(InvalidJobException, match=r"single"):
        executor.submit(Job(JobSpec("/bin/true", launcher="singel")))
    spec = ranks("single", "true", work_directory)
    spec.launcher, spec.environment = "mpirun", {"PATH": "/nowhere"}
    status = ended(submit(executor, spec))
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 127, Reason.LAUNCH_FAILED)
    assert "mpirun" in str(status.message)


def test_N1_options_of_launchers_that_have_none(executor: JobExecutor) -> None:
    for launcher in ("single", "multiple"):
        attributes = JobAttributes(custom_attributes={f"{launcher}.option": "x"})
        with pytest.raises(InvalidJobException, match=f"{launcher}.*option"):
            executor.submit(Job(JobSpec("/bin/true", launcher=launcher, attributes=attributes)))
