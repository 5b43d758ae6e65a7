"""Nextflow: what an executor class of its would ask of the command line, and read from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from executors.support import until
from integrations.named_psij import as_psij
from integrations.system import EXAMPLES, System

SCRIPT = EXAMPLES / "nextflow" / "command.run"


@pytest.fixture(scope="module")
def environment() -> Path:
    """This one: nothing but the library's command is needed."""
    return Path(sys.prefix)


def submit(system: System, work: str) -> str:
    """Submit a task in a new directory below; its id, which is all that is printed."""
    command = as_psij("psij-like", "submit", "--spec", SCRIPT, HOME=str(system.here))
    printed = system.at(work).run(*command)
    native_id, end = printed.split("\n")
    assert (native_id.isdigit(), end) == (True, "")
    return native_id


def states(system: System) -> dict[str, str]:
    """The states of the user's jobs, by their ids."""
    lines = system.run(*as_psij("psij-like", "list")).splitlines()
    return dict(line.split(" ") for line in lines)


def test_a_task_that_ends_and_one_that_is_killed(system: System) -> None:
    first, second = submit(system, "ends"), submit(system, "killed")
    ends = system.here / "ends"
    until(lambda: {first: "ACTIVE", second: "ACTIVE"}.items() <= states(system).items(), 60)
    until(lambda: (ends / "command.log").read_text() == f"aligned in {ends}\n", 30)
    assert system.run(*as_psij("psij-like", "cancel", second)) == ""
    (ends / "go").touch()
    until(lambda: not {"ACTIVE", "QUEUED"} & {states(system).get(each, "") for each in (first, second)}, 60)
    told = system.run(*as_psij("psij-like", "status", first, second))
    assert [line.split()[:2] for line in told.splitlines()] == [[first, "FAILED"], [second, "CANCELED"]]
