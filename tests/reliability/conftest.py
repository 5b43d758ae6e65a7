"""Says how to make a failure happen again, and how much was tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executors.conftest import (
    config,
    installed,
    make_config,
    simulated,
    simulations,
    site,
    slurm_of_release,
    slurm_with_accounting,
    slurm_without_accounting,
    this_machine,
)
from reliability.scale import HOW, count, tried

__all__ = [
    "config",
    "installed",
    "make_config",
    "simulated",
    "simulations",
    "site",
    "slurm_of_release",
    "slurm_with_accounting",
    "slurm_without_accounting",
    "this_machine",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "reliability":
            item.add_marker(pytest.mark.timeout(count(3600, 300) if count(2, 1) == 1 else 3600))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and item.path.parent.name == "reliability":
        report.sections.append(("to see it again", HOW))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if tried:
        terminalreporter.section(f"tried, with {HOW}")
        for what, times in sorted(tried.items()):
            terminalreporter.line(f"{times:8} {what}")
