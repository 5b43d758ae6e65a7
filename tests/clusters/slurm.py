"""A real Slurm of four nodes on this one machine, with daemons, ports and directories of its own.

It is the machine's own Slurm, or that of another Debian release (see `clusters.releases`), without accounting.
Used as root, by the keeper. Of the daemons only `slurmd` runs as root; the controller, the accounting daemon
and the administrator's commands run as Debian's user `slurm`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from clusters.cluster import ClusterError, ClusterUnavailableError, Options, RealCluster, free_ports, not_found
from clusters.processes import as_user, command_of, descendants, environment_of, kill_all
from clusters.releases import Release, release

NODES = ("n1", "n2", "n3", "n4")
ACCOUNT = "science"
# What runs there has the commands of one directory in the place of the machine's own, and nobody else has.
WITH_COMMANDS = """\
for command in "$1"/*; do
    usual=/usr/bin/${command##*/}
    if [ -e "$usual" ]; then mount --bind "$command" "$usual" || exit 71; fi
done
shift
exec "$@"
"""


@dataclass(frozen=True)
class SlurmOptions(Options):
    """See `Options`."""

    release: str = ""  # the Debian release whose Slurm it is; the machine's own if empty
    accounting: bool = False
    min_job_age: int = 300  # seconds after which ended jobs are forgotten; looked at once a minute
    slurmd_timeout: int = 60  # seconds without an answer after which a node is DOWN
    max_array_size: int = 1001  # largest index plus one
    max_job_count: int = 10000
    kill_wait: int = 5  # seconds between SIGTERM and SIGKILL at the time limit


class SlurmCluster(RealCluster):
    """See `RealCluster`."""

    kind = "slurm"
    options_type = SlurmOptions
    controls: ClassVar[Mapping[str, frozenset[str]]] = {
        **RealCluster.controls,
        "stop_accounting": frozenset(),
        "start_accounting": frozenset(),
        "stop_node": frozenset({"name"}),
        "start_node": frozenset({"name"}),
        "hard_kill_node": frozenset({"name"}),
        "wait_for_nodes": frozenset({"wanted", "limit"}),
    }
    admin_commands = frozenset({"scontrol", "scancel", "sacctmgr", "squeue", "sinfo", "sacct", "sdiag"})
    administrator = "slurm"
    controller = "slurmctld"

    def __init__(self, user: str, options: Any = None, *, parent: Path = Path("/var/tmp")):
        super().__init__(user, options, parent=parent)
        self._ports: dict[str, int] = {}
        self._secret = secrets.token_hex(16)
        self._release: Release | None = None

    # What it is

    @property
    def conf(self) -> Path:
        """The configuration file; SLURM_CONF selects it."""
        return self.directory / "slurm.conf"

    @property
    def variables(self) -> dict[str, str]:
        """See `RealCluster.variables`."""
        return {"SLURM_CONF": str(self.conf)}

    @property
    def commands(self) -> Path | None:
        """See `RealCluster.commands`."""
        return self.directory / "bin" if self._release else None

    def missing_programs(self) -> list[str]:
        """See `RealCluster.missing_programs`."""
        if self.options.release:
            return not_found(["munged", "unshare"])
        names = ["munged", "slurmctld", "slurmd", "squeue", "sinfo", "sbatch", "scontrol"]
        if self.options.accounting:
            names += ["slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db"]
        return not_found(names)

    # Life

    def _start(self) -> None:
        if self.options.release:
            found = release(self.options.release)
            if isinstance(found, str):
                raise ClusterUnavailableError(found)
            if self.options.accounting:
                raise ClusterUnavailableError("the Slurm of another release has no accounting here")
            self._release = found
            found.write_commands(self.directory / "bin")
        self._configure()
        self._start_munge()
        if self.options.accounting:
            self._start_accounting()
        self.start_controller(_wait=False)
        for node in NODES:
            self.start_node(node, _wait=False)
        self._wait_for_controller()
        self.wait_for_nodes(dict.fromkeys(NODES, "idle"))
        if self.options.accounting:
            self._register_user()

    def _kill_jobs(self) -> None:
        for node in NODES:
            self.hard_kill_node(node)

    # Parts

    def stop_controller(self) -> None:
        """Stop slurmctld in good order (it saves its state); jobs go on."""
        self._end_daemon("slurmctld")

    def start_controller(self, *, _wait: bool = True) -> None:
        """Start slurmctld with the state it saved; return when it answers."""
        self._run_daemon("slurmctld", ["slurmctld", "-D"], user="slurm")
        if _wait:
            self._wait_for_controller()

    def stop_accounting(self) -> None:
        """Stop slurmdbd; the controller keeps its records until it is back."""
        self._end_daemon("slurmdbd")

    def start_accounting(self) -> None:
        """Start slurmdbd again; return when it answers."""
        self._run_daemon("slurmdbd", ["slurmdbd", "-D"], user="slurm")
        self._wait(lambda: self._answers(["sacctmgr", "-n", "list", "cluster"]), "slurmdbd to answer", "slurmdbd")

    def stop_node(self, name: str) -> None:
        """Stop a node's slurmd in good order; its running jobs go on."""
        self._end_daemon(self._node(name))

    def start_node(self, name: str, *, _wait: bool = True) -> None:
        """Start a node's slurmd; return when the controller takes it for usable."""
        command = ["slurmd", "-D", "-N", self._node(name)]
        if self.commands:
            # Jobs that inherit no PATH must find them too. The mounts are gone with the last process that sees them.
            private = ("unshare", "--mount", "--propagation", "private", "sh", "-c", WITH_COMMANDS, "sh")
            command = [*private, str(self.commands), *command, "-d", str(self.commands / "slurmstepd")]
        self._run_daemon(name, command, variables={"PSIJ_TEST_NODE": name})
        if _wait:
            self.wait_for_nodes({name: "idle mixed allocated completing"})

    def hard_kill_node(self, name: str) -> None:
        """As if the node lost power: slurmd, the step daemons and all processes of its jobs die at once."""
        self._kill_daemon(self._node(name))
        kill_all(lambda: self._processes_on(name))

    def wait_for_nodes(self, wanted: Mapping[str, str], *, limit: float = 60) -> None:
        """Wait until each node named is in one of its states (blank separated, as sinfo writes them)."""

        def reached() -> bool:
            answer = self.admin(["sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T"])
            self._last_words = answer.stdout + answer.stderr
            states = dict(line.split(None, 1) for line in answer.stdout.splitlines() if " " in line)
            return all(states.get(node) in states_wanted.split() for node, states_wanted in wanted.items())

        self._wait(reached, f"nodes to be {dict(wanted)}", *wanted, limit=limit)

    # How

    def _configure(self) -> None:
        directory, options = self.directory, self.options
        for name, owner in (("munge", "munge"), ("state", "slurm"), ("log", "slurm"), ("run", "slurm")):
            (directory / name).mkdir(mode=0o755)
            shutil.chown(directory / name, owner)
        (directory / "spool").mkdir(mode=0o755)
        ports = free_ports(3 + len(NODES))
        self._ports = dict(zip(("slurmctld", "slurmdbd", "mariadb"), ports[:3], strict=True))
        host = socket.gethostname().partition(".")[0]
        lines = [
            "ClusterName=psij",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={self._ports['slurmctld']}",
            "SlurmUser=slurm",
            "AuthType=auth/munge",
            f"AuthInfo=socket={directory}/munge/socket",
            f"StateSaveLocation={directory}/state",
            f"SlurmdSpoolDir={directory}/spool/%n",
            f"SlurmctldPidFile={directory}/run/slurmctld.pid",
            f"SlurmdPidFile={directory}/run/%n.pid",
            f"SlurmctldLogFile={directory}/log/slurmctld.log",
            f"SlurmdLogFile={directory}/log/%n.log",
            "SlurmdParameters=config_overrides",
            f"SlurmdTimeout={options.slurmd_timeout}",
            f"MinJobAge={options.min_job_age}",
            f"MaxArraySize={options.max_array_size}",
            f"MaxJobCount={options.max_job_count}",
            f"KillWait={options.kill_wait}",
            "OverTimeLimit=0",
            "CompleteWait=0",
            "ReturnToService=2",
            "JobRequeue=1",
            "PreemptMode=OFF",
            "MpiDefault=none",
            "MailProg=/bin/true",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "JobAcctGatherType=jobacct_gather/none",
            "JobCompType=jobcomp/none",
            "SchedulerType=sched/backfill",
            "SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core_Memory",
            "DefMemPerCPU=100",
            "GresTypes=gpu",
        ]
        if options.accounting:
            lines += [
                "AccountingStorageType=accounting_storage/slurmdbd",
                "AccountingStorageHost=127.0.0.1",
                f"AccountingStoragePort={self._ports['slurmdbd']}",
                f"AccountingStoragePass={directory}/munge/socket",  # what it means with munge
            ]
        if self._release:
            lines.append(f"PluginDir={self._release.plugins}")
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=16000 Gres=gpu:2"
            for node, port in zip(NODES, ports[3:], strict=True)
        ]
        lines += [
            "PartitionName=debug Nodes=ALL Default=YES DefaultTime=10 MaxTime=INFINITE State=UP",
            "PartitionName=short Nodes=ALL MaxTime=10 State=UP",
            "PartitionName=hidden Nodes=ALL Hidden=YES State=UP",
        ]
        self.conf.write_text("\n".join(lines) + "\n")
        # Plain files serve as devices that can be asked for and counted.
        for number in range(2):
            (directory / f"gpu{number}").touch()
        (directory / "gres.conf").write_text(f"Name=gpu File={directory}/gpu[0-1]\n")
        # Newer ones look for cgroups even where nothing asks for them; 22.05 doesn't know the option.
        (directory / "cgroup.conf").write_text("CgroupPlugin=disabled\n" if self._release else "CgroupAutomount=no\n")

    def _start_munge(self) -> None:
        directory = self.directory / "munge"
        key = directory / "key"
        key.write_bytes(secrets.token_bytes(128))
        shutil.chown(key, "munge")
        key.chmod(0o400)
        options = [f"--{name}-file={directory}/{name}" for name in ("key", "pid", "log", "seed")]
        options.append(f"--socket={directory}/socket")
        self._run_daemon("munged", ["munged", "--foreground", "--num-threads=2", *options], user="munge")
        self._wait((directory / "socket").exists, "munged's socket", "munged")

    def _start_accounting(self) -> None:
        data = self.directory / "mariadb"
        data.mkdir(mode=0o700)
        shutil.chown(data, "mysql")
        installed = subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={data}",
                "--skip-test-db",
                "--auth-root-authentication-method=socket",
            ],
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **as_user("mysql"),
        )
        if installed.returncode != 0:
            raise ClusterError(f"mariadb-install-db failed: {installed.stdout[-2000:]}{installed.stderr[-2000:]}")
        first_words = data / "init.sql"
        first_words.touch(mode=0o600)
        first_words.write_text(
            f"CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{self._secret}';\n"
            "GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';\n"
        )
        shutil.chown(first_words, "mysql")
        self._run_daemon(
            "mariadbd",
            [
                "mariadbd",
                "--no-defaults",
                f"--datadir={data}",
                f"--socket={data}/socket",
                f"--pid-file={data}/pid",
                f"--port={self._ports['mariadb']}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=64M",
                "--innodb-lock-wait-timeout=900",
                "--innodb-flush-log-at-trx-commit=0",
                "--performance-schema=OFF",
                f"--init-file={first_words}",
            ],
            user="mysql",
        )
        self._wait(lambda: _listens(self._ports["mariadb"]), "mariadbd to listen", "mariadbd")
        conf = self.directory / "slurmdbd.conf"
        conf.touch(mode=0o600)
        conf.write_text(
            "\n".join(
                [
                    "AuthType=auth/munge",
                    f"AuthInfo=socket={self.directory}/munge/socket",
                    "DbdHost=localhost",
                    "DbdAddr=127.0.0.1",
                    f"DbdPort={self._ports['slurmdbd']}",
                    "SlurmUser=slurm",
                    f"LogFile={self.directory}/log/slurmdbd.log",
                    f"PidFile={self.directory}/run/slurmdbd.pid",
                    "StorageType=accounting_storage/mysql",
                    "StorageHost=127.0.0.1",
                    f"StoragePort={self._ports['mariadb']}",
                    "StorageUser=slurm",
                    f"StoragePass={self._secret}",
                    "StorageLoc=slurm_acct_db",
                    "",
                ]
            )
        )
        shutil.chown(conf, "slurm")
        self.start_accounting()
        self._administer(["sacctmgr", "-i", "add", "cluster", "psij"], "slurmdbd")

    def _register_user(self) -> None:
        self._administer(["sacctmgr", "-i", "add", "account", ACCOUNT, "Cluster=psij"], "slurmdbd")
        self._administer(["sacctmgr", "-i", "add", "user", self.user, f"Account={ACCOUNT}", "Cluster=psij"], "slurmdbd")

    def _node(self, name: str) -> str:
        if name not in NODES:
            raise ClusterError(f"no such node: {name!r}; there are {', '.join(NODES)}")
        return name

    def _processes_on(self, node: str) -> set[int]:
        """The step daemons of a node and all processes of its jobs."""
        roots = set()
        for pid in descendants([os.getppid(), os.getpid()]):
            environment = environment_of(pid)
            if environment.get("SLURM_CONF") == str(self.conf):
                step_daemon = "slurmstepd" in command_of(pid)
                variable = "PSIJ_TEST_NODE" if step_daemon else "SLURMD_NODENAME"
                if environment.get(variable) == node:
                    roots.add(pid)
        return roots | descendants(roots)

    def _wait_for_controller(self) -> None:
        self._wait(lambda: self._answers(["scontrol", "ping"]), "slurmctld to answer", "slurmctld")

    def _logs(self, name: str) -> list[str]:
        return [f"log/{name}.log", f"{name.rstrip('d')}/log", f"log/{name}.out"]


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
