"""executorlib: each of its workers is a job of ours."""

from __future__ import annotations

from integrations.system import EXAMPLES, System, rarely_on_slurm


@rarely_on_slurm
def test_squares(system: System) -> None:
    place = system.at("squares")
    assert place.run("python", EXAMPLES / "executorlib" / "squares.py") == "[0, 1, 4, 9]\n"
    place.has_ended()
    if system.cluster is not None:
        assert len(place.slurm_jobs("executorlib-worker")) == 4
