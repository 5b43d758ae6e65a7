"""Commands in whose processes `import psij` means this library."""

from __future__ import annotations

from pathlib import Path

import psij_like
from psij_like import compat

PYTHONPATH = f"{compat.path()}:{Path(psij_like.__file__).parents[1]}"


def as_psij(*command: str | Path, **variables: str) -> list[str]:
    """The command, with that, and with further variables."""
    given = [f"{name}={value}" for name, value in {"PYTHONPATH": PYTHONPATH, **variables}.items()]
    return ["env", *given, *map(str, command)]
