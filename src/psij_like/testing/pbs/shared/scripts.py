"""What qsub reads: its command line, the script, the directives in it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psij_like.testing.options import OptionError, Options
from psij_like.testing.pbs.shared.words import resource_list
from psij_like.testing.personality import Call

# Given several times, they add up.
_LISTS = ("l", "W")


class Refusal(Exception):  # noqa: N818 - reads as what happened
    """A command does not do what it was asked for: what it says, and with what it exits."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(f"{text}\n")
        self.exit_code = exit_code


@dataclass
class Order:
    """A call of qsub, understood as far as both kinds understand it alike.

    Attributes:
        text: the script.
        name: of the file that it came from, or STDIN.
        options: values by letter; those of `-l` and `-W` are in dictionaries of their own.
        resources: of all `-l`.
        attributes: of all `-W`.
        arguments: the command line, as it is shown.
    """

    text: str
    name: str
    options: dict[str, str]
    resources: dict[str, str]
    attributes: dict[str, str]
    arguments: str


def read(call: Call, options: Options, no_script: str, crlf: str) -> Order:
    """Understand a call of qsub.

    Args:
        call: the call.
        options: that qsub knows.
        no_script: what is said if the script can't be read: a format of `path` and `problem`.
        crlf: what is said if it has lines of another world.

    Raises:
        OptionError: qsub's getopt refuses the command line or a directive.
        Refusal: there is no script, or none of this kind.
    """
    given, operands = options.parse(call.argv)
    executable = bool(operands) and "--" in call.argv[: len(call.argv) - len(operands)]
    name = "STDIN"
    if executable:
        text = f"#!/bin/sh\nexec {shlex.join(operands)}\n"
    elif operands:
        text, name = _file(call, operands[0], no_script), Path(operands[0]).name
    else:
        text = os.fsdecode(call.stdin)
    if len(operands) > 1 and not executable:
        raise OptionError("")
    if "\r\n" in text:
        raise Refusal(crlf, 1)
    found = [*options.parse(_directives(text, dict(given).get("C", "#PBS")))[0], *given]
    resources: dict[str, str] = {}
    attributes: dict[str, str] = {}
    for letter, value in found:
        if letter in _LISTS:
            (resources if letter == "l" else attributes).update(resource_list(value))
    values = {letter: value for letter, value in found if letter not in _LISTS}
    return Order(text, name, values, resources, attributes, " ".join(call.argv))


def _file(call: Call, path: str, no_script: str) -> str:
    whole = Path(call.directory, path)
    if whole.exists() and not whole.is_file():
        raise Refusal("qsub: script not a file", 1)
    try:
        return os.fsdecode(whole.read_bytes())
    except OSError as error:
        raise Refusal(no_script.format(path=path, problem=error.strerror), 1) from error


def _directives(text: str, prefix: str) -> Sequence[str]:
    words: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if line.startswith(prefix) and prefix:
            try:
                words += shlex.split(line[len(prefix) :])
            except ValueError:
                words += line[len(prefix) :].split()
        elif line.strip() and not line.lstrip().startswith(("#", ":")) and (number or not line.startswith("#!")):
            break
    return words


def dependencies(text: str, kinds: str) -> list[tuple[str, list[str]]]:
    """Kinds and ids of `afterok:1.a:2.a,afterany:3`. ValueError: it is nothing of the sort."""
    found = []
    for part in text.split(","):
        kind, *native_ids = part.split(":")
        ids_are_good = native_ids and all(re.match(r"\d", native_id) for native_id in native_ids)
        if not re.fullmatch(kinds, kind) or not ids_are_good:
            raise ValueError(text)
        found.append((kind, native_ids))
    return found


def origin(call: Call, server: str, queue: str) -> dict[str, str]:
    """The variables that say where a job comes from."""
    names = ("HOME", "LANG", "LOGNAME", "PATH", "MAIL", "SHELL")
    found = {f"PBS_O_{name}": call.environment[name] for name in names if name in call.environment}
    return {**found, "PBS_O_WORKDIR": call.directory, "PBS_O_QUEUE": queue, "PBS_O_HOST": server}


def exported(environment: Mapping[str, str]) -> dict[str, str]:
    """What `-V` takes along."""
    return {name: value for name, value in environment.items() if not name.startswith("PBS_")}
