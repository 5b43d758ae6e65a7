"""Quoting, one function for each context. No other code may put a user's value into text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from psij_like.exceptions import InvalidJobException

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")


def shell_word(text: str) -> str:
    """The shell word whose value is exactly `text`."""
    return shlex.quote(text)


def shell_array(words: Iterable[str]) -> str:
    """A bash array literal holding exactly `words`."""
    return "(" + " ".join(map(shell_word, words)) + ")"


def one_line(text: str) -> str:
    """The same assignments for bash as one line; newlines are in the values of `shell_word` and nowhere else."""
    return text.replace("\n", "'$'\\n''")


def directive_value(text: str) -> str:
    """A value on a directive line of a scheduler that reads double quotes and backslashes as a shell does.

    Control characters, which could end the line, have been refused before.
    """
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quoted_word(text: str) -> str:
    """A word on a directive line of a scheduler that reads quotes, but no escapes.

    Raises:
        InvalidJobException: there is no way to write it.
    """
    if _PLAIN.fullmatch(text):
        return text
    if not text.isprintable() or any(mark in text for mark in "\"'\\$`"):
        raise InvalidJobException(f"{text!r} can not be written in a batch script; it must not hold \" ' \\ $ or `")
    return f'"{text}"'


def octal_word(text: str) -> str:
    """The word for bash whose value is exactly `text`: ASCII, without the braces in which Flux expands names."""
    return "$'" + re.sub(rb"[^A-Za-z0-9_./-]", _octal, text.encode("utf-8", "surrogateescape")).decode("ascii") + "'"


def _octal(match: re.Match[bytes]) -> bytes:
    return b"\\%03o" % ord(match[0])


def plain_name(text: str, allowed: str, limit: int) -> str:
    """A job's name as a scheduler takes it: what is not `allowed` (a set for a regular expression) becomes `_`."""
    return re.sub(f"[^{allowed}]", "_", text)[:limit]


def split_references(value: str) -> list[tuple[str, bool]]:
    """Split an environment value into literal text and names of variables it refers to (J2).

    `${NAME}` refers to a variable of the job's side, `$${NAME}` is the literal text `${NAME}`;
    everything else is literal. The pairs are (text, False) or (name, True).
    """
    if "${" not in value:
        return [(value, False)]
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in _REFERENCE.finditer(value):
        pieces.append((value[end : match.start()], False))
        escaped, name = match.groups()
        pieces.append((f"${{{name}}}", False) if escaped else (name, True))
        end = match.end()
    pieces.append((value[end:], False))
    return [piece for piece in pieces if piece[0]]


def shell_assignment(name: str, value: str) -> str:
    """`NAME=...` for an environment variable whose value may refer to others (J2)."""
    words = (f'"${{{text}-}}"' if refers else shell_word(text) for text, refers in split_references(value))
    return f"{name}={''.join(words)}"


def expand_references(value: str, environment: Mapping[str, str]) -> str:
    """What `shell_assignment` gives in a shell, without a shell."""
    return "".join(environment.get(text, "") if refers else text for text, refers in split_references(value))
