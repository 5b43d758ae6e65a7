"""`qstat`: its table, its longer one, and all attributes as text or XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from psij_like.testing.jobs import Job
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs.shared import words
from psij_like.testing.pbs.shared.words import Attributes
from psij_like.testing.pbs_classic import attributes
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs_classic.torque import PbsClassicPersonality

_OPTIONS = Options(Option(letter, letter, "yes" if letter in "uW" else "no") for letter in "1aefinrRstuWxGM")
_USAGE = """usage: 
                          qstat [-f [-1]] [-W site_specific] [-x] [ job_identifier... | destination... ]
                          qstat [-a|-i|-r|-e] [-u user] [-n [-1]] [-s] [-t] [-G|-M] [-R] [job_id... | destination...]
                          qstat -Q [-f [-1]] [-W site_specific] [ destination... ]
                          qstat -q [-G|-M] [ destination... ]
                          qstat -B [-f [-1]] [-W site_specific] [ server_name... ]
                          qstat -t
"""  # noqa: W291 - so it is
_HEAD = """Job ID                    Name             User            Time Use S Queue
------------------------- ---------------- --------------- -------- - -----
"""
_LONG_HEAD = """
{server}: 
                                                                                  Req'd       Req'd       Elap
Job ID                  Username    Queue    Jobname          SessID  NDS   TSK   Memory      Time    S   Time
----------------------- ----------- -------- ---------------- ------ ----- ------ --------- --------- - ---------
"""  # noqa: W291
Row = tuple[str, Job, list[Job]]  # id, the job or the first element, all elements of an array


def qstat(torque: PbsClassicPersonality, call: Call) -> Answer:
    """List jobs."""
    try:
        options, operands = _OPTIONS.parse(call.argv, mixed=True)
    except OptionError as error:
        return Answer(2, "", f"qstat: {error}\n{_USAGE}")
    chosen = dict(options)
    if not operands:
        return Answer(0, _shown(torque, chosen, _rows(torque.model.listing(), chosen)))
    parts: list[list[Row]] = []
    said, code = "", 0
    for word in operands:
        native_id = torque.whole_id(word) if word[0].isdigit() else None
        if native_id is None:
            if word in torque.settings.queues:
                parts.append(list(_rows((job for job in torque.model.listing() if job.queue == word), chosen)))
            else:
                said, code = f"{said}qstat: Unknown queue destination {word}\n", 172
            continue
        jobs = torque.find(native_id)
        listed = list(torque.model.listing([job.native_id for job in jobs]))
        if not listed:
            said, code = f"{said}qstat: Unknown Job Id Error {native_id}\n", 153
        elif native_id in torque.model.arrays and "t" not in chosen and "f" not in chosen and "x" not in chosen:
            parts.append(list(_rows(torque.model.listing(), chosen)))  # an array's id means all jobs
        elif native_id in torque.model.arrays:
            parts.append(list(_rows(listed, chosen)))
        else:
            parts.append([(job.native_id, job, []) for job in listed])
    if "x" in chosen:
        # A document for each id.
        return Answer(code, "".join(_shown(torque, chosen, rows) for rows in parts), said)
    return Answer(code, _shown(torque, chosen, [row for rows in parts for row in rows]), said)


def _rows(jobs: Iterable[Job], chosen: Mapping[str, str]) -> Iterator[Row]:
    """An array is shown as one, or with -t by its elements alone."""
    members: dict[str, list[Job]] = {}
    listed = list(jobs)
    for job in listed:
        if job.array is not None:
            members.setdefault(job.array.native_id, []).append(job)
    for job in listed:
        if job.array is None or "t" in chosen:
            yield job.native_id, job, []
        elif members.get(job.array.native_id):
            yield job.array.native_id, job, members.pop(job.array.native_id)


def _shown(torque: PbsClassicPersonality, chosen: Mapping[str, str], rows: Iterable[Row]) -> str:
    if "u" in chosen and torque.user_name not in chosen["u"].split(","):
        return ""
    if "x" in chosen:
        jobs = "".join(_xml(torque, *row) for row in rows)
        return f'<?xml version="1.0"?>\n<Data>{jobs}</Data>\n' if jobs else ""
    if "f" in chosen:
        one_line = "1" in chosen
        pairs = ((native_id, attributes.of_job(torque, job, array)) for native_id, job, array in rows)
        return "".join(words.full(native_id, row, one_line=one_line) for native_id, row in pairs)
    if {"a", "e", "i", "n", "r", "s", "u"} & set(chosen):
        return _longer(torque, list(rows), chosen)
    return _table(torque, list(rows))


def _xml(torque: PbsClassicPersonality, native_id: str, job: Job, elements: list[Job]) -> str:
    # What was written of a job is remembered until it changes; one that runs changes all the time.
    steady = not elements and attributes.letter(job) != "R"
    if steady and job.row is not None and job.row[0] == "xml":
        return job.row[1]
    text = f"<Job><Job_Id>{native_id}</Job_Id>{_tags(attributes.of_job(torque, job, elements))}</Job>"
    if steady:
        job.row = ("xml", text)
    return text


def _tags(found: Attributes) -> str:
    text = ""
    for name, value in found.items():
        if isinstance(value, dict) and name != "Variable_List":
            inside = "".join(f"<{key}>{escape(str(one))}</{key}>" for key, one in value.items())
        elif isinstance(value, dict):
            inside = escape(",".join(f"{key}={one}" for key, one in value.items()))
        else:
            inside = str(int(value)) if isinstance(value, words.Moment) else escape(str(value))
        text += f"<{name}>{inside}</{name}>"
    return text


def _state(row: Row) -> str:
    return attributes.letter_of_array(row[2]) if row[2] else attributes.letter(row[1])


def _name(torque: PbsClassicPersonality, row: Row) -> str:
    return str(attributes.of_job(torque, row[1], row[2])["Job_Name"]) if row[2] else row[1].name


def _table(torque: PbsClassicPersonality, rows: list[Row]) -> str:
    lines = []
    for row in rows:
        native_id, job, elements = row
        used = "00:00:00" if job.runs and not elements else "0"
        who = f"{native_id:<26} {_name(torque, row)[:16]:<16} {torque.user_name[:15]:<15}"
        lines.append(f"{who} {used:>8} {_state(row)} {job.queue[:15]:<15}\n")
    return _HEAD + "".join(lines) if lines else ""


def _longer(torque: PbsClassicPersonality, rows: list[Row], chosen: Mapping[str, str]) -> str:
    lines = []
    for row in rows:
        native_id, job, elements = row
        state = _state(row)
        if ("i" in chosen and state not in "QHW") or ("r" in chosen and state not in "RS"):
            continue
        resources = torque.submitted(job).resources
        session = str(1000 + job.number) if job.runs and not elements else "-- "
        has_nodes = "nodes" in resources
        nodes, tasks = (str(job.request.nodes or 1), str(job.request.tasks)) if has_nodes else ("-- ", "-- ")
        memory, limit = str(resources.get("mem", "-- ")), str(resources.get("walltime", "-- "))
        elapsed = words.clock(torque.model.now() - (job.start or 0)) if state == "R" and not elements else "-- "
        who = f"{native_id:<23} {torque.user_name[:11]:<11} {job.queue[:8]:<8} {_name(torque, row)[:16]:<16}"
        much = f"{session:>6} {nodes:>5} {tasks:>6} {memory:>9} {limit:>9}"
        text = f"{who} {much} {state} {elapsed:>9}"
        if "n" in chosen:
            where = attributes.hosts(job) if job.runs and not elements else " -- "
            text += f"   {where}" if "1" in chosen else f"\n   {where}"
        lines.append(f"{text}\n")
    return _LONG_HEAD.format(server=torque.server) + "".join(lines) if lines else ""
