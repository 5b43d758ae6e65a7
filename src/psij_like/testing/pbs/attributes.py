"""What PBS Pro tells of a job, in its own order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Cause, Job, State, Wait
from psij_like.testing.pbs.shared.words import Attributes, Moment, started_at

if TYPE_CHECKING:
    from psij_like.testing.pbs.pro import PbsPersonality

_WAITS_FOR_ANOTHER = (Wait.DEPENDENCY, Wait.NEVER)
_HELD = (Wait.HELD_BY_USER, Wait.HELD_BY_ADMIN)


def letter(job: Job) -> str:
    """The state of a job; an element of an array is X, not F, for as long as others have not ended."""
    if job.state is State.PENDING:
        return "Q" if job.array is not None else _waits(job)
    if job.state is State.ENDED:
        array = job.array
        return "F" if array is None or all(one.state is State.ENDED for one in array.members) else "X"
    return "S" if job.state is State.SUSPENDED else "R"


def _waits(job: Job) -> str:
    """The state of a job that waits; all elements of an array wait as the whole does, and are Q."""
    if job.wait in (*_HELD, *_WAITS_FOR_ANOTHER):
        return "H"
    return "W" if job.wait is Wait.BEGIN else "Q"


def letter_of_array(elements: Sequence[Job]) -> str:
    """The state of a whole array."""
    if all(one.state is State.ENDED for one in elements):
        return "F"
    if any(one.held is not None and one.state is State.PENDING for one in elements):
        return "H"
    if any(one.runs for one in elements):
        return "B"
    return _waits(next(one for one in elements if one.state is not State.ENDED))


def exit_status(job: Job) -> int | None:
    """As PBS has it; None: there is none, since the job never ran."""
    if job.state is not State.ENDED or not job.runs:
        return None
    if job.cause is Cause.CANCELLED:
        return 265 if "forced" in job.options else 271
    if job.cause is Cause.TIMEOUT:
        return -29
    if job.cause is Cause.LAUNCH_FAILED:
        return -1
    return 256 + job.signal if job.signal else job.exit_code


def _substate(job: Job) -> int:
    if job.state is State.ENDED:
        if job.cause is Cause.CANCELLED:
            return 91
        return 93 if exit_status(job) else 92
    return {"H": 22 if job.wait in _WAITS_FOR_ANOTHER else 20, "W": 30, "Q": 10, "S": 45}.get(letter(job), 41)


def _substate_of_array(elements: Sequence[Job]) -> int:
    state = letter_of_array(elements)
    if state != "F":
        return {"B": 70, "H": 20}.get(state, 10)
    if any(exit_status(one) for one in elements):
        return 93
    started = any(one.runs for one in elements)
    return 91 if not started and any(one.cause is Cause.CANCELLED for one in elements) else 92


def _comment(pbs: PbsPersonality, job: Job) -> str:
    if not job.runs:
        return _waiting(pbs, job) + (" and terminated" if job.state is State.ENDED and _waiting(pbs, job) else "")
    text = f"Job run at {started_at(job.start or 0)} on {_vnodes(pbs, job)}"
    if "hold" in job.options and job.options["hold"] == "u":
        text = f"Job held by {pbs.user_name} on {Moment(pbs.model.now())}"
    if job.cause is Cause.CANCELLED:
        return f"{text} and terminated by {pbs.name_of(job.ended_by or 0)}@{pbs.server}"
    if job.state is not State.ENDED:
        return text
    if job.cause is Cause.TIMEOUT:
        return f"{text} and exceeded resource walltime"
    return f"{text} and {'failed' if exit_status(job) else 'finished'}"


def _waiting(pbs: PbsPersonality, job: Job) -> str:
    if job.wait is Wait.IMPOSSIBLE:
        return job.obstacle or ""
    if job.wait in (Wait.RESOURCES, Wait.PRIORITY):
        if job.request.exclusive:
            return "Not Running: Not enough free nodes available"
        cores, total = job.request.slots_per_task, pbs.settings.slots
        return f"Not Running: Insufficient amount of resource: ncpus (R: {cores} A: 0 T: {total})"
    return ""


def _vnodes(pbs: PbsPersonality, job: Job) -> str:
    chunk = pbs.submitted(job).chunk
    return "+".join(
        f"({node}:{chunk})" for node, tasks in zip(job.nodes, job.tasks_on, strict=True) for _ in range(max(1, tasks))
    )


def _hosts(job: Job) -> str:
    cores = job.request.slots_per_task
    times = f"*{cores}" if cores > 1 else ""
    return "+".join(
        f"{node}/{slot}{times}"
        for node, tasks in zip(job.nodes, job.tasks_on, strict=True)
        for slot in range(max(1, tasks))
    )


def _hold_types(job: Job) -> str:
    if (job.state is State.PENDING and job.wait in _WAITS_FOR_ANOTHER) or job.cause is Cause.DEPENDENCY:
        return "s"
    if job.held is not None:
        return "u" if job.held is Wait.HELD_BY_USER else "s"
    return job.options.get("hold", "n")


def _depend(job: Job, server: str) -> str:
    kinds: dict[str, list[str]] = {}
    for dependency in job.dependencies:
        kinds.setdefault(dependency.kind, []).append(f"{dependency.native_id}@{server}")
    return ",".join(":".join((kind, *native_ids)) for kind, native_ids in kinds.items())


def of_job(pbs: PbsPersonality, job: Job) -> Attributes:
    """All attributes of a job, or of an element of an array."""
    submitted = pbs.submitted(job)
    ended, ran = job.state is State.ENDED, job.runs > 0
    alone = job.array is None
    found: Attributes = _head(pbs, job, letter(job))
    if ended and ran:
        found["resources_used"] = _used(job)
    found |= _middle(pbs, job, alone=alone)
    found["Resource_List"] = submitted.resources or {"ncpus": 1, "nodect": 1, "place": "pack", "select": "1:ncpus=1"}
    if ran and job.start is not None:
        found["stime"] = Moment(job.start)
    if ended and ran:
        found |= {"obittime": Moment(job.end or 0), "jobdir": os.path.expanduser("~")}  # noqa: PTH111
    # Of an element that ended before it ran PBS tells what it tells of the array.
    if job.array is not None and ended and not ran:
        found |= _tail(pbs, job, _substate_of_array(job.array.members), "Subjob finished")
        code = 0 if any(one.runs and one.state is State.ENDED for one in job.array.members) else None
    else:
        found |= _tail(pbs, job, _substate(job), _comment(pbs, job))
        code = exit_status(job)
    if ran:
        found["run_count"] = job.runs
    if ended and ran:
        found["Stageout_status"] = 1
    if code is not None:
        found["Exit_status"] = code
    if job.array is None:
        found["Submit_arguments"] = submitted.arguments
    else:
        found |= {"array_id": job.array.native_id, "array_index": job.index or 0}
    if ended and (alone or ran):
        found["history_timestamp"] = int(job.end or 0)
    return _in_order(found, submitted.options.get("P"), pbs.server)


def of_array(pbs: PbsPersonality, elements: Sequence[Job]) -> Attributes:
    """All attributes of a whole array. Its Exit_status is 0 whatever its elements ended with."""
    first = elements[0]
    submitted = pbs.submitted(first)
    state = letter_of_array(elements)
    began = [one.start for one in elements if one.runs and one.start is not None]
    failed = any(exit_status(one) for one in elements)
    found: Attributes = {**_head(pbs, first, state), **_middle(pbs, first, alone=True)}
    for name in ("exec_host", "exec_vnode"):
        found.pop(name, None)
    for name, option in (("Error_Path", "e"), ("Output_Path", "o")):
        path = pbs.output_path(first, option)
        given = option in submitted.options
        found[name] = f"{pbs.server}:{path if given else path.rpartition('.')[0] + '.^array_index^'}"
    found["Resource_List"] = submitted.resources
    comment = ""
    if began:
        found["stime"] = Moment(min(began))
        comment = f"Job Array Began at {started_at(min(began))}"
    ends = [one.end for one in elements if one.end is not None]
    if state == "F":
        found["obittime"] = Moment(max(ends))
        comment += f" and {'failed' if failed else 'finished'}" if comment else ""
    found |= _tail(pbs, first, _substate_of_array(elements), comment)
    if any(one.state is State.ENDED and one.runs for one in elements):
        found |= {"Stageout_status": 1, "Exit_status": 0}
    states = [letter(one) for one in elements]
    counts = {"Queued": "QHW", "Running": "RS", "Exiting": "E", "Expired": "X"}
    waiting = [one.index or 0 for one in elements if one.state is State.PENDING]
    found["Submit_arguments"] = submitted.arguments
    found["array"] = "True"
    found["array_state_count"] = " ".join(
        f"{name}:{sum(state in letters for state in states)}" for name, letters in counts.items()
    )
    found["array_indices_submitted"] = submitted.indices
    found["array_indices_remaining"] = _ranges(waiting)
    if state == "F":
        found["history_timestamp"] = int(max(ends))
    return _in_order(found, submitted.options.get("P"), pbs.server)


def _head(pbs: PbsPersonality, job: Job, state: str) -> Attributes:
    owner = f"{pbs.user_name}@{pbs.server}"
    return {"Job_Name": job.name, "Job_Owner": owner, "job_state": state, "queue": job.queue, "server": pbs.server}


def _used(job: Job) -> dict[str, str | int]:
    took = max(0, int((job.end or 0) - (job.start or 0)))
    clock = f"{took // 3600:02}:{took // 60 % 60:02}:{took % 60:02}"
    used: dict[str, str | int] = {"cpupercent": 0, "cput": "00:00:00", "mem": "0kb"}
    return {**used, "ncpus": sum(job.slots_on) or 1, "vmem": "0kb", "walltime": clock}


def _middle(pbs: PbsPersonality, job: Job, *, alone: bool) -> Attributes:
    options = pbs.submitted(job).options
    changed = Moment(job.end or job.start or job.submitted)
    found: Attributes = {"Account_Name": options["A"]} if "A" in options else {}
    if alone:
        found["Checkpoint"] = "u"
    found["ctime"] = Moment(job.submitted)
    if job.dependencies and not job.runs:
        found["depend"] = _depend(job, pbs.server)
    found["Error_Path"] = f"{pbs.server}:{pbs.output_path(job, 'e')}"
    if job.runs and job.nodes:
        found |= {"exec_host": _hosts(job), "exec_vnode": _vnodes(pbs, job)}
    if job.begin is not None and not job.runs:
        found["Execution_Time"] = Moment(job.begin)
    if alone or not job.runs:
        found["Hold_Types"] = _hold_types(job)
    return found | {
        "Join_Path": options.get("j", "n"),
        "Keep_Files": options.get("k", "n"),
        "Mail_Points": options.get("m", "a"),
        "mtime": changed,
        "Output_Path": f"{pbs.server}:{pbs.output_path(job, 'o')}",
        "Priority": int(options.get("p", "0")),
        "qtime": Moment(job.submitted),
        "Rerunable": "True" if job.requeue or job.script is None else "False",
    }


def _tail(pbs: PbsPersonality, job: Job, substate: int, comment: str) -> Attributes:
    submitted = pbs.submitted(job)
    found: Attributes = {"Shell_Path_List": submitted.options["S"]} if "S" in submitted.options else {}
    found |= {"substate": substate, "Variable_List": dict(submitted.variables)}
    if "umask" in submitted.options:
        found["umask"] = int(submitted.options["umask"])
    if comment:
        found["comment"] = comment
    if not (job.held is not None or job.wait in (*_WAITS_FOR_ANOTHER, Wait.BEGIN)) or job.runs:
        found["etime"] = Moment(job.submitted)
    return found


def _in_order(found: Attributes, project: str | None, server: str) -> Attributes:
    """The name and the owner come first, then what was used."""
    first: Attributes = {name: found[name] for name in ("Job_Name", "Job_Owner", "resources_used") if name in found}
    return {**first, **found, "project": project or "_pbs_project_default", "Submit_Host": server}


def _ranges(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
