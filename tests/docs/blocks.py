"""Runs the code blocks of a page: Python, console sessions, configuration and JSON."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
from pathlib import Path

from markdown_it import MarkdownIt
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from psij_like import configuration

SHOWN = frozenset({"text", "mustache", "ini", "nginx"})  # what is no program, and another test may read
RUN = frozenset({"python", "console", "toml", "json"})
_ELSEWHERE = re.compile("<!-- run by (.*) -->")


def console(example: Example) -> str | None:
    """Run the commands of a session, and compare what they print where the page shows it."""
    commands: list[tuple[str, list[str]]] = []
    for line in str(example.parsed).splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif line.startswith("> "):
            commands[-1] = (f"{commands[-1][0]}\n{line[2:]}", commands[-1][1])
        else:
            commands[-1][1].append(line)
    for command, expected in commands:
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            return f"$ {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        shown = "".join(f"{line}\n" for line in expected)
        checker = doctest.OutputChecker()
        if expected and not checker.check_output(shown, done.stdout, doctest.ELLIPSIS):
            return f"$ {command}\nprinted\n{done.stdout}instead of\n{shown}"
    return None


def toml(example: Example) -> str | None:
    """A configuration of the library holds no unknown key."""
    path = Path("psij-like.toml")
    path.write_text(str(example.parsed), encoding="utf-8")
    try:
        configuration.load()
    except ValueError as error:
        return str(error)
    finally:
        path.unlink()
    return None


def is_json(example: Example) -> str | None:
    """It can be read."""
    json.loads(str(example.parsed))
    return None


PARSERS = (
    PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS),
    CodeBlockParser("console", console),
    CodeBlockParser("toml", toml),
    CodeBlockParser("json", is_json),
)


def run(page: Path) -> None:
    """Run the blocks of a page, but for those that another test runs, in the current directory."""
    for example in Document.parse(str(page), *PARSERS):
        above = example.document.text[: example.start].rstrip().rpartition("\n")[2]
        if not _ELSEWHERE.fullmatch(above):
            example.evaluate()


def not_run(page: Path, root: Path) -> list[str]:
    """The blocks that nothing runs."""
    text = page.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = []
    for token in MarkdownIt("commonmark").parse(text):
        if token.type not in ("code_block", "fence"):
            continue
        first, _ = token.map or (0, 0)
        elsewhere = _ELSEWHERE.fullmatch(lines[first - 1]) if first else None
        if (not (root / elsewhere[1]).exists()) if elsewhere else token.info not in RUN | SHOWN:
            found.append(f"{page.name}:{first + 1}: {token.info or 'indented'}: {token.content.splitlines()[0]}")
    return found
