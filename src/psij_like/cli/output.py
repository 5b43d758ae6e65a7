"""Where the output of jobs is, and how it is shown as it grows."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from psij_like.job_info import JobInfo
    from psij_like.job_spec import JobSpec

_ID = "%J"
_VARIABLES = {"stdout_path": "PSIJLIKE_STDOUT", "stderr_path": "PSIJLIKE_STDERR"}
_REDIRECTIONS = {
    "stdout_path": '>"${PSIJLIKE_STDOUT//%J/$PSIJ_NATIVE_ID}"',
    "stderr_path": '2>"${PSIJLIKE_STDERR//%J/$PSIJ_NATIVE_ID}"',
}


def with_native_id(data: dict[str, Any]) -> None:
    """Have `%J` in the paths of a job's output stand for its native id, which only the job itself knows.

    PSIJ_NATIVE_ID has it then for local jobs, too.

    Raises:
        click.UsageError: it is started by a launcher, so that several processes would open the file.
    """
    named = [name for name in _VARIABLES if _ID in str(data.get(name) or "")]
    if not named:
        return
    if data.get("launcher") not in (None, "", "single"):
        raise click.UsageError(
            f"%J in the path of an output can not go together with launcher {data['launcher']!r}: leave one out"
        )
    environment = dict(data.get("environment") or {})
    redirections = []
    for name in named:
        environment[_VARIABLES[name]] = str(data.pop(name)).replace("${", "$${")
        redirections.append(_REDIRECTIONS[name])
    script = f'export PSIJ_NATIVE_ID="${{PSIJ_NATIVE_ID:-$$}}"; exec "$@" {" ".join(redirections)}'
    data["environment"] = environment
    data["arguments"] = ["-c", script, "psij-like", data["executable"], *(data.get("arguments") or ())]
    data["executable"] = "/bin/bash"


def captured(spec: JobSpec, place: Path, prefix: str = "") -> dict[str, Path]:
    """Have what a job prints go to files in a directory, unless it is said where it goes; these files."""
    found = {}
    for name, variable in _VARIABLES.items():
        if getattr(spec, name) is None and variable not in (spec.environment or {}):
            stream = name.removesuffix("_path")
            found[stream] = place / f"{prefix}{stream}"
            setattr(spec, name, found[stream])
    return found


def paths(info: JobInfo) -> dict[str, Path]:
    """Where a job's output goes, by `stdout` and `stderr`; what goes nowhere, or is not known, is missing."""
    spec = info.spec
    found: dict[str, Path] = {}
    if spec is None:
        return found
    for name, variable in _VARIABLES.items():
        path, pattern = getattr(spec, name), (spec.environment or {}).get(variable)
        if path is None and pattern is not None:
            path = Path(pattern.replace("$${", "${").replace(_ID, info.native_id))
        if path is not None:
            found[name.removesuffix("_path")] = Path(spec.directory or ".", path).expanduser().absolute()
    return found


class Tail:
    """Shows what comes into a file.

    Args:
        path: the file, which need not be there yet.
        stream: where it is shown.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path = path
        self._stream = stream
        self._file: IO[bytes] | None = None

    def show(self) -> None:
        """Show what is new."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return
        shutil.copyfileobj(self._file, self._stream)
        self._stream.flush()

    def close(self) -> None:
        """Show the rest, if it can be read, and be done."""
        try:
            self.show()
        except OSError as error:
            click.echo(f"psij-like: {self._path} can not be read: {error.strerror}", err=True)
        if self._file is not None:
            self._file.close()


def tails(found: dict[str, Path]) -> list[Tail]:
    """What shows these outputs where they belong; both in one file are shown once."""
    shown: list[Tail] = []
    seen: list[Path] = []
    for name, path in found.items():
        if not any(_same(path, other) for other in seen):
            seen.append(path)
            shown.append(Tail(path, sys.stdout.buffer if name == "stdout" else sys.stderr.buffer))
    return shown


def show(all_tails: Iterable[Tail]) -> None:
    """Show what is new in all of them."""
    for tail in all_tails:
        tail.show()


def _same(one: Path, other: Path) -> bool:
    return os.path.normpath(one) == os.path.normpath(other)
