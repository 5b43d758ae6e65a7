"""Flux as a pilot: an instance of it inside a job of any executor, and an executor `flux` that is connected to it.

One allocation is waited for once; jobs in it start within milliseconds, as many at a time as have room.

    with FluxPilot(JobExecutor.get_instance("slurm"), resources, launcher="srun") as pilot:
        pilot.executor.submit(Job(JobSpec("/bin/date")))

The command `flux` must be in the PATH of the job, and of this process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from psij_like import Job, JobAttributes, JobExecutor, JobExecutorConfig, JobSpec, ResourceSpecV1, SubmitException

if TYPE_CHECKING:
    from typing_extensions import Self

_LOOK = timedelta(seconds=0.2)
_UNTIL_SHUT_DOWN = timedelta(seconds=60)

# The instance's first program: tells where the instance is, and lives as long as it is wanted.
_PROGRAM = """
cd "$1" || exit 1
printf '%s %s %s' "$(flux getattr size)" "$(hostname)" "$FLUX_URI" >uri.new && mv uri.new uri || exit 1
while [ -e wanted ]; do sleep 1; done
"""


class FluxPilot:
    """A Flux instance that runs as a job. `with` starts it, and ends it.

    Args:
        outer: the executor that runs it.
        resources: what the instance has: nodes, and one process on each, with the cores and GPUs that it may use.
            Without, one process on one node.
        attributes: how long it may run, in which queue, and so on.
        launcher: what starts a broker on each node (`srun`, `mpirun`); one node needs none. Brokers find each other by
            PMI: Slurm's `srun` may need the custom attribute `srun.mpi`, `pmi2` for example.
        config: of the executor that is connected to it.
        timeout: how long to wait until it runs, the time in the queue included; None: without limit.

    The instance ends with `close`, or at its time limit. It outlives this process if that is killed.
    """

    def __init__(
        self,
        outer: JobExecutor,
        resources: ResourceSpecV1 | None = None,
        attributes: JobAttributes | None = None,
        launcher: str | None = None,
        config: JobExecutorConfig | None = None,
        timeout: timedelta | None = None,
    ) -> None:
        self._outer = outer
        self._config = config
        self._timeout = timeout
        self._brokers = 1 if resources is None else resources.computed_process_count
        self._directory: Path | None = None
        self._executor: JobExecutor | None = None
        self._spec = JobSpec("flux", name="flux-pilot", resources=resources, attributes=attributes, launcher=launcher)
        self.job = Job(self._spec)
        """The job that the instance runs in."""

    @property
    def executor(self) -> JobExecutor:
        """The executor whose jobs run in the instance.

        Raises:
            SubmitException: it was not started, or has ended.
        """
        if self._executor is None:
            raise SubmitException("the Flux instance does not run: `start` it first")
        return self._executor

    def start(self) -> None:
        """Submit the job, and wait until the instance runs.

        Raises:
            InvalidJobException, SubmitException: the job can not be submitted; or it ended, or the time was up, before
                the instance ran; or its brokers did not find each other.
        """
        place = self._outer.config.work_directory / "flux-pilots"  # which the job's nodes see, too
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory = Path(tempfile.mkdtemp(dir=place))
        (directory / "wanted").touch()
        self._spec.arguments = ["start", "sh", "-c", _PROGRAM, "sh", str(directory)]
        self._spec.stderr_path = directory / "stderr"
        try:
            self._outer.submit(self.job)
            uri = self._await_uri(directory)
            self._executor = JobExecutor.get_instance("flux", url=uri, config=self._config)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the instance, and wait for its end. Jobs that still run in it are cancelled."""
        directory, self._directory, self._executor = self._directory, None, None
        if directory is None:
            return
        (directory / "wanted").unlink(missing_ok=True)
        if self.job.native_id is not None and self.job.wait(_UNTIL_SHUT_DOWN) is None:
            self.job.cancel()
            self.job.wait()
        shutil.rmtree(directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _await_uri(self, directory: Path) -> str:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout.total_seconds()
        while "uri" not in os.listdir(directory):  # listed anew: network file systems remember what was not there
            ended = self.job.wait(_LOOK)
            if ended is not None:
                raise SubmitException(f"no Flux instance runs: its job ended {ended}{_said(directory)}")
            if deadline is not None and time.monotonic() > deadline:
                self.job.cancel()
                raise SubmitException(f"the Flux instance did not run within {self._timeout}", transient=True)
        size, host, uri = (directory / "uri").read_text().split()
        if int(size) != self._brokers:
            raise SubmitException(
                f"{self._brokers} Flux brokers were asked for, the instance has {size}: they find each other by PMI, "
                f"which launcher {self._spec.launcher or 'single'!r} does not offer them; srun does with the custom "
                "attribute srun.mpi, 'pmi2' for example"
            )
        return uri if host == socket.gethostname() else f"ssh://{host}{uri.removeprefix('local://')}"


def _said(directory: Path) -> str:
    with contextlib.suppress(OSError):
        said = (directory / "stderr").read_text(errors="replace").strip()
        return f"; {said[-1000:]}" if said else ""
    return ""
