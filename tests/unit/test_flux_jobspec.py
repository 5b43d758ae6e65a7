"""What Flux reads: a jobspec of checked values, and the stub."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psij_like._engine.plan import Plan
from psij_like._engine.quote import octal_word
from psij_like.exceptions import InvalidJobException
from psij_like.executors._flux.backend import Flux
from psij_like.executors.flux import FluxExecutorConfig, FluxJobExecutor
from psij_like.job import Job
from psij_like.job_attributes import JobAttributes
from psij_like.job_spec import JobSpec
from psij_like.launcher import Launcher
from psij_like.resource_spec import ResourceSpecV1

Read = Callable[..., Any]


@pytest.fixture
def executor(tmp_path: Path) -> FluxJobExecutor:
    return FluxJobExecutor(config=FluxExecutorConfig(work_directory=tmp_path / "{{id}} é"))


@pytest.fixture
def flux(executor: FluxJobExecutor) -> Flux:
    backend = executor._backend
    assert isinstance(backend, Flux)
    return backend


@pytest.fixture
def plan(executor: FluxJobExecutor) -> Callable[..., Plan]:
    def make(**fields: Any) -> Plan:
        return executor.plan(Job(JobSpec(**{"executable": "/bin/date", **fields})))

    return make


@pytest.fixture
def read(flux: Flux, plan: Callable[..., Plan]) -> Read:
    """The jobspec of a job with these fields."""

    def jobspec(custom: dict[str, object] | None = None, **fields: Any) -> Any:
        attributes = JobAttributes(**fields.pop("attributes", {}), custom_attributes=custom)
        (text,) = flux.extra_files(plan(attributes=attributes, **fields)).values()
        return json.loads(text)

    return jobspec


def test_a_plain_job(read: Read, tmp_path: Path) -> None:
    made = read()
    assert made["version"] == 1
    assert made["resources"] == [
        {
            "type": "node",
            "count": 1,
            "with": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        }
    ]
    (task,) = made["tasks"]
    assert (task["slot"], task["count"]) == ("task", {"per_slot": 1})
    assert "{" not in str(task["command"])
    assert str(task["command"]).isascii()
    system = made["attributes"]["system"]
    null = {"type": "file", "path": "/dev/null"}
    assert system == {
        "duration": 600,
        "cwd": "/",
        "environment": {"PATH": "/usr/local/bin:/usr/bin:/bin"},
        "job": {"name": "/bin/date"},
        "shell": {
            "options": {"exit-timeout": "none", "mpi": "none", "pmi": "off", "output": {"stdout": null, "stderr": null}}
        },
    }


def test_resources(read: Read) -> None:
    wanted = ResourceSpecV1(
        node_count=2, processes_per_node=3, cpu_cores_per_process=4, gpu_cores_per_process=1, exclusive_node_use=True
    )
    made = read(resources=wanted)
    (node,) = made["resources"]
    assert (node["type"], node["count"], node["exclusive"]) == ("node", 2, True)
    (slot,) = node["with"]
    assert (slot["count"], slot["with"]) == (1, [{"type": "core", "count": 12}, {"type": "gpu", "count": 3}])
    assert "pmi" not in made["attributes"]["system"]["shell"]["options"]  # by which the instance's brokers meet


def test_attributes(read: Read) -> None:
    attributes = {
        "duration": timedelta(hours=1, microseconds=1),
        "queue_name": "debug",
        "account": "science",
        "dependencies": {"afterok": ["ƒ2qiSvdgb", "12345"], "after": "0x3039"},
    }
    system = read(attributes=attributes)["attributes"]["system"]
    assert (system["duration"], system["queue"], system["bank"]) == (3601, "debug", "science")
    assert system["dependencies"] == [
        {"scheme": "afterok", "value": "f2qiSvdgb"},
        {"scheme": "afterok", "value": "f4fr"},
        {"scheme": "after", "value": "f4fr"},
    ]


def test_custom_attributes(read: Read, flux: Flux, plan: Callable[..., Plan]) -> None:
    made = read(
        {
            "flux.system.bank": "b",
            "flux.shell.options.verbose": 1,
            "flux.shell.options.mpi": None,
            "flux.user.my.tag": ["a", True],
            "slurm.constraint": "x",
        }
    )["attributes"]
    assert made["system"]["bank"] == "b"
    assert made["system"]["shell"]["options"]["verbose"] == 1
    assert "mpi" not in made["system"]["shell"]["options"]
    assert made["user"] == {"my": {"tag": ["a", True]}}


@pytest.mark.parametrize(
    ("given", "urgency"), [(None, 16), (0, 0), ("0", 0), (31, 31), ("hold", 0), ("default", 16), ("expedite", 31)]
)
def test_urgency(flux: Flux, plan: Callable[..., Plan], given: object, urgency: int) -> None:
    job = plan(attributes=JobAttributes(custom_attributes={"flux.urgency": given}))
    argv = flux.submit_command(job, Path("/w/submit")).argv
    assert argv == ("flux", "job", "submit", f"--urgency={urgency}", f"/w/jobspec.{job.token}")
    assert (f"urgency={urgency}" in flux.directives(job)) == (urgency != 16)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resources": ResourceSpecV1(memory=2**30)}, "resources.memory: 1073741824"),
        ({"attributes": {"reservation_id": "r"}}, "attributes.reservation_id: 'r'"),
        ({"attributes": {"dependencies": {"afterok": "7; id"}}}, "JobAttributes.dependencies: '7; id'"),
        ({"custom": {"flux.urgency": 32}}, "flux.urgency.*32"),
        ({"custom": {"flux.urgency": True}}, "flux.urgency.*True"),
        ({"custom": {"flux.queue": "x"}}, "flux.system.queue"),
        ({"custom": {"flux.cwd": "/"}}, "flux.cwd"),
        ({"custom": {"flux.system.cwd": "/"}}, "flux.system.cwd"),
        ({"custom": {"flux.shell.options": "x"}}, "flux.shell.options"),
        ({"custom": {"flux.user": "x"}}, "flux.user"),
        ({"custom": {"flux.user.x y": "x"}}, "flux.user.x y"),
    ],
)
def test_what_can_not_be_expressed_is_refused(read: Read, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJobException, match=words):
        read(**fields)


def test_the_scripts_are_good_bash(executor: FluxJobExecutor, tmp_path: Path) -> None:
    for fields in ({}, {"launcher": "flux"}, {"resources": ResourceSpecV1(node_count=2)}):
        text = executor.script(Job(JobSpec("/bin/date", **fields)))
        (tmp_path / "script").write_text(text)
        subprocess.run(["bash", "-n", str(tmp_path / "script")], check=True)
        assert (" broker " in text) == bool(fields)


def test_the_instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = FluxExecutorConfig(work_directory=tmp_path)
    monkeypatch.setenv("FLUX_URI", "local:///of/the/environment")
    monkeypatch.setenv("FLUX_JOB_ID", "f1")
    assert FluxJobExecutor(config=config)._source.cluster == {"FLUX_URI": "local:///of/the/environment"}
    chosen = FluxJobExecutor(url="local:///of/the/url", config=config)
    assert chosen._source.cluster == {"FLUX_URI": "local:///of/the/url"}
    # A job has its own.
    assert not any(
        name.startswith("FLUX_") for name in chosen._backend.environment({"FLUX_URI": "x", "FLUX_JOB_ID": "y"})
    )
    monkeypatch.delenv("FLUX_URI")
    assert FluxJobExecutor(config=config)._source.cluster == {}


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_words_arrive_through_flux_and_the_shell(text: str) -> None:
    word = octal_word(text)
    assert word.isascii()
    assert "{" not in word
    done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert done.stdout == text.encode()


def test_the_launcher() -> None:
    resources = ResourceSpecV1(node_count=2, processes_per_node=3, cpu_cores_per_process=4, gpu_cores_per_process=1)
    launcher = Launcher.get_instance("flux", options={"verbose": True, "setopt": ["a=1"], "urgency": 0})
    job = Job(JobSpec("prog", ["-x", "a b"], resources=resources))
    assert launcher.get_launch_command(job) == [
        *("flux", "run", "--nodes=2", "--ntasks=6", "--cores-per-task=4", "--gpus-per-task=1"),
        *("--setopt=exit-timeout=none", "--verbose", "--setopt=a=1", "--", "prog", "-x", "a b"),
    ]
    expanded = Job(JobSpec("/bin/echo", ["{{id}}", "é '"]))
    command = launcher.get_launch_command(expanded)
    assert "{{" not in " ".join(command)
    words = command[command.index("--") + 1 :]
    assert subprocess.run(words, capture_output=True, check=True).stdout == "{{id}} é '\n".encode()
