"""What can be set for the executors of batch schedulers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from psij_like import _checks
from psij_like.job_executor import DEFAULT_RETENTION, JobExecutorConfig


class BatchSchedulerExecutorConfig(JobExecutorConfig):
    """What can be set for the executor of a batch scheduler, beside `JobExecutorConfig`. Times are in seconds.

    Args:
        queue_polling_interval: the longest time between two status queries; the tracker asks more often while
            something changes, and not at all while no job is alive.
        initial_queue_polling_delay: from a submission to the first status query.
        queue_polling_error_threshold: failed status queries in a row before a warning is logged. Jobs are presumed
            alive however many fail.
        minimum_polling_interval: the shortest time between two status queries.
        command_timeout: how long a command of the scheduler may take.
        doorbell: whether jobs tell this process of news by a datagram (UDP) as it happens; without, news comes by
            polling alone.
        doorbell_address: the numeric IPv4 address of this machine that the nodes reach; found out if None.
        doorbell_limit: datagrams a second that are listened to; after a flood of more, news comes by polling.
        record_patience: how long to wait for the record of a job that the scheduler says is over. Usually it is there
            at once; network file systems may show it a minute late. An end that leaves none (the script never
            started, say) is told after this time.
        lost_patience: how long the scheduler must not list a job, while it answers, before the job counts as lost; at
            least `record_patience` for a job that was submitted by this library.
        parallel_commands: how many submit commands may run at once for `submit_bulk`.
        retry_for: how long a request that is refused for now (the scheduler is busy, or can not be reached) is made
            again, at growing intervals, before it counts as failed; 0: not at all.
        max_queued: how many unfinished jobs of this executor the scheduler may have at once; None: any number. `submit`
            waits until there is room; `submit_bulk` returns, and its jobs are NEW until it is their turn. Those whose
            turn has not come when the program ends are never submitted, which a warning says then: wait for the jobs.
        max_submission_rate: submit commands a second; None: any number. `submit` and `submit_bulk` wait as above.
        submit_timeout: how long `submit` waits for that; None: without limit.
        template_directory: where `<executor>.mustache` takes the place of this library's own template of that name, if
            it is there; see `templates/`. Not looked at if None.
        array_size: the most jobs in one array for `submit_bulk`; the scheduler's own limit holds too. 1: no arrays.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number is out of its range; see `JobExecutorConfig` for the work directory.
    """

    def __init__(
        self,
        launcher_log_file: Path | str | None = None,
        work_directory: Path | str | None = None,
        queue_polling_interval: float = 30,
        initial_queue_polling_delay: float = 2,
        queue_polling_error_threshold: int = 2,
        keep_files: bool = False,
        *,
        launcher_options: dict[str, dict[str, object]] | None = None,
        retention: timedelta | None = DEFAULT_RETENTION,
        minimum_polling_interval: float = 1,
        command_timeout: float = 60,
        doorbell: bool = True,
        doorbell_address: str | None = None,
        doorbell_limit: int = 10_000,
        record_patience: float = 75,
        lost_patience: float = 75,
        parallel_commands: int = 4,
        array_size: int = 1000,
        template_directory: Path | str | None = None,
        retry_for: float = 10,
        max_queued: int | None = None,
        max_submission_rate: float | None = None,
        submit_timeout: float | None = None,
    ) -> None:
        super().__init__(launcher_log_file, work_directory, keep_files, launcher_options, retention)
        self.template_directory = (
            _checks.path("template_directory", template_directory) if template_directory is not None else None
        )
        _checks.truth("doorbell", doorbell)
        _checks.integer("queue_polling_error_threshold", queue_polling_error_threshold)
        for name, count in (("parallel_commands", parallel_commands), ("array_size", array_size)):
            if _checks.integer(name, count) < 1:
                raise ValueError(f"{name}: {count!r} is not 1 or more")
        if max_queued is not None and _checks.integer("max_queued", max_queued) < 1:
            raise ValueError(f"max_queued: {max_queued!r} is not 1 or more")
        if doorbell_address is not None:
            _check_address("doorbell_address", doorbell_address)
        for name, value in (
            ("queue_polling_interval", queue_polling_interval),
            ("initial_queue_polling_delay", initial_queue_polling_delay),
            ("minimum_polling_interval", minimum_polling_interval),
            ("command_timeout", command_timeout),
            ("record_patience", record_patience),
            ("lost_patience", lost_patience),
            ("retry_for", retry_for),
            ("doorbell_limit", doorbell_limit),
            ("queue_polling_error_threshold", queue_polling_error_threshold),
            ("max_submission_rate", max_submission_rate),
            ("submit_timeout", submit_timeout),
        ):
            if value is None and name in ("max_submission_rate", "submit_timeout"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _checks.wrong_type(name, value, "a number")
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}: {value!r} is not a finite number, 0 or more")
        if not command_timeout:
            raise ValueError("command_timeout: 0 would not let any command end")
        self.queue_polling_interval = queue_polling_interval
        self.initial_queue_polling_delay = initial_queue_polling_delay
        self.queue_polling_error_threshold = queue_polling_error_threshold
        self.minimum_polling_interval = minimum_polling_interval
        self.command_timeout = command_timeout
        self.doorbell = doorbell
        self.doorbell_address = doorbell_address
        self.doorbell_limit = doorbell_limit
        self.record_patience = record_patience
        self.lost_patience = lost_patience
        self.parallel_commands = parallel_commands
        self.array_size = array_size
        self.retry_for = retry_for
        self.max_queued = max_queued
        self.max_submission_rate = max_submission_rate
        self.submit_timeout = submit_timeout


def _check_address(field: str, address: str) -> None:
    import socket  # noqa: PLC0415 - rarely needed

    try:
        socket.inet_pton(socket.AF_INET, _checks.text(field, address))
    except (OSError, ValueError) as error:
        raise ValueError(f"{field}: {address!r} is not a numeric IPv4 address, such as '10.0.0.1'") from error


def batch_config(config: JobExecutorConfig | None) -> BatchSchedulerExecutorConfig:
    """The configuration, with the batch defaults for what a plain `JobExecutorConfig` does not say."""
    if config is None:
        return BatchSchedulerExecutorConfig()
    if isinstance(config, BatchSchedulerExecutorConfig) or not isinstance(config, JobExecutorConfig):
        return config
    return BatchSchedulerExecutorConfig(
        config.launcher_log_file,
        config.work_directory,
        keep_files=config.keep_files,
        launcher_options=config.launcher_options,
        retention=config.retention,
    )
