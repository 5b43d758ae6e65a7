"""`flux jobs`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from psij_like.testing.flux import control, facts, ids
from psij_like.testing.flux import record as of
from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.flux import FluxPersonality

_OPTIONS = Options(
    [
        Option("a", "a", "no"),
        Option("A", "A", "no"),
        Option("no-header", "n", "no"),
        Option("count", "c"),
        Option("format", "o"),
        Option("filter", "f"),
        Option("user", "u"),
        Option("name"),
        Option("queue", "q"),
        Option("json", "", "no"),
        Option("color", "", "maybe"),
    ]
)
_USAGE = """\
usage: flux-jobs [-h] [-a] [-A] [-c N] [-f STATE|RESULT] [--since WHEN] [-n]
                 [-u [USERNAME|UID]] [--name JOB-NAME] [-q QUEUE,...]
                 [-i HOSTS|RANKS] [-o FORMAT] [--sort KEY,...] [-w [N]]
                 [--json] [--color [WHEN]] [-R] [-L N] [--recurse-all]
                 [--threads N] [--stats] [--stats-only]
                 [JOBID ...]
flux-jobs: error: """
_DEFAULT = (
    "{id.shown:>12} {username:<8.8} {name:<10.10} {status_abbrev:>2} {ntasks:>6} {nnodes:>6} {contextual_time:>8} "
    "{contextual_info}"
)
_FIELD = re.compile(r"\{(?:\?:)?([\w.]+)(?:!\w)?(?::([^}]*))?\}")
_HEADS = {
    "id": "JOBID",
    "id.shown": "JOBID",
    "id.dec": "JOBID",
    "id.f58": "JOBID",
    "username": "USER",
    "state_single": "S",
    "status_abbrev": "ST",
    "contextual_time": "TIME",
    "contextual_info": "INFO",
    "t_inactive": "T_INACTIVE",
    "t_run": "T_RUN",
}
_MISSING = "-"
_CHANGING = re.compile("runtime|contextual_time")


def jobs(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """List jobs: those that wait, those that run, and (`-a`) those that have ended, the last one first."""
    try:
        given, names = _OPTIONS.parse(argv, mixed=True)
    except OptionError as error:
        return Answer(2, "", f"{_USAGE}{error}\n")
    options = dict(given)
    found, warning = _chosen(flux, options, names)
    if isinstance(found, Answer):
        return found
    limit = int(options.get("count", "1000")) if options.get("count", "1000").isdigit() else 1000
    if limit and len(found) > limit:
        found = found[:limit]
        warning += (
            f"warning: output truncated at {limit} jobs.\n"
            "Use --count to increase returned results or use filters to alter results.\n"
        )
    if "json" in options:
        told = [facts.document(flux, job, ids.curled(job.native_id)) for job in found]
        return Answer(0, json.dumps(told[0] if len(names) == 1 else {"jobs": told}) + "\n", warning)
    write = _writer(flux, call, options.get("format", _DEFAULT))
    lines = [] if "no-header" in options else [_head(options.get("format", _DEFAULT))]
    lines += map(write, found)
    return Answer(0, "".join(f"{line}\n" for line in lines), warning)


def _chosen(flux: FluxPersonality, options: dict[str, str], names: Sequence[str]) -> tuple[list[Job] | Answer, str]:
    """The jobs to be listed, in order, or what is said of those that can't be; and a warning."""
    if not names:
        found = list(flux.model.listing())
        wanted = {word.upper() for word in options.get("filter", "").split(",") if word}
        if wanted:
            found = [job for job in found if wanted & _words_of(flux, job)]
        elif "a" not in options and "A" not in options:
            found = [job for job in found if job.state is not State.ENDED]
        if "name" in options:
            found = [job for job in found if flux.record(job).name == options["name"]]
        if "queue" in options:
            found = [job for job in found if job.queue in options["queue"].split(",")]
        return sorted(found, key=_order), ""
    found = []
    for name in names:
        try:
            job = control.find(flux, name)
        except ValueError:
            return Answer(2, "", f"{_USAGE}argument JOBID: invalid JobID value: '{name}'\n"), ""
        if job is None:
            return Answer(1, "", f"JobID {name} unknown\n"), ""
        found.append(job)
    listed = {job.native_id: job for job in flux.model.listing([job.native_id for job in found])}
    ignored = (
        "flux-jobs: WARNING: Filtering options ignored with jobid list\n" if {"a", "filter"} & set(options) else ""
    )
    return [listed.get(job.native_id, job) for job in found], ignored


def _words_of(flux: FluxPersonality, job: Job) -> set[str]:
    state = of.state(job)
    waits = {"PENDING", "ACTIVE"} if job.state is State.PENDING else {"RUNNING", "ACTIVE"}
    return {state, of.result(job, flux.record(job)), *(waits if state != "INACTIVE" else ())}


def _order(job: Job) -> tuple[int, float, int]:
    if job.state is State.PENDING:
        return 0, 0, ids.number_of(job.native_id)
    if job.state is State.ENDED:
        return 2, -(job.end or 0), 0
    return 1, -(job.start or 0), 0


def _writer(flux: FluxPersonality, call: Call, form: str) -> Callable[[Job], str]:
    lasting = _CHANGING.search(form) is None
    usual = form == _DEFAULT
    key = form if ids.shown("f", call.environment) == "f" else f"ƒ{form}"

    def write(job: Job) -> str:
        if lasting and job.row is not None and job.row[0] == key:
            return job.row[1]
        shown = ids.shown(job.native_id, call.environment)
        texts = facts.columns(flux, job, shown)
        texts |= {"id.shown": shown, "id.f58": shown}

        def field(match: re.Match[str]) -> str:
            text = texts.get(match[1], "")
            if not text and usual and match[1] != "contextual_info":
                text = _MISSING
            return _formatted(text, match[2])

        line = _FIELD.sub(field, form)
        if lasting:
            job.row = key, line
        return line

    return write


def _formatted(text: str, how: str | None) -> str:
    try:
        return format(text, how or "")
    except ValueError:
        return text


def _head(form: str) -> str:
    def field(match: re.Match[str]) -> str:
        name = match[1]
        return _formatted(_HEADS.get(name, name.upper().replace(".", "-")), match[2])

    return _FIELD.sub(field, form)
