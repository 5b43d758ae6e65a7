"""What the scheduler is to know about a job: time limit, queue, account, reservation, its own options."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from ._checks import Field, Record, brief, by_typeguard, instance, label, out_of_range, text
from .dependencies import check_dependencies
from .exceptions import InvalidJobException

if TYPE_CHECKING:
    from .dependencies import Predecessor

_DEFAULT_DURATION = timedelta(minutes=10)
_LONGEST_DURATION = timedelta(days=36525)  # 100 years: clocks and schedulers count no further
_timedelta = instance(timedelta)
_CUSTOM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\.[A-Za-z0-9][A-Za-z0-9_.-]*")
_N = r"([0-9]{1,8})"  # more digits would not fit a timedelta
_WALLTIMES = (
    (re.compile(rf"{_N}"), ("minutes",)),
    (re.compile(rf"(?:{_N}-)?{_N}:{_N}(?::{_N})?"), ("days", "hours", "minutes", "seconds")),
    (
        re.compile(rf"(?:{_N}\s*d)?\s*(?:{_N}\s*h)?\s*(?:{_N}\s*m)?\s*(?:{_N}\s*s)?", re.IGNORECASE),
        ("days", "hours", "minutes", "seconds"),
    ),
)


def check_custom_name(name: str) -> str:
    """The name of a custom attribute, if it is one.

    Raises:
        InvalidJobException: it does not look like `<executor>.<directive>`.
    """
    if not isinstance(name, str) or not _CUSTOM_NAME.fullmatch(name):
        raise InvalidJobException(
            f"custom attribute name: {brief(name)} is not allowed, it must look like <executor>.<directive>,"
            ' for example "slurm.constraint", of letters, digits and _ . -'
        )
    return name


def _duration(field: str, value: Any) -> timedelta:
    duration = _timedelta(field, value)
    if duration > _LONGEST_DURATION:
        out_of_range(field, value, "at most 100 years")
    return duration if duration > timedelta() else out_of_range(field, value, "positive")


def _custom(field: str, value: Any) -> dict[str, object]:
    if type(value) is not dict:
        value = by_typeguard(field, value, Mapping[str, object], "a dict of str to any value")
    return {check_custom_name(text(field, name)): item for name, item in value.items()}


class JobAttributes(Record):
    """What the scheduler is to know about a job.

    Args:
        duration: how long the job may run; more than nothing, at most 100 years. None is 10 minutes.
        queue_name: the queue or partition; the backend's default if None.
        account: who pays; the backend's default if None.
        reservation_id: the reservation to run in, or None.
        custom_attributes: options for one executor each, copied; names look like `<executor>.<directive>`, such as
            `slurm.constraint`. Executors ignore those of others, and refuse names that look like a slip in theirs.
        project_name: another name for `account`, as an argument and as a property.
        dependencies: jobs that have to start or end before this one may start: a dict from `DependencyKind` ("after",
            "afterok", "afternotok", "afterany") to submitted jobs of the same executor, or native ids, one or several.
            All of them have to be met. A job whose dependencies can never be met ends FAILED, reason
            `dependency_failed`.

    An empty str means "not set" for queue, account and reservation, and reads back as None.

    Raises:
        InvalidJobException: the duration is out of range, a custom attribute's name is malformed, or account and
            project_name are both given and differ, or a dependency's kind is not known.
        TypeError: an argument has the wrong type.
    """

    __slots__ = ("_account", "_custom_attributes", "_dependencies", "_duration", "_queue_name", "_reservation_id")
    _defaults: ClassVar[dict[str, object]] = {
        "duration": _DEFAULT_DURATION,
        "queue_name": None,
        "account": None,
        "reservation_id": None,
        "custom_attributes": None,
        "dependencies": None,
    }

    _custom_attributes: dict[str, object] | None

    def __init__(  # as in PSI/J
        self,
        duration: timedelta = _DEFAULT_DURATION,
        queue_name: str | None = None,
        account: str | None = None,
        reservation_id: str | None = None,
        custom_attributes: Mapping[str, object] | None = None,
        project_name: str | None = None,
        *,
        dependencies: "Mapping[str, Predecessor | Iterable[Predecessor]] | None" = None,
    ) -> None:
        self.duration = duration
        self.queue_name = queue_name
        self.account = account
        if project_name:
            if account and account != project_name:
                raise InvalidJobException(
                    f"JobAttributes: account {brief(account)} and project_name {brief(project_name)} are two"
                    " names for one thing, give one of them"
                )
            self.project_name = project_name
        self.reservation_id = reservation_id
        self.custom_attributes = custom_attributes
        self.dependencies = dependencies

    duration = Field[timedelta, timedelta | None](_duration, "How long the job may run.", _DEFAULT_DURATION)
    queue_name = Field[str | None, str | None](label, "The queue or partition, or None.")
    account = Field[str | None, str | None](label, "Who pays, or None.")
    reservation_id = Field[str | None, str | None](label, "The reservation to run in, or None.")
    custom_attributes = Field[dict[str, object] | None, Mapping[str, object] | None](
        _custom, "Options for one executor each, by `<executor>.<directive>`, or None."
    )

    dependencies = Field[
        "dict[str, tuple[Predecessor, ...]] | None", "Mapping[str, Predecessor | Iterable[Predecessor]] | None"
    ](check_dependencies, "Jobs that have to start or end before, by `DependencyKind`, or None.")

    @property
    def project_name(self) -> str | None:
        """Another name for `account`."""
        return self.account

    @project_name.setter
    def project_name(self, value: str | None) -> None:
        self.account = value

    def set_custom_attribute(self, name: str, value: object) -> None:
        """Set an option for one executor.

        Args:
            name: `<executor>.<directive>`, such as `slurm.constraint`.
            value: what the executor makes of it; a str, number or bool usually.

        Raises:
            InvalidJobException: the name is malformed.
        """
        check_custom_name(text("custom attribute name", name))
        if self._custom_attributes is None:
            self._custom_attributes = {}
        self._custom_attributes[name] = value

    def get_custom_attribute(self, name: str) -> object | None:
        """The option of that name, or None."""
        return self._custom_attributes.get(name) if self._custom_attributes else None

    @staticmethod
    def parse_walltime(walltime: str) -> timedelta:
        """The duration that a text says.

        Args:
            walltime: `hh:mm:ss`, `hh:mm`, `mm`, the first two with days (`d-hh:mm:ss`), or numbers with units (`3h`,
                `90 m`, `30s`, `1h30m`, `2d 12h`).

        Raises:
            InvalidJobException: it is none of these.
        """
        given = text("walltime", walltime).strip()
        for pattern, units in _WALLTIMES:
            match = pattern.fullmatch(given)
            if match and given:
                return timedelta(**{unit: int(n) for unit, n in zip(units, match.groups(), strict=True) if n})
        raise InvalidJobException(
            f"walltime: {brief(walltime)} is not understood, it must look like hh:mm:ss, hh:mm, mm (minutes),"
            " d-hh:mm:ss or 1h30m"
        )
