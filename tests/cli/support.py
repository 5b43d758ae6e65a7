"""The command as its users type it."""

from __future__ import annotations

import subprocess
import sys

# It may have been started with the signal ignored, as in the background of a script.
HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
PSIJ = [sys.executable, "-c", f"{HEEDING}; from psij_like.cli.main import main; main()"]


def psij(*words: str, text: str = "", code: int = 0) -> str:
    """What it printed; all of it if that exit code is none of success."""
    ran = subprocess.run([*PSIJ, *words], input=text, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout if code == 0 else ran.stdout + ran.stderr


def submitted(script: str, *options: str) -> str:
    """The native id of a job that runs a shell script."""
    return psij("submit", *options, "--", "sh", "-c", script).strip()
