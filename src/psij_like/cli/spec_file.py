"""Job specifications in files: JSON, YAML, or a script with `#PSIJ` lines."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

import click

_DIRECTIVE = re.compile(r"#PSIJ\b(.*)")
_SCRIPTS = "scripts"


def is_script(text: str) -> bool:
    """Whether it is a script, rather than the specification of a job."""
    return text.startswith("#!") or any(map(_DIRECTIVE.match, text.splitlines()))


def data_of(text: str, name: str) -> dict[str, Any]:
    """The specification that a text in JSON or YAML holds, in JSON's types.

    Raises:
        InvalidJobException: it describes no job.
        click.UsageError: it is neither.
    """
    from psij_like.serialize import JSONSerializer, spec_from_dict  # noqa: PLC0415 - only if it is used

    if text.lstrip().startswith("{"):
        import json  # noqa: PLC0415 - only if it is used

        JSONSerializer().loads(text)  # tells best what is wrong
        return dict(json.loads(text))
    data = _yaml(text, name)
    if not isinstance(data, dict):
        raise click.UsageError(
            f"{name} describes no job: it is neither JSON nor YAML with a job's fields, nor a script that begins with "
            "#! or has #PSIJ lines"
        )
    spec_from_dict(data)  # tells best what is wrong
    return data


def _yaml(text: str, name: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 - it may be missing
    except ImportError as error:
        raise click.ClickException(f"{error}; to read YAML: pip install 'psij-like[cli]'") from error
    try:
        return yaml.load(text, Loader=_loader(yaml))  # noqa: S506 - it is a safe one
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where is not None else ""
        raise click.UsageError(f"{name} is neither JSON nor YAML{line}: {getattr(error, 'problem', error)}") from error


def _loader(yaml: Any) -> Any:
    """A safe loader to which `1:30` is a text, as in YAML 1.2, and no number of minutes."""
    kind: Any = type("Loader", (yaml.SafeLoader,), {})
    sixties = re.compile(r"^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$")
    numbers = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    kind.yaml_implicit_resolvers = {
        first: [(tag, _Without(pattern, sixties) if tag in numbers else pattern) for tag, pattern in resolvers]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return kind


class _Without:
    """A pattern that does not match what another one matches."""

    def __init__(self, pattern: re.Pattern[str], other: re.Pattern[str]) -> None:
        self._pattern, self._other = pattern, other

    def match(self, text: str) -> re.Match[str] | None:
        """As `re.Pattern.match`."""
        return None if self._other.match(text) else self._pattern.match(text)


def directives_of(text: str, name: str, command: click.Command) -> dict[str, Any]:
    """What the `#PSIJ --option=value` lines of a script say, as a command would take these options.

    An option with an empty value is none.

    Raises:
        click.UsageError: a line has something that is no option; names the line.
    """
    given: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _DIRECTIVE.match(line)
        if match is None:
            continue
        where = f"{name}, line {number}"
        try:
            words = shlex.split(match[1])
        except ValueError as error:
            raise click.UsageError(f"{where}: {line.strip()!r} can not be read: {error}") from error
        words = [word for word in words if not re.fullmatch(r"--[a-z-]+=", word)]
        try:
            with command.make_context("#PSIJ", words) as context:
                found = context.params
        except click.UsageError as error:
            raise click.UsageError(f"{where}: {error.format_message()}") from error
        if found["command"]:
            raise click.UsageError(f"{where}: {found['command'][0]!r} is no option; write it as --NAME=VALUE")
        given = merged(given, found)
    return given


def merged(given: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Options, some of which are changed by others; those that may be given several times are added up."""
    changed = dict(given)
    for name, value in over.items():
        if isinstance(value, tuple) and name != "command":
            changed[name] = (*changed.get(name, ()), *value)
        elif value not in (None, (), False) or name not in changed:
            changed[name] = value
    return changed


def command_of(text: str, place: Path, arguments: tuple[str, ...], keep: float | None, *, write: bool) -> list[str]:
    """The command that runs a script: a copy, as whoever wrote it may remove it at once.

    Args:
        text: the script.
        place: the work directory, which jobs see.
        arguments: the script's.
        keep: after how many seconds earlier copies are removed; None: never.
        write: whether the copy is made, or only named.

    Raises:
        OSError: it can not be written.
    """
    directory = place / _SCRIPTS
    path = directory / f"{token_hex(8)}.sh"
    if write:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in directory.iterdir() if keep is not None else ():
            if time.time() - old.stat().st_mtime > (keep or 0.0):
                old.unlink(missing_ok=True)
        path.touch(mode=0o700)
        path.write_text(text, encoding="utf-8")
    first = text.partition("\n")[0]
    interpreter = first[2:].strip().split(None, 1) if first.startswith("#!") else ["/bin/bash"]
    return [*(interpreter or ["/bin/bash"]), str(path), *arguments]
