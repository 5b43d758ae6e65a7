"""Templates become text: mustache without HTML escaping, where a missing name is an error."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

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
def body() -> str:
    """The body that the scripts of all schedulers share, for `{{{body}}}`. It is text, not a template."""
    return (_templates() / "body.sh").read_text(encoding="utf-8")


def _templates() -> Traversable:
    return files("psij_like") / "templates"


@functools.cache
def _parsed(name: str | Path) -> ParsedTemplate:
    import pystache  # noqa: PLC0415 - slow to import, needed at the first submit

    file = name if isinstance(name, Path) else _templates() / f"{name}.mustache"
    return pystache.parse(file.read_text(encoding="utf-8"))


@functools.cache
def _renderer() -> Any:
    import pystache  # noqa: PLC0415 - slow to import, needed at the first submit

    return pystache.Renderer(escape=lambda text: text, missing_tags="strict")
