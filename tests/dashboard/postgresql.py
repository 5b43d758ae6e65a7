"""A PostgreSQL of our own, below a directory, reached by a socket."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote


def _program(name: str) -> str | None:
    newest_first = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(newest_first[0]) if newest_first else shutil.which(name)


class PostgreSQL:
    """A running one."""

    def __init__(self, control: Callable[..., None], socket: Path) -> None:
        self._control = control
        self._socket = socket
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """The URL of a database that holds nothing."""
        name = f"dashboard{next(self._numbers)}"
        createdb = _program("createdb") or "createdb"
        subprocess.run([createdb, "-h", str(self._socket), name], check=True, capture_output=True, timeout=60)
        return f"postgresql://{getpass.getuser()}@/{name}?host={quote(str(self._socket))}"

    @contextmanager
    def down(self) -> Iterator[None]:
        """Within it nobody answers."""
        self._control("-m", "fast", "stop")
        try:
            yield
        finally:
            self._control("start")


@contextmanager
def running(refuse: Callable[[str], NoReturn]) -> Iterator[PostgreSQL]:
    """Start one, and stop it at the end; `refuse` is called with the reason where that is impossible."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        refuse("PostgreSQL is not installed here (Debian: postgresql)")
    if os.geteuid() == 0:
        refuse("PostgreSQL does not run as root: run `make test`, which becomes an ordinary user")
    with tempfile.TemporaryDirectory(prefix="psij-pg-", dir="/tmp") as name:  # sockets have short paths
        place = Path(name)
        data, log = place / "data", place / "log"
        made = subprocess.run(
            [initdb, "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert made.returncode == 0, made.stderr
        options = f"-k {place} -c listen_addresses='' -c max_connections=200"

        def control(*action: str) -> None:
            done = subprocess.run(
                [pg_ctl, "-D", data, "-l", log, "-w", "-t", "60", "-o", options, *action],
                check=False,
                stdout=subprocess.DEVNULL,
                timeout=120,
            )
            assert done.returncode == 0, log.read_text()

        control("start")
        try:
            yield PostgreSQL(control, place)
        finally:
            control("-m", "immediate", "stop")
