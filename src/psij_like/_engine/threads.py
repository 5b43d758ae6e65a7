"""Several things at once, or one while its caller goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence


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
    threading.Thread(target=action, name="psij-like submission", daemon=True).start()
