"""`pbs` (also `pbspro`): PBS Professional and OpenPBS, observed on OpenPBS 23.06.

`reservation_id` is the name of a reservation's queue and takes the place of `queue_name`. A custom attribute of one
letter, `pbs.X`, becomes `#PBS -X VALUE`; one with a longer name becomes the resource `#PBS -l NAME=VALUE`, so
`pbs.filesystems` is one of those, and `pbs.select` and `pbs.place` take the place of the generated ones. Memory is
asked for by node. Characters of a job's name that PBS does not take become `_`.

States and causes come from one qstat for all jobs, with those in the history where the site keeps one; without, a job
that ended is known by its own record.

PBS lets jobs wait for ever for one that was deleted while it was queued: they are told of that, which takes a history.
With a job that waits for another one itself, PBS deletes all that wait for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from psij_like._engine.backend import Arrays, Command, Unavailable
from psij_like._engine.dependencies import Awaited
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.plan import Plan
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.executors.batch._qsub import Qsub, awaited, depend, used_by
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_STATES = {
    **dict.fromkeys("QHWTM", JobState.QUEUED),
    **dict.fromkeys("RSUBE", JobState.ACTIVE),
}
_WALLTIME_EXCEEDED = -29
_PARTIAL = frozenset([0, 35, 153])  # all is well, some jobs have finished, or are not known
# What is said of an element that PBS does not keep any more. All the rest is that of the whole array.
_FORGOTTEN = {
    "Subjob failed": (JobState.FAILED, Reason.EXIT),
    "Subjob terminated": (JobState.CANCELED, Reason.CANCELLED),
}
_WAITS_FOR_ANOTHER, _DELETED, _ENDED = 22, 91, 92  # substates


class Pbs(Qsub):
    """What is true of PBS Pro."""

    name = "pbs"
    aliases = ("pbspro",)
    commands = ("qsub", "pbs_rsub")
    install_hint = "install the PBS client commands (openpbs-client), or load the module that provides them"
    native_ids = r"[0-9]{1,12}(?:\[[0-9]*\])?\.[A-Za-z0-9_][A-Za-z0-9_.-]*"
    id_example = "1234.server"
    cluster_variables = ("PBS_CONF_FILE", "PBS_EXEC", "PBS_SERVER", "PBS_PRIMARY", "PBS_SECONDARY")
    submitted = r"^([0-9]+(?:\[\])?\.\S+)$"
    transient = "cannot connect to server|Connection refused|timed? ?out|try again|No free connections|server is busy"
    ended_already = "Job has finished|Unknown Job Id|is already being deleted|invalid state for job"
    arrays = Arrays(
        *("{id}", 2), limit=("qstat", "-B", "-f"), limit_in="max_array_size = ([0-9]+)", alone=frozenset({"h"})
    )
    array_option = "J"
    cancels_many = False  # with an id among others that it does not know, qdel has crashed a server

    _history = True  # until it says that it keeps none

    def resources(self, plan: Plan) -> dict[str, object]:
        """See `Qsub.resources`."""
        need = plan.resources
        chunk: dict[str, object] = {
            "ncpus": need.processes_per_node * need.cores_per_process,
            "mpiprocs": need.processes_per_node,
        }
        if need.gpus_per_process:
            chunk["ngpus"] = need.processes_per_node * need.gpus_per_process
        if need.memory_per_node is not None:
            chunk["mem"] = f"{-(-need.memory_per_node // 1024)}kb"
        place = [*(["scatter"] if need.nodes > 1 else []), *(["excl"] if need.exclusive else [])]
        return {
            "select": ":".join([str(need.nodes), *(f"{name}={value}" for name, value in chunk.items())]),
            "place": ":".join(place) or None,
        }

    def options(self, plan: Plan) -> dict[str, object]:
        """See `Qsub.options`."""
        attributes = plan.spec.attributes
        if attributes.reservation_id and attributes.queue_name:
            raise InvalidJobException(
                f"JobAttributes.reservation_id: {attributes.reservation_id!r} is a queue to PBS, so it can not go "
                f"together with queue_name {attributes.queue_name!r}"
            )
        return {**super().options(plan), "q": attributes.reservation_id or attributes.queue_name}

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`. Without ids: qstat would open a connection for each. `-t`: elements too."""
        return Command(("qstat", *(["-x"] if self._history else []), "-t", "-f", "-F", "json"))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`. Asked for a history that it does not keep, PBS tells of no job at all."""
        jobs = self._jobs(result)
        reports = {native_id: self._report(native_id, job) for native_id, job in jobs.items()}
        return {
            native_id: replace(report, others=True) if self.of_others(jobs[native_id].get("Job_Owner")) else report
            for native_id, report in reports.items()
            if report is not None
        }

    def _jobs(self, result: Result) -> dict[str, dict[str, Any]]:
        if "not configured to maintain job history" in result.stderr:
            self._history = False
            raise Unavailable(str(result), again=True)
        try:
            said = json.loads(result.stdout) if result.exit_code in _PARTIAL else None
        except (ValueError, RecursionError):
            said = None
        jobs = said.get("Jobs") if isinstance(said, dict) else None
        if jobs is None and isinstance(said, dict) and result.exit_code == 0 and "pbs_server" in said:
            jobs = {}  # it leaves the word out where there is no job
        if not isinstance(jobs, dict):
            raise Unavailable(str(result))
        return {native_id: job for native_id, job in jobs.items() if isinstance(job, dict)}

    def usage_command(self, native_id: str) -> Command:
        """See `Backend.usage_command`."""
        return Command(("qstat", *(["-x"] if self._history else []), "-f", "-F", "json", native_id))

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """See `Backend.usage`."""
        used = self._jobs(result).get(native_id, {}).get("resources_used")
        return used_by(used) if isinstance(used, dict) else None

    def _report(self, native_id: str, job: dict[str, Any]) -> Report | None:
        native_state, comment = str(job.get("job_state")), str(job.get("comment") or "")
        if native_state in ("F", "X"):
            return self._end(native_id, job, native_state, comment)
        state = _STATES.get(native_state)
        holds = str(job.get("Hold_Types") or "")  # "s" alone, and that substate: it waits for another job
        waits = native_state == "H" and job.get("substate") == _WAITS_FOR_ANOTHER
        held = native_state == "H" and not waits
        held |= native_state in ("H", "Q") and (
            "u" in holds or "o" in holds
        )  # an element is Q also in an array that is H
        waits_for = tuple(awaited(str(job.get("depend") or ""))) if waits else ()
        return Report(native_id, state, native_state, comment, Reason.HELD if held else None, waits_for=waits_for)

    def settle_command(self, native_id: str, left: Sequence[Awaited], over: Sequence[Awaited]) -> Command:
        """See `Backend.settle_command`. PBS takes note of the end of a job that is named again."""
        again = [(DependencyKind.AFTERANY, job.native_id) for job in over]
        waits_for = depend([*((job.kind, job.native_id) for job in left), *again])
        return Command(("qalter", "-W", f"depend={waits_for}", native_id))

    def _end(self, native_id: str, job: dict[str, Any], native_state: str, comment: str) -> Report | None:
        code, substate = job.get("Exit_status"), job.get("substate")
        time = job.get("history_timestamp")
        since = float(time) if isinstance(time, int) else None

        def report(state: JobState, reason: Reason, exit_code: int | None = None, signal: int | None = None) -> Report:
            return Report(native_id, state, native_state, comment, reason, exit_code, signal, since)

        if comment in _FORGOTTEN:
            return report(*_FORGOTTEN[comment])
        if comment == "Subjob finished":  # also one that was deleted before it ran
            if code is not None or substate not in (_DELETED, _ENDED):
                return None
            comment = ""  # nothing of the array ran
        if substate == _DELETED:
            by = re.search(r"terminated by ([^@\s]+)@", comment)
            own = by is None or by[1] == self.user.name
            return report(JobState.CANCELED, Reason.CANCELLED if own else Reason.CANCELLED_BY_ADMIN)
        if not isinstance(code, int):
            in_vain = substate == _ENDED and not comment  # it never started, and nobody deleted it
            return report(JobState.FAILED, Reason.DEPENDENCY_FAILED if in_vain else Reason.LAUNCH_FAILED)
        if code == _WALLTIME_EXCEEDED:
            return report(JobState.FAILED, Reason.TIMEOUT)
        if code < 0:
            return report(JobState.FAILED, Reason.LAUNCH_FAILED)
        if code > 256:
            return report(JobState.FAILED, Reason.SIGNAL, None, code - 256)
        return report(JobState.FAILED if code else JobState.COMPLETED, Reason.EXIT, code)


class PBSExecutorConfig(BatchSchedulerExecutorConfig):
    """Nothing beyond `BatchSchedulerExecutorConfig`."""


class PBSJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on PBS Pro; see the module."""

    _NAME_ = "pbs"
    _TAKES_URL_ = False
    _BACKEND_ = Pbs
