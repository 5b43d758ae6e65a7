from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

SPEC = Path(__file__).parents[2] / "spec"
SCHEMAS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in SPEC.glob("schemas/*.json")}
VECTORS = {path.stem: json.loads(path.read_text()) for path in SPEC.glob("vectors/*.json")}
_REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)


def complaints(schema: str, data: object) -> list[str]:
    """What is wrong with data, by a schema."""
    validator = jsonschema.Draft202012Validator(SCHEMAS[schema], registry=_REGISTRY)
    return [error.message for error in validator.iter_errors(data)]


def cases(name: str) -> pytest.MarkDecorator:
    """Run a test for each case of a file of vectors, given as `case`."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS[name]["cases"]])
