"""PyCOMPSs: scripts as enqueue_compss renders them with the files of examples/, submitted, asked about, and ended."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from executors.support import until
from integrations.named_psij import as_psij
from integrations.system import EXAMPLES, PROGRAMS, System

SYSTEMS = EXAMPLES / "pycompss" / "queue_systems"
MACHINE = EXAMPLES / "pycompss" / "supercomputers" / "psijlocal.cfg"


@pytest.fixture(scope="module")
def environment() -> Path:
    """This one: the scripts need nothing but the library's command."""
    return Path(sys.prefix)


def enqueue(system: System, name: str, *runs: str, nodes: int = 1, waits_for: str = "None") -> str:
    """Submit a job; its id, which is all that the last line says."""
    script = PROGRAMS / "compss_enqueue.sh"
    words: tuple[str | Path, ...] = (MACHINE, SYSTEMS, name, str(nodes), "5", ".", waits_for, *runs)
    last = system.run(*as_psij("bash", script, *words)).splitlines()[-1]
    assert re.fullmatch("[0-9]+", last), last
    return last


def asked(system: System, variable: str, native_id: str) -> str:
    """What a command of the configuration for interactive use says."""
    script = 'source "$1"; eval "${!2//%JOBID%/$3}"'
    return system.run(*as_psij("bash", "-c", script, "bash", SYSTEMS / "psij.cfg", variable, native_id)).strip()


def test_a_job_runs_where_it_was_submitted(system: System) -> None:
    here = system.at("runs")
    native_id = enqueue(here, "demo", "echo in $PWD; echo wrong >&2; exit 3")
    output = here.here / f"compss-{native_id}.out"
    until(lambda: output.exists() and "in " in output.read_text(), 60)
    assert output.read_text().splitlines()[0].startswith(f"job {native_id} on")
    until(lambda: (here.here / f"compss-{native_id}.err").read_text() == "wrong\n", 30)
    until(lambda: asked(here, "QUEUE_JOB_STATUS_CMD", native_id) == "FAILED", 60)


def test_a_job_is_asked_about_and_cancelled(system: System) -> None:
    here = system.at("asked")
    nodes = 1 if system.cluster is None else 2
    native_id = enqueue(here, "demo", "until [ -e never ]; do sleep 0.1; done", nodes=nodes)
    until(lambda: asked(here, "QUEUE_JOB_STATUS_CMD", native_id) == "ACTIVE", 60)
    output = here.here / f"compss-{native_id}.out"
    until(lambda: output.exists() and output.read_text(), 30)
    assert native_id in asked(here, "QUEUE_JOB_LIST_CMD", native_id).split()
    assert asked(here, "QUEUE_JOB_NAME_CMD", native_id) == "demo"
    if system.cluster is not None:
        names = output.read_text().split(" on ")[1].split()
        assert len(set(names)) == 2
        assert asked(here, "QUEUE_JOB_NODES_CMD", native_id) == ", ".join(names)
        waits = enqueue(here, "waits", "true", waits_for=native_id)
        assert asked(here, "QUEUE_JOB_STATUS_CMD", waits) == "QUEUED"
        assert asked(here, "QUEUE_JOB_CANCEL_CMD", waits) == ""
    assert asked(here, "QUEUE_JOB_CANCEL_CMD", native_id) == ""
    until(lambda: asked(here, "QUEUE_JOB_STATUS_CMD", native_id) == "CANCELED", 60)
