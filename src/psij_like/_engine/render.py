"""Templates become text: mustache without HTML escaping, where a missing name is an error."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pystache.parsed import ParsedTemplate


def render(template: str | Path, context: Mapping[str, object]) -> str:
    """The text of a template for these values: a file, or `templates/<template>.mustache` by its name.

    The values must have been quoted for their place already; nothing is escaped here.

    Raises:
        KeyError: a name that the template uses is missing in `context`.
        FileNotFoundError: there is no such template.
    """
    from pystache.context import KeyNotFoundError  # noqa: PLC0415 - slow to import, needed at the first submit

    try:
        text: str = _renderer().render(_parsed(template), dict(context))
    except KeyNotFoundError as error:
        raise KeyError(f"template {template!r} uses a value that was not given: {error}") from error
    return text


@functools.cache
def _source(name: str | Path) -> str:
    if isinstance(name, Path):
        return name.read_text(encoding="utf-8")
    return (files("psij_like") / "templates" / f"{name}.mustache").read_text(encoding="utf-8")


@functools.cache
def _parsed(name: str | Path) -> ParsedTemplate:
    import pystache  # noqa: PLC0415 - slow to import, needed at the first submit

    return pystache.parse(_source(name))


class _Partials:
    """Looks `{{> name}}` up among the templates."""

    def get(self, name: str) -> str:
        return _source(name)


@functools.cache
def _renderer() -> Any:
    import pystache  # noqa: PLC0415 - slow to import, needed at the first submit

    return pystache.Renderer(escape=lambda text: text, missing_tags="strict", partials=_Partials())
