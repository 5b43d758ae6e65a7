"""`bjobs`: its tables, and `-o` with `-json`. The long form is in `details`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job, State
from psij_like.testing.lsf import details, usage, words
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.lsf import LsfPersonality

_VALUED = "UFx o J q u m N P"
_FLAGS = "a l w W d p s r A UF json h V"
_HEAD = "JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME"
_HEAD_PENDING = "JOBID   USER    STAT  QUEUE       FROM_HOST      JOB_NAME           SUBMIT_TIME"
_WIDE = "PROJ_NAME CPU_USED MEM SWAP PIDS START_TIME FINISH_TIME"
_NO_HOST = "   -"
Field = Callable[[Job], str]


def _fields(lsf: LsfPersonality) -> dict[str, tuple[int, Field]]:
    """Names of fields with the widths and contents of their columns: volclava's, and IBM's."""

    def hosts(job: Job) -> str:
        return ":".join(name for name, slots in zip(job.nodes, job.slots_on, strict=True) for _ in range(slots))

    volclava: dict[str, tuple[int, Field]] = {
        "JOBID": (7, lambda job: job.native_id.partition("[")[0]),
        "USER": (7, lambda _: lsf.user_name),
        "STAT": (5, lambda job: words.status(job, lsf.flavour)),
        "QUEUE": (10, lambda job: job.queue),
        "FROM_HOST": (11, lambda _: lsf.host),
        "EXEC_HOST": (11, hosts),
        "JOB_NAME": (10, lambda job: job.name),
        "SUBMIT_TIME": (15, lambda job: words.short_time(job.submitted)),
        "PROJ_NAME": (11, lambda job: job.options.get("P", "default")),
        "CPU_USED": (10, lambda _: "000:00:00.00"),
        "MEM": (10, lambda _: "0"),
        "SWAP": (10, lambda _: "0"),
        "PIDS": (20, lambda _: ""),
        "START_TIME": (15, lambda job: words.short_time(job.start) if job.runs and job.start else ""),
        "FINISH_TIME": (16, lambda job: words.short_time(job.end) if job.end else ""),
    }
    if lsf.flavour == words.VOLCLAVA:

        def start(job: Job) -> str:
            return words.wide_time(job.start if job.runs else None)

        return volclava | {
            "EXEC_HOST": (11, lambda job: hosts(job) or f"{_NO_HOST}   "),
            "SUBMIT_TIME": (15, lambda job: words.wide_time(job.submitted)),
            "START_TIME": (15, start),
            "FINISH_TIME": (16, lambda job: words.wide_time(job.end)),
            "PIDS": (20, lambda _: "-"),
        }

    def code(job: Job) -> str:
        return str(words.exit_code(job, lsf.flavour) or "")

    def reason(job: Job) -> str:
        return f"{words.waiting(job)};" if job.state is State.PENDING else ""

    return volclava | {
        "JOBINDEX": (8, lambda job: str(job.index or 0)),
        "EXIT_CODE": (10, code),
        "EXIT_REASON": (50, lambda job: words.exit_reason(job, job.user_id)),
        "PEND_REASON": (70, reason),
        "SUSPEND_REASON": (50, lambda job: "The job was suspended by user;" if job.state is State.SUSPENDED else ""),
        "SLOTS": (5, lambda job: str(sum(job.slots_on) or job.request.tasks)),
        "NREQ_SLOT": (10, lambda job: str(job.request.tasks)),
        "DEPENDENCY": (15, lambda job: job.options.get("w", "")),
        "RUN_TIME": (15, lambda job: f"{int((job.end or lsf.model.now()) - (job.start or 0))} second(s)"),
        "RUNTIMELIMIT": (12, lambda job: f"{job.request.walltime / 60:.1f}" if job.request.walltime else ""),
        "COMMAND": (15, lambda job: job.options.get("command", "")),
        "SUB_CWD": (10, lambda job: job.options.get("submit-directory", "")),
    }


def bjobs(lsf: LsfPersonality, call: Call) -> Answer:
    """List jobs."""
    ibm = lsf.flavour == words.IBM
    argv = ["-UF" if word == "-UF" else word for word in call.argv]
    try:
        given, ids = words.options("bjobs", argv, _VALUED, f"{_FLAGS} noheader" if ibm else _FLAGS)
    except words.Refusal as error:
        text = re.sub(r"illegal option -- (.).*", r"invalid option -- '\1'", str(error))
        return Answer(255, "", f"{text}\n{usage.BJOBS}\n")
    options = dict(given)
    columns: list[tuple[str, int, Field]] | None = None
    delimiter: str | None = None
    if "o" in options:
        try:
            columns, delimiter = _columns(lsf, options["o"])
        except words.Refusal as error:
            return Answer(99, "", f"{error}\n")
    if "json" in options and (columns is None or "noheader" in options):
        return Answer(255, "", f"{usage.BJOBS}\n")
    for native_id in ids:
        if not re.fullmatch(r"\d+(\[[^\]]*\])?", native_id):
            return Answer(255, "", f"{native_id}: Illegal job ID.\n")
    if "q" in options and options["q"] not in lsf.settings.queues:
        return Answer(255, "", f"{options['q']}: No such queue\n")
    jobs = _chosen(lsf, options, ids)
    lost = [native_id for native_id in ids if native_id != "0" and not _listed(lsf, native_id)]
    if "json" in options and columns is not None:
        return _json(lsf, jobs, columns, lost)
    if not jobs and not lost:
        return Answer(0 if ibm else 254, "", _nothing(options))
    told = "".join(f"Job <{native_id}> is not found\n" for native_id in lost)
    code = 255 if lost else 0
    if not jobs:
        return Answer(code, "", told)
    if columns is not None:
        return Answer(code, _custom(lsf, jobs, columns, delimiter, head="noheader" not in options), told)
    if "l" in options or "UF" in options:
        return Answer(code, details.long(lsf, jobs, unformatted="UF" in options), told)
    return Answer(code, _table(lsf, jobs, options), told)


def _nothing(options: Mapping[str, str]) -> str:
    kind = "No job found" if "a" in options else "No unfinished job found"
    return f"{kind} in queue <{options['q']}>\n" if "q" in options else f"{kind}\n"


def _listed(lsf: LsfPersonality, native_id: str) -> list[Job]:
    return list(lsf.model.listing([job.native_id for job in lsf.find(native_id)]))


def _chosen(lsf: LsfPersonality, options: Mapping[str, str], ids: Sequence[str]) -> list[Job]:
    """The jobs asked for: running ones, then pending ones, then those that ended, in their order."""
    chosen: Iterable[Job] = (
        (job for native_id in ids for job in _listed(lsf, native_id)) if ids and "0" not in ids else lsf.model.listing()
    )
    jobs = list({job.native_id: job for job in chosen}.values())
    if options.get("u", lsf.user_name) not in (lsf.user_name, "all"):
        jobs = []
    for name, read in (("q", _queue), ("J", _name), ("P", _project)):
        if name in options:
            jobs = [job for job in jobs if read(job) == options[name]]
    wanted = {
        state
        for name, states in (("r", "RUN"), ("p", "PEND PSUSP"), ("s", "USUSP SSUSP PSUSP"), ("d", "DONE EXIT"))
        for state in states.split()
        if name in options
    }
    if wanted:
        jobs = [job for job in jobs if words.status(job, lsf.flavour) in wanted]
    elif "a" not in options and not ids:
        jobs = [job for job in jobs if job.state is not State.ENDED]
    queues = list(lsf.settings.queues)

    def order(job: Job) -> tuple[int, float, int, int]:
        group = 2 if job.state is State.ENDED else 1 if job.state is State.PENDING else 0
        rank = job.end or 0.0 if group == 2 else float(queues.index(job.queue)) if group == 1 else 0.0
        return group, rank, job.number, job.index or 0

    return sorted(jobs, key=order)


def _queue(job: Job) -> str:
    return job.queue


def _name(job: Job) -> str:
    return job.name


def _project(job: Job) -> str:
    return job.options.get("P", "default")


def _columns(lsf: LsfPersonality, text: str) -> tuple[list[tuple[str, int, Field]], str | None]:
    """The columns that -o asks for, and the delimiter, if it names one. Refusal: there is no such field."""
    known = _fields(lsf)
    delimiter = None
    match = re.search(r"""delimiter=(['"])(.*?)\1""", text) if lsf.flavour == words.IBM else None
    if match:
        delimiter = match[2]
        text = text.replace(match[0], "")
    columns = []
    for word in text.split():
        name, _, width = word.upper().partition(":") if lsf.flavour == words.IBM else (word.upper(), "", "")
        if name not in known or (width and not re.fullmatch(r"-?\d+", width)):
            raise words.Refusal(f"<{word.upper()}> in the format string is not a valid field name.")
        columns.append((name, int(width or known[name][0]), known[name][1]))
    return columns, delimiter


def _custom(
    lsf: LsfPersonality, jobs: list[Job], columns: list[tuple[str, int, Field]], delimiter: str | None, *, head: bool
) -> str:
    padded = lsf.flavour == words.IBM and delimiter is None

    def line(values: Iterable[str]) -> str:
        texts = [value or "-" for value in values]
        if padded:
            texts = [text.ljust(width)[:width] for text, (_, width, _) in zip(texts, columns, strict=True)]
        return (delimiter or " ").join(texts).rstrip() + "\n"

    lines = [line(name for name, _, _ in columns)] if head else []
    return "".join([*lines, *(line(read(job) for _, _, read in columns) for job in jobs)])


def _json(lsf: LsfPersonality, jobs: list[Job], columns: list[tuple[str, int, Field]], lost: list[str]) -> Answer:
    records = [{name: read(job) for name, _, read in columns} for job in jobs]
    records += [{"JOBID": native_id, "ERROR": f"Job <{native_id}> is not found"} for native_id in lost]
    ibm = lsf.flavour == words.IBM
    code = 0 if jobs or (ibm and not lost) else 255
    told: dict[str, object] = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
    if ibm:
        return Answer(code, json.dumps(told, indent=2, separators=(",", ":"), ensure_ascii=False) + "\n")
    # As the library that volclava uses prints it.
    texts = [
        ",\n".join(f"\t\t\t{json.dumps(name)}:\t{json.dumps(value, ensure_ascii=False)}" for name, value in one.items())
        for one in records
    ]
    body = "[" + ", ".join(f"{{\n{text}\n\t\t}}" for text in texts) + "]"
    return Answer(code, f'{{\n\t"COMMAND":\t"bjobs",\n\t"JOBS":\t{len(records)},\n\t"RECORDS":\t{body}\n}}\n')


def _table(lsf: LsfPersonality, jobs: list[Job], options: Mapping[str, str]) -> str:
    wide = "w" in options or "W" in options

    def cut(text: str, width: int) -> str:
        if wide:
            return text.ljust(width)
        return (text if len(text) <= width else f"*{text[1 - width :]}").ljust(width)

    lines = [_HEAD_PENDING if "p" in options else f"{_HEAD}  {_WIDE}" if "W" in options else _HEAD]
    for job in jobs:
        state = words.status(job, lsf.flavour)
        first = f"{job.native_id.partition('[')[0]:<7} {lsf.user_name[:7]:<7} {state:<5}"
        submitted = words.wide_time(job.submitted) if "W" in options else words.short_time(job.submitted)
        if "p" in options:
            lines.append(f"{first} {job.queue:<11} {lsf.host:<14} {cut(job.name, 18)} {submitted}")
            lines.append(f" {words.waiting(job)}: 1 host;")
            continue
        hosts = [name for name, slots in zip(job.nodes, job.slots_on, strict=True) for _ in range(slots)]
        if wide:
            hosts = [":".join(hosts)] if hosts else [_NO_HOST]
        elif not hosts:
            hosts = [_NO_HOST if job.state is State.ENDED else ""]
        row = f"{first} {cut(job.queue, 10)} {cut(lsf.host, 11)} {cut(hosts[0], 11)} {cut(job.name, 10)} {submitted}"
        if "W" in options:
            times = f"{words.wide_time(job.start if job.runs else None)} {words.wide_time(job.end)}"
            row += f" {_project(job):<10} 000:00:00.00 0      0       -  {times} "
        lines += [row, *(f"{'':45}{host}" for host in hosts[1:])]
        if "s" in options and state == "USUSP":
            lines.append(" The job was suspended by user;")
    return "".join(f"{line}\n" for line in lines)
