"""A real Grid Engine of one host on this machine, with daemons, ports, cell and spool directories of its own.

Used as root, by the keeper. SGE_ROOT is the cluster's own directory, where links lead to the packaged programs; the
packaged cell, if there is one, is not touched. The daemons run as root, and become Debian's user `sgeadmin` by
themselves.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clusters.cluster import RealCluster, free_ports, not_found
from clusters.processes import command_of, descendants, environment_of, kill_all

PACKAGED_ROOT = Path("/var/lib/gridengine")
PROGRAMS = Path("/usr/lib/gridengine")
DEFAULTS = Path("/usr/share/gridengine")
HOST = "localhost"
CELL = "psij"
SLOTS = 16
FOREGROUND = {"SGE_ND": "1"}  # "no daemon"

# What differs from the defaults.
CONFIGURATION = {
    "load_report_time": "00:00:02",
    "max_unheard": "00:01:00",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 accounting_flush_time=00:00:00 "
    "joblog=false sharelog=00:00:00",
}
SCHEDULER = {
    "schedule_interval": "0:0:1",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "job_load_adjustments": "NONE",
}
QUEUE = {
    "slots": str(SLOTS),
    "pe_list": "smp",
    "load_thresholds": "NONE",  # other tests may keep the machine busy
    "shell_start_mode": "unix_behavior",
    "hostlist": "localhost",  # last: the queue is whole when it gets its host
}
RESOURCES = (f"slots={SLOTS}", "gpu=4", "exclusive=true")
COMPLEXES = ("gpu gpu INT <= YES JOB 0 0", "exclusive excl BOOL EXCL YES YES 0 1000")


class GridEngineCluster(RealCluster):
    """See `RealCluster`."""

    kind = "grid_engine"
    admin_commands = frozenset({"qconf", "qmod", "qdel", "qhold", "qrls", "qalter", "qstat", "qhost", "qacct"})
    administrator = "sgeadmin"
    controller = "sge_qmaster"

    def __init__(self, user: str, options: Any = None, *, parent: Path = Path("/var/tmp")):
        super().__init__(user, options, parent=parent)
        self._ports = [0, 0]

    @property
    def variables(self) -> dict[str, str]:
        """See `RealCluster.variables`."""
        return {
            "SGE_ROOT": str(self.directory),
            "SGE_CELL": CELL,
            "SGE_QMASTER_PORT": str(self._ports[0]),
            "SGE_EXECD_PORT": str(self._ports[1]),
        }

    def missing_programs(self) -> list[str]:
        """See `RealCluster.missing_programs`."""
        return not_found(["sge_qmaster", "sge_execd", "qsub", "qstat", "qconf"])

    # Life

    def _start(self) -> None:
        self._ports = free_ports(2)
        self._configure()
        self.start_controller()
        self._administer(["qconf", "-as", HOST])
        self._change("-Mc", [*self._shown("-sc"), *COMPLEXES])
        self._change("-Msconf", _replaced(self._shown("-ssconf"), SCHEDULER))
        self._run_daemon("sge_execd", ["sge_execd"], variables=FOREGROUND)
        self._wait(lambda: self._answers(["qconf", "-se", HOST]), "the host to be known", "sge_qmaster", "sge_execd")
        self._administer(["qconf", "-rattr", "exechost", "complex_values", ",".join(RESOURCES), HOST])
        # qconf has its editor change the defaults: this one takes them as they are.
        self._check(self._run(["env", "EDITOR=true", "qconf", "-aq", "all.q"], user=self.administrator))
        for name, value in QUEUE.items():
            self._administer(["qconf", "-rattr", "queue", name, value, "all.q"])
        self._wait(self._usable, "the queue to be usable", "sge_qmaster", "sge_execd")

    def _kill_jobs(self) -> None:
        self._kill_daemon("sge_execd")
        kill_all(self._processes_of_jobs)

    def stop_controller(self) -> None:
        """See `RealCluster.stop_controller`."""
        self._end_daemon("sge_qmaster")

    def start_controller(self) -> None:
        """See `RealCluster.start_controller`."""
        self._run_daemon("sge_qmaster", ["sge_qmaster"], variables=FOREGROUND)
        self._wait(lambda: self._answers(["qconf", "-sh"]), "sge_qmaster to answer", "sge_qmaster")

    # How

    def _configure(self) -> None:
        directory = self.directory
        common, spool, execd = directory / CELL / "common", directory / CELL / "qmaster", directory / "execd"
        for path in (common, spool, execd, directory / "log"):
            path.mkdir(mode=0o755, parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (directory / name).symlink_to(PACKAGED_ROOT / name)
        bootstrap = {
            "ignore_fqdn": "true",
            "spooling_method": "classic",
            "spooling_lib": "libspoolc",
            "spooling_params": f"{common};{spool}",
            "qmaster_spool_dir": str(spool),
        }
        _write(common / "bootstrap", _replaced(_lines(DEFAULTS / "default-bootstrap"), bootstrap))
        # Whatever this machine is called, all goes by one name that resolves everywhere.
        _write(common / "act_qmaster", [HOST])
        _write(common / "host_aliases", [f"{HOST} {socket.gethostname()}"])
        # What has a job's additional group is killed with it: no other Grid Engine here may use the same ones.
        group = 1_000_000 + 100 * self._ports[0]
        configuration = {**CONFIGURATION, "execd_spool_dir": str(execd), "gid_range": f"{group}-{group + 99}"}
        _write(directory / "configuration", _replaced(_lines(DEFAULTS / "default-configuration"), configuration))
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                shutil.chown(path, self.administrator, self.administrator)
        resources = DEFAULTS / "util/resources"
        for command in (
            ["spoolinit", "classic", "libspoolc", bootstrap["spooling_params"], "init"],
            ["spooldefaults", "configuration", str(directory / "configuration")],
            ["spooldefaults", "complexes", str(resources / "centry")],
            ["spooldefaults", "usersets", str(resources / "usersets")],
            ["spooldefaults", "pes", str(resources / "pe")],
            ["spooldefaults", "managers", "root", self.administrator],
        ):
            self._check(self._run([str(PROGRAMS / command[0]), *command[1:]], user=self.administrator))

    def _shown(self, option: str) -> list[str]:
        return self.admin(["qconf", option]).stdout.splitlines()

    def _change(self, option: str, lines: Iterable[str]) -> None:
        path = self.directory / "change"
        _write(path, lines)
        self._administer(["qconf", option, str(path)])

    def _usable(self) -> bool:
        done = self.admin(["qstat", "-f", "-q", "all.q"])
        self._last_words = done.stdout + done.stderr
        # An all.q@localhost line of six columns: the seventh, the state, is empty.
        return any(line.startswith("all.q@") and len(line.split()) == 5 for line in done.stdout.splitlines())

    def _processes_of_jobs(self) -> set[int]:
        """The shepherds, and all processes of their jobs."""
        roots = set()
        for pid in descendants([os.getppid(), os.getpid()]):
            environment = environment_of(pid)
            if environment.get("SGE_ROOT") == str(self.directory) and (
                "SGE_JOB_SPOOL_DIR" in environment or command_of(pid).startswith("sge_shepherd")
            ):
                roots.add(pid)
        return roots | descendants(roots)

    def _logs(self, name: str) -> list[str]:
        spooled = f"{CELL}/qmaster/messages" if name == "sge_qmaster" else f"execd/{socket.gethostname()}/messages"
        return [spooled, f"log/{name}.out"]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _replaced(lines: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Lines of a name and a value, some with other values."""
    found = []
    for line in lines:
        name = line.partition(" ")[0]
        found.append(f"{name} {values[name]}" if name in values else line)
    return found
