"""The command `psij-like` itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from psij_like import __version__
from psij_like.cli import main as cli

PSIJ = [sys.executable, "-c", "from psij_like.cli.main import main; main()"]


def run(*arguments: str, code: int = 0) -> str:
    ran = subprocess.run([*PSIJ, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout if code == 0 else ran.stderr


def test_help_names_every_command() -> None:
    told = run("--help")
    assert all(f"  {name} " in told for name in cli._COMMANDS)


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_a_command_says_of_itself_what_the_list_says(name: str) -> None:
    command = cli.main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and command.help is not None
    assert command.help.startswith(cli._COMMANDS[name].rstrip("."))
    assert f"{name} [OPTIONS]" in run(name, "--help")


def test_version() -> None:
    assert run("--version") == f"psij-like, version {__version__}\n"


def test_a_misspelt_command_is_suggested() -> None:
    assert "did you mean 'rpc'" in run("rcp", code=2)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jsonrpc.py").write_text("raise ImportError('No module named jsonrpc')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "pip install 'psij-like[rpc]'" in run("rpc", code=1)


@pytest.mark.parametrize("missing", ["sqlalchemy", "alembic", "fastapi", "uvicorn", "pygal", "limits"])
def test_the_dashboard_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    (tmp_path / f"{missing}.py").write_text(f"raise ImportError('No module named {missing}')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    database = f"sqlite:///{tmp_path}/x.sqlite"
    said = run("dashboard", "serve", "--port", "0", "--database", database, code=1)
    assert f"No module named {missing}; install it with: pip install 'psij-like[dashboard]'" in said


def test_help_imports_little() -> None:
    code = (
        "import sys; from psij_like.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"jsonrpc", "sqlalchemy", "fastapi", "psutil", "pystache", "typeguard", "rich"} & set(modules) == set()
