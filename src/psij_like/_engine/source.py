"""Where the news of a kind of jobs comes from, as a tracker sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from psij_like._engine.evidence import Report
from psij_like._engine.tracked import Tracked


class Unreachable(Exception):  # noqa: N818 - reads as what happened
    """A scheduler could not be asked; its jobs are presumed alive.

    Args:
        message: why.
        transient: whether asking again may help.
    """

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class Source(Protocol):
    """Where the news of a kind of jobs comes from."""

    @property
    def trusted(self) -> bool:
        """Whether the exit codes in its reports are those of the jobs."""

    @property
    def limit_signals(self) -> frozenset[int]:
        """See `Backend.limit_signals`."""

    @property
    def reserved(self) -> frozenset[int]:
        """See `Backend.reserved`."""

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Ask about all the jobs at once; those it does not know are missing in the answer.

        Raises:
            Unreachable: nothing can be said now.
        """

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """Ask costlier sources about jobs that ended or vanished.

        Raises:
            Unreachable: nothing can be said now.
        """

    def withdraw(self, jobs: Sequence[Tracked]) -> None:
        """Cancel jobs that can never start.

        Raises:
            Unreachable: the request was not taken; it is made again.
        """
