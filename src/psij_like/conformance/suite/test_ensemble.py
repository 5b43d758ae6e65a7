"""A simple ensemble: many jobs, and one that takes what they made."""

from __future__ import annotations

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.job import Job

_MEMBERS = 30


@proves("E6")
def test_ensemble(bench: Bench) -> None:
    members = [
        Job(bench.shell('echo "$((N * N))" >"part.$N"', environment={"N": str(number)})) for number in range(_MEMBERS)
    ]
    bench.submit_bulk(members)
    bench.completed(*members)
    for number in range(_MEMBERS):
        bench.text(f"part.{number}")
    total = bench.submit(bench.shell("sum=0; for part in part.*; do sum=$((sum + $(cat $part))); done; echo $sum >sum"))
    bench.completed(total)
    assert bench.text("sum") == f"{sum(number * number for number in range(_MEMBERS))}\n"
