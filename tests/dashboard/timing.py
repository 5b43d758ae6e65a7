"""How long a server takes for each kind of page."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from dashboard.servers import Server


@dataclass(frozen=True)
class Timed:
    """A page, and how long it took."""

    what: str
    address: str
    median: float
    longest: float
    """In seconds."""
    size: int
    """In bytes."""


def addresses(server: Server) -> dict[str, str]:
    """A page of each kind, with filters that let much and little through."""
    last = server.json("/runs")["items"][0]
    failed = server.json("/runs?outcome=failed")["items"][0]
    middle = server.json("/sites?page=3")["items"][-1]["site"]
    version = "version=psij-like+0.1.0"
    return {
        "sites": "/",
        "sites, third page": "/?page=3",
        "sites of an institution": f"/?institution={middle['institution']}",
        "sites of an executor": "/?executor=slurm",
        "sites of a version": f"/?{version}",
        "sites, failed": "/?outcome=failed",
        "runs": "/runs",
        "runs, hundredth page": "/runs?page=100",
        "runs of an executor": "/runs?executor=slurm",
        "runs of an institution": f"/runs?institution={middle['institution']}",
        "runs of a version": f"/runs?{version}",
        "runs of an executor and a version": f"/runs?executor=slurm&{version}",
        "runs, failed, of an executor": "/runs?outcome=failed&executor=slurm",
        "runs, unfinished": "/runs?outcome=unfinished",
        "runs until a day": "/runs?until=2023-12-01",
        "runs, none": "/runs?executor=nothing",
        "site": f"/sites/{middle['id']}",
        "site, failed": f"/sites/{middle['id']}?outcome=failed",
        "run": f"/runs/{last['run_id']}",
        "run, failed": f"/runs/{failed['run_id']}",
        "requirements": "/requirements",
        "requirements of an executor": "/requirements?executor=slurm",
        "requirements of a version": f"/requirements?{version}",
        "flaky tests": "/flaky",
        "flaky tests of an institution": f"/flaky?institution={middle['institution']}",
        "flaky tests of a version": f"/flaky?{version}",
        "flaky tests, none": "/flaky?executor=nothing",
        "badge": f"/sites/{middle['id']}/badge.svg?executor=slurm",
        "feed": "/feed.atom",
        "API: sites": "/api/v1/sites",
        "API: runs": "/api/v1/runs",
        "API: run": f"/api/v1/runs/{last['run_id']}",
        "API: requirements": "/api/v1/requirements",
        "API: flaky tests": "/api/v1/flaky",
    }


def medians(server: Server, rounds: int) -> list[Timed]:
    """Ask for each page, so many times, in turns."""
    asked = addresses(server)
    times: dict[str, list[float]] = {what: [] for what in asked}
    sizes = {}
    for _ in range(rounds):
        for what, address in asked.items():
            start = time.perf_counter()
            text = server.page(address)
            times[what].append(time.perf_counter() - start)
            sizes[what] = len(text)
    return [
        Timed(what, asked[what], statistics.median(taken), max(taken), sizes[what]) for what, taken in times.items()
    ]


def table(timed: list[Timed]) -> str:
    """As text."""
    lines = [f"{'page':36}{'median':>10}{'longest':>10}{'size':>10}"]
    lines += [
        f"{one.what:36}{one.median * 1e3:7.1f} ms{one.longest * 1e3:7.1f} ms{one.size / 1e3:7.0f} kB" for one in timed
    ]
    return "\n".join(lines)
