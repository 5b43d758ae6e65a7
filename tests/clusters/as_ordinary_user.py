"""Run a command as an ordinary user in a copy of this tree, with a keeper of real clusters at hand.

    python3 -m clusters.as_ordinary_user COMMAND...        (as root, from the top of the tree)

Root may keep its clone where nobody else can enter, so the command runs in a copy that belongs to the user.
What the command needs from Debian is installed first. The copy and everything started are gone afterwards.
"""

from __future__ import annotations

import configparser
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from clusters.client import RELEASES
from clusters.cluster import SYSTEM_PATH
from clusters.debian import install
from clusters.keeper import keep
from clusters.processes import die_with_parent
from clusters.releases import make

USER = "psij-test"
PACKAGES = (
    "slurmctld",
    "slurmd",
    "slurm-client",
    "munge",
    "slurmdbd",
    "mariadb-server",
    "gridengine-master",
    "gridengine-exec",
    "gridengine-client",
    "openmpi-bin",
    "mpich",
    "postgresql",
    "chromium",
    "redis-server",
    "tmux",
    "python3-venv",
    "git",
    "make",
)
NODE = ("nodejs", "npm")  # for the second reader of spec/; whatever Node.js there is will do
HANDED_OVER = frozenset(
    {"LANG", "LANGUAGE", "TERM", "TZ", "COLUMNS", "CI", "CMD", "FORCE_COLOR", "NO_COLOR"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
)
HANDED_OVER_PREFIXES = ("LC_", "PIP_", "PSIJ_", "PYTEST_", "HYPOTHESIS_")
KEPT_BY_ROOT = frozenset({"PIP_CACHE_DIR", "PIP_CONFIG_FILE", "PIP_REQUIRE_VIRTUALENV", "PIP_USER", "PIP_TARGET"})


def ensure_user(name: str) -> pwd.struct_passwd:
    """The ordinary user, made when missing."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
        return pwd.getpwnam(name)


def tree_files(top: Path) -> Iterator[Path]:
    """The files of the tree, relative to its top: what git would add; all but caches where git can't tell."""
    listing = None
    if shutil.which("git"):
        listing = subprocess.run(
            ["git", "-c", f"safe.directory={top}", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=top,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    if listing is not None and listing.returncode == 0:
        for name in sorted(set(listing.stdout.split(b"\0"))):
            path = Path(os.fsdecode(name))
            if name and (top / path).is_symlink() | (top / path).is_file():
                yield path
        return
    unwanted = {".git", ".venv", "__pycache__", "build", "dist"}
    for folder, folders, files in os.walk(top):
        here = Path(folder).relative_to(top)
        for name_of_folder in list(folders):
            if name_of_folder in unwanted or name_of_folder.endswith(("_cache", ".egg-info")):
                folders.remove(name_of_folder)
            elif (top / here / name_of_folder).is_symlink():
                yield here / name_of_folder
        yield from (here / file for file in files)


def copy_tree(top: Path, to: Path, owner: pwd.struct_passwd) -> None:
    """Copy the tree and give the copy to its owner."""
    for path in tree_files(top):
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(top / path, to / path, follow_symlinks=False)
    for folder, folders, files in os.walk(to):
        for name in (".", *folders, *files):
            os.chown(Path(folder, name), owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def pip_configuration() -> configparser.RawConfigParser:
    """What root's own files tell pip (the machine's, /etc/pip.conf, is everybody's already)."""
    settings = configparser.RawConfigParser()
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [home / ".pip/pip.conf", config / "pip/pip.conf"]
    if named := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(named))
    settings.read(files)
    return settings


def environment_for(owner: pwd.struct_passwd) -> dict[str, str]:
    """A clean environment, as after a login, with what pip and the tests are told from outside."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in KEPT_BY_ROOT and (name.upper() in HANDED_OVER or name.startswith(HANDED_OVER_PREFIXES))
    }
    environment.setdefault("LANG", "C.UTF-8")
    return environment | {
        "HOME": owner.pw_dir,
        "USER": owner.pw_name,
        "LOGNAME": owner.pw_name,
        "SHELL": "/bin/bash",
        "PATH": SYSTEM_PATH,
    }


def run(command: list[str], top: Path) -> int:
    """Prepare, run, clean up; return the command's exit code."""
    if os.geteuid() != 0:
        print("Only root can start clusters and become another user.", file=sys.stderr)
        return 77
    if not install([*PACKAGES, *(NODE if shutil.which("npm") is None else ())]):
        print("Going on without; tests of what is missing will say so.", file=sys.stderr)
    make(RELEASES)
    owner = ensure_user(USER)
    place = Path(tempfile.mkdtemp(prefix="psij-test-", dir="/var/tmp"))
    try:
        place.chmod(0o755)
        for name in ("tree", "tmp"):
            (place / name).mkdir(mode=0o700)
            os.chown(place / name, owner.pw_uid, owner.pw_gid)
        copy_tree(top, place / "tree", owner)
        environment = environment_for(owner) | {"PYTEST_DEBUG_TEMPROOT": str(place / "tmp")}
        settings = pip_configuration()
        if settings.sections():
            pip_conf = place / "pip.conf"
            pip_conf.touch(mode=0o600)
            with pip_conf.open("w") as file:
                settings.write(file)
            os.chown(pip_conf, owner.pw_uid, owner.pw_gid)
            environment["PIP_CONFIG_FILE"] = str(pip_conf)
        return keep(USER, command, cwd=place / "tree", environment=environment, address=place / "keeper")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    os.umask(0o022)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _end)
    die_with_parent()
    sys.exit(run(sys.argv[1:], Path.cwd()))
