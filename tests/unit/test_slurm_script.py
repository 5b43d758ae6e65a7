"""What Slurm reads: checked directives, a fixed stub, and nothing of the user's beside them."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psij_like._engine.backend import User
from psij_like.exceptions import InvalidJobException
from psij_like.executors.batch.slurm import Slurm, SlurmExecutorConfig, SlurmJobExecutor
from psij_like.job import Job
from psij_like.job_attributes import JobAttributes
from psij_like.job_spec import JobSpec
from psij_like.resource_spec import ResourceSpecV1
from psij_like.staging import StageIn, StageOut

PREFIX = "#SBATCH --"


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., str]:
    executor = SlurmJobExecutor(config=SlurmExecutorConfig(work_directory=tmp_path / "memory"))

    def script(executable: str = "/bin/date", **fields: Any) -> str:
        return executor.script(Job(JobSpec(executable=executable, **fields)))

    return script


def directives(script: str) -> dict[str, str | None]:
    """The options in a script; None for a flag."""
    options: dict[str, str | None] = {}
    for line in script.split("\n"):
        if line.startswith(PREFIX):
            (word,) = shlex.split(line.removeprefix("#SBATCH "))
            name, separator, value = word.removeprefix("--").partition("=")
            assert name not in options
            options[name] = value if separator else None
    return options


def stub(script: str) -> str:
    """All but the directives, and but the two values of each job's own."""
    rest = [line for line in script.split("\n") if not line.startswith(PREFIX)]
    return re.sub(r"(?m)^psij_(dir|token)=.*$", r"psij_\1=", "\n".join(rest))


def test_the_script_is_good_bash(render: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "script").write_text(render())
    subprocess.run(["bash", "-n", str(tmp_path / "script")], check=True)
    assert render().startswith("#!/bin/bash -p\n#SBATCH --")


def test_the_plainest_job(render: Callable[..., str]) -> None:
    found = directives(render())
    assert found == {
        "output": "/dev/null",
        "job-name": "/bin/date",
        "nodes": "1",
        "ntasks": "1",
        "time": "0:10:00",
        "export": "ALL",
    }


def test_all_resources(render: Callable[..., str]) -> None:
    resources = ResourceSpecV1(
        node_count=2,
        processes_per_node=3,
        cpu_cores_per_process=4,
        gpu_cores_per_process=1,
        exclusive_node_use=True,
        memory=5 * 2**30 + 1,
    )
    found = directives(render(resources=resources))
    assert {name: found[name] for name in ("nodes", "ntasks", "ntasks-per-node", "cpus-per-task", "gpus-per-task")} == {
        "nodes": "2",
        "ntasks": "6",
        "ntasks-per-node": "3",
        "cpus-per-task": "4",
        "gpus-per-task": "1",
    }
    assert found["exclusive"] is None
    assert found["mem"] == "2561M"  # for each node, rounded up


@pytest.mark.parametrize(
    ("counts", "nodes", "processes", "per_node"),
    [
        ({"process_count": 4}, "1", "4", "4"),
        ({"node_count": 4}, "4", "4", "1"),
        ({"processes_per_node": 4}, "1", "4", "4"),
        ({"process_count": 4, "processes_per_node": 2}, "2", "4", "2"),
    ],
)
def test_counts(render: Callable[..., str], counts: dict[str, Any], nodes: str, processes: str, per_node: str) -> None:
    found = directives(render(resources=ResourceSpecV1(**counts)))
    assert (found["nodes"], found["ntasks"], found["ntasks-per-node"]) == (nodes, processes, per_node)
    assert not {"cpus-per-task", "gpus-per-task", "mem", "exclusive"} & set(found)


@pytest.mark.parametrize(("memory", "directive"), [(1, "1M"), (2**20, "1M"), (2**20 + 1, "2M"), (3 * 2**30, "3072M")])
def test_memory_is_rounded_up(render: Callable[..., str], memory: int, directive: str) -> None:
    assert directives(render(resources=ResourceSpecV1(memory=memory)))["mem"] == directive


@pytest.mark.parametrize(
    ("duration", "directive"),
    [
        (timedelta(minutes=10), "0:10:00"),
        (timedelta(seconds=59), "0:00:59"),
        (timedelta(microseconds=1), "0:00:01"),
        (timedelta(seconds=61, microseconds=1), "0:01:02"),
        (timedelta(minutes=90), "1:30:00"),
        (timedelta(days=3, hours=1), "73:00:00"),
    ],
)
def test_J5_durations_round_up(render: Callable[..., str], duration: timedelta, directive: str) -> None:
    assert directives(render(attributes=JobAttributes(duration)))["time"] == directive


def test_attributes(render: Callable[..., str]) -> None:
    found = directives(
        render(
            name="a name",
            inherit_environment=False,
            attributes=JobAttributes(queue_name="debug", account="acc", reservation_id="res"),
        )
    )
    names = ("job-name", "partition", "account", "reservation", "export")
    assert [found[name] for name in names] == ["a name", "debug", "acc", "res", "NONE"]


# ---- custom attributes


def custom(**attributes: object) -> JobAttributes:
    return JobAttributes(custom_attributes={f"slurm.{name.replace('_', '-')}": one for name, one in attributes.items()})


def test_custom_attributes(render: Callable[..., str]) -> None:
    attributes = custom(constraint="gpu|cpu", gres="gpu:2", requeue="", hold=True, nice=5, begin="now+1hour")
    attributes.set_custom_attribute("pbs.something", "else")
    attributes.set_custom_attribute("srun.overlap", True)
    found = directives(render(attributes=attributes))
    assert {name: found[name] for name in ("constraint", "gres", "requeue", "hold", "nice", "begin")} == {
        "constraint": "gpu|cpu",
        "gres": "gpu:2",
        "requeue": None,
        "hold": None,
        "nice": "5",
        "begin": "now+1hour",
    }
    assert not {"something", "overlap"} & set(found)


def test_custom_attributes_replace_and_suppress_generated_directives(render: Callable[..., str]) -> None:
    found = directives(render(attributes=custom(time="5", nodes="1-4", export=None, ntasks=False, job_name="mine")))
    assert (found["time"], found["nodes"], found["job-name"]) == ("5", "1-4", "mine")
    assert not {"export", "ntasks"} & set(found)


@pytest.mark.parametrize(
    "name",
    ["array", "wrap", "wait", "parsable", "test-only", "help", "version", "usage", "clusters", "X", "N", "Hold", "a.b"],
)
def test_custom_attributes_that_are_refused(render: Callable[..., str], name: str) -> None:
    attributes = JobAttributes(custom_attributes={f"slurm.{name}": "1"})
    with pytest.raises(InvalidJobException, match=re.escape(f"slurm.{name}")):
        render(attributes=attributes)


@pytest.mark.parametrize("value", [[["a"]], {"a": 1}, object(), b"x", Path("x")])
def test_custom_values_that_are_refused(render: Callable[..., str], value: object) -> None:
    with pytest.raises(InvalidJobException, match=r"slurm\.constraint"):
        render(attributes=JobAttributes(custom_attributes={"slurm.constraint": value}))


# ---- nothing of the user's gets out of its place

BAD = ["a\nb", "a\n#SBATCH --nice=1", "\r", "a\x0bb", "a\x00b", "\x1b[0m", "a\x85b", "a\u2028b", "\x7f"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("field", ["name", "queue_name", "account", "reservation_id", "custom"])
def test_defect_04_control_characters_in_directives_are_refused(
    render: Callable[..., str], field: str, bad: str
) -> None:
    """Defect 4: a newline in a queue or account name would be a line of its own in the script."""
    fields: dict[str, Any] = {}
    if field == "name":
        fields["name"] = bad
    elif field == "custom":
        fields["attributes"] = custom(comment=bad)
    else:
        fields["attributes"] = JobAttributes(**dict[str, Any]({field: bad}))
    with pytest.raises(InvalidJobException, match=r"control characters|NUL"):
        render(**fields)


@pytest.mark.parametrize(
    "place", ["work\nx", "work\n#SBATCH --nice=1", "work\rx", "work\x0bx", "a b", "it's", 'q"x', "\\", "%j"]
)
def test_defect_04_the_work_directory_adds_no_line(tmp_path: Path, place: str) -> None:
    plain = SlurmJobExecutor(config=SlurmExecutorConfig(work_directory=tmp_path / "plain"))
    expected = directives(plain.script(Job(JobSpec(executable="/bin/date"))))
    if not place.isprintable():
        with pytest.raises(ValueError, match="work_directory"):
            SlurmExecutorConfig(work_directory=tmp_path / place)
        return
    config = SlurmExecutorConfig(work_directory=tmp_path / place)
    script = SlurmJobExecutor(config=config).script(Job(JobSpec(executable="/bin/date")))
    assert list(directives(script)) == list(expected)
    head = script[: script.index("psij_token=")]
    assert len(head.split("\n")) == 1 + len(expected) + 2


SECRET = "SEC" + "RET"
HOSTILE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20).map(
    lambda text: f"{text}{SECRET}\n#SBATCH --nice=1\n$(touch /no)`no`"
)
PRINTABLE = st.text(st.sampled_from(list("ab 'é\"\\$`#;&|<>(){}[]*?~!=,:-%")), min_size=1, max_size=30)
PRINTABLE = PRINTABLE.filter(str.strip)  # blank ones are refused
QUICK = settings(deadline=None)


@QUICK
@given(data=st.data())
def test_defect_04_arguments_environment_and_paths_are_not_in_the_script(
    render: Callable[..., str], data: st.DataObject
) -> None:
    def some() -> str:
        return data.draw(HOSTILE)

    script = render(
        executable=f"/x/{some()}",
        name="plain",
        arguments=[some(), some()],
        directory=f"/{some()}",
        environment={"A": some()},
        stdin_path=some(),
        stdout_path=some(),
        stderr_path=some(),
        pre_launch=some(),
        post_launch=some(),
        stage_in=[StageIn(Path(f"/{some()}"), some())],
        stage_out=[StageOut(some(), Path(f"/{some()}"))],
    )
    assert SECRET not in script
    assert stub(script) == stub(render())
    assert list(directives(script)) == list(directives(render()))


@QUICK
@given(name=PRINTABLE, queue=PRINTABLE, account=PRINTABLE, comment=PRINTABLE)
def test_defect_04_directive_values_stay_in_their_line(
    render: Callable[..., str], name: str, queue: str, account: str, comment: str
) -> None:
    """And are what was given, not quoted twice."""
    attributes = JobAttributes(queue_name=queue, account=account, custom_attributes={"slurm.comment": comment})
    script = render(name=name, attributes=attributes)
    found = directives(script)
    assert (found["job-name"], found["partition"], found["account"], found["comment"]) == (
        name,
        queue,
        account,
        comment,
    )
    assert stub(script) == stub(render())


# ---- the environment of Slurm's commands


def test_an_outer_job_does_not_change_the_inner_one() -> None:
    inherited = {
        "PATH": "/bin",
        "HOME": "/h",
        "SLURM_CONF": "/etc/slurm.conf",
        "SLURM_JOB_ID": "1",
        "SLURM_NTASKS": "8",
        "SBATCH_PARTITION": "x",
        "SQUEUE_FORMAT": "%i",
        "SACCT_FORMAT": "x",
        "SCANCEL_INTERACTIVE": "1",
        "SLURMY": "kept",
        "MY_SLURM_X": "kept",
    }
    kept = Slurm(User(1000, "user1")).environment(inherited)
    assert kept == {name: inherited[name] for name in ("PATH", "HOME", "SLURM_CONF", "SLURMY", "MY_SLURM_X")}
    assert Slurm(User(1000, "user1")).cluster(inherited) == {"SLURM_CONF": "/etc/slurm.conf"}
    assert Slurm(User(1000, "user1")).cluster({}) == {}
