"""Real servers of the dashboard, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

COMMAND = (sys.executable, "-c", "from psij_like.cli.main import main; main()", "dashboard")
_LIMIT = 60  # seconds, for what takes a second or two


def dashboard(*arguments: str | Path, database: str, code: int = 0) -> str:
    """Run `psij-like dashboard` to its end and return what it printed, on standard error if it failed."""
    environment = {**os.environ, "PSIJ_DASHBOARD_DATABASE": database}
    ran = subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout if code == 0 else ran.stderr


class Server:
    """A server that answers."""

    def __init__(self, database: str, *options: str) -> None:
        self.database = database
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *options],
            env={**os.environ, "PSIJ_DASHBOARD_DATABASE": database, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(_LIMIT, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            _, said = self.process.communicate()
            raise AssertionError(f"the server did not start: {said}")
        self.address = line.split()[-1]
        self.client = httpx.Client(base_url=self.address, timeout=_LIMIT, trust_env=False)

    def token(self, site: str = "Alpha", institution: str = "First Institute") -> str:
        """A new token."""
        return dashboard("token", "create", site, "--institution", institution, database=self.database).strip()

    def send(self, report: Any, token: str | None, **headers: str) -> httpx.Response:
        """Send a report, or what is no report."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        headers.setdefault("Content-Type", "application/json")
        content = report if isinstance(report, bytes) else json.dumps(report).encode()
        return self.client.post("/api/v1/reports", content=content, headers=headers)

    def page(self, address: str, code: int = 200) -> str:
        """The text of a page."""
        answer = self.client.get(address)
        assert answer.status_code == code, answer.text
        return answer.text

    def json(self, address: str) -> Any:
        """What the JSON API says."""
        answer = self.client.get(f"/api/v1{address}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def kill(self) -> None:
        """End it as a power failure would."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """End it as an administrator would; what it complained of meanwhile."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=_LIMIT)
        return said


@contextmanager
def serving(database: str, *options: str, complaints: bool = False) -> Iterator[Server]:
    """A server, for a time; nothing goes wrong in it that nobody is told, unless complaints are expected."""
    server = Server(database, *options)
    try:
        yield server
    finally:
        said = server.stop()
    assert complaints or said == "", said
