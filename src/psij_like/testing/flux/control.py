"""`flux job raise`, `urgency`, `id` and `eventlog`, and `flux cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psij_like.testing.flux import events, ids, submission
from psij_like.testing.flux.record import Note
from psij_like.testing.jobs import Cause, Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.flux import FluxPersonality

_RAISE = Options([Option("severity", "s"), Option("type", "t"), Option("message", "m")])
_CANCEL = Options([Option("message", "m"), Option("all", "", "no"), Option("user", "u"), Option("quiet", "q", "no")])
_UNKNOWN = "unknown job id"
_INACTIVE = "job is inactive"


def find(flux: FluxPersonality, name: str) -> Job | None:
    """The job of an id in any form. ValueError: it is no id."""
    return next(iter(flux.model.find(ids.form(ids.number_of(name)))), None)


def raise_(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux job raise [OPTIONS] ID... [NOTE]`: what is no id begins the note."""
    try:
        given, words = _RAISE.parse(argv, mixed=True)
    except OptionError as error:
        return Answer(1, "", f"flux-job: {error}\n")
    options = dict(given)
    severity, kind = options.get("severity", "0"), options.get("type", "cancel")
    if not severity.isdigit() or int(severity) > 7:
        return Answer(1, "", "flux-job: invalid severity, must be in range [0-7]\n")
    names = [word for word in words if _is_id(word)]
    note = options.get("message", " ".join(word for word in words if word not in names))
    if not names:
        return Answer(1, "", f'flux-job: error parsing jobid: "{words[0]}"\n' if words else "Usage: flux job raise\n")
    said = ""
    for name in names:
        problem = _raise(flux, call, name, kind, int(severity), note)
        said += f"flux-job: raise {name}: {problem}\n" if problem else ""
    return Answer(1 if said else 0, "", said)


def cancel(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux cancel`."""
    try:
        given, names = _CANCEL.parse(argv, mixed=True)
    except OptionError as error:
        return Answer(2, "", f"usage: flux cancel [OPTIONS] [JOBID...]\nflux-cancel: error: {error}\n")
    options = dict(given)
    for name in names:
        if not _is_id(name):
            usage = "usage: flux cancel [OPTIONS] [JOBID...]\n"
            return Answer(2, "", f"{usage}flux-cancel: error: argument JOBID...: invalid JobID value: '{name}'\n")
    if "all" in options:
        names = [job.native_id for job in list(flux.model.jobs.values()) if job.state is not State.ENDED]
    elif not names:
        return Answer(1, "", "flux-cancel: ERROR: No target jobs were found.\n")
    said = ""
    for name in names:
        problem = _raise(flux, call, name, "cancel", 0, options.get("message", ""))
        shown = ids.shown(ids.form(ids.number_of(name)), call.environment)
        said += f"flux-cancel: ERROR: {shown}: {problem}\n" if problem else ""
    if "all" in options and "quiet" not in options:
        said += f"flux-cancel: Canceled {len(names)} jobs (0 errors)\n" if names else "flux-cancel: Matched 0 jobs\n"
    return Answer(1 if "ERROR" in said else 0, "", said)


def _is_id(text: str) -> bool:
    try:
        ids.number_of(text)
    except ValueError:
        return False
    return True


def _raise(flux: FluxPersonality, call: Call, name: str, kind: str, severity: int, text: str) -> str:
    """Raise an exception; why it can't be, if it can't."""
    job = find(flux, name)
    if job is None:
        return _UNKNOWN
    if job.state is State.ENDED:
        return _INACTIVE
    flux.note(job, Note(flux.model.now(), kind, severity, text, call.user_id))
    if severity == 0:
        causes = {"cancel": Cause.CANCELLED, "timeout": Cause.TIMEOUT}
        flux.model.end(job, causes.get(kind, Cause.PREEMPTED), call.user_id)
    return ""


def urgency(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux job urgency ID VALUE`."""
    del call
    words = [word for word in argv if word not in ("-v", "--verbose")]
    if len(words) != 2:
        return Answer(1, "", "Usage: flux job urgency [OPTIONS] JOBID URGENCY\n")
    name, value = words
    try:
        number = submission.urgency_of(value)
        job = find(flux, name)
    except submission.Refusal:
        return Answer(1, "", "flux-job: invalid urgency\n")
    except ValueError:
        return Answer(1, "", f'flux-job: error parsing jobid: "{name}"\n')
    problem = ""
    if job is None:
        problem = "unknown job"
    elif job.state is State.ENDED:
        problem = _INACTIVE
    elif job.state is not State.PENDING:
        problem = "urgency cannot be changed once resources are allocated"
    if problem or job is None:
        return Answer(1, "", f"flux-job: {name}: {problem}\n")
    record = flux.record(job)
    record.changes.append((flux.model.now(), number))
    if number == 0:
        flux.model.hold(job)
    else:
        record.urgency = number
        flux.model.release(job)
        flux.refuse_the_impossible(job)
    job.row = None
    return Answer()


def id_(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux job id --to=FORM ID...`."""
    del flux
    try:
        given, names = Options([Option("to", "t")]).parse(argv, mixed=True)
    except OptionError as error:
        return Answer(1, "", f"flux-job: {error}\n")
    to = dict(given).get("to", "dec")
    if to not in ids.FORMS:
        return Answer(1, "", f"flux-job: Unknown to={to}\n")
    lines = []
    for name in names or _words(call):
        try:
            lines.append(ids.converted(ids.number_of(name), to, call.environment))
        except ValueError:
            return Answer(1, "".join(f"{line}\n" for line in lines), f'flux-job: error parsing jobid: "{name}"\n')
    return Answer(0, "".join(f"{line}\n" for line in lines))


def _words(call: Call) -> list[str]:
    """The words on standard input."""
    return call.stdin.decode(errors="surrogateescape").split()


def eventlog(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux job eventlog ID`."""
    del call
    name = argv[-1] if argv else ""
    try:
        job = find(flux, name)
    except ValueError:
        return Answer(1, "", f'flux-job: error parsing jobid: "{name}"\n')
    if job is None:
        return Answer(1, "", f"flux-job: job {name} not found\n")
    return Answer(0, "".join(f"{events.line(event)}\n" for event in events.eventlog(job, flux.record(job))))
