"""The command on a terminal, with jobs of this machine."""

from __future__ import annotations

from pathlib import Path

from terminal import Terminal, session


def test_a_session(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        session(terminal, tmp_path)


def test_an_interrupted_sweep(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        terminal.type("psij-like run --repeat 5 -- sh -c 'touch started-{i}; exec sleep 600'")
        terminal.shows("5 running")
        terminal.press("C-c")
        terminal.shows("cancel 5 jobs? [y/N]:")
        terminal.type("n")
        terminal.shows("━")
        terminal.press("C-c")
        terminal.until(lambda: terminal.screen().count("cancel 5 jobs? [y/N]:") == 2)
        terminal.press("C-c")
        terminal.shows("5 jobs: 5 canceled")
        terminal.finished()
        assert terminal.code() == "143"
