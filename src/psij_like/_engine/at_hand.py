"""The jobs that some executor of this process hands over or follows, by their ids: nobody else here takes them up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

_ids: set[str] = set()
_lock = threading.Lock()


def take(job_ids: Iterable[str]) -> bool:
    """Take jobs up; False, and nothing is done, if one of them is in somebody's hands."""
    wanted = set(job_ids)
    with _lock:
        if not _ids.isdisjoint(wanted):
            return False
        _ids.update(wanted)
        return True


def keep(job_id: str) -> None:
    """Take a job up, whoever has it."""
    with _lock:
        _ids.add(job_id)


def give_up(job_ids: Iterable[str]) -> None:
    """Have nothing to do with jobs any more."""
    with _lock:
        _ids.difference_update(job_ids)


def _start_afresh() -> None:
    global _lock  # noqa: PLW0603 - it may have been held by a thread that a forked child lacks
    _lock = threading.Lock()
    _ids.clear()


os.register_at_fork(after_in_child=_start_afresh)
