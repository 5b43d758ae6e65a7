"""Runs many jobs from one description, and shows how they are getting on."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli.follow import exit_code
from psij_like.cli.options import words
from psij_like.cli.output import captured, tails
from psij_like.cli.progress import progress
from psij_like.cli.sweep import Parameters, filled, unused
from psij_like.exceptions import BulkSubmitException, InvalidJobException
from psij_like.job import Job
from psij_like.job_state import JobState
from psij_like.serialize import spec_from_dict

if TYPE_CHECKING:
    from psij_like.cli.interruptions import Interruptions
    from psij_like.job_executor import JobExecutor
    from psij_like.job_status import JobStatus

_LOOK = 0.1  # seconds between looks at what has changed
_MOST_TOLD = 10


class Campaign:
    """Many jobs that are run together.

    Args:
        data: what they have in common, in which `{NAME}` stands for a parameter.
        parameters: what is special about each.
        place: the directory for output of which it is not said where it goes; None if nobody wants it.

    Raises:
        click.UsageError: one of them is wrong in itself; names its parameters.
    """

    def __init__(self, data: dict[str, Any], parameters: Sequence[Parameters], place: Path | None) -> None:
        self.jobs: dict[Job, Parameters] = {}
        self.refused: dict[Job, Exception] = {}
        self.history: dict[Job, list[JobStatus]] = {}
        self._trouble: Exception | None = None
        self._outputs: dict[Job, dict[str, Path]] = {}
        for name in unused(data, parameters[0]):
            click.echo(f"psij-like: the parameter {name!r} is used nowhere; {{{name}}} would stand for it", err=True)
        for each in parameters:
            try:
                spec = spec_from_dict(filled(data, each))
            except InvalidJobException as error:
                raise click.UsageError(f"the job with {_told(each)}: {error}") from error
            self.jobs[job := Job(spec)] = each
            if place is not None:
                self._outputs[job] = captured(spec, place, f"{each['i']}.")

    def submit(self, executor: JobExecutor) -> None:
        """Submit all of them, as arrays where there are such; those that were refused are remembered."""
        try:
            executor.submit_bulk(self.jobs)
        except BulkSubmitException as error:
            self.refused = dict(error.failures)

    def run(self, executor: JobExecutor, interruptions: Interruptions, *, quiet: bool) -> int:
        """Submit them, and follow them to their ends; the exit code that tells of these."""
        ended: queue.SimpleQueue[Job] = queue.SimpleQueue()
        states = dict.fromkeys(self.jobs, JobState.NEW)

        def listen(job: Job, status: JobStatus) -> None:
            states[job] = status.state
            self.history[job].append(status)
            if status.final:
                ended.put(job)

        for job in self.jobs:
            job.set_job_status_callback(listen)
            self.history[job] = []
        submission = threading.Thread(target=self._submit_behind, args=(executor,), daemon=True)
        submission.start()
        with progress(len(self.jobs)) as shown:
            left = len(self.jobs)
            while submission.is_alive() or (left > len(self.refused) and self._trouble is None):
                sleep(_LOOK)
                while not ended.empty():
                    self._show_output(ended.get())
                    left -= 1
                if not quiet:
                    shown.show(Counter(states.values()))
                if interruptions.came and not submission.is_alive():
                    self._heed(interruptions, executor, shown)
        if self._trouble is not None:
            raise self._trouble
        return self._outcome(quiet=quiet)

    def _submit_behind(self, executor: JobExecutor) -> None:
        try:
            self.submit(executor)
        except Exception as error:  # it is raised where it is waited for
            self._trouble = error

    def _heed(self, interruptions: Interruptions, executor: JobExecutor, shown: Any) -> None:
        going = [job for job in self.jobs if job not in self.refused and not job.status.final]
        shown.pause()
        if interruptions.wants_an_end(f"cancel {len(going)} jobs?"):
            executor.cancel_bulk([job for job in going if not job.status.final])
        shown.resume()

    def _show_output(self, job: Job) -> None:
        found = self._outputs.pop(job, {})
        for tail in tails(found):
            tail.close()
        for path in found.values():
            path.unlink(missing_ok=True)

    def _outcome(self, *, quiet: bool) -> int:
        counts = Counter(str(job.status.state) for job in self.jobs if job not in self.refused)
        bad = [job for job in self.jobs if job in self.refused or str(job.status.state) != "COMPLETED"]
        if not quiet:
            refused = f", {len(self.refused)} not submitted" if self.refused else ""
            parts = ", ".join(f"{count} {state.lower()}" for state, count in sorted(counts.items()))
            click.echo(f"psij-like: {len(self.jobs)} jobs: {parts}{refused}", err=True)
        for job in bad[:_MOST_TOLD]:
            why = self.refused.get(job) or words(job.status)
            click.echo(f"psij-like: job {job.native_id or '-'} ({_told(self.jobs[job])}): {why}", err=True)
        if len(bad) > _MOST_TOLD:
            click.echo(f"psij-like: and {len(bad) - _MOST_TOLD} more", err=True)
        return next((1 if job in self.refused else exit_code(job) for job in bad), 0)


def _told(parameters: Parameters) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())
