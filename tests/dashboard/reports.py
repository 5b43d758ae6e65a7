"""Reports of conformance runs, made up: whole networks of sites, the same each time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

DAY = 86400.0
START = 1_700_000_000.0
EXECUTORS = ("slurm", "pbs", "lsf", "flux", "grid_engine", "cobalt")
REQUIREMENTS = (
    *(f"S{number}" for number in range(1, 9)),
    *(f"E{number}" for number in range(1, 9)),
    *(f"J{number}" for number in range(1, 10)),
    *("W1", "W2", "B1", "B2", "C1", "C2", "C3", "C4", "H1", "Q1", "R1", "R2", "R3", "R4", "D1", "D2", "N1", "N2"),
)


@dataclass(frozen=True)
class Place:
    """A site and what its reports say of it."""

    name: str
    institution: str
    host: str
    executor: str
    seed: int
    moods: dict[str, float] = field(default_factory=dict, compare=False)
    """How often tests fail here that do not mostly pass, by name."""


def result(name: str = "a job ends", outcome: str = "passed", **others: Any) -> dict[str, Any]:
    """The result of one test."""
    return {"kind": "suite", "name": name, "outcome": outcome, "seconds": 1.25, "requirements": ["S1"], **others}


def report(number: int = 0, *results: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A small report, the `number`th."""
    return {
        "schema_version": 1,
        "run_id": hashlib.sha256(str(number).encode()).hexdigest()[:32],
        "started": START + number * DAY,
        "ended": START + number * DAY + 90,
        "complete": True,
        "library": {"name": "psij-like", "version": "0.1.0", "python": "3.11.2"},
        "executor": {"name": "slurm"},
        "results": list(results or [result()]),
        **others,
    }


def places(count: int) -> list[Place]:
    """Sites, about five to an institution, each with one executor."""
    chance = random.Random(count)
    found = []
    for number in range(count):
        name = f"site-{number:03}"
        moods = {f"suite test {chance.randrange(2, 58)}": chance.choice((0.05, 0.3, 1.0)) for _ in range(3)}
        institution = f"Institute {number // 5:03}"
        found.append(Place(name, institution, f"login.{name}", EXECUTORS[number % len(EXECUTORS)], number, moods))
    return found


def history(place: Place, days: int, tests: int = 60) -> Iterator[dict[str, Any]]:
    """A report a day, the oldest first; a new version every 40 days."""
    chance = random.Random(place.seed)
    names = [("quick-start", "quick start"), ("ensemble", "30 jobs with a fan-in")]
    names += [("suite", f"suite test {number}") for number in range(2, tests)]
    for day in range(days):
        results = []
        for number, (kind, name) in enumerate(names):
            fails = chance.random() < place.moods.get(name, 0.0005)
            skipped = number % 19 == 5
            one: dict[str, Any] = {
                "kind": kind,
                "name": name,
                "outcome": "skipped" if skipped else "failed" if fails else "passed",
                "seconds": round(chance.uniform(0.2, 40), 3),
                "requirements": sorted(
                    {REQUIREMENTS[number % len(REQUIREMENTS)], REQUIREMENTS[number * 7 % len(REQUIREMENTS)]}
                ),
            }
            if fails and not skipped:
                one["message"] = f"AssertionError: {name} expected COMPLETED, got FAILED ({chance.randrange(256)})"
                one["log"] = "\n".join(f"{line:4} {name}: {chance.random():.6f}" for line in range(40))
            results.append(one)
        yield {
            "schema_version": 1,
            "run_id": hashlib.sha256(f"{place.name} {day}".encode()).hexdigest()[:32],
            "started": START + day * DAY + place.seed,
            "ended": START + day * DAY + place.seed + 900,
            "complete": day % 50 != 49,
            "library": {"name": "psij-like", "version": f"0.{day // 40 + 1}.0", "python": "3.11.2"},
            "executor": {"name": place.executor, "version": "0.1.0", "queue": "debug", "backend_version": "23.11"},
            "site": {"name": place.name, "institution": place.institution, "host": place.host},
            "results": results,
        }
