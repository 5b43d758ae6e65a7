"""What is on disk of jobs that have not ended, below `<work directory>/<executor>/jobs`.

A submission has a directory of its own, named by the job's id (or by that of the first of many that are submitted
together). The client writes, before it submits:

    submit.TOKEN  the script that the scheduler gets; further files that a scheduler wants end in the token, too
    elements     of many jobs that are submitted together: what is special about each, a line for each
    body.sh      what the jobs' bodies need: arguments, environment, paths (mode 0600). Its last line is the intent:
                 specifications, executor, submitter, time. It is written last: where that line is whole, all is
    answer.TOKEN  what the submit command printed, written by the command itself

The job itself writes there, or, if it is one of many, into a directory below that its index names:

    claim.TOKEN  a symbolic link to the native id of the only copy of the submission, of those with that token, that may
                 run; if none of them may, to the token of the copies after them, and who submits these. It is in the
                 submission's directory, for all of its jobs
    events.N     the states that run N of the body went through, one a line: time, state
    outcome.N    how far the launch of run N got, for the body itself (its first line)
    nodefile     the names of the nodes, a line for each process (PSIJ_NODEFILE)
    submit.log   what the script itself printed
    end.N        how run N ended (see `Record`); renamed into place when it is whole

and whoever cancels it makes there a file `cancel`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psij_like._engine.host import Host, is_odd
from psij_like._engine.json_text import members, parsed
from psij_like._engine.record import Record, events_of, record_of
from psij_like._engine.submitter import Submitter, submitter, this_process

_log = logging.getLogger(__name__)

GONE = ".gone"
"""How the name of a directory ends that is being removed."""
_VOID = "void:"
_CLOCK_MARGIN = 2.0  # seconds; some file systems tell whole ones
_RECORD_LIMIT = 1 << 20  # bytes; a job that writes more of itself says nothing
_RUN_FILE = re.compile(r"(?:events|end)\.([0-9]{1,9})")
_INTENT = "#psij_intent "


class Submission:
    """The directory of one job, or of many that are submitted together.

    Args:
        host: where the files are.
        directory: its path.
        unfinished: how many of its jobs have not ended, as far as this process knows.
    """

    __slots__ = ("directory", "host", "unfinished")

    def __init__(self, host: Host, directory: str, unfinished: int = 1) -> None:
        self.host = host
        self.directory = directory
        self.unfinished = unfinished

    @property
    def name(self) -> str:
        """The directory's own name."""
        return os.path.basename(self.directory)  # noqa: PTH119 - a Path costs ten times as much

    def path(self, name: str) -> Path:
        """The path of one of its files."""
        return Path(self.directory, name)

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        """Put one of its files in its place, which no reader knows yet."""
        self.host.create(self.path(name), text, mode)

    def write_body(self, data: str, intent: dict[str, object]) -> None:
        """Write what the bodies need, and the intent."""
        self.write("body.sh", f"{data}{_INTENT}{json.dumps(intent)}\n")

    def intent(self) -> dict[str, Any]:
        """What was remembered before the submission; empty if it had not come to that, or is not as it was written.

        OSError if it can not be read now.
        """
        try:
            text = self.host.read(self.path("body.sh")) or ""
        except OSError as error:
            if not is_odd(error):
                raise
            _log.warning("what was submitted in %s can not be read: %s", self.directory, error)
            return {}
        last = text.rstrip("\n").rpartition("\n")[2]
        return members(last.removeprefix(_INTENT)) if last.startswith(_INTENT) else {}

    def script(self) -> str | None:
        """The script that was submitted last; None if it is not there."""
        name = f"submit.{self.token()}"
        names = self.host.names(Path(self.directory))
        found = name if name in names else "submit" if "submit" in names else None
        return self.host.read(self.path(found)) if found is not None else None

    def claimant(self) -> str | None:
        """The native id of the copy that has claimed the place, if one has."""
        links = (name for name in self.host.names(Path(self.directory)) if name.startswith("claim."))
        claims = [self.host.link_target(self.path(name)) for name in links]
        return next((claim for claim in claims if claim is not None and not claim.startswith(_VOID)), None)

    def token(self) -> str | None:
        """The token of the newest copies; None if nothing was ever written that could run."""
        token = _token(self.intent().get("token"))
        while token is not None:
            target = self.host.link_target(self.path(f"claim.{token}")) or ""
            if not target.startswith(_VOID):
                return token
            token = _successor(target)[0]
        return None

    def renew(self) -> str | None:
        """Make ready to submit again, though earlier copies may yet start: they run nothing from now on.

        Whoever submits again takes the place of the copies before, which only one can do. All that the new copies are
        made of has names of its own, so that orphaned commands and copies that read their script late have their own.

        Returns:
            The new token; None if one of the copies before runs or has run, or if another process is at it.
        """
        token = _token(self.intent().get("token"))
        while token is not None:
            new = secrets.token_hex(8)
            link = self.path(f"claim.{token}")
            try:
                self.host.make_link(link, f"{_VOID}{json.dumps([new, *this_process()])}")
            except FileExistsError:
                token = self._taken_by(link)
                continue
            first = str(self.intent().get("token"))
            for name in self.host.names(Path(self.directory)):
                kind, _, of = name.rpartition(".")
                if of == first and kind not in ("claim", "answer"):
                    text = self.host.read(self.path(name)) or ""
                    self.write(f"{kind}.{new}", text.replace(first, new), 0o700)
            return new
        return None

    def _taken_by(self, link: Path) -> str | None:
        """The token of the copies after those with that claim, if whoever submitted these has died; None if not."""
        target = self.host.link_target(link) or ""
        token, process = _successor(target) if target.startswith(_VOID) else (None, None)
        if process is None or process.may_be_at_it(self.host.age(link) or 0.0):
            return None
        return token

    def voided(self, token: str) -> bool:
        """Whether somebody has seen to it that no copy with that token runs from now on."""
        return (self.host.link_target(self.path(f"claim.{token}")) or "").startswith(_VOID)

    def remove(self) -> None:
        """Forget the directory, though copies may be about to start that only its claims keep from running.

        Those that come later do not find what they need, and those that have it do not find where to make a claim.
        """
        self.host.remove(self.path("body.sh"))
        gone = Path(f"{self.directory}.{secrets.token_hex(4)}{GONE}")
        self.host.move(Path(self.directory), gone)
        self.host.remove(gone)


def _successor(target: str) -> tuple[str | None, Submitter | None]:
    """The token of the copies after those that may not run, and who submits them."""
    try:
        token, *who = parsed(target.removeprefix(_VOID))
    except (ValueError, TypeError):
        return None, None
    return _token(token), submitter(who)


def _token(text: object) -> str | None:
    return text if isinstance(text, str) and re.fullmatch("[0-9a-f]{1,64}", text) else None


def spec_of(intent: Mapping[str, Any], job_id: str | None) -> dict[str, Any] | None:
    """The specification of one of the jobs that were submitted together, as it was remembered."""
    jobs = intent.get("jobs")
    for job in jobs if isinstance(jobs, list) else ():
        if isinstance(job, dict) and job.get("job_id") == job_id and isinstance(job.get("spec"), dict):
            return dict(job["spec"])
    return None


class JobFiles:
    """The files of one job.

    Args:
        submission: where it was submitted from.
        job_id: its id.
        index: its number, from 1, if it is one of many that were submitted together.
    """

    __slots__ = ("index", "job_id", "submission")

    def __init__(self, submission: Submission, job_id: str, index: int | None = None) -> None:
        self.submission = submission
        self.job_id = job_id
        self.index = index

    @property
    def host(self) -> Host:
        """Where the files are."""
        return self.submission.host

    @property
    def directory(self) -> Path:
        """The directory that the job itself writes to."""
        directory = Path(self.submission.directory)
        return directory if self.index is None else directory / str(self.index)

    def path(self, name: str) -> Path:
        """The path of one of the files that the job itself writes."""
        return self.directory / name

    def record(self) -> Record | None:
        """What the job wrote about its latest run; None before it started.

        The directory is listed rather than the files probed: network file systems remember that a name was missing.
        """
        names = set(self.host.names(self.directory))

        def text(name: str) -> str:
            return (self.host.read(self.path(name), _RECORD_LIMIT) or "") if name in names else ""

        run = max((int(match[1]) for match in map(_RUN_FILE.fullmatch, names) if match), default=0)
        return record_of(run, events_of(text(f"events.{run}")), text(f"end.{run}")) if run else None

    @property
    def cancel_asked(self) -> bool:
        """Whether somebody has marked the job as cancelled."""
        return "cancel" in self.host.names(self.directory)

    def ended_before_cancel(self, run: int) -> bool:
        """Whether a run's end was written down well before somebody marked the job, by the file system's own clock."""
        end, mark = (self.host.age(self.path(name)) for name in (f"end.{run}", "cancel"))
        return end is not None and mark is not None and end > mark + _CLOCK_MARGIN

    def mark_cancelled(self) -> Path | None:
        """Tell the body, which stages differently then, that it is cancelled.

        The mark; None if it is too late, or if the job has been marked before: the first one tells when.
        """
        if self.cancel_asked or not self.host.names(Path(self.submission.directory)):
            return None
        if self.index is not None:
            with contextlib.suppress(FileExistsError):
                self.host.make_directory(self.directory)
        try:
            self.host.write(self.path("cancel"), "")
        except FileNotFoundError:
            return None
        return self.path("cancel")

    def gone(self) -> bool:
        """Whether the submission's directory was forgotten."""
        return not self.host.names(Path(self.submission.directory))

    def remove(self) -> None:
        """Forget the job's files, and those of the submission with those of its last job."""
        self.submission.unfinished -= 1
        if self.submission.unfinished <= 0:
            self.submission.remove()
        elif self.index is not None:
            self.host.remove(self.directory)


def single(host: Host, directory: str | Path) -> JobFiles:
    """The files of a job that was submitted alone, by their directory."""
    submission = Submission(host, str(directory))
    return JobFiles(submission, submission.name)
