"""Several things at once, or one while its caller goes on."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Sequence

PATIENCE = 2.0  # seconds
_PAUSE = 0.02  # seconds between two tries


def in_parallel(actions: Sequence[Callable[[], object]], most: int) -> None:
    """Do all of these, so many at once. What one raises is raised when those that have begun are done."""
    if len(actions) < 2:
        for action in actions:
            action()
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import, for many jobs only

    pool = ThreadPoolExecutor(most, "psij-like submission")
    try:
        for done in [pool.submit(action) for action in actions]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_background(action: Callable[[], object]) -> None:
    """Begin to do it. The end of the interpreter does not wait for that."""
    begin(action, "psij-like submission")


def begin(action: Callable[[], object], name: str, patience: float = PATIENCE) -> None:
    """Have a thread of that name do it, which the end of the interpreter does not wait for.

    Raises:
        BlockingIOError: the system has had no thread to give for so many seconds. Whoever asks again may get one.
    """
    enough = time.monotonic() + patience
    while True:
        try:
            threading.Thread(target=action, name=name, daemon=True).start()
        except RuntimeError as error:
            if time.monotonic() >= enough:
                raise BlockingIOError(errno.EAGAIN, str(error)) from error
            time.sleep(_PAUSE)
        else:
            return
