"""Slurm's parsers, fed with what real Slurms of three versions said."""

from __future__ import annotations

import pytest

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors.batch.slurm import Slurm
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import SACCT, names, recorded, sacct_as_asked, seconds, squeue_as_asked

VERSIONS = ("slurm-22.05", "slurm-24.11", "slurm-26.05")
OLD = "slurm-22.05"  # the one with accounting
SLURM = Slurm(User(1000, "user1"))
STATES = {
    "PENDING": JobState.QUEUED,
    "RUNNING": JobState.ACTIVE,
    "SUSPENDED": JobState.ACTIVE,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "TIMEOUT": JobState.FAILED,
    "CANCELLED": JobState.CANCELED,
}


def squeue(version: str, name: str) -> dict[str, Report]:
    return dict(SLURM.reports(squeue_as_asked(recorded(version, name))))


def sacct(version: str, name: str, *columns: str) -> dict[str, Report]:
    return dict(SLURM.detail_reports(0, sacct_as_asked(recorded(version, name), *columns)))


SHORT = ("id", "state", "code", "derived", "start", "end")


# ---- submission


@pytest.mark.parametrize("version", VERSIONS)
def test_E1_the_id_of_a_submitted_job(version: str) -> None:
    assert SLURM.native_id(recorded(version, "sbatch-parsable")).isdigit()
    assert SLURM.native_id(Result((), 0, "12;cluster\n", "")) == "12"
    assert SLURM.native_id(Result((), 0, "sbatch: a plug-in's banner\n12\n", "")) == "12"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_without_an_id_is_no_refusal(version: str) -> None:
    """Nobody knows then whether it was submitted: it must not look as if it might be submitted again."""
    for stdout in (recorded(version, "sbatch-good").stdout, "", "\n", "x12\n", "12 13\n", "-1\n"):
        with pytest.raises(ValueError, match="no job id"):
            SLURM.native_id(Result((), 0, stdout, ""))


REFUSALS = [(version, name) for version in VERSIONS for name in names(version, "sbatch-")]


@pytest.mark.parametrize(("version", "name"), REFUSALS)
def test_E3_refusals_have_slurms_own_words_and_are_not_transient(version: str, name: str) -> None:
    result = recorded(version, name)
    if result.exit_code == 0:
        return
    with pytest.raises(Refused) as caught:
        SLURM.native_id(result)
    assert not caught.value.transient
    assert result.stderr.strip() in str(caught.value)
    assert f"exit code {result.exit_code}" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: slurm_persist_conn_open_without_init: failed to open persistent connection: Connection refused",
        "sbatch: error: Batch job submission failed: Unexpected communication failure",
    ],
)
def test_E3_an_outage_is_transient(words: str) -> None:
    with pytest.raises(Refused) as caught:
        SLURM.native_id(Result(("sbatch",), 1, "", words + "\n"))
    assert caught.value.transient


# ---- the states of jobs


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_listing_is_understood_to_its_last_line(version: str) -> None:
    for name in names(version, "squeue-"):
        result = recorded(version, name)
        if result.exit_code != 0 or name == "squeue-array-compact":
            continue
        found = squeue(version, name)
        lines = [line.split("|") for line in result.stdout.splitlines()]
        assert sorted(found) == sorted(line[0] for line in lines), name
        for native_id, _, native_state, reason, *_ in lines:
            report = found[native_id]
            assert (report.native_state, report.state) == (native_state, STATES[native_state]), name
            assert report.native_reason == ("" if reason == "None" else reason)


@pytest.mark.parametrize("version", VERSIONS)
def test_elements_that_are_not_listed_singly_are_no_news(version: str) -> None:
    found = squeue(version, "squeue-array-compact")
    assert len(found) == 2
    assert all(report.state is JobState.ACTIVE for report in found.values())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("held", JobState.QUEUED, Reason.HELD),
        ("user-held", JobState.QUEUED, Reason.HELD),
        ("pending-resources", JobState.QUEUED, None),
        ("pending-begin", JobState.QUEUED, None),
        ("pending-dependency", JobState.QUEUED, None),
        ("dependency-never-satisfied", JobState.QUEUED, Reason.DEPENDENCY_FAILED),
        ("running", JobState.ACTIVE, None),
        ("suspended", JobState.ACTIVE, None),
        ("end-ok", JobState.COMPLETED, None),
        ("end-exit3", JobState.FAILED, None),
        ("end-timeout", JobState.FAILED, Reason.TIMEOUT),
        ("cancelled-while-pending", JobState.CANCELED, None),
        ("cancelled-while-running", JobState.CANCELED, None),
    ],
)
def test_states(version: str, name: str, state: JobState, reason: Reason | None) -> None:
    (report,) = squeue(version, f"squeue-{name}").values()
    assert (report.state, report.reason) == (state, reason)


@pytest.mark.parametrize("version", VERSIONS)
def test_times_are_slurms_own(version: str) -> None:
    """S4"""
    (active,) = squeue(version, "squeue-running").values()
    (ended,) = squeue(version, "squeue-end-ok").values()
    (pending,) = squeue(version, "squeue-pending-resources").values()
    for report, column in ((active, 5), (ended, 6)):
        name = "squeue-running" if report is active else "squeue-end-ok"
        text = recorded(version, name).stdout.strip().split("|")[column]
        assert report.time == float(seconds(text))
    assert pending.time is None


@pytest.mark.parametrize("version", ["slurm-24.11", "slurm-26.05"])
@pytest.mark.parametrize(("name", "signal"), [("kill9", 9), ("segv", 11), ("term", 15)])
def test_newer_versions_name_the_signal(version: str, name: str, signal: int) -> None:
    (report,) = squeue(version, f"squeue-end-{name}").values()
    assert (report.state, report.reason, report.signal) == (JobState.FAILED, Reason.SIGNAL, signal)


@pytest.mark.parametrize("version", VERSIONS)
def test_defect_03_a_controller_that_is_down_says_nothing_about_jobs(version: str) -> None:
    with pytest.raises(Unavailable, match="Unable to contact slurm controller") as caught:
        SLURM.reports(recorded(version, "squeue-controller-down"))
    assert not caught.value.for_good


# ---- the details


@pytest.mark.parametrize(
    ("name", "state", "reason", "exit_code", "signal"),
    [
        ("ok", JobState.COMPLETED, Reason.EXIT, 0, None),
        ("exit3", JobState.FAILED, Reason.EXIT, 3, None),
        ("kill9", JobState.FAILED, Reason.SIGNAL, 0, 9),
        ("segv", JobState.FAILED, Reason.SIGNAL, 0, 11),
        ("term", JobState.FAILED, Reason.SIGNAL, 0, 15),
        ("bad-chdir", JobState.COMPLETED, Reason.EXIT, 0, None),
        ("step-fails", JobState.COMPLETED, Reason.EXIT, 0, None),
        ("oom", JobState.COMPLETED, Reason.EXIT, 0, None),
    ],
)
def test_accounting(name: str, state: JobState, reason: Reason, exit_code: int | None, signal: int | None) -> None:
    (report,) = sacct(OLD, f"sacct-end-{name}", *SACCT).values()
    assert (report.state, report.reason, report.exit_code, report.signal) == (state, reason, exit_code, signal)
    assert report.time is not None
    assert report.final


def test_accounting_of_a_time_limit() -> None:
    (report,) = sacct(OLD, "sacct-end-timeout", *SHORT).values()
    assert (report.state, report.reason) == (JobState.FAILED, Reason.TIMEOUT)


def test_accounting_of_arrays() -> None:
    found = sacct(OLD, "sacct-end-array", *SACCT)
    assert {native_id: report.exit_code for native_id, report in found.items()} == {f"25_{n}": n for n in range(5)}
    found = sacct(OLD, "sacct-end-array-limited", *SACCT)
    assert found["26_5"].state is JobState.ACTIVE
    assert found["26_5"].time is None


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("held", JobState.QUEUED),
        ("pending-begin", JobState.QUEUED),
        ("pending-dependency", JobState.QUEUED),
        ("pending-resources", JobState.QUEUED),
        ("running", JobState.ACTIVE),
    ],
)
def test_accounting_of_living_jobs(name: str, state: JobState) -> None:
    (report,) = sacct(OLD, f"sacct-{name}", *SHORT).values()
    assert (report.state, report.reason, report.time) == (state, None, None)


def test_accounting_does_not_know_the_job() -> None:
    assert SLURM.detail_reports(0, recorded(OLD, "sacct-unknown")) == {}


@pytest.mark.parametrize("version", ["slurm-24.11", "slurm-26.05"])
def test_a_site_without_accounting_is_found_out_for_good(version: str) -> None:
    with pytest.raises(Unavailable, match="accounting storage is disabled") as caught:
        SLURM.detail_reports(0, recorded(version, "sacct-end-exit3"))
    assert caught.value.for_good


def test_accounting_that_is_down_is_asked_again() -> None:
    words = "sacct: error: Problem talking to the database: Connection refused\n"
    with pytest.raises(Unavailable) as caught:
        SLURM.detail_reports(0, Result((), 1, "", words))
    assert not caught.value.for_good


@pytest.mark.parametrize("version", VERSIONS)
def test_squeue_as_the_source_of_details(version: str) -> None:
    assert SLURM.detail_reports(1, recorded(version, "squeue-unknown")) == {}
    with pytest.raises(Unavailable):
        SLURM.detail_reports(1, recorded(version, "squeue-controller-down"))
    lines = "17|FAILED|768|1700000000|1000|\n18|FAILED|9|1700000000|1000|\n25_0|COMPLETED|0|1700000000|1000|\n"
    found = SLURM.detail_reports(1, Result((), 0, lines, ""))
    assert [(one.exit_code, one.signal) for one in found.values()] == [(3, None), (0, 9), (0, None)]


def test_who_cancelled() -> None:
    slurm = Slurm(User(1000, "user1"))
    lines = [
        "1|CANCELLED by 1000|0:0|9|1000",
        "2|CANCELLED by 1000|0:0|9|0",  # not wholly in the database yet
        "3|CANCELLED by 1001|0:0|9|1001",  # somebody else's job, and by that user
        "4|CANCELLED by 1001|0:0|9|1000",
        "5|CANCELLED by 0|0:0|9|1000",
        "6|CANCELLED by 0|0:0|9|0",
        "7|CANCELLED|0:0|9|1000",
    ]
    found = slurm.detail_reports(0, Result((), 0, "\n".join(lines) + "\n", ""))
    assert [one.state for one in found.values()] == [JobState.CANCELED] * 7
    own, admin = Reason.CANCELLED, Reason.CANCELLED_BY_ADMIN
    assert [one.reason for one in found.values()] == [own, own, own, admin, admin, admin, None]


# ---- cancelling


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in VERSIONS for name in names(version, "scancel-")]
)
def test_C2_every_recorded_cancel_was_taken(version: str, name: str) -> None:
    SLURM.check_cancel(recorded(version, name))


def test_a_cancel_that_is_not_taken() -> None:
    words = "scancel: error: Kill job error on job id 5: Access/permission denied\n"
    with pytest.raises(Refused, match="permission denied"):
        SLURM.check_cancel(Result(("scancel", "5"), 1, "", words))
