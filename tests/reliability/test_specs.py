"""Specifications full of harm: what a real shell makes of their scripts, and schedulers of their directives."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from hostile import LINES, NAMES, VALUES, literal
from psij_like import InvalidJobException, Job, JobAttributes, JobExecutor, JobSpec, JobState
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor
from psij_like.staging import StageIn, StageOut, StagingMode
from reliability.at_once import AtOnce
from reliability.directives import CONTROL, READERS
from reliability.scale import examples, tried

DUMPER = "#!/bin/sh\n/bin/cat /proc/$$/cmdline /proc/$$/environ -\necho error >&2\n"
LONG = st.sampled_from(["x" * 100_000, "'\"$`\\\n " * 14_000, "é" * 50_000, "\udcff" * 100_000])
SOME = st.lists(st.one_of(VALUES, VALUES, VALUES, VALUES, LONG), max_size=6)
REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Drawn:
    """A job at random."""

    arguments: list[str]
    environment: list[str]
    names: list[str]
    stdin: bytes
    inherit: bool
    refers: bool
    stages: bool
    sources: bool
    modes: tuple[StagingMode, StagingMode]
    launcher: str | None


JOBS = st.builds(
    Drawn,
    SOME,
    SOME,
    st.lists(NAMES, min_size=9, max_size=9),
    st.binary(max_size=40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.tuples(*[st.sampled_from(list(StagingMode))] * 2),
    st.sampled_from([None, "single", "multiple"]),
)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtOnce]:
    yield AtOnce(tmp_path_factory.mktemp("at-once"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


def expanded(value: str, known: Mapping[str, str]) -> str:
    """J2, once more."""
    return REFERENCE.sub(lambda found: found[0][1:] if found[1] else known.get(found[2], ""), value)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("which", ["local", "plain", *READERS])
@examples(10_000 // 9 + 1, 30, phases=(Phase.explicit, Phase.generate))  # making one smaller takes too many jobs
@given(drawn=JOBS)
def test_J2_what_is_given_arrives_byte_for_byte(at_once: AtOnce, place: Path, which: str, drawn: Drawn) -> None:
    tried[f"specs through a real shell, {which}"] += 1
    directory, executable, stdin, stdout, stderr, staged, taken, before, after = (
        f"{number}{name}" for number, name in enumerate(drawn.names)
    )
    here = place / f"{next(NUMBERS)}" / directory
    here.mkdir(parents=True)
    program = here / executable
    program.write_text(DUMPER)
    program.chmod(0o755)
    (here / stdin).write_bytes(drawn.stdin)
    environment = {f"V{number}": literal(value) for number, value in enumerate(drawn.environment)}
    if drawn.refers and sum(map(len, drawn.environment[:2])) < 30_000:  # one variable may take 128 KiB
        environment["W"] = "".join(drawn.environment[:1])[:1000] + "<${V0}|$${V0}|${V1}>"
    spec = JobSpec(f"./{executable}", drawn.arguments, here, "n", drawn.inherit, environment)
    spec.stdin_path, spec.stdout_path, spec.stderr_path = Path(stdin), Path(stdout), Path(stderr)
    spec.launcher = drawn.launcher
    if drawn.stages:
        (here.parent / staged).write_bytes(drawn.stdin)
        spec.stage_in = {StageIn(here.parent / staged, staged, drawn.modes[0])}
        spec.stage_out = {StageOut(staged, here.parent / "taken" / taken, mode=drawn.modes[1])}
        spec.cleanup = {Path(staged)}
    if drawn.sources:
        (here / before).write_text("export BEFORE='a b'\n")
        (here / after).write_text(f"echo \"$BEFORE\" >'{here.parent}/after'\n" if "'" not in directory else ":\n")
        spec.pre_launch, spec.post_launch = here / before, here / after
    told, said = run(at_once, which, spec, here / stdout), (here / stderr).read_bytes()

    assert told.endswith(drawn.stdin)
    _, itself, *rest = os.fsdecode(told[: len(told) - len(drawn.stdin)]).split("\0")[:-1]
    assert itself.endswith(f"/{executable}")
    assert rest[: len(drawn.arguments)] == drawn.arguments
    found = dict(item.partition("=")[::2] for item in rest[len(drawn.arguments) :])
    known: dict[str, str] = {}
    for name, value in environment.items():
        known[name] = expanded(value, known)
    assert {name: found.get(name) for name in known} == known
    if which != "plain":  # there it is the plug-in's own business
        assert ("MARK" in found) == drawn.inherit
    assert said == b"error\n"
    if drawn.stages:
        assert (here.parent / "taken" / taken).is_symlink() or (
            here.parent / "taken" / taken
        ).read_bytes() == drawn.stdin
        assert not os.path.lexists(here / staged)
    if drawn.sources:
        assert found["BEFORE"] == "a b"
        assert "'" in directory or (here.parent / "after").read_text() == "a b\n"
    shutil.rmtree(here.parent)


def run(at_once: AtOnce, which: str, spec: JobSpec, stdout: Path) -> bytes:
    """What the job wrote on its standard output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", at_once.paths[which] + os.environ["PATH"])
        patch.setenv("MARK", "the submitter's")
        job = Job(spec)
        at_once.executors[which].submit(job)
    status = job.wait(timedelta(seconds=30))
    assert status is not None
    assert (status.state, status.exit_code) == (JobState.COMPLETED, 0), status
    return stdout.read_bytes()


FIELDS = st.one_of(st.none(), VALUES, LINES, LINES)


@examples(10_000, 150)
@given(st.tuples(FIELDS, FIELDS, FIELDS, FIELDS, FIELDS), st.dictionaries(VALUES, VALUES, max_size=2))
def test_defect_04_a_directive_is_refused_or_says_what_was_given(
    at_once: AtOnce, fields: tuple[str | None, ...], others: dict[str, str]
) -> None:
    tried["specs through the directives of all schedulers"] += 1
    for which in READERS:
        executor = at_once.executors[which]
        check_directives(executor, *fields)
        for name, value in others.items():  # names at random, too
            attributes = {f"{which}.{name}": value}
            try:
                lines = directives(executor, JobSpec("/bin/true"), JobAttributes(custom_attributes=attributes))
            except InvalidJobException:
                continue
            assert not any(map(CONTROL.search, lines))
            assert len(list(map(READERS[which].words, lines))) <= len(directives(executor, JobSpec("/bin/true"))) + 1


def directives(executor: JobExecutor, spec: JobSpec, attributes: JobAttributes | None = None) -> list[str]:
    assert isinstance(executor, BatchSchedulerExecutor)
    spec.attributes = attributes or JobAttributes()
    return executor.directives(Job(spec))


def check_directives(
    executor: JobExecutor,
    name: str | None,
    queue: str | None,
    account: str | None,
    reservation: str | None,
    custom: str | None,
) -> None:
    reader = READERS[executor.name]
    given = {
        key: value
        for key, value in ((reader.queue, queue), (reader.account, account), (reader.reservation, reservation))
        if value
    }
    given |= dict.fromkeys(reader.custom.values(), custom) if custom else {}
    harmful = any(CONTROL.search(value) for value in (*given.values(), name or ""))
    attributes = JobAttributes(queue_name=queue, account=account, reservation_id=reservation)
    attributes.custom_attributes = {f"{executor.name}.{option}": custom for option in reader.custom if custom}
    try:
        lines = directives(executor, JobSpec("/bin/true", name=name), attributes)
    except InvalidJobException:
        return
    assert not harmful
    tried[f"hostile directives taken, {executor.name}"] += 1
    assert not any(map(CONTROL.search, lines))
    read = [reader.words(line) for line in lines]
    for words, value in given.items():
        if [*words, value] not in read:
            assert reader.split, (words, value, lines)
            assert value.split() != value.split(" ") or len(value.split()) != 1
    plain = JobAttributes(queue_name=queue and "x", account=account and "x", reservation_id=reservation and "x")
    plain.custom_attributes = {f"{executor.name}.{option}": "x" for option in reader.custom if custom}
    twin = [reader.words(line)[0] for line in directives(executor, JobSpec("/bin/true", name=name and "x"), plain)]
    assert [words[0] for words in read] == twin or reader.split
