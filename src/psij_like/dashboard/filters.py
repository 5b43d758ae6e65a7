"""What a reader asks for: which results, of which time, and which page of them."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from psij_like.dashboard.outcomes import Overall
from psij_like.dashboard.tables import Run, Series, Site


def _storable(text: str | None) -> str | None:
    if text is not None and "\0" in text:
        raise ValueError("there is no such name")
    return text


_ABSENT_IF_EMPTY = BeforeValidator(lambda value: value or None)  # as forms send what was not filled in
Name = Annotated[str | None, _ABSENT_IF_EMPTY, AfterValidator(_storable)]
"""Of something that may be in the database."""
_Date = Annotated[date | None, _ABSENT_IF_EMPTY]


_Text: TypeAlias = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]
_Time: TypeAlias = InstrumentedAttribute[float] | InstrumentedAttribute[float | None]
_DAY = 86400.0


class Filters(BaseModel):
    """Which results; what is absent does not limit them. Dates are UTC's, both included."""

    model_config = ConfigDict(frozen=True)

    institution: Name = None
    executor: Name = None
    version: Annotated[Name, Field(description="name and version of the library, such as `psij-like 1.0`")] = None
    outcome: Annotated[Overall | None, _ABSENT_IF_EMPTY] = None
    since: _Date = None
    until: _Date = None
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @property
    def active(self) -> bool:
        """Whether anything limits the results."""
        return bool(self.query(page=None))

    def query(self, **changes: object) -> dict[str, str]:
        """As the query of an address, with these changes."""
        values = {**self.model_dump(mode="json"), **changes}
        if values["page"] == 1:
            del values["page"]
        return {name: str(value) for name, value in values.items() if value is not None}

    def of_series(self) -> list[ColumnElement[bool]]:
        """Conditions on `Series` joined to its `Site`; outcome and time are those of the newest run."""
        return self._conditions(Series.executor, Series.version, Series.newest_outcome, Series.newest_started)

    def of_runs(self) -> list[ColumnElement[bool]]:
        """Conditions on `Run` joined to its `Site`."""
        return self._conditions(Run.executor, Run.version, Run.outcome, Run.started)

    def _conditions(self, executor: _Text, version: _Text, outcome: _Text, started: _Time) -> list[ColumnElement[bool]]:
        conditions = []
        if self.institution is not None:
            conditions.append(Site.institution == self.institution)
        if self.executor is not None:
            conditions.append(executor == self.executor)
        if self.version is not None:
            conditions.append(version == self.version)
        if self.outcome is not None:
            conditions.append(outcome == self.outcome.value)
        if self.since is not None:
            conditions.append(started >= _midnight(self.since))
        if self.until is not None:
            conditions.append(started < _midnight(self.until) + _DAY)
        return conditions


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), timezone.utc).timestamp()
