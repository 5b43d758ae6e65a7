"""Grid Engine's parsers, fed with what a real Grid Engine said, whole and spoilt."""

from __future__ import annotations

import calendar
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors.batch.grid_engine import GridEngine
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import names, recorded

GRID_ENGINE = GridEngine(User(1000, "user1"))
Parse = Callable[[Result], Mapping[str, Report]]


def said(name: str) -> Result:
    return recorded("grid_engine", name)


def details(result: Result) -> Mapping[str, Report]:
    return GRID_ENGINE.detail_reports(0, result)


# ---- submission


def test_E1_the_id_of_a_submitted_job() -> None:
    assert GRID_ENGINE.native_id(said("qsub-terse")) == "4"
    assert GRID_ENGINE.native_id(Result((), 0, "a banner of the site's\n12\n", "")) == "12"


def test_an_answer_without_an_id_is_no_refusal() -> None:
    for text in (said("qsub-good").stdout, "", "verification: found suitable queue(s)\n", "0\n", "-1\n"):
        with pytest.raises(ValueError, match="no job id"):
            GRID_ENGINE.native_id(Result((), 0, text, ""))


@pytest.mark.parametrize("name", names("grid_engine", "qsub-"))
def test_E3_refusals_have_its_own_words_and_are_not_transient(name: str) -> None:
    result = said(name)
    if result.exit_code == 0:
        return
    with pytest.raises(Refused) as caught:
        GRID_ENGINE.native_id(result)
    assert not caught.value.transient
    assert result.stderr.strip() in str(caught.value)


def test_E3_an_outage_is_transient() -> None:
    for name, read in {
        "down-qsub": GRID_ENGINE.native_id,
        "down-qdel": GRID_ENGINE.check_cancel,
        "down-qhold": GRID_ENGINE.check_hold,
    }.items():
        with pytest.raises(Refused) as caught:
            read(said(name))
        assert caught.value.transient, name
    with pytest.raises(Unavailable, match="unable to send message to qmaster"):
        GRID_ENGINE.reports(said("down-qstat"))


# ---- cancel, hold and release


@pytest.mark.parametrize("name", names("grid_engine", "qdel-"))
def test_cancels_of_jobs_that_have_ended_are_no_errors(name: str) -> None:
    GRID_ENGINE.check_cancel(said(name))


def test_a_refused_cancel() -> None:
    for text in ("user1 - you do not have the necessary privileges to delete the job\n", ""):
        with pytest.raises(Refused) as caught:
            GRID_ENGINE.check_cancel(Result(("qdel", "1"), 1, text, ""))
        assert text.strip() in str(caught.value)
        assert not caught.value.transient


def test_hold_and_release() -> None:
    for name in ("qhold", "qrls"):
        GRID_ENGINE.check_hold(said(name))
        with pytest.raises(Refused, match='job "99999" does not exist'):
            GRID_ENGINE.check_hold(said(f"{name}-unknown"))


# ---- states


def test_states_of_the_list() -> None:
    reports = GRID_ENGINE.reports(said("qstat-xml"))
    states = {native_id: (report.state, report.native_state, report.reason) for native_id, report in reports.items()}
    assert states == {
        "13": (JobState.ACTIVE, "r", None),
        "16.1": (JobState.ACTIVE, "r", None),
        "16.2": (JobState.ACTIVE, "r", None),
        **{f"16.{index}": (JobState.QUEUED, "qw", None) for index in range(3, 31)},
        "15": (JobState.QUEUED, "qw", None),
        "11": (JobState.QUEUED, "Eqw", Reason.HELD),
        "17": (JobState.QUEUED, "Eqw", Reason.HELD),
        "14": (JobState.QUEUED, "hqw", Reason.HELD),
        "18": (JobState.QUEUED, "qw", None),
        "19": (JobState.QUEUED, "hqw", Reason.HELD),
    }
    assert "qmod -cj" in str(reports["11"].message)
    assert GRID_ENGINE.reports(said("qstat-xml-deleting"))["3"].state is JobState.ACTIVE
    assert GRID_ENGINE.reports(said("qstat-empty")) == {}


def test_a_job_that_waits_for_another_one_is_not_held() -> None:
    states = {native_id: report.reason for native_id, report in GRID_ENGINE.reports(said("qstat-waiting")).items()}
    assert states == {"1": None, "2": None, "3": Reason.HELD}


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("qw", JobState.QUEUED),
        ("hqw", JobState.QUEUED),
        ("Rq", JobState.QUEUED),
        ("hRwq", JobState.QUEUED),
        ("dqw", JobState.QUEUED),
        ("t", JobState.QUEUED),
        ("Rt", JobState.QUEUED),
        *((letters, JobState.ACTIVE) for letters in ("r", "Rr", "hr", "dr", "s", "S", "T", "N", "ts", "dRr", "P")),
        *((letters, None) for letters in ("?", "x", "", "running", "r?")),
    ],
)
def test_S5_the_letters_of_a_state(letters: str, state: JobState | None) -> None:
    text = said("qstat-xml").stdout.replace("<state>qw</state>", f"<state>{letters}</state>")
    report = GRID_ENGINE.reports(Result((), 0, text, ""))["15"]
    assert (report.state, report.native_state) == (state, letters)


# ---- ends


@pytest.mark.parametrize(
    ("name", "state", "reason", "exit_code", "signal"),
    [
        ("exit0", JobState.COMPLETED, Reason.EXIT, 0, None),
        ("exit7", JobState.FAILED, Reason.EXIT, 7, None),
        ("vmem", JobState.FAILED, Reason.EXIT, 1, None),
        ("kill9", JobState.FAILED, Reason.SIGNAL, 137, 9),
        ("segv", JobState.FAILED, Reason.SIGNAL, 139, 11),
        ("deleted-running", JobState.FAILED, Reason.SIGNAL, 137, 9),
        ("h_rt", JobState.FAILED, Reason.SIGNAL, 137, 9),
        ("notify", JobState.FAILED, Reason.SIGNAL, 140, 12),
        ("exit100", JobState.FAILED, None, None, None),
        ("error-state-deleted", JobState.FAILED, None, None, None),
    ],
)
def test_ends(name: str, state: JobState, reason: Reason | None, exit_code: int | None, signal: int | None) -> None:
    result = said(f"qacct-{name}")
    ((native_id, report),) = details(result).items()
    assert native_id == re.findall(r"jobnumber +([0-9]+)", result.stdout)[0]
    assert (report.state, report.reason, report.exit_code, report.signal) == (state, reason, exit_code, signal)


def test_a_limit_that_the_qmaster_enforced() -> None:
    text = said("qacct-h_rt").stdout.replace(
        "100 : assumedly after job", "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit"
    )
    (report,) = details(Result((), 0, text, "")).values()
    assert (report.state, report.reason, report.signal) == (JobState.FAILED, Reason.TIMEOUT, 9)


def test_when_it_ended() -> None:
    (report,) = details(said("qacct-exit0")).values()
    assert report.time == calendar.timegm((2026, 11, 20, 22, 12, 28))
    assert GRID_ENGINE.detail_command(0, ["20"]).variables == (("TZ", "UTC0"),)


def test_the_last_of_the_runs_counts() -> None:
    again, good = said("qacct-exit99").stdout, said("qacct-exit0").stdout.replace(" 20 ", " 25 ")
    assert details(Result((), 0, again, "")) == {}  # it waits to run again
    assert details(Result((), 0, again + good, ""))["25"].state is JobState.COMPLETED
    assert details(Result((), 0, said("qacct-error-state-deleted").stdout.replace(" 4 ", " 25 ") + good, ""))[
        "25"
    ].state is (JobState.COMPLETED)


def test_elements_of_an_array_have_records_of_their_own() -> None:
    assert {"16.1", "16.2"} <= set(details(said("qacct-array")))


def test_jobs_that_it_keeps_nothing_about() -> None:
    for name in ("unknown", "deleted-pending", "no-accounting"):
        assert details(said(f"qacct-{name}")) == {}
    with pytest.raises(Unavailable):
        details(Result((), 1, "", "error: some other trouble"))


def test_E4_one_command_asks_about_all_jobs() -> None:
    ids = [str(number) for number in range(1, 10_000)]
    assert GRID_ENGINE.status_command(ids) == GRID_ENGINE.status_command(["1"])
    assert GRID_ENGINE.status_command(ids).argv == ("qstat", "-xml", "-r", "-u", "user1")
    assert GRID_ENGINE.detail_command(0, ["1", "2"]).argv == ("qacct", "-o", "user1", "-j")
    assert GRID_ENGINE.detail_command(0, ["7.1", "7.2"]).argv == ("qacct", "-o", "user1", "-j", "7")
    assert GRID_ENGINE.cancel_command(["1", "2"]).argv == ("qdel", "1", "2")


# ---- spoilt answers

HEAD, *LISTED = re.split(r"(?=    <job_list)", said("qstat-xml").stdout.partition("  </queue_info>")[0])
LISTED[-1] = LISTED[-1].rstrip() + "\n"
TAIL = "  </queue_info>\n  <job_info>\n  </job_info>\n</job_info>\n"
RECORDS = [
    said(f"qacct-{name}").stdout for name in ("exit0", "exit7", "kill9", "exit99", "exit100", "array", "h_rt", "notify")
]


def qstat(pieces: list[str]) -> Mapping[str, Report]:
    return GRID_ENGINE.reports(Result((), 0, HEAD + "".join(pieces) + TAIL, ""))


def qacct(pieces: list[str]) -> Mapping[str, Report]:
    return details(Result((), 0, "".join(pieces), ""))


PARSERS: dict[str, tuple[Callable[[list[str]], Mapping[str, Report]], list[str]]] = {
    "qstat": (qstat, LISTED),
    "qacct": (qacct, RECORDS),
}
BOTH = pytest.mark.parametrize("which", list(PARSERS))
GARBAGE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "<job_list>",
            "</job_list>",
            "<job_list state='running'><JB_job_number>²</JB_job_number><state>r</state></job_list>",
            "<job_list><JB_job_number>" + "9" * 5000 + "</JB_job_number><state>r</state></job_list>",
            "<job_list><state>r</state></job_list>",
            "=" * 62 + "\n",
            "=" * 62 + "\njobnumber    99\nfailed       ²\nexit_status  1\nru_wallclock 1s\n",
            "=" * 62 + "\njobnumber    99\nfailed       " + "9" * 5000 + "\nexit_status  1\nru_wallclock 1s\n",
            "error: commlib error: got select error (Connection refused)\n",
        ]
    ),
)


@BOTH
@given(data=st.data())
def test_reordered_answers_say_the_same(which: str, data: st.DataObject) -> None:
    parse, pieces = PARSERS[which]
    assert dict(parse(data.draw(st.permutations(pieces)))) == dict(parse(pieces))


@BOTH
@given(data=st.data())
def test_defect_02_a_damaged_entry_costs_its_own_job_at_most(which: str, data: st.DataObject) -> None:
    parse, pieces = PARSERS[which]
    number = data.draw(st.integers(0, len(pieces) - 1))
    ours = set(parse([pieces[number]]))
    at = data.draw(st.integers(0, len(pieces[number])))
    damaged = pieces[number][:at] + data.draw(GARBAGE)
    others = {key: report for key, report in parse(pieces).items() if key not in ours}
    found = parse([*pieces[:number], damaged + "\n", *pieces[number + 1 :]])
    assert {key: found.get(key) for key in others} == others
    assert set(found) <= {*others, *ours, *(key.partition(".")[0] for key in ours), "99"}


@BOTH
@given(data=st.data())
def test_an_answer_that_breaks_off_tells_nothing_wrong(which: str, data: st.DataObject) -> None:
    parse, pieces = PARSERS[which]
    whole = HEAD + "".join(pieces) + TAIL if which == "qstat" else "".join(pieces)
    expected = parse(pieces)
    cut = Result((), 0, whole[: data.draw(st.integers(0, len(whole)))], "")
    try:
        found = GRID_ENGINE.reports(cut) if which == "qstat" else details(cut)
    except Unavailable:
        return
    assert all(expected[key] == report for key, report in found.items())


@given(st.one_of(st.text(), GARBAGE, st.lists(GARBAGE).map("".join)), st.text(), st.integers(0, 255))
def test_parsers_are_total(stdout: str, stderr: str, exit_code: int) -> None:
    """An answer is news, or says that it is none in one of the two agreed ways."""
    result = Result(("qstat",), exit_code, stdout, stderr)
    whole = replace(result, stdout=f"{stdout}</job_info>")
    calls: list[Callable[[], object]] = [
        lambda: GRID_ENGINE.reports(result),
        lambda: GRID_ENGINE.reports(whole),
        lambda: details(result),
        lambda: GRID_ENGINE.check_cancel(result),
        lambda: GRID_ENGINE.check_hold(result),
    ]
    for call in calls:
        with contextlib.suppress(Unavailable, Refused):
            call()
    try:
        GRID_ENGINE.native_id(result)
    except Refused:
        assert exit_code != 0
    except ValueError:
        assert exit_code == 0


@given(st.text())
def test_times_that_make_no_sense(text: str) -> None:
    record = said("qacct-kill9").stdout.replace("Fri Nov 20 22:12:28 2026", text.replace("\n", " "))
    assert set(details(Result((), 0, record, ""))) <= {"22"}
