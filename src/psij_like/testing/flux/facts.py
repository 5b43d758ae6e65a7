"""All that `flux jobs` tells of a job, by the names of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psij_like.testing.flux import events, ids
from psij_like.testing.flux import record as of
from psij_like.testing.jobs import Job, State

if TYPE_CHECKING:
    from psij_like.testing.flux import FluxPersonality

_SHORT = {"DEPEND": "D", "SCHED": "S", "RUN": "R", "CLEANUP": "C"}
_SHORT_RESULT = {"COMPLETED": "CD", "FAILED": "F", "CANCELED": "CA", "TIMEOUT": "TO"}


def document(flux: FluxPersonality, job: Job, jobid: str) -> dict[str, Any]:
    """The job as `flux jobs --json` has it."""
    record = flux.record(job)
    state, result = of.state(job), of.result(job, record)
    told = of.notes(job, record)
    note = min(told, key=lambda one: one.severity, default=None)
    started, waits = of.started(job), state == "DEPEND"
    ended = job.end if job.state is State.ENDED else None
    fatal = of.fatal(told)
    never = not started and fatal is not None and fatal.kind == "dependency"
    summary = {"sched": {"resource_summary": events.summary(job)}} if started else {}
    runtime = ((ended or flux.model.now()) - job.start) if started and job.start is not None else None
    occurred: dict[str, Any] = {"occurred": False}
    if note is not None:
        occurred = {"occurred": True, "severity": note.severity, "type": note.kind, "note": note.text}
    fields = {
        "t_depend": job.submitted,
        "t_priority": None if waits or never else job.submitted,
        "t_sched": None if waits or never else job.submitted,
        "t_run": job.start if started else None,
        "t_cleanup": (fatal.time if fatal else ended) if state in ("CLEANUP", "INACTIVE") else None,
        "t_inactive": ended,
        "duration": job.request.walltime or 0.0,
        "expiration": job.start + job.request.walltime if started and job.start and job.request.walltime else None,
        "name": record.name,
        "cwd": record.directory,
        "queue": job.queue or None,
        "ntasks": record.tasks,
        "ncores": record.cores,
        "nnodes": len(job.nodes) if started else None,
        "priority": None if waits or never else of.urgency(job, record),
        "ranks": _span(events.ranks(job)) if started else None,
        "nodelist": names(job.nodes) if started else None,
        "success": result == "COMPLETED" if ended is not None else None,
        "result": result or None,
        "waitstatus": of.wait_status(job),
        "id": ids.number_of(job.native_id),
        "t_submit": job.submitted,
        "state": state,
        "username": flux.user_name,
        "userid": job.user_id,
        "urgency": of.urgency(job, record),
        "runtime": runtime,
        "status": result or state,
        "returncode": of.return_code(job, record),
        "dependencies": list(record.dependencies),
        "jobid": jobid,
        "annotations": summary,
        "exception": occurred,
    }
    return {name: value for name, value in fields.items() if value is not None}


def columns(flux: FluxPersonality, job: Job, plain: str) -> dict[str, str]:
    """The job's fields as text. What it has not is empty, but for times."""
    told = document(flux, job, plain)
    number = told["id"]
    state, status = told["state"], told["status"]
    texts = {name: "" if isinstance(value, list | dict) else str(value) for name, value in told.items()}
    texts |= {f"id.{to}": ids.converted(number, to, {"LC_ALL": "C.UTF-8"}) for to in ids.FORMS}
    exception = told["exception"] if told["exception"]["occurred"] else {}
    texts |= {f"exception.{name}": str(exception.get(name, "")) for name in ("severity", "type", "note")}
    return texts | {
        "id": plain,
        "exception.occurred": str(told["exception"]["occurred"]),
        "t_run": str(told.get("t_run", 0.0)),
        "t_inactive": str(told.get("t_inactive", 0.0)),
        "t_cleanup": str(told.get("t_cleanup", 0.0)),
        "success": str(told.get("success", "")),
        "state_single": _SHORT.get(state, "I"),
        "status_abbrev": _SHORT_RESULT.get(status, _SHORT.get(status, "I")),
        "dependencies": ",".join(told["dependencies"]),
        "inactive_reason": told["exception"].get("note", "") if state == "INACTIVE" else "",
        "contextual_info": _info(told),
        "contextual_time": duration(told["runtime"]) if "runtime" in told else "-",
    }


def _info(told: dict[str, Any]) -> str:
    if told["state"] == "DEPEND":
        return f"depends:{','.join(told['dependencies'])}"
    if told["state"] == "SCHED":
        return "held" if told["urgency"] == 0 else ""
    return str(told.get("nodelist", ""))


def duration(seconds: float) -> str:
    """`1.974s`, `5.3m`: Flux's standard form."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.4g}{unit}"
    return f"{seconds:.4g}s"


def _span(numbers: list[int]) -> str:
    """`[0-2,5]`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    text = ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
    return text if len(numbers) == 1 else f"[{text}]"


def names(nodes: tuple[str, ...]) -> str:
    """`n[1-2]`."""
    return f"n{_span([int(name.removeprefix('n')) for name in nodes])}" if nodes else ""
