"""A foreign system in its own environment, as its users start it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from clusters.client import Cluster
from executors.support import until
from integrations.environments import ROOT

EXAMPLES = ROOT / "examples"
PROGRAMS = Path(__file__).parent / "programs"

rarely_on_slurm = pytest.mark.parametrize(
    "system", ["local", pytest.param("slurm", marks=[pytest.mark.slurm, pytest.mark.slow])], indirect=True
)
"""For a test: always on this machine, and on a real Slurm when slow tests are asked for."""


class Run:
    """A command that was started, and what it prints."""

    def __init__(self, command: list[str], here: Path, variables: Mapping[str, str]) -> None:
        self._output = here / f"{len(list(here.glob('*.printed')))}.printed"
        with self._output.open("wb") as file:
            self._process = subprocess.Popen(
                command, cwd=here, env=variables, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def printed(self) -> str:
        """What it has printed by now."""
        return self._output.read_text()

    def end(self, *, code: int | None = 0, timeout: float = 120) -> str:
        """Wait for its end, which has to be that exit code; what it printed."""
        try:
            ended = self._process.wait(timeout)
        except BaseException:
            self._process.kill()
            self._process.wait()
            print(self.printed)
            raise
        assert code is None or ended == code, f"exit code {ended}\n{self.printed}"
        return self.printed

    def facts(self) -> Any:
        """What a program of `programs/` found out, which it prints last."""
        return json.loads(self.end().splitlines()[-1])

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it, if it has not."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


@dataclass(frozen=True)
class System:
    """A foreign system.

    Attributes:
        environment: where it is installed.
        here: the directory that its commands run in, and the home directory of who runs them.
        executor: the executor that psij-like finds configured.
        cluster: where that is Slurm: the cluster.
        variables: further variables of its commands.
    """

    environment: Path
    here: Path
    executor: str = "local"
    cluster: Cluster | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def at(self, name: str, **variables: str) -> System:
        """The same in a new directory below."""
        (self.here / name).mkdir()
        return replace(self, here=self.here / name, variables={**self.variables, **variables})

    @property
    def surroundings(self) -> dict[str, str]:
        """The variables of its commands: its environment is active."""
        outside = {**(os.environ if self.cluster is None else self.cluster.environment), **self.variables}
        return {
            **{name: value for name, value in outside.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
            "PATH": f"{self.environment / 'bin'}:{outside.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(self.environment),
            "HOME": str(self.here),
            "PWD": str(self.here),
            "PSIJ_EXECUTOR": self.executor,
        }

    def start(self, *command: str | Path) -> Run:
        """Start a command."""
        return Run([str(word) for word in command], self.here, self.surroundings)

    def run(self, *command: str | Path, code: int = 0) -> str:
        """Run a command to its end, which has to be that exit code; what it printed."""
        return self.start(*command).end(code=code)

    def program(self, name: str, *arguments: str) -> Run:
        """Start one of `programs/`."""
        return self.start("python", PROGRAMS / name, *arguments)

    def let_time_run_out(self, native_id: str) -> None:
        """A job of Slurm's has no time left: the cluster notices within 30 s, rather than after a minute."""
        if self.cluster is not None:
            changed = self.cluster.admin(["scontrol", "update", f"JobId={native_id}", "EndTime=now"])
            assert changed.returncode == 0, changed.stderr

    def slurm_jobs(self, name: str) -> list[str]:
        """The states of this user's jobs of that name, in Slurm's words."""
        assert self.cluster is not None
        told = self.cluster.run("squeue", "--me", "-h", "-t", "all", "-o", "%T", "--name", name)
        assert told.returncode == 0, told.stderr
        return told.stdout.split()

    def at_work(self) -> list[str]:
        """The command lines of processes that work in its directory."""
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(self.here):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # it has ended, or is somebody else's
                continue
        return [line for line in found if line]

    def has_ended(self) -> None:
        """Wait until nothing works in its directory any more."""
        until(lambda: not self.at_work(), 30)
