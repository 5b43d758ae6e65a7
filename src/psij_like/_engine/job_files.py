"""What is remembered of a job on disk, and what the job itself writes there.

One directory for each unfinished job, below `<work directory>/<executor>/jobs/<job id>`:

    job.json     the intent: specification, executor, submitter, time; the last file to be written before the job is
                 submitted, so where it is all others are
    body.sh      what the job's body needs: arguments, environment, paths (written once, mode 0600)
    submit       the script that the scheduler gets
    submit.out   what the submit command printed, written by the command itself
    native_id    the scheduler's id of the job
    cancel       there once a cancel was asked for
    claim.TOKEN  a symbolic link to the native id of the only copy of the job, of those with that token, that may run;
                 to "void" if none of them may
    events.N     the states that run N of the body went through, one a line: time, state
    outcome.N    how far the launch of run N got, for the body itself (its first line)
    nodefile     the names of the nodes, a line for each process (PSIJ_NODEFILE)
    submit.log   what the script itself printed
    end.N        how run N ended (see `Record`); renamed into place when it is whole

When the end of a job is known, one line in `<work directory>/<executor>/ended/<client>.jsonl` takes the
directory's place.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psij_like._engine.host import Host
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

_EVENTS = frozenset(["STAGE_IN", "ACTIVE", "STAGE_OUT", "CLEANUP"])  # an end is told by the end file alone
_VOID = "void"
_RUN_FILE = re.compile(r"(?:events|end)\.([0-9]{1,9})")


@dataclass(frozen=True)
class Record:
    """What a job wrote about its latest run.

    Attributes:
        run: the number of the run, from 1; a scheduler that requeues a job starts another one.
        events: the states the run went through, with their times (seconds since the epoch).
        ended: when the run ended (seconds since the epoch); None while it goes on or if it was cut off.
        exit_code: the job's exit code, 128 + n where a shell saw it end by signal n; None if it never started.
        received: the signal that the body itself received, if any.
        failure: a sentence, if something other than the exit code made the job fail.
        phase: where it failed: "launch", "staging" or "dependency" (another job's end ruled out that it starts).
    """

    run: int
    events: tuple[tuple[JobState, float], ...] = ()
    ended: float | None = None
    exit_code: int | None = None
    received: int | None = None
    failure: str | None = None
    phase: str | None = None

    @property
    def clean(self) -> bool:
        """Whether the run ended by itself, with no signal in play."""
        return self.ended is not None and self.received is None and (self.exit_code is None or self.exit_code <= 128)


@dataclass(frozen=True)
class JobFiles:
    """One job's directory."""

    host: Host
    directory: Path

    def path(self, name: str) -> Path:
        """The path of one of the files listed above."""
        return self.directory / name

    def record(self) -> Record | None:
        """What the job wrote about its latest run; None before it started.

        The directory is listed rather than the files probed: network file systems remember that a name was missing.
        """
        names = set(self.host.names(self.directory))

        def text(name: str) -> str:
            return (self.host.read(self.path(name)) or "") if name in names else ""

        run = max((int(match[1]) for match in map(_RUN_FILE.fullmatch, names) if match), default=0)
        return _record(run, _events(text(f"events.{run}")), text(f"end.{run}")) if run else None

    def native_id(self) -> str | None:
        """The scheduler's id of the job, if the client or the job itself wrote it down."""
        noted = (self.host.read(self.path("native_id")) or "").strip()
        if noted:
            return noted
        links = (name for name in self.host.names(self.directory) if name.startswith("claim."))
        claims = [self.host.link_target(self.path(name)) for name in links]
        return next((claim for claim in claims if claim not in (None, _VOID)), None)

    def void(self, token: str) -> bool:
        """Keep all copies of the job with that token from running; False if one of them runs or has run."""
        try:
            self.host.make_link(self.path(f"claim.{token}"), _VOID)
        except FileExistsError:
            return self.host.link_target(self.path(f"claim.{token}")) == _VOID
        return True

    def remember(self, intent: dict[str, object]) -> None:
        """Put the intent to run the job on disk."""
        self.host.write(self.path("job.json"), json.dumps(intent))

    def renew(self) -> bool:
        """Make ready to submit the job again, though earlier copies may yet start: they run nothing from now on.

        False if one of them runs, or has run.
        """
        body, script = (self.host.read(self.path(name)) or "" for name in ("body.sh", "submit"))
        token = re.search("^psij_valid_token=([0-9a-f]+)$", body, re.MULTILINE)
        if token is None or not self.void(token[1]):
            return False
        new = secrets.token_hex(8)
        self.host.write(self.path("body.sh"), body.replace(token[0], f"psij_valid_token={new}", 1))
        script = re.sub("^psij_token=[0-9a-f]+$", f"psij_token={new}", script, count=1, flags=re.MULTILINE)
        self.host.write(self.path("submit"), script, 0o700)
        return True

    def intent(self) -> dict[str, Any]:
        """What was remembered of the job before it was submitted; empty if that can not be read."""
        try:
            intent = json.loads(self.host.read(self.path("job.json")) or "{}")
        except ValueError:
            return {}
        return intent if isinstance(intent, dict) else {}

    def gone(self) -> bool:
        """Whether the directory was forgotten."""
        return not self.host.names(self.directory)

    def remove(self) -> None:
        """Forget the directory."""
        self.host.remove(self.directory)


def _events(text: str) -> tuple[tuple[JobState, float], ...]:
    events = []
    for line in text.split("\n")[:-1]:  # the last line may be in the middle of being written
        time_text, _, name = line.partition(" ")
        moment = _moment(time_text)
        if moment is not None and name in _EVENTS:
            events.append((JobState[name], moment))
    return tuple(events)


def _moment(text: str) -> float | None:
    try:
        moment = float(text)
    except ValueError:
        return None
    return moment if math.isfinite(moment) else None


def _record(run: int, events: tuple[tuple[JobState, float], ...], end: str | None) -> Record:
    """Read an end file: `key=value` lines, the last one being `whole=1`, and padding. A torn one says nothing."""
    if not end or not re.search(r"\nwhole=1\n[ \n]*\Z", end):
        return Record(run, events)
    values = dict(line.split("=", 1) for line in end.split("\n") if "=" in line)

    def number(key: str) -> int | None:
        text = values.get(key, "")
        return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None

    ended = _moment(values.get("ended", ""))
    if ended is None:
        return Record(run, events)
    return Record(
        run,
        events,
        ended,
        number("exit_code"),
        number("received"),
        values.get("failure") or None,
        values.get("phase") or None,
    )


class Store:
    """The jobs that one executor remembers in its work directory."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self.directory = directory
        self._ended = directory / "ended" / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"

    def create(self, job_id: str) -> JobFiles:
        """Make the directory of a job."""
        files = self.of(job_id)
        self.host.make_directory(files.directory)
        return files

    def of(self, job_id: str) -> JobFiles:
        """The files of a job by its id."""
        return JobFiles(self.host, self.directory / "jobs" / job_id)

    def find(self, native_id: str) -> JobFiles | None:
        """The files of an unfinished (or kept) job by its native id; the newest, if ids were used again."""
        found: list[tuple[float, JobFiles]] = []
        for job_id in self.host.names(self.directory / "jobs"):
            files = self.of(job_id)
            if native_id == files.native_id():
                found.append((submitted(files.intent()), files))
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def unfinished(self) -> list[JobFiles]:
        """The files of all jobs whose end nobody has noted, in the order in which they were submitted."""
        found = [self.of(job_id) for job_id in self.host.names(self.directory / "jobs")]
        return sorted(found, key=lambda files: submitted(files.intent()))

    def remember_end(self, job_id: str, native_id: str | None, status: JobStatus) -> None:
        """Keep the end of a job after its directory is gone."""
        line = {
            "job_id": job_id,
            "native_id": native_id,
            "state": str(status.state),
            "time": status.time,
            "message": status.message,
            "exit_code": status.exit_code,
            "metadata": status.metadata,
            "remembered": time.time(),
        }
        try:
            self.host.append(self._ended, json.dumps(line) + "\n")
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                self.host.make_directory(self._ended.parent)
            self.host.append(self._ended, json.dumps(line) + "\n")

    def find_end(self, native_id: str) -> JobStatus | None:
        """The remembered end of a job by its native id; the newest, if ids were used again."""
        newest = max(self._ends(native_id), key=lambda pair: pair[0], default=None)
        return newest[1] if newest is not None else None

    def _ends(self, native_id: str) -> Iterator[tuple[float, JobStatus]]:
        token = json.dumps(native_id)
        for name in self.host.names(self.directory / "ended"):
            for line in (self.host.read(self.directory / "ended" / name) or "").splitlines():
                if token in line:
                    with contextlib.suppress(ValueError, KeyError, TypeError):  # an odd line costs that line
                        entry = json.loads(line)
                        if isinstance(entry, dict) and entry["native_id"] == native_id:
                            yield float(entry["remembered"]), _status(entry)


def submitted(intent: dict[str, Any]) -> float:
    """When a job was submitted (seconds since the epoch), by what was remembered of it; 0 if that is not known."""
    try:
        return float(intent.get("submitted", 0))
    except (ValueError, TypeError):
        return 0.0


def _status(entry: dict[str, Any]) -> JobStatus:
    return JobStatus(JobState[entry["state"]], entry["time"], entry["message"], entry["exit_code"], entry["metadata"])
