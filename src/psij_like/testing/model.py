"""The scheduler behind all personalities: nodes, the queue, and each job's way from pending to its end.

It reads no clock, starts no process and sleeps never: `Machine` does that for it, so that a test may be the machine.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterable

from psij_like.testing.jobs import Cause, Job, Node, State, Wait
from psij_like.testing.queue import Queue
from psij_like.testing.rules import Machine, Rules


class Model(Queue):
    """A cluster. Every change of a job goes through its methods, and those of `Queue`."""

    def __init__(self, machine: Machine, nodes: Iterable[Node], rules: Rules) -> None:
        super().__init__(machine, nodes, rules)
        self.ended: Callable[[Job], None] | None = None  # hears of every end

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
