"""A controller that is away, a scheduler that forgets, commands that lie or hang."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest

from clusters.client import Cluster
from psij_like import Job, JobExecutor, JobSpec, JobState, SubmitException
from psij_like.executors.batch.slurm import SlurmExecutorConfig
from slurm.conftest import Campaign, ended


def test_defect_03_an_outage_of_the_controller_ends_no_job(
    campaign_on: Callable[..., tuple[Campaign, Cluster]], tmp_path: Path
) -> None:
    campaign, cluster = campaign_on()
    done = tmp_path / "done"
    across = campaign.shell(f"while [ ! -e '{done}' ]; do sleep 0.2; done; exit 3")
    beyond = campaign.shell(f"while [ ! -e '{done}.2' ]; do sleep 0.2; done")
    killed = campaign.shell(f"while [ ! -e '{done}' ]; do sleep 0.2; done; kill -9 $$")
    for job in (across, beyond, killed):
        assert job.wait(timedelta(seconds=30), JobState.ACTIVE) is not None
    cluster.stop_controller()
    try:
        started = time.monotonic()
        with pytest.raises(SubmitException, match="slurm controller") as refusal:
            campaign.shell("true")
        assert refusal.value.transient
        with pytest.raises(SubmitException):
            beyond.cancel()
        done.touch()
        # The job's own record is enough for an end without a signal; the other one waits for Slurm's word.
        assert (ended(across).state, ended(across).exit_code) == (JobState.FAILED, 3)
        assert beyond.wait(timedelta(seconds=max(0, 60 - (time.monotonic() - started)))) is None
        assert (beyond.status.state, killed.status.state) == (JobState.ACTIVE, JobState.ACTIVE)
    finally:
        cluster.start_controller()
    Path(f"{done}.2").touch()
    assert (ended(killed).state, ended(killed).reason) == (JobState.FAILED, "signal")
    # The cancel that could not be delivered was asked for, but the job ended by itself.
    assert (ended(beyond).state, ended(beyond).exit_code) == (JobState.COMPLETED, 0)


def test_a_job_that_slurm_has_forgotten(campaign_on: Callable[..., tuple[Campaign, Cluster]]) -> None:
    campaign, cluster = campaign_on(min_job_age=2)
    good, bad = campaign.shell("true"), campaign.shell("exit 9")
    ended(good), ended(bad)
    deadline = time.monotonic() + 150
    while cluster.run("squeue", "-h", "-t", "all").stdout.strip():
        assert time.monotonic() < deadline
        time.sleep(1)
    for job, state, code in ((good, JobState.COMPLETED, 0), (bad, JobState.FAILED, 9)):
        again = Job()
        campaign.executor.attach(again, str(job.native_id))
        assert (ended(again).state, ended(again).exit_code) == (state, code)
    unknown = Job()
    campaign.executor.attach(unknown, str(bad.native_id) + "999")
    status = ended(unknown)
    assert (status.state, status.reason) == (JobState.FAILED, "lost")
    assert "does not list" in str(status.message)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory before all others in PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def stand_in(commands: Path, name: str, script: str) -> None:
    """Put a shell script in front of a command, which it finds as $real."""
    path = commands / name
    path.write_text(f"#!/bin/sh\nreal={shutil.which(name, path=os.environ['PATH'].partition(':')[2])}\n{script}\n")
    path.chmod(0o755)


def test_defect_02_garbage_lines_and_unknown_states_touch_no_other_job(campaign: Campaign, commands: Path) -> None:
    stand_in(
        commands,
        "squeue",
        '"$real" "$@" | while IFS= read -r line; do printf "%s\\n" "<html>" "||||" "$line" "7x|RUNNING|a"; done\n'
        'printf "%s\\n" "999|UNHEARD_OF|1|2|None"; printf "12|COMPL"',
    )
    jobs = [campaign.shell(f"exit {code}") for code in range(3)]
    held = campaign.shell("true")
    for code, job in enumerate(jobs):
        assert ended(job).exit_code == code
    assert ended(held).state is JobState.COMPLETED


def test_defect_07_a_hanging_query_stops_nothing(
    slurm_cluster: Cluster, config: SlurmExecutorConfig, commands: Path, tmp_path: Path
) -> None:
    hung = tmp_path / "hung"
    stand_in(commands, "squeue", f"if [ ! -e '{hung}' ]; then touch '{hung}'; sleep 600; fi; exec \"$real\" \"$@\"")
    config.command_timeout = 2
    campaign = Campaign(config)
    prompt = campaign.shell("exit 6")
    killed = campaign.shell("sleep 1; kill -9 $$")  # its end needs the scheduler's word
    assert ended(prompt).exit_code == 6
    assert ended(killed, 30).reason == "signal"
    assert hung.exists()


@pytest.mark.parametrize("doorbell", [True, False], ids=["doorbell", "polling"])
def test_defect_11_ends_are_seen_promptly(slurm_cluster: Cluster, config: SlurmExecutorConfig, doorbell: bool) -> None:
    config.doorbell = doorbell
    executor = JobExecutor.get_instance("slurm", config=config)
    delays: dict[str, float] = {}
    executor.set_job_status_callback(
        lambda job, status: delays.setdefault(job.id, time.time() - status.time) if status.final else None
    )
    jobs = [Job(JobSpec("/bin/sleep", ["0.2"])) for _ in range(12)]
    for job in jobs:
        executor.submit(job)
    for job in jobs:
        assert ended(job).state is JobState.COMPLETED
    deadline = time.monotonic() + 10
    while len(delays) < len(jobs):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert median(delays.values()) < (0.3 if doorbell else 10)
