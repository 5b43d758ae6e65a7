"""The recordings of real schedulers' commands in tests/recordings/<scheduler>-<version>/."""

from __future__ import annotations

import re
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
