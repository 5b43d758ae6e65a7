"""Which jobs a job waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ._checks import brief, wrong_type
from .exceptions import InvalidJobException

if TYPE_CHECKING:
    from .job import Job

    Predecessor: TypeAlias = Job | str
    """A job that another one waits for: the job itself, once submitted, or its native id."""


class DependencyKind(str, Enum):
    """What has to happen to a job before another one may start: the keys of `JobAttributes.dependencies`."""

    AFTER = "after"
    """It has started, or has ended without a start."""
    AFTEROK = "afterok"
    """It has ended well: COMPLETED."""
    AFTERNOTOK = "afternotok"
    """It has ended otherwise: FAILED or CANCELED."""
    AFTERANY = "afterany"
    """It has ended, however."""

    def __str__(self) -> str:
        return str.__str__(self)


_KINDS = {kind.value: kind for kind in DependencyKind}
_ALLOWED = "a dict from " + ", ".join(map(repr, _KINDS)) + " to jobs or native ids"


def check_dependencies(field: str, value: Any) -> dict[str, tuple[Predecessor, ...]] | None:
    """Check what a user gave, and keep it as a dict of tuples; None if it names no job.

    Raises:
        InvalidJobException: a kind is not known, or a native id is empty.
        TypeError: something has the wrong type.
    """
    if not isinstance(value, Mapping):
        raise wrong_type(field, value, _ALLOWED)
    kept = {}
    for kind, given in value.items():
        if kind not in _KINDS:
            raise InvalidJobException(f"{field}: {brief(kind)} is not a kind of dependency, expected {_ALLOWED}")
        jobs = tuple(_jobs(f"{field}[{str(kind)!r}]", given))
        if jobs:
            kept[_KINDS[kind].value] = jobs
    return kept or None


def _jobs(field: str, given: Any) -> Iterable[Predecessor]:
    from .job import Job  # noqa: PLC0415 - it imports this module

    several = [given] if isinstance(given, str | Job) or not isinstance(given, Iterable) else given
    for job in several:
        if isinstance(job, Job):
            yield job
        elif not isinstance(job, str):
            raise wrong_type(field, job, "a Job or a native id, or several")
        elif not job.strip():
            raise InvalidJobException(f"{field}: {brief(job)} is not a native id")
        else:
            yield job.strip()
