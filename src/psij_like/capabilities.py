"""What an executor can do."""

from __future__ import annotations

from typing import Any, NamedTuple


class Capabilities(NamedTuple):
    """What an executor can do, as far as executors differ in it.

    Attributes:
        executor: its name.
        version: the version of its implementation.
        aliases: further names that it is known by.
        hold: whether waiting jobs can be held and released.
        arrays: whether jobs that are submitted together become arrays of the backend.
        dependencies: the kinds of dependencies between jobs that it has.
        refused: the fields of a job's specification that it can not express, such as "resources.memory".
        status: whether it can be asked about any native id, whoever submitted that job.
    """

    executor: str
    version: str
    aliases: tuple[str, ...] = ()
    hold: bool = False
    arrays: bool = False
    dependencies: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    status: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types, as `spec/schemas/capabilities.schema.json` has it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}
