"""What the real clusters have in common: a directory, daemons of their own, an end that leaves nothing."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from clusters.processes import as_user

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ClusterError(Exception):
    """A cluster that doesn't do what it should; the message quotes the log that tells why."""


class ClusterUnavailableError(ClusterError):
    """This machine can't have such a cluster: programs or rights are missing."""


@dataclass(frozen=True)
class Options:
    """What a test may choose. It comes from an ordinary user and ends in root's files: numbers, no free text."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if type(value) is not type(getattr(type(self), name)):
                raise ClusterError(f"option {name}: {value!r} has the wrong type")


def free_ports(count: int) -> list[int]:
    """Free neighbouring ports, below those which the kernel gives to clients."""
    for _ in range(200):
        ports = range(start := random.randrange(20000, 32000), start + count)
        with contextlib.ExitStack() as stack:
            try:
                for port in ports:
                    stack.enter_context(socket.socket()).bind(("", port))
            except OSError:
                continue
        return list(ports)
    raise ClusterError("no free ports")


class RealCluster(ABC):
    """One cluster, from `start` to `stop`. `user` is the ordinary user that will submit jobs."""

    kind: ClassVar[str]
    """The name by which a cluster of this kind is asked for."""
    options_type: ClassVar[type[Options]] = Options
    """What a test may choose."""
    controls: ClassVar[Mapping[str, frozenset[str]]] = {
        "stop": frozenset(),
        "stop_controller": frozenset(),
        "start_controller": frozenset(),
        "admin": frozenset({"argv", "timeout"}),
        "log": frozenset({"name"}),
    }
    """The methods that a test may call, with the names of their arguments."""
    admin_commands: ClassVar[frozenset[str]]
    """What the administrator may be asked to run."""
    administrator: ClassVar[str]
    """Who that is."""
    controller: ClassVar[str]
    """The daemon whose log tells most."""

    def __init__(self, user: str, options: Any = None, *, parent: Path = Path("/var/tmp")):
        self.user = user
        self.options: Any = options or self.options_type()
        self._parent = parent
        self._directory: Path | None = None
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._last_words = ""  # of the command that is asked again and again while we wait

    # What a kind of cluster says of itself

    @property
    @abstractmethod
    def variables(self) -> dict[str, str]:
        """The environment variables that choose this cluster."""

    @property
    def commands(self) -> Path | None:
        """The directory of the cluster's own commands, if the machine's usual ones don't fit."""
        return None

    @abstractmethod
    def missing_programs(self) -> list[str]:
        """The programs which the cluster needs and this machine lacks."""

    @abstractmethod
    def _start(self) -> None:
        """Start everything in the directory, which is there; return when jobs can run."""

    @abstractmethod
    def _kill_jobs(self) -> None:
        """Kill what the daemons don't take with them when they are killed."""

    @abstractmethod
    def stop_controller(self) -> None:
        """Stop the controller in good order (it saves its state); jobs go on."""

    @abstractmethod
    def start_controller(self) -> None:
        """Start the controller with the state it saved; return when it answers."""

    # What is the same for all

    @property
    def directory(self) -> Path:
        if self._directory is None:
            raise ClusterError("the cluster has not been started")
        return self._directory

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.commands}:{SYSTEM_PATH}" if self.commands else SYSTEM_PATH
        return {"PATH": path, "LANG": "C.UTF-8", **self.variables}

    def start(self) -> None:
        """Start everything; return when jobs can run."""
        if missing := self.missing_programs():
            raise ClusterUnavailableError(f"not installed on this machine: {', '.join(missing)}")
        if os.geteuid() != 0:
            raise ClusterUnavailableError("only root can start a cluster")
        self._directory = Path(tempfile.mkdtemp(prefix=f"psij-{self.kind}-", dir=self._parent))
        self.directory.chmod(0o755)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every daemon and job, and remove the directory. Nothing of it is worth an orderly end."""
        if self._directory is None:
            return
        self._kill_jobs()
        for name in list(self._daemons):
            self._kill_daemon(name)
        shutil.rmtree(self.directory, ignore_errors=True)
        self._directory = None

    def admin(self, argv: Sequence[str], *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one of the scheduler's commands as the cluster's administrator."""
        if not argv or argv[0] not in self.admin_commands:
            raise ClusterError(f"the administrator runs only {', '.join(sorted(self.admin_commands))}")
        return self._run(argv, user=self.administrator, timeout=timeout)

    def log(self, name: str) -> str:
        """The tail of a daemon's log; of its output, where it wrote no log."""
        for pattern in self._logs(name):
            text = ""
            with contextlib.suppress(OSError):
                text = (self.directory / pattern).read_text(errors="replace").strip()
            if text:
                return f"the end of {pattern}:\n{text[-1500:]}"
        return f"{name} wrote no log"

    def _logs(self, name: str) -> list[str]:
        return [f"log/{name}.log", f"log/{name}.out"]

    def _administer(self, argv: Sequence[str], daemon: str = "") -> None:
        self._check(self.admin(argv), daemon)

    def _check(self, done: subprocess.CompletedProcess[str], daemon: str = "") -> None:
        if done.returncode != 0:
            log = self.log(daemon or self.controller)
            raise ClusterError(f"{' '.join(done.args)}: {done.stdout}{done.stderr}\n{log}")

    def _run(self, argv: Sequence[str], *, user: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(argv),
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **as_user(user),
        )

    def _run_daemon(
        self, name: str, argv: Sequence[str], *, user: str | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        if name in self._daemons and self._daemons[name].poll() is None:
            return
        with (self.directory / "log" / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                list(argv),
                env={**self.environment, **(variables or {})},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which may need the cluster to end well
                **(as_user(user) if user else {}),
            )

    def _end_daemon(self, name: str) -> None:
        daemon = self._daemons.get(name)
        if daemon is not None:
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                self._kill_daemon(name)
                raise ClusterError(f"{name} didn't end within 30 s of SIGTERM; {self.log(name)}") from None
            del self._daemons[name]

    def _kill_daemon(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            daemon.kill()
            daemon.wait()

    def _answers(self, argv: Sequence[str]) -> bool:
        done = self.admin(argv)
        self._last_words = f"{' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.returncode == 0

    def _wait(self, reached: Callable[[], bool], what: str, *daemons: str, limit: float = 60) -> None:
        deadline = time.monotonic() + limit
        while not reached():
            for name in daemons:
                if name in self._daemons and (code := self._daemons[name].poll()) is not None:
                    raise ClusterError(f"{name} ended with {code} while waiting for {what}; {self.log(name)}")
            if time.monotonic() > deadline:
                logs = "\n".join(self.log(name) for name in (self.controller, *daemons))
                raise ClusterError(f"waited {limit:.0f} s in vain for {what}; {self._last_words}\n{logs}")
            time.sleep(0.1)


def not_found(programs: Sequence[str]) -> list[str]:
    """Those of the programs that are not installed."""
    return [name for name in programs if shutil.which(name, path=SYSTEM_PATH) is None]
