"""J7: files brought to a job, taken from it, and removed after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.sites import Site
from executors.support import Ear, cancelled_afterwards, completed, ended, shell, submit, until
from psij_like import Job, JobExecutor, JobState, Reason
from psij_like.staging import URI, StageIn, StageOut, StageOutFlags, StagingMode

Flags = StageOutFlags


@pytest.fixture
def start(executor: JobExecutor, work_directory: Path) -> Callable[..., Job]:
    """Run a shell script in a directory of its own, `<work_directory>/<name>`."""

    def start(name: str, script: str, **fields: Any) -> Job:
        directory = work_directory / name
        directory.mkdir(exist_ok=True)
        return submit(executor, shell(script, directory=directory, **fields))

    return start


def test_J7_ways_in(start: Callable[..., Job], work_directory: Path) -> None:
    for name in ("copied", "linked", "moved", "as a uri"):
        (work_directory / name).write_text(name)
    (work_directory / "tree" / "below").mkdir(parents=True)
    (work_directory / "tree" / "below" / "leaf").write_text("leaf")
    stage_in = {
        StageIn(work_directory / "copied", "a/b/copy"),
        StageIn(work_directory / "linked", "link", StagingMode.LINK),
        StageIn(work_directory / "moved", "move", StagingMode.MOVE),
        StageIn(work_directory / "tree", "tree"),
        StageIn(f"file://{work_directory}/as%20a%20uri", "uri"),
        StageIn(work_directory / "copied", work_directory / "elsewhere"),
    }
    completed(start("job", "cat a/b/copy link move tree/below/leaf uri >out; readlink link >>out", stage_in=stage_in))
    job = work_directory / "job"
    assert (job / "out").read_text() == f"copiedlinkedmovedleafas a uri{work_directory}/linked\n"
    assert (work_directory / "elsewhere").read_text() == "copied"
    assert (work_directory / "copied").exists()
    assert not (work_directory / "moved").exists()
    assert not (job / "a" / "b" / "copy").is_symlink()


def test_J7_ways_out(start: Callable[..., Job], work_directory: Path) -> None:
    out = work_directory / "results" / "deep"
    stage_out = {
        StageOut("copied", out / "copy"),
        StageOut("linked", out / "link", mode=StagingMode.LINK),
        StageOut("moved", URI(f"file://localhost{out}/mo%76e"), mode=StagingMode.MOVE),
        StageOut("tree", out / "tree"),
        StageOut("never", out / "never", Flags.NONE),
    }
    script = "for n in copied linked moved never; do echo $n >$n; done; mkdir tree; echo leaf >tree/leaf"
    completed(start("job", script, stage_out=stage_out))
    job = work_directory / "job"
    assert {path.name for path in out.iterdir()} == {"copy", "link", "move", "tree"}
    assert (out / "link").readlink().is_absolute()
    assert "".join((out / name).read_text() for name in ("copy", "link", "move", "tree/leaf")) == (
        "copied\nlinked\nmoved\nleaf\n"
    )
    assert (job / "copied").exists()
    assert not (job / "moved").exists()


SCRIPTS = {"ON_SUCCESS": "true", "ON_ERROR": "exit 3", "ON_CANCEL": "touch ready; sleep 600"}


def test_J7_outcomes(site: Site, start: Callable[..., Job], work_directory: Path) -> None:
    """What is taken and what is removed after success, failure and cancel."""
    jobs: dict[str, Job] = {}
    for name, script in SCRIPTS.items():
        stage_out = {StageOut("log", work_directory / f"{name} {flag.name}", flag) for flag in Flags if flag.name}
        stage_out.add(StageOut("log", work_directory / f"{name} ALWAYS"))
        stage_out.add(StageOut("log", work_directory / f"{name} NONE", Flags.NONE))
        for flag in Flags:
            jobs[f"{name} {flag.name}"] = start(
                f"{name}-{flag.name}",
                f"echo x >log; echo x >scratch; {script}",
                stage_out=stage_out if flag is Flags.ON_CANCEL else None,
                cleanup={"scratch"},
                cleanup_flags=flag,
            )
    sleepers = [job for name, job in jobs.items() if name.startswith("ON_CANCEL")]
    with cancelled_afterwards(*sleepers):
        until(lambda: all((work_directory / f"ON_CANCEL-{flag.name}" / "ready").exists() for flag in Flags))
    for job in jobs.values():
        ended(job)
    assert {job.status.state for job in sleepers} == {JobState.CANCELED}
    for name in SCRIPTS:
        taken = {path.name.removeprefix(f"{name} ") for path in work_directory.glob(f"{name} *")}
        assert taken <= {name, "ALWAYS", "IF_PRESENT"}, name
        if name == "ON_CANCEL" and site.cancels_at_once:
            continue
        assert taken == {name, "ALWAYS", "IF_PRESENT"}, name
        kept = {flag.name for flag in Flags if (work_directory / f"{name}-{flag.name}" / "scratch").exists()}
        assert name not in kept, name
        assert kept >= {"ON_SUCCESS", "ON_ERROR", "ON_CANCEL"} - {name}, name


def test_J7_what_is_missing(start: Callable[..., Job], ear: Ear, work_directory: Path) -> None:
    ran = work_directory / "ran"
    optional = Flags.ALWAYS | Flags.IF_PRESENT
    no_input = start("a", f"touch '{ran}'", stage_in={StageIn(work_directory / "missing-in", "x")}, cleanup={"y"})
    no_output = start("b", "true", stage_out={StageOut("missing-out", work_directory / "x")}, cleanup={"y"})
    fails_too = start("c", "exit 3", stage_out={StageOut("missing-out", work_directory / "x")})
    may_miss = start("d", "true", stage_out={StageOut("missing-out", work_directory / "x", optional)})
    may_miss_all = start("e", "true", cleanup={"nothing", "nor/this"})
    (work_directory / "plain").touch()
    unwritable = start("f", "touch y", stage_out={StageOut("y", work_directory / "plain" / "x")})
    for job, word in ((no_input, "missing-in"), (no_output, "missing-out"), (unwritable, "'y'")):
        status = ended(job)
        assert (status.state, status.reason) == (JobState.FAILED, Reason.STAGING_FAILED), status
        assert word in str(status.message)
    assert not ran.exists()
    assert "ACTIVE" not in ear.states(no_input)
    status = ended(fails_too)
    assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 3, Reason.EXIT)
    completed(may_miss, may_miss_all)


def test_J7_order(start: Callable[..., Job], work_directory: Path) -> None:
    """The input is there before the launch, the output is taken before the clean-up."""
    (work_directory / "in").write_text("in")
    job = start(
        "job",
        "cat in >>log && mkdir -p scratch && cp log scratch/out",
        stage_in={StageIn(work_directory / "in", "in")},
        stage_out={StageOut("scratch/out", work_directory / "out")},
        cleanup={"scratch", "in"},
    )
    completed(job)
    assert (work_directory / "out").read_text() == "in"
    assert [path.name for path in (work_directory / "job").iterdir()] == ["log"]


def test_J7_relative_sources_are_the_submitters(
    start: Callable[..., Job], work_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work_directory)
    (work_directory / "in").write_text("in")
    completed(start("job", "mv brought x", stage_in={StageIn("in", "brought")}))
    assert (work_directory / "job" / "x").read_text() == "in"


def test_J1_relative_targets_are_in_the_jobs_directory(
    start: Callable[..., Job], work_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work_directory)
    completed(start("job", "echo x >x", stage_out={StageOut("x", "out")}))
    assert (work_directory / "job" / "out").read_text() == "x\n"


def test_J7_a_job_that_can_not_start_is_cleaned_up_after(start: Callable[..., Job], work_directory: Path) -> None:
    (work_directory / "in").write_text("in")
    (work_directory / "job").mkdir()
    spec = {"stage_in": {StageIn(work_directory / "in", "brought")}, "cleanup": {"brought"}}
    job = start("job", "true", stdin_path="missing", **spec)
    assert ended(job).reason == Reason.LAUNCH_FAILED
    assert list((work_directory / "job").iterdir()) == []
