"""What came of a run, as data: `spec/schemas/conformance-report.schema.json` defines its form."""

from __future__ import annotations

import getpass
import platform
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from psij_like import __version__
from psij_like.capabilities import Capabilities
from psij_like.conformance.settings import Settings

_SCHEMA_VERSION = 1
_LONGEST_MESSAGE, _LONGEST_LOG = 10_000, 200_000  # characters


@dataclass(frozen=True)
class Result:
    """What came of one test.

    Attributes:
        kind: "suite", "quick-start" or "ensemble".
        name: the test's.
        outcome: "passed", "failed", "error", "skipped" or "unfinished".
        seconds: how long it took.
        requirements: the numbers of the statements that it proves.
        message: why it failed, or was skipped.
        log: what happened to its jobs, a line each.
    """

    kind: str
    name: str
    outcome: str
    seconds: float
    requirements: tuple[str, ...] = ()
    message: str = ""
    log: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types; what is too long loses its middle."""
        cut = {"message": _cut(self.message, _LONGEST_MESSAGE), "log": _cut(self.log, _LONGEST_LOG)}
        return {**asdict(self), "requirements": list(self.requirements), "seconds": round(self.seconds, 3), **cut}


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2 - 20
    return f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"


@dataclass
class Report:
    """What came of a run.

    Attributes:
        settings: what was tested, and with what.
        results: of the tests, in the order of their ends.
        capabilities: of the executor, once known.
        complete: false while it runs, and when it was interrupted.
        listener: called with each result.
    """

    settings: Settings
    results: list[Result] = field(default_factory=list)
    capabilities: Capabilities | None = None
    complete: bool = False
    listener: Callable[[Result], None] = lambda _: None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.time)
    ended: float = field(default_factory=time.time)

    def add(self, result: Result) -> None:
        """Note what came of a test."""
        self.results.append(result)
        self.listener(result)

    def close(self, *, complete: bool) -> None:
        """The run is over."""
        self.ended, self.complete = time.time(), complete

    def counts(self, kind: str | None = None) -> Counter[str]:
        """How many tests had each outcome; of one kind, or of all."""
        return Counter(result.outcome for result in self.results if kind in (None, result.kind))

    @property
    def passed(self) -> bool:
        """Whether the run was complete, and nothing went wrong."""
        return self.complete and not set(self.counts()) - {"passed", "skipped"}

    def requirements(self) -> dict[str, Counter[str]]:
        """How many tests of each requirement had each outcome."""
        found: dict[str, Counter[str]] = {}
        for result in self.results:
            for number in result.requirements:
                found.setdefault(number, Counter())[result.outcome] += 1
        return dict(sorted(found.items(), key=lambda item: (item[0][0], int(item[0][1:]))))

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types."""
        settings = self.settings
        executor = {"name": settings.executor, "launcher": settings.launcher, "queue": settings.queue}
        if self.capabilities is not None:
            executor["version"] = self.capabilities.version
        return {
            "schema_version": _SCHEMA_VERSION,
            "run_id": self.run_id,
            "started": self.started,
            "ended": self.ended,
            "complete": self.complete,
            "library": {"name": "psij-like", "version": __version__, "python": platform.python_version()},
            "executor": {name: value for name, value in executor.items() if value is not None},
            "site": {"host": socket.gethostname(), "user": getpass.getuser()},
            **({"capabilities": self.capabilities.to_dict()} if self.capabilities is not None else {}),
            "results": [result.to_dict() for result in self.results],
        }
