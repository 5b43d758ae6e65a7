"""`rp`: RADICAL-Pilot, observed on 1.103. Jobs are tasks in a pilot: one allocation in which many of them run.

The pilot is started with the first job, and ends with `close()`, at the end of `with executor:`, or with the program;
jobs that run then are cancelled. Executors of a process that are alike share one. A job that comes after its time limit
starts another one. The executor's `url` is the
resource, as RADICAL-Pilot names it (`ornl.frontier`); `local.localhost` by default. `RPExecutorConfig` says how big the
pilot is and how long it lives. Queue, account and reservation are the pilot's, so those of jobs are refused, as are
dependencies.

A job is one task on one node, whose processes a launcher of this library starts there (`single`, `multiple`, `mpirun`);
it gets the cores and GPUs of all its processes. The pilot's nodes must see the work directory. The native id is the
task's uid. Jobs are followed, and cancelled, by the process whose pilot runs them; how they ended others can tell, too.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from psij_like._engine.delivery import Attempt, intent_of
from psij_like._engine.evidence import Patience
from psij_like._engine.job_files import JobFiles, Submission
from psij_like._engine.plan import Inheritance, Plan, body_data, script_data
from psij_like._engine.render import render
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker, shared_tracker
from psij_like.capabilities import Capabilities
from psij_like.exceptions import InvalidJobException, SubmitException
from psij_like.executors._rp.config import RPExecutorConfig, rp_config
from psij_like.executors._rp.pilot import Pilot, shared_pilot
from psij_like.executors._rp.source import tasks
from psij_like.executors.remembered import Told
from psij_like.executors.tracked import Batch, TrackedJobExecutor
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig, Target
from psij_like.job_status import JobStatus

__all__ = ["RPExecutorConfig", "RPJobExecutor"]

_PACE = Pace(longest=5, patience=Patience(record=10, lost=10))
_UNTIL_CANCELLED = timedelta(seconds=15)
_MEGABYTE = 2**20


class RPJobExecutor(TrackedJobExecutor):
    """Runs jobs as tasks of RADICAL-Pilot; see the module."""

    _NAME_ = "rp"
    _DETECTED_ = False

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, rp_config(config))
        where = str(self._config.work_directory)
        if re.search(r"[$`]", where):
            raise ValueError(f"work_directory: {where!r} holds $ or `, which RADICAL-Pilot would expand")
        self._pilot = self._shared_pilot()

    def _shared_pilot(self) -> Pilot:
        directory = self._store.directory / "sessions"
        return shared_pilot(self.url or "local.localhost", rp_config(self._config), directory, _heard, _abandoned)

    @property
    def capabilities(self) -> Capabilities:
        """See `JobExecutor.capabilities`."""
        return super().capabilities._replace(
            status=True, refused=("attributes.queue_name", "attributes.account", "attributes.reservation_id")
        )

    @property
    def trouble(self) -> str:
        """See `JobExecutor.trouble`. Nothing is imported."""
        if importlib.util.find_spec("radical") is None:
            return "RADICAL-Pilot is not installed: pip install 'psij-like[rp]'"
        return ""

    def close(self) -> None:
        """Cancel what still runs, and end the pilot if no other executor uses it. The next job starts another one."""
        left = self._open_jobs()
        if left:
            self.cancel_bulk(left)
        for job in left:
            job.wait(_UNTIL_CANCELLED)
        self._pilot.leave(self)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.close()

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        import asyncio  # noqa: PLC0415 - slow to import

        try:
            await super().__aexit__(kind, error, trace)
        finally:
            await asyncio.to_thread(self.close)

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._pilot = self._shared_pilot()

    def _tracker(self) -> Tracker:
        return _follower()

    def _id_example(self) -> str:
        return "psij.0123456789abcdef0123456789abcdef"

    def _may_be_id(self, native_id: str) -> bool:
        return re.fullmatch("[A-Za-z0-9_.-]{1,200}", native_id) is not None

    def _check(self, plan: Plan) -> None:
        attributes = plan.spec.attributes
        for field in ("queue_name", "account", "reservation_id", "dependencies"):
            if getattr(attributes, field):
                raise InvalidJobException(f"JobAttributes.{field}: a job in a pilot has none; the pilot may")
        for name in attributes.custom_attributes or ():
            if name.startswith("rp."):
                raise InvalidJobException(f"custom attribute {name!r}: 'rp' has no options of its own")
        if plan.resources.nodes > 1:
            raise InvalidJobException(f"ResourceSpec: a job in a pilot has one node, not {plan.resources.nodes}")

    def _deliver(self, batch: Batch, attempt: Attempt) -> list[Tracked]:
        ((job, plan),) = batch
        uid = _uid(job.id)
        with self._remembered(batch, attempt) as submission:
            self._write_down(submission, plan)
            tasks().expect(uid, plan.walltime, self._pilot.cancel)
            try:
                self._pilot.run(self, _task(uid, plan, submission))
            except BaseException:
                tasks().forget(uid)
                raise
            files = JobFiles(submission, job.id)
            job._native_id = uid
            self._store.note_accepted([(files, uid)])
        return [Tracked(self._followed(job), uid, files, plan.walltime)]

    def _write_down(self, submission: Submission, plan: Plan) -> None:
        here = {name: value for name, value in os.environ.items() if not name.startswith("RP_")}
        inherit = plan.spec.inherit_environment
        inheritance = Inheritance(add=here) if inherit else Inheritance(remove=frozenset(here))
        submission.write(f"submit.{plan.token}", render("rp", script_data(plan)), 0o700)
        submission.write_body(body_data(plan, None, inheritance), intent_of(self.name, [plan]))

    def _all_told(self) -> Iterator[tuple[Told, Tracked]]:
        for _, intent, jobs in self._store.unfinished():
            for files, _ in jobs:
                uid = _uid(files.job_id)
                yield Told(uid, files.job_id, intent, files), Tracked(self._followed(Job()), uid, files)

    def _deliver_cancels(self, native_ids: Mapping[Target, str]) -> Mapping[Target, SubmitException]:
        failures: dict[Target, SubmitException] = {}
        for job, uid in native_ids.items():
            try:
                tasks().cancel(uid)
            except SubmitException as error:
                if self._known(uid).end is None:
                    failures[job] = error
        return failures

    def _ended(self, job: Job, status: JobStatus) -> None:
        super()._ended(job, status)
        tasks().forget(str(job.native_id))


def _follower() -> Tracker:
    return shared_tracker("rp", lambda: Tracker(tasks(), _PACE))


def _heard(uid: str, state: str, exit_code: int | None, trouble: str | None) -> None:
    report = tasks().take(uid, state, exit_code, trouble)
    if report is not None:
        _follower().report([report])


def _abandoned(pilot: Pilot) -> None:
    """A pilot has ended, and so has all that ran in it."""
    left = tasks().abandon(pilot.cancel)
    if left:
        _follower().report(left)


def _uid(job_id: str) -> str:
    return f"psij.{job_id}"


def _task(uid: str, plan: Plan, submission: Submission) -> dict[str, object]:
    """The description of the task that runs a job's body."""
    wanted = plan.resources
    task: dict[str, object] = {
        "uid": uid,
        "name": Path(str(plan.spec.name)).name,
        "executable": "/bin/bash",
        "arguments": ["-p", str(submission.path(f"submit.{plan.token}"))],
        "ranks": 1,
        "cores_per_rank": wanted.processes * wanted.cores_per_process,
        "timeout": float(plan.walltime),
    }
    if wanted.gpus_per_process:
        task["gpus_per_rank"] = float(wanted.processes * wanted.gpus_per_process)
    if wanted.memory:
        task["mem_per_rank"] = -(-wanted.memory // _MEGABYTE)
    return task
