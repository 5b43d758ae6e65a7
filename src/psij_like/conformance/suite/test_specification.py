"""What a job is told, it has: arguments, environment, directory, files, scripts."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from psij_like.staging import StageIn, StageOut, StageOutFlags

_ODD = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "$HOME",
    "`id`",
    "\\",
    "a\nb",
    "*",
    "-x",
    "{{x}}",
    "&amp;",
    "#!",
    "ä€",
    "%j",
    "x" * 5000,
]
_LONG = "x" * 5000


@proves("J2", "J9")
def test_arguments(bench: Bench) -> None:
    words = [*_ODD, _LONG]
    job = bench.submit(bench.shell('for word; do printf "%s\\0" "$word"; done', *words, stdout_path="out"))
    bench.completed(job)
    assert bench.text("out") == "".join(f"{word}\0" for word in words)


@proves("J1", "J9")
def test_an_odd_directory_and_odd_paths(bench: Bench) -> None:
    directory = bench.directory / "a 'b' $c"
    directory.mkdir()
    (directory / "in put").write_text("from standard input\n")
    job = bench.submit(
        bench.shell(
            "cat; pwd; echo wrong >&2",
            directory=directory,
            stdin_path="in put",
            stdout_path="out 1",
            stderr_path=directory / "err $2",
        )
    )
    bench.completed(job)
    assert bench.text(f"{directory.name}/out 1") == f"from standard input\n{directory}\n"
    assert bench.text(f"{directory.name}/err $2") == "wrong\n"


@proves("J2")
def test_environment(bench: Bench) -> None:
    values = {"A": "plain", "B": "${A} and $${A}", "C": "'\"\n$(id)"}
    script = 'printf "%s\\0" "$A" "$B" "$C"'
    job = bench.submit(bench.shell(script, environment=values, stdout_path="out"))
    bench.completed(job)
    assert bench.text("out") == "plain\0plain and ${A}\0'\"\n$(id)\0"


@proves("J3")
def test_environment_that_is_not_inherited(bench: Bench) -> None:
    job = bench.submit(
        bench.spec("/usr/bin/env", inherit_environment=False, environment={"OWN": "1"}, stdout_path="out")
    )
    bench.completed(job)
    names = {line.partition("=")[0] for line in bench.text("out").splitlines()}
    assert "OWN" in names
    assert not names & {"PYTHONPATH", "VIRTUAL_ENV", "SSH_CONNECTION", "PS1", "OLDPWD"}


@proves("J8")
def test_a_job_knows_its_id(bench: Bench) -> None:
    job = bench.submit(bench.shell('echo "$PSIJ_JOB_ID"', stdout_path="out"))
    bench.completed(job)
    assert bench.text("out") == f"{job.id}\n"


@proves("J4")
def test_scripts_before_and_after(bench: Bench) -> None:
    before, after = bench.directory / "before.sh", bench.directory / "after.sh"
    before.write_text("FROM_BEFORE='it was here'; export FROM_BEFORE\n")
    after.write_text('echo after >>"$PWD/out"\n')
    job = bench.submit(bench.shell('echo "$FROM_BEFORE"', stdout_path="out", pre_launch=before, post_launch=after))
    bench.completed(job)
    assert bench.text("out") == "it was here\nafter\n"


@proves("J7", "S6")
def test_a_file_that_is_missing(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/true", stage_in={StageIn(bench.directory / "missing", "target")}))
    status = bench.end(job)
    assert (status.state, status.reason) == (JobState.FAILED, Reason.STAGING_FAILED)
    assert "missing" in str(status.message)


@proves("J7")
@pytest.mark.parametrize("code", [0, 3])
def test_results_are_taken_as_their_flags_say(bench: Bench, code: int) -> None:
    def out(name: str, flags: StageOutFlags) -> StageOut:
        return StageOut("made", bench.directory / name, flags=flags)

    job = bench.submit(
        bench.shell(
            f"echo made >made; exit {code}",
            stage_out={
                out("always", StageOutFlags.ALWAYS),
                out("on-success", StageOutFlags.ON_SUCCESS),
                out("on-error", StageOutFlags.ON_ERROR),
            },
        )
    )
    assert bench.end(job).exit_code == code
    assert bench.text("always") == "made\n"
    taken, left = ("on-error", "on-success") if code else ("on-success", "on-error")
    assert bench.text(taken) == "made\n"
    assert not (bench.directory / left).exists()


@proves("J9")
def test_an_odd_name(bench: Bench) -> None:
    job = bench.submit(bench.spec("/bin/true", name="a 'job' #1; touch x"))
    bench.completed(job)
    assert not (bench.directory / "x").exists()


@proves("R3")
def test_custom_attributes_of_others_are_ignored(bench: Bench) -> None:
    other = "lsf" if bench.settings.executor == "slurm" else "slurm"
    job = bench.submit(bench.spec("/bin/true", attributes=bench.attributes(custom_attributes={f"{other}.x": "1"})))
    bench.completed(job)


@proves("J1")
def test_a_program_from_the_path(bench: Bench) -> None:
    (bench.directory / "bin").mkdir()
    program = bench.directory / "bin" / "a-program-of-our-own"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    status = bench.end(bench.submit(bench.spec(program.name, environment={"PATH": path})))
    assert status.exit_code == 9, shlex.quote(str(Path(path)))
