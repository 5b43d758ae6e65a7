"""`grid_engine` (also `sge`): the Grid Engine family, observed on Son of Grid Engine 8.1.9.

More than one slot (`processes * cores_per_process`) takes a parallel environment, whose name is the site's: the
configuration's `parallel_environment`, or the custom attribute `grid_engine.pe`. Its allocation rule decides about nodes, so `node_count` is only a number to launchers. GPUs
ask for the site's resource `gpu`, exclusive nodes for its resource `exclusive`; memory is `h_vmem` for each slot. A
custom attribute of one letter, or that names a qsub option, becomes `#$ -NAME VALUE`; any other one becomes the
resource `#$ -l NAME=VALUE`. Grid Engine's only dependency is `afterany`. Exit codes 99 and 100, to which Grid Engine
gives a meaning of its own, reach it as 1.

States come from one qstat for all the user's jobs. Jobs that ended are gone from it at once: their own record tells how,
and qacct, seconds later, for those without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from xml.etree.ElementTree import Element, ParseError, fromstring

from psij_like._engine.backend import Backend, Command, Unavailable
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.options import clock, mebibytes, merged
from psij_like._engine.plan import Plan
from psij_like._engine.quote import plain_name, quoted_word
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.executors.batch.batch_scheduler_executor import (
    BatchSchedulerExecutor,
    BatchSchedulerExecutorConfig,
    this_user,
)
from psij_like.job_state import JobState
from psij_like.job_status import Reason

# qsub's options of more than one letter that make sense for a job of ours (qsub(1), 8.1.9).
_OPTIONS = frozenset(["ac", "ar", "binding", "ckpt", "dc", "dl", "hard", "jc", "js", "masterq", "notify", "ot", "pe"])
_OPTIONS |= frozenset(["sc", "soft", "verify", "hold_jid"])
_KILLED_AFTER_START = 100  # "failed": assumedly after job


class GridEngine(Backend):
    """What is true of Grid Engine."""

    name = "grid_engine"
    aliases = ("sge",)
    install_hint = "install Grid Engine's client commands (Debian: gridengine-client), or source its settings.sh"
    native_ids = r"[1-9][0-9]{0,9}(?:\.[0-9]{1,9})?"
    own_options = frozenset(["t", "b", "C", "sync", "terse", "now", "verify", "clear", "help", "hold_jid_ad", "tc"])
    passes_environment = False
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {DependencyKind.AFTERANY: "-hold_jid"}
    own_variables = ("SGE_TASK_", "SGE_STD", "SGE_O_", "SGE_CWD", "SGE_JOB", "PE_HOSTFILE", "JOB_", "NSLOTS", "NHOSTS")
    cluster_variables = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_CLUSTER_NAME")
    submitted = r"^([0-9]+)(?:\.[0-9:-]+)?$"
    transient = (
        "unable to (contact|send message to) qmaster|can't connect to service|got send error|timed? ?out|try again"
    )
    cancel = ("qdel",)
    ended_already = 'job "[^"]*" does not exist|is already in deletion|already registered'
    hold = ("qhold",)
    release = ("qrls",)
    trusted = True
    detail_sources = 1
    limit_signals = frozenset([9])

    parallel_environment: str | None = None

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`."""
        spec, attributes, need = plan.spec, plan.spec.attributes, plan.resources
        custom = self.custom(plan)
        slots = need.processes * need.cores_per_process
        environment = custom.pop("pe", self.parallel_environment) if slots > 1 else custom.pop("pe", None)
        if slots > 1 and not environment:
            raise InvalidJobException(
                f"ResourceSpecV1: {slots} slots take a parallel environment of the site's (see `qconf -spl`); name it by "
                "the custom attribute 'grid_engine.pe', or parallel_environment in the configuration"
            )
        resources = {
            "h_rt": clock(plan.walltime),
            "h_vmem": None if need.memory is None else f"{mebibytes(-(-need.memory // slots))}M",
            "gpu": need.gpus_per_process * need.processes or None,
            "exclusive": need.exclusive,
            **{name: value for name, value in custom.items() if len(name) > 1 and name not in _OPTIONS},
        }
        options = {
            "N": plain_name(re.sub("^[0-9]", "_", spec.name or "job"), "A-Za-z0-9_.+-", 200),
            "S": "/bin/bash",
            "o": "/dev/null",
            "j": "y",
            "pe": f"{environment} {slots}" if environment else None,
            "q": attributes.queue_name,
            "A": attributes.account,
            "ar": attributes.reservation_id,
            "hold_jid": ",".join(native_id for _, native_id in plan.dependencies) or None,
        }
        letters = {name: value for name, value in custom.items() if len(name) == 1 or name in _OPTIONS}
        lines = [_option(name, value) for name, value in merged(options, letters)]
        return [*lines, *(f"-l {name}={quoted_word(value or 'true')}" for name, value in merged(resources, {}))]

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        return Command(("qsub", "-terse", str(script)))

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`."""
        return Command(("qstat", "-xml", "-u", self.user.name))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`."""
        if result.exit_code != 0 or "<job_info" not in result.stdout:
            raise Unavailable(str(result))
        pieces = re.findall("<job_list.*?</job_list>", result.stdout, re.DOTALL)
        reports = (report for piece in pieces for report in _listed(piece))
        return {report.native_id: report for report in reports}

    def detail_command(self, number: int, native_ids: Sequence[str]) -> Command:
        """See `Backend.detail_command`. qacct takes one id or none, and reads all of its file in either case."""
        return Command(("qacct", "-o", self.user.name, "-j", *(native_ids if len(native_ids) == 1 else ())))

    def detail_reports(self, number: int, result: Result) -> Mapping[str, Report]:
        """See `Backend.detail_reports`."""
        if result.exit_code != 0:
            if re.search("not found|no jobs", result.stderr):
                return {}
            raise Unavailable(str(result))
        reports = {}
        for record in re.split("^={20,}$", result.stdout, flags=re.MULTILINE):
            facts = dict(re.findall(r"^(\w+) +(.*?) *$", record, re.MULTILINE))
            report = _ended(facts)
            if report is not None:
                reports[report.native_id] = report
        return reports


def _option(name: str, value: str | None) -> str:
    return f"-{name}" if value is None else f"-{name} {' '.join(map(quoted_word, value.split(' ')))}"


def _listed(piece: str) -> list[Report]:
    """What an entry of qstat's list says; none if it is spoilt, or stands for many waiting elements of an array."""
    try:
        job: Element = fromstring(piece)  # noqa: S314 - a piece without a head declares no entities
    except ParseError:
        return []
    number, tasks, native_state = job.findtext("JB_job_number", ""), job.findtext("tasks"), job.findtext("state", "")
    if not number.isdigit() or (tasks is not None and not tasks.isdigit()):
        return []
    native_id = number if tasks is None else f"{number}.{tasks}"
    if "E" in native_state:
        message = "Grid Engine could not start the job; `qstat -j` tells why, `qmod -cj` lets it try again"
        return [Report(native_id, JobState.QUEUED, native_state, "error", Reason.HELD, message=message)]
    running = any(letter in native_state for letter in "rtsST")
    held = not running and "h" in native_state
    return [
        Report(
            native_id, JobState.ACTIVE if running else JobState.QUEUED, native_state, "", Reason.HELD if held else None
        )
    ]


def _ended(facts: Mapping[str, str]) -> Report | None:
    """What a record of qacct says."""
    number, code_text, failed = facts.get("jobnumber", ""), facts.get("exit_status", ""), facts.get("failed", "")
    code, failure = re.match("[0-9]+", code_text), re.match("[0-9]+", failed)
    if not number.isdigit() or code is None or failure is None:
        return None
    native_id = f"{number}.{facts['taskid']}" if facts.get("taskid", "").isdigit() else number
    exit_code, why = int(code[0]), "" if failure[0] == "0" else failed
    if int(failure[0]) not in (0, _KILLED_AFTER_START):
        return Report(native_id, JobState.FAILED, "", why, Reason.LAUNCH_FAILED)
    if int(failure[0]) == _KILLED_AFTER_START and exit_code > 128:
        return Report(native_id, JobState.FAILED, "", why, Reason.SIGNAL, exit_code, exit_code - 128)
    return Report(native_id, JobState.FAILED if exit_code else JobState.COMPLETED, "", why, Reason.EXIT, exit_code)


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
