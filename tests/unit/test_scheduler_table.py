"""docs/schedulers.md says what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent.parent / "docs" / "scheduler_table.py"


def test_the_page_is_as_the_code_says(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], check=False, timeout=60)
    assert done.returncode == 0, "run `python docs/scheduler_table.py`"
