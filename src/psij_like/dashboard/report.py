"""Reading a report: from the bytes that came to what can be kept. Nothing is believed that was not checked."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from psij_like.dashboard.outcomes import Outcome

_LONGEST_NAME = 120  # characters of what is in an index
_RUN_ID = re.compile("[0-9a-f]{32}")  # the schema's `$` lets a line break follow
_REQUIREMENT = re.compile("[A-Z][0-9]{1,5}")
_MOST_REQUIREMENTS = 1000  # the specification has under a hundred
_MOST_OF_A_TEST = 50  # requirements
_LONGEST_INTEGER = 18  # digits
_AHEAD = 24 * 3600.0  # seconds that a clock may be ahead of ours
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # no database takes these
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN = 300  # characters of what is wrong


class ReportError(ValueError):
    """It is no report that can be kept; the message says what is wrong, and where."""


@dataclass(frozen=True)
class Result:
    """Of one test."""

    kind: str
    name: str
    outcome: Outcome
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """A report that was checked."""

    run_id: str
    started: float
    ended: float
    complete: bool
    site: str | None
    institution: str | None
    host: str
    executor: str
    launcher: str
    version: str
    results: tuple[Result, ...]
    text: str
    """The whole report as JSON, always the same for the same content."""

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema of the specification, by its name."""
    text = (files("psij_like") / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def known_version() -> int:
    """The version of reports that is understood here."""
    version: int = schema("conformance-report")["properties"]["schema_version"]["const"]
    return version


@cache
def _validator() -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resources(
        (schema(name)["$id"], Resource.from_contents(schema(name))) for name in ("conformance-report", "capabilities")
    )
    return Draft202012Validator(schema("conformance-report"), registry=registry)


def read_report(data: bytes, now: float) -> Report:
    """The report in these bytes.

    Args:
        data: as they came.
        now: seconds since the epoch; reports from the future are refused, since they would be the newest for ever.

    Raises:
        ReportError: if it can not be kept.
    """
    try:
        parsed = _clean(_parse(data))
        _check(parsed)
    except RecursionError as error:
        raise ReportError("the report is nested too deeply") from error
    return report_of(parsed, now)


def _check(parsed: Any) -> None:
    if isinstance(parsed, dict):
        version = parsed.get("schema_version")
        if isinstance(version, int) and version > known_version():
            raise ReportError(
                f"schema_version: {version} is newer than this dashboard, which knows {known_version()};"
                " upgrade the dashboard, or send the older version"
            )
    wrong = next(_validator().iter_errors(parsed), None)  # one will do: finding all of many takes long
    if wrong is not None:
        raise ReportError(_sentence(wrong))
    if not _RUN_ID.fullmatch(parsed["run_id"]):
        raise ReportError(f"run_id: {parsed['run_id']!r} is not 32 hexadecimal digits")
    _check_requirements(parsed["results"])


def report_of(parsed: dict[str, Any], now: float) -> Report:
    """The report in what the schema was found to allow.

    Raises:
        ReportError: if a name or a time in it can not be kept.
    """
    executor, library, site = parsed["executor"], parsed["library"], parsed.get("site", {})
    return Report(
        run_id=parsed["run_id"],
        started=_time("started", parsed["started"], now),
        ended=_time("ended", parsed["ended"], now),
        complete=parsed["complete"],
        site=site.get("name"),
        institution=site.get("institution"),
        host=_name("site.host", site.get("host", "")),
        executor=_name("executor.name", executor["name"]),
        launcher=_name("executor.launcher", executor.get("launcher", "")),
        version=_name("library", f"{library['name']} {library['version']}"),
        results=tuple(
            Result(result["kind"], result["name"], Outcome(result["outcome"]), tuple(sorted(result["requirements"])))
            for result in parsed["results"]
        ),
        text=json.dumps(parsed, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
    )


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_no_number, parse_float=_finite, parse_int=_integer)
    except UnicodeDecodeError as error:
        raise ReportError(f"the report is not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ReportError(f"the report is not JSON: {error}") from error


def _no_number(word: str) -> float:
    raise ReportError(f"{word} is not JSON")


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _no_number(word)


def _integer(word: str) -> int:
    if len(word.lstrip("-")) > _LONGEST_INTEGER:
        raise ReportError(f"the number {word[:40]}... is too long; {_LONGEST_INTEGER} digits are allowed")
    return int(word)


def _clean(value: Any) -> Any:
    """The same, with what no database takes replaced by U+FFFD: logs hold whatever programs print."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return value


def _sentence(error: ValidationError) -> str:
    where = error.json_path.removeprefix("$").removeprefix(".") or "the report"
    return f"{where}: {error.message}"[:_SHOWN]


def _time(where: str, value: float, now: float) -> float:
    if not 0 <= value <= now + _AHEAD:
        raise ReportError(
            f"{where}: {value} is not a time between 1970 and now, in seconds since the epoch;"
            " is the clock of the machine that made the report right?"
        )
    return float(value)


def _check_requirements(results: list[dict[str, Any]]) -> None:
    for place, result in enumerate(results):
        if len(result["requirements"]) > _MOST_OF_A_TEST:
            raise ReportError(
                f"results[{place}].requirements: {len(result['requirements'])} are named;"
                f" {_MOST_OF_A_TEST} are allowed of one test"
            )
    named = {requirement for result in results for requirement in result["requirements"]}
    if len(named) > _MOST_REQUIREMENTS:
        raise ReportError(f"results: {len(named)} requirements are named; {_MOST_REQUIREMENTS} are allowed")
    for requirement in named:
        if not _REQUIREMENT.fullmatch(requirement):
            raise ReportError(f"results: {requirement[:40]!r} is not the number of a requirement, such as S1")


def _name(where: str, value: str) -> str:
    if len(value) > _LONGEST_NAME:
        raise ReportError(f"{where}: {value[:40]!r}... has {len(value)} characters; {_LONGEST_NAME} are allowed")
    if _CONTROL.search(value):
        raise ReportError(f"{where}: {value!r} holds control characters")
    return value
