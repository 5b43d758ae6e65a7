"""Torque's parsers, fed with what a real one said, whole and spoilt."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors.batch.pbs_classic import PbsClassic
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import names, recorded

TORQUE = PbsClassic(User(1000, "torqueuser"))
QUEUED, ACTIVE, COMPLETED = JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED
FAILED, CANCELED = JobState.FAILED, JobState.CANCELED


def said(name: str) -> Result:
    return recorded("torque", name)


# ---- submission, cancel, hold


@pytest.mark.parametrize("name", names("torque", "qsub-"))
def test_E1_E3_submissions_have_an_id_or_are_refused_in_its_own_words(name: str) -> None:
    result = said(name)
    if result.exit_code == 0:
        assert TORQUE.native_id(result) == result.stdout.strip()
        return
    with pytest.raises(Refused) as caught:
        TORQUE.native_id(result)
    assert not caught.value.transient
    assert result.stderr.strip() in str(caught.value)


def test_E3_an_outage_is_transient() -> None:
    for name, read in {
        "down-qsub": TORQUE.native_id,
        "down-qdel": TORQUE.check_cancel,
        "down-qhold": TORQUE.check_hold,
        "down-qrls": TORQUE.check_hold,
    }.items():
        with pytest.raises(Refused) as caught:
            read(said(name))
        assert caught.value.transient, name
    with pytest.raises(Unavailable, match="cannot connect to server"):
        TORQUE.reports(said("down-qstat-x"))


@pytest.mark.parametrize(
    "name", ["qdel-finished", "qdel-twice", "qdel-unknown", "qdel-unknown-and-known", "qdel-pending", "qdel-running"]
)
def test_cancels_of_jobs_that_have_ended_or_are_not_known_are_no_errors(name: str) -> None:
    TORQUE.check_cancel(said(name))


def test_refused_cancels_and_holds() -> None:
    with pytest.raises(Refused, match="Unauthorized"):
        TORQUE.check_cancel(said("qdel-p-purge"))
    for name in ("qhold-unknown", "qhold-finished", "qrls-finished"):
        with pytest.raises(Refused) as caught:
            TORQUE.check_hold(said(name))
        assert not caught.value.transient
    TORQUE.check_hold(said("qhold"))
    TORQUE.check_hold(said("qrls"))


# ---- states

STATES = {
    "DONE": (COMPLETED, Reason.EXIT, 0, None),
    "EXIT3": (FAILED, Reason.EXIT, 3, None),
    "GOOD": (COMPLETED, Reason.EXIT, 0, None),
    "HELD": (QUEUED, Reason.HELD, None, None),
    "KILL": (FAILED, Reason.SIGNAL, None, 15),  # a cancel of ours turns it into CANCELED
    "NOCMD": (FAILED, Reason.EXIT, 127, None),
    "PEND": (QUEUED, None, None, None),
    "PENDKILL": (CANCELED, Reason.CANCELLED, None, None),
    "RUN": (ACTIVE, None, None, None),
    "SIG": (FAILED, Reason.EXIT, 139, None),
    "SIGSELF": (FAILED, Reason.EXIT, 137, None),
    "WAIT": (QUEUED, None, None, None),
    "dependency": (FAILED, Reason.DEPENDENCY_FAILED, None, None),
}


@pytest.mark.parametrize("case", list(STATES))
def test_states_of_real_jobs(case: str) -> None:
    (report,) = TORQUE.reports(said(f"qstat-x-{case}")).values()
    assert (report.state, report.reason, report.exit_code, report.signal) == STATES[case]


def test_one_document_and_several() -> None:
    reports = TORQUE.reports(said("qstat-x-xml"))
    assert {native_id: report.state for native_id, report in reports.items() if native_id in ("5.vm", "26.vm")} == {
        "5.vm": FAILED,
        "26.vm": QUEUED,
    }
    assert len(reports) == said("qstat-x-xml").stdout.count("<Job>")
    assert list(TORQUE.reports(said("qstat-x-unknown-and-known"))) == ["4.vm", "12.vm"]
    elements = TORQUE.reports(said("qstat-x-t-array"))
    assert list(elements) == [f"33[{index}].vm" for index in range(1, 6)]


def test_no_jobs_and_an_unknown_one() -> None:
    assert TORQUE.reports(Result((), 0, "", "")) == {}
    with pytest.raises(Unavailable):
        TORQUE.reports(said("qstat-unknown"))


def test_S5_limits_and_states_of_the_manual() -> None:
    text = said("qstat-x-EXIT3").stdout
    for code, reason in ((-11, Reason.TIMEOUT), (-10, Reason.OUT_OF_MEMORY), (-1, Reason.LAUNCH_FAILED)):
        (report,) = TORQUE.reports(
            Result((), 0, text.replace(">3</exit_status>", f">{code}</exit_status>"), "")
        ).values()
        assert (report.state, report.reason) == (FAILED, reason)
    for letter, state in {**dict.fromkeys("QHWT", QUEUED), **dict.fromkeys("RSE", ACTIVE), "?": None}.items():
        (report,) = TORQUE.reports(Result((), 0, text.replace(">C<", f">{letter}<"), "")).values()
        assert report.state is state


@pytest.mark.parametrize("name", names("torque", ""))
def test_no_recording_raises_anything_but_unavailable(name: str) -> None:
    with contextlib.suppress(Unavailable):
        TORQUE.reports(said(name))
    with contextlib.suppress(Refused):
        TORQUE.check_cancel(said(name))


# ---- spoilt answers

JOBS = {
    f"{number}.vm": re.sub(
        "<Job_Id>.*?</Job_Id>",
        f"<Job_Id>{number}.vm</Job_Id>",
        "".join(re.findall("<Job>.*</Job>", said(f"qstat-x-{case}").stdout)),
    )
    for number, case in enumerate(STATES)
}


def document(*parts: str, exit_code: int = 0) -> Result:
    return Result((), exit_code, f'<?xml version="1.0"?>\n<Data>{"".join(parts)}</Data>\n', "")


EXPECTED = dict(TORQUE.reports(document(*JOBS.values())))
GARBAGE = st.one_of(
    st.text(),
    st.sampled_from(["<", "&", "<Job", "</Data>", "<Data>", "qstat: End of File\n", "<Job></Job>", "<Job><x></Job>"]),
).filter(lambda text: "<Job>" not in text or text.endswith("</Job>"))


def test_every_job_of_a_document_is_understood() -> None:
    assert list(EXPECTED) == list(JOBS)


@given(st.data())
def test_defect_02_garbage_between_the_jobs_changes_no_report(data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(list(JOBS.values())))
    for garbage in data.draw(st.lists(GARBAGE, min_size=1, max_size=5)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), garbage)
    found = TORQUE.reports(document(*mixed))
    assert {native_id: found[native_id] for native_id in EXPECTED} == EXPECTED


@given(st.data())
def test_defect_02_a_damaged_job_costs_no_other_job_anything(data: st.DataObject) -> None:
    """It may lose a piece anywhere inside; if that is its end, the next job is lost with it, but never mistaken."""
    native_id = data.draw(st.sampled_from(list(JOBS)))
    text = JOBS[native_id]
    first = data.draw(st.integers(len("<Job>"), len(text)))
    last = data.draw(st.integers(first, len(text)))
    damaged = text[:first] + data.draw(st.text(max_size=9)) + text[last:]
    found = dict(TORQUE.reports(document(*{**JOBS, native_id: damaged}.values())))
    following = [*list(JOBS)[list(JOBS).index(native_id) :], ""][1]
    for other, report in EXPECTED.items():
        if other not in (native_id, following):
            assert found[other] == report
    assert found.get(following, EXPECTED.get(following)) == EXPECTED.get(following)


@given(st.integers(0, 20000))
def test_defect_02_an_answer_that_breaks_off_says_nothing_wrong(cut: int) -> None:
    whole = document(*JOBS.values()).stdout
    try:
        found: dict[str, Report] = dict(TORQUE.reports(Result((), 0, whole[:cut], "")))
    except Unavailable:
        assert "<Data>" not in whole[:cut]
        return
    assert list(found) == list(EXPECTED)[: whole[:cut].count("</Job>")]
    assert all(EXPECTED[native_id] == report for native_id, report in found.items())


@given(st.text(), st.text(), st.integers(0, 255))
def test_parsers_are_total(stdout: str, stderr: str, exit_code: int) -> None:
    for text in (stdout, f"<Job><Job_Id>{stdout}</Job_Id></Job>", f"<Job><Job_Id>1</Job_Id><exit_status>{stdout}"):
        result = Result(("qstat",), exit_code, text, stderr)
        for read in (TORQUE.reports, TORQUE.native_id, TORQUE.check_cancel, TORQUE.check_hold):
            try:
                read(result)
            except (Unavailable, Refused):
                pass
            except ValueError:
                assert read == TORQUE.native_id
                assert exit_code == 0
