"""What PBS Pro and Torque, both grown from OpenPBS' ancestor, still have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from psij_like._engine.backend import Backend, Command
from psij_like._engine.options import clock, merged
from psij_like._engine.plan import Plan
from psij_like._engine.quote import plain_name, quoted_word
from psij_like.dependencies import DependencyKind


class Qsub(Backend):
    """Options of one letter, resources by `-l NAME=VALUE`, and `#PBS` lines.

    A custom attribute of one letter is that option, one with a longer name the resource of that name.
    """

    own_options = frozenset("CIJtXz")  # another prefix, interactive, arrays, an X display, no id printed
    passes_environment = False
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {kind: str(kind) for kind in DependencyKind}
    own_variables = ("PBS_",)
    cancel = ("qdel",)
    hold = ("qhold", "-h", "u")
    release = ("qrls", "-h", "u")
    trusted = True

    def resources(self, plan: Plan) -> dict[str, object]:
        """The generated resources, by name. InvalidJobException if some can not be asked for."""
        raise NotImplementedError

    def options(self, plan: Plan) -> dict[str, object]:
        """The generated options, by letter."""
        spec, attributes = plan.spec, plan.spec.attributes
        return {
            "N": plain_name(spec.name or "job", "A-Za-z0-9_.+-", 230),
            "S": "/bin/bash",
            "o": "/dev/null",
            "e": "/dev/null",
            "q": attributes.queue_name,
            "A": attributes.account,
            "W": [f"depend={kind}:{native_id}" for kind, native_id in plan.dependencies],
        }

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`."""
        custom = self.custom(plan)
        letters = {name: value for name, value in custom.items() if len(name) == 1}
        named = {name: value for name, value in custom.items() if len(name) > 1}
        lines = [
            f"-{name}" if value is None else f"-{name} {quoted_word(value)}"
            for name, value in merged(self.options(plan), letters)
        ]
        resources = merged({**self.resources(plan), "walltime": clock(plan.walltime)}, named)
        return [*lines, *(f"-l {name}={quoted_word(value or 'True')}" for name, value in resources)]

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        return Command(("qsub", str(script)))
