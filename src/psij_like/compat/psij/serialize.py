"""Specifications as text, and as the dicts that Open OnDemand reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psij_like import JobSpec, serialize
from psij_like.serialize import Serializer, spec_from_dict, spec_to_dict

from .job_attributes import JobAttributes

__all__ = ["JSONSerializer", "Serializer"]


class JSONSerializer(serialize.JSONSerializer):
    """See `psij_like.serialize.JSONSerializer`."""

    def _to_spec(self, data: Mapping[str, Any]) -> JobSpec:
        """The specification that a dict describes; its custom attributes may be called anything."""
        attributes = dict(data.get("attributes") or {})
        custom = attributes.pop("custom_attributes", None)
        spec = spec_from_dict({**data, "attributes": attributes})
        known = spec.attributes
        spec.attributes = JobAttributes(
            known.duration,
            known.queue_name,
            known.account,
            known.reservation_id,
            custom,
            dependencies=known.dependencies,
        )
        return spec

    def _from_spec(self, spec: JobSpec) -> dict[str, Any]:
        """All fields of a specification in a dict of JSON's types; None for those that are not set."""
        fields = spec_to_dict(spec, lossy=True)
        attributes = fields.get("attributes", {})
        resources = fields.get("resources", {"__version": 1})
        return {
            **dict.fromkeys(_names(spec)),
            **fields,
            "name": spec.name,
            "inherit_environment": spec.inherit_environment,
            "attributes": {**dict.fromkeys(_names(spec.attributes)), **attributes},
            "resources": resources,
        }


def _names(record: object) -> list[str]:
    return [name for name in dir(type(record)) if isinstance(getattr(type(record), name), property)]
