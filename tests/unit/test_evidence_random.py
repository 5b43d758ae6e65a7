"""A job, a scheduler and a shared file system at random, and what the client makes of what it sees of them.

The tracker is the real one, driven by hand instead of by its thread, with a clock that is turned by hand.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from psij_like._engine.evidence import Patience, Report
from psij_like._engine.follow import Followed
from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import single
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker, _Answer
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason

PATIENCE = Patience(record=10.0, lost=60.0)
KILLERS = {
    "TIMEOUT": (JobState.FAILED, Reason.TIMEOUT),
    "OUT_OF_MEMORY": (JobState.FAILED, Reason.OUT_OF_MEMORY),
    "NODE_FAIL": (JobState.FAILED, Reason.NODE_FAILURE),
    "PREEMPTED": (JobState.FAILED, Reason.PREEMPTED),
}


class SeenFiles(LocalHost):
    """A job's directory as the client sees it, which may be an older view than the job's own."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def names(self, path: Path) -> list[str]:
        return list(self.seen)

    def read(self, path: Path, limit: int = -1) -> str | None:
        return self.seen.get(path.name)


class Source:
    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()

    def __init__(self, trusted: bool) -> None:
        self.trusted = trusted

    def poll(self, jobs: Any) -> Any: ...

    def details(self, jobs: Any) -> Any: ...

    def withdraw(self, jobs: Any) -> None: ...


class Fired:
    """Takes the dispatcher's place: keeps what listeners would hear."""

    def __init__(self) -> None:
        self.statuses: list[JobStatus] = []

    def put(self, job: Job, statuses: list[JobStatus], listeners: Any) -> None:
        self.statuses += [status for status in statuses if job._advance(status)]


class World(RuleBasedStateMachine):
    @initialize(trusted=st.booleans())
    def submit(self, trusted: bool) -> None:
        self.now = 1000.0
        self.fired = Fired()
        self.patches: list[Any] = [
            mock.patch("psij_like._engine.tracker.monotonic", lambda: self.now),
            mock.patch("psij_like._engine.follow.dispatcher", lambda: self.fired),
        ]
        for patch in self.patches:
            patch.start()
        # What is true.
        self.phase = "pending"
        self.truth: object = None
        self.native_state = "PENDING"
        self.run = 0
        self.files: dict[str, str] = {}
        self.listed = True
        # What the client sees and does.
        self.host = SeenFiles()
        self.older: dict[str, str] = {}
        self.delivered = False
        self.missing_since: float | None = None
        self.details_since_missing = False
        self.over_since: float | None = None
        self.end: JobStatus | None = None
        self.tracker = Tracker(Source(trusted), Pace(patience=PATIENCE, warn_after=1_000_000))
        self.tracker._asking = True  # queries are answered by the rules below
        self.trusted = trusted
        self.job = Job(JobSpec(executable="x"))
        self.remembered: list[JobStatus] = []
        followed = Followed(self.job, lambda: None, lambda _, status: self.remembered.append(status))
        followed.publish(JobStatus(JobState.QUEUED), None)
        self.tracked = Tracked(followed, "1", single(self.host, "dir"), walltime=3600.0)
        self.tracker._add(self.tracked)

    # ---- the job

    @precondition(lambda self: self.phase == "pending")
    @rule()
    def start(self) -> None:
        self.phase, self.native_state = "running", "RUNNING"
        self.run += 1
        self.files[f"events.{self.run}"] = f"{self.now} ACTIVE\n"

    def _over(self, truth: object, native_state: str) -> None:
        self.phase, self.truth, self.native_state = "over", truth, native_state

    def _record(self, code: int, received: str = "") -> None:
        self.files[f"end.{self.run}"] = (
            f"exit_code={code}\nreceived={received}\nended={self.now}\nphase=\nfailure=\nwhole=1\n"
        )

    @precondition(lambda self: self.phase == "running")
    @rule(code=st.sampled_from([0, 0, 1, 3, 127]))
    def finish(self, code: int) -> None:
        self._record(code)
        self._over(code, "COMPLETED" if code == 0 or not self.trusted else "FAILED")

    @precondition(lambda self: self.phase == "running")
    @rule(warned=st.booleans())
    def requeue(self, warned: bool) -> None:
        if warned:
            self._record(143, "15")
        self.phase, self.native_state = "pending", "PENDING"

    @precondition(lambda self: self.phase == "running")
    @rule(how=st.sampled_from(list(KILLERS)), warned=st.booleans(), trap=st.booleans())
    def kill(self, how: str, warned: bool, trap: bool) -> None:
        if warned:
            self._record(0 if trap else 143, "15")
        self._over(KILLERS[how][1], how)

    @precondition(lambda self: self.phase == "running")
    @rule()
    def kill_9(self) -> None:
        self._over(Reason.SIGNAL, "FAILED")

    @precondition(lambda self: self.phase == "pending" and self.run == 0)
    @rule()
    def never_start(self) -> None:
        self._over(Reason.LAUNCH_FAILED, "FAILED")

    @precondition(lambda self: self.phase != "over")
    @rule(warned=st.booleans())
    def cancelled_by_admin(self, warned: bool) -> None:
        if warned and self.phase == "running":
            self._record(143, "15")
        self._over(Reason.CANCELLED_BY_ADMIN, "CANCELLED")

    # ---- the client

    @rule(arrives=st.booleans(), warned=st.booleans())
    def cancel(self, arrives: bool, warned: bool) -> None:
        self.tracker._note_cancel(self.job, False)
        if not arrives:
            return
        self.delivered = True
        if self.phase != "over":
            if warned and self.phase == "running":
                self._record(143, "15")
            self._over(Reason.CANCELLED, "CANCELLED")
        self.tracker._note_cancel(self.job, True)

    @rule(old=st.booleans())
    def look(self, old: bool) -> None:
        """A ring; the client's view of the directory may be the one of the last look."""
        view = self.older if old else dict(self.files)
        self.older = dict(self.host.seen)
        self.host.seen = view
        self.tracker._ring("dir", ask=False)

    @rule(seconds=st.sampled_from([0.01, 1.0, 5.0, 11.0, 30.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.tracker._step()

    # ---- the scheduler

    def _report(self, detailed: bool) -> Report:
        if self.native_state in KILLERS:
            state, reason = KILLERS[self.native_state]
            return Report("1", state, self.native_state, reason=reason)
        if self.native_state == "CANCELLED":
            by = self.truth if detailed and isinstance(self.truth, Reason) else None
            return Report("1", JobState.CANCELED, "CANCELLED", reason=by)
        if self.phase != "over":
            state = JobState.ACTIVE if self.phase == "running" else JobState.QUEUED
            return Report("1", state, self.native_state)
        state = JobState.COMPLETED if self.native_state == "COMPLETED" else JobState.FAILED
        if not detailed or not self.trusted:
            return Report("1", state, self.native_state)
        if self.truth is Reason.SIGNAL:
            return Report("1", state, self.native_state, reason=Reason.SIGNAL, exit_code=0, signal=9)
        code = self.truth if isinstance(self.truth, int) else 1
        return Report("1", state, self.native_state, reason=Reason.EXIT, exit_code=code)

    def _answer(self, reports: Any, details: bool = False) -> None:
        self.tracker._take_answers([_Answer([self.tracked], details, reports)])
        self.tracker._asking = True

    @rule(hiccup=st.booleans())
    def poll(self, hiccup: bool) -> None:
        if self.listed and not hiccup:
            self.missing_since, self.details_since_missing = None, False
            report = self._report(detailed=False)
            if report.final and self.over_since is None:
                self.over_since = self.now
            self._answer({"1": report})
        else:
            self.missing_since = self.now if self.missing_since is None else self.missing_since
            self._answer({})

    @precondition(lambda self: self.tracked in self.tracker._want_details)
    @rule(known=st.booleans())
    def details(self, known: bool) -> None:
        self.tracker._want_details.clear()
        self.details_since_missing = True
        report = self._report(detailed=True)
        if known and report.final and self.over_since is None:
            self.over_since = self.now
        self._answer({"1": report} if known else {}, details=True)

    @rule()
    def unknown_word(self) -> None:
        self.missing_since, self.details_since_missing = None, False
        self._answer({"1": Report("1", None, "GIBBERISH")})

    @rule(details=st.booleans())
    def outage(self, details: bool) -> None:
        before = self.job.status
        self._answer(Unreachable("no"), details)
        if not details:
            self.missing_since = None  # nobody knows what was listed in the meantime
        assert self.job.status is before

    @precondition(lambda self: self.phase == "over")
    @rule()
    def forget(self) -> None:
        self.listed = False

    # ---- what must hold

    @invariant()
    def every_state_is_told_once_and_in_order(self) -> None:
        """S1, S2, S4, B1"""
        states = [status.state for status in self.fired.statuses] if hasattr(self, "fired") else []
        for earlier, later in itertools.pairwise(states):
            assert later.is_greater_than(earlier)
        if JobState.COMPLETED in states:
            assert states == [JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED]
        assert len(getattr(self, "remembered", ())) == sum(state.final for state in states)

    @invariant()
    def an_end_is_a_true_one(self) -> None:
        status = self.job.status if hasattr(self, "job") else JobStatus(JobState.NEW)
        if not status.final or self.end is not None:
            assert self.end in (None, status)
            return
        self.end = status
        if status.state is JobState.COMPLETED:
            assert self.phase == "over"
            assert self.truth == 0 or "exit_code=0\n" in self.files.get(f"end.{self.run}", "")
        elif status.state is JobState.CANCELED:
            assert self.truth in (Reason.CANCELLED, Reason.CANCELLED_BY_ADMIN) or self.delivered
        elif status.reason is Reason.LOST and self.missing_since is not None and self.over_since is None:
            assert self.now - self.missing_since >= PATIENCE.lost
            assert self.details_since_missing
        elif status.reason is Reason.LOST:
            assert self.over_since is not None
            assert self.now - self.over_since >= PATIENCE.record
        elif status.reason in (Reason.EXIT, Reason.TIMEOUT, Reason.OUT_OF_MEMORY, Reason.NODE_FAILURE):
            assert self.phase == "over"
            assert self.truth != 0
            if status.reason is not Reason.EXIT or status.exit_code is not None:
                assert self.truth in (status.exit_code, status.reason)

    def teardown(self) -> None:
        if not hasattr(self, "tracker"):
            return
        try:
            self._every_job_that_ended_gets_its_end()
        finally:
            for patch in self.patches:
                patch.stop()
            self.tracker._wake_reader.close()
            self.tracker._wake_writer.close()

    def _every_job_that_ended_gets_its_end(self) -> None:
        """When all is quiet at last, the client knows; while the job lives, it is not given up."""
        if self.job.status.final:
            return
        self.look(old=False)
        for _ in range(30):
            if self.job.status.final:
                break
            self.poll(hiccup=False)
            if self.tracked in self.tracker._want_details:
                self.details(known=self.listed)
            self.pass_time(5.0)
        assert self.job.status.final == (self.phase == "over")
        self.an_end_is_a_true_one()
        self.every_state_is_told_once_and_in_order()


World.TestCase.settings = settings(max_examples=500, stateful_step_count=30, deadline=None)
TestWorld = World.TestCase
