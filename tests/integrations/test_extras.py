"""What is said where a system is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("module", "package"), [("parsl", "parsl"), ("maestro", "maestrowf")])
def test_the_extra_is_named(module: str, package: str) -> None:
    script = f"import sys; sys.modules[{package!r}] = None; import psij_like.integrations.{module}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"pip install 'psij-like[{module}]'" in done.stderr.splitlines()[-1]
