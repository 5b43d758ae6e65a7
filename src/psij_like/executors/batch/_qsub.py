"""What PBS Pro and Torque, both grown from OpenPBS' ancestor, still have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from psij_like._engine.backend import Backend, Command
from psij_like._engine.dependencies import Awaited
from psij_like._engine.figures import seconds, size
from psij_like._engine.options import clock, merged
from psij_like._engine.plan import Plan
from psij_like._engine.quote import plain_name, quoted_word
from psij_like.dependencies import DependencyKind
from psij_like.exceptions import InvalidJobException
from psij_like.job_info import JobUsage

_KINDS = {str(kind): kind for kind in DependencyKind}


def depend(jobs: Iterable[tuple[str, str]]) -> str:
    """`afterok:1:2,afterany:3` of pairs of a kind and an id. Of several `-W depend` Torque heeds the last one only."""
    kinds: dict[str, list[str]] = {}
    for kind, native_id in jobs:
        kinds.setdefault(kind, []).append(native_id)
    return ",".join(":".join([kind, *native_ids]) for kind, native_ids in kinds.items())


def awaited(depend: str) -> Iterator[Awaited]:
    """The jobs that a job waits for, out of `afterok:1.server@server:2.server@server,beforeany:...`."""
    for kind, *names in (group.split(":") for group in depend.split(",")):
        if kind in _KINDS:
            yield from (Awaited(_KINDS[kind], name.partition("@")[0]) for name in names)


def used_by(resources: Mapping[str, object]) -> JobUsage:
    """What a job has used, by its `resources_used`."""
    text = {name: value if isinstance(value, str) else None for name, value in resources.items()}
    return JobUsage(seconds(text.get("walltime")), seconds(text.get("cput")), size(text.get("mem")))


class Qsub(Backend):
    """Options of one letter, resources by `-l NAME=VALUE`, and `#PBS` lines.

    A custom attribute of one letter is that option, one with a longer name the resource of that name.
    """

    own_options = frozenset("CIJtXz")  # another prefix, interactive, arrays, an X display, no id printed
    passes_environment = False
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {kind: str(kind) for kind in DependencyKind}
    # A job that was deleted before it ran has ended well, to both.
    verified: ClassVar[Mapping[DependencyKind, str]] = {DependencyKind.AFTERNOTOK: "afterany"}
    own_variables = ("PBS_",)
    cancel = ("qdel",)
    hold = ("qhold", "-h", "u")
    release = ("qrls", "-h", "u")
    trusted = True
    array_option: ClassVar[str]
    """The letter of the option that asks for an array."""

    @abstractmethod
    def resources(self, plan: Plan) -> dict[str, object]:
        """The generated resources, by name. InvalidJobException if some can not be asked for."""

    def options(self, plan: Plan) -> dict[str, object]:
        """The generated options, by letter."""
        spec, attributes = plan.spec, plan.spec.attributes
        waits_for = depend((self.dependency_word(job), job.native_id) for job in plan.dependencies)
        return {
            "N": plain_name(spec.name or "job", "A-Za-z0-9_.+-", 230),
            "S": "/bin/bash",
            self.array_option: f"1-{plan.array}" if plan.array else None,
            "o": "/dev/null",
            "e": "/dev/null",
            "q": attributes.queue_name,
            "A": attributes.account,
            "W": f"depend={waits_for}" if waits_for else None,
        }

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`."""
        custom, options = self.custom(plan), self.options(plan)
        letters = {name: value for name, value in custom.items() if len(name) == 1}
        if "W" in letters:  # a bag of attributes, one of which may be generated
            letters["W"] = ",".join(map(str, filter(None, [options["W"], *self._bag(letters["W"])])))
        named = {name: value for name, value in custom.items() if len(name) > 1}
        lines = [
            f"-{name}" if value is None else f"-{name} {quoted_word(value)}" for name, value in merged(options, letters)
        ]
        resources = merged({**self.resources(plan), "walltime": clock(plan.walltime)}, named)
        return [*lines, *(f"-l {name}={quoted_word(value or 'True')}" for name, value in resources)]

    def _bag(self, value: object) -> list[object]:
        """The values of a custom `-W`."""
        values = list(value) if isinstance(value, list | tuple) else [value]
        if any(re.search(r"(^|,) *(depend|block)\b", str(one)) for one in values):
            raise InvalidJobException(
                f"custom attribute '{self.name}.W': {value!r} is not allowed: there are Job.wait for block, and "
                "JobAttributes.dependencies for depend"
            )
        return values

    def of_others(self, owner: str | None) -> bool:
        """Whether the owner of a job, `user@host`, is known to be another user."""
        return bool(owner) and str(owner).partition("@")[0] != self.user.name

    def element_id(self, native_id: str, index: int) -> str:
        """See `Backend.element_id`: `17[].server` has `17[1].server`."""
        return native_id.replace("[]", f"[{index}]", 1)

    def array_id(self, native_id: str) -> str:
        """See `Backend.array_id`."""
        return re.sub(r"\[[0-9]+\]", "[]", native_id, count=1)

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        return Command(("qsub", str(script)))
