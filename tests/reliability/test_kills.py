"""Clients that are killed at any moment of `submit`: every job runs exactly once, and is followed to its right end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from executors.sites import SITES, Site
from executors.support import start_client, until
from psij_like import JobExecutorConfig
from psij_like.testing import SimulatedCluster
from reliability.clients import Clients
from reliability.scale import chance, count, tried

KILLS = count(200, 5)
ALONE: tuple[str, ...] = ("local", "slurm-accounting", "slurm-simulated", "pbs-simulated", "lsf-simulated")
TOGETHER: tuple[str, ...] = ("local", "slurm-simulated")
if KILLS > 5:
    ALONE += ("pbs_classic-simulated", "cobalt-simulated", "flux-simulated")
    TOGETHER = ALONE
SIMULATED = pytest.mark.simulated
CHOSEN = [
    pytest.param(site, size, id=f"{site.id}-{size}", marks=SIMULATED if site.place == "simulated" else site.marks)
    for size, ids in ((1, ALONE), (3, TOGETHER))
    for site in SITES
    if site.id in ids
]
SLOW = 0.2  # seconds
JOB = ("/bin/sh", "-c", 'echo ran >>"$1"; exit "$2"', "sh")

# What a fresh process finds.
RECOVER = """
import json
jobs = executor.recover()
print(len(jobs), flush=True)
for job in jobs:
    status = job.wait(timedelta(seconds=90)) or job.status
    print(json.dumps([int(job.spec.name), job.native_id, str(status.state), status.exit_code]), flush=True)
print("null", flush=True)
"""


@dataclass
class World:
    """What was done, and what came of it.

    Attributes:
        place: where each job writes a line in a file of its own.
        together: how many jobs a client submits at once.
        returned: the numbers of the jobs whose `submit` had returned.
        numbers: those of all jobs.
    """

    place: Path
    together: int
    numbers: list[int] = field(default_factory=list)
    returned: set[int] = field(default_factory=set)

    def command(self, number: int) -> tuple[str, ...]:
        return (*JOB, str(self.place / str(number)), str(number % 4))

    def runs(self, number: int) -> int:
        """How often a job has run."""
        path = self.place / str(number)
        return path.read_text().count("ran\n") if path.exists() else 0

    def start(self, clients: Clients) -> tuple[int, list[int]]:
        """Have one more client submit some more jobs: its process id, and their numbers."""
        numbers = list(range(len(self.numbers), len(self.numbers) + self.together))
        self.numbers += numbers
        return clients.start({number: self.command(number) for number in numbers}), numbers

    def kill(self, clients: Clients, when: Callable[[], object]) -> None:
        """Have one more client submit some more jobs, and kill it."""
        client, numbers = self.start(clients)
        when()
        os.kill(client, signal.SIGKILL)
        if clients.finished() is not None:
            self.returned.update(numbers)

    def check(self, found: dict[int, tuple[str, int]]) -> None:
        """Every job that may have been handed over has run once and has its right end."""
        for number in self.numbers:
            if number not in found:  # it was not handed over, or its client lived to see its end
                seen = self.runs(number) == (number in self.returned)
                # That may be before the others are handed over.
                assert seen or (self.together > 1 and self.runs(number) == 1), number
                continue
            assert self.runs(number) == 1, number
            code = number % 4
            assert found[number] == ("FAILED" if code else "COMPLETED", code), number


@pytest.fixture
def cluster(site: Site, request: pytest.FixtureRequest) -> SimulatedCluster | None:
    if site.place != "simulated":
        return None
    found: SimulatedCluster = request.getfixturevalue("simulations")(site)
    return found


@pytest.fixture
def clients(site: Site, config: JobExecutorConfig) -> Iterator[Clients]:
    with closing(Clients(site.executor, config)) as clients:
        yield clients


@pytest.mark.parametrize(("site", "together"), CHOSEN, indirect=["site"])
def test_clients_that_are_killed_while_they_submit(
    site: Site,
    together: int,
    config: JobExecutorConfig,
    clients: Clients,
    cluster: SimulatedCluster | None,
    work_directory: Path,
) -> None:
    at_random = chance(f"{site.id} {together}")
    world = World(work_directory / "witness", together)
    world.place.mkdir()
    span = max(once(world, clients) for _ in range(3))
    if cluster is not None:
        cluster.fault(site.submit, kind="slow", rate=0.3, seconds=SLOW)
        cluster.fault(site.submit, kind="hang", rate=0.3, seconds=SLOW, performed=True)
        span += SLOW / 2
    for _ in range(KILLS):
        world.kill(clients, lambda: time.sleep(at_random.uniform(0, span * 1.1)))
        what = "submit" if together == 1 else "submit_bulk"
        tried[f"clients killed at a random moment of {what}, {site.id}"] += 1
    if cluster is not None:
        cluster.clear_faults()
        leave_orphans(world, site, clients, cluster, at_random)
    found = recovered(site, config, cluster)
    until(lambda: is_quiet(site, cluster, config.work_directory), 120, "before all was quiet")
    assert together > 1 or len(found) >= len(world.numbers) // 4  # else clients may live to see the ends of some
    world.check(found)


def once(world: World, clients: Clients) -> float:
    """How long `submit` takes, of a client that is killed afterwards."""
    taken: list[float] = []
    client, numbers = world.start(clients)
    until(lambda: all(map(world.runs, numbers)), 60)
    os.kill(client, signal.SIGKILL)
    seconds = clients.finished()
    taken.append(0.2 if seconds is None else seconds)
    if seconds is not None:
        world.returned.update(numbers)
    return taken[0]


def leave_orphans(
    world: World, site: Site, clients: Clients, cluster: SimulatedCluster, at_random: random.Random
) -> None:
    """Kill clients whose submit commands then hang, until long after the jobs are recovered."""

    def calls() -> int:
        return sum(words[0] == site.submit for _, words in cluster.calls)

    for _ in range(max(2, KILLS // 20)):
        before = calls()
        cluster.fault(site.submit, kind="hang", times=1, performed=at_random.random() < 0.5)
        world.kill(clients, lambda: until(lambda: calls() > before))  # noqa: B023 - called at once
        tried[f"clients killed whose submit command lives on, {site.id}"] += 1


def recovered(site: Site, config: JobExecutorConfig, cluster: SimulatedCluster | None) -> dict[int, tuple[str, int]]:
    """What a fresh process makes of it all, while orphaned commands still hang: states and exit codes."""
    found: dict[int, tuple[str, int]] = {}
    with start_client(site, config, "from datetime import timedelta\n" + RECOVER, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if cluster is not None:
            cluster.clear_faults()  # now they go on
        ended: list[Any] | None
        while (ended := json.loads(process.stdout.readline() or '"it died"')) is not None:
            number, _, state, code = ended
            assert number not in found
            found[number] = state, code
    return found


def is_quiet(site: Site, cluster: SimulatedCluster | None, work_directory: Path) -> bool:
    """Whether no job and no submit command is left."""
    if cluster is None:
        listed = subprocess.run(site.own_jobs, capture_output=True, text=True, check=True)
        return str(work_directory) not in listed.stdout
    commands = f"{cluster.directory}/bin/"
    for process in psutil.process_iter(["cmdline", "pid"]):
        words = process.info["cmdline"] or []
        if any(word.startswith(commands) for word in words):
            return False
        if "psij_like.testing.server" in words and str(cluster.directory) in words and process.children():
            return False
    return True
