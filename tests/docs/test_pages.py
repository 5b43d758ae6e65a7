"""Every code block of the documentation runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import blocks
from psij_like.testing import SimulatedCluster

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty directory, a home of its own, `psij-like` in PATH, and a simulated Slurm."""
    home, work = tmp_path / "home", tmp_path / "work"
    for place in (home, work, home / "campaign"):
        place.mkdir()
    simulate = home / "campaign" / "simulate"
    simulate.write_text("#!/bin/sh\nexit 0\n")
    simulate.chmod(0o755)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PSIJ_EXECUTOR", "local")  # this machine may have several schedulers
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with SimulatedCluster("slurm", nodes=4, slots=8):
        yield


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_blocks_of_a_page(page: Path, surroundings: None) -> None:
    blocks.run(page)


def test_no_block_is_left_out() -> None:
    assert [left for page in PAGES for left in blocks.not_run(page, ROOT)] == []
