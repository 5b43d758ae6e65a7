"""What reaches a directive is one value, and no other option."""

from __future__ import annotations

from pathlib import Path

import pytest

from psij_like import (
    InvalidJobException,
    Job,
    JobAttributes,
    JobExecutor,
    JobExecutorConfig,
    JobSpec,
    ResourceSpecV1,
    SubmitException,
)
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor


def directives(executor: str, **attributes: object) -> list[str]:
    made = JobExecutor.get_instance(executor)
    assert isinstance(made, BatchSchedulerExecutor)
    return made.directives(Job(JobSpec("/bin/true", attributes=JobAttributes(**attributes))))  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "letter"), [("queue_name", "q"), ("account", "A"), ("reservation_id", "ar")])
def test_grid_engines_values_are_one_word(field: str, letter: str) -> None:
    assert f'-{letter} "a -t 1-5"' in directives("grid_engine", **{field: "a -t 1-5"})


def test_several_dependencies_of_pbs_are_one_option() -> None:
    wanted = {"afterok": ["1", "2"], "afterany": "3"}
    for executor in ("pbs", "pbs_classic"):
        waits = [line for line in directives(executor, dependencies=wanted) if line.startswith("-W")]
        assert waits == ["-W depend=afterok:1:2,afterany:3"]


def test_a_custom_w_comes_on_top_of_the_dependencies() -> None:
    lines = directives("pbs", dependencies={"afterok": "1"}, custom_attributes={"pbs.W": "umask=022"})
    assert [line for line in lines if line.startswith("-W")] == ["-W depend=afterok:1,umask=022"]
    for value in ("block=true", "umask=022,depend=afterok:2"):
        with pytest.raises(InvalidJobException, match=r"pbs\.W"):
            directives("pbs", custom_attributes={"pbs.W": value})


@pytest.mark.parametrize("custom", ["slurm.dependency", "lsf.w", "grid_engine.hold_jid"])
def test_a_custom_attribute_does_not_replace_dependencies_unseen(custom: str) -> None:
    executor = custom.partition(".")[0]
    directives(executor, custom_attributes={custom: "17"})
    with pytest.raises(InvalidJobException, match="would replace"):
        directives(executor, custom_attributes={custom: "17"}, dependencies={"afterany": "1"})


@pytest.mark.parametrize("field", ["queue_name", "account", "reservation_id"])
def test_blank_values_are_refused(field: str) -> None:
    with pytest.raises(InvalidJobException, match=f"{field}.*must not be blank"):
        directives("slurm", **{field: " "})


SPAN, MEMORY = "span[ptile=2]", "mem=1024MB"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, []),
        ("", [f"{SPAN} rusage[{MEMORY}]"]),
        ("select[type==any]", [f"select[type==any] {SPAN} rusage[{MEMORY}]"]),
        ("type==any order[ut]", [f"type==any order[ut] {SPAN} rusage[{MEMORY}]"]),
        ("span[hosts=1]", [f"span[hosts=1] rusage[{MEMORY}]"]),
        ("rusage[scratch=10:duration=5]", [f"rusage[{MEMORY},scratch=10:duration=5] {SPAN}"]),
        ("rusage [mem=7]", [f"rusage [mem=7] {SPAN}"]),
        ("rusage[memo=7]", [f"rusage[{MEMORY},memo=7] {SPAN}"]),
        ("span[hosts=1] rusage[scratch=1, mem = 7]", ["span[hosts=1] rusage[scratch=1, mem = 7]"]),
        (["select[a]", "rusage[scratch=10]"], ["select[a]", f"rusage[{MEMORY},scratch=10] {SPAN}"]),
        (["span[hosts=1]", "same[model]"], ["span[hosts=1]", f"same[model] rusage[{MEMORY}]"]),
        ("{select[a] span[hosts=1]} || {select[b]}", ["{select[a] span[hosts=1]} || {select[b]}"]),
    ],
)
def test_requirements_of_the_users_own_go_with_the_generated_ones_on_lsf(own: object, expected: list[str]) -> None:
    job = Job(
        JobSpec(
            "/bin/true",
            resources=ResourceSpecV1(process_count=2, memory=2**30),
            attributes=JobAttributes(custom_attributes={"lsf.R": own}),
        )
    )
    executor = JobExecutor.get_instance("lsf")
    assert isinstance(executor, BatchSchedulerExecutor)
    asked = [line.removeprefix("-R ").strip('"') for line in executor.directives(job) if line.startswith("-R")]
    assert asked == expected


def test_defect_08_cores_gpus_and_names_on_pbs() -> None:
    job = JobSpec("/bin/true", name="my job", resources=ResourceSpecV1(2, None, 4, 8, 2))
    executor = JobExecutor.get_instance("pbs")
    assert isinstance(executor, BatchSchedulerExecutor)
    lines = executor.directives(Job(job))
    assert "-l select=2:ncpus=32:mpiprocs=4:ngpus=8" in lines
    assert "-N my_job" in lines
    assert not [line for line in lines if "-N=" in line]


def test_defect_08_lsf_reads_the_script_from_its_standard_input() -> None:
    executor = JobExecutor.get_instance("lsf")
    assert isinstance(executor, BatchSchedulerExecutor)
    plan = executor.plan(Job(JobSpec("/bin/true")))
    command = executor._backend.submit_command(plan, Path("/scripts/submit"))
    assert (command.argv, command.stdin) == (("bsub",), Path("/scripts/submit"))


@pytest.mark.parametrize("executor", ["local", "slurm", "pbs", "pbs_classic", "lsf", "cobalt", "grid_engine"])
def test_zero_is_no_job(executor: str) -> None:
    """To LSF's bkill it is all of the user's."""
    with pytest.raises(SubmitException, match="'0' is not the id of a job"):
        JobExecutor.get_instance(executor).cancel("0")


@pytest.mark.parametrize(
    ("custom", "value"),
    [
        ("grid_engine.pe", "smp 2 -t 1-3 -pe smp"),
        ("grid_engine.pe", "-t"),
        ("grid_engine.pe", "smp 4"),
        ("grid_engine.binding", "linear:1 -t 1-3"),
        ("grid_engine.w", "v"),
        ("lsf.J", "foo[1-3]"),
        ("flux.system.cwd.x", "1"),
        ("flux.system.dependencies.x", "1"),
        ("flux.dependencies", "1"),
    ],
)
def test_what_would_be_another_job_is_refused(custom: str, value: str) -> None:
    with pytest.raises(InvalidJobException, match=custom):
        directives(custom.partition(".")[0], custom_attributes={custom: value})


def test_bindings_of_grid_engine_may_be_several_words() -> None:
    lines = directives(
        "grid_engine", custom_attributes={"grid_engine.binding": "env linear:2", "grid_engine.pe": "mpi*"}
    )
    assert {"-binding env linear:2", '-pe "mpi*" 1'} <= set(lines)


@pytest.mark.parametrize("name", ["none", "ALL", "template", "7up"])
def test_grid_engine_refuses_no_name(name: str) -> None:
    told = JobExecutor.get_instance("grid_engine")
    assert isinstance(told, BatchSchedulerExecutor)
    assert told.directives(Job(JobSpec("/bin/true", name=name)))[0].startswith("-N _")


@pytest.mark.parametrize(("executor", "place"), [("cobalt", "a b"), ("cobalt", "$jobid"), ("lsf", "x #BSUB -q y")])
def test_a_work_directory_that_a_scheduler_would_misread_is_refused(executor: str, place: str, tmp_path: Path) -> None:
    config = JobExecutorConfig(work_directory=tmp_path / place)
    with pytest.raises(InvalidJobException, match="work_directory: "):
        JobExecutor.get_instance(executor, config=config).submit(Job(JobSpec("/bin/true")))
