"""What a specification asks for, where a backend can not do that or has no use for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from psij_like.job_spec import JobSpec

_log = logging.getLogger(__name__)

FieldsAndReasons = tuple[tuple[str, str], ...]
"""Fields of a specification, such as `resources.memory`, and why."""

# So it is where nobody asks for anything.
_ANYWAY = {"resources.node_count": 1, "resources.processes_per_node": 1, "resources.cpu_cores_per_process": 1}
_told: set[tuple[str, str]] = set()


def asked_for(spec: JobSpec, fields: FieldsAndReasons) -> Iterator[tuple[str, object, str]]:
    """Those of the fields that are set: each with its value and the reason."""
    for field, reason in fields:
        value: object = spec
        for name in field.split("."):
            value = getattr(value, name, None)
        if value and value != _ANYWAY.get(field):
            yield field, value, reason


def tell_of_useless(executor: str, spec: JobSpec, fields: FieldsAndReasons) -> None:
    """Say, once in a process for each field, that what a specification asks for changes nothing here."""
    for field, value, reason in asked_for(spec, fields):
        if (executor, field) not in _told:
            _told.add((executor, field))
            _log.info("%s: %r changes nothing on %s: %s", field, value, executor, reason)
