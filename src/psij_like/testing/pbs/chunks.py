"""What a job asks for: `-l select`, `place`, `nodes`, and the older resources of the whole job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Request
from psij_like.testing.pbs.shared import words
from psij_like.testing.pbs.shared.scripts import Refusal
from psij_like.testing.placing import fits_ever

if TYPE_CHECKING:
    from psij_like.testing.pbs.pro import PbsPersonality

_COUNTS = ("ncpus", "mpiprocs", "ngpus", "ompthreads", "naccelerators")
_SIZES = ("mem", "vmem")
_CHUNK = frozenset((*_COUNTS, *_SIZES, "host", "vnode", "arch"))
_TIMES = ("walltime", "cput", "min_walltime", "max_walltime")
_WHOLE_SIZES = ("mem", "vmem", "pmem", "pvmem", "file")
_WHOLE = frozenset((*_TIMES, *_WHOLE_SIZES, *_COUNTS, "select", "place", "nodes", "nice", "software", "nodect"))
_PLACE = re.compile(
    "(free|pack|scatter|vscatter|excl|exclhost|shared)(:(excl|exclhost|shared))?(:group=[A-Za-z0-9_]+)?"
)
_BAD = "qsub: Illegal attribute or resource value"


@dataclass
class Wanted:
    """A job's wishes: for the scheduler, and as they are shown."""

    request: Request
    resources: dict[str, str | int]
    chunk: str
    lines: int
    obstacle: str | None


def wanted(pbs: PbsPersonality, given: Mapping[str, str], queue: str) -> Wanted:
    """Understand all `-l`. Refusal: the server does not take them."""
    values: dict[str, str | int] = {}
    for name, value in given.items():
        if name not in _WHOLE and name not in pbs.own_resources:
            raise Refusal(f"qsub: Unknown resource Resource_List.{name}", 187)
        values[name] = _value(name, value)
    place = given.get("place", "")
    if "place" in given and not _PLACE.fullmatch(place):
        raise Refusal(f"{_BAD} Resource_List.place", 166)
    if "nodes" in given and ("select" in given or place):
        raise Refusal("qsub: Cannot be used with select or place: nodes", 6)
    if place and "select" not in given:
        raise Refusal('qsub: Cannot have "place" without "select"', 7)
    for name in (*_COUNTS, *_SIZES):
        if name in given and "select" in given:
            text = f'qsub: "-lresource=" cannot be used with "select" or "place", resource is: {name}'
            raise Refusal(text, 5)
    walltime = words.seconds(given["walltime"]) if given.get("walltime") else None
    longest = pbs.settings.queues[queue]
    if longest is not None and walltime is not None and walltime > longest:
        raise Refusal("qsub: Job violates queue and/or server resource limits", 188)
    select, place = _selection(values, place)
    chunks = _chunks(pbs, select)
    shown: dict[str, str | int] = {**values, "select": select, "place": place, "nodect": len(chunks)}
    for name in _COUNTS[:3]:
        if total := sum(int(chunk.get(name, 0)) for chunk in chunks):
            shown[name] = total
    sizes = [chunk["mem"] for chunk in chunks if "mem" in chunk]
    if sizes:
        whole = f"{sum(map(words.size, sizes)) // 1024}kb"
        shown["mem"] = sizes[0] if len(sizes) == 1 else whole
    request = _request(chunks, place, walltime)
    first = chunks[0]
    parts = [f"ncpus={first['ncpus']}"]
    parts += [f"mem={words.size(first['mem']) // 1024}kb"] if "mem" in first else []
    parts += [f"ngpus={first['ngpus']}"] if "ngpus" in first else []
    return Wanted(
        request,
        dict(sorted(shown.items())),
        ":".join(parts),
        int(first.get("mpiprocs", 1)),
        _obstacle(pbs, request, first, queue),
    )


def _value(name: str, value: str) -> str | int:
    try:
        if name in _TIMES and value:
            return words.clock(words.seconds(value))
        if name in _WHOLE_SIZES:
            words.size(value)
        if name in _COUNTS:
            return int(value)
    except ValueError as error:
        raise Refusal(f"{_BAD} Resource_List.{name}", 166) from error
    return value


def _selection(values: dict[str, str | int], place: str) -> tuple[str, str]:
    """The statements that stand for what is asked for in any other way."""
    if "select" in values:
        return str(values["select"]), place or "free"
    match = re.fullmatch(r"(\d+)(?::ppn=(\d+))?", str(values.get("nodes", "")))
    if match is not None:
        cores = match[2] or "1"
        return f"{match[1]}:ncpus={cores}:mpiprocs={cores}", "scatter"
    parts = [f"1:ncpus={values.get('ncpus', 1)}"]
    parts += [f"{name}={values[name]}" for name in ("mpiprocs", "ngpus", "mem") if name in values]
    return ":".join(parts), "pack"


def _chunks(pbs: PbsPersonality, select: str) -> list[dict[str, str]]:
    chunks: list[dict[str, str]] = []
    for part in select.split("+"):
        head, *rest = part.split(":")
        if head.isdigit() and not int(head):
            raise Refusal(_BAD, 166)
        if not head.isdigit():
            head, rest = "1", [head, *rest]
        chunk = {"ncpus": "1"}
        for item in rest:
            name, equals, value = item.partition("=")
            if not equals or not value:
                raise Refusal(f"{_BAD} Resource_List.select", 166)
            if name in _WHOLE and name not in _CHUNK:
                raise Refusal(f'qsub: Resource invalid in "select" specification: {name}', 4)
            if name not in _CHUNK and name not in pbs.own_resources:
                raise Refusal(f"qsub: Unknown resource: {name}", 187)
            size = r"\d{1,12}[kmgtp]?[bw]?" if name in _SIZES else r"\d{1,9}" if name in _COUNTS else ".*"
            if not re.fullmatch(size, value.lower()):
                raise Refusal(f"{_BAD} select.{name}", 166)
            chunk[name] = value
        chunks += [chunk] * min(int(head), 100_000)
    return chunks


def _request(chunks: list[dict[str, str]], place: str, walltime: int | None) -> Request:
    words_of_place = place.split(":")
    scattered = bool({"scatter", "vscatter"} & set(words_of_place))
    hosts = [chunk[name] for chunk in chunks for name in ("host", "vnode") if name in chunk]
    return Request(
        tasks=len(chunks),
        nodes=len(chunks) if scattered else 1 if "pack" in words_of_place else None,
        tasks_per_node=1 if scattered else None,
        slots_per_task=max(int(chunk["ncpus"]) for chunk in chunks),
        exclusive=bool({"excl", "exclhost"} & set(words_of_place)),
        walltime=walltime or None,
        nodelist=tuple(dict.fromkeys(hosts)),
    )


def _obstacle(pbs: PbsPersonality, request: Request, chunk: Mapping[str, str], queue: str) -> str | None:
    """Why the job can never run, in the scheduler's own words; the server takes it all the same."""
    if queue in pbs.stopped:
        return "Not Running: Queue not started."
    short = "Can Never Run: Insufficient amount of resource: {} (R: {} A: {} T: {})"
    settings = pbs.settings
    if request.slots_per_task > settings.slots:
        return short.format("ncpus", request.slots_per_task, settings.slots, settings.slots)
    if int(chunk.get("ngpus", 0)) > settings.gpus:
        return short.format("ngpus", chunk["ngpus"], settings.gpus, settings.gpus)
    if "mem" in chunk and words.size(chunk["mem"]) > settings.memory:
        there = f"{settings.memory // 2**20}mb"
        return short.format("mem", chunk["mem"], there, there)
    nodes = pbs.model.nodes.values()
    if (request.nodes or 1) > len(nodes):
        return "Can Never Run: Not enough total nodes available"
    if not fits_ever(request, nodes):
        total = settings.slots * settings.nodes
        return short.format("ncpus", request.tasks * request.slots_per_task, total, total)
    return None
