"""Real Flux instances of two nodes on this machine, where flux-core is installed, and executors for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executors.support import Ear
from psij_like import JobExecutor
from psij_like.executors._flux import bindings
from psij_like.executors.flux import FluxExecutorConfig

_READY = 'until flux resource list -n -s free -o "{ncores}" | grep -q "[1-9]"; do :; done; echo "$FLUX_URI"; exec cat'
QUICK = {"initial_queue_polling_delay": 0.2, "minimum_polling_interval": 0.2, "queue_polling_interval": 1}


class Instance:
    """One that ends when its standard input does, so at the latest with the tests."""

    def __init__(self, directory: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
        self.process = subprocess.Popen(
            ["flux", "start", "-s", "2", f"--test-rundir={directory}", "--test-hosts=node[0-1]", "sh", "-c", _READY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()

    def run(self, *argv: str) -> str:
        """What a command says."""
        environment = {**os.environ, "FLUX_URI": self.uri}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    def kill(self) -> None:
        """Have it vanish; its jobs run on."""
        for broker in self.run("flux", "exec", "-r", "all", "flux", "getattr", "broker.pid").split():
            os.kill(int(broker), signal.SIGKILL)
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        if self.process.poll() is None:
            environment = {**os.environ, "FLUX_URI": self.uri}
            subprocess.run(["flux", "cancel", "--all", "--quiet"], env=environment, check=False, timeout=60)
            self.process.communicate(timeout=60)


@pytest.fixture
def start_flux() -> Iterator[Callable[[Path], Instance]]:
    """Start an instance in a directory."""
    _required()
    instances: list[Instance] = []

    def start(directory: Path) -> Instance:
        instances.append(Instance(directory))
        return instances[-1]

    yield start
    for instance in instances:
        instance.stop()


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory with a short name: sockets want one."""
    with tempfile.TemporaryDirectory(prefix="flux-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def shared_flux() -> Iterator[Instance]:
    _required()
    with tempfile.TemporaryDirectory(prefix="flux-") as name:
        instance = Instance(Path(name))
        yield instance
        instance.stop()


def _required() -> None:
    if shutil.which("flux") is None:
        pytest.skip("flux-core is not installed here: there is no command flux")


@pytest.fixture(params=["bindings", "commands"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How Flux is spoken to."""
    way: str = request.param
    _required()
    if way == "commands":
        monkeypatch.setattr(bindings, "available", lambda: False)
    elif not bindings.available():
        pytest.skip("Flux's Python bindings can not be imported by this Python")
    return way


@pytest.fixture
def make_executor(way: str, work_directory: Path) -> Callable[..., JobExecutor]:
    def make(uri: str, **settings: Any) -> JobExecutor:
        config = FluxExecutorConfig(**{"work_directory": work_directory / "psij", **QUICK, **settings})
        return JobExecutor.get_instance("flux", url=uri, config=config)

    return make


@pytest.fixture
def executor(make_executor: Callable[..., JobExecutor], shared_flux: Instance) -> JobExecutor:
    return make_executor(shared_flux.uri)


@pytest.fixture
def ear(executor: JobExecutor) -> Ear:
    """Hears of every change of the executor's jobs."""
    ear = Ear()
    executor.set_job_status_callback(ear)
    return ear
