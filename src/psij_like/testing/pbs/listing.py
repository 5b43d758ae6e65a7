"""`qstat`: its table, its longer one, and all attributes as text, JSON or words between delimiters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs import attributes
from psij_like.testing.pbs.shared import words
from psij_like.testing.pbs.shared.words import Attributes
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs.pro import PbsPersonality

VERSION = "23.06.06"
_OPTIONS = Options(Option(letter, letter, "yes" if letter in "DFu" else "no") for letter in "1aDEfFHiJnprstTuwx")
_USAGE = """usage: 
qstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format | -w] [-D delim] [ job_identifier... | destination... ]
qstat [-a|-i|-r|-H|-T] [-J] [-t] [-u user] [-n] [-s] [-G|-M] [-1] [-w]
	[ job_identifier... | destination... ]
qstat -Q [-f] [-F format] [-D delim] [ destination... ]
qstat -q [-G|-M] [ destination... ]
qstat -B [-f] [-F format] [-D delim] [ server_name... ]
qstat --version
"""  # noqa: W291 - so it is
_HEAD = """Job id            Name             User              Time Use S Queue
----------------  ---------------- ----------------  -------- - -----
"""
_LONG_HEAD = """
{server}: 
                                                            Req'd  Req'd   Elap
Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time
--------------- -------- -------- ---------- ------ --- --- ------ ----- - -----
"""  # noqa: W291
_OLD = "Job has finished, use -x or -H to obtain historical job information"
_NO_HISTORY = "qstat: PBS is not configured to maintain job history {}\n"
# A job, or the elements of an array that stand for the whole.
Row = tuple[str, "Job | list[Job]"]


def qstat(pbs: PbsPersonality, call: Call) -> Answer:
    """List jobs."""
    try:
        options, operands = _OPTIONS.parse(call.argv, mixed=True)
    except OptionError as error:
        return Answer(2, "", f"qstat: {error}\n{_USAGE}")
    chosen = dict(options)
    form = chosen.get("F", "text").lower()
    if form not in ("text", "json", "dsv"):
        return Answer(2, "", _USAGE)
    if "F" in chosen and "f" not in chosen:
        return Answer(2, "", f"qstat: conflicting options.\n{_USAGE}")
    rows, said, code = _rows(pbs, chosen, operands)
    if "u" in chosen:
        rows = [row for row in rows if pbs.user_name in chosen["u"].split(",")]
    if "f" not in chosen:
        longer = {"a", "i", "r", "H", "T", "u", "n", "s"} & set(chosen)
        return Answer(code, _table(pbs, rows) if not longer else _longer(pbs, rows, chosen), said)
    if form == "json":
        # As its master does: only the first of those that were asked for by name.
        return Answer(code, document(pbs, rows[:1] if len(operands) > 1 else rows), said)
    texts = [(native_id, _attributes(pbs, row)) for native_id, row in rows]
    if form == "dsv":
        mark = chosen.get("D", "|")
        lines = [mark.join([f"Job Id: {key}", *(f"{a}={b}" for a, b in words.flat(row))]) for key, row in texts]
        return Answer(code, "".join(f"{line}\n" for line in lines), said)
    return Answer(code, "".join(words.full(native_id, row) for native_id, row in texts), said)


def _rows(pbs: PbsPersonality, chosen: Mapping[str, str], operands: list[str]) -> tuple[list[Row], str, int]:
    """What is to be shown, what is said of the rest, and with what exit code."""
    history = bool({"x", "H"} & set(chosen))
    if history and not pbs.settings.history:
        said = "".join(_NO_HISTORY.format(pbs.whole_id(word) or word) for word in operands or [""])
        return [], said, 0
    expanded = "t" in chosen
    if not operands:
        return list(_grouped(pbs.model.listing(), expanded=expanded, history=history)), "", 0
    rows: list[Row] = []
    said, code = "", 0
    for word in operands:
        native_id = pbs.whole_id(word) if word[0].isdigit() else None
        if native_id is not None and native_id.endswith(f".{pbs.server}"):
            found, problem, failure = _of_id(pbs, native_id, expanded=expanded, history=history)
        elif word[0].isdigit():
            found, problem, failure = [], f"illegally formed job identifier: {word}", 1
        elif word.partition("@")[0] in pbs.settings.queues:
            listed = (job for job in pbs.model.listing() if job.queue == word.partition("@")[0])
            found, problem, failure = list(_grouped(listed, expanded=expanded, history=history)), "", 0
        else:
            found, problem, failure = [], f"Unknown queue destination {word}", 170
        rows += found
        if problem:
            said, code = f"{said}qstat: {problem}\n", failure
    return rows, said, code


def _of_id(pbs: PbsPersonality, native_id: str, *, expanded: bool, history: bool) -> tuple[list[Row], str, int]:
    ids = [job.native_id for job in pbs.find(native_id)]
    jobs = list(pbs.model.listing(ids))
    if not jobs:
        return [], f"Unknown Job Id {native_id}", 153
    if native_id in pbs.model.arrays:
        rows = list(_grouped(jobs, expanded=expanded, history=history))
    else:
        rows = [(job.native_id, job) for job in jobs if history or attributes.letter(job) != "F"]
    return (rows, "", 0) if rows else ([], f"{native_id} {_OLD}", 35)


def _grouped(jobs: Iterable[Job], *, expanded: bool, history: bool) -> Iterator[Row]:
    """Arrays as one, before their elements if these are wanted, too."""
    seen: set[str] = set()
    listed = list(jobs)
    members: dict[str, list[Job]] = {}
    for job in listed:
        if job.array is not None:
            members.setdefault(job.array.native_id, []).append(job)
    for job in listed:
        if job.array is None:
            if history or job.state is not State.ENDED:
                yield job.native_id, job
            continue
        whole = job.array.native_id
        if whole in seen:
            continue
        seen.add(whole)
        elements = members[whole]
        if history or attributes.letter_of_array(elements) != "F":
            yield whole, elements
            if expanded:
                yield from ((one.native_id, one) for one in elements)


def _attributes(pbs: PbsPersonality, row: Job | list[Job]) -> Attributes:
    return attributes.of_array(pbs, row) if isinstance(row, list) else attributes.of_job(pbs, row)


def document(pbs: PbsPersonality, rows: Iterable[Row]) -> str:
    """The JSON document, as cJSON prints it."""
    entries = [_entry(pbs, native_id, row) for native_id, row in rows]
    head = {"timestamp": int(pbs.model.now()), "pbs_version": VERSION, "pbs_server": pbs.server}
    text = json.dumps(head, indent="\t", separators=(",", ":\t"))
    if entries:
        jobs = ",\n".join(entries)
        text = f'{text[:-2]},\n\t"Jobs":\t{{\n{jobs}\n\t}}\n}}'
    return f"{text}\n"


def _entry(pbs: PbsPersonality, native_id: str, row: Job | list[Job]) -> str:
    # What was written of a job is remembered until it changes; an element changes with the others of its array.
    steady = isinstance(row, Job) and row.array is None
    if isinstance(row, Job) and steady and row.row is not None and row.row[0] == "json":
        return row.row[1]
    found = _attributes(pbs, row)
    variables = found["Variable_List"]
    if isinstance(variables, dict):
        found["Variable_List"] = {name: _coerced(str(value)) for name, value in variables.items()}
    told = {name: str(value) if isinstance(value, words.Moment) else value for name, value in found.items()}
    body = json.dumps(told, indent="\t", separators=(",", ":\t"), ensure_ascii=False)
    text = f"{json.dumps(native_id)}:\t{body}".replace("\n", "\n\t\t")
    text = f"\t\t{text}"
    if isinstance(row, Job) and steady:
        row.row = ("json", text)
    return text


def _coerced(value: str) -> str | int:
    """What looks like a number or a constant becomes one; quotes and backslashes are escaped once more."""
    if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d{1,2})?", value) and len(value) < 16:
        number = float(value)
        return int(number) if number == int(number) else number  # type: ignore[return-value]
    constants: dict[str, object] = {"true": True, "false": False, "null": None}
    if value in constants:
        return constants[value]  # type: ignore[return-value]
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _state(row: Job | list[Job]) -> str:
    return attributes.letter_of_array(row) if isinstance(row, list) else attributes.letter(row)


def _table(pbs: PbsPersonality, rows: list[Row]) -> str:
    lines = []
    for native_id, row in rows:
        job = row[0] if isinstance(row, list) else row
        used = "00:00:00" if isinstance(row, Job) and row.runs and row.state is State.ENDED else "0"
        who = f"{native_id:<17} {job.name[:16]:<16} {pbs.user_name[:16]:<16}"
        lines.append(f"{who}  {used:>8} {_state(row)} {job.queue[:15]:<16}\n")
    return _HEAD + "".join(lines) if lines else ""


def _longer(pbs: PbsPersonality, rows: list[Row], chosen: Mapping[str, str]) -> str:
    lines = []
    for native_id, row in rows:
        job = row[0] if isinstance(row, list) else row
        if ("i" in chosen and _state(row) not in "QHW") or ("r" in chosen and _state(row) not in "RSB"):
            continue
        resources = pbs.submitted(job).resources
        limit = str(resources.get("walltime", ""))[:5] or "-- "
        memory = str(resources.get("mem", "-- "))
        elapsed = "-- "
        if job.state is State.ENDED and job.runs:
            elapsed = words.clock((job.end or 0) - (job.start or 0))[:5]
        elif job.runs:
            elapsed = words.clock(pbs.model.now() - (job.start or 0))[:5]
        who = f"{_cut(native_id, 15)} {_cut(pbs.user_name, 8)} {_cut(job.queue, 8)} {_cut(job.name, 10)}"
        much = f"{'-- ':>6} {resources.get('nodect', 1):>3} {resources.get('ncpus', 1):>3} {memory:>6} {limit:>5}"
        lines.append(f"{who} {much} {_state(row)} {elapsed:>5}")
        where = "+".join(f"{node}/0" for node in job.nodes) or "--"
        if "n" in chosen:
            lines[-1] += f" {where}" if "1" in chosen else f"\n   {where}"
        if "s" in chosen:
            lines[-1] += f"\n   {_attributes(pbs, row).get('comment', ' -- ')}"
    return _LONG_HEAD.format(server=pbs.server) + "".join(f"{line}\n" for line in lines) if lines else ""


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}*"
