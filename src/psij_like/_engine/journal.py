"""The journals that supervisors of local jobs leave behind: which job a process id means, and how it ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psij_like._engine.evidence import Report, exit_message
from psij_like._engine.host import Host, is_odd
from psij_like._engine.json_text import members
from psij_like._engine.processes import lives
from psij_like._engine.submitter import is_writer_alive, submitter, writer_name
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_log = logging.getLogger(__name__)

_DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Entry:
    """What a journal says of one job: the line of its start, and of its end if it has one."""

    journal: Path
    start: dict[str, Any]
    end: dict[str, Any] | None

    @property
    def job(self) -> str:
        """The job's id."""
        return str(self.start["job"])

    @property
    def pid(self) -> int:
        """Its process."""
        return int(self.start["pid"])

    @property
    def machine(self) -> str | None:
        """The name of the machine that the job runs, or ran, on."""
        client = submitter(self.start["intent"].get("submitter"))
        return client.host if client is not None else None

    @property
    def elsewhere(self) -> bool:
        """Whether the job is on another machine, whose processes can not be seen from here."""
        return self.machine not in (None, socket.gethostname())

    @property
    def alive(self) -> bool:
        """Whether the process lives; a later one of the same id is not it."""
        return lives(self.pid, str(self.start["start"]))

    def report(self, end: dict[str, Any] | None = None) -> Report | None:
        """What is known of the job now; None if its process is gone and nobody wrote down its end.

        Args:
            end: the line of its end, if that has come to the journal since.
        """
        end = self.end or end
        if end is not None:
            return end_report(end)
        if not self.alive:
            if self.elsewhere:  # only its own files and its journal can tell of its end
                return Report(self.job, None)
            pid, start = self.start["supervisor"]
            # A supervisor that lives will write the end down; it may only be slow.
            return Report(self.job, None) if lives(pid, start) else None
        return Report(self.job, JobState.ACTIVE if self.start["directory"] is None else None)  # else its files tell

    @property
    def used(self) -> tuple[float, float, int] | None:
        """What the job used up to its end: elapsed and CPU time in seconds, memory in bytes; None if nobody knows."""
        try:
            end = self.end or {}
            return float(end["elapsed"]), float(end["cpu_time"]), int(end["memory"])
        except (ValueError, KeyError, TypeError):
            return None

    def ask_supervisor(self, host: Host) -> bool:
        """Ask the job's supervisor to end it. False if there is none on this machine."""
        pid, start = self.start["supervisor"]
        if not lives(pid, start):
            return False
        host.append(self.journal.with_name(f"{self.journal.name}.cancel"), f"{self.job}\n")
        os.kill(pid, signal.SIGUSR1)
        return True


class Journals:
    """The journals in one directory, one of which is for this process's own supervisor.

    Args:
        host: where the files are.
        directory: the directory.
        retention: for how many seconds journals are kept; None: for ever.
        check: raises PermissionError if others may write to the directory: a journal says which processes are jobs.
    """

    def __init__(
        self,
        host: Host,
        directory: Path,
        retention: float | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._check = check
        self._directory = directory
        self._retention = retention
        self._own: Path | None = None

    @property
    def own(self) -> Path:
        """The journal for this process's supervisor; its directory is made."""
        if self._own is None:
            with contextlib.suppress(FileExistsError):
                self._host.make_directory(self._directory)
            self._prune()
            self._own = self._directory / writer_name()
        return self._own

    def begin_anew(self) -> None:
        """Have another journal for the supervisor from now on, as a forked child has to."""
        self._own = None

    def _prune(self) -> None:
        """Forget journals that are older than the retention.

        But none with a job whose end nobody has heard, and none of a client that lives, which may yet add to it.
        """
        if self._retention is None:
            return
        limit = max(self._retention, _DAY)
        old = [path for path in self._paths() if (self._host.age(path) or 0.0) > limit]
        needed = {entry.journal for entry in self._unseen(old)}
        for path in old:
            if path not in needed and not is_writer_alive(path):
                self._host.remove(path)
                self._host.remove(path.with_name(f"{path.name}.cancel"))

    def unseen(self) -> list[Entry]:
        """The jobs whose ends no client was there to hear, in the order in which they were submitted."""
        return self._unseen(self._paths())

    def _unseen(self, paths: Iterable[Path]) -> list[Entry]:
        found: dict[tuple[Path, str], Entry] = {}
        for path in paths:
            for line in _lines(self._read(path), '"job": '):
                with contextlib.suppress(KeyError, TypeError, ValueError):  # an odd line costs that line
                    if "start" in line:
                        float(line["intent"]["submitted"])
                        found[path, line["job"]] = Entry(path, line, None)
                    elif line["told"]:
                        found.pop((path, line["job"]), None)
                    else:
                        found[path, line["job"]] = Entry(path, found[path, line["job"]].start, line)
        return sorted(found.values(), key=lambda entry: float(entry.start["intent"]["submitted"]))

    def _read(self, path: Path) -> str:
        """The text of a journal. OSError if it can not be read now."""
        try:
            return self._host.read(path) or ""
        except OSError as error:
            if not is_odd(error):
                raise
            _log.warning("a journal can not be read: %s", error)
            return ""

    def _paths(self) -> list[Path]:
        self._check()
        return [self._directory / name for name in self._host.names(self._directory) if name.endswith(".jsonl")]

    def find(self, native_id: str) -> Entry | None:
        """The newest job that had that process id on this machine, else on another one; or that has this id itself."""
        found: Entry | None = None
        newest = (False, float("-inf"))
        token = f'"pid": {native_id},' if native_id.isdigit() else f'"job": {json.dumps(native_id)},'
        for path in self._paths():
            for line in _lines(self._read(path), token):
                with contextlib.suppress(KeyError, TypeError, ValueError):  # an odd line costs that line
                    if "start" in line:
                        when, entry = float(line["intent"]["submitted"]), Entry(path, line, None)
                        if (not entry.elsewhere, when) >= newest:
                            newest, found = (not entry.elsewhere, when), entry
                    elif found is not None and (path, line["job"]) == (found.journal, found.job):
                        end_report(line)
                        found = Entry(path, found.start, line)
        return found

    def entries(self, journal: Path) -> list[Entry]:
        """All jobs of a journal whose lines are whole. OSError if it can not be read."""
        starts = list(_lines(self._read(journal), '"start": '))
        return [Entry(journal, line, None) for line in starts if {"job", "pid", "intent", "supervisor"} <= line.keys()]

    def ends(self, journal: Path) -> dict[str, dict[str, Any]]:
        """The lines of the ends in a journal, by the jobs' ids. OSError if it can not be read."""
        found = {}
        for line in _lines(self._read(journal), '"ended": '):
            with contextlib.suppress(KeyError, TypeError, ValueError):  # an odd line costs that line
                end_report(line)
                found[str(line["job"])] = line
        return found


def _lines(text: str, token: str) -> Iterator[dict[str, Any]]:
    for line in text.split("\n")[:-1]:  # the last line may be in the middle of being written
        if token in line:
            read = members(line)
            if read:
                yield read


def end_report(line: dict[str, Any]) -> Report:
    """What a journal's line about a job's end means."""
    code, reason = int(line["exit_code"]), Reason(line["reason"])
    state = JobState.CANCELED if reason is Reason.CANCELLED else JobState.FAILED if code else JobState.COMPLETED
    return Report(
        line["job"],
        state,
        reason=reason,
        exit_code=code,
        signal=code - 128 if reason is Reason.SIGNAL else None,
        time=float(line["ended"]),
        message=line["failure"] or _message(state, reason, code),
        exact=True,
    )


def _message(state: JobState, reason: Reason, code: int) -> str | None:
    if state is not JobState.FAILED or reason not in (Reason.EXIT, Reason.SIGNAL):
        return None
    return exit_message(code) if reason is Reason.SIGNAL else f"exit code {code}"
