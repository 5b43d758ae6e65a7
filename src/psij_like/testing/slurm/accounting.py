"""`sacct`: the records of jobs, for as long as the cluster lives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Cause, Job, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call
from psij_like.testing.slurm import words

if TYPE_CHECKING:
    from psij_like.testing.slurm import SlurmPersonality

_OPTIONS = Options(
    [
        Option("allocations", "X", "no"),
        Option("parsable2", "P", "no"),
        Option("parsable", "p", "no"),
        Option("noheader", "n", "no"),
        Option("jobs", "j"),
        Option("format", "o"),
        Option("starttime", "S"),  # a cluster is never older than a day: all its jobs are of today
        Option("allusers", "a", "no"),
    ]
)
_DEFAULT = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
_KNOWN_WAITS = (Wait.DEPENDENCY, Wait.NEVER, Wait.HELD_BY_USER, Wait.HELD_BY_ADMIN, Wait.BEGIN, Wait.ARRAY_LIMIT)
Column = Callable[[Job, "str | None"], str]


def _state(job: Job) -> str:
    name = "RUNNING" if job.state is State.ENDING else words.state(job)
    if name == "CANCELLED" and job.ended_by is not None:
        return f"CANCELLED by {job.ended_by}"
    return name


def _reason(job: Job) -> str:
    return words.waiting(job) if job.wait in _KNOWN_WAITS else "None"


def _columns(slurm: SlurmPersonality, environment: Mapping[str, str]) -> dict[str, tuple[str, Column]]:
    """What can be told of a job (step: None) or of one of its steps, `batch` or a number."""

    def job_id(job: Job, step: str | None) -> str:
        return job.native_id if step is None else f"{job.native_id}.{step}"

    def raw_id(job: Job, step: str | None) -> str:
        return str(job.number) if step is None else f"{job.number}.{step}"

    def state(job: Job, step: str | None) -> str:
        if step is not None and step != "batch":
            return "FAILED" if job.steps[int(step)] else "COMPLETED"
        return "CANCELLED" if step and job.cause is Cause.SIGNALLED else _state(job)

    def code(job: Job, step: str | None) -> str:
        return words.exit_code(job) if step in (None, "batch") else f"{job.steps[int(step or 0)]}:0"

    def derived(job: Job, step: str | None) -> str:
        return "" if step is not None else f"{max(job.steps, default=0)}:0"

    def start(job: Job, _: str | None) -> str:
        return "Unknown" if job.start is None else words.moment(job.start, environment)

    def end(job: Job, _: str | None) -> str:
        return "Unknown" if job.end is None else words.moment(job.end, environment)

    def seconds(job: Job) -> float:
        return 0 if job.start is None else (job.end or slurm.model.now()) - job.start

    def elapsed(job: Job, _: str | None) -> str:
        return words.duration(seconds(job), full=True)

    def elapsed_raw(job: Job, _: str | None) -> str:
        return str(int(seconds(job)))

    def of_job(read: Callable[[Job], str]) -> Column:
        return lambda job, step: read(job) if step is None else ""

    table: dict[str, Column] = {
        "JobID": job_id,
        "JobIDRaw": raw_id,
        "JobName": lambda job, step: job.name if step is None else step,
        "Partition": of_job(lambda job: job.queue),
        "Account": lambda job, _: job.options.get("account", ""),
        "AllocCPUS": lambda job, _: str(sum(job.slots_on)),
        "State": state,
        "ExitCode": code,
        "DerivedExitCode": derived,
        "Start": start,
        "End": end,
        "Submit": lambda job, _: words.moment(job.submitted, environment),
        "Elapsed": elapsed,
        "ElapsedRaw": elapsed_raw,
        "NodeList": lambda job, _: words.node_list(job.nodes) or "None assigned",
        "Reason": of_job(_reason),
        "Comment": lambda *_: "",  # only where the site stores it
        "UID": of_job(lambda job: str(job.user_id)),
        "User": of_job(lambda _: slurm.user_name),
        "MaxRSS": lambda *_: "",
        "TotalCPU": lambda *_: "00:00:00",
    }
    return {name.lower(): (name, read) for name, read in table.items()}


def sacct(slurm: SlurmPersonality, call: Call) -> Answer:
    """List what accounting knows."""
    try:
        options = dict(_OPTIONS.parse(call.argv)[0])
    except OptionError as error:
        return Answer(1, "", f"sacct: {error}\n")
    ids = [word for word in options.get("jobs", "").split(",") if word]
    bad = next((word for word in ids if not re.fullmatch(r"\d+(_(\d+|\[[^\]]*\]))?(\.\w+)?", word)), None)
    if bad is not None:
        return Answer(1, "", f"sacct: fatal: Bad job/step specified: {bad}\n")
    if not slurm.settings.accounting:
        return Answer(1, "", "Slurm accounting storage is disabled\n")
    known = _columns(slurm, call.environment)
    wanted = [part.partition("%") for part in options.get("format", _DEFAULT).split(",")]
    strange = next((name for name, _, _ in wanted if name.lower() not in known), None)
    if strange is not None:
        return Answer(1, "", f'sacct: fatal: Invalid field requested: "{strange}"\n')
    jobs: Iterable[Job]
    if ids:
        chosen = dict.fromkeys(job.native_id for word in ids for job in slurm.find(word.partition(".")[0]))
        jobs = slurm.model.listing(chosen, all_time=True)
    else:
        jobs = slurm.model.listing(all_time=True)
    columns = [known[name.lower()] for name, _, _ in wanted]
    widths = [int(width) if width.lstrip("-").isdigit() else 10 for _, _, width in wanted]
    rows: list[list[str]] = []
    if "noheader" not in options:
        rows.append([name for name, _ in columns])
        if not {"parsable", "parsable2"} & set(options):
            rows.append(["-" * abs(width) for width in widths])
    for job in jobs:
        for step in (None,) if "allocations" in options else _steps(job):
            rows.append([read(job, step) for _, read in columns])
    if "parsable2" in options:
        return Answer(0, "".join("|".join(row) + "\n" for row in rows))
    if "parsable" in options:
        return Answer(0, "".join("|".join(row) + "|\n" for row in rows))
    return Answer(0, "".join(_padded(row, widths) for row in rows))


def _steps(job: Job) -> Iterator[str | None]:
    yield None
    if job.runs:
        yield "batch"
        yield from (str(number) for number in range(len(job.steps)))


def _padded(row: list[str], widths: list[int]) -> str:
    cells = []
    for text, width in zip(row, widths, strict=True):
        cut = text if len(text) <= abs(width) else text[: abs(width) - 1] + "+"
        cells.append(cut.ljust(-width) if width < 0 else cut.rjust(width))
    return " ".join(cells) + " \n"
