"""`cobalt`: Cobalt, observed on 1.0.33.

`account` is the project, `reservation_id` the name of a reservation's queue, which takes the place of `queue_name`.
Nodes are whole and exclusive: cores, GPUs and memory can not be asked for and are what the node has. Custom attributes
`cobalt.NAME` become `#COBALT --NAME VALUE` (`-N VALUE` for one letter). Cobalt counts the walltime in whole minutes,
at least 5 on most systems. It has dependencies of the kind `afterok` only.

A job that ends is gone from Cobalt at once: its own record and the log that Cobalt writes into the job's directory tell
how it ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from psij_like._engine.backend import Backend, Command, Refused, Unavailable, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.options import merged, minutes
from psij_like._engine.plan import Plan
from psij_like._engine.quote import plain_name
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_STATES = {
    **dict.fromkeys(
        ("queued", "maxrun_hold", "user_hold", "admin_hold", "dep_hold", "dep_fail", "starting", "preempted"),
        JobState.QUEUED,
    ),
    **dict.fromkeys(("running", "killing", "preempting", "exiting"), JobState.ACTIVE),
}
_WAITS = {
    "user_hold": Reason.HELD,
    "admin_hold": Reason.HELD,
    "dep_fail": Reason.DEPENDENCY_FAILED,
}
_LOG_EXIT = re.compile(r"Info: task completed normally with an exit code of (-?[0-9]{1,4});")
_LOG_DELETED = re.compile(r"Info: user delete requested(?:.* by user (\S+))?")


class Cobalt(Backend):
    """What is true of Cobalt."""

    name = "cobalt"
    commands = ("qsub", "cqwait")
    install_hint = "install Cobalt's client commands, or load the module that provides them"
    native_ids = r"[1-9][0-9]{0,11}"
    id_example = "1234"
    option_names = r"(?!he)[A-Za-z][A-Za-z0-9_-]*"  # -h holds a job, --help makes none
    own_options = frozenset(["mode", "debuglog", "dependencies", "version", "i", "v"])
    passes_environment = False
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {DependencyKind.AFTEROK: "--dependencies"}
    own_variables = ("COBALT_", "QSTAT_HEADER")
    cluster_variables = ("COBALT_CONFIG_FILES",)
    transient = "Failed to connect|Connection refused|timed? ?out|try again|exception occurred while trying"
    cancel = ("qdel",)
    hold = ("qhold",)
    release = ("qrls",)
    refused = (
        ("resources.gpu_cores_per_process", "Cobalt can not count GPUs"),
        ("resources.memory", "Cobalt hands out whole nodes"),
    )
    trusted = True
    log = "cobaltlog"

    def _options(self, plan: Plan) -> Iterator[str]:
        """Each option as one line, its value after a blank."""
        attributes, need = plan.spec.attributes, plan.resources
        if re.search(r"[\s$]", plan.job_directory):
            raise InvalidJobException(
                f"work_directory: Cobalt takes no path with a blank or a $, such as {plan.job_directory!r}; "
                "choose another one with JobExecutorConfig(work_directory=...)"
            )
        if attributes.reservation_id and attributes.queue_name:
            raise InvalidJobException(
                f"JobAttributes.reservation_id: {attributes.reservation_id!r} is a queue to Cobalt, so it can not be "
                f"given together with queue_name {attributes.queue_name!r}"
            )
        options = {
            "jobname": plain_name(plan.spec.name or "job", "A-Za-z0-9_.+-", 200),
            "n": need.nodes,
            "t": minutes(plan.walltime),
            "q": attributes.reservation_id or attributes.queue_name,
            "A": attributes.account,
            "o": "/dev/null",
            "e": "/dev/null",
            "dependencies": ":".join(job.native_id for job in plan.dependencies) or None,
            "debuglog": f"{plan.job_directory}/{self.log}",
        }
        for name, value in merged(options, self.custom(plan)):
            dashed = f"-{name}" if len(name) == 1 else f"--{name}"
            yield dashed if value is None else f"{dashed} {value}"

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`. A value with a blank can not be written in a script."""
        return [option for option in self._options(plan) if _is_plain(option)]

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        blanks = (option.split(" ", 1) for option in self._options(plan) if not _is_plain(option))
        return Command(("qsub", *(word for words in blanks for word in words), str(script)))

    def check_hold(self, result: Result) -> None:
        """See `Backend.check_hold`. qhold and qrls exit with 0 whatever became of it."""
        super().check_hold(result)
        if re.search(r"job [0-9]+ (not found|has already completed|is already active)", result.stdout):
            raise Refused(str(result))

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`."""
        return Command(("qstat", "-l", "--header=JobID:State:User", "-u", self.user.name))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`. No job at all: it exits with 1 and prints nothing."""
        if result.exit_code != 0 and (result.exit_code != 1 or result.stderr.strip() or result.stdout.strip()):
            raise Unavailable(str(result))
        refuse_gibberish(result, "^JobID *:")
        pairs = re.findall(r"^JobID *: *([0-9]+)\n *State *: *(\w+) *$", result.stdout, re.MULTILINE)
        return {
            native_id: Report(native_id, _STATES.get(state), state, "", _WAITS.get(state)) for native_id, state in pairs
        }

    def log_report(self, native_id: str, text: str) -> Report | None:
        """See `Backend.log_report`."""
        overran = "Info: maximum execution time exceeded" in text
        deleted = _LOG_DELETED.search(text)
        ended = _LOG_EXIT.search(text)
        if overran:
            return Report(native_id, JobState.FAILED, reason=Reason.TIMEOUT)
        if deleted and (not ended or int(ended[1]) > 128):
            by = deleted[1]
            reason = Reason.CANCELLED if by in (None, self.user.name) else Reason.CANCELLED_BY_ADMIN
            return Report(native_id, JobState.CANCELED, reason=reason)
        if ended:
            code = int(ended[1])
            signal = code - 128 if 128 < code <= 128 + 64 else None
            state = JobState.FAILED if code else JobState.COMPLETED
            return Report(native_id, state, "", "", Reason.SIGNAL if signal else Reason.EXIT, code, signal)
        return None


def _is_plain(option: str) -> bool:
    """Whether an option and its value are two words to whoever splits at blanks."""
    return option.split() == option.split(" ") and len(option.split()) <= 2


class CobaltExecutorConfig(BatchSchedulerExecutorConfig):
    """Nothing beyond `BatchSchedulerExecutorConfig`."""


class CobaltJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on Cobalt; see the module."""

    _NAME_ = "cobalt"
    _TAKES_URL_ = False
    _BACKEND_ = Cobalt
