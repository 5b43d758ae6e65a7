"""Executors that are wrong in one thing each, to see that the conformance suite notices.

A mutant is chosen by PSIJ_TEST_MUTANT, in whatever process `sitecustomize` imports this.
"""

from __future__ import annotations

import copy
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from psij_like import InvalidJobException, Job, JobExecutor, JobState, JobStatus, SubmitException
from psij_like._engine.dispatch import dispatcher
from psij_like._engine.follow import Followed
from psij_like.executors import tracked
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor
from psij_like.executors.local import LocalJobExecutor
from psij_like.executors.tracked import TrackedJobExecutor
from psij_like.job_executor import Target
from psij_like.serialize import JSONSerializer, spec_to_dict

Mutation = Callable[[], None]
MUTANTS: dict[str, tuple[str, str, Mutation]] = {}
"""By name: the statement that it breaks, the executor, and what has to be done for that."""


def breaks(number: str, executor: str = "local") -> Callable[[Mutation], Mutation]:
    def register(mutation: Mutation) -> Mutation:
        MUTANTS[f"{number}_{mutation.__name__}"] = (number, executor, mutation)
        return mutation

    return register


def statuses(change: Callable[[JobStatus, Job], JobStatus | None]) -> None:
    """Change every status before it is published, or leave it out."""
    original = Followed.publish

    def publish(self: Followed, status: JobStatus, record: Any) -> None:
        changed = change(status, self.job)
        if changed is not None:
            original(self, changed, record)

    put(Followed, "publish", publish)


def specs(**fields: Any) -> None:
    """Lose fields of every specification on its way to the backend."""
    original: Any = vars(tracked)["make_plan"]

    def make_plan(job: Job, spec: Any, *others: Any) -> Any:
        spec = copy.copy(spec)
        for name, value in fields.items():
            setattr(spec, name, value)
        return original(job, spec, *others)

    put(tracked, "make_plan", make_plan)


def plans(change: Callable[[Any], Any]) -> None:
    original: Any = vars(tracked)["make_plan"]
    put(tracked, "make_plan", lambda *given: change(original(*given)))


def method(owner: type, name: str) -> Callable[[Callable[..., Any]], None]:
    """Replace a method; the new one gets the old one first."""
    original = getattr(owner, name)

    def put(new: Callable[..., Any]) -> None:
        setattr(owner, name, lambda self, *given, **named: new(original, self, *given, **named))

    return put


def put(owner: object, name: str, value: object) -> None:
    """Set what is not meant to be set."""
    setattr(owner, name, value)


# ---- states


@breaks("S1")
def ends_twice() -> None:
    @method(Followed, "publish")
    def publish(original: Any, followed: Followed, status: JobStatus, record: Any) -> None:
        original(followed, status, record)
        if status.final:
            followed.job._status = JobStatus(JobState.COMPLETED, exit_code=0)


@breaks("S2")
def skips_states() -> None:
    statuses(lambda status, _: status if status.state is not JobState.STAGE_IN else None)
    from psij_like._engine import follow

    put(follow, "_WAY", (JobState.QUEUED, JobState.ACTIVE))


@breaks("S3")
def calls_every_end_a_success() -> None:
    def success(status: JobStatus, _: Job) -> JobStatus:
        if status.state is not JobState.FAILED:
            return status
        return JobStatus(JobState.COMPLETED, status.time, exit_code=0, metadata={"reason": "exit"})

    statuses(success)


@breaks("S3")
def loses_exit_codes() -> None:
    statuses(lambda status, _: JobStatus(status.state, status.time, status.message, None, status.metadata))


@breaks("S4")
def tells_the_time_of_the_poll() -> None:
    def later(status: JobStatus, _: Job) -> JobStatus:
        status.time += 3600 if status.final else 0
        return status

    statuses(later)


@breaks("S6")
def gives_no_reasons() -> None:
    statuses(lambda status, _: JobStatus(status.state, status.time, status.message, status.exit_code))


@breaks("S7")
def calls_what_never_ran_a_success() -> None:
    def success(status: JobStatus, _: Job) -> JobStatus:
        if status.reason in ("launch_failed", "staging_failed") or status.exit_code in (126, 127):
            return JobStatus(JobState.COMPLETED, status.time, exit_code=0, metadata={"reason": "exit"})
        return status

    statuses(success)


@breaks("W1")
def waits_for_the_end_only() -> None:
    @method(Job, "wait")
    def wait(original: Any, job: Job, timeout: timedelta | None = None, states: Any = None) -> Any:
        return original(job, timeout)


@breaks("W2")
def takes_its_time_to_wait() -> None:
    @method(Job, "wait")
    def wait(original: Any, job: Job, timeout: timedelta | None = None, states: Any = None) -> Any:
        return original(job, timeout, states) or job.status


@breaks("B1")
def forgets_the_callback_of_the_job() -> None:
    @method(Job, "set_job_status_callback")
    def forget(original: Any, job: Job, callback: Any) -> None:
        pass


@breaks("B2")
def stumbles_over_a_callback() -> None:
    @method(type(dispatcher()), "put")
    def put(original: Any, own: Any, job: Job, steps: Any, callbacks: Any) -> None:
        if job._callback is not None:
            steps = [status for status in steps if status.state is not JobState.ACTIVE]
        original(own, job, steps, callbacks)


# ---- executors


@breaks("E1")
def returns_before_it_has_an_id() -> None:
    @method(LocalJobExecutor, "submit")
    def submit(original: Any, executor: JobExecutor, job: Job) -> None:
        original(executor, job)
        job._native_id = None


@breaks("E2")
def tells_of_jobs_that_it_refuses() -> None:
    @method(TrackedJobExecutor, "submit")
    def submit(original: Any, executor: TrackedJobExecutor, job: Job) -> None:
        try:
            original(executor, job)
        except InvalidJobException:
            executor._followed(job).publish(JobStatus(JobState.FAILED), None)
            raise


@breaks("E3")
def takes_whatever_it_gets() -> None:
    put(tracked, "validate_spec", lambda _: None)


@breaks("E5")
def ends_jobs_with_their_submitter() -> None:
    if sys.argv != ["-c"]:  # a program that does nothing but submit
        return

    @method(LocalJobExecutor, "submit")
    def submit(original: Any, executor: JobExecutor, job: Job) -> None:
        original(executor, job)
        os.kill(int(str(job.native_id)), signal.SIGKILL)


@breaks("E6")
def drops_the_last_of_many() -> None:
    @method(LocalJobExecutor, "submit_bulk")
    def submit_bulk(original: Any, executor: JobExecutor, jobs: Iterable[Job]) -> None:
        original(executor, list(jobs)[:-1])


@breaks("E8")
def recovers_nothing() -> None:
    put(LocalJobExecutor, "recover", lambda _: [])


@breaks("C1")
def does_not_cancel() -> None:
    put(LocalJobExecutor, "_deliver_cancels", lambda *_: {})


@breaks("C2")
def complains_about_jobs_that_have_ended() -> None:
    @method(TrackedJobExecutor, "cancel")
    def cancel(original: Any, executor: JobExecutor, job: Target) -> None:
        if isinstance(job, Job) and job.status.final:
            raise SubmitException("it has ended")
        original(executor, job)


@breaks("C3")
def cancels_what_was_never_submitted() -> None:
    @method(TrackedJobExecutor, "cancel")
    def cancel(original: Any, executor: JobExecutor, job: Target) -> None:
        if not isinstance(job, Job) or job.native_id is not None:
            original(executor, job)


@breaks("C4")
def cancels_the_first_of_many() -> None:
    @method(TrackedJobExecutor, "cancel_bulk")
    def cancel_bulk(original: Any, executor: JobExecutor, jobs: Iterable[Target]) -> None:
        original(executor, list(jobs)[:1])


@breaks("H1", "slurm")
def does_not_hold() -> None:
    put(BatchSchedulerExecutor, "_deliver_hold", lambda *_: None)


@breaks("H1", "slurm")
def does_not_release() -> None:
    put(BatchSchedulerExecutor, "_deliver_release", lambda *_: None)


@breaks("L1")
def lists_jobs_that_have_ended() -> None:
    seen: set[str] = set()

    @method(TrackedJobExecutor, "list")
    def listed(original: Any, executor: JobExecutor) -> list[str]:
        seen.update(original(executor))
        return sorted(seen)


@breaks("A1")
def attaches_without_exit_codes() -> None:
    @method(TrackedJobExecutor, "attach")
    def attach(original: Any, executor: JobExecutor, job: Job, native_id: str) -> None:
        job.set_job_status_callback(lambda _, status: setattr(status, "exit_code", None))
        original(executor, job, native_id)


@breaks("A2")
def attaches_once_only() -> None:
    attached: set[str] = set()

    @method(TrackedJobExecutor, "attach")
    def attach(original: Any, executor: JobExecutor, job: Job, native_id: str) -> None:
        if native_id in attached:
            raise InvalidJobException("somebody has attached a job to it")
        attached.add(native_id)
        original(executor, job, native_id)


@breaks("Q1")
def knows_its_own_jobs_only() -> None:
    @method(TrackedJobExecutor, "status")
    def status(original: Any, executor: TrackedJobExecutor, jobs: Iterable[Target]) -> Any:
        own = {job.native_id for job in executor._unfinished}
        return {name: found if name in own else None for name, found in original(executor, jobs).items()}


@breaks("Q2")
def says_what_it_does_not_know() -> None:
    @method(TrackedJobExecutor, "status")
    def status(original: Any, executor: JobExecutor, jobs: Iterable[Target]) -> Any:
        return {name: JobStatus(JobState.COMPLETED, exit_code=0) for name in original(executor, jobs)}


@breaks("P1")
def says_that_it_can_do_what_it_can_not() -> None:
    told: Any = LocalJobExecutor.capabilities.fget  # type: ignore[attr-defined]
    put(LocalJobExecutor, "capabilities", property(lambda self: told(self)._replace(dependencies=("before",))))


# ---- specifications


@breaks("J1")
def loses_output() -> None:
    specs(stdout_path=None)


@breaks("J2")
def splits_arguments() -> None:
    def split(plan: Any) -> Any:
        words = " ".join(plan.launch.argv[3:]).split()
        return replace(plan, launch=replace(plan.launch, argv=(*plan.launch.argv[:3], *words)))

    plans(split)


@breaks("J2")
def takes_references_as_text() -> None:
    from psij_like.executors import local

    put(local, "expand_references", lambda value, _: value)


@breaks("J3")
def always_inherits() -> None:
    specs(inherit_environment=True)


@breaks("J4")
def forgets_scripts() -> None:
    specs(pre_launch=None, post_launch=None)


@breaks("J5")
def has_no_time_limit() -> None:
    plans(lambda plan: replace(plan, walltime=10**8))


@breaks("J6")
def names_one_node_only() -> None:
    @method(Job, "_claim")
    def claim(original: Any, job: Job, executor: Any) -> None:
        original(job, executor)
        if job.spec is not None and job.spec.arguments:
            job.spec.arguments = [word.replace("$PSIJ_NODEFILE", "/dev/null") for word in job.spec.arguments]


@breaks("J7")
def brings_no_files() -> None:
    specs(stage_in=set(), stage_out=set(), cleanup=set())


@breaks("J8")
def forgets_whose_job_it_is() -> None:
    from psij_like._engine.plan import Plan

    put(Plan, "job_id", property(lambda self: "0" * 32))


@breaks("J9")
def lets_a_shell_read_arguments() -> None:
    def read(plan: Any) -> Any:
        words = ["/bin/sh", "-c", " ".join(f'"{word}"' for word in plan.launch.argv)]
        return replace(plan, launch=replace(plan.launch, argv=tuple(words)))

    plans(read)


@breaks("R1")
def starts_one_process_only() -> None:
    specs(resources=None, launcher="single")


@breaks("R2")
def ignores_dependencies() -> None:
    put(LocalJobExecutor, "_check", lambda *_: None)


@breaks("R3")
def refuses_the_attributes_of_others() -> None:
    @method(LocalJobExecutor, "_check")
    def check(original: Any, executor: JobExecutor, plan: Any) -> None:
        original(executor, plan)
        if plan.spec.attributes.custom_attributes:
            raise InvalidJobException("there are custom attributes")


@breaks("N1")
def takes_every_launcher_for_multiple() -> None:
    tracked_launcher: Any = vars(tracked)["launcher_for"]

    def launcher_for(spec: Any, options: Any) -> Any:
        spec = copy.copy(spec)
        spec.launcher = "multiple"
        return tracked_launcher(spec, options)

    put(tracked, "launcher_for", launcher_for)


@breaks("D1", "slurm")
def does_not_wait() -> None:
    plans(lambda plan: replace(plan, dependencies=()))


@breaks("D2", "slurm")
def does_not_say_what_was_waited_for() -> None:
    def plain(status: JobStatus, _: Job) -> JobStatus:
        if status.reason == "dependency_failed":
            status.metadata["reason"] = "cancelled"
        return status

    statuses(plain)


@breaks("V2")
def writes_without_the_environment() -> None:
    def dumps(_: JSONSerializer, spec: Any) -> str:
        import json

        return json.dumps({name: value for name, value in spec_to_dict(spec).items() if name != "environment"})

    put(JSONSerializer, "dumps", dumps)


if "PSIJ_TEST_MUTANT" in os.environ:
    MUTANTS[os.environ["PSIJ_TEST_MUTANT"]][2]()
