"""How both write and read times, sizes, ids, lists of resources, and attributes of jobs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping

Attributes = dict[str, "str | int | dict[str, str | int]"]

_LINE = 78
_TAB = 8


class Moment(int):
    """A time, in seconds since 1970: text shows it as ctime(3) does, XML as a number."""

    def __str__(self) -> str:
        return time.ctime(int(self))


def started_at(seconds: float) -> str:
    """A time inside a comment: `Fri Nov 20 at 21:47`."""
    then = time.localtime(seconds)
    return time.strftime("%a %b ", then) + f"{then.tm_mday:2d}" + time.strftime(" at %H:%M", then)


def clock(seconds: float) -> str:
    """A length of time: `01:00:00`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def seconds(text: str) -> int:
    """Seconds of `10`, `1:2`, `0:1:5` or `1.5`. ValueError: it is something else."""
    if not re.fullmatch(r"(\d{1,12}:){0,2}\d{1,12}(\.\d*)?", text):
        raise ValueError(text)
    total = 0
    for part in text.partition(".")[0].split(":"):
        total = total * 60 + int(part)
    return total


def moment(text: str) -> float:
    """The time that `-a [[[[CC]YY]MM]DD]hhmm[.SS]` means. ValueError: it is none."""
    match = re.fullmatch(r"((?:\d\d){2,6})(?:\.(\d\d))?", text)
    if match is None:
        raise ValueError(text)
    now = time.strftime("%Y%m%d")
    digits = now[: max(0, 12 - len(match[1]))] + match[1]
    found = time.mktime(time.strptime(digits + (match[2] or "00"), "%Y%m%d%H%M%S"))
    # An hour that is over today is tomorrow's.
    return found + 86400 if len(match[1]) == 4 and found < time.time() else found


def size(text: str) -> int:
    """Bytes of `100mb`. ValueError: it is no size."""
    match = re.fullmatch(r"(\d{1,15})([kmgtp]?)([bw]?)", text.lower())
    if match is None:
        raise ValueError(text)
    unit: int = 1024 ** " kmgtp".index(match[2] or " ")
    return int(match[1]) * unit * (8 if match[3] == "w" else 1)


def resource_list(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of `walltime=1:00,select="1:ncpus=2"`."""
    for part in re.findall(r"""(?:[^,"']|"[^"]*"|'[^']*')+""", text):
        name, _, value = part.partition("=")
        yield name.strip(), value.strip().strip("\"'")


def indices(text: str) -> list[int]:
    """`1-3,7,10-20:5` as numbers. ValueError: it is something else."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9})(?::([1-9]\d{0,8}))?)?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise ValueError(text)
        found += range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1))
    return list(dict.fromkeys(found))


def variable_list(text: str, environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    r"""Variables of `-v A=1,B="x y",C=a\,b,HOME`, and the names of those that the environment does not have.

    Raises:
        ValueError: a quote has no end, or stands where none may be.
    """
    found: dict[str, str] = {}
    missing = []
    for part in re.findall(r"""(?:[^,\\"']|\\.|"[^"]*"|'[^']*'|["'\\])+""", text, re.DOTALL):
        name, given, value = part.partition("=")
        if given:
            found[name] = _unquoted(value)
        elif name in environment:
            found[name] = environment[name]
        else:
            missing.append(name)
    return found, missing


def _unquoted(text: str) -> str:
    quoted = re.fullmatch(r"""(["'])(.*)\1""", text, re.DOTALL)
    if quoted is not None and quoted[1] not in quoted[2]:
        return quoted[2]
    plain = re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
    if re.search(r"""(?<!\\)["']""", text):
        raise ValueError(text)
    return plain


def wrapped(name: str, value: object) -> str:
    """An attribute as `qstat -f` writes it: at most 79 columns wide, broken at commas where that helps."""
    column = len(name) + 6
    text = f"    {name} = "
    for number, token in enumerate(str(value).split(",")):
        if number:
            text += ","
            column += 1
        if column + len(token) < _LINE:
            text += token
            column += len(token)
            continue
        if number:
            text += "\n\t"
            column = _TAB
        for letter in token:
            text += letter
            column += 1
            if column >= _LINE:
                text += "\n\t"
                column = _TAB
    return text + "\n"


def flat(attributes: Attributes, variables: str = "Variable_List") -> Iterator[tuple[str, object]]:
    """Attributes one by one: `Resource_List.mem`; all variables are one attribute."""
    for name, value in attributes.items():
        if not isinstance(value, dict):
            yield name, value
        elif name == variables:
            yield name, ",".join(f"{key}={one}" for key, one in value.items())
        else:
            yield from ((f"{name}.{key}", one) for key, one in value.items())


def full(native_id: str, attributes: Attributes, *, one_line: bool = False) -> str:
    """A job as `qstat -f` writes it."""
    lines = [f"Job Id: {native_id}\n"]
    for name, value in flat(attributes):
        lines.append(f"    {name} = {value}\n" if one_line else wrapped(name, value))
    return "".join(lines) + "\n"
