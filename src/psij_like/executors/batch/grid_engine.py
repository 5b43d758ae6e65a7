"""`grid_engine` (also `sge`): the Grid Engine family, observed on Son of Grid Engine 8.1.9.

More than one slot (`processes * cores_per_process`) takes a parallel environment, whose name is the site's: the
configuration's `parallel_environment`, or the custom attribute `grid_engine.pe`. Its allocation rule decides about
nodes, so `node_count` is only a number to launchers. GPUs ask for the site's resource `gpu`, which has to count for
the whole job (`consumable` JOB), exclusive nodes for its resource `exclusive`; memory is `h_vmem` for each slot. A
custom attribute of one letter, or that names a qsub option, becomes `#$ -NAME VALUE`; any other one becomes the
resource `#$ -l NAME=VALUE`. Grid Engine's only dependency is `afterany`. Exit codes 99 and 100, to which Grid Engine
gives a meaning of its own, reach it as 1.

Grid Engine kills a job that is deleted at once. One with files to stage out or clean up is submitted with `-notify`:
SIGUSR2 tells it before (and SIGUSR1 that it is to be suspended, which ends programs that do not expect it).

States come from one qstat for all the user's jobs. Jobs that ended are gone from it at once: their own record tells
how, and qacct, seconds later, for those without. Neither tells who deleted a job: one that others delete while it runs
is FAILED by signal 9, one that waits is `lost`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from psij_like._engine.backend import Arrays, Backend, Command, Unavailable, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.options import clock, mebibytes, merged
from psij_like._engine.plan import Plan
from psij_like._engine.quote import plain_name, quoted_word
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.executors.batch._qacct import ends, usage
from psij_like.executors.batch.batch_scheduler_executor import (
    BatchSchedulerExecutor,
    BatchSchedulerExecutorConfig,
    this_user,
)
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

# qsub's options of more than one letter that make sense for a job of ours (qsub(1), 8.1.9).
_OPTIONS = frozenset(["ac", "ar", "binding", "ckpt", "dc", "dl", "hard", "hold_jid", "jc", "js", "masterq", "notify"])
_OPTIONS |= frozenset(["ot", "pe", "sc", "soft"])
_SEVERAL_WORDS = frozenset(["pe", "binding"])
_ENVIRONMENT = r"[A-Za-z0-9_*?][A-Za-z0-9_.*?|!&()-]*"  # sge_types(1): a name, or a pattern of names
_NO_NAME = "^[0-9]|^(?=(?i:none|all|template)$)"
# The letters of states (qstat(1)): deletion, error, hold, running, restarted, suspended in four ways, transferring,
# queued, waiting, preempted.
_LETTERS = frozenset("dEhrRsSTNtqwP")
_RUNNING = frozenset("rsSTNP")


class GridEngine(Backend):
    """What is true of Grid Engine."""

    name = "grid_engine"
    aliases = ("sge",)
    commands = ("qsub", "qconf")
    install_hint = "install Grid Engine's client commands (Debian: gridengine-client), or source its settings.sh"
    native_ids = r"[1-9][0-9]{0,9}(?:\.[0-9]{1,9})?"
    id_example = "1234"
    own_options = frozenset("tbCw")  # arrays, commands instead of scripts, another prefix, looks instead of jobs
    passes_environment = False
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {DependencyKind.AFTERANY: "-hold_jid"}
    dependency_option = "hold_jid"
    own_variables = (
        *("SGE_TASK_", "SGE_STD", "SGE_O_", "SGE_CWD", "SGE_JOB", "PE_HOSTFILE"),
        *("JOB_ID", "JOB_NAME", "JOB_SCRIPT", "NSLOTS", "NHOSTS", "NQUEUES"),
    )
    cluster_variables = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_CLUSTER_NAME")
    submitted = r"^([0-9]+)(?:\.[0-9:-]+)?$"
    transient = "commlib error|unable to (contact|send message to) qmaster|can't connect|timed? ?out|try again"
    cancel = ("qdel",)
    ended_already = 'job "[^"]*" does not exist|is already in deletion|has (deleted|registered)'
    arrays = Arrays("{id}.{index}", limit=("qconf", "-sconf"), limit_in=r"(?m)^max_aj_tasks\s+([0-9]+)", largest=10_000)
    hold = ("qhold",)
    release = ("qrls",)
    trusted = True
    detail_sources = 1
    limit_signals = frozenset([9])
    reserved = frozenset([99, 100])  # run the job again; the job is in error

    parallel_environment: str | None = None

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`."""
        spec, attributes, need = plan.spec, plan.spec.attributes, plan.resources
        custom = self.custom(plan)
        slots = need.processes * need.cores_per_process
        environment = custom.pop("pe", self.parallel_environment) if slots > 1 else custom.pop("pe", None)
        if environment is not None and not re.fullmatch(_ENVIRONMENT, str(environment)):
            raise InvalidJobException(
                f"custom attribute 'grid_engine.pe': {environment!r} is not the name of a parallel environment; the "
                "number of slots is that of processes times cores"
            )
        if slots > 1 and not environment:
            raise InvalidJobException(
                f"ResourceSpecV1: {slots} slots take a parallel environment of the site's (see `qconf -spl`); name it "
                "by the custom attribute 'grid_engine.pe', or parallel_environment in the configuration"
            )
        resources = {
            "h_rt": clock(plan.walltime),
            "h_vmem": None if need.memory is None else f"{mebibytes(-(-need.memory // slots))}M",
            "gpu": need.gpus_per_process * need.processes or None,
            "exclusive": need.exclusive,
            **{name: value for name, value in custom.items() if len(name) > 1 and name not in _OPTIONS},
        }
        options = {
            "N": plain_name(re.sub(_NO_NAME, "_", spec.name or "job"), "A-Za-z0-9_.+-", 200),
            "S": "/bin/bash",
            "t": f"1-{plan.array}" if plan.array else None,
            "o": "/dev/null",
            "j": "y",
            "pe": f"{environment} {slots}" if environment else None,
            "q": attributes.queue_name,
            "A": attributes.account,
            "ar": attributes.reservation_id,
            "notify": bool(spec.stage_out or spec.cleanup),
            "hold_jid": ",".join(job.native_id.partition(".")[0] for job in plan.dependencies) or None,
        }
        letters = {name: value for name, value in custom.items() if len(name) == 1 or name in _OPTIONS}
        lines = [_option(name, value) for name, value in merged(options, letters)]
        return [*lines, *(f"-l {name}={quoted_word(value or 'true')}" for name, value in merged(resources, {}))]

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        return Command(("qsub", "-terse", str(script)))

    def check_cancel(self, result: Result) -> None:
        """See `Backend.check_cancel`. qdel says on standard output what it did not do."""
        super().check_cancel(replace(result, stderr=f"{result.stdout}\n{result.stderr}"))

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`. `-r` tells what jobs wait for."""
        return Command(("qstat", "-xml", "-r", "-u", self.user.name))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`. An answer that breaks off could hide jobs."""
        if result.exit_code != 0 or not result.stdout.rstrip().endswith("</job_info>"):
            raise Unavailable(str(result))
        pieces = re.findall(r"<job_list\b(?:(?!<job_list\b).)*?</job_list>", result.stdout, re.DOTALL)
        return {report.native_id: report for piece in pieces for report in _listed(piece)}

    def detail_command(self, number: int, native_ids: Sequence[str]) -> Command:
        """See `Backend.detail_command`. qacct takes one number or none, and reads all of its file in either case."""
        numbers = {native_id.partition(".")[0] for native_id in native_ids}
        return Command(
            ("qacct", "-o", self.user.name, "-j", *(numbers if len(numbers) == 1 else ())),
            variables=(("TZ", "UTC0"),),
        )

    def detail_reports(self, number: int, result: Result) -> Mapping[str, Report]:
        """See `Backend.detail_reports`."""
        if result.exit_code != 0:
            if re.search("job id .* not found|no jobs running since startup", result.stdout + result.stderr):
                return {}
            raise Unavailable(str(result))
        refuse_gibberish(result, "^={20,}$")
        return {report.native_id: report for report in ends(result.stdout)}

    def usage_command(self, native_id: str) -> Command:
        """See `Backend.usage_command`. Only jobs that have ended are in there."""
        return self.detail_command(0, [native_id])

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """See `Backend.usage`."""
        return usage(native_id, result.stdout)


def _option(name: str, value: str | None) -> str:
    if value is None:
        return f"-{name}"
    words = value.split(" ") if name in _SEVERAL_WORDS else [value]
    if len(words) > 1 and any(word.startswith("-") for word in words):
        raise InvalidJobException(f"custom attribute 'grid_engine.{name}': {value!r} would be several options")
    return f"-{name} {' '.join(map(quoted_word, words))}"


def _listed(piece: str) -> Iterator[Report]:
    """What an entry of qstat's list says: it may stand for many waiting elements of an array. Nothing if spoilt."""
    facts = dict(re.findall(r"<(JB_job_number|tasks|state)>([^<]*)</\1>", piece))
    number, letters = facts.get("JB_job_number", ""), facts.get("state", "")
    held = "h" in letters and "<predecessor_jobs>" not in piece
    for native_id in (f"{number}.{index}" for index in _indices(facts["tasks"])) if "tasks" in facts else [number]:
        if not re.fullmatch(GridEngine.native_ids, native_id):
            return
        if letters == "" or set(letters) - _LETTERS:
            yield Report(native_id, None, letters)
        elif "E" in letters:
            message = "Grid Engine could not start the job; `qstat -j` tells why, `qmod -cj` lets it try again"
            yield Report(native_id, JobState.QUEUED, letters, "error", Reason.HELD, message=message)
        elif _RUNNING & set(letters):
            yield Report(native_id, JobState.ACTIVE, letters)
        else:
            yield Report(native_id, JobState.QUEUED, letters, reason=Reason.HELD if held else None)


def _indices(tasks: str) -> Iterator[int]:
    """The elements that a list such as `3-9:2,12` names."""
    for part in tasks.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6})(?::([1-9][0-9]{0,5}))?)?", part)
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            yield from range(first, last + 1, step)


class GridEngineExecutorConfig(BatchSchedulerExecutorConfig):
    """What can be set for Grid Engine.

    Args:
        settings: those of `BatchSchedulerExecutorConfig`.
        parallel_environment: the one for jobs of more than one slot that name none.
    """

    def __init__(self, *settings: Any, parallel_environment: str | None = None, **named: Any) -> None:
        super().__init__(*settings, **named)
        self.parallel_environment = parallel_environment


class GridEngineJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on Grid Engine; see the module."""

    _NAME_ = "grid_engine"
    _TAKES_URL_ = False
    _BACKEND_ = GridEngine

    def _make_backend(self) -> Backend:
        backend = GridEngine(this_user())
        backend.parallel_environment = getattr(self.config, "parallel_environment", None)
        return backend
