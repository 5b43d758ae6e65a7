"""`lsf`: IBM Spectrum LSF 10.1 (by its manual pages) and volclava 2.2, an open-source LSF (observed).

`account` is the LSF project. Cores are slots: a job asks for `processes * cores_per_process` of them. Custom attributes
`lsf.X` become `#BSUB -X VALUE`; one that names a generated option takes its place, a list gives it several times. Only
`lsf.R` is added to: the generated sections `span` and `rusage` go with those of the user's own requirement. Its `span`,
and `mem` in its `rusage`, take the place of the generated ones; alternatives in braces stay as they are, None leaves
all of it out. GPUs (`-gpu`) and memory limits with a unit exist on IBM's LSF only: elsewhere the former are refused,
and the limit is a number of MB. LSF counts the walltime in whole minutes.

States come from one bjobs for all jobs, with exit codes and causes where it is IBM's, else those come from
`bjobs -UF`. LSF counts a script that a signal ended as done at times, so its word alone makes no job COMPLETED.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from psij_like._engine.backend import Arrays, Backend, Command, Unavailable, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.options import mebibytes, merged, minutes
from psij_like._engine.plan import Plan
from psij_like._engine.quote import plain_name, quoted_word
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.executors.batch._bjobs import long_records, records, usage
from psij_like.executors.batch._resreq import with_sections
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_STATES = {
    **dict.fromkeys(("PEND", "PSUSP", "WAIT", "FWD_PEND"), JobState.QUEUED),
    **dict.fromkeys(("RUN", "USUSP", "SSUSP", "PROV"), JobState.ACTIVE),
    "DONE": JobState.COMPLETED,
    "EXIT": JobState.FAILED,
}
# How EXIT_REASON begins (bjobs(1), 10.1): the cause of an end that was not the job's own.
_CAUSES = (
    ("TERM_RUNLIMIT", JobState.FAILED, Reason.TIMEOUT),
    ("TERM_DEADLINE", JobState.FAILED, Reason.TIMEOUT),
    ("TERM_MEMLIMIT", JobState.FAILED, Reason.OUT_OF_MEMORY),
    ("TERM_SWAP", JobState.FAILED, Reason.OUT_OF_MEMORY),
    ("TERM_PREEMPT", JobState.FAILED, Reason.PREEMPTED),
    ("TERM_ZOMBIE", JobState.FAILED, Reason.NODE_FAILURE),
    ("TERM_OWNER", JobState.CANCELED, Reason.CANCELLED),
    ("TERM_FORCE_OWNER", JobState.CANCELED, Reason.CANCELLED),
    ("TERM_ADMIN", JobState.CANCELED, Reason.CANCELLED_BY_ADMIN),
    ("TERM_FORCE_ADMIN", JobState.CANCELED, Reason.CANCELLED_BY_ADMIN),
    ("TERM_ORPHAN", JobState.FAILED, Reason.DEPENDENCY_FAILED),
)
_FIELDS = "jobid stat job_name start_time"
_MORE = "exit_code exit_reason pend_reason"  # on IBM's LSF only
_NEVER = "never satisfied|invalid or never"


class Lsf(Backend):
    """What is true of LSF."""

    name = "lsf"
    commands = ("bsub", "bjobs")
    install_hint = "source LSF's profile.lsf, or load the module that provides bsub"
    native_ids = r"[1-9][0-9]{0,11}(?:\[[1-9][0-9]{0,8}\])?"  # `bkill 0` kills all of the user's
    id_example = "1234"
    own_options = frozenset(
        ["I", "J", "K", "Ip", "Is", "IS", "ISp", "ISs", "IX", "h", "V", "pack", "json", "yaml", "jsdl"]
    )
    passes_environment = True
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {
        DependencyKind.AFTER: "(started({0}) || ended({0}))",
        DependencyKind.AFTEROK: "done({0})",
        DependencyKind.AFTERNOTOK: "exit({0})",
        DependencyKind.AFTERANY: "ended({0})",
    }
    dependency_option = "w"
    own_variables = ("LSB_", "LS_")
    cluster_variables = ("LSF_ENVDIR", "LSF_SERVERDIR", "LSF_BINDIR", "LSF_LIBDIR")
    submitted = r"^Job <([0-9]+)> is submitted"
    transient = (
        "(LSF|LIM) is down|not responding|Please wait|try (again|later)|Cannot connect|timed? ?out|has been reached"
    )
    cancel = ("bkill",)
    arrays = Arrays("{id}[{index}]", limit=("bparams", "-a"), limit_in=r"MAX_JOB_ARRAY_SIZE\s*=\s*([0-9]+)")
    ended_already = "already finished|No matching job found|already being terminated"
    hold = ("bstop",)
    release = ("bresume",)
    detail_sources = 1
    explains_late = True
    limit_signals = frozenset([12])  # SIGUSR2

    _units = "MB"  # what follows a number of MB in a limit
    _fields = f"{_FIELDS} {_MORE}"

    def probe_command(self) -> Command | None:
        """See `Backend.probe_command`."""
        return Command(("lsid",))

    def learn(self, result: Result) -> None:
        """See `Backend.learn`: only IBM's LSF takes units in limits, and GPUs, and tells causes in lists."""
        if "volclava" in result.stdout.lower():
            self._units, self._fields = "", _FIELDS
            self.refused = (
                ("resources.gpu_cores_per_process", "volclava knows no GPUs"),
                ("attributes.reservation_id", "volclava has no reservations"),
            )

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`."""
        attributes, need = plan.spec.attributes, plan.resources
        memory = need.memory_per_node
        if "#BSUB" in plan.job_directory:  # volclava looks for directives anywhere in a line
            raise InvalidJobException(
                f"work_directory: LSF would take a part of {plan.job_directory!r} for a directive; choose another one"
            )
        wait_for = (self.dependencies[job.kind].format(job.native_id) for job in plan.dependencies)
        custom = self.custom(plan)
        sections = {"span": f"ptile={need.processes_per_node * need.cores_per_process}"}
        if memory is not None:
            sections["rusage"] = f"mem={mebibytes(memory)}{self._units}"
        options = {
            "J": plain_name(plan.spec.name or "job", "A-Za-z0-9_.+-", 200)
            + (f"[1-{plan.array}]" if plan.array else ""),
            "o": "/dev/null",
            "n": need.processes * need.cores_per_process,
            "R": with_sections(custom.pop("R", ""), sections),
            "M": None if memory is None else f"{mebibytes(memory)}{self._units}",
            "gpu": f"num={need.gpus_per_process * need.processes_per_node}" if need.gpus_per_process else None,
            "x": need.exclusive,
            "W": minutes(plan.walltime),
            "q": attributes.queue_name,
            "P": attributes.account,
            "U": attributes.reservation_id,
            "w": " && ".join(wait_for) or None,
        }
        return [
            f"-{name}" if value is None else f"-{name} {quoted_word(value)}" for name, value in merged(options, custom)
        ]

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`. Directives are only read from standard input."""
        return Command(("bsub",), stdin=script)

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`."""
        return Command(("bjobs", "-a", "-o", self._fields, "-json"))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`. The exit code tells more of the ids that were asked for than of the answer."""
        if "is not a valid field name" in result.stderr:
            self._fields = _FIELDS
            raise Unavailable(str(result), again=True)
        return self._told(records(result))

    def _told(self, records: Iterable[Mapping[str, str]]) -> Mapping[str, Report]:
        return {report.native_id: report for report in map(self._report, records)}

    def _report(self, record: Mapping[str, str]) -> Report:
        element = re.search(r"\[[0-9]+\]$", record.get("JOB_NAME", ""))
        native_id = record["JOBID"] + (element[0] if element and "[" not in record["JOBID"] else "")
        native_state, exit_reason = record.get("STAT", ""), record.get("EXIT_REASON", "")
        state, code = _STATES.get(native_state), _number(record.get("EXIT_CODE"))
        held = Reason.HELD if native_state == "PSUSP" else None
        if state is JobState.QUEUED and re.search(_NEVER, record.get("PEND_REASON", "")):
            return Report(native_id, state, native_state, record["PEND_REASON"], Reason.DEPENDENCY_FAILED)
        for word, cause_state, reason in _CAUSES if native_state == "EXIT" else ():
            if exit_reason.startswith(word):
                return Report(native_id, cause_state, native_state, exit_reason, reason, code)
        if native_state == "EXIT" and code is None and record.get("START_TIME") in ("", "-"):
            return Report(native_id, JobState.CANCELED, native_state)  # it was killed before it ever started
        return Report(native_id, state, native_state, "", held, code, _signal(code))

    def detail_command(self, number: int, native_ids: Sequence[str]) -> Command:
        """See `Backend.detail_command`: the long form, where it is all that tells causes."""
        return Command(("bjobs", "-a", "-UF", *native_ids))

    def detail_reports(self, number: int, result: Result) -> Mapping[str, Report]:
        """See `Backend.detail_reports`."""
        refuse_gibberish(result, "^Job <")
        return self._told(long_records(result))

    def usage_command(self, native_id: str) -> Command:
        """See `Backend.usage_command`. The long form is the same in all of LSF's family."""
        return self.detail_command(0, [native_id])

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """See `Backend.usage`."""
        return usage(result.stdout)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,3}", text) else None


def _signal(code: int | None) -> int | None:
    return code - 128 if code is not None and 128 < code <= 128 + 64 else None


class LsfExecutorConfig(BatchSchedulerExecutorConfig):
    """Nothing beyond `BatchSchedulerExecutorConfig`."""


class LsfJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on LSF; see the module."""

    _NAME_ = "lsf"
    _TAKES_URL_ = False
    _BACKEND_ = Lsf
