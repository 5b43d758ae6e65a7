"""News of the ends of processes that are none of our children."""

from __future__ import annotations

import os
import queue
import resource
import subprocess
from collections.abc import Iterator

import pytest

from psij_like._engine.process_watcher import ProcessWatcher


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes = [subprocess.Popen(["sleep", "600"]) for _ in range(40)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("spare", [12, 200])
def test_all_ends_are_told_with_few_descriptors(sleepers: list[subprocess.Popen[bytes]], spare: int) -> None:
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    watcher, used = ProcessWatcher(ended.put), len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, hard))
    try:
        for number, process in enumerate(sleepers):
            watcher.watch(str(number), process.pid)
        # The lowest ones that are free: none beyond half of those that there may be.
        assert max(watcher._by_descriptor, default=0) < (used + spare) // 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert ended.empty()
    for process in sleepers:
        process.kill()  # nobody waits for it: a zombie has ended, too
    told = {ended.get(timeout=30) for _ in sleepers}
    assert told == {str(number) for number in range(len(sleepers))}


def test_a_process_that_has_ended_already() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    ProcessWatcher(ended.put).watch("over", process.pid)
    assert ended.get(timeout=30) == "over"
