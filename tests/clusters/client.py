"""The tests' side of the keeper: handles of clusters. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

KEEPER_VARIABLE = "PSIJ_TEST_KEEPER"
RELEASES = tuple(os.environ.get("PSIJ_TEST_SLURM_RELEASES", "").split())
"""The Debian releases whose Slurm is tested, instead of the machine's own."""


class KeeperError(Exception):
    """The keeper couldn't do what it was asked; the message says why."""


class UnavailableError(KeeperError):
    """There is no cluster here, or none that may be controlled."""


def ask(do: str, cluster: int = 0, *, kind: str | None = None, **arguments: Any) -> Any:
    """Send the keeper one request and return its answer.

    :raises UnavailableError: when there is no keeper, or it can't have such a cluster on this machine.
    :raises KeeperError: when the keeper tried and failed.
    """
    address = os.environ.get(KEEPER_VARIABLE)
    if not address:
        raise UnavailableError("no keeper here: run `make test` as root on Debian to have clusters started")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        request = {"do": do, "kind": kind, "cluster": cluster, "arguments": arguments}
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise KeeperError("the keeper went away")
    reply = json.loads(line)
    if "error" in reply:
        raise (UnavailableError if reply["unavailable"] else KeeperError)(reply["error"])
    return reply["value"]


@dataclass(frozen=True)
class Handle:
    """A cluster: one of the keeper's, or (number 0) the one which this machine belongs to.

    Only the keeper's clusters can be controlled; for the other one the methods that would control it call
    `refuse` with the reason.
    """

    number: int
    variables: Mapping[str, str]  # which choose this cluster
    refuse: Callable[[str], NoReturn]
    commands: str | None  # where they are, if the machine's usual ones don't fit

    scheduler: ClassVar[str]
    foreign: ClassVar[tuple[str, ...]]
    """How variables begin that would change what the scheduler's commands do."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment for commands of this cluster."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(self.foreign)}
        self.choose(outer.__setitem__)
        return outer

    def choose(self, set_variable: Callable[[str, str], None]) -> None:
        """Set the variables with which the scheduler's commands are this cluster's, and mean it."""
        for name, value in self.variables.items():
            set_variable(name, value)
        if self.commands is not None:
            set_variable("PATH", f"{self.commands}:{os.environ.get('PATH', os.defpath)}")

    @property
    def controllable(self) -> bool:
        """Whether daemons and nodes may be stopped, and commands run as the administrator."""
        return self.number > 0

    def run(self, *argv: str, cwd: Path | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command on this cluster as the user we are."""
        return subprocess.run(
            argv,
            env=self.environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def stop(self) -> None:
        """End the cluster and everything that runs on it."""
        if self.controllable:
            ask("stop", self.number)

    def stop_controller(self) -> None:
        """Stop the controller (slurmctld, sge_qmaster) in good order; jobs go on."""
        self._control("stop_controller")

    def start_controller(self) -> None:
        """Start the controller again; return when it answers."""
        self._control("start_controller")

    def admin(self, argv: Sequence[str], *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one of the scheduler's commands as the cluster's administrator."""
        done = self._control("admin", argv=list(argv), timeout=timeout)
        return subprocess.CompletedProcess(list(argv), done["returncode"], done["stdout"], done["stderr"])

    def log(self, name: str) -> str:
        """The end of the log of a daemon: slurmctld, slurmdbd, n1, sge_qmaster, sge_execd, ..."""
        return str(self._control("log", name=name))

    def _control(self, do: str, **arguments: Any) -> Any:
        if not self.controllable:
            self.refuse(f"this {self.scheduler} is not ours: can't {do.replace('_', ' ')}")
        return ask(do, self.number, **arguments)


@dataclass(frozen=True)
class Cluster(Handle):
    """A Slurm cluster."""

    accounting: bool

    scheduler = "Slurm"
    foreign = ("SLURM_", "SBATCH_")

    def stop_accounting(self) -> None:
        """Stop slurmdbd."""
        self._control("stop_accounting")

    def start_accounting(self) -> None:
        """Start slurmdbd again; return when it answers."""
        self._control("start_accounting")

    def stop_node(self, name: str) -> None:
        """Stop a node's slurmd in good order; its running jobs go on."""
        self._control("stop_node", name=name)

    def start_node(self, name: str) -> None:
        """Start a node's slurmd; return when the node is usable."""
        self._control("start_node", name=name)

    def hard_kill_node(self, name: str) -> None:
        """Kill a node's slurmd and every process of its jobs."""
        self._control("hard_kill_node", name=name)

    def wait_for_nodes(self, wanted: Mapping[str, str], *, limit: float = 60) -> None:
        """Wait until each node is in one of its (blank separated) states, as `sinfo -o %T` writes them."""
        self._control("wait_for_nodes", wanted=dict(wanted), limit=limit)


@dataclass(frozen=True)
class GridEngine(Handle):
    """A Grid Engine of one host with a queue all.q, a parallel environment smp, and resources gpu and exclusive."""

    scheduler = "Grid Engine"
    foreign = ("SGE_",)


def _missing(scheduler: str) -> UnavailableError:
    return UnavailableError(f"no {scheduler} here: run `make test` as root on Debian to have it installed and started")


def start_cluster(refuse: Callable[[str], NoReturn], *, accounting: bool, **options: int | str) -> Cluster:
    """A new Slurm cluster of the keeper's; without a keeper this machine's own.

    :raises UnavailableError: when there is neither, or the machine's own doesn't fit.
    """
    if os.environ.get(KEEPER_VARIABLE):
        arguments: dict[str, Any] = {"accounting": accounting, **options}
        answer = ask("start", kind="slurm", **arguments)
        return Cluster(answer["cluster"], answer["variables"], refuse, answer["commands"], accounting)
    if "release" in options:
        raise UnavailableError("no Slurm of another release here: run `make test-slurm-versions` as root on Debian")
    if shutil.which("squeue") is None or shutil.which("sbatch") is None:
        raise _missing("Slurm")
    variables = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    cluster = Cluster(0, variables, refuse, None, accounting)
    if (asked := cluster.run("squeue", "-h", "-u", str(os.getuid()))).returncode != 0:
        raise UnavailableError(f"this machine has squeue, but no Slurm that answers: {asked.stderr.strip()}")
    if options:
        raise UnavailableError("this machine's own Slurm can't be configured by a test")
    if accounting != (cluster.run("sacct", "-n").returncode == 0):
        raise UnavailableError(f"this machine's own Slurm is one {'without' if accounting else 'with'} accounting")
    return cluster


def start_grid_engine(refuse: Callable[[str], NoReturn]) -> GridEngine:
    """A new Grid Engine of the keeper's; without a keeper this machine's own.

    :raises UnavailableError: when there is neither, or the machine's own has no parallel environment smp.
    """
    if os.environ.get(KEEPER_VARIABLE):
        answer = ask("start", kind="grid_engine")
        return GridEngine(answer["cluster"], answer["variables"], refuse, answer["commands"])
    if shutil.which("qconf") is None or shutil.which("qsub") is None:
        raise _missing("Grid Engine")
    variables = {name: value for name, value in os.environ.items() if name.startswith("SGE_")}
    cluster = GridEngine(0, variables, refuse, None)
    if (asked := cluster.run("qconf", "-sp", "smp")).returncode != 0:
        raise UnavailableError(f"this machine has qconf, but no Grid Engine that fits: {asked.stderr.strip()}")
    return cluster
