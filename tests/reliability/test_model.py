"""Jobs, a scheduler and clients at random, and what the tracker makes of it: never more than the evidence says.

The tracker is the real one, its clock and its threads are turned by hand: a query is asked at one moment, looks at the
world at another, and its answer arrives at a third. Beside it stands a small oracle that knows what was ever told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from hypothesis import seed
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from psij_like._engine.evidence import Patience, Report
from psij_like._engine.follow import Followed
from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import JobFiles, Submission
from psij_like._engine.record import Record
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason
from psij_like.staging import StageIn
from reliability.scale import SEED, tried, tuned

PATIENCE = Patience(record=10.0, lost=60.0)
CAUSES = {
    "TIMEOUT": (JobState.FAILED, Reason.TIMEOUT),
    "OUT_OF_MEMORY": (JobState.FAILED, Reason.OUT_OF_MEMORY),
    "NODE_FAIL": (JobState.FAILED, Reason.NODE_FAILURE),
    "CANCELLED": (JobState.CANCELED, Reason.CANCELLED),
}
JOBS = st.sampled_from(["1", "2", "3"])


@dataclass
class Real:
    """A job as it is.

    Attributes:
        id: its native id.
        staged: whether it brings files.
        state: PENDING, RUNNING, ENDED, or what killed it.
        runs: how often it has started.
        code: the exit code of its last run, if that ended by itself.
        record: what it has written.
        listed: whether the scheduler still knows it.
        cancelled: whether a cancel reached it in time.
        denied: whether the scheduler has said, while it lived, that there is no such job.
    """

    id: str
    staged: bool = False
    state: str = "PENDING"
    runs: int = 0
    code: int | None = None
    record: Record | None = None
    listed: bool = True
    cancelled: bool = False
    denied: bool = False

    @property
    def over(self) -> bool:
        return self.state not in ("PENDING", "RUNNING")

    def report(self, detailed: bool) -> Report:
        if self.state in CAUSES:
            state, cause = CAUSES[self.state]
            return Report(self.id, state, self.state, reason=cause)
        if self.state == "ENDED":
            state = JobState.FAILED if self.code else JobState.COMPLETED
            return Report(self.id, state, str(state), reason=Reason.EXIT if detailed else None, exit_code=self.code)
        return Report(self.id, JobState.ACTIVE if self.state == "RUNNING" else JobState.QUEUED, self.state)


class Seen(JobFiles):
    """A job's files as a client sees them, which may be an older view."""

    view: Record | None = None

    def record(self) -> Record | None:
        return self.view

    def gone(self) -> bool:
        return False


@dataclass
class Client:
    """Whoever follows a job, and what he was told."""

    real: Real
    tracked: Tracked
    told: list[JobStatus] = field(default_factory=list)
    remembered: list[JobStatus] = field(default_factory=list)
    end: JobStatus | None = None


class Source:
    """The scheduler: it answers what is true when it is asked, unless it does not answer."""

    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()
    trusted = True

    def __init__(self, jobs: Mapping[str, Real]) -> None:
        self.jobs = jobs
        self.mood = "well"

    def poll(self, asked: Sequence[Tracked]) -> Mapping[str, Report]:
        return self._answer(False)

    def details(self, asked: Sequence[Tracked]) -> Mapping[str, Report]:
        return self._answer(True)

    def _answer(self, detailed: bool) -> Mapping[str, Report]:
        if self.mood == "down":
            raise Unreachable("nobody answers")
        if self.mood == "forgetful":
            for job in self.jobs.values():
                job.denied |= not job.over
            return {}
        if self.mood == "mad":
            return {name: Report(name, None, "DAYDREAMING") for name in self.jobs}
        return {job.id: job.report(detailed) for job in self.jobs.values() if job.listed}

    def withdraw(self, jobs: Sequence[Tracked]) -> None: ...


class Campaign(RuleBasedStateMachine):
    @initialize(staged=st.booleans(), foreign=st.booleans())
    def submit(self, staged: bool, foreign: bool) -> None:
        tried["histories of three jobs and their followers"] += 1
        self.now = 1000.0
        self.queries: list[Callable[[], None]] = []
        self.patches: list[Any] = [
            mock.patch("psij_like._engine.tracker.monotonic", lambda: self.now),
            mock.patch("psij_like._engine.tracker._random.uniform", lambda *_: 1.0),
            mock.patch("psij_like._engine.tracker.threading.Thread", self._thread),
            mock.patch("psij_like._engine.follow.dispatcher", lambda: self),
        ]
        for patch in self.patches:
            patch.start()
        self.real = {name: Real(name, staged) for name in ("1", "2", "3")}
        self.source = Source(self.real)
        self.tracker = Tracker(self.source, Pace(patience=PATIENCE, warn_after=10**9))
        self.tracker._running = True  # the rules below are its thread
        self.clients: dict[Job, Client] = {}
        self.answers = 0  # that a scheduler in its right mind has given
        for name in self.real:
            self._follow(name, own=not (foreign and name == "3"))

    def _thread(self, target: Callable[..., None], args: tuple[object, ...] = (), **_: object) -> Any:
        """A thread that starts when a rule says so."""
        return mock.Mock(start=lambda: self.queries.append(lambda: target(*args)))

    def put(self, job: Job, statuses: list[JobStatus], listeners: object) -> None:
        """The dispatcher's place."""
        self.clients[job].told += [status for status in statuses if job._advance(status)]

    def _follow(self, name: str, own: bool) -> None:
        stage_in = [StageIn("a", "b")] if self.real[name].staged else None
        job = Job(JobSpec(executable="x", stage_in=stage_in))
        followed = Followed(job, lambda: None, lambda job, status: self.clients[job].remembered.append(status))
        files = (
            Seen(Submission(LocalHost(), f"{name}-{len(self.clients)}"), f"{name}-{len(self.clients)}") if own else None
        )
        tracked = Tracked(followed, name, files, walltime=3600.0)
        self.clients[job] = Client(self.real[name], tracked)
        followed.publish(JobStatus(JobState.QUEUED), None)
        self.tracker._add(tracked)

    def _of(self, name: str) -> list[Client]:
        return [client for client in self.clients.values() if client.real.id == name]

    # ---- what happens

    @precondition(lambda self: len(self.clients) < 6)
    @rule(name=JOBS)
    def attach_once_more(self, name: str) -> None:
        self._follow(name, own=True)

    @rule(name=JOBS)
    def start(self, name: str) -> None:
        job = self.real[name]
        if job.state != "PENDING":
            return
        job.state, job.runs, job.code = "RUNNING", job.runs + 1, None
        way = (JobState.STAGE_IN, JobState.ACTIVE) if job.staged else (JobState.ACTIVE,)
        job.record = Record(job.runs, tuple((state, self.now) for state in way))

    @rule(name=JOBS, code=st.sampled_from([0, 0, 1, 3, 127]), writes=st.sampled_from([True, True, True, False]))
    def finish(self, name: str, code: int, writes: bool) -> None:
        job = self.real[name]
        if job.state == "RUNNING":
            job.state, job.code = "ENDED", code
            self._record(job, code, None, writes)

    @rule(name=JOBS, warned=st.booleans())
    def requeue(self, name: str, warned: bool) -> None:
        job = self.real[name]
        if job.state == "RUNNING":
            self._record(job, 143, 15, warned)
            job.state = "PENDING"

    @rule(name=JOBS, how=st.sampled_from(["TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL"]), warned=st.booleans())
    def kill(self, name: str, how: str, warned: bool) -> None:
        job = self.real[name]
        if job.state == "RUNNING":
            self._record(job, 143, 15, warned)
            job.state = how

    def _record(self, job: Real, code: int, received: int | None, writes: bool) -> None:
        if writes and job.record is not None:
            job.record = Record(job.runs, job.record.events, self.now, code, received)

    @rule(name=JOBS, arrives=st.booleans(), warned=st.booleans())
    def cancel(self, name: str, arrives: bool, warned: bool) -> None:
        job, client = self.real[name], self._of(name)[0]
        self.tracker._note_cancel(client.tracked.followed.job, None)
        if arrives:
            job.cancelled = True
            if not job.over:
                if job.state == "RUNNING":
                    self._record(job, 143, 15, warned)
                job.state = "CANCELLED"
        self.tracker._note_cancel(client.tracked.followed.job, arrives)

    @rule(name=JOBS)
    def forget(self, name: str) -> None:
        self.real[name].listed = not self.real[name].over

    @rule(mood=st.sampled_from(["well", "well", "down", "forgetful", "mad"]))
    def change(self, mood: str) -> None:
        self.source.mood = mood

    # ---- what the tracker sees

    @rule(name=JOBS, shown=st.booleans())
    def ring(self, name: str, shown: bool) -> None:
        for client in self._of(name):
            if isinstance(client.tracked.files, Seen):
                if shown:
                    client.tracked.files.view = client.real.record
                self.tracker._ring(client.tracked.files.directory.name, ask=False)

    @rule(seconds=st.sampled_from([0.01, 1.0, 5.0, 11.0, 31.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.tracker._step()

    @precondition(lambda self: self.queries)
    @rule()
    def answer(self) -> None:
        self.answers += self.source.mood == "well"
        self.queries.pop(0)()

    # ---- what must hold

    @invariant()
    def every_state_is_told_once_and_in_order(self) -> None:
        for client in getattr(self, "clients", {}).values():
            states = [status.state for status in client.told]
            for earlier, later in itertools.pairwise(states):
                assert later.is_greater_than(earlier), states
            if JobState.COMPLETED in states:
                way = [JobState.QUEUED, *([JobState.STAGE_IN] if client.real.staged else []), JobState.ACTIVE]
                assert states[:-1] == way
            assert len(client.remembered) == sum(state.final for state in states)

    @invariant()
    def an_end_has_its_reason_in_the_world_and_stays(self) -> None:
        for job, client in getattr(self, "clients", {}).items():
            status = job.status
            if client.end is not None:
                assert status is client.end
            elif status.final:
                client.end = status
                self._justify(client.real, status)

    def _justify(self, real: Real, status: JobStatus) -> None:
        if status.reason is Reason.LOST:  # only after silence, which takes its time
            assert self.now >= 1000.0 + min(PATIENCE)
            return
        if status.reason is Reason.SIGNAL and real.denied:
            return  # a record that speaks of a signal, and a scheduler that does not know the job
        assert real.over, status
        if status.state is JobState.CANCELED:
            assert real.cancelled, status
        elif real.state == "ENDED":
            assert status.exit_code == real.code, status
            assert (status.state is JobState.COMPLETED) == (real.code == 0)
        elif status.reason is not Reason.SIGNAL:  # all that its own record knows
            assert status.reason in (CAUSES[real.state][1], Reason.TIMEOUT), (real, status)
            assert status.state is not JobState.COMPLETED

    def teardown(self) -> None:
        if not hasattr(self, "tracker"):
            return
        try:
            self._all_end_when_the_truth_is_told()
        finally:
            for patch in self.patches:
                patch.stop()
            self.tracker._wake_reader.close()
            self.tracker._wake_writer.close()

    def _all_end_when_the_truth_is_told(self) -> None:
        self.source.mood = "well"
        for name in self.real:
            self.ring(name, True)
        for _ in range(60):
            self.pass_time(5.0)
            while self.queries:
                self.answer()
            self.pass_time(0.01)
        for job, client in self.clients.items():
            assert job.status.final or not client.real.over, (client.real, job.status, client.tracked.evidence)
        self.an_end_has_its_reason_in_the_world_and_stays()
        self.every_state_is_told_once_and_in_order()


Campaign.TestCase.settings = tuned(10_000, 400, stateful_step_count=40)
TestCampaign = seed(SEED)(Campaign.TestCase)
