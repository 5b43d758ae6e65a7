"""Runs the suite, tells how it goes, and writes what came of it."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psij_like.conformance import plugin
from psij_like.conformance.page import page
from psij_like.conformance.report import Report, Result
from psij_like.conformance.settings import Settings

_SUITE = Path(__file__).parent / "suite"
_STYLES = {"passed": "green", "skipped": "dim", "failed": "bold red", "error": "bold red", "unfinished": "red"}


def run(settings: Settings, only: Sequence[str] = (), directory: Path | None = None) -> int:
    """Run the suite.

    Args:
        settings: what is tested, and with what.
        only: run only the tests whose names contain one of these, or that prove the statement of that number.
        directory: where to write `report.json`, `report.html` and `junit.xml`; nowhere if None.

    Returns:
        0: all is well; 1: something failed; 2: the run was interrupted; 4: it could not begin; 5: no test is meant.
    """
    report, console = Report(settings), Console()
    options = [
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-c",
        str(_SUITE / "pytest.ini"),
        "--rootdir",
        str(_SUITE),
    ]
    if directory is not None:
        try:
            _make_room(directory)
        except OSError as error:
            print(f"the report can not be written into {directory}: {error}", file=sys.stderr)
            return 4
        options.append(f"--junitxml={directory / 'junit.xml'}")
    follower = _Follower(report, console, only)
    with _interruptible():
        code = int(pytest.main([*options, str(_SUITE)], plugins=[follower, plugin]))
    if code not in (0, 1, 2) or not report.results:
        return code
    if directory is not None:
        _write(report, directory)
    console.print(table(report))
    if directory is not None:
        console.print(f"The report is in {directory}", highlight=False, soft_wrap=True)
    if not report.complete:
        return 2
    return 0 if report.passed else 1


def _make_room(directory: Path) -> None:
    """No report of an earlier run is to be taken for this one's."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("report.json", "report.html", "junit.xml"):
        (directory / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Within it SIGTERM, and SIGHUP unless it is ignored (nohup), do what Ctrl-C does; once, as then all is tidied."""
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]

    def interrupt(*_: object) -> None:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in heeded]
    try:
        yield
    finally:
        for number, handler in zip(heeded, before, strict=True):
            signal.signal(number, handler)


def _write(report: Report, directory: Path) -> None:
    text = json.dumps(report.to_dict(), indent=1)
    (directory / "report.json").write_text(text + "\n", encoding="utf-8")
    (directory / "report.html").write_text(page(report), encoding="utf-8")


def table(report: Report) -> Table:
    """A summary: how many tests had which outcome, by part and by statement."""
    verdict = "passed" if report.passed else "failed" if report.complete else "interrupted"
    made = Table(title=f"{report.settings.executor}: {verdict}", title_justify="left")
    outcomes = [outcome for outcome in _STYLES if report.counts()[outcome]]
    made.add_column("")
    for outcome in outcomes:
        made.add_column(outcome, justify="right", style=_STYLES[outcome])
    rows = {kind: report.counts(kind) for kind in ("suite", "quick-start", "ensemble")}
    bad = {number: found for number, found in report.requirements().items() if set(found) - {"passed", "skipped"}}
    for name, counts in {**rows, **bad}.items():
        if counts:
            made.add_row(name, *(str(counts[outcome] or "") for outcome in outcomes))
    return made


class _Follower:
    """Tells how a run goes, a line for each test that is done."""

    def __init__(self, report: Report, console: Console, only: Sequence[str]) -> None:
        self._report = report
        self._console = console
        self._only = only
        self._total = 0
        self._begun = time.monotonic()
        report.listener = self._tell

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[plugin.SETTINGS] = self._report.settings
        config.stash[plugin.REPORT] = self._report

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._only:
            items[:] = [item for item in items if self._is_meant(item)]

    def _is_meant(self, item: pytest.Item) -> bool:
        numbers = {number for mark in item.iter_markers("proves") for number in mark.args}
        return any(word in item.name or word.upper() in numbers for word in self._only)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)
        self._console.print(f"{self._total} tests on {self._report.settings.executor}", highlight=False, soft_wrap=True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._console.print(escape(report.longreprtext), style="red", highlight=False, soft_wrap=True)

    def _tell(self, result: Result) -> None:
        done = len(self._report.results)
        words = f"{result.outcome:10} {result.name.removeprefix('test_').replace('_', ' ')}"
        facts = f"({', '.join(result.requirements)})" if result.requirements else ""
        seconds = time.monotonic() - self._begun
        self._console.print(
            f"{done:3}/{self._total} {seconds:6.1f} s  [{_STYLES[result.outcome]}]{escape(words)}[/] {escape(facts)}",
            highlight=False,
            soft_wrap=True,
        )
        if result.outcome != "passed" and result.message:
            last = result.message.strip().splitlines()
            self._console.print(f"      {escape(_gist(last))}", highlight=False, soft_wrap=True, style="dim")


def _gist(lines: Sequence[str]) -> str:
    """The line of a failure that says most."""
    return next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1])
