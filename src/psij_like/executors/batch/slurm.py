"""`slurm`: Slurm, observed on 22.05, 24.11 and 26.05.

`queue_name` is the partition. Custom attributes `slurm.NAME` become `#SBATCH --NAME=VALUE`, or `--NAME` for "" and
True; one that names a generated directive takes its place, and None or False leaves that directive out. Memory is
asked for by node. The submitter's SLURM_* and SBATCH_* variables (but SLURM_CONF) do not reach sbatch, as they would
change the new job when it is submitted from inside another one. Slurm rounds the walltime up to whole minutes. It takes
an id that it has forgotten for a dependency that is met.

States come from one squeue for all the user's jobs; the causes that it does not tell, from sacct where the site has
accounting, else from squeue's exit codes while Slurm remembers the job (MinJobAge).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import intern
from typing import ClassVar

from psij_like._engine.backend import Arrays, Backend, Command, Unavailable, User, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.figures import seconds, size
from psij_like._engine.host import Result
from psij_like._engine.lines import LineReader
from psij_like._engine.options import clock, mebibytes, merged
from psij_like._engine.plan import Plan
from psij_like._engine.quote import directive_value
from psij_like.dependencies import DependencyKind
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_LIVE = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
        JobState.QUEUED,
    ),
    **dict.fromkeys(
        ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"), JobState.ACTIVE
    ),
}
_FINAL: dict[str, tuple[JobState, Reason | None]] = {
    "COMPLETED": (JobState.COMPLETED, None),
    "FAILED": (JobState.FAILED, None),
    "CANCELLED": (JobState.CANCELED, None),
    "TIMEOUT": (JobState.FAILED, Reason.TIMEOUT),
    "DEADLINE": (JobState.FAILED, Reason.TIMEOUT),
    "OUT_OF_MEMORY": (JobState.FAILED, Reason.OUT_OF_MEMORY),
    "NODE_FAIL": (JobState.FAILED, Reason.NODE_FAILURE),
    "BOOT_FAIL": (JobState.FAILED, Reason.NODE_FAILURE),
    "PREEMPTED": (JobState.FAILED, Reason.PREEMPTED),
}
_HELD = re.compile(r"JobHeld|JobHoldMaxRequeue|[Hh]eld")
_NO_START = 53  # where slurmstepd could not open a job's files, or start it, it speaks of this signal
_SIGNAL = re.compile(r"RaisedSignal:([0-9]{1,3})(?![0-9])")
_ID = re.compile(r"[0-9]+(?:_[0-9]+|\+[0-9]+)?")
_ROW = r"^[0-9][0-9_+,%\[\]-]*\|"  # elements of an array that are not listed singly, too
_EPOCH = (("SLURM_TIME_FORMAT", "%s"),)


class Slurm(Backend):
    """What is true of Slurm."""

    name = "slurm"
    commands = ("sbatch", "squeue")
    install_hint = "install Slurm's client commands (Debian: slurm-client), or load the module that provides them"
    native_ids = r"[1-9][0-9]{0,8}(?:[_+][0-9]{1,9})?"
    id_example = "1234"
    option_names = r"[a-z][a-z0-9-]+"
    own_options = frozenset(
        ["array", "clusters", "cluster", "help", "parsable", "test-only", "usage", "version", "wait", "wrap"]
    )
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {kind: str(kind) for kind in DependencyKind}
    dependency_option = "dependency"
    own_variables = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_")
    cluster_variables = ("SLURM_CONF",)
    submitted = r"^([0-9]+)(?:;.*)?$"
    transient = (
        "Unable to contact slurm controller|socket timed out|Connection refused|Connection timed out|temporarily unable"
        "|temporarily unavailable|try again|standby mode|Zero Bytes were transmitted|communication"
        "|JobSubmitLimit|configuration source"
    )
    cancel = ("scancel",)
    arrays = Arrays(
        "{id}_{index}", limit=("scontrol", "show", "config"), limit_in=r"MaxArraySize\s*=\s*([0-9]+)", beyond=1
    )
    hold = ("scontrol", "hold")
    release = ("scontrol", "release")
    trusted = True
    detail_sources = 2

    def __init__(self, user: User) -> None:
        super().__init__(user)
        self._list = LineReader(self._listed)

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`."""
        spec, attributes, resources = plan.spec, plan.spec.attributes, plan.resources
        memory = resources.memory_per_node
        options = {
            "job-name": (spec.name or "job")[:200],
            "array": f"1-{plan.array}" if plan.array else None,
            "output": "/dev/null",  # what the script itself says is in the job's directory
            "nodes": resources.nodes,
            "ntasks": resources.processes,
            "ntasks-per-node": resources.processes_per_node if spec.resources is not None else None,
            "cpus-per-task": resources.cores_per_process if resources.cores_per_process > 1 else None,
            "gpus-per-task": resources.gpus_per_process or None,
            "mem": None if memory is None else f"{mebibytes(memory)}M",
            "exclusive": resources.exclusive,
            "time": clock(plan.walltime),
            "partition": attributes.queue_name,
            "account": attributes.account,
            "reservation": attributes.reservation_id,
            "dependency": ",".join(f"{job.kind}:{job.native_id}" for job in plan.dependencies) or None,
            "export": "ALL" if spec.inherit_environment else "NONE",
        }
        return [
            f"--{name}" if value is None else f"--{name}={directive_value(value)}"
            for name, value in merged(options, self.custom(plan))
        ]

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        return Command(("sbatch", "--parsable", str(script)))

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`. Asking for the user's jobs spares the controller; many ids would not.

        Without `--all` it leaves out jobs in partitions that are hidden.
        """
        return Command(("squeue", "--me", "--all", "-h", "-r", "-t", "all", "-o", "%i|%T|%S|%e|%r"), variables=_EPOCH)

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`."""
        if result.exit_code != 0:
            raise Unavailable(str(result))
        refuse_gibberish(result, _ROW)
        return self._list.read(result.stdout)

    def _listed(self, line: str) -> Report | None:
        fields = _row(line, 5)
        if fields is None:
            return None
        native_id, native_state, start, end, reason = fields
        native_state, reason = intern(native_state), intern(reason)  # of a hundred thousand jobs most are alike
        state, cause = _FINAL.get(native_state) or (_LIVE.get(native_state), None)
        final = state is not None and state.final
        signal = _SIGNAL.search(reason)
        if reason == "DependencyNeverSatisfied":
            cause = Reason.DEPENDENCY_FAILED  # a cancelled one too: some sites have Slurm itself cancel it
        elif state is JobState.QUEUED and _HELD.search(reason):
            cause = Reason.HELD
        elif native_state == "FAILED" and signal:
            cause = _cause(int(signal[1]))
        since = end if final else start if state is JobState.ACTIVE else ""
        return Report(
            native_id,
            state,
            native_state,
            "" if reason == "None" else reason,
            cause,
            signal=int(signal[1]) if signal and cause is not Reason.LAUNCH_FAILED else None,
            time=_time(since),
        )

    def detail_command(self, number: int, native_ids: Sequence[str]) -> Command:
        """See `Backend.detail_command`: accounting, then squeue's exit codes."""
        ids = ",".join(native_ids)
        if number == 0:
            return Command(
                ("sacct", "-X", "-P", "-n", "-j", ids, "-o", "JobID,State,ExitCode,End,UID"), variables=_EPOCH
            )
        fields = "JobArrayID:|,State:|,exit_code:|,EndTime:|,UserID:|"
        return Command(("squeue", "-h", "-r", "-t", "all", "-j", ids, "-O", fields), variables=_EPOCH)

    def detail_reports(self, number: int, result: Result) -> Mapping[str, Report]:
        """See `Backend.detail_reports`."""
        if result.exit_code != 0 and "Invalid job id specified" not in result.stderr:
            raise Unavailable(str(result), for_good="accounting storage is disabled" in result.stderr)
        refuse_gibberish(result, _ROW)
        rows = (_row(line, 5 if number == 0 else 6) for line in result.stdout.split("\n"))
        reports = (self._detail(*fields[:5]) for fields in rows if fields is not None)
        return {report.native_id: report for report in reports}

    def _detail(self, native_id: str, state_text: str, code_text: str, end: str, uid: str) -> Report:
        """What sacct (`3:0`) or squeue (768, as wait(2) has it) say of a job's end."""
        native_state, _, by = state_text.partition(" by ")
        state, cause = _FINAL.get(native_state) or (_LIVE.get(native_state), None)
        exit_code = signal = None
        if match := re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", code_text):
            exit_code, signal = int(match[1]), int(match[2]) or None
        elif re.fullmatch("[0-9]{1,9}", code_text):
            exit_code, signal = int(code_text) >> 8, int(code_text) & 127 or None
        if native_state in ("COMPLETED", "FAILED"):
            cause = _cause(signal) if signal else Reason.EXIT
            if cause is Reason.LAUNCH_FAILED:
                exit_code = signal = None
        elif state is JobState.CANCELED and by:
            # sacct's own UID is 0 until the job has reached the database whole.
            own = by == str(self.user.id) or (by == uid and uid != "0")
            cause = Reason.CANCELLED if own else Reason.CANCELLED_BY_ADMIN
        final = state is not None and state.final
        time = _time(end) if final else None
        return Report(native_id, state, native_state, "", cause, exit_code, signal, time)

    def usage_command(self, native_id: str) -> Command:
        """See `Backend.usage_command`. Memory is counted for each step."""
        return Command(("sacct", "-P", "-n", "-j", native_id, "-o", "JobID,ElapsedRaw,TotalCPU,MaxRSS"))

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """See `Backend.usage`."""
        if result.exit_code != 0:
            raise Unavailable(str(result))
        rows = [line.split("|") for line in result.stdout.splitlines() if line.count("|") == 3]
        whole = next((row for row in rows if row[0] == native_id), None)
        if whole is None:
            return None
        own = (row for row in rows if row[0].partition(".")[0] == native_id)
        memory = [found for row in own if (found := size(row[3])) is not None]
        return JobUsage(seconds(whole[1]), seconds(whole[2]), max(memory, default=None))


def _cause(signal: int) -> Reason:
    return Reason.LAUNCH_FAILED if signal == _NO_START else Reason.SIGNAL


def _time(text: str) -> float | None:
    return float(text) if re.fullmatch("[0-9]{1,12}", text) else None


def _row(line: str, fields: int) -> list[str] | None:
    """The fields of a line, the last of which may hold the separator; None if it tells of no job."""
    row = line.split("|", fields - 1)
    return row if len(row) == fields and _ID.fullmatch(row[0]) else None


class SlurmExecutorConfig(BatchSchedulerExecutorConfig):
    """Nothing beyond `BatchSchedulerExecutorConfig`."""


class SlurmJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on Slurm; see the module."""

    _NAME_ = "slurm"
    _TAKES_URL_ = False
    _BACKEND_ = Slurm
