"""What is tested, and with what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psij_like.job_executor import DEFAULT_WORK_DIRECTORY, JobExecutor, JobExecutorConfig
from psij_like.launcher import Launcher


@dataclass(frozen=True)
class Settings:
    """What is tested, and with what.

    Attributes:
        executor: the executor's name.
        url: which instance of its backend.
        launcher: for jobs of several processes; `multiple` if None.
        queue: for all jobs.
        account: for all jobs.
        reservation: for all jobs.
        custom: custom attributes of all jobs.
        directory: where jobs run and are remembered; the nodes must see it too. It is made absolute, `~` expanded.
        nodes: how many nodes a job may have; some jobs ask for two then.
        time_limit: the shortest time limit that the site allows, in minutes.
        patience: how long a job may take from its submission to its end, in seconds: queues may be slow.

    Raises:
        ValueError: the directory is below the home of somebody who is not known, there is no such launcher, or a time
            is not finite.
    """

    executor: str
    url: str | None = None
    launcher: str | None = None
    queue: str | None = None
    account: str | None = None
    reservation: str | None = None
    custom: Mapping[str, object] = field(default_factory=dict)
    directory: Path = DEFAULT_WORK_DIRECTORY.parent / "conformance"
    nodes: int = 1
    time_limit: float = 1.0
    patience: float = 3600.0

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "directory", self.directory.expanduser().absolute())
        except RuntimeError as error:
            raise ValueError(f"directory {self.directory}: {error}") from error
        for name in ("time_limit", "patience"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name}: {getattr(self, name)} is no length of time")
        if self.launcher is not None:
            Launcher.get_instance(self.launcher)

    def new_executor(self) -> JobExecutor:
        """An executor with nobody else's jobs.

        Raises:
            ValueError: there is none of that name, or it has no use for the `url`.
        """
        config = JobExecutorConfig(work_directory=self.directory / "jobs")
        return JobExecutor.get_instance(self.executor, url=self.url, config=config)


def parse_custom(texts: Iterable[str]) -> dict[str, str]:
    """Custom attributes from `NAME=VALUE`. ValueError if a text is none."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or "." not in name:
            raise ValueError(f"custom attribute {text!r}: expected NAME=VALUE, such as slurm.qos=debug")
        if not text.isprintable():
            raise ValueError(f"custom attribute {text!r}: it holds a line break or another control character")
        found[name] = value
    return found
