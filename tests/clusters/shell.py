"""Start a cluster, run a command on it: `make slurm-shell CMD='sinfo'`. Without CMD, an interactive shell.

Runs as the ordinary user, below the keeper.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from clusters.client import KeeperError, start_cluster


def _refuse(reason: str) -> NoReturn:
    raise SystemExit(reason)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-accounting", action="store_true")
    parser.add_argument("--release", default="", help="the Slurm of this Debian release, without accounting")
    parser.add_argument("command", nargs="?", default="")
    arguments = parser.parse_args()
    try:
        options = {"release": arguments.release} if arguments.release else {}
        accounting = not (arguments.no_accounting or arguments.release)
        cluster = start_cluster(_refuse, accounting=accounting, **options)
    except KeeperError as error:
        _refuse(str(error))
    environment = cluster.environment
    environment["PATH"] = f"{Path('.venv/bin').absolute()}:{environment.get('PATH', os.defpath)}"
    command = ["bash", "-c", arguments.command] if arguments.command else ["bash", "--norc", "-i"]
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
