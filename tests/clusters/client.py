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
from typing import Any, NoReturn

KEEPER_VARIABLE = "PSIJ_TEST_KEEPER"


class KeeperError(Exception):
    """The keeper couldn't do what it was asked; the message says why."""


class UnavailableError(KeeperError):
    """There is no cluster here, or none that may be controlled."""


def ask(do: str, cluster: int = 0, **arguments: Any) -> Any:
    """Send the keeper one request and return its answer.

    :raises UnavailableError: when there is no keeper, or it can't have such a cluster on this machine.
    :raises KeeperError: when the keeper tried and failed.
    """
    address = os.environ.get(KEEPER_VARIABLE)
    if not address:
        raise UnavailableError("no Slurm here: run `make test` as root on Debian to have it installed and started")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(json.dumps({"do": do, "cluster": cluster, "arguments": arguments}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise KeeperError("the keeper went away")
    reply = json.loads(line)
    if "error" in reply:
        raise (UnavailableError if reply["unavailable"] else KeeperError)(reply["error"])
    return reply["value"]


@dataclass(frozen=True)
class Cluster:
    """A Slurm cluster: one of the keeper's, or (number 0) the one which this machine belongs to.

    Only the keeper's clusters can be controlled; for the other one the methods that would control it call
    `refuse` with the reason.
    """

    number: int
    conf: Path | None
    accounting: bool
    refuse: Callable[[str], NoReturn]

    @property
    def environment(self) -> dict[str, str]:
        """The environment for commands of this cluster."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return outer | ({"SLURM_CONF": str(self.conf)} if self.conf else {})

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
        """Stop slurmctld in good order; jobs go on."""
        self._control("stop_controller")

    def start_controller(self) -> None:
        """Start slurmctld again; return when it answers."""
        self._control("start_controller")

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

    def admin(self, argv: Sequence[str], *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run scontrol, scancel, sacctmgr, ... as the cluster's administrator."""
        done = self._control("admin", argv=list(argv), timeout=timeout)
        return subprocess.CompletedProcess(list(argv), done["returncode"], done["stdout"], done["stderr"])

    def log(self, name: str) -> str:
        """The end of the log of slurmctld, slurmdbd, n1, ..."""
        return str(self._control("log", name=name))

    def _control(self, do: str, **arguments: Any) -> Any:
        if not self.controllable:
            self.refuse(f"this Slurm is not ours: can't {do.replace('_', ' ')}")
        return ask(do, self.number, **arguments)


def start_cluster(refuse: Callable[[str], NoReturn], *, accounting: bool, **options: int) -> Cluster:
    """A new cluster of the keeper's; without a keeper this machine's own.

    :raises UnavailableError: when there is neither, or the machine's own doesn't fit.
    """
    if os.environ.get(KEEPER_VARIABLE):
        answer = ask("start", accounting=accounting, **options)
        return Cluster(answer["cluster"], Path(answer["conf"]), accounting, refuse)
    if shutil.which("squeue") is None or shutil.which("sbatch") is None:
        raise UnavailableError("no Slurm here: run `make test` as root on Debian to have it installed and started")
    conf = os.environ.get("SLURM_CONF")
    cluster = Cluster(0, Path(conf) if conf else None, accounting, refuse)
    if (asked := cluster.run("squeue", "-h", "-u", str(os.getuid()))).returncode != 0:
        raise UnavailableError(f"this machine has squeue, but no Slurm that answers: {asked.stderr.strip()}")
    if options:
        raise UnavailableError("this machine's own Slurm can't be configured by a test")
    if accounting != (cluster.run("sacct", "-n").returncode == 0):
        raise UnavailableError(f"this machine's own Slurm is one {'without' if accounting else 'with'} accounting")
    return cluster
