"""Which process submits jobs, and whether it is still at that."""

from __future__ import annotations

import functools
import os
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

from psij_like._engine.processes import lives, start_time

_ELSEWHERE = 300.0  # seconds that a process on a machine which can not be seen may take for a submission


class Submitter(NamedTuple):
    """A process: its machine, its id there, and when it started."""

    host: str
    pid: int
    start: str

    def may_be_at_it(self, seconds: float) -> bool:
        """Whether it may still be at what it began so many seconds ago. This process itself is not: it would know."""
        if self.host != socket.gethostname():
            return seconds < _ELSEWHERE
        return self.pid != os.getpid() and lives(self.pid, self.start)


def writer_name() -> str:
    """A name for a file that this process alone writes."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"


def is_writer_alive(file: Path) -> bool:
    """Whether the process that `writer_name` named a file for may still live, as far as this machine can see."""
    host, _, pid = file.name.rpartition("-")[0].rpartition("-")
    return host == socket.gethostname() and pid.isdigit() and bool(start_time(int(pid)))


def this_process() -> Submitter:
    """This process."""
    return _process(os.getpid())


@functools.lru_cache(maxsize=1)
def _process(pid: int) -> Submitter:
    return Submitter(socket.gethostname(), pid, start_time(pid))


def submitter(facts: object) -> Submitter | None:
    """One that was written down as a list; None if it was not."""
    match facts:
        case [str(host), int(pid), str(start)]:
            return Submitter(host, pid, start)
    return None
