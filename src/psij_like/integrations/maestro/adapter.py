"""The script adapter."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestrowf.abstracts.enums import CancelCode, JobStatusCode, State, SubmissionCode
from maestrowf.abstracts.interfaces import SchedulerScriptAdapter

from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    JobState,
    JobStatus,
    Launcher,
    Reason,
    ResourceSpecV1,
    SubmitException,
)

if TYPE_CHECKING:
    from maestrowf.interfaces.script import CancellationRecord, SubmissionRecord

_log = logging.getLogger(__name__)

_STATES = {
    JobState.NEW: State.PENDING,
    JobState.QUEUED: State.PENDING,
    JobState.STAGE_IN: State.RUNNING,
    JobState.ACTIVE: State.RUNNING,
    JobState.STAGE_OUT: State.FINISHING,
    JobState.CLEANUP: State.FINISHING,
    JobState.COMPLETED: State.FINISHED,
    JobState.FAILED: State.FAILED,
    JobState.CANCELED: State.CANCELLED,
}
_FAILURES = {
    Reason.TIMEOUT: State.TIMEDOUT,  # restarted
    Reason.NODE_FAILURE: State.HWFAILURE,  # submitted again
    Reason.PREEMPTED: State.HWFAILURE,
}
_LAUNCHERS = {"slurm": "srun", "flux": "flux"}  # of those schedulers that have their own on all sites
_IGNORED = frozenset({"type", "shell", "host", "args", "version", "flux_uri"})  # of other adapters, in the same block


class PsijScriptAdapter(SchedulerScriptAdapter):
    """Runs the steps of a study as jobs.

    Keys of a study's `batch` block, all optional but the type:

        type: psij
        executor: who runs jobs, such as slurm; what is configured or found by default
        url: which instance of the backend
        work_directory: where jobs are remembered; ~/.psij-like/work by default
        queue, bank, reservation, qos: for all steps that do not say otherwise
        walltime, nodes, procs: the same; a step with neither nodes nor procs of its own runs beside Maestro
        launcher: what $(LAUNCHER) becomes; srun on Slurm, flux on Flux, else mpirun
        custom: options for the executor, such as {slurm.constraint: gpu}

    What a step prints is in `<step>.out` and `<step>.err` of its workspace, what its restart prints in
    `<step>.restart.out`.

    Raises:
        TypeError: a key's value has the wrong type.
        ValueError: there is no such executor or launcher.
    """

    key = "psij"
    extension = ".psij.sh"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._executor = JobExecutor.get_instance(
            kwargs.pop("executor", None),
            url=kwargs.pop("url", None),
            config=JobExecutorConfig(work_directory=kwargs.pop("work_directory", None)),
        )
        launcher = kwargs.pop("launcher", None) or _LAUNCHERS.get(self._executor.name, "mpirun")
        self._launcher = Launcher.get_instance(launcher)
        self._custom = dict(kwargs.pop("custom", None) or {})
        for name in ("queue", "bank", "reservation", "qos", "walltime", "nodes", "procs"):
            self.add_batch_parameter(name, kwargs.pop(name, None))
        if unknown := kwargs.keys() - _IGNORED:
            _log.warning("batch: %s: not known to the adapter %r, and ignored", ", ".join(sorted(unknown)), self.key)

    def get_header(self, step: Any) -> str:
        """The first line of a script: the rest is no concern of the script's."""
        return f"#!{self._exec}"

    def get_parallelize_command(self, procs: Any, nodes: Any = None, **kwargs: Any) -> str:
        """What `$(LAUNCHER)` stands for."""
        return self._launcher.prefix_text(_resources({**kwargs, "procs": procs, "nodes": nodes}))

    def _write_script(self, ws_path: str, step: Any) -> tuple[bool, str, str | None]:
        try:
            to_be_scheduled, command, restart = self.get_scheduler_command(step)
        except InvalidJobException as error:  # this step fails and says why, the study goes on
            to_be_scheduled, command, restart = True, f"echo {shlex.quote(str(error))} >&2; exit 2", ""
        name = step.name.replace(" ", "_").replace("/", "_")
        script = Path(ws_path, f"{name}{self.extension}")
        script.write_text(f"{self.get_header(step)}\n\n{command}\n", encoding="utf-8")
        if not restart:
            return to_be_scheduled, str(script), None
        again = Path(ws_path, f"{name}.restart{self.extension}")
        again.write_text(f"{self.get_header(step)}\n\n{restart}\n", encoding="utf-8")
        return to_be_scheduled, str(script), str(again)

    def submit(
        self,
        step: Any,
        path: str,
        cwd: str,
        job_map: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> SubmissionRecord:
        """Submit a step's script; the record has the native id, or an error that was logged."""
        from maestrowf.interfaces.script import SubmissionRecord  # noqa: PLC0415 - it looks for this adapter

        try:
            job = Job(self._job_spec(step, path, cwd, env))
            self._executor.submit(job)
        except (InvalidJobException, SubmitException) as error:
            _log.error("step %s was not submitted: %s", step.name, error)
            return SubmissionRecord(SubmissionCode.ERROR, 1)
        return SubmissionRecord(SubmissionCode.OK, 0, job.native_id)

    def check_jobs(self, joblist: Sequence[str]) -> tuple[JobStatusCode, dict[str, State | None]]:
        """The states of jobs, asked for at once; None where nothing is known now: Maestro asks again later."""
        if not joblist:
            return JobStatusCode.NOJOBS, {}
        try:
            statuses = self._executor.status(joblist)
        except SubmitException as error:  # that says nothing of the jobs; an error would end the whole study
            _log.warning("no news of %d jobs: %s", len(joblist), error)
            statuses = {}
        known = {native_id: statuses.get(native_id) for native_id in joblist}
        return JobStatusCode.OK, {name: None if status is None else _state(status) for name, status in known.items()}

    def cancel_jobs(self, joblist: Sequence[str]) -> CancellationRecord:
        """Ask for jobs to be cancelled; an error was logged."""
        from maestrowf.interfaces.script import CancellationRecord  # noqa: PLC0415 - it looks for this adapter

        try:
            self._executor.cancel_bulk(list(joblist))
        except SubmitException as error:
            _log.error("not all of %d jobs were cancelled: %s", len(joblist), error)
            return CancellationRecord(CancelCode.ERROR, 1)
        return CancellationRecord(CancelCode.OK, 0)

    def _state(self, job_state: JobStatus) -> State:
        return _state(job_state)

    def _job_spec(self, step: Any, path: str, cwd: str, env: Mapping[str, str] | None) -> JobSpec:
        wanted = {**self._batch, **{name: value for name, value in step.run.items() if value not in ("", None)}}
        exclusive = self.resolve_exclusive({"allocation": False, "launcher": False}, wanted.get("exclusive"))
        resources = _resources(wanted)
        resources.exclusive_node_use = bool(exclusive["allocation"])
        custom = dict(self._custom)
        if wanted.get("qos"):
            custom[f"{self._executor.name}.qos"] = wanted["qos"]
        walltime = wanted.get("walltime")
        output = Path(cwd, Path(path).name.removesuffix(self.extension))
        return JobSpec(
            path,
            directory=cwd,
            name=step.name,
            environment={name: value.replace("${", "$${") for name, value in (env or {}).items()},
            stdout_path=f"{output}.out",
            stderr_path=f"{output}.err",
            resources=resources,
            attributes=JobAttributes(
                JobAttributes.parse_walltime(str(walltime)) if walltime else timedelta(minutes=10),
                wanted.get("queue"),
                wanted.get("bank"),
                wanted.get("reservation"),
                custom,
            ),
        )


def _resources(wanted: Mapping[str, Any]) -> ResourceSpecV1:
    """What a step asks for; its GPUs are those of each node."""
    nodes, processes, cores, gpus = (
        int(wanted.get(name) or 0) or None for name in ("nodes", "procs", "cores per task", "gpus")
    )
    resources = ResourceSpecV1(node_count=nodes, process_count=processes, cpu_cores_per_process=cores)
    if gpus is not None:
        per_process, rest = divmod(gpus, resources.computed_processes_per_node)
        if rest:
            raise InvalidJobException(
                f"gpus: {gpus} on each node can not be shared by {resources.computed_processes_per_node} processes"
            )
        resources.gpu_cores_per_process = per_process
    return resources


def _state(status: JobStatus) -> State:
    """What a status is to Maestro."""
    if status.state is JobState.FAILED and isinstance(status.reason, Reason):
        return _FAILURES.get(status.reason, State.FAILED)
    return _STATES[status.state]
