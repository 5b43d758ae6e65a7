"""Many jobs from one description: parameters, and where they go."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Parameters = Mapping[str, str]

_MOST = 1_000_000
_OPTIONS = ("repeat", "sweep", "grid")
_PLACE = re.compile(r"(?<!\$)\{(\w+)\}")  # ${NAME} is a variable of a shell's


def takes_sweep(function: Function) -> Function:
    """Have a command take what makes many jobs of one."""
    function = click.option(
        "--grid",
        multiple=True,
        metavar="NAME=A,B,C",
        help="A job for each value, which {NAME} stands for; for each combination if given several times.",
    )(function)
    function = click.option(
        "--sweep",
        type=click.Path(dir_okay=False),
        metavar="FILE.CSV",
        help="A job for each line; {NAME} stands for what is in the column of that name.",
    )(function)
    return click.option(
        "--repeat", type=click.IntRange(1, _MOST), metavar="N", help="N jobs; {i} stands for 1, 2, ... N."
    )(function)


def parameters(given: dict[str, Any]) -> list[Parameters] | None:
    """What is special about each job; None if there is only one. The options are taken out of what was given.

    Raises:
        click.UsageError: an option can not be understood.
    """
    repeat, sweep, grid = (given.pop(name) for name in _OPTIONS)
    if repeat is None and sweep is None and not grid:
        return None
    parts: list[list[Parameters]] = []
    if sweep is not None:
        parts.append(_lines(sweep))
    parts += [[{name: value} for value in values] for name, values in map(_values, grid)]
    if repeat is not None:
        parts.append([{}] * repeat)
    names = [name for part in parts for name in part[0]]
    twice = next((name for name in names if names.count(name) > 1 or name == "i"), None)
    if twice is not None:
        raise click.UsageError(f"the parameter {twice!r} has several meanings: call one of them by another name")
    count = 1
    for part in parts:
        count *= len(part)
    if count > _MOST:
        raise click.UsageError(f"these are {count} jobs, which is more than {_MOST}; submit them in parts")
    combined = ({name: value for one in each for name, value in one.items()} for each in itertools.product(*parts))
    return [{**each, "i": str(number)} for number, each in enumerate(combined, start=1)]


def filled(data: Any, parameters: Parameters) -> Any:
    """A description of a job with these parameters in the place of `{NAME}`; other braces stay as they are."""
    if isinstance(data, str):
        return _PLACE.sub(lambda match: parameters.get(match[1], match[0]), data)
    if isinstance(data, dict):
        return {name: filled(value, parameters) for name, value in data.items()}
    return [filled(value, parameters) for value in data] if isinstance(data, list | tuple) else data


def unused(data: Any, parameters: Parameters) -> list[str]:
    """The names of parameters that stand nowhere in a description."""
    return [name for name in parameters if name != "i" and filled(data, {name: ""}) == data]


def _values(text: str) -> tuple[str, Sequence[str]]:
    name, sign, values = text.partition("=")
    if not sign or not re.fullmatch(r"\w+", name):
        raise click.BadParameter(f"{text!r} is not NAME=A,B,C", param_hint="--grid")
    return name, values.split(",")


def _lines(path: str) -> list[Parameters]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.BadParameter(f"{path} can not be read: {error}", param_hint="--sweep") from error
    if len(rows) < 2:
        raise click.BadParameter(f"{path} has no line below that with the names", param_hint="--sweep")
    names = [name.strip() for name in rows[0]]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"{path}: several columns are called {name!r}", param_hint="--sweep")
        if not re.fullmatch(r"\w+", name):
            raise click.BadParameter(f"{path}: {name!r} in its first line is no name", param_hint="--sweep")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise click.BadParameter(
                f"{path}: row {number} has {len(row)} values, and there are {len(names)} names", param_hint="--sweep"
            )
    return [dict(zip(names, row, strict=True)) for row in rows[1:]]
