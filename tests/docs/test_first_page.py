"""The first page's commands, word for word, in an environment of their own, and with a real Slurm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from clusters.client import Cluster

ROOT = Path(__file__).parents[2]


def session(page: Path) -> str:
    """What a reader types, as one script for a shell; the Python is one program, as in one session."""
    commands, program = [], []
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type != "fence":
            continue
        if token.info == "python":
            program.append(token.content)
            continue
        if program:
            commands += ["python3 - <<'END'", *program, "END"]
            program = []
        prompt = "$ " if token.info == "console" else ""
        commands += [line[len(prompt) :] for line in token.content.splitlines() if line.startswith(prompt)]
        if token.info == "bash":
            commands.append("cd")  # no file is left in the tree
    return "\n".join(["set -e", *commands, ""])


def test_the_first_page(shared_slurm: Callable[..., Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared_slurm().choose(monkeypatch.setenv)
    # What is installed here, and the tests' own settings, are not the reader's; other schedulers may be installed.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = kept | {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "PSIJ_EXECUTOR": "local"}
    done = subprocess.run(
        ["/bin/bash", "-c", session(ROOT / "docs" / "index.md")],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if "pip" not in line]
    greetings, squares = ["hello from Slurm"] * 3, [f"{n} squared is {n * n}" for n in (1, 2, 3)]
    assert told[-9:] == ["hello", "it ended with 3", "COMPLETED 0 exit", *greetings, *squares], done.stdout
