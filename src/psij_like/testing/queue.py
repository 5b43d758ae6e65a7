"""The queue of a simulated cluster: what each pending job waits for, and which ones start next."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator

from psij_like.testing.jobs import Array, Cause, Dependency, Job, Node, State, Wait
from psij_like.testing.listed import Jobs
from psij_like.testing.placing import place
from psij_like.testing.rules import Machine, Rules

# Jobs that a pass of the scheduler tries in vain before it gives up; keeps a submission's cost flat.
_DEPTH = 100


def counts_never_run(kind: str, _: Job) -> bool | None:
    """What a job that ended before it ran is to one that waits for it: all it takes, or (None) its end."""
    return None if kind == "afterok" else True


class Queue(Jobs):
    """The jobs that wait, and the nodes that they wait for."""

    def __init__(self, machine: Machine, nodes: Iterable[Node], rules: Rules) -> None:
        super().__init__(machine, rules)
        self.nodes = {node.name: node for node in nodes}
        self.never_ran: Callable[[str, Job], bool | None] = counts_never_run
        self._free = sum(node.slots for node in self.nodes.values())
        self._ready: dict[str, Job] = {}
        self._dependents: dict[str, list[Job]] = {}
        self._planned = False

    @abstractmethod
    def _start(self, job: Job, placed: list[tuple[Node, int, int]]) -> None:
        """Start a job on those nodes, with so many tasks and slots on each."""

    @abstractmethod
    def _finish(self, job: Job, cause: Cause, by: int | None = None) -> None:
        """The job has ended."""

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

    def forget(self, job: Job) -> None:
        """See `Jobs.forget`."""
        super().forget(job)
        self._ready.pop(job.native_id, None)

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

    def begin_at(self, job: Job, moment: float) -> None:
        """Change the time before which a pending job doesn't start."""
        job.begin = moment
        self._consider(job)

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

    # ---- Dependencies

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

    # ---- What starts next

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
