"""The scheduler behind all personalities: nodes, the queue, and each job's way from pending to its end.

It reads no clock, starts no process and sleeps never: `Machine` does that for it, so that a test may be the machine.
"""

from __future__ import annotations

import copy
import math
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from psij_like.testing.jobs import Array, Cause, Dependency, Job, Node, State, Wait
from psij_like.testing.placing import place


class Machine(Protocol):
    """What the model needs of the world."""

    def now(self) -> float:
        """Seconds since 1970."""

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` once, so many seconds from now."""

    def start(self, job: Job) -> None:
        """Start the job's script; `Model.exited` is to be called when it has ended. OSError: it can't be started."""

    def send(self, job: Job, number: int) -> None:
        """Send a signal to all processes of the job."""


@dataclass(frozen=True)
class Rules:
    """What differs between schedulers.

    Attributes:
        kill: signals that end a running job, each with whether the next one waits for `kill_wait`; SIGKILL follows.
        kill_at_limit: those before them for a job that has reached its walltime.
        dead_dependency_ends: whether a job whose dependency can't be met is ended (Cause.DEPENDENCY) or stays pending.
        kill_wait: seconds between asking a job to end and killing it.
        start_delay: seconds that pass before the scheduler looks at a change.
        walltime_scale: how long a second of walltime lasts, in seconds.
        walltime_check: seconds between two looks at walltimes; 0: limits are kept to the moment.
        history: seconds that ended jobs stay listed.
        requeue_delay: seconds that a requeued job waits.
    """

    kill: tuple[tuple[int, bool], ...] = ((signal.SIGCONT, False), (signal.SIGTERM, True))
    dead_dependency_ends: bool = False
    kill_wait: float = 5
    start_delay: float = 0
    walltime_scale: float = 1
    walltime_check: float = 0
    history: float = 300
    requeue_delay: float = 0
    kill_at_limit: tuple[tuple[int, bool], ...] = ()


def counts_never_run(kind: str, _: Job) -> bool | None:
    """What a job that ended before it ran is to one that waits for it: all it takes, or (None) its end."""
    return None if kind == "afterok" else True


# Jobs that a pass of the scheduler tries in vain before it gives up; keeps a submission's cost flat.
_DEPTH = 100


class Model:
    """A cluster. Every change of a job goes through its methods."""

    def __init__(self, machine: Machine, nodes: Iterable[Node], rules: Rules) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.rules = rules
        self.jobs: dict[str, Job] = {}  # all there ever were, but those forgotten
        self.listed: dict[str, Job] = {}  # those that lists still show
        self.arrays: dict[str, Array] = {}
        self.ended: Callable[[Job], None] | None = None  # hears of every end
        self.never_ran: Callable[[str, Job], bool | None] = counts_never_run
        self._machine = machine
        self._number = 0
        self._free = sum(node.slots for node in self.nodes.values())
        self._ready: dict[str, Job] = {}
        self._dependents: dict[str, list[Job]] = {}
        self._ended: deque[tuple[float, Job]] = deque()
        self._planned = False
        self._missed: list[Callable[[], None]] | None = None  # what happens while the controller is down
        self._lag = 0.0
        self._lag_since = 0.0
        self._past: dict[str, list[tuple[float, Job]]] = {}

    # ---- Questions

    def now(self) -> float:
        """Seconds since 1970."""
        return self._machine.now()

    def next_number(self) -> int:
        """A job number that nobody has."""
        self._number += 1
        return self._number

    def find(self, native_id: str) -> list[Job]:
        """The job of that id, or all members of the array of that id, as they are; empty if there is none."""
        if native_id in self.arrays:
            return [job for job in self.arrays[native_id].members if job.native_id in self.jobs]
        return [self.jobs[native_id]] if native_id in self.jobs else []

    def listing(self, native_ids: Iterable[str] | None = None, *, all_time: bool = False) -> Iterable[Job]:
        """What a list shows: jobs as they are, or as they were if lists lag.

        Args:
            native_ids: of jobs and arrays; None: all.
            all_time: also jobs that have left the scheduler's own list, as accounting has them.
        """
        self._expire()
        place_ = self.jobs if all_time else self.listed
        jobs: Iterable[Job]
        if native_ids is None:
            jobs = place_.values()
        else:
            found = {job.native_id: job for native_id in native_ids for job in self.find(native_id)}
            jobs = [job for job in found.values() if job.native_id in place_]
        return self._as_they_were(jobs) if self._lag else jobs

    def _as_they_were(self, jobs: Iterable[Job]) -> Iterator[Job]:
        moment = max(self.now() - self._lag, self._lag_since)
        for job in jobs:
            past = [then for at, then in self._past.get(job.native_id, ()) if at <= moment]
            if past:
                yield past[-1]

    def _expire(self) -> None:
        before = self.now() - self.rules.history
        while self._ended and self._ended[0][0] <= before:
            end, job = self._ended.popleft()
            if job.state is State.ENDED and job.end == end:
                self.listed.pop(job.native_id, None)

    # ---- Submission

    def submit(self, *jobs: Job, array: Array | None = None) -> None:
        """Take jobs in; an array's members come with the array, in order."""
        if array is not None:
            self.arrays[array.native_id] = array
            array.members.extend(jobs)
            array.pending = len(jobs)
        for job in jobs:
            self.jobs[job.native_id] = self.listed[job.native_id] = job
            for dependency in job.dependencies:
                self._dependents.setdefault(dependency.native_id, []).append(job)
            self._consider(job)

    def populate(self, jobs: Iterable[Job]) -> None:
        """Take in pretend jobs in whatever state they are; nothing ever happens to them by itself."""
        for job in jobs:
            self.jobs[job.native_id] = self.listed[job.native_id] = job
            if self._lag:
                self._changed(job)

    # ---- The queue

    def _consider(self, job: Job) -> None:
        """Find out what a pending job waits for."""
        if job.state is not State.PENDING:
            return
        now = self.now()
        met = self._met(job)
        if job.held is not None:
            self._park(job, job.held)
        elif met is None:
            self._park(job, Wait.NEVER)
            if self.rules.dead_dependency_ends:
                self._finish(job, Cause.DEPENDENCY)
        elif not met:
            self._park(job, Wait.DEPENDENCY)
        elif job.obstacle is not None:
            self._park(job, Wait.IMPOSSIBLE)
        elif job.begin is not None and job.begin > now:
            self._park(job, Wait.BEGIN)
            self._after(job.begin - now, lambda: self._consider(job))
        elif job.native_id not in self._ready and self._over_limit(job):
            self._park(job, Wait.ARRAY_LIMIT)
        elif job.script is not None:
            if job.native_id not in self._ready:
                self._ready[job.native_id] = job
                self._wait(job, Wait.PRIORITY if len(self._ready) > 1 else Wait.NONE)
            self._plan()

    def _over_limit(self, job: Job) -> bool:
        array = job.array
        if array is None:
            return False
        if array.limit is not None and array.admitted >= array.limit:
            if job not in array.parked:
                array.parked.append(job)
            return True
        array.admitted += 1
        return False

    def _park(self, job: Job, wait: Wait) -> None:
        if self._ready.pop(job.native_id, None) is not None:
            self._leave_array(job)
        self._wait(job, wait)

    def _leave_array(self, job: Job) -> None:
        if job.array is not None:
            job.array.admitted -= 1
            while job.array.parked:
                following = job.array.parked.popleft()
                if following is not job and following.wait is Wait.ARRAY_LIMIT and following.state is State.PENDING:
                    self._consider(following)
                    break

    def _met(self, job: Job) -> bool | None:
        """Whether all dependencies are met; None: one can never be. A job nobody knows has long ended."""
        answers = [self._one_met(dependency) for dependency in job.dependencies]
        if job.any_dependency:
            return any(answers) or (None if all(answer is None for answer in answers) else False)
        return None if None in answers else all(answers)

    def _one_met(self, dependency: Dependency) -> bool | None:
        targets = self.find(dependency.native_id)
        for job in targets:
            if job.state is State.ENDED and not job.runs and job.script is not None:
                return self.never_ran(dependency.kind, job)
        if dependency.kind in ("after", "started"):
            return all(job.start is not None for job in targets)
        if not all(job.state is State.ENDED for job in targets):
            return False
        if dependency.kind == "afterany" or not targets:
            return True
        good = all(job.succeeded for job in targets)
        return True if good == (dependency.kind == "afterok") else None

    def _news_for_dependents(self, job: Job) -> None:
        for native_id in (job.native_id, job.array.native_id if job.array else ""):
            for dependent in self._dependents.get(native_id, ()):
                self._consider(dependent)

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._after(self.rules.start_delay, self._schedule)

    def _schedule(self) -> None:
        self._planned = False
        tried = 0
        for job in list(self._first(2 * _DEPTH)):
            if job.native_id not in self._ready or not self._free:
                break
            placed = place(job.request, self.nodes.values())
            if placed is None:
                self._wait(job, Wait.PRIORITY if tried else Wait.RESOURCES)
                tried += 1
                if tried >= _DEPTH:
                    break
            else:
                self._start(job, placed)
        head = next(iter(self._ready.values()), None)
        if head is not None:
            self._wait(head, Wait.RESOURCES)
            if not tried and self._free:
                self._plan()  # all that were looked at have started: on to the next ones

    def _first(self, count: int) -> Iterator[Job]:
        for job, _ in zip(self._ready.values(), range(count), strict=False):
            yield job

    # ---- Running

    def _start(self, job: Job, placed: list[tuple[Node, int, int]]) -> None:
        del self._ready[job.native_id]
        job.nodes = tuple(node.name for node, _, _ in placed)
        job.tasks_on = tuple(tasks for _, tasks, _ in placed)
        job.slots_on = tuple(slots for _, _, slots in placed)
        for node, _, slots in placed:
            node.used += slots
            node.jobs[job.native_id] = job
            node.exclusive = job.request.exclusive
            self._free -= slots
        if job.array is not None:
            job.array.pending -= 1
        job.state, job.wait, job.cause, job.start, job.end = State.RUNNING, Wait.NONE, None, self.now(), None
        job.exit_code = job.signal = 0
        job.ended_by = None
        job.runs += 1
        self._changed(job)
        try:
            self._machine.start(job)
        except OSError:
            job.exit_code = 1
            self._finish(job, Cause.LAUNCH_FAILED)
            return
        if job.request.walltime is not None:
            run = job.runs
            self._after(self._limit(job.request.walltime), lambda: self._time_is_over(job, run))
        self._news_for_dependents(job)

    def _limit(self, walltime: float) -> float:
        """Seconds until somebody notices that the walltime is over."""
        seconds = walltime * self.rules.walltime_scale
        if check := self.rules.walltime_check:
            now = self.now()
            seconds = math.ceil((now + seconds) / check) * check - now
        return seconds

    def _time_is_over(self, job: Job, run: int) -> None:
        if job.runs == run and job.state in (State.RUNNING, State.SUSPENDED):
            self.end(job, Cause.TIMEOUT)

    def exited(self, job: Job, run: int, exit_code: int, signal_number: int) -> None:
        """The script of that run has ended and nothing of it is left."""
        if self._missed is not None:
            self._missed.append(lambda: self.exited(job, run, exit_code, signal_number))
            return
        if job.runs != run or job.state in (State.PENDING, State.ENDED):
            return
        job.exit_code, job.signal = exit_code, signal_number
        if job.again:
            self._back_to_queue(job)
        else:
            self._finish(job, job.cause or (Cause.SIGNALLED if signal_number else Cause.EXITED))

    def _release(self, job: Job) -> None:
        for name, slots in zip(job.nodes, job.slots_on, strict=True):
            node = self.nodes[name]
            if node.jobs.pop(job.native_id, None) is not None:
                node.used -= slots
                self._free += slots if node.up else 0
                node.exclusive = node.exclusive and bool(node.jobs)
        if self._ready:
            self._plan()

    def _finish(self, job: Job, cause: Cause, by: int | None = None) -> None:
        if job.state is State.PENDING:
            job.start = self.now()
            if job.array is not None:
                job.array.pending -= 1
            if self._ready.pop(job.native_id, None) is not None:
                self._leave_array(job)
        elif job.script is not None:
            self._release(job)
            self._leave_array(job)
        job.state, job.cause, job.end = State.ENDED, cause, self.now()
        job.ended_by = by if by is not None else job.ended_by
        self._ended.append((job.end, job))
        self._changed(job)
        if self.ended is not None:
            self.ended(job)
        self._news_for_dependents(job)

    def _back_to_queue(self, job: Job) -> None:
        if job.state is not State.ENDED and job.script is not None:
            self._release(job)
            self._leave_array(job)
        if job.array is not None:
            job.array.pending += 1
        job.state, job.cause, job.again, job.nodes, job.start, job.end = State.PENDING, None, False, (), None, None
        job.slots_on = job.tasks_on = ()
        if self.rules.requeue_delay:
            job.begin = self.now() + self.rules.requeue_delay
        self.listed[job.native_id] = job
        self._changed(job)
        self._consider(job)

    # ---- What users and administrators do

    def end(self, job: Job, cause: Cause, by: int | None = None) -> bool:
        """End a job; False if its end is already there or on its way."""
        if job.state in (State.ENDED, State.ENDING):
            return False
        if job.state is State.PENDING or job.script is None:
            self._finish(job, cause, by)
            return True
        job.state, job.cause, job.ended_by = State.ENDING, cause, by
        self._changed(job)
        first = self.rules.kill_at_limit if cause is Cause.TIMEOUT else ()
        self._kill(job, [*first, *self.rules.kill, (signal.SIGKILL, False)])
        return True

    def _kill(self, job: Job, signals: list[tuple[int, bool]]) -> None:
        run = job.runs

        def go_on() -> None:
            if job.runs == run and job.state is State.ENDING:
                self._kill(job, signals)

        while signals:
            number, waits = signals.pop(0)
            self._machine.send(job, number)
            if waits:
                # Not `_after`: the nodes do this, whether the controller is up or not.
                self._machine.later(self.rules.kill_wait, go_on)
                return

    def signal(self, job: Job, number: int) -> None:
        """Send a signal to the processes of a running job."""
        if job.state in (State.RUNNING, State.SUSPENDED):
            self._machine.send(job, number)

    def hold(self, job: Job, *, admin: bool = False) -> bool:
        """Keep a pending job from starting; False if it is not pending."""
        if job.state is not State.PENDING:
            return False
        job.held = Wait.HELD_BY_ADMIN if admin else Wait.HELD_BY_USER
        self._consider(job)
        return True

    def release(self, job: Job) -> bool:
        """Take the hold from a pending job; False if it is not pending."""
        if job.state is not State.PENDING:
            return False
        job.held = None
        self._consider(job)
        return True

    def depend(self, job: Job, dependencies: Iterable[Dependency]) -> None:
        """Change what a pending job waits for. What has ended is judged now; on what nobody knows it waits in vain."""
        left = []
        for dependency in dependencies:
            targets = self.find(dependency.native_id)
            good = all(one.succeeded or not one.runs for one in targets)
            if targets and not all(one.state is State.ENDED for one in targets):
                left.append(dependency)
            elif not targets or good is {"afterok": False, "afternotok": True}.get(dependency.kind):
                self._finish(job, Cause.DEPENDENCY)
                return
        job.dependencies = tuple(left)
        for dependency in left:
            self._dependents.setdefault(dependency.native_id, []).append(job)
        self._consider(job)

    def begin_at(self, job: Job, moment: float) -> None:
        """Change the time before which a pending job doesn't start."""
        job.begin = moment
        self._consider(job)

    def requeue(self, job: Job, *, kill: bool = False) -> bool:
        """Run a job again, after ending it if it runs (`kill`: at once); False if it is already to run."""
        if job.state is State.ENDED:
            self._back_to_queue(job)
            return True
        if job.state not in (State.RUNNING, State.SUSPENDED) or job.script is None:
            return False
        job.again = True
        job.state = State.ENDING
        self._changed(job)
        self._kill(job, [(signal.SIGKILL, False)] if kill else [*self.rules.kill, (signal.SIGKILL, False)])
        return True

    def suspend(self, job: Job) -> bool:
        """Stop a running job's processes; False if it doesn't run."""
        return self._switch(job, State.RUNNING, State.SUSPENDED, signal.SIGSTOP)

    def resume(self, job: Job) -> bool:
        """Let a suspended job run on; False if it is not suspended."""
        return self._switch(job, State.SUSPENDED, State.RUNNING, signal.SIGCONT)

    def _switch(self, job: Job, before: State, after: State, number: int) -> bool:
        if job.state is not before:
            return False
        job.state = after
        self._changed(job)
        self._machine.send(job, number)
        return True

    def preempt(self, job: Job, *, requeue: bool = False) -> bool:
        """Take a running job's nodes away: it is run again, or ended; False if it doesn't run."""
        if job.state not in (State.RUNNING, State.SUSPENDED):
            return False
        return self.requeue(job) if requeue else self.end(job, Cause.PREEMPTED)

    def fail_node(self, name: str) -> None:
        """A node dies with all that runs on it. KeyError: there is no such node."""
        node = self.nodes[name]
        if not node.up:
            return
        node.up = False
        self._free -= node.slots - node.used
        for job in list(node.jobs.values()):
            if job.requeue and job.state in (State.RUNNING, State.SUSPENDED):
                self.requeue(job, kill=True)
            elif job.state is not State.ENDED:
                job.state, job.cause = State.ENDING, Cause.NODE_FAILURE
                self._changed(job)
                self._machine.send(job, signal.SIGKILL)

    def restore_node(self, name: str) -> None:
        """A node is back. KeyError: there is no such node."""
        node = self.nodes[name]
        if not node.up:
            node.up = True
            self._free += node.slots - node.used
            self._plan()

    def forget(self, job: Job) -> None:
        """Lose every trace of a job in lists and accounting; what runs, runs on."""
        self.jobs.pop(job.native_id, None)
        self.listed.pop(job.native_id, None)
        self._ready.pop(job.native_id, None)
        self._past.pop(job.native_id, None)

    # ---- Faults

    @property
    def is_down(self) -> bool:
        """Whether the controller is down."""
        return self._missed is not None

    def down(self) -> None:
        """The controller stops: nothing starts, no end is noticed, no limit is kept."""
        if self._missed is None:
            self._missed = []

    def up(self) -> None:
        """The controller is back and notices all that it missed."""
        missed, self._missed = self._missed or [], None
        for act in missed:
            act()

    def lag(self, seconds: float) -> None:
        """From now on lists show jobs as they were so many seconds ago, but not before now; 0: as they are."""
        self._lag, self._past = max(0.0, seconds), {}
        if self._lag:
            for job in self.jobs.values():
                self._changed(job)
        self._lag_since = self.now()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` later; if the controller is down then, when it is back."""

        def now_or_missed() -> None:
            if self._missed is None:
                act()
            else:
                self._missed.append(act)

        self._machine.later(seconds, now_or_missed)

    def _wait(self, job: Job, wait: Wait) -> None:
        if job.wait is not wait or job.row is None:
            job.wait = wait
            self._changed(job)

    def _changed(self, job: Job) -> None:
        job.row = None
        if self._lag:
            self._past.setdefault(job.native_id, []).append((self.now(), copy.copy(job)))
