"""Environments of their own for foreign systems, made with pip: each once, whichever process of the tests is first."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".environments"
PLUGIN = ROOT / "integrations" / "snakemake-executor-plugin-psij-like"
REQUIREMENTS = {
    "parsl": ["--editable", f"{ROOT}[parsl]"],
    "maestro": ["--editable", f"{ROOT}[maestro]"],
    "merlin": ["--editable", str(ROOT), "merlin>=1.13"],
    "snakemake": ["--editable", str(ROOT), "--editable", str(PLUGIN), "snakemake>=9"],
    "dask": ["--editable", str(ROOT), "dask-jobqueue>=0.9"],
    "radical": ["--editable", f"{ROOT}[rp]", "radical.entk>=1.90"],
    "executorlib": ["--editable", str(ROOT), "executorlib>=1.11"],
}


class NotMadeError(Exception):
    """pip could not make an environment; the message says why."""


def make(name: str) -> Path:
    """The environment of that system, which is made if it is not there, or was made for other requirements.

    Raises:
        NotMadeError: that is impossible.
    """
    requirements = REQUIREMENTS[name]
    wanted = f"{requirements}\n{(ROOT / 'pyproject.toml').read_text()}"  # extras are in there
    environment = PLACE / name
    made = environment / "made-for"
    PLACE.mkdir(exist_ok=True)
    with (PLACE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists() and made.read_text() == wanted:
            return environment
        shutil.rmtree(environment, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(environment))
        # Compiling all modules takes as long as installing them, and few are used.
        _run(str(environment / "bin" / "pip"), "install", "--quiet", "--no-compile", *requirements)
        made.write_text(wanted)
    return environment


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=400
        )
    except subprocess.TimeoutExpired as error:
        raise NotMadeError(str(error)) from error
    if done.returncode != 0:
        raise NotMadeError(f"{' '.join(command)} failed: {done.stderr[-1500:]}")
