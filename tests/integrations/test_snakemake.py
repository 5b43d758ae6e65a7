"""Snakemake: the jobs of workflows are our jobs."""

from __future__ import annotations

import re
import signal

from executors.support import until
from integrations.system import EXAMPLES, PROGRAMS, System, rarely_on_slurm

SNAKEMAKE = ("snakemake", "--executor", "psij-like", "-j", "6", "--seconds-between-status-checks", "1", "--keep-going")
CHECKS = (*SNAKEMAKE, "--snakefile", str(PROGRAMS / "checks.smk"))


def submitted(printed: str, words: str = "was submitted as") -> list[str]:
    """The native ids, in the order of submission."""
    return re.findall(rf"{words} (\S+)\.$", printed, re.MULTILINE)


@rarely_on_slurm
def test_a_workflow(system: System) -> None:
    place = system.at("example")
    printed = place.run(*SNAKEMAKE, "--snakefile", EXAMPLES / "snakemake" / "Snakefile")
    assert (place.here / "all.txt").read_text() == "hello Ada\nhello Bob\nhello Cy\n"
    assert len(set(submitted(printed))) == 4


@rarely_on_slurm
def test_a_group_is_one_job(system: System) -> None:
    place = system.at("group")
    grouped = ("--groups", "greet=hello", "gather=hello", "--group-components", "hello=10")
    printed = place.run(*SNAKEMAKE, *grouped, "--snakefile", EXAMPLES / "snakemake" / "Snakefile")
    assert (place.here / "all.txt").read_text() == "hello Ada\nhello Bob\nhello Cy\n"
    assert len(submitted(printed)) == 1


@rarely_on_slurm
def test_failures_say_why(system: System) -> None:
    place = system.at("failures")
    printed = place.run(*CHECKS, "failed.txt", "impossible.txt", code=1)
    assert re.search(r"FAILED.*exit_code=1", printed)
    (log,) = (place.here / ".snakemake" / "psij-like").glob("failed-*.err")
    assert "something is wrong" in log.read_text()
    assert str(log) in printed
    assert "process_count is 3, it must be a multiple of node_count, 2" in printed


def test_jobs_are_taken_over_from_a_snakemake_that_died(system: System) -> None:
    place = system.at("slow")
    wanted = (*CHECKS, *(f"slow/{number}.txt" for number in (1, 2, 3)))
    first = place.start(*wanted)
    until(lambda: len(list(place.here.glob("began-*"))) == 3, 120)
    first.send(signal.SIGKILL)
    native_ids = submitted(first.end(code=-signal.SIGKILL))
    assert len(native_ids) == 3
    if system.cluster is not None:
        array = native_ids[0].partition("_")[0]
        assert native_ids == [f"{array}_{index}" for index in (1, 2, 3)]
        shown = system.cluster.run("squeue", "-h", "-r", "-j", array, "-o", "%C %m %l %P %a")
        assert shown.stdout == "2 300M 7:00 debug ours\n" * 3
    place.run(*CHECKS, "--unlock")
    second = place.start(*wanted)
    until(lambda: sorted(submitted(second.printed, "was submitted before as")) == native_ids, 60)
    (place.here / "go").touch()
    assert submitted(second.end()) == []
    assert [path.read_text() for path in sorted((place.here / "slow").iterdir())] == ["2\n"] * 3
    assert len(list(place.here.glob("began-*"))) == 3
    place.has_ended()


@rarely_on_slurm
def test_a_job_that_ended_unseen_is_not_taken_over(system: System) -> None:
    place = system.at("unseen")
    first = place.start(*CHECKS, "slow/1.txt")
    until(lambda: list(place.here.glob("began-*")), 120)
    first.send(signal.SIGKILL)
    (native_id,) = submitted(first.end(code=-signal.SIGKILL))
    (place.here / "go").touch()
    place.has_ended()
    place.run(*CHECKS, "--unlock")
    second = place.run(*CHECKS, "--force", "slow/1.txt")
    assert native_id not in submitted(second)
    assert len(list(place.here.glob("began-*"))) == 2
    assert list((place.here / ".snakemake" / "psij-like" / "submissions").iterdir()) == []
