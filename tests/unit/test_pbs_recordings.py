"""PBS Pro's parsers, fed with what a real OpenPBS said, whole and spoilt."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors.batch.pbs import Pbs
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import names, recorded

PBS = Pbs(User(1000, "pbsuser"))
QUEUED, ACTIVE, COMPLETED = JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED
FAILED, CANCELED = JobState.FAILED, JobState.CANCELED


def said(name: str) -> Result:
    return recorded("openpbs", name)


def one(name: str) -> tuple[JobState | None, Reason | None, int | None, int | None]:
    (report,) = PBS.reports(said(name)).values()
    return report.state, report.reason, report.exit_code, report.signal


# ---- submission, cancel, hold


@pytest.mark.parametrize("name", names("openpbs", "qsub-"))
def test_E1_E3_submissions_have_an_id_or_are_refused_in_its_own_words(name: str) -> None:
    result = said(name)
    if result.exit_code == 0 and result.stdout.strip().endswith(".pbshost"):
        assert PBS.native_id(result) == result.stdout.strip()
    elif result.exit_code == 0:  # -z, --version, and commands that are none of qsub's
        with pytest.raises(ValueError, match="no job id"):
            PBS.native_id(result)
    else:
        with pytest.raises(Refused) as caught:
            PBS.native_id(result)
        assert not caught.value.transient
        assert result.stderr.strip() in str(caught.value)


def test_E1_the_id_of_an_array() -> None:
    assert PBS.native_id(said("array-N-arr-J-0-9")) == "1017[].pbshost"


def test_E3_an_outage_is_transient() -> None:
    for name, read in {
        "down-qsub": PBS.native_id,
        "down-qhold": PBS.check_hold,
    }.items():
        with pytest.raises(Refused) as caught:
            read(said(name))
        assert caught.value.transient, name
    with pytest.raises(Refused):
        PBS.check_cancel(said("down-qdel"))
    with pytest.raises(Unavailable, match="cannot connect to server"):
        PBS.reports(said("down-qstat-f-F-json-x"))


@pytest.mark.parametrize("name", ["qdel", "qdel-2", "qdel-3", "nohistory-qdel-1", "array-qdel", "state-deleted-x-qdel"])
def test_defect_08_cancels_of_jobs_that_have_ended_or_are_not_known_are_no_errors(name: str) -> None:
    PBS.check_cancel(said(name))


@pytest.mark.parametrize("name", ["hold-qhold-h-s", "hold-qhold-3", "hold-qrls-2", "hold-qrls-4"])
def test_refused_holds(name: str) -> None:
    with pytest.raises(Refused) as caught:
        PBS.check_hold(said(name))
    assert not caught.value.transient
    PBS.check_hold(said("hold-qhold"))


# ---- states

STATES = {
    "deleted-force": (CANCELED, Reason.CANCELLED, None, None),
    "deleted-while-held": (CANCELED, Reason.CANCELLED, None, None),
    "deleted-while-queued": (CANCELED, Reason.CANCELLED, None, None),
    "deleted-while-running": (CANCELED, Reason.CANCELLED, None, None),
    "deleted-while-running-ignoring-TERM": (CANCELED, Reason.CANCELLED, None, None),
    "exiting": (ACTIVE, None, None, None),
    "finished-255": (FAILED, Reason.EXIT, 255, None),
    "finished-7": (FAILED, Reason.EXIT, 7, None),
    "finished-ok": (COMPLETED, Reason.EXIT, 0, None),
    "held": (QUEUED, Reason.HELD, None, None),
    "last-command-killed-9": (FAILED, Reason.EXIT, 137, None),
    "qsig-KILL": (FAILED, Reason.SIGNAL, None, 9),
    "qsig-TERM": (FAILED, Reason.SIGNAL, None, 15),
    "queued-cannot-run": (QUEUED, None, None, None),
    "queued-stopped-queue": (QUEUED, None, None, None),
    "running": (ACTIVE, None, None, None),
    "self-kill-15": (FAILED, Reason.EXIT, 143, None),
    "self-kill-9": (FAILED, Reason.EXIT, 137, None),
    "self-segv": (FAILED, Reason.EXIT, 139, None),
    "suspended": (ACTIVE, None, None, None),
    "waiting": (QUEUED, None, None, None),
    "walltime-exceeded": (FAILED, Reason.TIMEOUT, None, None),
}


@pytest.mark.parametrize("case", list(STATES))
def test_states_of_real_jobs(case: str) -> None:
    assert one(f"state-{case}-json") == STATES[case]


def test_every_state_that_was_recorded_is_known() -> None:
    recorded_states = {name.removeprefix("state-") for name in names("openpbs", "state-") if name.endswith("-json")}
    assert recorded_states == {f"{case}-json" for case in STATES} | {"deleted-x-json"}
    assert one("state-suspended-json-2")[0] is ACTIVE
    assert one("state-exiting-json-2")[0] is ACTIVE


def test_dependencies() -> None:
    assert one("depend-qstat-f-F-json") == (QUEUED, None, None, None)  # it waits, but nobody holds it
    assert one("depend-qstat-f-F-json-x")[0] is COMPLETED
    for name in ("depend-qstat-f-F-json-x-2", "depend-qstat-f-F-json-x-3"):
        assert one(name) == (FAILED, Reason.DEPENDENCY_FAILED, None, None)


def test_elements_of_arrays_tell_their_own_ends() -> None:
    reports = PBS.reports(said("array-qstat-x-f-F-json-3"))
    assert (reports["1017[3].pbshost"].state, reports["1017[3].pbshost"].exit_code) == (FAILED, 3)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        # As a real one told of elements: of one that ended before it ran all but the letter is that of the array.
        ({"job_state": "Q", "substate": 10, "Hold_Types": "u"}, (QUEUED, Reason.HELD)),
        ({"job_state": "Q", "substate": 10, "Hold_Types": "s"}, (QUEUED, None)),
        ({"job_state": "X", "substate": 20, "Hold_Types": "u", "comment": "Subjob finished"}, None),
        ({"job_state": "X", "substate": 70, "Exit_status": 0, "comment": "Subjob finished"}, None),
        ({"job_state": "F", "substate": 92, "Exit_status": 0, "comment": "Subjob finished"}, None),
        ({"job_state": "F", "substate": 92, "comment": "Subjob finished"}, (FAILED, Reason.DEPENDENCY_FAILED)),
        ({"job_state": "F", "substate": 91, "comment": "Subjob finished"}, (CANCELED, Reason.CANCELLED)),
        ({"job_state": "F", "substate": 92, "Exit_status": 0, "comment": "Subjob failed"}, (FAILED, Reason.EXIT)),
        ({"job_state": "X", "substate": 70, "comment": "Subjob terminated"}, (CANCELED, Reason.CANCELLED)),
    ],
)
def test_elements_that_are_told_of_as_the_array(
    facts: dict[str, object], found: tuple[JobState, Reason | None] | None
) -> None:
    report = PBS.reports(document({"7[1].pbshost": facts})).get("7[1].pbshost")
    assert (report and (report.state, report.reason, report.exit_code)) == (found and (*found, None))


@pytest.mark.parametrize("name", names("openpbs", "odd-qstat"))
def test_odd_values_of_variables_and_names(name: str) -> None:
    assert one(name) == (QUEUED, Reason.HELD, None, None)


def test_another_release() -> None:
    reports = PBS.reports(said("release-qstat-f-F-json-x"))
    assert [report.state for report in reports.values()] == [QUEUED, COMPLETED, QUEUED]


def test_without_history_and_without_jobs() -> None:
    assert PBS.reports(said("nohistory-qstat-f-F-json")) == {}
    assert one("nohistory-qstat-f-F-json-2")[0] is ACTIVE


def test_where_no_history_is_kept_it_is_not_asked_for_again() -> None:
    """Asked for it, qstat tells of no job at all, alive or not."""
    pbs = Pbs(User(1000, "pbsuser"))
    assert "-x" in pbs.status_command(["1.pbshost"]).argv
    with pytest.raises(Unavailable, match="history"):
        pbs.reports(said("nohistory-qstat-f-F-json-x"))
    assert pbs.status_command(["1.pbshost"]).argv == ("qstat", "-t", "-f", "-F", "json")


@pytest.mark.parametrize("name", names("openpbs", ""))
def test_S5_no_recording_raises_anything_but_unavailable(name: str) -> None:
    with contextlib.suppress(Unavailable):
        PBS.reports(said(name))
    with contextlib.suppress(Refused, ValueError):
        PBS.native_id(said(name))
    with contextlib.suppress(Refused):
        PBS.check_cancel(said(name))


# ---- spoilt answers

JOBS: dict[str, Any] = {
    f"{number}.pbshost": next(iter(json.loads(said(f"state-{case}-json").stdout)["Jobs"].values()))
    for number, case in enumerate(case for case in STATES)
}
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=6,
)
KEYS = ["job_state", "substate", "Exit_status", "comment", "history_timestamp"]


def document(jobs: object) -> Result:
    return Result((), 0, json.dumps({"timestamp": 1, "pbs_server": "pbshost", "Jobs": jobs}), "")


EXPECTED = dict(PBS.reports(document(JOBS)))


@given(st.permutations(list(JOBS)))
def test_defect_02_the_order_does_not_matter(order: list[str]) -> None:
    assert PBS.reports(document({native_id: JOBS[native_id] for native_id in order})) == EXPECTED


@given(st.dictionaries(st.text(max_size=8).map("x{}".format), GARBAGE, max_size=4))
def test_defect_02_garbage_between_the_jobs_changes_no_report(garbage: dict[str, object]) -> None:
    found = PBS.reports(document({**garbage, **JOBS, **garbage}))
    assert {native_id: found[native_id] for native_id in EXPECTED} == EXPECTED


@given(st.sampled_from(list(JOBS)), st.dictionaries(st.sampled_from(KEYS), GARBAGE, min_size=1))
def test_defect_02_a_damaged_job_costs_no_other_job_anything(native_id: str, damage: dict[str, object]) -> None:
    found = dict(PBS.reports(document({**JOBS, native_id: {**JOBS[native_id], **damage}})))
    found.pop(native_id)
    assert found == {key: report for key, report in EXPECTED.items() if key != native_id}


@given(st.sampled_from([name for name in names("openpbs", "") if "json" in name]), st.data())
def test_defect_02_an_answer_that_breaks_off_says_nothing_wrong(name: str, data: st.DataObject) -> None:
    whole = said(name)
    cut = data.draw(st.integers(0, len(whole.stdout)))
    expected: dict[str, Report] = {}
    try:
        expected = dict(PBS.reports(whole))
        found = PBS.reports(Result((), whole.exit_code, whole.stdout[:cut], ""))
    except Unavailable:
        return
    assert all(expected[native_id] == report for native_id, report in found.items())


def test_half_an_answer_is_not_the_answer_that_there_is_no_job() -> None:
    whole = document(JOBS).stdout
    for end in (len(whole) // 2, len(whole) - 1):
        with pytest.raises(Unavailable):
            PBS.reports(Result((), 0, whole[:end], ""))


@given(st.text(), st.text(), st.integers(0, 255))
def test_parsers_are_total(stdout: str, stderr: str, exit_code: int) -> None:
    result = Result(("qstat",), exit_code, stdout, stderr)
    for read in (PBS.reports, PBS.native_id, PBS.check_cancel, PBS.check_hold):
        try:
            read(result)
        except (Unavailable, Refused):
            pass
        except ValueError:
            assert read == PBS.native_id
            assert exit_code == 0


@given(GARBAGE, st.integers(0, 255))
def test_any_document_is_read(text: object, exit_code: int) -> None:
    for body in (text, {"Jobs": text}, {"Jobs": {"1.pbshost": text}}, {"Jobs": {"1.pbshost": {"job_state": text}}}):
        with contextlib.suppress(Unavailable):
            PBS.reports(Result((), exit_code, json.dumps(body), ""))
