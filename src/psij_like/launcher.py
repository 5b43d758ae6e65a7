"""The interface of launchers: what starts a job's processes (ranks) within its resources."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from psij_like import plugins
from psij_like._checks import by_typeguard, wrong_type
from psij_like.exceptions import InvalidJobException
from psij_like.job_executor import JobExecutorConfig
from psij_like.resource_spec import Resources, ResourceSpec, resolve

if TYPE_CHECKING:
    from psij_like.job import Job
    from psij_like.job_spec import JobSpec

_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Launcher(ABC):
    """One way to start processes. A launcher knows its command line and nothing else.

    Args:
        options: further options of its command, name (without dashes) to value; "" or True
            for a flag, a list for several words, None or False to leave it out.
    """

    _NAME_: ClassVar[str]
    """The name under which the launcher is known, and the prefix of its options in custom attributes."""
    _VERSION_: ClassVar[str] = "0.1.0"
    """The version of the implementation, for `get_instance`'s `version_constraint`."""
    lead_node_only: ClassVar[bool] = False
    """Whether it starts processes on the lead node only, where the executable can be looked for beforehand."""

    ends_options: ClassVar[bool] = True
    """Whether its command line can tell an executable with a leading dash from an option."""

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        self.options = dict(options or {})
        for name in self.options:
            if not isinstance(name, str) or not _OPTION.fullmatch(name):
                raise ValueError(
                    f"launcher option {self._NAME_}.{name}: an option is named like 'overlap' or 'cpu-bind'"
                )

    @staticmethod
    def get_instance(
        name: str,
        version_constraint: str | None = None,
        config: JobExecutorConfig | None = None,
        *,
        options: Mapping[str, object] | None = None,
    ) -> Launcher:
        """A launcher by name.

        Args:
            name: such as "single" or "srun"; see `get_launcher_names`.
            version_constraint: such as "> 0.0.2, != 0.0.4"; the highest version that matches is used.
            config: whose `launcher_options` for this launcher are its options.
            options: its options, instead of those that `config` has.

        Raises:
            ValueError: no launcher of this name, or none of a matching version; the message lists what there is.
            TypeError: an argument has the wrong type.
        """
        if config is not None and not isinstance(config, JobExecutorConfig):
            raise wrong_type("config", config, "a JobExecutorConfig or None")
        if options is None:
            options = config.launcher_options.get(name) if config is not None else None
        elif type(options) is not dict:
            by_typeguard("options", options, Mapping[str, object], "a dict of str to any value, or None")
        return plugins.launcher_class(name, version_constraint)(options)

    @staticmethod
    def get_launcher_names() -> set[str]:
        """The names that `get_instance` knows."""
        return plugins.launcher_names()

    @property
    def name(self) -> str:
        """The name under which the launcher is known."""
        return self._NAME_

    @abstractmethod
    def prefix(self, resources: Resources) -> list[str]:
        """The command that, put before an executable and its arguments, starts them for these resources."""

    def get_launch_command(self, job: Job) -> list[str]:
        """The whole command that starts the processes of a job.

        Raises:
            InvalidJobException: the job has no specification, or one without an executable.
        """
        spec = job.spec
        if spec is None or spec.executable is None:
            raise InvalidJobException(f"job {job.id} has no JobSpec.executable")
        executable = str(spec.executable)
        if executable.startswith("-") and not self.ends_options:
            raise InvalidJobException(
                f"JobSpec.executable: {self.name} would take {executable!r} for an option; write './{executable}'"
            )
        return [*self.prefix(resolve(spec.resources)), executable, *(spec.arguments or ())]

    def prefix_text(self, resources: ResourceSpec | None = None) -> str:
        """The same as text for a shell script: `srun --ntasks=4 --nodes=2 ...`, to put before a command.

        Args:
            resources: what the script's job asks for; None is one process on one node.

        Raises:
            InvalidJobException: the launcher has no options, or not for these resources; or an option's value can not
                be a word of a command.
            TypeError: the resources are none.
        """
        if resources is not None and not isinstance(resources, ResourceSpec):
            raise wrong_type("resources", resources, "a ResourceSpec or None")
        return shlex.join(self.prefix(resolve(resources)))

    def option_words(self, *, joined: bool = True) -> list[str]:
        """The further options as words of a command line; `joined` writes long ones as `--name=value`.

        Raises:
            InvalidJobException: a value can not be a word of a command.
        """
        words = []
        for name, value in self.options.items():
            if value is None or value is False:
                continue
            dashed = f"-{name}" if len(name) == 1 else f"--{name}"
            values = [] if value is True or value == "" else [self._word(name, one) for one in _several(value)]
            if joined and len(name) > 1 and len(values) == 1:
                words.append(f"{dashed}={values[0]}")
            else:
                words += [dashed, *values]
        return words

    def _word(self, name: str, value: object) -> str:
        """What a value is on the command line."""
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        word = json.dumps(text) if isinstance(text, int | float) else text
        with contextlib.suppress(UnicodeEncodeError):
            if isinstance(word, str) and b"\0" not in os.fsencode(word):
                return word
        raise InvalidJobException(
            f"launcher option {self.name}.{name}: {value!a} is neither a text that can be a word of a command, nor a "
            "path or a number"
        )


def launcher_for(spec: JobSpec, options: Mapping[str, Mapping[str, object]]) -> Launcher:
    """The launcher that a specification asks for ("single" if it names none), with its options.

    `options` are those configured for each launcher; custom attributes `<launcher>.<option>` come on top.

    Raises:
        InvalidJobException: there is no such launcher, or an option is badly named.
    """
    name = spec.launcher or "single"
    given = dict(options.get(name, {}))
    for key, value in (spec.attributes.custom_attributes or {}).items():
        owner, _, option = key.partition(".")
        if owner == name and "." not in option:  # those are the executor's of the same name
            given[option] = value
    try:
        return Launcher.get_instance(name, options=given)
    except ValueError as error:
        raise InvalidJobException(f"JobSpec.launcher: {error}", error) from error


def _several(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]
