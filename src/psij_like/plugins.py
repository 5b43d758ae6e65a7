"""How executors and launchers are found: by entry points, imported when they are asked for.

A distribution adds its own with, in its `pyproject.toml`,

    [project.entry-points."psij_like.executors"]
    my_scheduler = "my_package.module:MyJobExecutor"

(`psij_like.launchers` for launchers). A class's `_VERSION_` tells versions of the same name apart.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from psij_like._checks import wrong_type

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from psij_like.job_executor import JobExecutor
    from psij_like.launcher import Launcher

_EXECUTORS = "psij_like.executors"
_LAUNCHERS = "psij_like.launchers"


def executor_names() -> set[str]:
    """The names of all executors that are installed."""
    return set(_found(_EXECUTORS))


def launcher_names() -> set[str]:
    """The names of all launchers that are installed."""
    return set(_found(_LAUNCHERS))


@functools.cache
def owner_trouble(prefix: str) -> tuple[str, bool]:
    """What is wrong with the owner that the name of a custom attribute begins with, and whether that is surely a slip.

    Returns:
        An empty sentence if there is an executor or a launcher of that name.
    """
    known = executor_names() | launcher_names()
    if prefix in known:
        return "", False
    near = _near(prefix, known, 0.75)
    hint = f"did you mean {near!r}?" if near else f"known are: {', '.join(sorted(known))}"
    return f"there is no executor and no launcher {prefix!r}; {hint}", near is not None


def executor_class(name: str, version_constraint: str | None = None) -> type[JobExecutor]:
    """The class of an executor; of several versions the highest that matches.

    Raises:
        ValueError: there is none.
    """
    cls: type[JobExecutor] = _load(_EXECUTORS, "executor", name, version_constraint)
    return cls


def detected_executor() -> str:
    """The name of the executor for the scheduler of this machine: `local` if it has none.

    Raises:
        ValueError: it has several; somebody has to say which.
    """
    found: dict[type[JobExecutor], str] = {}
    for name in sorted(executor_names()):
        with contextlib.suppress(ImportError, ValueError):  # `psij-like executors` tells what is the matter with it
            cls = executor_class(name)
            if cls._DETECTED_ and not cls().trouble:
                found.setdefault(cls, name)
    if len(found) > 1:
        raise ValueError(
            f"this machine has several schedulers ({', '.join(found.values())}): name an executor, or set PSIJ_EXECUTOR"
        )
    return next(iter(found.values()), "local")


def names_of(executor: str) -> set[str]:
    """All names of an executor: that one, and those under which the same class is known."""
    found = _found(_EXECUTORS)
    classes = {entry.value for entry in found.get(executor, ())}
    return {executor} | {name for name, entries in found.items() if classes & {entry.value for entry in entries}}


def launcher_class(name: str, version_constraint: str | None = None) -> type[Launcher]:
    """The class of a launcher; of several versions the highest that matches.

    Raises:
        ValueError: there is none.
    """
    cls: type[Launcher] = _load(_LAUNCHERS, "launcher", name, version_constraint)
    return cls


@functools.cache
def _found(group: str) -> dict[str, list[EntryPoint]]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, needed at the first get_instance

    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        if entry.value not in [known.value for known in found.setdefault(entry.name, [])]:
            found[entry.name].append(entry)
    return found


def _load(group: str, kind: str, name: str, constraint: str | None) -> Any:
    if not isinstance(name, str):
        raise wrong_type("name", name, "a str")
    if constraint is not None and not isinstance(constraint, str):
        raise wrong_type("version_constraint", constraint, "a str or None")
    found = _found(group)
    if name not in found:
        near = _near(name, found)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ValueError(f"there is no {kind} {name!r}.{hint} Known are: {', '.join(sorted(found)) or 'none'}")
    classes = _classes(group, kind, name)
    if constraint is None and len(classes) == 1:
        return classes[0]
    return _highest(kind, name, classes, constraint)


@functools.cache
def _classes(group: str, kind: str, name: str) -> list[Any]:
    classes = []
    for entry in _found(group)[name]:
        try:
            classes.append(entry.load())
        except Exception as error:
            if isinstance(error, ModuleNotFoundError):
                why = f"needs {error.name}"
            else:
                why = f"can not be loaded: {type(error).__name__}: {error}"
            raise ValueError(f"the {kind} {name!r} can not be used here: {entry.value} {why}") from error
    return classes


def _near(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    import difflib  # noqa: PLC0415 - needed for a slip only

    return next(iter(difflib.get_close_matches(name, known, 1, likeness)), None)


def _highest(kind: str, name: str, classes: list[Any], constraint: str | None) -> Any:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - rarely needed
    from packaging.version import Version  # noqa: PLC0415

    versions = {Version(cls._VERSION_): cls for cls in classes}
    try:
        wanted = SpecifierSet(constraint or "", prereleases=True)
    except InvalidSpecifier as error:
        raise ValueError(f"the version constraint {constraint!r} is not like '> 0.0.2, != 0.0.4': {error}") from error
    matching = [version for version in versions if version in wanted]
    if not matching:
        known = ", ".join(map(str, sorted(versions)))
        raise ValueError(f"no version of the {kind} {name!r} matches {constraint!r}; installed: {known}")
    return versions[max(matching)]
