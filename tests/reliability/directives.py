"""What schedulers make of a directive: its words, by the rules of their own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Reader:
    """How a scheduler reads.

    Attributes:
        words: the words of a directive; ValueError if it does not read as one option.
        queue, account, reservation: the words before these values.
        custom: custom attributes, and the words before their values.
        split: whether a value with a blank is told in another way.
    """

    words: Callable[[str], list[str]]
    queue: tuple[str, ...]
    account: tuple[str, ...]
    reservation: tuple[str, ...]
    custom: Mapping[str, tuple[str, ...]]
    split: bool = False


def _shell(line: str) -> list[str]:
    """Slurm's: one option, quotes and backslashes as in a shell."""
    (word,) = shlex.split(line)
    name, _, value = word.partition("=")
    return [name, value]


def _quotes(line: str) -> list[str]:
    """Words at blanks, quotes of either kind around them, no escapes; nothing that a shell would expand."""
    if re.search(r"[\\$`]", line):
        raise ValueError(f"something in {line!r} may be expanded")
    words, rest = [], line
    while rest:
        match = re.match(r"""((?:[^\s"']|"[^"]*"|'[^']*')+)(?: |$)""", rest)
        if match is None:
            raise ValueError(f"{line!r} can not be read")
        words.append(re.sub("[\"']", "", match[1]))
        rest = rest[match.end() :]
    if words[0] == "-l" and "=" in words[1]:
        name, _, value = words[1].partition("=")
        return ["-l", name, value]
    return words


def _blanks(line: str) -> list[str]:
    words = line.split(" ")
    if len(words) > 2 or "" in words:
        raise ValueError(f"{line!r} is more than an option and its value")
    return words


def _json(line: str) -> list[str]:
    name, _, value = line.partition("=")
    return [name, str(json.loads(value))]


READERS: dict[str, Reader] = {
    "slurm": Reader(_shell, ("--partition",), ("--account",), ("--reservation",), {"comment": ("--comment",)}),
    "pbs": Reader(_quotes, ("-q",), ("-A",), ("-q",), {"M": ("-M",), "site": ("-l", "site")}),
    "pbs_classic": Reader(_quotes, ("-q",), ("-A",), ("-l", "advres"), {"M": ("-M",), "site": ("-l", "site")}),
    "lsf": Reader(_quotes, ("-q",), ("-P",), ("-U",), {"Jd": ("-Jd",)}),
    "grid_engine": Reader(_quotes, ("-q",), ("-A",), ("-ar",), {"M": ("-M",), "site": ("-l", "site")}),
    "cobalt": Reader(_blanks, ("-q",), ("-A",), ("-q",), {"attrs": ("--attrs",)}, split=True),
    "flux": Reader(
        _json,
        ("attributes.system.queue",),
        ("attributes.system.bank",),
        ("none",),
        {"user.comment": ("attributes.user.comment",)},
    ),
}
