"""The interface of everything that runs jobs, and how its implementations are found."""

from __future__ import annotations

import builtins
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from psij_like import plugins
from psij_like._checks import by_typeguard, path, truth, wrong_type
from psij_like.capabilities import Capabilities
from psij_like.exceptions import BulkSubmitException, InvalidJobException, SubmitException
from psij_like.job import Job, StatusListener, checked_job, checked_listener
from psij_like.job_info import JobInfo

if TYPE_CHECKING:
    from packaging.version import Version
    from typing_extensions import Self

    from psij_like.futures import JobFuture
    from psij_like.job_status import JobStatus

T = TypeVar("T")
Target: TypeAlias = Job | str
"""A job that is meant: the job itself, once submitted, or its native id. Also the `Job.id` of one that is remembered in
the work directory, whichever process submitted it."""

DEFAULT_WORK_DIRECTORY = Path("~/.psij-like/work")
DEFAULT_RETENTION = timedelta(days=30)
_LOOK = timedelta(seconds=0.2)


class JobExecutorConfig:
    """What can be set for any executor.

    Args:
        launcher_log_file: accepted for compatibility; what a launcher prints goes to the job's own output.
        work_directory: where the executor remembers its jobs; `~/.psij-like/work` by default. The nodes that
            jobs run on must see it too. It is made when it is missing, and must be the user's own.
        keep_files: whether a job's scripts and records stay there after its end, to look at.
        launcher_options: further options for launchers, `{"srun": {"overlap": True}}`; a job's custom attributes
            (`srun.overlap`) come on top.
        retention: how long the ends of jobs, and files that were kept, are remembered; None: for ever. They are never
            forgotten within a day.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the retention is negative; the path of the work directory holds a control character, or starts with
            the home directory of a user who has none.
    """

    def __init__(
        self,
        launcher_log_file: Path | str | None = None,
        work_directory: Path | str | None = None,
        keep_files: bool = False,
        launcher_options: Mapping[str, Mapping[str, object]] | None = None,
        retention: timedelta | None = DEFAULT_RETENTION,
    ) -> None:
        self.launcher_log_file = path("launcher_log_file", launcher_log_file) if launcher_log_file is not None else None
        where = (
            path("work_directory", work_directory) if work_directory is not None else None
        ) or DEFAULT_WORK_DIRECTORY
        try:
            self.work_directory = where.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(
                f"work_directory: '{where}' can not be found: there is no such home directory (without HOME it is the "
                "system that has to know of one); say where with JobExecutorConfig(work_directory=...)"
            ) from error
        if not str(self.work_directory).isprintable():
            raise ValueError(f"work_directory: {str(where)!r} has a character that is not printable")
        try:
            os.fsencode(self.work_directory)
        except UnicodeEncodeError as error:
            raise ValueError(
                f"work_directory: {str(where)!a} can not be the name of a file: this process's locale has "
                f"no bytes for it ({sys.getfilesystemencoding()})"
            ) from error
        self.keep_files = truth("keep_files", keep_files)
        self.launcher_options = _launcher_options(launcher_options) if launcher_options is not None else {}
        if retention is not None and not isinstance(retention, timedelta):
            raise wrong_type("retention", retention, "a timedelta or None")
        if retention is not None and retention < timedelta(0):
            raise ValueError(f"retention: {retention!r} is negative")
        self.retention = retention


def _launcher_options(options: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    allowed = "a dict from names of launchers to dicts of their options"
    if type(options) is not dict or any(type(some) is not dict for some in options.values()):
        by_typeguard("launcher_options", options, Mapping[str, Mapping[str, object]], allowed)
    return {name: dict(some) for name, some in options.items()}


class JobExecutor(ABC):
    """Submits jobs to one backend and follows them.

    Args:
        url: which instance of the backend, for those that have several.
        config: how to work; defaults that suit the backend if None.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a `url` is given to an executor that has no use for it.
    """

    _NAME_: ClassVar[str] = ""
    """The name under which the executor is known; the plug-in registry's name if empty."""
    _VERSION_: ClassVar[str] = "0.1.0"
    """The version of the implementation, for `get_instance`'s `version_constraint`."""
    _TAKES_URL_: ClassVar[bool] = True
    """Whether the backend has instances that a `url` chooses from."""
    _DETECTED_: ClassVar[bool] = True
    """Whether it stands for a scheduler that a machine has, and is chosen there if nobody names an executor."""

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        if url is not None and not isinstance(url, str):
            raise wrong_type("url", url, "a str or None")
        if url is not None and not self._TAKES_URL_:
            raise ValueError(f"url: {url!r} was given, but there are no instances of {self.name!r} to choose from")
        if config is not None and not isinstance(config, JobExecutorConfig):
            raise wrong_type("config", config, "a JobExecutorConfig or None")
        self._url = url
        self._config = config if config is not None else JobExecutorConfig()
        self._callback: StatusListener | None = None

    @staticmethod
    def get_instance(
        name: str | None = None,
        version_constraint: str | None = None,
        url: str | None = None,
        config: JobExecutorConfig | None = None,
    ) -> JobExecutor:
        """An executor by name.

        Args:
            name: such as "local" or "slurm"; see `get_executor_names`. None: what is configured (see
                `psij_like.configuration`), or else that of the scheduler which this machine has, or else `local`.
            version_constraint: such as "> 0.0.2, != 0.0.4"; the highest version that matches is used.
            url: which instance of the backend, for those that have several; what is configured if None.
            config: how to work; with the work directory and templates that are configured, if None.

        Raises:
            ValueError: no executor of this name, or none of a matching version; the message lists what there is. Or no
                name is given, and there are several schedulers, or the configuration is wrong.
        """
        cls, url, config = JobExecutor._chosen(name, version_constraint, url, config)
        return cls(url=url, config=config)

    @staticmethod
    def _chosen(
        name: str | None, version_constraint: str | None, url: str | None, config: JobExecutorConfig | None
    ) -> tuple[type[JobExecutor], str | None, JobExecutorConfig | None]:
        """The class that is meant, and what it is made with."""
        if name is not None and config is not None:
            return plugins.executor_class(name, version_constraint), url, config
        from psij_like import configuration  # noqa: PLC0415 - it takes a while to import

        if name is not None:
            plugins.executor_class(name, version_constraint)  # a wrong one is told before anything is read
        configured = configuration.load({"executor": name})
        cls = plugins.executor_class(configured.detect(), version_constraint)
        if url is None and cls._TAKES_URL_:
            url = configured.value("url")
        return cls, url, config if config is not None else configured.executor_config()

    @staticmethod
    def get_executor_names() -> set[str]:
        """The names, aliases included, that `get_instance` knows."""
        return plugins.executor_names()

    @property
    def name(self) -> str:
        """The name under which the executor is known."""
        return self._NAME_ or type(self).__name__

    @property
    def version(self) -> Version:
        """The version of the implementation."""
        from packaging.version import Version  # noqa: PLC0415 - rarely asked for

        return Version(self._VERSION_)

    @property
    def url(self) -> str | None:
        """Which instance of the backend this executor uses; None for the usual one."""
        return self._url

    @property
    def config(self) -> JobExecutorConfig:
        """How this executor works."""
        return self._config

    @property
    def capabilities(self) -> Capabilities:
        """What this executor can do. Nothing is asked for that: what a site's scheduler lacks may not be known yet."""
        return Capabilities(self.name, self._VERSION_)

    @property
    def trouble(self) -> str:
        """Why this executor can not be used on this machine; empty if nothing is known to be in the way."""
        return ""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Hand a job over to the backend. On return it is there, and `job.native_id` is set.

        Raises:
            InvalidJobException: the job is wrong, or was submitted before; its status is unchanged.
            SubmitException: the request could not be delivered; `.transient` says whether retrying may help.
            SubmissionUnknownException: nobody knows whether it was delivered; the job must not be submitted again.
        """

    def submit_bulk(self, jobs: Iterable[Job]) -> None:
        """Hand many jobs over, with as few requests as that takes; see `submit`.

        Jobs that the backend is told the same about (resources, attributes, name) become elements of its arrays, where
        it has such; they may differ in all that is told to the job itself: executable, arguments, environment,
        directory, paths and staging. The rest are submitted several at a time.

        Raises:
            BulkSubmitException: some were not submitted; it says which and why. All the others were.
        """
        failures: dict[Job, Exception] = {}
        for job in map(checked_job, several("jobs", jobs)):
            try:
                self.submit(job)
            except (InvalidJobException, SubmitException) as error:
                failures[job] = error
        if failures:
            raise BulkSubmitException(failures)

    @abstractmethod
    def cancel(self, job: Target) -> None:
        """Ask the backend to cancel a job, or that of a native id; returns when the request is delivered.

        No error for a job that ended.

        Raises:
            SubmitException: the job was never submitted, or the request could not be delivered.
        """

    def cancel_bulk(self, jobs: Iterable[Target]) -> None:
        """Ask the backend to cancel jobs, with as few requests as it safely takes; see `cancel`.

        Raises:
            SubmitException: some were never submitted here, or their requests could not be delivered; the message names
                them. All the others are being cancelled.
        """
        ask_each(self.cancel, several("jobs", jobs))

    def recover(self) -> builtins.list[Job]:
        """The jobs of earlier processes that the work directory remembers and whose end nobody has seen.

        They have their ids and specifications, and are followed from now on, be their end long past. A job of which
        nobody knows whether it was submitted, as its process died in the middle of that, is submitted again if no copy
        of it runs or has run; earlier copies run nothing then. Jobs whose process lives are left to it. (Processes on
        other machines can not be seen; what they do with their jobs goes on.)
        """
        return []

    def status(self, jobs: Iterable[Target]) -> dict[str, JobStatus | None]:
        """Ask now about jobs, or those of native ids, whoever submitted them and whenever: one request for all of them.

        Returns:
            The status of each, by native id, or by the text that stood for it; None where nothing that can be relied on
            is known (yet).

        Raises:
            SubmitException: a job was never submitted, an id can be no job's, or the backend can not be asked.
        """
        raise SubmitException(f"{self.name} can not be asked about jobs")

    def info(self, job: Target) -> JobInfo:
        """Ask now what is known about a job, or that of a native id, whoever submitted it and whenever.

        Raises:
            SubmitException: as `status`.
        """
        native_id = job if isinstance(job, str) else str(job.native_id)
        return JobInfo(native_id, self.status([job])[native_id])

    def submitted_script(self, job: Target) -> str | None:
        """The script that the backend got for a job, or that of a native id; None if there was none, or it is gone.

        It is there until the job's end is known, and longer with `JobExecutorConfig.keep_files`.

        Raises:
            SubmitException: the job was never submitted, or its files can not be read.
        """
        return None

    def user_jobs(self) -> builtins.list[JobInfo]:
        """Ask now about all jobs of this user: those that the backend lists, or the work directory remembers.

        One request. Of jobs that ended, those are named whose end nobody has heard, and those that the backend still
        lists. What was submitted by other means has an id and a status, and nothing more.

        Raises:
            SubmitException: the backend can not be asked.
        """
        raise SubmitException(f"{self.name} can not list jobs")

    def hold(self, job: Target) -> None:
        """Keep a waiting job, or that of a native id, from starting, until `release`: QUEUED with reason `held`.

        Raises:
            SubmitException: the job was never submitted, the backend can not hold jobs, or did not take the request.
        """
        raise SubmitException(f"{self.name} can not hold jobs")

    def release(self, job: Target) -> None:
        """Let a held job, or that of a native id, start.

        Raises:
            SubmitException: the job was never submitted, the backend can not hold jobs, or did not take the request.
        """
        raise SubmitException(f"{self.name} can not release jobs")

    @abstractmethod
    def list(self) -> list[str]:
        """The native ids of the unfinished jobs that this instance submitted or attached, in this process."""

    @abstractmethod
    def attach(self, job: Job, native_id: str) -> None:
        """Make a NEW job stand for one that the backend has, or had; returns at once, and news follows.

        Raises:
            InvalidJobException: the job is not NEW.
        """

    def future(self, job: Job) -> JobFuture[JobStatus]:
        """Submit a job; a future of its final status, or of `JobFailed` if it is FAILED.

        Raises:
            InvalidJobException, SubmitException: as `submit`.
        """
        from psij_like import futures  # noqa: PLC0415 - slow to import, rarely needed

        return futures.future(self, job)

    def __enter__(self) -> Self:
        """`with executor`: at its end all jobs that were submitted or attached here have ended.

        Normally they are waited for. If an exception leaves the block (Ctrl-C, say), they are cancelled first.
        """
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        jobs = self._open_jobs()
        if kind is not None and jobs:
            self.cancel_bulk(jobs)
        for job in jobs:
            while job.native_id is None and self._is_open(job) and not job.status.final:
                job.wait(_LOOK)  # it may yet not be submitted
            if job.native_id is not None:
                job.wait()

    async def __aenter__(self) -> Self:
        """`async with executor`: as `with executor`, without blocking the event loop."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        from psij_like import aio  # noqa: PLC0415 - asyncio is slow to import

        await aio.leave(self, kind is not None)

    def _open_jobs(self) -> builtins.list[Job]:
        """The unfinished jobs that were submitted or attached here, those that wait for their submission included."""
        return []

    def _is_open(self, job: Job) -> bool:
        """Whether it is one of these."""
        return job in self._open_jobs()

    def _follow_here(self, job: Job) -> None:
        """In a forked child: follow a job that the parent submitted or attached.

        Raises:
            SubmitException: that is not possible.
        """
        raise SubmitException(
            f"job {job.id} was submitted by the process that this one was forked from, and can not be followed here; "
            "JobExecutor.attach follows a job by its native id"
        )

    def set_job_status_callback(self, cb: StatusListener | None) -> None:
        """Call `cb` at every change of every job of this executor, beside the jobs' own callbacks. None removes it.

        Raises:
            TypeError: `cb` is neither a JobStatusCallback nor a callable(job, status).
        """
        self._callback = checked_listener(cb)

    def __repr__(self) -> str:
        url = f" at {self._url!r}" if self._url else ""
        return f"<{type(self).__name__} {self.name!r}{url}>"

    def _repr_html_(self) -> str:
        from psij_like import notebook  # noqa: PLC0415 - for notebooks only

        return notebook.table(self._open_jobs(), repr(self)[1:-1])


def several(field: str, jobs: Iterable[T]) -> builtins.list[T]:
    """The jobs that are meant.

    Raises:
        TypeError: it is one job, or one id, of which a text's characters are none.
    """
    if isinstance(jobs, str | Job):
        raise wrong_type(field, jobs, "several jobs or native ids, such as a list")
    return builtins.list(jobs)


def ask_each(request: Callable[[Target], object], jobs: Iterable[Target]) -> None:
    """Make a request about each job, also when that about another one fails.

    Raises:
        SubmitException: some failed; see `raise_failures`.
    """
    failures: dict[Target, SubmitException] = {}
    for job in jobs:
        try:
            request(job)
        except SubmitException as error:
            failures[job] = error
    raise_failures(failures)


def raise_failures(failures: Mapping[Target, SubmitException]) -> None:
    """Raise what went wrong with requests about jobs, as one exception: transient if all of them are."""
    errors = list(failures.values())
    if len(errors) == 1:
        raise errors[0]
    if errors:
        words = "; ".join(error.message for error in errors[:5])
        transient = all(error.transient for error in errors)
        raise SubmitException(f"{len(errors)} requests failed: {words}", errors[0], transient) from errors[0]
