"""`flux`: Flux, observed on flux-core 0.88.

The instance is the executor's `url` (`local:///...` or `ssh://...`), else that of FLUX_URI, else the system's. Jobs are
submitted, and cancelled, through Flux's Python bindings where they can be imported, else by the `flux` command. With
the bindings, the job manager's journal tells of news as it happens; without, and where it is not allowed (it is for the
owner of an instance alone, so not for users of a system's instance), news comes by the doorbell, and by polling: one
`flux jobs` for all the user's jobs.

`account` is the bank. There are no reservations, and memory can not be asked for: both are refused. The custom
attribute `flux.urgency` (0 to 31, `hold`, `default`, `expedite`) is the job's urgency; 0 holds it. One with a dot,
`flux.PATH`, sets that attribute of the jobspec, as `flux submit --setattr` does: `flux.system.constraint`,
`flux.shell.options.verbose` and `flux.user.tag` become `attributes.system.constraint`,
`attributes.system.shell.options.verbose` and `attributes.user.tag`; None takes away a generated one. Without a dot they
are options of the launcher `flux`.

A job of several nodes, or with the launcher `flux`, runs a Flux instance of its own, which takes about two seconds:
`flux run` has the job's resources there. Environment variables that Flux sets are never inherited from the submitter.

Ids are written in base 58 (`f2qiSvdgb`); `attach` takes the other forms too, but for words and emoji. A new instance
counts anew and has forgotten all jobs: what is remembered of jobs is kept apart by the instance's URL, in a folder for
each below `<work directory>/flux`, so that an id never means a job of another instance. `after` waits for a start:
where that can not happen any more, the dependency can never be met.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from typing import TypeVar

from psij_like._engine.backend import Backend
from psij_like._engine.delivery import Attempt, Delivery
from psij_like._engine.dependencies import NeverMet
from psij_like._engine.store import Store
from psij_like._engine.tracked import Tracked
from psij_like.exceptions import SubmitException
from psij_like.executors._flux import ids
from psij_like.executors._flux.backend import Flux
from psij_like.executors._flux.source import FluxSource
from psij_like.executors.batch.batch_scheduler_executor import (
    BatchSchedulerExecutor,
    BatchSchedulerExecutorConfig,
    this_user,
)
from psij_like.executors.tracked import Batch
from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig, Target
from psij_like.job_status import JobStatus

T = TypeVar("T")


def _normalised(job: T) -> T | str:
    """An id in the form in which we know jobs; anything else as it is: it is told of as any other that is no id."""
    if isinstance(job, str):
        with contextlib.suppress(ValueError):
            return ids.normalised(job)
    return job


class FluxExecutorConfig(BatchSchedulerExecutorConfig):
    """Nothing beyond `BatchSchedulerExecutorConfig`."""


class FluxJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on Flux; see the module."""

    _NAME_ = "flux"
    _BACKEND_ = Flux

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        super().__init__(url, config)
        source = self._source
        instance = source.cluster.get("FLUX_URI")
        if instance:
            place = hashlib.sha256(os.fsencode(instance)).hexdigest()[:16]
            self._store = Store(self._host, self._store.directory / place, self._retention, self._config.work_directory)
        self._source: FluxSource = FluxSource(source.backend, source.host, source.timeout, source.cluster)
        self._delivery = Delivery(self._source, self._settings.retry_for)

    def _make_backend(self) -> Backend:
        backend = Flux(this_user())
        backend.url = self.url
        backend.command = shutil.which("flux") or "flux"
        return backend

    def submit(self, job: Job) -> None:
        """See `JobExecutor.submit`."""
        connection = self._source.connection()
        if connection is None:
            super().submit(job)
            return
        with connection.needed():  # so that the journal tells of all that happens to the job
            super().submit(job)

    def submit_bulk(self, jobs: Iterable[Job]) -> None:
        """See `JobExecutor.submit_bulk`."""
        connection = self._source.connection()
        with connection.needed() if connection is not None else contextlib.nullcontext():
            super().submit_bulk(jobs)

    def attach(self, job: Job, native_id: str) -> None:
        """See `JobExecutor.attach`. Any form of the id will do."""
        super().attach(job, _normalised(native_id))

    def _native_id(self, job: Target, verb: str) -> str:
        return super()._native_id(_normalised(job), verb)

    def _deliver(self, batch: Batch, attempt: Attempt) -> list[Tracked]:
        try:
            return super()._deliver(batch, attempt)
        except SubmitException as error:
            if re.search("dependency: .*(failed or was canceled|succeeded|never started)", str(error)):
                raise NeverMet(str(error)) from error
            raise

    def _follow(self, tracked: Tracked) -> None:
        super()._follow(tracked)
        connection = self._source.connection()
        if connection is not None:
            connection.follow(tracked.native_id, self._tracker().report)

    def _ended(self, job: Job, status: JobStatus) -> None:
        super()._ended(job, status)
        connection = self._source.connection()
        if connection is not None and job.native_id is not None:
            connection.leave(job.native_id, self._tracker().report)
