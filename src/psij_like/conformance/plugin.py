"""Runs the tests of the suite side by side, as a plug-in of pytest.

Each test runs on a thread of its own from the moment when all are known, so that their jobs wait in the queue together
and a run takes as long as its longest job, not as the sum of all. pytest then takes the tests in the order in which
they are done.
"""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.report import Report, Result
from psij_like.conformance.settings import Settings, parse_custom
from psij_like.exceptions import InvalidJobException, SubmitException

_AT_ONCE = 200  # tests; more than there are
_KINDS = {"quick_start": "quick-start", "ensemble": "ensemble"}

SETTINGS = pytest.StashKey[Settings]()
REPORT = pytest.StashKey[Report]()


def proves(*numbers: str) -> pytest.MarkDecorator:
    """Which statements of the specification a test proves."""
    return pytest.mark.proves(*numbers)


@dataclass
class _Run:
    """A test that runs on its thread."""

    bench: Bench
    future: Future[None]
    seconds: float = 0.0


class _Suite:
    """The run of a session."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings = settings
        self.report = report
        self._first: Bench | None = None
        self._runs: dict[str, _Run] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "conformance")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin with all tests, if a job of the simplest kind is taken at all."""
        if session.config.option.collectonly or not session.items:
            return
        self.report.capabilities = self._first_job().executor.capabilities
        for item in session.items:
            if isinstance(item, pytest.Function) and "bench" in inspect.signature(item.function).parameters:
                self._begin(item)

    def _first_job(self) -> Bench:
        """Have a job taken, before many are sent. pytest.UsageError if it is not."""
        try:
            self._first = bench = Bench(self.settings)
        except OSError as error:
            raise pytest.UsageError(f"the directory for jobs can not be used: {error}") from error
        try:  # on a thread: there Ctrl-C does not tear it apart
            self._threads.submit(bench.submit, bench.spec("/bin/true")).result()
        except (InvalidJobException, SubmitException) as error:
            raise pytest.UsageError(f"a simple job can not be submitted here, so no other was: {error}") from error
        return bench

    def _begin(self, item: pytest.Function) -> None:
        given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        bench = Bench(self.settings)
        begun = time.monotonic()

        def test() -> None:
            try:
                item.obj(bench=bench, **given)
            finally:
                self._runs[item.nodeid].seconds = time.monotonic() - begun
                bench.tidy(keep=False)

        self._runs[item.nodeid] = _Run(bench, Future())
        self._runs[item.nodeid].future = self._threads.submit(test)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Take the tests in the order in which they are done."""
        if session.testsfailed or not self._runs:
            return None  # pytest knows what to do
        items = {item.nodeid: item for item in session.items}
        waiting = {run.future: items[name] for name, run in self._runs.items()}
        others = (item for name, item in items.items() if name not in self._runs)
        for item in itertools.chain(others, (waiting[future] for future in as_completed(waiting))):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object | None:
        """Say what came of a test that has run."""
        run = self._runs.get(pyfuncitem.nodeid)
        if run is None:
            return None
        run.future.result()
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what came of a test."""
        report = yield
        if call.when == "call" or report.outcome != "passed":
            run = self._runs.get(item.nodeid)
            if run is not None and run.bench.diary:
                report.sections.append(("what happened", "\n".join(run.bench.diary)))
            seconds = run.seconds if run is not None else report.duration
            self.report.add(self._result(item, _outcome(report), seconds, _message(report)))
        return report

    def _result(self, item: pytest.Item, outcome: str, seconds: float, message: str = "") -> Result:
        return Result(
            kind=_KINDS.get(item.path.stem.removeprefix("test_"), "suite"),
            name=item.name,
            outcome=outcome,
            seconds=seconds,
            requirements=tuple(number for mark in item.iter_markers("proves") for number in mark.args),
            message=message,
            log="\n".join(self._runs[item.nodeid].bench.diary) if item.nodeid in self._runs else "",
        )

    def pytest_keyboard_interrupt(self) -> None:
        """Have the tests that run stop, and cancel their jobs."""
        for run in self._runs.values():
            run.bench.give_up()

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Wait for what still runs, and close the report."""
        self._threads.shutdown()
        if self._first is not None:
            self._first.tidy(keep=False)
        told = {result.name for result in self.report.results}
        left = [item for item in session.items if item.name not in told]
        begun = self._runs or exitstatus == pytest.ExitCode.INTERRUPTED
        for item in left if begun else ():
            self.report.add(self._result(item, "unfinished", 0.0, "the run was interrupted"))
        self.report.close(complete=not left)


def _outcome(report: pytest.TestReport) -> str:
    if report.outcome == "failed" and report.when != "call":
        return "error"
    return report.outcome


def _message(report: pytest.TestReport) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return report.longreprtext if report.outcome == "failed" else ""


@pytest.fixture
def bench() -> None:
    """What a test works with: see `Bench`. The test got it when it began."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of pytest that say what is tested."""
    group = parser.getgroup("psij", "conformance of an executor of psij_like")
    group.addoption("--psij-executor", metavar="NAME", help="the executor")
    for name, what in {
        "url": "which instance of its backend",
        "launcher": "for jobs of several processes",
        "queue": "for all jobs",
        "account": "for all jobs",
        "reservation": "for all jobs",
        "nodes": "how many nodes a job may have",
        "directory": "where jobs run; the nodes must see it too",
    }.items():
        kind = int if name == "nodes" else str
        group.addoption(f"--psij-{name}", type=kind, metavar=name.upper(), help=what)
    group.addoption("--psij-custom", metavar="NAME=VALUE", action="append", default=[], help="for all jobs")
    group.addoption("--psij-time-limit", metavar="MINUTES", type=float, help="the shortest that the site allows")
    group.addoption(
        "--psij-patience", metavar="SECONDS", type=float, help="for each job, from its submission to its end"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take part if an executor is named."""
    config.addinivalue_line("markers", "proves(*numbers): which statements of the specification a test proves")
    try:
        settings = config.stash.get(SETTINGS, None) or _settings(config.getoption)
        if settings is None:
            return
        settings.new_executor()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    report = config.stash.setdefault(REPORT, Report(settings))
    config.pluginmanager.register(_Suite(settings, report), "psij-conformance-suite")


def _settings(option: Callable[[str], object]) -> Settings | None:
    if option("--psij-executor") is None:
        return None
    names = {one.name for one in fields(Settings)} - {"custom"}
    given = {name: option(f"--psij-{name.replace('_', '-')}") for name in names}
    given["custom"] = parse_custom(option("--psij-custom"))  # type: ignore[arg-type]
    if given["directory"]:
        given["directory"] = Path(str(given["directory"]))
    return Settings(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
