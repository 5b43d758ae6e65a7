"""The job that is meant: its file, its options, and what is configured."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from psij_like.cli.options import takes_job

if TYPE_CHECKING:
    from psij_like.configuration import Configuration
    from psij_like.job_executor import JobExecutor
    from psij_like.job_spec import JobSpec

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def spec_of(given: dict[str, Any], executor: JobExecutor, *, write: bool = True) -> JobSpec:
    """The job that is meant; see `data_of`.

    Raises:
        click.UsageError: there is no command, or an option can not be understood.
        InvalidJobException: the job is wrong in itself.
    """
    from psij_like.serialize import spec_from_dict  # noqa: PLC0415 - only if it is used

    return spec_from_dict(data_of(given, executor, write=write))


@click.command(add_help_option=False)
@takes_job
def _directives(**_: Any) -> None:
    """What a script's `#PSIJ` lines may say."""


def data_of(given: dict[str, Any], executor: JobExecutor, *, write: bool = True) -> dict[str, Any]:
    """The job that is meant: its file, changed by options, and what is configured where both leave it open.

    Args:
        given: the options.
        executor: where it is to run.
        write: whether a script is copied to where the job finds it.
    """
    from psij_like.cli import spec_file  # noqa: PLC0415 - only if it is used
    from psij_like.cli.output import with_native_id  # noqa: PLC0415

    name, text = _text(given)
    data: dict[str, Any] = {}
    if text and spec_file.is_script(text):
        given = spec_file.merged(spec_file.directives_of(text, name, _directives), given)
        retention = executor.config.retention
        keep = None if retention is None else retention.total_seconds()
        try:
            given["command"] = spec_file.command_of(
                text, executor.config.work_directory, given["command"], keep, write=write
            )
        except OSError as error:
            raise click.ClickException(f"the script can not be kept for the job: {error}") from error
    elif text:
        data = spec_file.data_of(text, name)
    _apply(data, given)
    if not data.get("executable"):
        raise click.UsageError("there is no command to run; give one after --, or a file with --spec")
    _fill(data, given["configured"])
    with_native_id(data)
    return data


def spec_from_defaults(given: dict[str, Any], configured: Configuration) -> JobSpec:
    """A job without a command, by what is configured and some attributes that were given."""
    from psij_like.serialize import spec_from_dict  # noqa: PLC0415 - only if it is used

    data: dict[str, Any] = {"attributes": given}
    _fill(data, configured)
    return spec_from_dict(data)


def _fill(data: dict[str, Any], configured: Configuration) -> None:
    try:
        configured.fill(data)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _text(given: dict[str, Any]) -> tuple[str, str]:
    """The name of the file that describes the job, and what is in it; standard input where nothing else is said."""
    source = given["spec"]
    if source is None and (given["command"] or sys.stdin is None or sys.stdin.isatty()):
        return "", ""
    try:
        with click.open_file(source or "-", encoding="utf-8") as file:
            return "standard input" if source in (None, "-") else source, file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{source or 'standard input'} can not be read: {error}") from error


_PLAIN = ("name", "directory", "stdin_path", "stdout_path", "stderr_path", "launcher", "pre_launch", "post_launch")


def _apply(data: dict[str, Any], given: dict[str, Any]) -> None:
    """Change a job as the options say."""
    for name in _PLAIN:
        if given[name] is not None:
            data[name] = given[name]
    directory = str(data.get("directory") or ".")
    if not directory.startswith(("/", "~")):
        data["directory"] = str(Path(directory).absolute())
    if given["command"]:
        data["executable"], *data["arguments"] = given["command"]
    if given["env"]:
        data["environment"] = {**(data.get("environment") or {}), **dict(map(_variable, given["env"]))}
    if given["alone"]:
        data["inherit_environment"] = False
    for name in ("stage_in", "stage_out"):
        if given[name]:
            data[name] = [*(data.get(name) or ()), *map(_transfer, given[name])]
    if given["cleanup"]:
        data["cleanup"] = [*(data.get("cleanup") or ()), *given["cleanup"]]
    _add(data, "resources", _resources(given))
    _add(data, "attributes", _attributes(given))


def _seconds(walltime: str) -> float:
    from psij_like.job_attributes import JobAttributes  # noqa: PLC0415 - only if it is used

    try:
        return JobAttributes.parse_walltime(walltime).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="walltime") from error


def _add(data: dict[str, Any], name: str, fields: dict[str, Any]) -> None:
    if fields:
        data[name] = {**(data.get(name) or {}), **fields}


def _resources(given: dict[str, Any]) -> dict[str, Any]:
    names = [
        *("node_count", "process_count", "processes_per_node", "cpu_cores_per_process", "gpu_cores_per_process"),
        "exclusive_node_use",
    ]
    fields = {name: given[name] for name in names if given[name] is not None}
    if given["memory"] is not None:
        fields["memory"] = _bytes(given["memory"])
    return fields


def _attributes(given: dict[str, Any]) -> dict[str, Any]:
    fields = {name: given[name] for name in ("queue_name", "account", "reservation_id") if given[name] is not None}
    if given["walltime"] is not None:
        fields["duration"] = _seconds(given["walltime"])
    if given["dependencies"]:
        kinds: dict[str, list[str]] = {}
        for text in given["dependencies"]:
            kind, sign, native_id = text.partition(":")
            if not sign and kind[:1].isdigit():
                kind, native_id = "afterany", text
            if not native_id:
                raise click.BadParameter(f"{text!r} is not KIND:ID, such as afterok:1234", param_hint="--after")
            kinds.setdefault(kind, []).append(native_id)
        fields["dependencies"] = kinds
    if given["custom"]:
        fields["custom_attributes"] = dict(_pair(text, "--custom") for text in given["custom"])
    return fields


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name, value


def _variable(text: str) -> tuple[str, str]:
    if "=" not in text and text in os.environ:
        return text, os.environ[text].replace("${", "$${")
    name, value = _pair(text, "--env")
    return name, value


def _transfer(text: str) -> dict[str, str]:
    source, sign, target = text.partition("=")
    if not (source and sign and target):
        raise click.BadParameter(f"{text!r} is not SOURCE=TARGET", param_hint="--stage-in, --stage-out")
    return {"source": source, "target": target}


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is no number of bytes, such as 500M or 4G", param_hint="--memory")
    return int(float(match[1]) * _UNITS[match[2].lower()])
