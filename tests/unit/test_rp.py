"""`rp` without RADICAL-Pilot, and what its words about tasks come to."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobSpec,
    JobState,
    Reason,
    ResourceSpecV1,
    SubmitException,
)
from psij_like._engine.evidence import Report
from psij_like._engine.follow import Followed
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like.executors._rp.source import Tasks
from psij_like.executors.rp import RPExecutorConfig, RPJobExecutor


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RPJobExecutor:
    """One without RADICAL-Pilot, be it installed or not."""
    really = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name.startswith("radical"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return really(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    return RPJobExecutor(config=RPExecutorConfig(work_directory=tmp_path))


def test_without_radical_pilot_the_extra_is_named(executor: RPJobExecutor, tmp_path: Path) -> None:
    job = Job(JobSpec("/bin/true"))
    with pytest.raises(SubmitException, match=re.escape("pip install 'psij-like[rp]'")):
        executor.submit(job)
    assert (job.status.state, job.executor, executor.list()) == (JobState.NEW, None, [])
    assert list((tmp_path / "rp" / "jobs").iterdir()) == []
    executor.close()


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (JobSpec("/bin/true", attributes=JobAttributes(queue_name="batch")), "queue_name"),
        (JobSpec("/bin/true", attributes=JobAttributes(account="a")), "account"),
        (JobSpec("/bin/true", attributes=JobAttributes(dependencies={"after": "1"})), "dependencies"),
        (JobSpec("/bin/true", attributes=JobAttributes(custom_attributes={"rp.x": 1})), "rp.x"),
        (JobSpec("/bin/true", resources=ResourceSpecV1(node_count=2)), "one node, not 2"),
    ],
)
def test_what_a_job_in_a_pilot_can_not_have_is_refused(executor: RPJobExecutor, spec: JobSpec, why: str) -> None:
    with pytest.raises(InvalidJobException, match=why):
        executor.submit(Job(spec))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"cores": 0}, ValueError), ({"runtime": timedelta(0)}, ValueError), ({"runtime": 60}, TypeError)],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        RPExecutorConfig(**wrong)


def test_a_work_directory_that_would_be_expanded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work_directory"):
        RPJobExecutor(config=RPExecutorConfig(work_directory=tmp_path / "$HOME"))


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (("TMGR_SCHEDULING", None, None), (JobState.QUEUED, None, None, None)),
        (("AGENT_EXECUTING", None, None), (JobState.ACTIVE, None, None, None)),
        (("AGENT_STAGING_OUTPUT", None, None), (JobState.ACTIVE, None, None, None)),
        (("DONE", 0, None), (JobState.COMPLETED, 0, None, None)),
        (("FAILED", 3, "exit code: 3"), (JobState.FAILED, 3, None, None)),
        (("FAILED", -9, None), (JobState.FAILED, None, 9, None)),
        (("FAILED", None, "pilot.0000 is final"), (JobState.FAILED, None, None, Reason.NODE_FAILURE)),
        (("CANCELED", None, None), (JobState.FAILED, None, None, Reason.NODE_FAILURE)),
    ],
)
def test_what_is_told_of_a_task(told: tuple[str, int | None, str | None], meant: tuple[object, ...]) -> None:
    tasks = Tasks()
    tasks.expect("a", 60, lambda _: None)
    report = tasks.take("a", *told)
    assert report is not None
    assert (report.state, report.exit_code, report.signal, report.reason) == meant


def test_the_end_of_a_task_stands_and_queued_is_no_news_of_a_running_one() -> None:
    tasks = Tasks()
    tasks.expect("a", 60, lambda _: None)
    assert tasks.take("unknown", "DONE", 0, None) is None
    assert tasks.take("a", "AGENT_EXECUTING", None, None) is not None
    assert tasks.take("a", "AGENT_SCHEDULING", None, None) is None
    assert tasks.take("a", "DONE", 0, None) is not None
    assert tasks.take("a", "FAILED", None, "pilot.0000 is final") is None
    assert tasks.abandon(print) == []


def test_a_cancel_of_nobodys_is_the_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("psij_like.executors._rp.source.time.time", lambda: clock[0])
    tasks = Tasks()
    tasks.expect("a", 60, lambda _: None)
    tasks.take("a", "AGENT_EXECUTING", None, None)
    clock[0] += 60
    report = tasks.take("a", "CANCELED", None, None)
    assert report is not None
    assert (report.state, report.reason) == (JobState.FAILED, Reason.TIMEOUT)


def test_a_cancel_is_asked_for_until_the_task_has_ended() -> None:
    asked: list[str] = []
    tasks = Tasks()
    tasks.expect("a", 60, asked.append)
    job = Tracked(Followed(Job(), lambda: None, lambda *_: None), "a")
    assert tasks.poll([job]) == {"a": Report("a", JobState.QUEUED)}
    tasks.cancel("a")
    tasks.poll([job])
    assert asked == ["a", "a"]
    report = tasks.take("a", "CANCELED", None, None)
    assert report is not None
    assert (report.state, report.reason) == (JobState.CANCELED, Reason.CANCELLED)
    assert tasks.poll([job]) == {"a": report}
    assert asked == ["a", "a"]
    tasks.forget("a")
    assert tasks.poll([job]) == {}


def test_tasks_are_abandoned_with_their_pilot() -> None:
    def closed(uid: str) -> None:
        raise SubmitException("no pilot")

    tasks = Tasks()
    tasks.expect("a", 60, closed)
    job = Tracked(Followed(Job(), lambda: None, lambda *_: None), "a")
    with pytest.raises(SubmitException, match="no pilot"):
        tasks.cancel("a")
    with pytest.raises(SubmitException, match="the process alone whose pilot runs it"):
        tasks.cancel("unknown")
    with pytest.raises(Unreachable, match="no pilot"):
        tasks.poll([job])
    tasks.expect("of another pilot", 60, print)
    (report,) = tasks.abandon(closed)
    assert (report.state, report.reason) == (JobState.CANCELED, Reason.CANCELLED)
