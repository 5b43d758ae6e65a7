"""News of batch jobs: runs a backend's query commands and has it read their answers."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

from psij_like._engine.backend import Backend, Command, Refused, Unavailable
from psij_like._engine.dependencies import met
from psij_like._engine.evidence import Report
from psij_like._engine.host import CommandError, CommandMissing, Host, Result, is_odd
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like.job_info import JobUsage
from psij_like.job_status import Reason

_log = logging.getLogger(__name__)
_NATIVE_ID = attrgetter("native_id")


@dataclass
class BatchSource:
    """See `_engine.source.Source`.

    Attributes:
        backend: the scheduler.
        host: where its commands run.
        timeout: seconds that a command may take.
        commands: how many of each of the scheduler's commands were run.
        cluster: the variables that choose the cluster; later changes of this process's environment do not matter.
    """

    backend: Backend
    host: Host
    timeout: float
    cluster: Mapping[str, str]
    commands: Counter[str] = field(default_factory=Counter)
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _probed: bool = False
    _largest_array: int | None = None
    _useless: set[int] = field(default_factory=set)  # detail commands that do not work at this site

    @property
    def trusted(self) -> bool:
        """Whether the scheduler's exit codes are those of the jobs."""
        return self.backend.trusted

    @property
    def limit_signals(self) -> frozenset[int]:
        """The signals that end jobs at their time limit, of which the scheduler says no more."""
        return self.backend.limit_signals

    @property
    def reserved(self) -> frozenset[int]:
        """See `Source.reserved`."""
        return self.backend.reserved

    def start_afresh(self) -> None:
        """In a forked child: the lock may have been held by a thread that it lacks."""
        self._counting = threading.Lock()

    def probe(self) -> bool:
        """Have the backend learn which kind of its scheduler this is; whether it did. CommandError if it can not."""
        command = None if self._probed else self.backend.probe_command()
        if command is not None:
            self.backend.learn(self.run(command))
        self._probed = True
        return command is not None

    def largest_array(self) -> int:
        """How many elements an array may have; the scheduler is asked once."""
        arrays = self.backend.arrays
        if self._largest_array is None and arrays is not None:
            told = None
            if arrays.limit:
                with contextlib.suppress(CommandError):  # it is asked again then
                    told = self.backend.largest_array(self.run(Command(arrays.limit)))
                    self._largest_array = told or arrays.largest
            else:
                self._largest_array = arrays.largest
            return told or arrays.largest
        return self._largest_array or 1

    def run(self, command: Command, output: Path | None = None) -> Result:
        """Run one of the backend's commands. CommandError if it gives no result."""
        with self._counting:
            self.commands[command.argv[0]] += 1
        environment = {**self.backend.environment(os.environ), **self.cluster, **dict(command.variables)}
        return self.host.run(
            command.argv, timeout=self.timeout, environment=environment, stdin=command.stdin, output=output
        )

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """See `Source.poll`."""
        reports = self._reports(_ids(jobs))
        waiting = {report.native_id: report for report in reports.values() if report.waits_for}
        if not waiting:
            return reports
        settled = {
            job.native_id: self._settled(job, waiting[job.native_id], reports)
            for job in jobs
            if job.native_id in waiting
        }
        return {**reports, **settled}

    def listing(self) -> Mapping[str, Report]:
        """What the scheduler says of all jobs of this user, whoever submitted them; nothing if it can not tell that.

        Raises:
            Unreachable: it can not be asked.
        """
        found = self._reports([]) if self.backend.lists_all else {}
        return {native_id: report for native_id, report in found.items() if not report.others}

    def _reports(self, native_ids: Sequence[str]) -> Mapping[str, Report]:
        try:
            self.probe()
            try:
                return self._asked(native_ids)
            except Unavailable as error:
                if not error.again:
                    raise
                return self._asked(native_ids)
        except CommandMissing as error:
            raise Unreachable(f"{error}; {self.backend.install_hint}", transient=False) from error
        except (CommandError, Unavailable) as error:
            raise Unreachable(str(error)) from error

    def _asked(self, native_ids: Sequence[str]) -> Mapping[str, Report]:
        return self.backend.reports(self.run(self.backend.status_command(native_ids)))

    def usage(self, native_id: str) -> JobUsage | None:
        """What a job has used, where the scheduler counts that and can be asked now."""
        command = self.backend.usage_command(native_id)
        try:
            return self.backend.usage(native_id, self.run(command)) if command is not None else None
        except (CommandError, Unavailable) as error:
            _log.info("nobody tells what job %s has used: %s", native_id, error)
            return None

    def _settled(self, job: Tracked, report: Report, reports: Mapping[str, Report]) -> Report:
        """Have a job go on if those it waits for have ended unnoticed by its scheduler; or say that it can not."""
        over = []
        for other in report.waits_for:
            told = reports.get(other.native_id)
            if told is not None and told.state is not None and told.final:
                if not met(other.kind, told.state):
                    return replace(report, reason=Reason.DEPENDENCY_FAILED)
                over.append(other)
            elif told is None and job.knows_end_of(other.native_id):
                return replace(report, reason=Reason.DEPENDENCY_FAILED)  # the scheduler can not be told of it any more
        if over:
            left = [other for other in report.waits_for if other not in over]
            try:
                command = self.backend.settle_command(job.native_id, left, over)
                self.backend.check_hold(self.run(command))
            except (CommandError, Refused) as error:  # it may have been noticed meanwhile; else it is tried again
                _log.info("job %s could not be told that others have ended: %s", job.native_id, error)
        return report

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """See `Source.details`. A command that does not work at this site is found out once, and left out."""
        found = self._logged(jobs)
        problem: Exception | None = None
        answered = False
        for number in range(self.backend.detail_sources):
            missing = [native_id for native_id in _ids(jobs) if native_id not in found or not found[native_id].final]
            if number in self._useless or not missing:
                continue
            try:
                reports = self.backend.detail_reports(number, self.run(self.backend.detail_command(number, missing)))
            except CommandMissing:
                self._useless.add(number)
            except (CommandError, Unavailable) as error:
                if isinstance(error, Unavailable) and error.for_good:
                    self._useless.add(number)
                else:
                    problem = error
            else:
                answered = True
                found.update({key: report for key, report in reports.items() if key in missing})
        if problem is not None and not answered:
            raise Unreachable(str(problem)) from problem
        return found

    def _logged(self, jobs: Sequence[Tracked]) -> dict[str, Report]:
        """What the scheduler itself wrote about the ends of jobs into their directories."""
        found = {}
        for job in jobs:
            if self.backend.log is not None and job.files is not None:
                try:
                    text = self.host.read(job.files.path(self.backend.log))
                except OSError as error:
                    if is_odd(error):
                        continue
                    raise Unreachable(f"the scheduler's log of job {job.native_id} can not be read: {error}") from error
                report = self.backend.log_report(job.native_id, text) if text else None
                if report is not None:
                    found[job.native_id] = report
        return found

    def withdraw(self, jobs: Sequence[Tracked]) -> None:
        """See `Source.withdraw`."""
        try:
            self.cancel(_ids(jobs))
        except (CommandError, Refused) as error:
            raise Unreachable(str(error)) from error

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Have jobs cancelled: Refused or CommandError if that is not taken."""
        groups = [native_ids] if self.backend.cancels_many else [[native_id] for native_id in native_ids]
        for group in groups:
            self.backend.check_cancel(self.run(self.backend.cancel_command(group)))


def _ids(jobs: Sequence[Tracked]) -> list[str]:
    return list(dict.fromkeys(map(_NATIVE_ID, jobs)))
