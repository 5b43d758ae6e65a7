"""Attributes as users of psij-python write them: custom ones may be called anything."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import psij_like

__all__ = ["JobAttributes"]

_log = logging.getLogger(__name__)


class JobAttributes(psij_like.JobAttributes):
    """See `psij_like.JobAttributes`. Custom attributes whose names name no executor are kept, and mean nothing."""

    __slots__ = ("_nobodys",)

    _nobodys: dict[str, object]

    @property
    def custom_attributes(self) -> dict[str, object] | None:
        """Options for one executor each, and what else was set; None if there are none."""
        return {**(self._custom_attributes or {}), **self._nobodys} or None

    @custom_attributes.setter
    def custom_attributes(self, value: Mapping[str, object] | None) -> None:
        given = dict(value or {})
        self._nobodys = {name: given.pop(name) for name in list(given) if "." not in name}
        psij_like.JobAttributes.custom_attributes.__set__(self, given or None)

    def set_custom_attribute(self, name: str, value: object) -> None:
        """Set an option for one executor, or something that means nothing to any."""
        self.custom_attributes = {**(self.custom_attributes or {}), name: value}

    def get_custom_attribute(self, name: str) -> object | None:
        """What was set under that name, or None."""
        return (self.custom_attributes or {}).get(name)

    def drop_nobodys(self) -> None:
        """Forget what means nothing to any executor. That is logged, but printed only where a program wants it so."""
        for name in self._nobodys:
            _log.info("custom attribute %r means nothing: it does not look like <executor>.<option>", name)
        self._nobodys = {}

    def _set_fields(self) -> dict[str, Any]:
        fields = super()._set_fields()
        if self.custom_attributes:
            fields["custom_attributes"] = self.custom_attributes
        return fields
