"""Job specifications, and statuses, as text.

A JSON object with a member for each field that is set. Paths and URIs are strings; `duration` is a number
of seconds; `dependencies` have native ids; `resources` has its version as `__version`; `stage_in`, `stage_out` and
`cleanup` are lists; modes and flags are names. What psij-python writes is read too.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from ._checks import brief
from .exceptions import InvalidJobException
from .job_attributes import JobAttributes
from .job_spec import JobSpec
from .job_state import JobState
from .job_status import JobStatus
from .resource_spec import ResourceSpec, ResourceSpecV1
from .staging import StageIn, StageOut, StageOutFlags, StagingMode

if TYPE_CHECKING:
    from .job import Job

Transfer = TypeVar("Transfer", StageIn, StageOut)

_VERSION = "__version"
_DEEPEST = 20  # levels of lists and dicts that `_readable` goes into: one may hold itself
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS = re.compile(rf"({_NUMBER})\s*s?")
_CLOCK = re.compile(rf"(?:([0-9]+) days?, )?([0-9]+):([0-9]+):({_NUMBER})")


class Serializer(ABC):
    """Writes job specifications as text, and reads them."""

    @abstractmethod
    def dumps(self, job_spec: JobSpec) -> str:
        """The specification as text.

        Raises:
            InvalidJobException: a value cannot be written without loss.
        """

    @abstractmethod
    def loads(self, text: str) -> JobSpec:
        """The specification that the text holds.

        Raises:
            InvalidJobException: it holds none; the message says where it is wrong.
        """

    def dump(self, job_spec: JobSpec, dest: str | Path | TextIO) -> None:
        """Write the specification to a file: its path, or a text file open for writing.

        Raises:
            InvalidJobException: a value cannot be written without loss; nothing is written then.
            OSError: the file cannot be written.
        """
        text = self.dumps(job_spec) + "\n"
        if isinstance(dest, str | Path):
            Path(dest).write_text(text, encoding="utf-8")
        else:
            dest.write(text)

    def load(self, src: str | Path | TextIO) -> JobSpec:
        """The specification in a file: its path, or a text file open for reading.

        Raises:
            InvalidJobException: the file holds none; the message says where it is wrong.
            OSError: the file cannot be read.
        """
        try:
            text = Path(src).read_text(encoding="utf-8") if isinstance(src, str | Path) else src.read()
        except UnicodeDecodeError as error:
            raise InvalidJobException(f"the job specification is not UTF-8 text: {error}", error) from error
        return self.loads(text)


class JSONSerializer(Serializer):
    """Writes job specifications as JSON, and reads them."""

    def dumps(self, job_spec: JobSpec) -> str:
        """The specification as JSON, on one line."""
        try:
            return json.dumps(spec_to_dict(job_spec), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:  # lists or dicts changed after they were set
            raise InvalidJobException(f"the job specification cannot be written: {error}", error) from error

    def loads(self, text: str) -> JobSpec:
        """The specification that the JSON text holds."""
        try:
            data = json.loads(text, object_pairs_hook=_object_once, parse_float=_finite, parse_constant=_finite)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise InvalidJobException(f"the job specification is not JSON: {error.msg} at {where}", error) from error
        except (ValueError, RecursionError) as error:
            raise InvalidJobException(f"the job specification cannot be read: {error}", error) from error
        return spec_from_dict(data)


def spec_to_dict(spec: JobSpec, *, lossy: bool = False) -> dict[str, Any]:
    """The fields that are set, as JSON types.

    Args:
        spec: the specification.
        lossy: whether custom attributes that JSON would not give back as they are become lists and texts that people
            can read, instead of being refused.

    Raises:
        InvalidJobException: a value cannot be written without loss.
    """
    data = spec._set_fields()
    for field, write in _WRITERS.items():
        if field == "attributes" and field in data:
            data[field] = _write_attributes(data[field], lossy=lossy)
        elif field in data:
            data[field] = write(data[field])
    return data


def spec_from_dict(data: Any) -> JobSpec:
    """The specification of which `spec_to_dict` made `data`. None is "not set" anywhere.

    Raises:
        InvalidJobException: `data` does not describe a job; the message says why.
    """
    fields = _members("the job specification", data, JobSpec._defaults)
    try:
        for field, read in _READERS.items():
            if field in fields:
                fields[field] = read(fields[field])
        return JobSpec(**fields)
    except TypeError as error:
        raise InvalidJobException(str(error), error) from error


def status_to_dict(status: JobStatus) -> dict[str, Any]:
    """A status as JSON types, if its metadata are such."""
    return {
        "state": str(status.state),
        "time": status.time,
        "message": status.message,
        "exit_code": status.exit_code,
        "metadata": status.metadata,
    }


def status_from_dict(data: Mapping[str, Any]) -> JobStatus:
    """The status of which `status_to_dict` made `data`.

    Raises:
        KeyError, TypeError: it is none; where the data come from knows what that means.
    """
    return JobStatus(JobState[data["state"]], *(data[name] for name in ("time", "message", "exit_code", "metadata")))


# Writing


def _write_attributes(attributes: JobAttributes, *, lossy: bool = False) -> dict[str, Any]:
    data = attributes._set_fields()
    if "duration" in data:
        data["duration"] = _write_duration(data["duration"])
    if lossy and "custom_attributes" in data:
        data["custom_attributes"] = _readable(data["custom_attributes"])
    _refuse_lossy("attributes.custom_attributes", data.get("custom_attributes"))
    if "dependencies" in data:
        data["dependencies"] = {kind: [_native_id(job) for job in jobs] for kind, jobs in data["dependencies"].items()}
    return data


def _native_id(job: "Job | str") -> str:
    native_id = job if isinstance(job, str) else job.native_id
    if native_id is None:
        raise InvalidJobException(
            f"attributes.dependencies: {brief(job)} cannot be written, it has no native id before it is submitted"
        )
    return native_id


def _write_duration(duration: timedelta) -> int | float:
    if not duration.microseconds:
        return duration // timedelta(seconds=1)
    return duration.total_seconds()  # no duration is so long that a float has no room for microseconds


def _readable(value: object, depth: int = 0) -> Any:
    """What JSON has for a value, or something that tells people what it was."""
    if depth > _DEEPEST:
        return brief(value)
    if type(value) in (str, int, bool, type(None)) or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(_readable(name, depth + 1)): _readable(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_readable(item, depth + 1) for item in value), key=str)  # sets have no order of their own
    try:
        return str.__str__(str(value))
    except Exception:  # its own __str__ is at fault, and what matters here is the rest of the specification
        return object.__repr__(value)


def _refuse_lossy(field: str, value: object) -> None:
    """Refuse what JSON would not give back as it is."""
    if type(value) is dict:
        for name, item in value.items():
            if type(name) is not str:
                raise InvalidJobException(f"{field}: the key {brief(name)} is not a str, JSON cannot hold it")
            _refuse_lossy(f"{field}[{brief(name)}]", item)
    elif type(value) is list:
        for item in value:
            _refuse_lossy(field, item)
    elif type(value) not in (str, int, bool, float, type(None)) or (type(value) is float and not math.isfinite(value)):
        raise InvalidJobException(
            f"{field}: {brief(value)} cannot be written as JSON without loss, it must be a str, finite"
            " number, bool, None, or a list or dict of them"
        )


def _write_resources(resources: ResourceSpec) -> dict[str, Any]:
    if type(resources) is not ResourceSpecV1:
        raise InvalidJobException(f"resources: {brief(resources)} cannot be written, it is no ResourceSpecV1")
    return {**resources._set_fields(), _VERSION: resources.version}


def _write_transfers(transfers: Iterable[StageIn] | Iterable[StageOut]) -> list[dict[str, Any]]:
    data = []
    for transfer in transfers:
        fields = transfer._set_fields()
        fields.update(source=str(fields["source"]), target=str(fields["target"]))
        if "mode" in fields:
            fields["mode"] = fields["mode"].name
        if "flags" in fields:
            fields["flags"] = _write_flags(fields["flags"])
        data.append(fields)
    return sorted(data, key=str)  # sets have no order of their own, files should not differ for that


def _write_flags(flags: StageOutFlags) -> list[str]:
    single = (
        StageOutFlags.IF_PRESENT,
        StageOutFlags.ON_SUCCESS,
        StageOutFlags.ON_ERROR,
        StageOutFlags.ON_CANCEL,
    )
    return [str(flag.name) for flag in single if flag in flags]


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "directory": str,
    "stdin_path": str,
    "stdout_path": str,
    "stderr_path": str,
    "resources": _write_resources,
    "attributes": _write_attributes,
    "pre_launch": str,
    "post_launch": str,
    "stage_in": _write_transfers,
    "stage_out": _write_transfers,
    "cleanup": lambda paths: sorted(map(str, paths)),
    "cleanup_flags": _write_flags,
}


# Reading


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return data


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is not finite")
    return number


def _members(what: str, data: Any, known: Collection[str]) -> dict[str, Any]:
    """The members of a JSON object that are set, all of which must be known."""
    if not isinstance(data, dict):
        raise InvalidJobException(f"{what}: {brief(data)} is not a JSON object")
    unknown = [_suggest(name, known) for name in data if name not in known]
    if unknown:
        raise InvalidJobException(f"{what}: unknown {', '.join(unknown)}")
    return {name: value for name, value in data.items() if value is not None}


def _suggest(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    close = get_close_matches(name, known, 1)
    return f"{name!r}, did you mean {close[0]!r}?" if close else repr(name)


def _read_attributes(data: Any) -> JobAttributes:
    fields = _members("attributes", data, [*JobAttributes._defaults, "project_name"])
    if "duration" in fields:
        fields["duration"] = _read_duration(fields["duration"])
    return JobAttributes(**fields)


def _read_duration(value: Any) -> timedelta:
    """A number of seconds, such a number followed by "s" (psij-python), or what str(timedelta) gives."""
    seconds = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    clock = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    try:
        if type(value) in (int, float):
            return timedelta(seconds=value)
        if seconds:
            return timedelta(seconds=float(seconds[1]))
        if clock:
            whole, _, fraction = clock[4].partition(".")
            return timedelta(
                days=int(clock[1] or 0),
                hours=int(clock[2]),
                minutes=int(clock[3]),
                seconds=int(whole),
                microseconds=int(f"{fraction:0<6.6}"),
            )
    except (OverflowError, ValueError) as error:
        raise InvalidJobException(f"attributes.duration: {brief(value)} is out of range", error) from error
    raise InvalidJobException(
        f"attributes.duration: {brief(value)} is not understood, it must be a number of seconds,"
        ' "H:MM:SS" or "D days, H:MM:SS"'
    )


def _read_resources(data: Any) -> ResourceSpec:
    fields = _members("resources", data, [*ResourceSpecV1._defaults, _VERSION])
    version = fields.pop(_VERSION, 1)
    if type(version) is not int or version != 1:
        raise InvalidJobException(f"resources.{_VERSION}: {brief(version)} is not allowed, it must be 1")
    return ResourceSpecV1(**fields)


def _read_cleanup(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise InvalidJobException(f"cleanup: {brief(data)} is not a JSON list")
    return data


def _read_transfers(kind: type[Transfer]) -> Callable[[Any], list[Transfer]]:
    what = "stage_in" if kind is StageIn else "stage_out"

    def read(data: Any) -> list[Transfer]:
        if not isinstance(data, list):
            raise InvalidJobException(f"{what}: {brief(data)} is not a JSON list")
        transfers = []
        for item in data:
            fields = _members(what, item, kind._defaults)
            if "mode" in fields:
                fields["mode"] = _read_name(f"{what} mode", fields["mode"], StagingMode)
            if "flags" in fields:
                fields["flags"] = _read_flags(fields["flags"])
            transfers.append(kind(**fields))
        return transfers

    return read


def _read_flags(data: Any) -> StageOutFlags:
    flags = StageOutFlags.NONE
    for name in data if isinstance(data, list) else [data]:
        flags |= _read_name("flags", name, StageOutFlags)
    return flags


def _read_name(what: str, name: Any, kind: Any) -> Any:
    if not isinstance(name, str) or name not in kind.__members__:
        raise InvalidJobException(
            f"{what}: {brief(name)} is not allowed, expected one of {', '.join(kind.__members__)}"
        )
    return kind[name]


_READERS: dict[str, Callable[[Any], Any]] = {
    "resources": _read_resources,
    "attributes": _read_attributes,
    "stage_in": _read_transfers(StageIn),
    "stage_out": _read_transfers(StageOut),
    "cleanup": _read_cleanup,
    "cleanup_flags": _read_flags,
}
