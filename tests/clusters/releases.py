"""Slurm of other Debian releases: folders made by debootstrap, kept for the next time in /var/cache/psij-like-test.

What is in such a folder runs outside of it, by the folder's own loader and with its own libraries. So there is no
chroot and nothing is mounted below the folder, which makes it safe to remove; jobs find the machine's own Python,
MPI, users and directories; and the user's commands need no help from root.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from clusters.debian import install

CACHE = Path("/var/cache/psij-like-test")
PACKAGES = ("slurmctld", "slurmd", "slurm-client")
# In namespaces of its own, and not without us: whatever happens, what debootstrap mounts and starts ends with it.
CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"),
)

_why_not: dict[str, str] = {}
"""Of the releases that could not be had: why."""


class Release:
    """The folder of a Debian release, which is there."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def plugins(self) -> Path:
        """Slurm's PluginDir."""
        return self._one("usr/lib/*/slurm-wlm")

    def write_commands(self, to: Path) -> None:
        """Write a small script for each of Slurm's commands and daemons, by its usual name, that runs this one."""
        loader = self._one("usr/lib/*/ld-linux*.so.*")
        libraries = f"{loader.parent}:{self.plugins}"
        to.mkdir(mode=0o755)
        for program in self._programs():
            script = to / program.name.removesuffix("-wlm")
            # Slurm starts itself again by the name it is called by, if that is a whole path, else by /proc/self/exe,
            # which is the loader.
            command = (loader, "--inhibit-cache", "--library-path", libraries, "--argv0", script, program)
            script.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n')
            script.chmod(0o755)

    def _programs(self) -> Iterator[Path]:
        for package in PACKAGES:
            for line in (self.folder / f"var/lib/dpkg/info/{package}.list").read_text().splitlines():
                if re.match("/usr/s?bin/.", line):
                    yield self.folder / line.removeprefix("/")

    def _one(self, pattern: str) -> Path:
        """The one path in the folder: how a library directory is called depends on the processor."""
        (found,) = self.folder.glob(pattern)
        return found


def release(name: str) -> Release | str:
    """The folder of that release if it has been made, else why there is none."""
    folder = CACHE / name
    if re.fullmatch("[a-z]+", name) and folder.is_dir():
        return Release(folder)
    return _why_not.get(name) or f"there is no Debian {name} in {CACHE}: `make test-slurm-versions` makes it, as root"


def make(names: Sequence[str]) -> None:
    """Make the folders that are not there. Where that is impossible `release` will tell why."""
    for name in names:
        if not re.fullmatch("[a-z]+", name):
            _why_not[name] = f"{name!r} is no name of a Debian release"
        elif not (CACHE / name).is_dir():
            problem = _make(name) if install(["debootstrap"]) else "debootstrap can't be installed"
            if problem:
                _why_not[name] = f"can't make a folder with Debian {name}: {problem}"
                print(_why_not[name], file=sys.stderr)


def _make(name: str) -> str:
    """Make one; return what went wrong."""
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (CACHE / name).is_dir():
            return ""
        for left in CACHE.glob("unfinished-*"):  # by one who was killed: who works on one holds the lock
            shutil.rmtree(left)
        print(f"Making {CACHE / name}, for its Slurm ...", file=sys.stderr, flush=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=CACHE))
        try:
            with (unfinished / "log").open("w+") as log:
                command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", name]
                code = _run([*CONTAINED, *command, str(unfinished / name), *mirror()], log.fileno())
                if code != 0:
                    log.seek(0)
                    return f"debootstrap ended with {code}: {log.read().strip()[-500:]}"
            shutil.rmtree(unfinished / name / "var/cache/apt", ignore_errors=True)
            (unfinished / name).chmod(0o755)
            (unfinished / name).rename(CACHE / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return ""


def _run(command: Sequence[str], output: int) -> int:
    """Run it to its end, or to ours."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            return process.wait()
        finally:
            process.kill()


def mirror() -> list[str]:
    """Where this machine gets its Debian from; nothing if apt knows no place, and debootstrap then has its own."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian", "Identifier: Packages"]
    addresses: list[str] = []
    with contextlib.suppress(OSError):
        addresses = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return [address for address in addresses if re.match("https?:|file:", address)][:1]
