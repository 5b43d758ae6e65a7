"""The recordings of real schedulers' commands in tests/recordings/<scheduler>-<version>/."""

from __future__ import annotations

import calendar
import re
import time
from pathlib import Path

from psij_like._engine.host import Result

_PLACE = Path(__file__).with_name("recordings")
_PARTS = re.compile(r"# (.*)\n# exit code: ([0-9]+)\n# ---- stdout\n(.*)# ---- stderr\n(.*)", re.DOTALL)


def recorded(version: str, name: str) -> Result:
    """What a command said, `recorded("slurm-22.05", "sbatch-good")`."""
    match = _PARTS.fullmatch((_PLACE / version / f"{name}.txt").read_text())
    if match is None:
        raise ValueError(f"{version}/{name} is not a recording")
    return Result(tuple(match[1].split()), int(match[2]), match[3], match[4])


def names(version: str, prefix: str) -> list[str]:
    """The names of the recordings that begin so."""
    return sorted(path.stem for path in (_PLACE / version).glob(f"{prefix}*.txt"))


def seconds(text: str) -> str:
    """A time as Slurm prints it with SLURM_TIME_FORMAT=%s."""
    try:
        return str(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return text


def squeue_as_asked(result: Result) -> Result:
    """A recording of squeue with other columns, in ours: id, state, start, end, reason."""
    lines = []
    for line in result.stdout.splitlines():
        native_id, _, state, reason, _, start, end, *_ = [*line.split("|"), "", "N/A", "N/A"]
        lines.append("|".join([native_id, state, seconds(start), seconds(end), reason]) + "\n")
    return Result(result.argv, result.exit_code, "".join(lines), result.stderr)


SACCT = ("id", "raw", "state", "code", "derived", "start", "end")
"""The columns of most of the recordings of sacct."""


def sacct_as_asked(result: Result, *columns: str) -> Result:
    """A recording of sacct with other columns, in ours: id, state, exit code, end, UID."""
    lines = []
    for line in result.stdout.splitlines():
        fields = dict(zip(columns, line.split("|"), strict=False))
        lines.append("|".join([fields["id"], fields["state"], fields["code"], seconds(fields["end"]), "1000"]) + "\n")
    return Result(result.argv, result.exit_code, "".join(lines), result.stderr)
