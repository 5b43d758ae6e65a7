"""What users and sites have set once and for all: files in TOML, and the environment.

Later ones win: `/etc/psij-like/config.toml` (the site), `psij-like/config.toml` in XDG_CONFIG_HOME (the user; in
`~/.config` by default), `psij-like.toml` in this directory or the nearest one above that has it (the project),
variables of the environment (PSIJ_EXECUTOR, PSIJ_QUEUE, ...), and what a call or a command line says itself.

    executor = "slurm"                  # who runs jobs where nothing else is said
    templates = "/etc/psij-like/templates"  # slurm.mustache, ... in there take the place of the library's own
    provenance = "~/provenance"         # the command line writes there what became of each job

    [executors.slurm]                   # for its jobs, where they leave it open
    queue = "batch"
    account = "chem01"
    launcher = "srun"
    custom = { "slurm.qos" = "normal" }

    [profiles.gpu]                      # these come on top where that profile is chosen
    queue = "gpu"
    custom = { "slurm.constraint" = "a100" }
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from psij_like.job_executor import JobExecutorConfig
    from psij_like.job_spec import JobSpec

SITE = Path("/etc/psij-like/config.toml")
PROJECT = "psij-like.toml"
_ENVIRONMENT = "PSIJ_"

_DEFAULTS: dict[str, type] = {
    "url": str,
    "work_directory": str,
    "queue": str,
    "account": str,
    "reservation": str,
    "launcher": str,
    "walltime": str,
    "custom": dict,
}
_GENERAL = {"templates": str, "provenance": str}  # whoever runs the jobs
_TOP: dict[str, type] = {"executor": str, "profile": str, "executors": dict, "profiles": dict, **_GENERAL}


class ConfigurationError(ValueError):
    """Something is wrong in what was set; says what and where."""


class Setting(NamedTuple):
    """What is set, and where.

    Attributes:
        value: what it is.
        origin: a file with the place in it, a variable of the environment, or "given".
    """

    value: Any
    origin: str


class _File(NamedTuple):
    """What a file says."""

    path: str
    data: Mapping[str, Any]


class Configuration:
    """All that is set.

    Args:
        files: what the files say, in rising precedence.
        environment: what the environment says.
        given: what a call or a command line says itself.
    """

    def __init__(
        self, files: Iterable[_File], environment: Mapping[str, Setting], given: Mapping[str, Setting]
    ) -> None:
        self._files = list(files)
        self._said = {**environment, **given}
        self._detected: Setting | None = None

    @property
    def detected(self) -> bool:
        """Whether nobody has set the executor, so that it was detected."""
        return self._detected is not None

    def detect(self) -> str:
        """The executor that is set, or else that of this machine's scheduler, for which the rest holds from then on.

        Raises:
            ValueError: none is set, and there are several.
        """
        from psij_like import plugins  # noqa: PLC0415 - only if it is asked for

        name = self.value("executor")
        if name is None:
            name = plugins.detected_executor()
            self._detected = Setting(name, "detected")
        return str(name)

    @property
    def settings(self) -> dict[str, Setting]:
        """Everything that holds, by its name: `executor`, `profile`, and the defaults of that executor's jobs.

        Custom attributes are `custom.NAME`.

        Raises:
            ConfigurationError: a profile is chosen that nobody has described.
        """
        top = {
            name: Setting(file.data[name], f"{file.path}: {name}")
            for file in self._files
            for name in ("executor", "profile", *_GENERAL)
            if name in file.data
        }
        profile = {**top, **self._said}.get("profile")
        of_profile = self._profile(profile) if profile is not None else {}
        lowest = {} if self._detected is None else {"executor": self._detected}
        chosen = {**lowest, **top, **of_profile, **self._said}
        executor = chosen.get("executor")
        of_executor = {} if executor is None else self._tables("executors", self._same_as(executor.value))
        return {**of_executor, **chosen}

    def value(self, name: str) -> Any:
        """What holds for a name; None if nothing does."""
        setting = self.settings.get(name)
        return None if setting is None else setting.value

    def executor_config(self, *, keep_files: bool = False) -> JobExecutorConfig | None:
        """The configuration of an executor; None if nothing is set.

        Args:
            keep_files: see `JobExecutorConfig`.
        """
        where, templates = self.value("work_directory"), self.value("templates")
        if templates is not None:
            from psij_like.executors.batch.config import BatchSchedulerExecutorConfig  # noqa: PLC0415 - rarely needed

            return BatchSchedulerExecutorConfig(
                work_directory=where, keep_files=keep_files, template_directory=templates
            )
        if where is None and not keep_files:
            return None
        from psij_like.job_executor import JobExecutorConfig  # noqa: PLC0415 - it asks this module for the default

        return JobExecutorConfig(work_directory=where, keep_files=keep_files)

    def filled(self, spec: JobSpec) -> JobSpec:
        """A job with what is set (queue, account, launcher, ...) where its specification leaves it open.

        Executors do not do that by themselves: what a program submits is what it says.

        Raises:
            InvalidJobException: something that is set can be no job's.
        """
        from psij_like.serialize import spec_from_dict, spec_to_dict  # noqa: PLC0415 - rarely needed

        data = spec_to_dict(spec)
        self.fill(data)
        return spec_from_dict(data)

    def fill(self, data: dict[str, Any]) -> None:
        """The same with a specification in JSON's types, which is changed.

        Raises:
            ConfigurationError: the walltime is none.
        """
        known = {name: setting.value for name, setting in self.settings.items()}
        if known.get("launcher") and data.get("launcher") is None:
            data["launcher"] = known["launcher"]
        names = {"queue": "queue_name", "account": "account", "reservation": "reservation_id"}
        attributes: dict[str, Any] = {own: known[name] for name, own in names.items() if name in known}
        if "walltime" in known:
            attributes["duration"] = _seconds(self.settings["walltime"])
        said = {name: value for name, value in (data.get("attributes") or {}).items() if value is not None}
        attributes.update(said)
        custom = {name[7:]: value for name, value in known.items() if name.startswith("custom.")}
        if custom:
            attributes["custom_attributes"] = {**custom, **(said.get("custom_attributes") or {})}
        if attributes:
            data["attributes"] = attributes

    def _profile(self, profile: Setting) -> dict[str, Setting]:
        known = {name for file in self._files for name in file.data.get("profiles", {})}
        if profile.value not in known:
            raise ConfigurationError(
                f"profile {profile.value!r} ({profile.origin}) is not described; {_hint(profile.value, known)}"
            )
        return self._table("profiles", profile.value)

    def _same_as(self, executor: str) -> set[str]:
        """All names of an executor, as far as a file has a table of such a name."""
        from psij_like import plugins  # noqa: PLC0415 - only if it is asked for

        described = {name for file in self._files for name in file.data.get("executors", {})}
        return described & plugins.names_of(executor)

    def _tables(self, kind: str, names: Iterable[str]) -> dict[str, Setting]:
        return {key: value for name in sorted(names) for key, value in self._table(kind, name).items()}

    def _table(self, kind: str, name: str) -> dict[str, Setting]:
        found = {}
        for file in self._files:
            for key, value in file.data.get(kind, {}).get(name, {}).items():
                where = f"{file.path}: {kind}.{name}.{key}"
                if key == "custom":
                    found.update({f"custom.{one}": Setting(own, where) for one, own in value.items()})
                else:
                    found[key] = Setting(value, where)
        return found


def load(
    given: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
    here: Path | None = None,
    site: Path = SITE,
) -> Configuration:
    """All that is set for somebody who works in this directory.

    Args:
        given: what a call or a command line says itself; None is not said.
        environment: the variables.
        here: the directory.
        site: the site's file.

    Raises:
        ConfigurationError: a file can not be read, or says something that is not known.
    """
    files = [site, _user_file(environment), _project_file(here if here is not None else _here())]
    names = {"executor", "profile", *_GENERAL, *_DEFAULTS} - {"custom"}
    variables = {name: f"{_ENVIRONMENT}{name.upper()}" for name in names}
    return Configuration(
        [_File(str(path), _read(path)) for path in files if path is not None and path.exists()],
        {name: Setting(environment[own], own) for name, own in variables.items() if environment.get(own)},
        {name: Setting(value, "given") for name, value in (given or {}).items() if value is not None},
    )


def _seconds(walltime: Setting) -> float:
    from psij_like.exceptions import InvalidJobException  # noqa: PLC0415 - only if it is used
    from psij_like.job_attributes import JobAttributes  # noqa: PLC0415

    try:
        return JobAttributes.parse_walltime(walltime.value).total_seconds()
    except (InvalidJobException, ValueError) as error:
        raise ConfigurationError(f"walltime ({walltime.origin}): {error}") from error


def _user_file(environment: Mapping[str, str]) -> Path | None:
    base = environment.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        home = environment.get("HOME", "")
        if not home:
            return None
        base = f"{home}/.config"
    return Path(base, "psij-like", "config.toml")


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it does not exist any more
        return None


def _project_file(here: Path | None) -> Path | None:
    if here is None:
        return None
    return next((place / PROJECT for place in (here, *here.parents) if (place / PROJECT).exists()), None)


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - only if there is a file
    else:
        import tomli as tomllib  # noqa: PLC0415

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} can not be read: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    _check(str(path), data, _TOP)
    for kind, keys in (("executors", _DEFAULTS), ("profiles", {**_DEFAULTS, "executor": str})):
        for name, table in data.get(kind, {}).items():
            _check(f"{path}: {kind}.{name}", {name: table}, {name: dict})
            _check(f"{path}: {kind}.{name}", table, keys)
    return data


def _check(where: str, data: Mapping[str, Any], keys: Mapping[str, type]) -> None:
    for name, value in data.items():
        if name not in keys:
            raise ConfigurationError(f"{where}: {name!r} is not known; {_hint(name, keys)}")
        if not isinstance(value, keys[name]):
            kind = "a text" if keys[name] is str else "a table"
            raise ConfigurationError(f"{where}: {name} is {value!r}, and should be {kind}")


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(known)) or 'none'}"
