"""The vectors of spec/ run on this implementation."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from psij_like import InvalidJobException, Job, JobAttributes, JobSpec, JobState, JobStatus, ResourceSpecV1
from psij_like._engine.dispatch import dispatcher
from psij_like._engine.follow import Followed
from psij_like._engine.quote import expand_references, shell_assignment, shell_word
from psij_like.serialize import JSONSerializer
from psij_like.staging import StageIn, StageOut
from spec.conftest import VECTORS, cases, complaints

Case = dict[str, Any]


def result(case: Case, run: Callable[[Any], object]) -> None:
    if case.get("refused"):
        with pytest.raises(InvalidJobException):
            run(case["input"])
    else:
        assert run(case["input"]) == case["output"]


def test_all_vectors_are_run() -> None:
    assert VECTORS.keys() == {
        "resources", "walltime", "state_order", "state_changes", "environment", "quoting", "job_spec"
    }  # fmt: skip


@cases("resources")
def test_R1_resources(case: Case) -> None:
    def computed(counts: dict[str, int]) -> dict[str, int]:
        spec = ResourceSpecV1(**counts)  # type: ignore[arg-type]
        return {name: getattr(spec, f"computed_{name}") for name in case["output"]}

    result(case, computed)


@cases("walltime")
def test_R4_walltime(case: Case) -> None:
    result(case, lambda text: JobAttributes.parse_walltime(text) / timedelta(seconds=1))


@cases("state_order")
def test_S1_order(case: Case) -> None:
    result(case, lambda names: JobState[names[0]].is_greater_than(JobState[names[1]]))


@cases("state_changes")
def test_S2_changes(case: Case) -> None:
    def reported(given: dict[str, list[str]]) -> list[str]:
        staging: dict[str, dict[str, Any]] = {
            "STAGE_IN": {"stage_in": [StageIn("a", "b")]},
            "STAGE_OUT": {"stage_out": [StageOut("a", "b")]},
            "CLEANUP": {"cleanup": ["a"]},
        }
        fields: dict[str, Any] = {}
        for state in given["staging"]:
            fields.update(staging[state])
        heard: list[str] = []
        job = Job(JobSpec("x", **fields))
        followed = Followed(job, lambda: lambda _, status: heard.append(str(status.state)), lambda *_: None)
        for time, state in enumerate(given["seen"]):
            followed.publish(JobStatus(JobState[state], float(time), metadata={"reason": "exit"}), None)
        dispatcher().drain()
        return heard

    result(case, reported)


@cases("environment")
def test_J2_environment(case: Case) -> None:
    def expanded(given: dict[str, Any]) -> dict[str, str]:
        variables, values = dict(given["job"]), {}
        for name, value in given["set"]:
            values[name] = variables[name] = expand_references(value, variables)
        return values

    result(case, expanded)


@cases("environment")
def test_J2_environment_in_a_shell(case: Case) -> None:
    def expanded(given: dict[str, Any]) -> dict[str, str]:
        script = "\n".join(shell_assignment(name, value) for name, value in given["set"])
        names = [name for name, _ in given["set"]]
        words = " ".join(f'"${name}"' for name in names)
        done = subprocess.run(
            ["/bin/sh", "-c", f"{script}\nprintf '%s\\0' {words}"], env=given["job"], capture_output=True, check=True
        )
        return dict(zip(names, done.stdout.decode().split("\0"), strict=False))

    result(case, expanded)


@cases("quoting")
def test_J9_quoting(case: Case) -> None:
    words = " ".join(map(shell_word, case["input"]))
    done = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == case["input"]


@cases("job_spec")
def test_V1_V2_V3_job_specifications(case: Case) -> None:
    serializer = JSONSerializer()
    result(case, lambda data: json.loads(serializer.dumps(serializer.loads(json.dumps(data)))))
    if not case.get("refused"):
        assert complaints("job-spec", case["input"]) == []
        assert complaints("job-spec", case["output"]) == []
