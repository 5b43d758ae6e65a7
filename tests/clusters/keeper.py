"""The keeper: a root process that runs one command as an ordinary user and keeps real clusters for it.

The command finds the keeper's socket in PSIJ_TEST_KEEPER. A request is one line of JSON, and so is its reply:

    {"do": "start", "kind": "slurm", "arguments": {"accounting": true}}  -> {"value": {"cluster": 1, ...}}
    {"do": "stop_node", "cluster": 1, "arguments": {"name": "n1"}}       -> {"value": null}
    anything that fails                                                  -> {"error": "...", "unavailable": false}

When the command ends, or on SIGTERM, everything that was started is killed and removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socketserver
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clusters.cluster import ClusterError, ClusterUnavailableError, RealCluster
from clusters.grid_engine import GridEngineCluster
from clusters.processes import as_user, contained, descendants, signals_noted
from clusters.slurm import SlurmCluster

KINDS: Mapping[str, type[RealCluster]] = {kind.kind: kind for kind in (SlurmCluster, GridEngineCluster)}


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        reply: dict[str, Any]
        try:
            reply = {"value": self.server.obey(json.loads(self.rfile.readline()))}
        except ClusterError as error:
            reply = {"error": str(error), "unavailable": isinstance(error, ClusterUnavailableError)}
        except Exception:
            # Whatever it is, the test that asked must hear of it; the keeper goes on.
            reply = {"error": traceback.format_exc(), "unavailable": False}
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(json.dumps(reply).encode() + b"\n")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Path, obey: Callable[[Mapping[str, Any]], Any]):
        self.obey = obey
        before = os.umask(0o177)
        try:
            super().__init__(str(address), _Handler)
        finally:
            os.umask(before)


class Keeper:
    """What is kept: the clusters of one ordinary user."""

    def __init__(self, user: str, address: Path):
        self._user = user
        self._address = address
        self._clusters: dict[int, RealCluster] = {}
        self._started = 0
        self._lock = threading.Lock()

    def run(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> int:
        """Run the command as the ordinary user; return its exit code when all clusters are gone."""
        entry = pwd.getpwnam(self._user)
        server = _Server(self._address, self._obey)
        os.chown(self._address, entry.pw_uid, entry.pw_gid)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        child = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**environment, "PSIJ_TEST_KEEPER": str(self._address)},
            umask=0o022,
            **as_user(self._user),
        )

        def end_child(number: int) -> None:
            # Ctrl-C has reached the child by itself; let it end well.
            if number != signal.SIGINT:
                for pid in {child.pid} | descendants([child.pid]):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)

        with signals_noted(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, act=end_child):
            code = child.wait()
            server.shutdown()
            for cluster in self._clusters.values():
                cluster.stop()
        return code if code >= 0 else 128 - code

    def _obey(self, request: Mapping[str, Any]) -> Any:
        do, arguments = request["do"], request.get("arguments", {})
        with self._lock:
            if do == "start":
                return self._start(request.get("kind"), arguments)
            cluster = self._clusters.get(request.get("cluster", 0))
            if cluster is None:
                raise ClusterError(f"no such cluster: {request.get('cluster')}")
            if do not in cluster.controls or not set(arguments) <= cluster.controls[do]:
                raise ClusterError(f"{cluster.kind} has no control {do} with {sorted(arguments)}")
            value = getattr(cluster, do)(**arguments)
            if do == "stop":
                del self._clusters[request["cluster"]]
        if isinstance(value, subprocess.CompletedProcess):
            return {"returncode": value.returncode, "stdout": value.stdout, "stderr": value.stderr}
        return value

    def _start(self, kind: object, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(kind, str) or kind not in KINDS:
            raise ClusterError(f"no such kind of cluster: {kind!r}; there are {', '.join(KINDS)}")
        try:
            options = KINDS[kind].options_type(**arguments)
        except TypeError as error:
            raise ClusterError(f"options of a cluster: {error}") from error
        cluster = KINDS[kind](self._user, options)
        cluster.start()
        self._started += 1
        self._clusters[self._started] = cluster
        commands = str(cluster.commands) if cluster.commands else None
        return {"cluster": self._started, "variables": cluster.variables, "commands": commands}


def keep(user: str, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], address: Path) -> int:
    """Run `command` as `user` with a keeper at `address`; return when nothing of either is left."""

    def work() -> int:
        try:
            return Keeper(user, address).run(command, cwd, environment)
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            return 70

    return contained(work)
