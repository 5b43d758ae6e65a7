"""Install Debian packages, as root: `python3 -m clusters.debian PACKAGE...`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NO_SERVICES = Path("/usr/sbin/policy-rc.d")
ANSWERS = {  # to what packages ask while they are installed
    "gridengine-master": "shared/gridengineconfig boolean false",  # no cell of the machine's own
}


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,  # unknown packages make it fail, after it has told about the others
    )
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def install(packages: Sequence[str]) -> bool:
    """Install what is missing, starting no services; False, with a message, where that is impossible."""
    wanted = ", ".join(packages)
    if shutil.which("apt-get") is None or shutil.which("dpkg-query") is None:
        print(f"This is no Debian: can't install {wanted}.", file=sys.stderr)
        return False
    missing = missing_packages(packages)
    if not missing:
        return True
    if os.geteuid() != 0:
        print(f"Only root can install {', '.join(missing)}.", file=sys.stderr)
        return False
    print(f"Installing {', '.join(missing)} ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    added = not NO_SERVICES.exists()
    if added:
        NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        NO_SERVICES.chmod(0o755)
    try:
        for package in ANSWERS.keys() & set(missing):
            subprocess.run(["debconf-set-selections"], input=f"{package} {ANSWERS[package]}\n", text=True, check=False)
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *missing]):
            done = subprocess.run(
                ["apt-get", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                print(f"apt-get {' '.join(command)} failed:\n{done.stdout[-3000:]}", file=sys.stderr)
    finally:
        if added:
            NO_SERVICES.unlink(missing_ok=True)
    if missing := missing_packages(packages):
        print(f"Can't install {', '.join(missing)}.", file=sys.stderr)
    return not missing


if __name__ == "__main__":
    sys.exit(0 if install(sys.argv[1:]) else 1)
