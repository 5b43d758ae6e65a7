"""What a process has one of for its local jobs: a supervisor, a watcher of other clients' processes, and a tracker."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psij_like._engine.doorbell import open_doorbell
from psij_like._engine.evidence import Patience, Report
from psij_like._engine.journal import Entry, Journals, end_report
from psij_like._engine.process_watcher import ProcessWatcher
from psij_like._engine.processes import lives, start_time
from psij_like._engine.supervised import SupervisorClient
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker
from psij_like.job_state import JobState

# Nothing is asked at intervals: the supervisor and the watcher tell of every end at once. But for jobs that this
# machine can not see.
_PACE = Pace(first=30.0, shortest=0.05, longest=30.0, patience=Patience(record=1.0, lost=2.0))


class House:
    """See the module; the source (see `_engine.source`) of its tracker."""

    trusted = True
    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.tracker = Tracker(self, _PACE, open_doorbell("127.0.0.1"))
        self.supervisor = SupervisorClient(self._ended)
        self._attached: dict[str, tuple[Journals, Entry]] = {}  # jobs of other clients
        self._own: dict[str, tuple[Journals, Path]] = {}  # our supervisor's jobs, if it should die, and their journal
        self._watcher = ProcessWatcher(lambda _: self.tracker.look("", ask=True))
        self._foreign: dict[str, str] = {}  # attached processes that no supervisor started, and when they started

    def _ended(self, line: dict[str, Any] | None) -> None:
        if line is None:
            self._adopt()
            self.tracker.look("", ask=True)
        else:
            self._own.pop(line["job"], None)
            self.tracker.report([end_report(line)])

    def _adopt(self) -> None:
        """The supervisor has died; its jobs live on."""
        orphans = dict(self._own)
        for journals, journal in set(orphans.values()):
            for entry in journals.entries(journal):
                if entry.job in orphans:
                    self.attach(entry, journals)
                    self._own.pop(entry.job, None)

    def remember_own(self, job: str, journals: Journals) -> None:
        """Remember where the journal is of a job that was just started."""
        self._own[job] = (journals, journals.own)
        if job not in self.supervisor.jobs:  # it has ended already
            self._own.pop(job, None)

    def attach(self, entry: Entry, journals: Journals) -> None:
        """A job of another client is attached: ask again when its process ends."""
        self._attached[entry.job] = (journals, entry)
        if entry.end is None and entry.alive:
            self._watcher.watch(entry.job, entry.pid)

    def remember_foreign(self, native_id: str) -> None:
        """A job is attached: remember which process its id means now, before the id can mean another one."""
        if native_id.isdigit():
            self._foreign[native_id] = start_time(int(native_id))

    def watch_foreign(self, native_id: str) -> bool:
        """Ask again when a process ends that no supervisor started. False if there is no such process."""
        alive = self.foreign_alive(native_id)
        if alive:
            self._watcher.watch("", int(native_id))
        return alive

    def foreign_alive(self, native_id: str) -> bool:
        """Whether a process that no supervisor started lives."""
        start = self._foreign.get(native_id, "")
        return bool(start) and lives(int(native_id), start)

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """How the processes are. See `Source.poll`."""
        asked = {job.native_id for job in jobs}
        attached = {job: where for job, where in list(self._attached.items()) if job in asked}
        reports = {job: self._report(job) for job in asked - attached.keys()} | _attached_reports(attached)
        # Where neither process nor supervisor was there any more, the end may have been written since the look.
        reports |= _attached_reports({job: where for job, where in attached.items() if reports[job] is None})
        for job in attached:
            report = reports[job]
            if report is None or report.final:
                self._attached.pop(job, None)
        return {job: report for job, report in reports.items() if report is not None}

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Nothing: there is nobody else to ask. See `Source.details`."""
        return {}

    def withdraw(self, jobs: Sequence[Tracked]) -> None:
        """Nothing: no job waits here. See `Source.withdraw`."""

    def _report(self, native_id: str) -> Report | None:
        if native_id in self.supervisor.jobs:
            return Report(native_id, None)
        return Report(native_id, JobState.ACTIVE) if self.foreign_alive(native_id) else None


def _attached_reports(attached: Mapping[str, tuple[Journals, Entry]]) -> dict[str, Report | None]:
    """What is known of jobs of other clients; each journal is read once."""
    reports: dict[str, Report | None] = {}
    by_journal: dict[tuple[Journals, Path], list[Entry]] = {}
    for journals, entry in attached.values():
        by_journal.setdefault((journals, entry.journal), []).append(entry)
    for (journals, journal), entries in by_journal.items():
        try:
            ends = journals.ends(journal)
        except OSError:  # of what can not be read now there is no news
            reports.update((entry.job, Report(entry.job, None)) for entry in entries)
        else:
            reports.update((entry.job, entry.report(ends.get(entry.job))) for entry in entries)
    return reports


_the_house: list[House] = []
_lock = threading.Lock()


def house() -> House:
    """This process's."""
    with _lock:
        if not _the_house:
            _the_house.append(House())
        return _the_house[0]


def _start_afresh() -> None:
    global _lock  # noqa: PLW0603 - it may have been held by a thread that a forked child lacks
    _lock = threading.Lock()
    for parents in _the_house:
        parents.supervisor.abandon()
    _the_house.clear()


os.register_at_fork(after_in_child=_start_afresh)
