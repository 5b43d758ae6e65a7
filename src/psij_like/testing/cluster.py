"""`SimulatedCluster`: a cluster that is not there, for tests of programs that submit jobs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from psij_like.testing import command as stand_in
from psij_like.testing import ranks
from psij_like.testing.kinds import personality_class
from psij_like.testing.personality import Personality
from psij_like.testing.settings import Settings

_START_SECONDS = 30
_STOP_SECONDS = 10


class SimulationError(Exception):
    """A simulated cluster could not be started, or could not do what it was asked for; the message says why."""


@dataclass(frozen=True)
class SimulatedJob:
    """What a simulated cluster knows of a job; times are seconds since 1970.

    Attributes:
        native_id: as the scheduler calls it.
        state: PENDING, RUNNING, SUSPENDED, ENDING (its processes are being ended) or ENDED.
        wait: why it is pending: NONE, PRIORITY, RESOURCES, DEPENDENCY, NEVER (a dependency that can't be met any
            more), HELD_BY_USER, HELD_BY_ADMIN, BEGIN, ARRAY_LIMIT or IMPOSSIBLE.
        cause: what ended it: EXITED, SIGNALLED, CANCELLED, TIMEOUT, NODE_FAILURE, PREEMPTED, LAUNCH_FAILED or
            DEPENDENCY; None before.
        exit_code: of its script.
        signal: that killed its script; 0: none.
        runs: how often it was started.
        nodes: names of the nodes that it was last on.
        start: when it last started.
        end: when it ended.
        pid: the process id of its script while that runs.
    """

    native_id: str
    state: str
    wait: str
    cause: str | None
    exit_code: int
    signal: int
    runs: int
    nodes: Sequence[str]
    start: float | None
    end: float | None
    pid: int | None


class SimulatedCluster:
    """A simulated cluster: real commands in PATH, real processes for jobs, no scheduler.

    Between entering and leaving the context, `sbatch`, `squeue` and so on (or those of another scheduler) are found
    first in PATH, and answer for this cluster as the real ones would. Jobs are run on this machine, as this user, one
    after another as the cluster's slots allow; its nodes are only names. It ends, and its jobs with it, when the
    context is left or when the process that entered it dies.

        with SimulatedCluster("slurm", nodes=2, slots=4) as cluster:
            executor = JobExecutor.get_instance("slurm")
            ...
            cluster.fail_node("n1")

    Executors remember the cluster that they were made for: make them inside.
    """

    def __init__(self, kind: str, *, change_environment: bool = True, **settings: Any) -> None:
        """Nothing is started yet.

        Args:
            kind: the scheduler, by any name of its executor: "slurm", "pbs", "torque".
            change_environment: whether entering changes PATH and the scheduler's own variable in this process's
                environment; if not, use `environment` or `run`.
            settings: see `psij_like.testing.Settings`.

        Raises:
            ValueError: there is no such scheduler or setting, or a setting's value can't be.
        """
        self._class: type[Personality] = personality_class(kind)
        self._kind = kind
        self._settings = Settings.of(settings)
        self._class.check(self._settings)
        self._given = settings
        self._change = change_environment
        self._daemon: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self._before: dict[str, str | None] = {}

    # ---- Life

    def __enter__(self) -> SimulatedCluster:
        """Start it.

        Raises:
            SimulationError: it did not start.
        """
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, its jobs with it, and give the environment back."""
        self.stop()

    def start(self) -> None:
        """Start it, as entering the context does.

        Raises:
            SimulationError: it did not start, or it runs already.
        """
        if self._daemon is not None:
            raise SimulationError("this simulated cluster runs already")
        directory = Path(tempfile.mkdtemp(prefix="psij-like-sim-")).resolve()
        self._directory = directory
        words = [sys.executable, "-m", "psij_like.testing.server", str(directory)]
        package = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        log = directory / "daemon.log"
        with log.open("wb") as errors:
            daemon = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        self._daemon = daemon
        try:
            self._install(directory)
            if daemon.stdin is None or daemon.stdout is None:
                raise SimulationError("the simulated cluster can not be talked to")
            daemon.stdin.write(json.dumps({"kind": self._kind, "settings": self._given}).encode() + b"\n")
            daemon.stdin.flush()
            ready = daemon.stdout.readline()
        except OSError:
            ready = b""
        if ready != b"ready\n":
            said = log.read_text(errors="replace") if log.exists() else ""
            self.stop()
            raise SimulationError(f"the simulated cluster did not start: {said or 'it said nothing'}")
        if self._change:
            for name, value in self._own_variables().items():
                self._before[name] = os.environ.get(name)
                os.environ[name] = value

    def stop(self) -> None:
        """Stop it, as leaving the context does; nothing happens if it does not run."""
        for name, before in self._before.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before
        self._before = {}
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            for pipe in (daemon.stdin, daemon.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.terminate()
                try:
                    daemon.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _install(self, directory: Path) -> None:
        """Write the commands: links to one copy of the stand-in."""
        python = str(Path(sys.executable).resolve())
        # -I, -S: neither this directory nor the user's packages; a quick start. The kernel reads 127 bytes everywhere.
        first = f"#!{python} -IS\n" if len(python) < 120 and " " not in python else ""
        first = first or f"#!/bin/sh\n'''exec' '{python}' -IS \"$0\" \"$@\" #'''\n"
        source = Path(stand_in.__file__).read_text()
        program = directory / "stand-in"
        program.write_text(f"{first}{source}\n\nmain({self._class.variable!r})\n")
        program.chmod(0o700)
        shutil.copy(ranks.__file__, directory / "ranks.py")
        (directory / "bin").mkdir()
        for name in self._class.command_names:
            (directory / "bin" / name).symlink_to("../stand-in")

    # ---- Where it is

    @property
    def directory(self) -> Path:
        """The cluster's own directory, with the commands in `bin`; it vanishes with the cluster.

        Raises:
            SimulationError: the cluster does not run.
        """
        if self._directory is None:
            raise SimulationError("this simulated cluster does not run")
        return self._directory

    def _own_variables(self) -> dict[str, str]:
        commands = str(self.directory / "bin")
        path = os.environ.get("PATH", os.defpath)
        path = path if path.split(os.pathsep)[0] == commands else f"{commands}{os.pathsep}{path}"
        return {"PATH": path, self._class.variable: self._class.variable_value(self.directory)}

    @property
    def environment(self) -> dict[str, str]:
        """The environment for a process that is to use this cluster."""
        return {**os.environ, **self._own_variables()}

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end on this cluster, `run("squeue", "-h")`; `options` are those of `subprocess.run`."""
        defaults = {"env": self.environment, "stdin": subprocess.DEVNULL, "timeout": 60}
        if "input" in options:
            del defaults["stdin"]
        words = [shutil.which(argv[0], path=self.environment["PATH"]) or argv[0], *argv[1:]]
        return subprocess.run(words, capture_output=True, text=True, check=False, **{**defaults, **options})

    # ---- What it knows

    @property
    def calls(self) -> list[tuple[float, list[str]]]:
        """Every call of a command so far, by whomsoever: when (seconds since 1970), and its words."""
        return [(at, list(words)) for at, words in self._ask("calls")]

    def job(self, native_id: str) -> SimulatedJob:
        """What it knows of a job.

        Raises:
            SimulationError: there is no such job, or it is an array.
        """
        return SimulatedJob(**self._ask("job", job=native_id))

    def populate(self, count: int, *, running: float = 0.5) -> list[str]:
        """Add pretend jobs, which run nothing and stay as they are until they are cancelled.

        Args:
            count: how many.
            running: what share of them seems to be running; the others are pending.

        Returns:
            Their native ids.
        """
        return [str(native_id) for native_id in self._ask("populate", count=count, running=running)]

    # ---- What goes wrong

    def fault(
        self,
        command: str | None = None,
        *,
        kind: str,
        rate: float = 1,
        seconds: float | None = None,
        times: int | None = None,
        performed: bool = False,
    ) -> None:
        """Switch a fault on, until `clear_faults`.

        Args:
            command: whom it befalls; None: every command.
            kind: "fail" (it says that it can't, as the real one would), "hang" (it does not end), "slow", "garble"
                (noise in what it prints), "truncate" (its output breaks off) or "empty" (no output, exit code 0).
            rate: what share of the calls it befalls.
            seconds: how long it takes ("slow": 1 by default) or hangs (None: until `clear_faults`) before it goes on;
                how long it takes to fail (None: no time).
            times: how often it happens; None: without end.
            performed: whether a command that fails or hangs has done its work before.

        Raises:
            SimulationError: there is no such fault or command.
        """
        if kind == "slow" and seconds is None:
            seconds = 1
        how = {"rate": rate, "seconds": seconds, "times": times, "performed": performed}
        self._ask("fault", command=command, kind=kind, **how)

    def clear_faults(self) -> None:
        """Switch all faults off, `lag` too; commands that hang go on."""
        self._ask("clear_faults")

    def down(self) -> None:
        """The scheduler can't be reached any more; what runs, runs on."""
        self._ask("down")

    def up(self) -> None:
        """The scheduler is back, and notices what has ended meanwhile."""
        self._ask("up")

    def lag(self, seconds: float) -> None:
        """From now on lists show the states of so many seconds ago, but of no earlier moment than this; 0: as usual."""
        self._ask("lag", seconds=seconds)

    def forget(self, native_id: str) -> None:
        """Lose all traces of a job; its processes go on. SimulationError: there is no such job (so below)."""
        self._ask("forget", job=native_id)

    # ---- What administrators do

    def admin(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of the scheduler's commands as its administrator: `admin("scontrol", "hold", "7")`."""
        code, out, err = self._talk("run", list(argv))
        return subprocess.CompletedProcess(argv, code, out, err)

    def cancel_as_admin(self, native_id: str) -> None:
        """Cancel a job of somebody else's."""
        self._ask("cancel_as_admin", job=native_id)

    def hold_as_admin(self, native_id: str) -> None:
        """Keep a pending job from starting."""
        self._ask("hold_as_admin", job=native_id)

    def release(self, native_id: str) -> None:
        """Let a held job go."""
        self._ask("release", job=native_id)

    def requeue(self, native_id: str) -> None:
        """Stop a job and run it again under the same id."""
        self._ask("requeue", job=native_id)

    def preempt(self, native_id: str, *, requeue: bool = False) -> None:
        """Take a running job's nodes away for a better one; it is ended or, if `requeue`, run again."""
        self._ask("preempt", job=native_id, requeue=requeue)

    def fail_node(self, node: str) -> None:
        """A node dies, and all that runs on it. SimulationError: there is no such node."""
        self._ask("fail_node", node=node)

    def restore_node(self, node: str) -> None:
        """A node is back. SimulationError: there is no such node."""
        self._ask("restore_node", node=node)

    # ---- Talk

    def _ask(self, act: str, **arguments: Any) -> Any:
        code, out, err = self._talk(act, arguments)
        if code:
            raise SimulationError(err)
        return json.loads(out)

    def _talk(self, act: str, words: object) -> tuple[int, str, str]:
        text = os.fsencode("\0".join(["", "/", "2", act, json.dumps(words)]))
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(60)
                connection.connect(str(self.directory / "socket"))
                connection.sendall(b"%08d" % len(text) + text)
                with connection.makefile("rb") as answer:
                    code = int(answer.read(8))
                    out, err = (os.fsdecode(answer.read(int(answer.read(8)))) for _ in range(2))
        except (OSError, ValueError) as error:
            raise SimulationError(f"the simulated cluster does not answer: {error}") from error
        return code, out, err
