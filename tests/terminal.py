"""A terminal of 80 columns in which the command is used as by a person: tmux, driven by tests."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_PROMPT = "ready> "
_COMMAND = "from psij_like.cli.main import main; main(prog_name='psij-like')"


class Terminal:
    """A shell in tmux, with the command `psij-like` of this tree.

    Args:
        place: a directory for its own files, where the shell starts.
    """

    def __init__(self, place: Path) -> None:
        if shutil.which("tmux") is None:
            reason = "no tmux here: `make test` as root on Debian installs it"
            if "tmux" in os.environ.get("PSIJ_TEST_REQUIRE", "").replace(",", " ").split():
                pytest.fail(f"PSIJ_TEST_REQUIRE asks for tmux, but: {reason}", pytrace=False)
            pytest.skip(reason)
        self._socket = str(place / "tmux")
        self._place = place

    def __enter__(self) -> Terminal:
        commands = self._place / "bin"
        commands.mkdir()
        command = commands / "psij-like"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(_COMMAND)} "$@"\n')
        command.chmod(0o755)
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in ("TMUX", "COLUMNS", "LINES", "NO_COLOR")
            },
            "PATH": f"{commands}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        }
        start = self._place / "bashrc"
        start.write_text(f"PS1='{_PROMPT}'\n")
        shell = f"bash --rcfile {shlex.quote(str(start))}"
        self._tmux("new-session", "-d", "-x", "80", "-y", "50", shell, environment=environment)
        self.until(lambda: self.screen().rstrip("\n").endswith(_PROMPT.strip()))
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str, environment: dict[str, str] | None = None) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", self._socket, "-f", "/dev/null", *words],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            cwd=self._place,
            timeout=20,
        ).stdout

    def type(self, line: str) -> None:
        """Type a line, and return."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def press(self, key: str) -> None:
        """Press a key, such as `C-c`."""
        self._tmux("send-keys", key)

    def screen(self) -> str:
        """All that was shown so far."""
        return self._tmux("capture-pane", "-p", "-S", "-")

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.screen()
            time.sleep(0.1)

    def shows(self, *words: str) -> None:
        """Wait until all of these are shown."""
        self.until(lambda: all(word in self.screen() for word in words))

    def code(self) -> str:
        """The exit code of the last line."""
        return self.run("echo code $?").rpartition("code ")[2]

    def run(self, line: str) -> str:
        """Type a line, wait for its end, and give what it printed."""
        self._tmux("send-keys", "-R")
        self._tmux("clear-history")
        self.type(line)
        self.finished()
        return "\n".join(self.screen().rstrip("\n").split("\n")[1:-1])

    def finished(self) -> None:
        """Wait until the shell asks for more."""

        def asks() -> bool:
            lines = self.screen().rstrip("\n").split("\n")
            return len(lines) > 1 and lines[-1].strip() == _PROMPT.strip()

        self.until(asks)


def session(terminal: Terminal, place: Path) -> None:
    """What a person does: runs a job and thinks better of it, sweeps, looks at a job and at its output."""
    seen = []
    terminal.type("psij-like run -- sh -c 'echo begun; exec sleep 600'")
    terminal.shows("ACTIVE", "begun")
    terminal.press("C-c")
    terminal.shows("cancel job", "[y/N]:")
    terminal.type("y")
    terminal.shows("CANCELED (cancelled)")
    terminal.finished()
    seen.append(terminal.screen())
    assert terminal.code() == "143"

    shown = terminal.run("psij-like run --grid x=1,2,3,4,5,6 -- sh -c 'sleep 0.{x}; [ {x} != 4 ]'")
    seen.append(shown)
    bars = [line for line in shown.splitlines() if "━" in line]
    assert len(bars) == 1 and "6/6" in bars[0] and "0 running, 1 failed" in bars[0], shown
    assert "psij-like: 6 jobs: 5 completed, 1 failed" in shown
    assert "(x=4, i=4): FAILED (exit): exit code 1" in shown
    assert terminal.code() == "1"

    waits = f"echo one; until [ -e {place}/go ]; do sleep 0.1; done; echo two"
    job = terminal.run(f"psij-like submit --name nice -o {place}/out -- sh -c '{waits}'").split()[-1]
    terminal.run(f"until psij-like status {job} | grep ACTIVE; do :; done")
    told = terminal.run(f"psij-like info {job}")
    assert "status         ACTIVE" in told and "name           nice" in told
    terminal.type(f"psij-like logs -f {job}")
    terminal.shows("one")
    (place / "go").touch()
    terminal.shows("two")
    terminal.finished()
    seen += [told, terminal.screen()]
    assert terminal.code() == "0"
    for text in seen:
        assert "Traceback" not in text
        assert all(len(line) <= 80 for line in text.splitlines())
