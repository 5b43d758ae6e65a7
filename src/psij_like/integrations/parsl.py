"""A provider of Parsl's: its blocks are jobs of any executor of this library."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

try:
    from parsl.jobs.states import JobState as BlockState
    from parsl.jobs.states import JobStatus as BlockStatus
    from parsl.launchers import SimpleLauncher
    from parsl.launchers.base import Launcher as ParslLauncher
    from parsl.launchers.errors import BadLauncher
    from parsl.providers.base import ExecutionProvider
    from parsl.providers.errors import SubmitException as BlockNotSubmitted
    from parsl.utils import RepresentationMixin
except ImportError as error:
    raise ImportError(f"{error}; install Parsl with: pip install 'psij-like[parsl]'") from error

from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobSpec,
    JobState,
    JobStatus,
    Launcher,
    Reason,
    ResourceSpecV1,
    SubmitException,
)

_GB = 2**30
_STATES = {
    JobState.NEW: BlockState.PENDING,
    JobState.QUEUED: BlockState.PENDING,
    JobState.COMPLETED: BlockState.COMPLETED,
    JobState.FAILED: BlockState.FAILED,
    JobState.CANCELED: BlockState.CANCELLED,
}
_STATES_BY_REASON = {
    (JobState.QUEUED, Reason.HELD): BlockState.HELD,
    # Parsl takes a site for broken whose blocks all fail; these two ends say nothing of the kind.
    (JobState.FAILED, Reason.TIMEOUT): BlockState.TIMEOUT,
    (JobState.FAILED, Reason.PREEMPTED): BlockState.TIMEOUT,
}


class PsijLauncher(ParslLauncher):
    """Starts a block's workers with a launcher of this library.

    Args:
        name: the launcher's name, such as "srun" or "mpirun".
        options: further options of its command, such as `{"overlap": True}`.

    Raises:
        ValueError: there is no such launcher.
    """

    def __init__(self, name: str, options: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.name = name
        self.options = options
        self._launcher = Launcher.get_instance(name, options=options)

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        """The command line that starts the command so many times on each node."""
        resources = ResourceSpecV1(node_count=nodes_per_block, processes_per_node=tasks_per_node)
        return f"{self._launcher.prefix_text(resources)} /bin/bash -c {shlex.quote(command)}"


class PsijProvider(ExecutionProvider, RepresentationMixin):
    """Runs Parsl's blocks as jobs.

    What a block printed is in Parsl's own directory of the run, below `submit_scripts`. A block that reached its
    walltime, or was preempted, is TIMEOUT to Parsl; one that is held in the queue is HELD.

    Args:
        executor: who runs the blocks, or its name, such as "slurm"; what is configured or found, by default.
        queue_name: the queue or partition; the backend's default if None.
        account: who pays; the backend's default if None.
        reservation_id: the reservation to run in, or None.
        custom_attributes: options for the executor, such as `{"slurm.constraint": "gpu"}`.
        walltime: how long a block may run: a timedelta, or a text such as "01:30:00".
        nodes_per_block: number of nodes.
        cores_per_node: cores on each node, which Parsl's workers share; None: one, or all if `exclusive`.
        mem_per_node: memory on each node, in GB (2**30 bytes); None leaves it to the backend.
        gpus_per_node: GPUs on each node.
        exclusive: whether no other job may share a block's nodes.
        init_blocks: number of blocks at the start.
        min_blocks: number of blocks that are always kept.
        max_blocks: number of blocks at most.
        parallelism: task slots wanted for each task that waits, from 0 to 1.
        launcher: what starts workers on a block's nodes: a launcher of Parsl's, or a `PsijLauncher`.
        worker_init: shell commands that come before, such as "module load python".
        status_polling_interval: seconds between Parsl's looks at blocks, which cost nothing: jobs are followed anyway.

    Raises:
        InvalidJobException: the walltime, or another value, can not be understood.
        TypeError: an argument has the wrong type.
        ValueError: there is no such executor.
        BadLauncher: the launcher is none of Parsl's.
    """

    def __init__(
        self,
        executor: JobExecutor | str | None = None,
        queue_name: str | None = None,
        account: str | None = None,
        reservation_id: str | None = None,
        custom_attributes: Mapping[str, object] | None = None,
        walltime: timedelta | str = "00:10:00",
        nodes_per_block: int = 1,
        cores_per_node: int | None = None,
        mem_per_node: float | None = None,
        gpus_per_node: int | None = None,
        exclusive: bool = False,
        init_blocks: int = 1,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1,
        launcher: ParslLauncher = SimpleLauncher(),  # noqa: B008 - it has no state
        worker_init: str = "",
        status_polling_interval: int = 5,
    ) -> None:
        if not isinstance(launcher, ParslLauncher):
            raise BadLauncher(launcher)
        self.executor = executor if isinstance(executor, JobExecutor) else JobExecutor.get_instance(executor)
        self.queue_name = queue_name
        self.account = account
        self.reservation_id = reservation_id
        self.custom_attributes = custom_attributes
        self.walltime = walltime
        self.nodes_per_block = nodes_per_block
        self.cores_per_node = cores_per_node
        self.mem_per_node = mem_per_node
        self.gpus_per_node = gpus_per_node
        self.exclusive = exclusive
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.parallelism = parallelism
        self.launcher = launcher
        self.worker_init = worker_init
        self._status_polling_interval = status_polling_interval
        self.script_dir: str | None = None  # Parsl sets it when a run starts
        self.resources: dict[object, Job] = {}  # the blocks, by native id
        self._job_spec("true", 1)  # what is wrong is told now, not when the first block is wanted

    @property
    def label(self) -> str:
        """The executor's name."""
        return self.executor.name

    @property
    def status_polling_interval(self) -> int:
        """Seconds between Parsl's looks at blocks."""
        return self._status_polling_interval

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.psij") -> str:
        """Submit a block that runs a command so many times on each of its nodes; returns its native id.

        Raises:
            parsl.providers.errors.SubmitException: the block was not submitted, or nobody knows.
        """
        try:
            spec = self._job_spec(command, tasks_per_node)
            job = Job(spec)
            spec.name = job_name
            if self.script_dir is not None:
                output = Path(self.script_dir).absolute() / f"{job_name}.{job.id[:8]}"
                spec.stdout_path, spec.stderr_path = f"{output}.stdout", f"{output}.stderr"
            self.executor.submit(job)
        except (InvalidJobException, SubmitException) as error:
            raise BlockNotSubmitted(job_name, str(error)) from error
        self.resources[job.native_id] = job
        return str(job.native_id)

    def status(self, job_ids: Sequence[object]) -> list[BlockStatus]:
        """The statuses of blocks, as they are known; all blocks are followed with one query at a time."""
        return [self._status(job_id) for job_id in job_ids]

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        """Ask for blocks to be cancelled; for each, whether the request was delivered."""
        try:
            self.executor.cancel_bulk([str(job_id) for job_id in job_ids])
        except SubmitException:
            return [self._cancelled(str(job_id)) for job_id in job_ids]  # which of them was it?
        return [True] * len(job_ids)

    def _cancelled(self, job_id: str) -> bool:
        try:
            self.executor.cancel(job_id)
        except SubmitException:
            return False
        return True

    def _job_spec(self, command: str, tasks_per_node: int) -> JobSpec:
        """What a block is to the library, but for its name and where its output goes."""
        cores = None if self.cores_per_node is None else max(1, self.cores_per_node // tasks_per_node)
        environment = {"PARSL_CORES": cores, "PARSL_MEMORY_GB": self.mem_per_node}
        walltime = self.walltime
        started = self.launcher(command, tasks_per_node, self.nodes_per_block, self.script_dir or "")
        return JobSpec(
            "/bin/bash",
            ["-c", f"{self.worker_init}\n{started}"],
            environment={name: str(value) for name, value in environment.items() if value is not None},
            resources=ResourceSpecV1(
                node_count=self.nodes_per_block,
                processes_per_node=tasks_per_node,
                cpu_cores_per_process=cores,
                gpu_cores_per_process=None if self.gpus_per_node is None else -(-self.gpus_per_node // tasks_per_node),
                exclusive_node_use=self.exclusive,
                memory=None if self.mem_per_node is None else int(self.mem_per_node * _GB) * self.nodes_per_block,
            ),
            attributes=JobAttributes(
                walltime if isinstance(walltime, timedelta) else JobAttributes.parse_walltime(walltime),
                self.queue_name,
                self.account,
                self.reservation_id,
                self.custom_attributes,
            ),
        )

    def _status(self, job_id: object) -> BlockStatus:
        job = self.resources.get(job_id)
        if job is None or job.spec is None:
            return BlockStatus(BlockState.UNKNOWN, message=f"no block {job_id} was submitted here")
        status = job.status
        return BlockStatus(
            _state(status),
            status.message,
            status.exit_code,
            *(None if path is None else str(path) for path in (job.spec.stdout_path, job.spec.stderr_path)),
        )


def _state(status: JobStatus) -> BlockState:
    """What a status is to Parsl."""
    by_reason = _STATES_BY_REASON.get((status.state, status.reason))  # type: ignore[arg-type]
    return by_reason or _STATES.get(status.state, BlockState.RUNNING)
