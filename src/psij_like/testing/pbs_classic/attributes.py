"""What Torque tells of a job, in its own order."""

from __future__ import annotations

import grp
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Cause, Job, State, Wait
from psij_like.testing.pbs.shared.words import Attributes, Moment, clock, started_at

if TYPE_CHECKING:
    from psij_like.testing.pbs_classic.torque import PbsClassicPersonality

_WAITS_FOR_ANOTHER = (Wait.DEPENDENCY, Wait.NEVER)
_HELD = (Wait.HELD_BY_USER, Wait.HELD_BY_ADMIN)
_NO_NODES = "Not Running: Not enough of the right type of nodes are available"
_NOT_EXCLUSIVE = (
    "Not Running - PBS Error: Resource temporarily unavailable MSG=job allocation request exceeds currently available "
    "cluster nodes, {} requested, 0 available"
)


def letter(job: Job) -> str:
    """The state of a job."""
    if job.state is State.PENDING:
        if job.wait in (*_HELD, *_WAITS_FOR_ANOTHER, Wait.ARRAY_LIMIT):
            return "H"
        return "W" if job.wait is Wait.BEGIN else "Q"
    if job.state is State.ENDED:
        return "C"
    return "S" if job.state is State.SUSPENDED else "R"


def letter_of_array(elements: Sequence[Job]) -> str:
    """The state of a whole array."""
    letters = [letter(one) for one in elements]
    if set(letters) == {"C"}:
        return "C"
    if "R" in letters:
        return "R"
    return "H" if "H" in letters and "Q" not in letters else "Q"


def exit_status(job: Job) -> int | None:
    """As Torque has it; None: there is none, since the job never ran."""
    if job.state is not State.ENDED:
        return None
    if job.cause is Cause.DEPENDENCY or (job.cause is Cause.CANCELLED and job.runs):
        return 271
    if not job.runs:
        return None
    if job.cause is Cause.TIMEOUT:
        return -11
    if job.cause is Cause.LAUNCH_FAILED:
        return -1
    return 256 + job.signal if job.signal else job.exit_code


def _comment(torque: PbsClassicPersonality, job: Job) -> str:
    if job.cause is Cause.DEPENDENCY:
        return f"Job deleted as result of dependency on job {_culprit(torque, job)}"
    if job.runs:
        return f"Job started on {started_at(job.start or 0)}"
    if job.wait is Wait.IMPOSSIBLE:
        return job.obstacle or ""
    if job.wait in (Wait.RESOURCES, Wait.PRIORITY):
        return _NOT_EXCLUSIVE.format(job.request.nodes) if job.request.exclusive else _NO_NODES
    return ""


def _culprit(torque: PbsClassicPersonality, job: Job) -> str:
    for dependency in job.dependencies:
        targets = torque.model.find(dependency.native_id)
        good = all(one.succeeded for one in targets)
        if all(one.state is State.ENDED for one in targets) and good == (dependency.kind == "afternotok"):
            return dependency.native_id
    return job.dependencies[-1].native_id if job.dependencies else ""


def _hold_types(job: Job) -> str:
    if (job.state is State.PENDING and job.wait in _WAITS_FOR_ANOTHER) or job.cause is Cause.DEPENDENCY:
        return "s"
    if job.held is not None:
        return "u" if job.held is Wait.HELD_BY_USER else "s"
    return job.options.get("hold", "n")


def hosts(job: Job) -> str:
    """Where a job is: `n1/0-3+n2/0-3`."""
    counts = zip(job.nodes, job.slots_on, strict=True)
    return "+".join(f"{node}/0-{slots - 1}" if slots > 1 else f"{node}/0" for node, slots in counts)


def _depend(job: Job) -> str:
    kinds: dict[str, list[str]] = {}
    for dependency in job.dependencies:
        kinds.setdefault(dependency.kind, []).append(dependency.native_id)
    return ",".join(":".join((kind, *native_ids)) for kind, native_ids in kinds.items())


def of_job(torque: PbsClassicPersonality, job: Job, elements: Sequence[Job] = ()) -> Attributes:
    """All attributes of a job or, if all its elements are given, of an array."""
    submitted = torque.submitted(job)
    options, whole = submitted.options, bool(elements)
    ran = job.runs > 0 and not whole
    ended = job.state is State.ENDED and not whole
    name = options.get("N", job.name.rpartition("-")[0]) if whole else job.name
    found: Attributes = {"Job_Name": name, "Job_Owner": f"{torque.user_name}@{torque.server}"}
    if ran:
        found["resources_used"] = _used(torque, job)
    state = letter_of_array(elements) if whole else letter(job)
    found |= {"job_state": state, "queue": job.queue, "server": torque.server}
    if "A" in options:
        found["Account_Name"] = options["A"]
    found |= {"Checkpoint": "u", "ctime": Moment(job.submitted)}
    if job.dependencies and not job.runs:
        found["depend"] = _depend(job)
    found["Error_Path"] = f"{torque.server}:{_path(torque, job, 'e', whole=whole)}"
    if job.begin is not None and not job.runs:
        found["Execution_Time"] = Moment(job.begin)
    if ran:
        found["exec_host"] = hosts(job)
    if job.array is None or whole:
        found["Hold_Types"] = "u" if whole and "h" in options else _hold_types(job)
    found |= {
        "Join_Path": options.get("j", "n"),
        "Keep_Files": options.get("k", "n"),
        "Mail_Points": options.get("m", "a"),
        "mtime": Moment(job.end or job.start or job.submitted),
        "Output_Path": f"{torque.server}:{_path(torque, job, 'o', whole=whole)}",
        "Priority": int(options.get("p", "0")),
        "qtime": Moment(job.submitted),
        "Rerunable": "True" if job.requeue or job.script is None else "False",
    }
    if whole:
        del found["qtime"]
    if submitted.resources:
        found["Resource_List"] = submitted.resources
    if ran:
        found["session_id"] = 1000 + job.number
    found |= _origin(torque, job, elements)
    return found | _times(torque, job, ran=ran, ended=ended) | _rest(torque, job)


def _origin(torque: PbsClassicPersonality, job: Job, elements: Sequence[Job]) -> Attributes:
    submitted, whole = torque.submitted(job), bool(elements)
    found: Attributes = {"Shell_Path_List": submitted.options["S"]} if "S" in submitted.options else {}
    element: dict[str, str | int] = {} if job.index is None or whole else {"PBS_ARRAYID": job.index}
    found["Variable_List"] = {**element, **submitted.variables}
    found |= {"euser": torque.user_name, "egroup": _group(), "queue_type": "E"}
    if not whole:
        if comment := _comment(torque, job):
            found["comment"] = comment
        if job.runs or not (job.held is not None or job.wait in (*_WAITS_FOR_ANOTHER, Wait.BEGIN)):
            found["etime"] = Moment(job.submitted)
        if (code := exit_status(job)) is not None:
            found["exit_status"] = code
    found["submit_args"] = submitted.arguments
    if whole:
        found["job_array_request"] = submitted.indices
    elif job.index is not None:
        found["job_array_id"] = job.index
    return found


def _path(torque: PbsClassicPersonality, job: Job, option: str, *, whole: bool) -> str:
    path = torque.output_path(job, option)
    return path.rpartition("-")[0] if whole and option not in torque.submitted(job).options else path


def _used(torque: PbsClassicPersonality, job: Job) -> dict[str, str | int]:
    took = (job.end or torque.model.now()) - (job.start or 0)
    walltime = clock(max(0, took))
    return {"cput": "00:00:00", "vmem": "0kb", "walltime": walltime, "mem": "0kb", "energy_used": 0}


def _times(torque: PbsClassicPersonality, job: Job, *, ran: bool, ended: bool) -> Attributes:
    found: Attributes = {}
    if not ran or job.start is None:
        return {"fault_tolerant": "False", "job_radix": 0}
    found["start_time"] = Moment(job.start)
    if not ended and job.request.walltime is not None:
        left = job.request.walltime - (torque.model.now() - job.start)
        found["Walltime"] = {"Remaining": max(0, int(left))}
    found |= {"start_count": job.runs, "fault_tolerant": "False"}
    if ended:
        found["comp_time"] = Moment(job.end or 0)
    found["job_radix"] = 0
    if ended:
        found["total_runtime"] = f"{(job.end or 0) - job.start:.6f}"
    return found


def _rest(torque: PbsClassicPersonality, job: Job) -> Attributes:
    submitted = torque.submitted(job)
    found: Attributes = {"node_exclusive": "True"} if job.request.exclusive else {}
    found |= {"submit_host": torque.server, "init_work_dir": submitted.options.get("d", submitted.directory)}
    if "F" in submitted.options:
        found["job_arguments"] = submitted.options["F"]
    return {**found, "request_version": 1}


def _group() -> str:
    try:
        return grp.getgrgid(os.getgid()).gr_name
    except KeyError:
        return str(os.getgid())
