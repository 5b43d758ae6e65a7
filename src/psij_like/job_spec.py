"""The description of a job."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ._checks import Field, Record, instance, label, path, set_of, text, texts, truth, variables
from .job_attributes import JobAttributes
from .resource_spec import ResourceSpec
from .staging import StageIn, StageOut, StageOutFlags

_attributes = instance(JobAttributes)


class JobSpec(Record):
    """What to run, where, with what, and what to do before and after.

    All arguments are optional here; submitting needs an executable. Every one is also a property of the same
    name, and assigning None to it resets it. Paths are given as str or Path and read back as Path; an empty
    str means "not set". Lists, dicts and sets are copied.

    Args:
        executable: the program: absolute, relative to `directory` if it has a slash, else found in the job's PATH.
        arguments: list of str, passed on byte for byte.
        directory: where the job runs: absolute, or starting with `~/`.
        name: the job's name; the executable if not set.
        inherit_environment: whether the job sees the submitter's environment. Default True.
        environment: variables to set, str to str or int; read back as str.
        stdin_path: file to read as standard input.
        stdout_path: file to write standard output to.
        stderr_path: file to write standard error to.
        resources: what the job needs of the machine; one process on one node by default.
        attributes: what the scheduler is to know; `JobAttributes()` by default.
        pre_launch: POSIX shell script, sourced once, before the launcher.
        post_launch: POSIX shell script, sourced once, after the last process.
        launcher: the launcher's name, such as `mpirun`; `single` by default.
        stage_in: files to bring before launch, an iterable of StageIn.
        stage_out: files to take away afterwards, an iterable of StageOut.
        cleanup: files to remove last, an iterable of str or Path.
        cleanup_flags: when to remove them. Default `StageOutFlags.ALWAYS`.

    Raises:
        TypeError: an argument has the wrong type; the message says which, and what is allowed. Setters raise it too.
            Whether the values make sense is checked when the job is submitted.
    """

    __slots__ = (
        "_arguments",
        "_attributes",
        "_cleanup",
        "_cleanup_flags",
        "_directory",
        "_environment",
        "_executable",
        "_inherit_environment",
        "_launcher",
        "_name",
        "_post_launch",
        "_pre_launch",
        "_resources",
        "_stage_in",
        "_stage_out",
        "_stderr_path",
        "_stdin_path",
        "_stdout_path",
    )
    _defaults: ClassVar[dict[str, object]] = {
        "executable": None,
        "arguments": None,
        "directory": None,
        "name": None,
        "inherit_environment": True,
        "environment": None,
        "stdin_path": None,
        "stdout_path": None,
        "stderr_path": None,
        "resources": None,
        "attributes": None,
        "pre_launch": None,
        "post_launch": None,
        "launcher": None,
        "stage_in": None,
        "stage_out": None,
        "cleanup": None,
        "cleanup_flags": StageOutFlags.ALWAYS,
    }

    _executable: str | None
    _name: str | None
    _attributes: JobAttributes | None

    def __init__(  # as in PSI/J
        self,
        executable: str | None = None,
        arguments: list[str] | None = None,
        directory: str | Path | None = None,
        name: str | None = None,
        inherit_environment: bool = True,
        environment: Mapping[str, str | int] | None = None,
        stdin_path: str | Path | None = None,
        stdout_path: str | Path | None = None,
        stderr_path: str | Path | None = None,
        resources: ResourceSpec | None = None,
        attributes: JobAttributes | None = None,
        pre_launch: str | Path | None = None,
        post_launch: str | Path | None = None,
        launcher: str | None = None,
        stage_in: Iterable[StageIn] | None = None,
        stage_out: Iterable[StageOut] | None = None,
        cleanup: Iterable[str | Path] | None = None,
        cleanup_flags: StageOutFlags = StageOutFlags.ALWAYS,
    ) -> None:
        self.executable = executable
        self.arguments = arguments
        self.directory = directory
        self.name = name
        self.inherit_environment = inherit_environment
        self.environment = environment
        self.stdin_path = stdin_path
        self.stdout_path = stdout_path
        self.stderr_path = stderr_path
        self.resources = resources
        self.attributes = attributes
        self.pre_launch = pre_launch
        self.post_launch = post_launch
        self.launcher = launcher
        self.stage_in = stage_in
        self.stage_out = stage_out
        self.cleanup = cleanup
        self.cleanup_flags = cleanup_flags

    executable = Field[str | None, str | None](text, "The program.")
    arguments = Field[list[str] | None, list[str] | None](texts, "The program's arguments.")
    directory = Field[Path | None, str | Path | None](path, "Where the job runs.")
    inherit_environment = Field[bool, bool | None](
        truth, "Whether the job sees the submitter's environment.", default=True
    )
    environment = Field[dict[str, str] | None, Mapping[str, str | int] | None](variables, "Variables to set.")
    stdin_path = Field[Path | None, str | Path | None](path, "File to read as standard input.")
    stdout_path = Field[Path | None, str | Path | None](path, "File to write standard output to.")
    stderr_path = Field[Path | None, str | Path | None](path, "File to write standard error to.")
    resources = Field[ResourceSpec | None, ResourceSpec | None](
        instance(ResourceSpec),
        "What the job needs of the machine.",
    )
    pre_launch = Field[Path | None, str | Path | None](path, "Shell script to source before the launcher.")
    post_launch = Field[Path | None, str | Path | None](path, "Shell script to source after the last rank.")
    launcher = Field[str | None, str | None](text, "The launcher's name.")
    stage_in = Field[set[StageIn] | None, Iterable[StageIn] | None](
        set_of(instance(StageIn), "an iterable of StageIn"), "Files to bring before launch."
    )
    stage_out = Field[set[StageOut] | None, Iterable[StageOut] | None](
        set_of(instance(StageOut), "an iterable of StageOut"), "Files to take away afterwards."
    )
    cleanup = Field[set[Path] | None, Iterable[str | Path] | None](
        set_of(path, "an iterable of str or Path"), "Files to remove last."
    )
    cleanup_flags = Field[StageOutFlags, StageOutFlags | None](
        instance(StageOutFlags), "When to remove them.", default=StageOutFlags.ALWAYS
    )

    @property
    def name(self) -> str | None:
        """The job's name; the executable if not set."""
        return self._executable if self._name is None else self._name

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = None if value is None else label("JobSpec.name", value)

    @property
    def attributes(self) -> JobAttributes:
        """What the scheduler is to know. Made on the first reading if not set: most jobs differ little."""
        if self._attributes is None:
            self._attributes = JobAttributes()
        return self._attributes

    @attributes.setter
    def attributes(self, value: JobAttributes | None) -> None:
        self._attributes = None if value is None else _attributes("JobSpec.attributes", value)

    def _set_fields(self) -> dict[str, Any]:
        fields = super()._set_fields()
        if "attributes" in fields and not fields["attributes"]._set_fields():  # made by reading them, perhaps
            del fields["attributes"]
        return fields
