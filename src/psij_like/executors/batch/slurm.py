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

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from psij_like._engine.backend import Arrays, Backend, Command, Unavailable, User, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.lines import LineReader
from psij_like._engine.options import clock, mebibytes, merged
from psij_like._engine.plan import Plan
from psij_like._engine.quote import directive_value
from psij_like.dependencies import DependencyKind
from psij_like.executors.batch._squeue import ROW, ends, listed, used
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij_like.job_info import JobUsage

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
        self._list = LineReader(listed)

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
        refuse_gibberish(result, ROW)
        return self._list.read(result.stdout)

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
        refuse_gibberish(result, ROW)
        reports = ends(result.stdout, 5 if number == 0 else 6, str(self.user.id))
        return {report.native_id: report for report in reports}

    def usage_command(self, native_id: str) -> Command:
        """See `Backend.usage_command`. Memory is counted for each step."""
        return Command(("sacct", "-P", "-n", "-j", native_id, "-o", "JobID,ElapsedRaw,TotalCPU,MaxRSS"))

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """See `Backend.usage`."""
        if result.exit_code != 0:
            raise Unavailable(str(result))
        return used(result.stdout, native_id)


class SlurmExecutorConfig(BatchSchedulerExecutorConfig):
    """Nothing beyond `BatchSchedulerExecutorConfig`."""


class SlurmJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on Slurm; see the module."""

    _NAME_ = "slurm"
    _TAKES_URL_ = False
    _BACKEND_ = Slurm
