"""How many jobs are getting on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from types import TracebackType
from typing import Any

import click

from psij_like.job_state import JobState

_WAITING = (JobState.NEW, JobState.QUEUED)
_STEPS = 10  # plain lines in all


class PlainProgress:
    """A line whenever another tenth of the jobs has ended.

    Args:
        total: how many jobs there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._next = 1

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, states: Counter[JobState]) -> None:
        """Show how many jobs are in which state."""
        ended = sum(count for state, count in states.items() if state.final)
        if ended * _STEPS >= self._next * self._total:
            self._next = ended * _STEPS // self._total + 1
            click.echo(f"psij-like: {ended} of {self._total} jobs ended{_failed(states)}", err=True)

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def resume(self) -> None:
        """Go on after it."""


class Bar:
    """A bar with counts, redrawn in place.

    Args:
        total: how many jobs there are.
        rich: the parts of the library that draw it.
    """

    def __init__(self, total: int, rich: Any, console: Any) -> None:
        self._bar = rich.Progress(
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TextColumn("{task.fields[counts]}"),
            rich.TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=total, counts="")

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, states: Counter[JobState]) -> None:
        """Show how many jobs are in which state."""
        ended = sum(count for state, count in states.items() if state.final)
        runs = sum(count for state, count in states.items() if state not in _WAITING and not state.final)
        self._bar.update(self._task, completed=ended, counts=f"{runs} running{_failed(states)}")

    def pause(self) -> None:
        """Leave the terminal to a question."""
        self._bar.stop()

    def resume(self) -> None:
        """Go on after it."""
        self._bar.start()


def _failed(states: Counter[JobState]) -> str:
    found = [(states[JobState.FAILED], "failed"), (states[JobState.CANCELED], "cancelled")]
    return "".join(f", {count} {word}" for count, word in found if count)


def progress(total: int) -> Bar | PlainProgress:
    """What shows how many of so many jobs have ended, on standard error."""
    if sys.stderr.isatty():
        try:
            from rich import progress as rich  # noqa: PLC0415 - slow to import, and may be missing
            from rich.console import Console  # noqa: PLC0415
        except ImportError:
            return PlainProgress(total)
        return Bar(total, rich, Console(stderr=True))
    return PlainProgress(total)
