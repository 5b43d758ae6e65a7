"""Values that are no harm to anybody: they arrive byte for byte, or are refused before anything is done."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from executors.sites import Site, sites
from executors.support import active, cancelled_afterwards, completed, ended, shell, submit
from hostile import LINES, NAMES, NASTY, VALUES, literal
from psij_like import InvalidJobException, Job, JobAttributes, JobExecutor, JobSpec, SubmitException
from psij_like.staging import StageIn, StageOut

# Each example costs a job: few of them, each with many values, and no time for making a failing one smaller.
few = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


# Dumps everything that it was given: arguments, environment, standard input.
DUMPER = """\
#!/bin/sh
printf '%s\\0' "$@" >arguments
env -0 >environment
cat
echo "error" >&2
"""


def check_arrival(
    executor: JobExecutor, place: Path, values: list[str], directory: str, executable: str, files: list[str]
) -> None:
    """Send values through every field of a job that runs a program of that name in a directory of that name."""
    here = place / directory
    here.mkdir()
    stdin, stdout, stderr, staged, taken = (f"{number}{name}" for number, name in enumerate(files))
    (here / stdin).write_bytes(b"in\0put\xff")
    (place / staged).write_text("staged")
    program = here / executable
    program.write_text(DUMPER)
    program.chmod(0o755)
    spec = JobSpec(f"./{executable}", values, here, "dumper", stdin_path=stdin, stdout_path=stdout, stderr_path=stderr)
    environment = {f"V{number}": literal(value) for number, value in enumerate(values)}
    spec.environment = environment
    bare = submit(executor, spec)
    ended(bare)
    told = [_told(here, values, stdout, stderr)]
    completed(bare)

    spec.environment = {"PATH": "/nowhere:${PATH}", **environment}
    spec.launcher = "multiple"
    spec.stage_in = {StageIn(place / staged, staged)}
    spec.stage_out = {StageOut(staged, place / taken)}
    spec.cleanup = {here / staged}
    inside = submit(executor, spec)
    completed(inside)
    told.append(_told(here, values, stdout, stderr))
    assert (place / taken).read_text() == "staged"
    assert not (here / staged).exists()
    assert told == [(values, values, b"in\0put\xff", b"error\n")] * 2
    expected = {stdin, executable, stdout, stderr, "arguments", "environment"}
    assert set(os.listdir(here)) == expected - {stdout, stderr, "arguments", "environment"}


def _told(here: Path, values: list[str], stdout: str, stderr: str) -> tuple[list[str], list[str], bytes, bytes]:
    """What the program found; its files are removed."""
    arguments = os.fsdecode((here / "arguments").read_bytes()).split("\0")[:-1]
    environment = dict(item.split("=", 1) for item in os.fsdecode((here / "environment").read_bytes()).split("\0")[:-1])
    found = (
        arguments,
        [environment[f"V{number}"] for number in range(len(values))],
        (here / stdout).read_bytes(),
        (here / stderr).read_bytes(),
    )
    for name in (stdout, stderr, "arguments", "environment"):
        (here / name).unlink()
    return found


def test_defect_05_hostile_values_arrive_byte_for_byte(executor: JobExecutor, work_directory: Path) -> None:
    check_arrival(executor, work_directory, list(NASTY), "a 'b' \"c\" $d\n", "-e $(id)", ["-n '\"$x\n"] * 5)


@few
@given(st.lists(VALUES, min_size=1, max_size=60), NAMES, NAMES, st.lists(NAMES, min_size=5, max_size=5))
def test_J2_any_value_arrives_byte_for_byte(
    executor: JobExecutor, work_directory: Path, values: list[str], directory: str, executable: str, files: list[str]
) -> None:
    place = Path(tempfile.mkdtemp(dir=work_directory))
    check_arrival(executor, place, values, directory, f"p{executable}", files)


def test_J2_long_values_arrive(executor: JobExecutor, work_directory: Path) -> None:
    values = ["x" * 100_000, "'\"$`\\\n " * 14_000, "é" * 50_000, "\udcff" * 100_000]
    check_arrival(executor, work_directory, values, "d" * 200, "e" * 200, ["f" * 199] * 5)


@sites(having="shown")
@few
@given(LINES.map(lambda text: text[:200]), LINES)
def test_defect_04_what_the_scheduler_reads_arrives(site: Site, executor: JobExecutor, name: str, comment: str) -> None:
    pending = dict(site.pending or {})
    attributes = JobAttributes(custom_attributes={**pending, f"{site.executor}.comment": comment})
    job = submit(executor, JobSpec("/bin/true", name=name, attributes=attributes))
    with cancelled_afterwards(job):
        assert _shown(site, "name", job) == name
        assert _shown(site, "comment", job) == comment


def _shown(site: Site, what: str, job: Job) -> str:
    argv = [*site.shown[what], str(job.native_id)]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
    return os.fsdecode(done.stdout).removesuffix("\n")


def test_defect_04_no_value_is_run_as_code(
    executor: JobExecutor, work_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused as invalid, refused by the backend, or taken as a mere name: nothing of it is ever run."""
    monkeypatch.chdir(work_directory)
    mark = work_directory / "injected"
    code = f"touch '{mark}'"
    attacks = (
        *(f"x\n{code}\n", f"x\r{code}", f"x\u2028{code}", f"x\x85{code}", f"x\0{code}"),
        *(f"$({code})", f"`{code}`", f"x; {code}", f"x'; {code}; '", f'x"; {code}; "', f"x\\\n{code}", f"x #\n{code}"),
    )
    jobs = []
    for attack in attacks:
        for attributes in (
            JobAttributes(queue_name=attack),
            JobAttributes(account=attack),
            JobAttributes(reservation_id=attack),
            JobAttributes(custom_attributes={f"{executor.name}.comment": attack}),
            JobAttributes(),
        ):
            name = attack if attributes == JobAttributes() else None
            job = Job(JobSpec("/bin/true", name=name, attributes=attributes))
            control = any(not character.isprintable() for character in attack)
            try:
                executor.submit(job)
            except (InvalidJobException, SubmitException) as error:
                assert isinstance(error, InvalidJobException) or not control, attack
            else:
                assert not control, attack
                jobs.append(job)
    completed(*jobs)
    assert not mark.exists()


def test_defect_05_bad_names_of_variables_are_refused(executor: JobExecutor) -> None:
    for name in ("", "1X", "X Y", "X=Y", "X\n", "é", "X-Y", "X;id", "$X", "BASH_FUNC_x%%", "X\0"):
        with pytest.raises(InvalidJobException, match="environment"):
            executor.submit(Job(JobSpec("/bin/true", environment={name: "x"})))


def test_secrets_are_in_no_file_that_others_can_read(executor: JobExecutor, work_directory: Path) -> None:
    spec = shell("sleep 600", environment={"SECRET": "s3cr3t"}, cleanup={work_directory / "none"})
    job = submit(executor, spec)
    with cancelled_afterwards(job):
        active(job)
        for path in executor.config.work_directory.rglob("*"):
            if path.is_file() and b"s3cr3t" in path.read_bytes():
                assert path.stat().st_mode & 0o077 == 0, path
        assert executor.config.work_directory.stat().st_mode & 0o077 == 0
    ended(job)
