"""Swift/T: what its turbine2psij.py does, with stand-ins for `turbine-pilot` and `mpirun`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from executors.support import until
from integrations.named_psij import as_psij
from integrations.system import PROGRAMS, System

STANDINS = {
    "turbine-pilot": 'echo "rank of $1"; exit ${PILOT_CODE:-0}\n',
    "mpirun": 'while [ "$1" != -- ] && [ ! -x "$1" ]; do [ "$1" = -n ] && n=$2; shift; done\n'
    'code=0; for i in $(seq "${n:-2}"); do "$@" || code=$?; done; exit $code\n',
}


@pytest.fixture(scope="module")
def environment() -> Path:
    """This one: the script needs nothing but the library."""
    return Path(sys.prefix)


def turbine(system: System, *arguments: str, code: int = 0, **variables: str) -> str:
    """Run the script in a system's directory; what it printed."""
    programs = system.here / "bin"
    programs.mkdir()
    for name, text in STANDINS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    told = {
        "TURBINE_HOME": str(system.here),
        "TURBINE_OUTPUT": str(system.here),
        "PATH": f"{programs}:{system.surroundings['PATH']}",
        "PROGRAM": "hello.tic",
        "PROCS": "2",
        "PPN": "2",
        **variables,
    }
    return system.run(*as_psij("python", PROGRAMS / "swift_t.py", *arguments, **told), code=code)


def test_the_script_submits_and_goes(system: System) -> None:
    here = system.at("goes")
    printed = turbine(here).splitlines()
    assert printed[-1].startswith("submitted: ")
    until(lambda: (here.here / "output.txt").exists() and (here.here / "output.txt").read_text().count("\n") == 2, 30)
    assert (here.here / "output.txt").read_text() == "rank of hello.tic\n" * 2


def test_the_script_waits_and_tells_the_exit_code(system: System) -> None:
    assert turbine(system.at("waits"), "wait").endswith("\nended: COMPLETED 0\n")
    assert turbine(system.at("fails"), "wait", code=3, PILOT_CODE="3").endswith("\nended: FAILED 3\n")
