"""Merlin: its Celery workers run in our jobs, and get their tasks from a Redis."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from conftest import _without
from executors.support import until
from integrations.system import EXAMPLES, System, rarely_on_slurm

STUDY = EXAMPLES / "merlin" / "study.yaml"
APP = """\
broker: &redis
    name: redis
    server: 127.0.0.1
    port: {port}
    db_num: 0
results_backend: *redis
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis of the test's own."""
    server = shutil.which("redis-server")
    if server is None:
        _without("redis")("no redis-server here: Debian's package is redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(port), 30)
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@rarely_on_slurm
def test_workers_are_jobs(system: System, redis: int) -> None:
    anyway = {"C_FORCE_ROOT": "1"} if os.geteuid() == 0 else {}  # Celery wants no superuser
    place = system.at("study", **anyway)
    (place.here / ".merlin").mkdir()
    (place.here / ".merlin" / "app.yaml").write_text(APP.format(port=redis))
    place.run("merlin", "run", STUDY)
    workers = place.start("merlin", "run-workers", STUDY)
    workers.end()  # what it started goes on
    until(lambda: list(place.here.glob("greetings_*/gather/MERLIN_FINISHED")), 120)
    (gathered,) = place.here.glob("greetings_*/gather/all.txt")
    assert gathered.read_text() == "hello Ada\nhello Bob\nhello Cy\n"
    assert " ACTIVE" in workers.printed
    place.run("merlin", "stop-workers")
    place.has_ended()
    assert " COMPLETED (exit)" in workers.printed
