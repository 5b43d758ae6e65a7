"""Dask: the workers of a cluster are our jobs."""

from __future__ import annotations

from executors.support import until
from integrations.system import EXAMPLES, System, rarely_on_slurm


@rarely_on_slurm
def test_squares(system: System) -> None:
    place = system.at("squares")
    assert place.run("python", EXAMPLES / "dask" / "squares.py") == "[0, 1, 4, 9]\n"
    place.has_ended()
    if system.cluster is not None:
        until(lambda: place.slurm_jobs("dask-worker") == ["CANCELLED"] * 2)
