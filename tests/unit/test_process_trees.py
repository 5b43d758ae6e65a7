"""Which processes belong to which job."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from psij_like._engine.processes import Leader, process_tree, process_trees, start_time

ONE, TWO = (f"{name}-{os.urandom(8).hex()}" for name in ("one", "two"))
_JOBS = {ONE: Leader(-1), TWO: Leader(-1)}

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a shell script in a session of its own; all that comes of it is killed in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(script: str, job: str = "") -> subprocess.Popen[bytes]:
        environment = {"PATH": os.environ["PATH"], **({"PSIJ_JOB_ID": job} if job else {})}
        started.append(subprocess.Popen(["/bin/sh", "-c", script], env=environment, start_new_session=True))
        return started[-1]

    yield run
    for number, process in enumerate(started):
        for member in process_trees({f"of test {number}": Leader(process.pid), **_JOBS}).values():
            for one in member:
                one.kill()
        process.wait()


def sizes(jobs: dict[str, Leader], expected: dict[str, int]) -> dict[str, list[psutil.Process]]:
    deadline = time.monotonic() + 20
    while {job: len(tree) for job, tree in process_trees(jobs).items()} != expected:
        assert time.monotonic() < deadline, process_trees(jobs)
        time.sleep(0.02)
    return process_trees(jobs)


def test_each_job_has_its_own(start: Start) -> None:
    """Descendants in sessions of their own, and orphans that carry the job's id."""
    one = start("setsid sleep 600 & sleep 600", ONE)
    two = start("(setsid sh -c 'sleep 600; :' &) ; sleep 600; :", TWO)
    trees = sizes({ONE: Leader(one.pid), TWO: Leader(two.pid), "three": Leader(-1)}, {ONE: 3, TWO: 4, "three": 0})
    assert trees[ONE][0].pid == one.pid
    assert trees[TWO][0].pid == two.pid
    assert not set(trees[ONE]) & set(trees[TWO])
    assert process_tree(one.pid, ONE) == trees[ONE]


def test_a_process_that_is_no_job(start: Start) -> None:
    """Attached as what it is, it has no job's id, which is not that of processes without one."""
    process = start("setsid sleep 600 & sleep 600; :")
    sizes({"": Leader(process.pid)}, {"": 3})


def test_descendants_of_orphans_that_hide_the_mark(start: Start) -> None:
    start("(setsid sh -c 'env -i sleep 600; :' &)", ONE).wait()
    sizes({ONE: Leader(-1)}, {ONE: 2})


def test_an_id_that_another_process_has_now(start: Start) -> None:
    """The session of a job whose leader has gone is its own still; that of another process is not."""
    process = start("sleep 600; :")
    then = start_time(process.pid)
    sizes({ONE: Leader(process.pid, then)}, {ONE: 2})
    sizes({ONE: Leader(process.pid, "1@another boot")}, {ONE: 0})


def test_the_session_of_a_leader_that_has_gone(start: Start) -> None:
    process = start("sleep 600 &")
    then = start_time(process.pid)
    process.wait()
    sizes({ONE: Leader(process.pid, then)}, {ONE: 1})


def test_this_process_is_never_among_them() -> None:
    assert process_tree(os.getpid(), ONE) == []


def test_one_look_for_all_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    listdir = os.listdir

    def counted(path: str) -> list[str]:
        looks.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", counted)
    process_trees({str(number): Leader(-1) for number in range(100)})
    assert looks == ["/proc"]
