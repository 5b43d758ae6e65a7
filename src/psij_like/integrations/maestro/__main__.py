"""`python -m psij_like.integrations.maestro`: have the Maestro of this environment find the adapter."""

import sys
from importlib.util import find_spec
from pathlib import Path

from psij_like.integrations.maestro import PsijScriptAdapter

_DROP_IN = """\
try:
    from psij_like.integrations.maestro import PsijScriptAdapter  # noqa: F401
except ModuleNotFoundError:  # psij-like was removed; Maestro goes on without
    pass
"""


def install() -> Path:
    """Put a file into Maestro's folder of adapters which imports this one; returns the file.

    Raises:
        OSError: it can not be written.
    """
    found = find_spec("maestrowf.interfaces.script")
    if found is None or found.origin is None:
        raise OSError("maestrowf.interfaces.script is no folder that a file could be put into")
    place = Path(found.origin).with_name("psijscriptadapter.py")
    place.write_text(_DROP_IN, encoding="utf-8")
    return place


if __name__ == "__main__":
    try:
        print(f"Maestro knows the batch type {PsijScriptAdapter.key!r} by {install()}")
    except OSError as error:
        sys.exit(f"the adapter can not be installed: {error}; whoever installed Maestro has to run this")
