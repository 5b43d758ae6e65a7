"""`pbs_classic` (also `torque`): Torque and what else is left of PBS as it was, observed on Torque 7-dev.

A custom attribute of one letter, `pbs_classic.X`, becomes `#PBS -X VALUE`; one with a longer name becomes the resource
`#PBS -l NAME=VALUE`, and `pbs_classic.nodes` takes the place of the generated one. Memory is that of the whole job. A
reservation is asked for as `-l advres=ID`, which Moab and Maui understand. Exclusive use is `-n`. Characters of a
job's name that Torque does not take become `_`. Torque has no dependency of the kind `after`, and takes a job that was
deleted before it ran for one that ended well, so that jobs that wait for others look how those ended.

States come from one qstat for all jobs. Torque does not tell a job that its user deleted from one that was killed by
SIGTERM: it counts as cancelled if it was cancelled through this library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar
from xml.etree.ElementTree import Element, ParseError, fromstring

from psij_like._engine.backend import Arrays, Command, Unavailable, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.plan import Plan
from psij_like.dependencies import DependencyKind
from psij_like.executors.batch._qsub import Qsub, awaited, used_by
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_STATES = {
    **dict.fromkeys("QHWT", JobState.QUEUED),
    **dict.fromkeys("RSE", JobState.ACTIVE),
}
_OVER_LIMIT = {-10: Reason.OUT_OF_MEMORY, -11: Reason.TIMEOUT, -12: Reason.OUT_OF_MEMORY}


class PbsClassic(Qsub):
    """What is true of Torque."""

    name = "pbs_classic"
    aliases = ("torque",)
    commands = ("qsub", "qchkpt")
    install_hint = "install Torque's client commands, or load the module that provides them"
    # Torque deletes a job that is to start "after" one that runs already.
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {
        kind: str(kind) for kind in DependencyKind if kind is not DependencyKind.AFTER
    }
    verified: ClassVar[Mapping[DependencyKind, str]] = {DependencyKind.AFTEROK: "afterok", **Qsub.verified}
    native_ids = r"[0-9]{1,12}(?:\[[0-9]*\])?\.[A-Za-z0-9_][A-Za-z0-9_.:-]*"
    id_example = "1234.server"
    cluster_variables = ("PBS_DEFAULT", "PBS_SERVER")
    submitted = r"^([0-9]+(?:\[\])?\.\S+)$"
    transient = "cannot connect to server|Connection refused|timed? ?out|try again|No free connections|End of File"
    arrays = Arrays("{id}", limit=("qstat", "-B", "-f"), limit_in="max_job_array_size = ([0-9]+)")
    array_option = "t"
    ended_already = "nonexistent job id|Unknown Job Id|invalid state for job"

    def resources(self, plan: Plan) -> dict[str, object]:
        """See `Qsub.resources`."""
        need = plan.resources
        nodes = f"{need.nodes}:ppn={need.processes_per_node * need.cores_per_process}"
        if need.gpus_per_process:
            nodes += f":gpus={need.processes_per_node * need.gpus_per_process}"
        return {
            "nodes": nodes,
            "mem": None if need.memory is None else f"{-(-need.memory // 1024)}kb",
            "advres": plan.spec.attributes.reservation_id,
        }

    def options(self, plan: Plan) -> dict[str, object]:
        """See `Qsub.options`."""
        return {**super().options(plan), "n": plan.resources.exclusive}

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`. Without ids: qstat would open a connection for each, and write a document.

        `-t`: elements of arrays, not arrays.
        """
        return Command(("qstat", "-x", "-t"))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`."""
        if result.exit_code not in (0, 153) or (result.exit_code == 153 and not result.stdout.strip()):
            raise Unavailable(str(result))
        refuse_gibberish(result, "<Data\\b")
        reports = {job.findtext("Job_Id", ""): self._own(job) for job in _jobs(result.stdout)}
        return {native_id: report for native_id, report in reports.items() if native_id}

    def usage_command(self, native_id: str) -> Command:
        """See `Backend.usage_command`."""
        return Command(("qstat", "-x", native_id))

    def usage(self, native_id: str, result: Result) -> JobUsage | None:
        """See `Backend.usage`."""
        for job in _jobs(result.stdout):
            used = job.find("resources_used")
            if used is not None and job.findtext("Job_Id") == native_id:
                return used_by({part.tag: part.text for part in used})
        return None

    def _own(self, job: Element) -> Report:
        report = self._report(job)
        return replace(report, others=True) if self.of_others(job.findtext("Job_Owner")) else report

    def _report(self, job: Element) -> Report:
        native_id, native_state = job.findtext("Job_Id", ""), job.findtext("job_state", "")
        comment = job.findtext("comment", "")
        if native_state != "C":
            # Of elements of arrays it does not tell who holds them.
            holds = job.findtext("Hold_Types", "" if job.find("depend") is not None else "u")
            held = native_state == "H" and "u" in holds
            state = _STATES.get(native_state)
            since = _number(job.findtext("start_time")) if state is JobState.ACTIVE else None
            waits_for = tuple(awaited(job.findtext("depend", ""))) if native_state == "H" and not held else ()
            # One that came after the wrong end of another waits for ever, as if for itself.
            hopeless = any(other.native_id == native_id for other in waits_for)
            reason = Reason.HELD if held else Reason.DEPENDENCY_FAILED if hopeless else None
            return Report(native_id, state, native_state, comment, reason, time=since, waits_for=waits_for)
        code, time = _number(job.findtext("exit_status")), _number(job.findtext("comp_time"))

        def report(state: JobState, reason: Reason, exit_code: int | None = None, signal: int | None = None) -> Report:
            return Report(native_id, state, native_state, comment, reason, exit_code, signal, time)

        if "result of dependency" in comment:
            return report(JobState.FAILED, Reason.DEPENDENCY_FAILED)
        if code is None:  # it was deleted before it ran
            return report(JobState.CANCELED, Reason.CANCELLED)
        if code < 0:
            return report(JobState.FAILED, _OVER_LIMIT.get(code, Reason.LAUNCH_FAILED))
        if code > 256:
            return report(JobState.FAILED, Reason.SIGNAL, None, code - 256)
        return report(JobState.FAILED if code else JobState.COMPLETED, Reason.EXIT, code)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch("-?[0-9]{1,12}", text) else None


def _jobs(text: str) -> Iterator[Element]:
    """The whole jobs in a document, which may be cut off or spoilt somewhere."""
    for piece in re.findall("<Job>(?:(?!<Job>).)*?</Job>", text, re.DOTALL):
        try:
            yield fromstring(piece)  # noqa: S314 - Python 3.10's expat stops entities that grow without bound
        except (ParseError, ValueError):
            continue


class PBSClassicJobExecutor(BatchSchedulerExecutor):
    """Runs jobs on Torque; see the module."""

    _NAME_ = "pbs_classic"
    _TAKES_URL_ = False
    _BACKEND_ = PbsClassic
