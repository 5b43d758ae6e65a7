"""Cobalt's parsers, fed with what a real Cobalt said, and with what makes no sense."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.host import Result
from psij_like.executors.batch.cobalt import Cobalt
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import names, recorded

COBALT = Cobalt(User(1000, "cobaltuser"))
STATES = {
    "queued": (JobState.QUEUED, None),
    "user_hold": (JobState.QUEUED, Reason.HELD),
    "admin_hold": (JobState.QUEUED, Reason.HELD),
    "dep_hold": (JobState.QUEUED, None),
    "dep_fail": (JobState.QUEUED, Reason.DEPENDENCY_FAILED),
    "maxrun_hold": (JobState.QUEUED, None),
    "starting": (JobState.QUEUED, None),
    "running": (JobState.ACTIVE, None),
    "killing": (JobState.ACTIVE, None),
    "exiting": (JobState.ACTIVE, None),
    "preempted": (JobState.QUEUED, None),
    "done": (None, None),
}


def listed(*jobs: tuple[str, str]) -> str:
    return "".join(f"JobID: {native_id}\n    State : {state}\n    User  : cobaltuser\n\n" for native_id, state in jobs)


# ---- submission


@pytest.mark.parametrize("name", names("cobalt", "qsub-"))
def test_E1_E3_ids_and_refusals(name: str) -> None:
    result = recorded("cobalt", name)
    if result.exit_code == 0:
        assert COBALT.native_id(result) == result.stdout.strip()
        return
    with pytest.raises(Refused) as caught:
        COBALT.native_id(result)
    assert not caught.value.transient
    assert result.stderr.strip().splitlines()[-1] in str(caught.value)


def test_E3_an_outage_is_transient() -> None:
    proxy = 'No handlers could be found for logger "Proxy"\ncomponent error: '
    for words in (
        "Failed to connect to system: Proxy.py     :L#422:cn:system\n",
        "Following exception occurred while trying to execute queue-manager.del_jobs: Proxy.py     :L#422\n",
    ):
        with pytest.raises(Refused) as caught:
            COBALT.native_id(Result(("qsub",), 1, "", proxy + words))
        assert caught.value.transient


# ---- the states of jobs


def test_recorded_lists_are_understood() -> None:
    text = recorded("cobalt", "qstat-l").stdout
    # That one has more columns than are asked for; those of ours, in our order:
    ours = re.findall(r"^JobID: (\d+)$.*?^ +State +: (\w+)$", text, re.MULTILINE | re.DOTALL)
    assert len(ours) == 11
    found = COBALT.reports(Result((), 0, listed(*ours), ""))
    assert {native_id: (report.state, report.reason) for native_id, report in found.items()} == {
        native_id: STATES[state] for native_id, state in ours
    }


@pytest.mark.parametrize("state", STATES)
def test_states(state: str) -> None:
    (report,) = COBALT.reports(Result((), 0, listed(("7", state)), "")).values()
    assert (report.state, report.reason) == STATES[state]
    assert report.native_state == state


@pytest.mark.parametrize("name", ["qstat-unknown", "qstat-unknown-l", "qstat-finished", "qstat-finished-l"])
def test_jobs_that_are_gone(name: str) -> None:
    assert COBALT.reports(recorded("cobalt", name)) == {}


def test_defect_03_a_server_that_is_down_says_nothing_about_jobs() -> None:
    for result in (
        Result((), 1, "", "component error: Failed to connect to queue-manager: connection refused\n"),
        recorded("cobalt", "qstat-badid"),
        Result((), 2, "", ""),
    ):
        with pytest.raises(Unavailable):
            COBALT.reports(result)


# ---- logs


@pytest.mark.parametrize(
    ("name", "state", "reason", "code", "signal"),
    [
        ("ok", JobState.COMPLETED, Reason.EXIT, 0, None),
        ("good", JobState.COMPLETED, Reason.EXIT, 0, None),
        ("exit3", JobState.FAILED, Reason.EXIT, 3, None),
        ("segv", JobState.FAILED, Reason.SIGNAL, 139, 11),
        ("killed", JobState.CANCELED, Reason.CANCELLED, None, None),
        ("pendkill", JobState.CANCELED, Reason.CANCELLED, None, None),
    ],
)
def test_logs(name: str, state: JobState, reason: Reason, code: int | None, signal: int | None) -> None:
    text = recorded("cobalt", f"file-{name}-log").stdout
    report = COBALT.log_report("7", text)
    assert report is not None
    assert (report.state, report.reason, report.exit_code, report.signal) == (state, reason, code, signal)
    assert COBALT.log_report("7", "\n".join(text.splitlines()[:-1])) is None  # it has not ended yet


def test_ends_that_nobody_recorded() -> None:
    start = "Fri Nov 20 21:55:28 2026 +0000 (UTC) Info: "
    over = f"{start}maximum execution time exceeded; initiating job termination\n"
    foreign = f"{start}user delete requested with signal SIGTERM by user root\n"
    own = f"{start}user delete requested with signal SIGTERM by user cobaltuser\n"

    def exited(code: int) -> str:
        return f"{start}task completed normally with an exit code of {code}; initiating job cleanup and removal\n"

    for text, expected in (
        (over, (JobState.FAILED, Reason.TIMEOUT)),
        (over + exited(143), (JobState.FAILED, Reason.TIMEOUT)),
        (foreign, (JobState.CANCELED, Reason.CANCELLED_BY_ADMIN)),
        (own + exited(143), (JobState.CANCELED, Reason.CANCELLED)),
        (own + exited(0), (JobState.COMPLETED, Reason.EXIT)),  # it took its time, and ended by itself
    ):
        report = COBALT.log_report("7", text)
        assert report is not None
        assert (report.state, report.reason) == expected


# ---- cancelling, holding


@pytest.mark.parametrize("name", names("cobalt", "qdel-"))
def test_C2_cancels(name: str) -> None:
    result = recorded("cobalt", name)
    if result.exit_code == 0:
        COBALT.check_cancel(result)
    else:
        with pytest.raises(Refused):
            COBALT.check_cancel(result)


def test_holds() -> None:
    COBALT.check_hold(recorded("cobalt", "qhold"))
    COBALT.check_hold(recorded("cobalt", "qrls"))
    COBALT.check_hold(
        Result((), 0, "   Failed to place user hold on jobs: \n      job 7 already in state 'user hold'\n", "")
    )
    for words in ("job 7 not found", "job 7 has already completed", "job 7 is already active"):
        with pytest.raises(Refused):
            COBALT.check_hold(Result((), 0, f"   Failed to place user hold on jobs: \n      {words}\n", ""))


# ---- what makes no sense

JOBS = (("11", "running"), ("12", "queued"), ("13", "user_hold"), ("14", "killing"))
BLOCKS = [listed(job) for job in JOBS]


@given(data=st.data())
def test_defect_02_garbage_between_the_jobs_changes_no_report(data: st.DataObject) -> None:
    expected = COBALT.reports(Result((), 0, "".join(BLOCKS), ""))
    assert tuple(expected) == tuple(native_id for native_id, _ in JOBS)
    mixed = list(data.draw(st.permutations(BLOCKS)))
    odd = st.one_of(st.text(), st.sampled_from([listed(("99", "daydreaming")), "JobID: 99\n", "    State : queued\n"]))
    for garbage in data.draw(st.lists(odd.filter(lambda text: "JobID: 1" not in text), min_size=1, max_size=5)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), f"{garbage}\n")
    found = COBALT.reports(Result((), 0, "".join(mixed), ""))
    assert {native_id: found[native_id] for native_id in expected} == expected


@given(cut=st.integers(0, 300))
def test_defect_02_an_answer_that_breaks_off(cut: int) -> None:
    whole = "".join(BLOCKS)
    expected = COBALT.reports(Result((), 0, whole, ""))
    try:
        found = COBALT.reports(Result((), 0, whole[:cut], ""))
    except Unavailable:
        assert cut < len("JobID:")
        return
    for report in list(found.values())[:-1]:
        assert report == expected[report.native_id]
    if found:
        last = list(found.values())[-1]
        assert last == expected[last.native_id] or last.state is None


@given(st.text(), st.text(), st.integers(0, 255))
@example("JobID: " + "9" * 5000 + "\n    State : running\n", "", 0)
@example("Info: task completed normally with an exit code of ²;", "", 0)
def test_parsers_are_total(stdout: str, stderr: str, exit_code: int) -> None:
    result = Result(("qstat",), exit_code, stdout, stderr)
    calls: list[Callable[[], object]] = [
        lambda: COBALT.reports(result),
        lambda: COBALT.log_report("7", stdout),
        lambda: COBALT.check_cancel(result),
        lambda: COBALT.check_hold(result),
        lambda: COBALT.native_id(result),
    ]
    for number, call in enumerate(calls):
        try:
            call()
        except (Unavailable, Refused):
            pass
        except ValueError:
            assert number == 4  # the agreed word for "nobody knows"
            assert exit_code == 0


def test_one_command_asks_about_all_jobs() -> None:
    """E4"""
    assert COBALT.status_command([str(number) for number in range(10_000)]) == COBALT.status_command(["1"])
    assert COBALT.cancel_command(["1", "2"]).argv == ("qdel", "1", "2")
