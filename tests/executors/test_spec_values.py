"""What a specification says, and what the job finds: J1 to J6."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from executors.sites import Site, sites
from executors.support import cancelled_afterwards, completed, ended, shell, submit
from psij_like import Job, JobAttributes, JobExecutor, JobSpec, JobState, Reason, ResourceSpecV1

# A job with one of these runs with a shell around it, a job without may do without.
AROUND: tuple[Mapping[str, Any], ...] = ({}, {"cleanup": {"nothing"}})
around = pytest.mark.parametrize("around", AROUND, ids=["bare", "in-a-body"])


def launch_failed(job: Job, exit_code: int | None, *words: str) -> None:
    status = ended(job)
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LAUNCH_FAILED), (job.spec, status)
    if exit_code is not None:
        assert status.exit_code == exit_code, status
    for word in words:
        assert word in str(status.message), status


def environment_of(job_output: Path) -> dict[str, str]:
    """What `env -0` wrote."""
    lines = os.fsdecode(job_output.read_bytes()).split("\0")
    return dict(line.split("=", 1) for line in lines if line)


@around
def test_J1_paths_are_the_jobs(executor: JobExecutor, work_directory: Path, around: Mapping[str, Any]) -> None:
    directory = work_directory / "job"
    (directory / "bin").mkdir(parents=True)
    (directory / "input").write_text("from input")
    program = directory / "bin" / "program"
    program.write_text('#!/bin/sh\npwd -P; cat; echo "$0" >&2\n')
    program.chmod(0o755)
    searched = directory / "bin" / "only-in-the-jobs-path"
    searched.write_text("#!/bin/sh\necho found it\n")
    searched.chmod(0o755)
    jobs = [
        JobSpec("bin/program", stdin_path="input", stdout_path="out", stderr_path="err", **around),
        JobSpec("./bin/program", stdin_path=directory / "input", stdout_path=work_directory / "absolute", **around),
        JobSpec(
            "only-in-the-jobs-path",
            environment={"PATH": f"{directory}/bin:${{PATH}}"},
            stdout_path="searched",
            **around,
        ),
        shell("echo one; echo two >&2; echo three", stdout_path="both", stderr_path="both", **around),
        shell('a=$(cd "/proc/$$/fd"; readlink 0 1 2); echo "$a" >fds', **around),
    ]
    for spec in jobs:
        spec.directory = directory
    completed(*[submit(executor, spec) for spec in jobs])
    assert (directory / "out").read_text() == f"{directory.resolve()}\nfrom input"
    assert (directory / "err").read_text().strip().endswith("bin/program")
    assert (work_directory / "absolute").read_text() == f"{directory.resolve()}\nfrom input"
    assert (directory / "searched").read_text() == "found it\n"
    assert (directory / "both").read_text() == "one\ntwo\nthree\n"
    assert (directory / "fds").read_text() == "/dev/null\n" * 3


@around
@pytest.mark.parametrize("inherit", [True, False], ids=["inherits", "inherits-nothing"])
def test_J1_below_the_home_directory(
    executor: JobExecutor, ordinary_home: Path, around: Mapping[str, Any], inherit: bool
) -> None:
    name = ordinary_home.name
    spec = JobSpec("/bin/pwd", directory=f"~/{name}", stdout_path="where", inherit_environment=inherit, **around)
    completed(submit(executor, spec))
    assert Path((ordinary_home / "where").read_text().strip()) == ordinary_home.resolve()


@pytest.fixture
def ordinary_home() -> Iterator[Path]:
    """A directory of the test's own right below the home directory."""
    with tempfile.TemporaryDirectory(prefix="psij-test-", dir=Path.home()) as name:
        yield Path(name)


def test_J1_without_a_directory_the_submitters_own(
    executor: JobExecutor, work_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work_directory)
    completed(
        *(submit(executor, JobSpec("/bin/pwd", stdout_path=f"where{n}", **kind)) for n, kind in enumerate(AROUND))
    )
    for number in range(len(AROUND)):
        assert Path((work_directory / f"where{number}").read_text().strip()) == work_directory.resolve()


@around
def test_J1_what_can_not_be_started_says_why(
    executor: JobExecutor, work_directory: Path, around: Mapping[str, Any]
) -> None:
    (work_directory / "plain").write_text("not a program")
    (work_directory / "directory").mkdir()
    cases: list[tuple[dict[str, Any], int | None, str]] = [
        ({"executable": "/no/such/program"}, 127, "/no/such/program"),
        ({"executable": "no-such-program"}, 127, "no-such-program"),
        ({"executable": "./missing"}, 127, "./missing"),
        ({"executable": "./plain"}, 126, "./plain"),
        ({"executable": "./directory"}, 126, "./directory"),
        ({"executable": "sh", "environment": {"PATH": "/nowhere"}}, 127, "/nowhere"),
        ({"directory": "/no such/directory"}, None, "/no such/directory"),
        ({"directory": work_directory / "plain"}, None, "plain"),
        ({"stdin_path": "missing-input"}, 1, "missing-input"),
        ({"stdout_path": "missing/output"}, 1, "missing/output"),
        ({"stdout_path": "directory"}, 1, "directory"),
        ({"stderr_path": "missing/errors"}, 1, "missing/errors"),
    ]
    jobs = []
    for fields, _, _ in cases:
        spec = {"executable": "/bin/true", "directory": work_directory, **around, **fields}
        jobs.append(submit(executor, JobSpec(**spec)))
    for job, (_, exit_code, word) in zip(jobs, cases, strict=True):
        launch_failed(job, exit_code, word)


@around
def test_J2_arguments_are_not_expanded(executor: JobExecutor, work_directory: Path, around: Mapping[str, Any]) -> None:
    arguments = [
        "",
        " ",
        "-n",
        "--",
        "$HOME",
        "${HOME}",
        "$(id)",
        "`id`",
        "*",
        "~",
        "a b",
        "'",
        '"',
        "\\",
        "\n",
        "%s",
        "é",
    ]
    spec = JobSpec("/usr/bin/printf", [r"%s\0", *arguments], work_directory, stdout_path="out", **around)
    completed(submit(executor, spec))
    assert os.fsdecode((work_directory / "out").read_bytes()) == "".join(f"{word}\0" for word in arguments)


@around
def test_J2_references_in_the_environment(
    executor: JobExecutor, work_directory: Path, monkeypatch: pytest.MonkeyPatch, around: Mapping[str, Any]
) -> None:
    monkeypatch.setenv("OUTER", "o u $x")
    values: dict[str, str | int] = {
        "PATH": "/apps/x:${PATH}",
        "BOTH": "<${OUTER}|${OUTER}>",
        "FIRST": "1",
        "SECOND": "${FIRST}${FIRST}",
        "LITERAL": "$${OUTER} $OUTER $$OUTER $$${OUTER} ${ OUTER} ${OUTER:-x} ${1} ${} $(id) `id` \\${OUTER}",
        "MISSING": "<${NO_SUCH_VARIABLE}>",
        "NUMBER": 7,
    }
    completed(
        submit(executor, JobSpec("/usr/bin/env", ["-0"], work_directory, environment=values, stdout_path="e", **around))
    )
    seen = environment_of(work_directory / "e")
    assert seen["PATH"].startswith("/apps/x:")
    assert "/bin" in seen["PATH"]
    expected = {
        "BOTH": "<o u $x|o u $x>",
        "SECOND": "11",
        "LITERAL": "${OUTER} $OUTER $$OUTER $${OUTER} ${ OUTER} ${OUTER:-x} ${1} ${} $(id) `id` \\o u $x",
        "MISSING": "<>",
        "NUMBER": "7",
    }
    assert {name: seen[name] for name in expected} == expected


@around
def test_J3_environment_is_inherited_or_not(
    site: Site, executor: JobExecutor, work_directory: Path, monkeypatch: pytest.MonkeyPatch, around: Mapping[str, Any]
) -> None:
    outer = {"OUTER_MARKER": "it's $here\n", "SLURM_OUTER_MARKER": "x", "BASH_FUNC_outer%%": "() { :; }"}
    for name, value in outer.items():
        monkeypatch.setenv(name, value)
    given = {"GIVEN": "a b", "OUTER_GIVEN": "<${OUTER_MARKER}>"}
    for name, inherit in (("with", True), ("without", False)):
        spec = JobSpec("/usr/bin/env", ["-0"], work_directory, environment=given, stdout_path=name, **around)
        spec.inherit_environment = inherit
        completed(submit(executor, spec))
    inherits = environment_of(work_directory / "with")
    assert inherits["OUTER_MARKER"] == outer["OUTER_MARKER"]
    assert inherits["OUTER_GIVEN"] == f"<{outer['OUTER_MARKER']}>"
    assert inherits["GIVEN"] == "a b"
    own = environment_of(work_directory / "without")
    assert own.pop("GIVEN") == "a b"
    assert own.pop("OUTER_GIVEN") == "<>"
    assert own["PSIJ_JOB_ID"]
    assert [name for name in own if not name.startswith(site.own_variables)] == []
    assert not set(own) & set(outer)


def test_J4_scripts_before_and_after(executor: JobExecutor, work_directory: Path) -> None:
    (work_directory / "pre.sh").write_text("export FROM_PRE='p r e'; echo pre >>log; only_pre=1; cd /; set -e\n")
    (work_directory / "post.sh").write_text('echo "post $FROM_PRE $only_pre $GIVEN" >>"$LOG"\n')
    spec = shell('echo "rank $FROM_PRE" >>"$LOG"', directory=work_directory, launcher="multiple")
    spec.pre_launch, spec.post_launch = work_directory / "pre.sh", work_directory / "post.sh"
    spec.environment = {"LOG": str(work_directory / "log"), "GIVEN": "g"}
    spec.resources = ResourceSpecV1(process_count=2)
    completed(submit(executor, spec))
    lines = (work_directory / "log").read_text().splitlines()
    assert lines == ["pre", "rank p r e", "rank p r e", "post p r e 1 g"]


def test_J4_the_exit_code_is_that_of_the_program(executor: JobExecutor, work_directory: Path) -> None:
    (work_directory / "fine.sh").write_text("export X=1\n")
    (work_directory / "exits.sh").write_text("exit 9\n")
    (work_directory / "fails.sh").write_text("false\n")
    mark = f"touch '{work_directory}/ran'"
    program_fails = submit(executor, shell("exit 3", post_launch=work_directory / "fine.sh"))
    after_fails = submit(executor, shell("exit 4", post_launch=work_directory / "fails.sh"))
    program_fine = submit(executor, shell("exit 0", pre_launch=work_directory / "fails.sh"))
    gives_up = submit(executor, shell(mark, pre_launch=work_directory / "exits.sh"))
    missing = submit(executor, shell(mark, pre_launch=work_directory / "missing.sh"))
    assert ended(program_fails).exit_code == 3
    assert ended(after_fails).exit_code == 4
    completed(program_fine)
    launch_failed(gives_up, None, "exits.sh")
    launch_failed(missing, None, "missing.sh")
    assert not (work_directory / "ran").exists()


def test_J4_a_job_that_a_signal_ends_has_its_script_after(executor: JobExecutor, work_directory: Path) -> None:
    (work_directory / "post.sh").write_text("echo x >>after\n")
    spec = shell("kill -9 $$", directory=work_directory, post_launch=work_directory / "post.sh")
    status = ended(submit(executor, spec))
    assert (status.exit_code, status.reason) == (137, Reason.SIGNAL)
    assert (work_directory / "after").read_text() == "x\n"


@sites(having="shown")
def test_J5_durations_round_up(site: Site, executor: JobExecutor) -> None:
    pending = dict(site.pending or {})
    durations = [
        None,
        timedelta(seconds=61),
        timedelta(hours=1, microseconds=1),
        timedelta(days=2),
        timedelta(seconds=1),
    ]
    jobs = [
        submit(executor, JobSpec("/bin/true", attributes=JobAttributes(duration=given, custom_attributes=pending)))  # type: ignore[arg-type]
        for given in durations
    ]
    with cancelled_afterwards(*jobs):
        limits = [shown(site, "limit", job) for job in jobs]
    assert limits == ["10:00", "2:00", "1:01:00", "2-00:00:00", "1:00"]


def shown(site: Site, what: str, job: Job) -> str:
    """What the backend says of a job."""
    argv = [*site.shown[what], str(job.native_id)]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.rstrip("\n")


def test_J6_the_node_file(executor: JobExecutor, work_directory: Path) -> None:
    three = shell('cat "$PSIJ_NODEFILE" >nodes.$$', directory=work_directory, launcher="multiple")
    three.resources = ResourceSpecV1(node_count=1, process_count=3)
    completed(submit(executor, three))
    seen = [path.read_text() for path in work_directory.glob("nodes.*")]
    assert len(seen) == 3
    assert len(set(seen)) == 1
    nodes = seen[0].splitlines()
    assert len(nodes) == 3
    assert len(set(nodes)) == 1
    assert nodes[0]


def test_output_files_have_the_modes_of_the_submitters_umask(executor: JobExecutor, work_directory: Path) -> None:
    jobs = [
        submit(executor, JobSpec("/bin/echo", ["x"], work_directory, stdout_path=f"out{number}", **kind))
        for number, kind in enumerate(AROUND)
    ]
    completed(*jobs)
    umask = os.umask(0o022)
    os.umask(umask)
    for number in range(len(AROUND)):
        assert stat.S_IMODE((work_directory / f"out{number}").stat().st_mode) == 0o666 & ~umask


def test_what_was_there_is_overwritten(executor: JobExecutor, work_directory: Path) -> None:
    for number in range(len(AROUND)):
        (work_directory / f"out{number}").write_text("much more than before\n" * 10)
    completed(
        *(
            submit(executor, JobSpec("/bin/echo", ["x"], work_directory, stdout_path=f"out{number}", **kind))
            for number, kind in enumerate(AROUND)
        )
    )
    assert [(work_directory / f"out{number}").read_text() for number in range(len(AROUND))] == ["x\n", "x\n"]
