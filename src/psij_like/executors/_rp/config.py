"""What can be set for the executor `rp`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from psij_like import _checks
from psij_like.job_executor import DEFAULT_RETENTION, JobExecutorConfig


class RPExecutorConfig(JobExecutorConfig):
    """The pilot that jobs run in.

    Args:
        launcher_log_file, work_directory, keep_files, launcher_options, retention: see `JobExecutorConfig`.
        cores: cores of the pilot, unless `nodes` are given.
        gpus: GPUs of the pilot.
        nodes: whole nodes of the pilot.
        runtime: how long the pilot may run.
        queue: its queue on the resource's scheduler; `queue:qos` gives both.
        project: who pays for it.
        access_schema: how the resource is reached, such as `local` or `ssh`; the resource's usual way if None.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number is out of its range; see `JobExecutorConfig` for the work directory.
    """

    def __init__(
        self,
        launcher_log_file: Path | str | None = None,
        work_directory: Path | str | None = None,
        keep_files: bool = False,
        launcher_options: Mapping[str, Mapping[str, object]] | None = None,
        retention: timedelta | None = DEFAULT_RETENTION,
        *,
        cores: int = 1,
        gpus: int = 0,
        nodes: int | None = None,
        runtime: timedelta = timedelta(hours=1),
        queue: str | None = None,
        project: str | None = None,
        access_schema: str | None = None,
    ) -> None:
        super().__init__(launcher_log_file, work_directory, keep_files, launcher_options, retention)
        for name, number, least in (("cores", cores, 1), ("gpus", gpus, 0), ("nodes", nodes, 1)):
            if number is not None and _checks.integer(name, number) < least:
                raise ValueError(f"{name}: {number!r} is not {least} or more")
        if not isinstance(runtime, timedelta):
            raise _checks.wrong_type("runtime", runtime, "a timedelta")
        if runtime < timedelta(minutes=1):
            raise ValueError(f"runtime: {runtime!r} is not a minute or more")
        self.cores = cores
        self.gpus = gpus
        self.nodes = nodes
        self.runtime = runtime
        self.queue = None if queue is None else _checks.label("queue", queue)
        self.project = None if project is None else _checks.label("project", project)
        self.access_schema = None if access_schema is None else _checks.label("access_schema", access_schema)


def rp_config(config: JobExecutorConfig | None) -> RPExecutorConfig:
    """The configuration, with the defaults of `rp` for what a plain `JobExecutorConfig` does not say."""
    if isinstance(config, RPExecutorConfig):
        return config
    if config is None or not isinstance(config, JobExecutorConfig):
        config = JobExecutorConfig()
    return RPExecutorConfig(
        config.launcher_log_file,
        config.work_directory,
        config.keep_files,
        config.launcher_options,
        config.retention,
    )
