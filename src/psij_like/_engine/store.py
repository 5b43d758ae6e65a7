"""What an executor remembers in its work directory: the files of unfinished jobs, and a ledger.

Each client writes a ledger of its own, `<work directory>/<executor>/ledger/<client>.jsonl`, a line for each job that
the scheduler has taken (its id there, and where its files are) and one for each end. Ledgers are only added to, by
whole lines. When the end of a job is in a ledger, its files go.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from psij_like._engine.host import Host, is_odd
from psij_like._engine.job_files import GONE, JobFiles, Submission
from psij_like._engine.json_text import members
from psij_like._engine.submitter import is_writer_alive, writer_name
from psij_like.job_status import JobStatus
from psij_like.serialize import status_from_dict, status_to_dict

_log = logging.getLogger(__name__)

_DAY = 86400.0  # seconds
_PLACES = ("jobs", "ledger", "journals")  # in an executor's directory


class Memory(NamedTuple):
    """What is remembered of a job.

    Attributes:
        files: its files, if they are there.
        end: its end, if that is known.
    """

    files: JobFiles | None = None
    end: JobStatus | None = None


class Remembered(NamedTuple):
    """A submission of which some jobs have not ended.

    Attributes:
        submission: its directory.
        intent: what was remembered before it.
        jobs: the files and specifications of its unfinished jobs.
    """

    submission: Submission
    intent: dict[str, Any]
    jobs: list[tuple[JobFiles, dict[str, Any]]]


class Store:
    """The jobs that one executor remembers in its work directory.

    Args:
        host: where the files are.
        directory: `<work directory>/<executor>`.
        retention: for how many seconds the ends of jobs, and files that were kept, are remembered; None: for ever.
        root: the work directory, if it is not the directory's parent.
    """

    def __init__(self, host: Host, directory: Path, retention: float | None = None, root: Path | None = None) -> None:
        self.host = host
        self.directory = directory
        self._retention = retention
        self._root = root or directory.parent
        self._checked = self._pruned = False
        self._jobs = str(directory / "jobs")
        self.begin_anew()

    def begin_anew(self) -> None:
        """Write a ledger of its own from now on, as a forked child has to."""
        self._ledger = self.directory / "ledger" / writer_name()
        self._torn = False

    def path(self, name: str) -> str:
        """The directory of the submission of that name."""
        return f"{self._jobs}/{name}"

    def create(self, name: str, jobs: int = 1) -> Submission:
        """Make the directory of a submission of so many jobs.

        Raises:
            OSError: it can not be made, or others could change what is in there.
        """
        self.check_private()
        submission = Submission(self.host, self.path(name), jobs)
        self.host.make_directory(Path(submission.directory))
        if not self._pruned:
            self._pruned = True
            try:
                self.prune()
            except OSError as error:
                _log.warning("what is old can not be forgotten in %s: %s", self.directory, error)
        return submission

    def check_private(self) -> None:
        """Once: nobody else may write here, as whoever can change a job's files says what runs as its user.

        Raises:
            PermissionError: others can, or it is another user's.
        """
        if not self._checked:
            places = [self.directory / name for name in _PLACES]
            place = self.directory
            places.append(place)
            while place != self._root:
                place = place.parent
                places.append(place)
            for place in reversed(places):
                _check_private(self.host, place, self._root)
            self._checked = True

    # ---- the ledger

    def note_accepted(self, jobs: Iterable[tuple[JobFiles, str]]) -> None:
        """Keep the native ids of jobs that the scheduler has taken."""
        self._note(
            {
                "job_id": files.job_id,
                "native_id": native_id,
                "submission": files.submission.name,
                "index": files.index,
                "noted": time.time(),
            }
            for files, native_id in jobs
        )

    def note_end(self, job_id: str, native_id: str | None, status: JobStatus) -> None:
        """Keep the end of a job, after which its files may go."""
        self._note(
            [
                {
                    "job_id": job_id,
                    "native_id": native_id,
                    **status_to_dict(status),
                    "noted": time.time(),
                }
            ]
        )

    def _note(self, lines: Iterable[dict[str, object]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if self._torn:  # what could not be written whole is no part of the next line
            text = "\n" + text
        self._torn = True
        try:
            self.host.append(self._ledger, text)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                self.host.make_directory(self._ledger.parent)
            self.host.append(self._ledger, text)
        self._torn = False

    def _lines(self, token: str = "") -> Iterator[dict[str, Any]]:
        """The lines of all ledgers, or of those that hold some text; an odd line costs that line."""
        self.check_private()
        for name in self.host.names(self._ledger.parent):
            yield from self._read(self._ledger.parent / name, token)

    def _read(self, path: Path, token: str = "") -> Iterator[dict[str, Any]]:
        try:
            text = self.host.read(path) or ""
        except OSError as error:
            if not is_odd(error):
                raise
            _log.warning("a ledger can not be read: %s", error)
            return
        for line in text.splitlines():
            if token in line:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = members(line)
                    if isinstance(entry["job_id"], str):
                        float(entry["noted"])
                        yield entry

    # ---- what is remembered

    def recall(self, native_id: str) -> Memory:
        """What is remembered of a job by its native id; of the newest, if ids were used again."""
        newest, found = float("-inf"), Memory()
        for line in self._lines(json.dumps(native_id)):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if line["native_id"] == native_id and line["noted"] >= newest:
                    memory = Memory(end=status_from_dict(line)) if "state" in line else Memory(self._files(line))
                    if memory != Memory():
                        newest, found = line["noted"], memory
        return found if found != Memory() else Memory(self._claimed(native_id))

    def files(self, native_id: str) -> JobFiles | None:
        """The files of a job while there are any: also of one that has ended, if its files are kept."""
        newest, found = float("-inf"), None
        for line in self._lines(json.dumps(native_id)):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if line["native_id"] == native_id and "state" not in line and line["noted"] >= newest:
                    newest, found = line["noted"], self._files(line)
        return found or self._claimed(native_id)

    def end_of(self, job_id: str) -> JobStatus | None:
        """The remembered end of a job by its own id."""
        for line in self._lines(json.dumps(job_id)):
            if line["job_id"] == job_id and "state" in line:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    return status_from_dict(line)
        return None

    def end(self, native_id: str) -> JobStatus | None:
        """The remembered end of a job by its native id."""
        return self.recall(native_id).end

    def _files(self, line: dict[str, Any]) -> JobFiles | None:
        name = line["submission"]
        if not isinstance(name, str) or os.path.basename(name) != name:  # noqa: PTH119 - no path, a name
            return None
        submission = Submission(self.host, self.path(name))
        if not self.host.names(Path(submission.directory)):
            return None
        return JobFiles(submission, line["job_id"], line["index"])

    def _claimed(self, native_id: str) -> JobFiles | None:
        """The files of a job whose client did not live to note its id, if it was submitted alone and has started."""
        for name in self.host.names(Path(self._jobs)):
            submission = Submission(self.host, self.path(name))
            if not name.endswith(GONE) and submission.claimant() == native_id:
                return JobFiles(submission, name)
        return None

    def unfinished(self) -> list[Remembered]:
        """All submissions of which an end is not known, in the order in which they were made."""
        ended = self.ended()
        found = []
        for name in self.host.names(Path(self._jobs)):
            submission = Submission(self.host, self.path(name))
            intent = submission.intent()
            jobs = _jobs(submission, intent, ended)
            submission.unfinished = len(jobs)
            if jobs:
                found.append(Remembered(submission, intent, jobs))
        return sorted(found, key=lambda remembered: submitted(remembered.intent))

    def prune(self) -> None:
        """Forget what is older than the retention, but nothing that an unfinished job needs. At most once a day."""
        marker = self.directory / "pruned"
        age = self.host.age(marker)
        if self._retention is None or (age is not None and age < _DAY):
            return
        self._prune(self._retention)
        self.host.write(marker, "")

    def _prune(self, retention: float) -> None:
        def old(path: Path) -> bool:
            age = self.host.age(path)
            return age is not None and age > max(retention, _DAY)

        ended = self.ended()
        for name in self.host.names(Path(self._jobs)):
            submission = Submission(self.host, self.path(name))
            # One that is written down only in part was never submitted, if nobody writes it at this moment.
            if old(Path(submission.directory)) and not _jobs(submission, submission.intent(), ended):
                submission.remove()
        needed = set(self.host.names(Path(self._jobs)))
        for path in (self._ledger.parent / name for name in self.host.names(self._ledger.parent)):
            if (
                old(path)
                and not is_writer_alive(path)
                and not any(line.get("submission") in needed for line in self._read(path))
            ):
                self.host.remove(path)

    def ended(self) -> set[str]:
        """The ids of all jobs of which the end is in a ledger."""
        return {line["job_id"] for line in self._lines('"state"')}

    def ends(self, native_ids: Collection[str]) -> dict[str, JobStatus]:
        """The remembered ends of jobs, by their native ids; none of an id that was used again since."""
        newest: dict[str, dict[str, Any]] = {}
        for line in self._lines() if native_ids else ():
            native_id = str(line.get("native_id"))
            if native_id in native_ids and line["noted"] >= newest.get(native_id, line)["noted"]:
                newest[native_id] = line
        found = {}
        for native_id, line in newest.items():
            if "state" in line:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    found[native_id] = status_from_dict(line)
        return found

    def native_id(self, job_id: str) -> str | None:
        """The native id of a job, by its own: from the ledgers, else from the claim that the running job has made."""
        newest, found = float("-inf"), None
        for line in self._lines(json.dumps(job_id)):
            if line["job_id"] == job_id and isinstance(line.get("native_id"), str) and line["noted"] >= newest:
                newest, found = line["noted"], line["native_id"]
        return found or Submission(self.host, self.path(job_id)).claimant()

    def native_ids(self) -> dict[str, str]:
        """The native ids of all jobs in the ledgers, by their own ids."""
        return {line["job_id"]: line["native_id"] for line in self._lines('"submission"') if "native_id" in line}


def _check_private(host: Host, directory: Path, root: Path) -> None:
    owner, mode = host.owner(directory) or (os.geteuid(), 0o700)
    if owner != os.geteuid():
        raise PermissionError(errno.EPERM, f"it belongs to another user (id {owner})", str(directory))
    if mode & 0o022:
        problem = (
            f"others may write to it (mode {mode:o}), and so may have said what runs as you; if you trust all that is "
            f"below {str(root)!r}, `chmod -R go-w` that, else remove it"
        )
        raise PermissionError(errno.EPERM, problem, str(directory))


def _jobs(submission: Submission, intent: dict[str, Any], ended: set[str]) -> list[tuple[JobFiles, dict[str, Any]]]:
    jobs = intent.get("jobs")
    if not isinstance(jobs, list):
        return []
    found = []
    for number, job in enumerate(jobs, start=1):
        with contextlib.suppress(KeyError, TypeError):
            if job["job_id"] not in ended:
                index = number if intent.get("array") else None
                found.append((JobFiles(submission, job["job_id"], index), job["spec"]))
    return found


def submitted(intent: dict[str, Any]) -> float:
    """When a job was submitted (seconds since the epoch), by what was remembered of it; 0 if that is not known."""
    try:
        return float(intent.get("submitted", 0))
    except (ValueError, TypeError):
        return 0.0
