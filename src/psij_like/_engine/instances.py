"""The executors of this process: what a forked child, and the end of the interpreter, mean to them."""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from typing import Protocol

_log = logging.getLogger(__name__)


class Instance(Protocol):
    """An executor."""

    def _start_afresh(self) -> None:
        """In a forked child: the jobs so far are the parent's."""

    def _give_up_waiting(self) -> int:
        """Submit none of the jobs that still wait for their turn; how many there were."""


_all: weakref.WeakSet[Instance] = weakref.WeakSet()
_registered: list[bool] = []


def remember(executor: Instance) -> None:
    """There is one more."""
    _all.add(executor)


def warn_at_exit() -> None:
    """Jobs may wait for their turn in the background from now on: the interpreter's end says what became of them."""
    if not _registered:
        _registered.append(True)
        atexit.register(_warn)


def _warn() -> None:
    left = sum(executor._give_up_waiting() for executor in list(_all))
    if left:
        _log.warning(
            "%d jobs of submit_bulk were never submitted: the program ended before it was their turn (max_queued, "
            "max_submission_rate); to have them submitted, wait for the jobs first",
            left,
        )


def _start_afresh() -> None:
    for executor in list(_all):
        executor._start_afresh()


os.register_at_fork(after_in_child=_start_afresh)
