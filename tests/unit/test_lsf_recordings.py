"""LSF's parsers, fed with what a real volclava said, with what IBM's manual says, and with what makes no sense."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors.batch.lsf import Lsf
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import names, recorded

LSF = Lsf(User(1000, "lsfuser"))
STATES = {
    "PEND": JobState.QUEUED,
    "PSUSP": JobState.QUEUED,
    "RUN": JobState.ACTIVE,
    "USUSP": JobState.ACTIVE,
    "DONE": JobState.COMPLETED,
    "EXIT": JobState.FAILED,
}


def one(reports: Mapping[str, Report]) -> Report:
    (report,) = reports.values()
    return report


def ibm(**fields: str) -> Report:
    """What IBM's bjobs says of a job."""
    record = {"JOBID": "7", "JOB_NAME": "job", "START_TIME": "Nov 20 21:37", **fields}
    text = json.dumps({"COMMAND": "bjobs", "JOBS": 1, "RECORDS": [record]}, indent=2)
    return one(LSF.reports(Result(("bjobs",), 0, text, "")))


# ---- submission


@pytest.mark.parametrize("name", names("lsf", "bsub-"))
def test_E1_E3_ids_and_refusals(name: str) -> None:
    result = recorded("lsf", name)
    if result.stdout.startswith("Job <"):
        if name != "bsub-K":
            assert LSF.native_id(result) in result.stdout
        return
    with pytest.raises(Refused) as caught:
        LSF.native_id(result)
    assert not caught.value.transient
    assert result.stderr.splitlines()[0] in str(caught.value)


def test_an_answer_without_an_id_is_no_refusal() -> None:
    for stdout in ("", "\n", "Job <x> is submitted\n", "12\n"):
        with pytest.raises(ValueError, match="no job id"):
            LSF.native_id(Result((), 0, stdout, ""))


@pytest.mark.parametrize(
    "words",
    [
        "LSF is down. Please wait ...",
        "batch system daemon not responding ... still trying",
        "Failed in an LSF library call: LIM is down; try later. Job not submitted.",
        "Pending job threshold reached. Retrying in 60 seconds... try again",
    ],
)
def test_E3_an_outage_is_transient(words: str) -> None:
    with pytest.raises(Refused) as caught:
        LSF.native_id(Result(("bsub",), 255, "", words + "\n"))
    assert caught.value.transient


def test_which_lsf_it_is() -> None:
    lsf = Lsf(User(1000, "lsfuser"))
    assert "exit_reason" in lsf.status_command([]).argv[3]
    lsf.learn(Result((), 0, "IBM Spectrum LSF Standard 10.1.0.14, Jan 01 2024\n", ""))
    assert "exit_reason" in lsf.status_command([]).argv[3]
    lsf.learn(recorded("lsf", "version-lsid"))
    assert "exit_reason" not in lsf.status_command([]).argv[3]


def test_fields_that_are_not_known_are_not_asked_for_again() -> None:
    lsf = Lsf(User(1000, "lsfuser"))
    with pytest.raises(Unavailable):
        lsf.reports(recorded("lsf", "bjobs-json-exit-code"))
    assert lsf.status_command([]).argv == ("bjobs", "-a", "-o", "jobid stat job_name start_time", "-json")


# ---- the states of jobs


@pytest.mark.parametrize("name", [name for name in names("lsf", "bjobs-") if "json" in name])
def test_every_recorded_list_is_understood(name: str) -> None:
    result = recorded("lsf", name)
    if not result.stdout:
        with pytest.raises(Unavailable):
            Lsf(User(1000, "lsfuser")).reports(result)
        return
    found = LSF.reports(result)
    records = [record for record in json.loads(result.stdout)["RECORDS"] if "ERROR" not in record]
    for record in records:
        element = re.search(r"\[\d+\]$", record.get("JOB_NAME", ""))
        report = found[record["JOBID"] + (element[0] if element else "")]
        if name != "bjobs-json-all-a":  # that has several elements of one array, and no names
            assert (report.state, report.native_state) == (STATES[record["STAT"]], record["STAT"])
    if name == "bjobs-array-json":
        assert sorted(found) == [f"77[{index}]" for index in range(1, 6)]


@pytest.mark.parametrize("name", [name for name in names("lsf", "bjobs-") if re.match("bjobs-(l|UF)-", name)])
def test_every_recorded_long_form_is_understood(name: str) -> None:
    result = recorded("lsf", name)
    found = LSF.detail_reports(0, result)
    heads = dict(re.findall(r"^Job <([0-9\[\]]+)>.*? Status <(\w+)>", result.stdout, re.MULTILINE))
    assert {native_id: report.native_state for native_id, report in found.items()} == heads
    assert heads
    for report in found.values():
        expected = JobState.CANCELED if name == "bjobs-l-PENDKILL" else STATES[report.native_state]
        assert report.state is expected


@pytest.mark.parametrize(
    ("name", "state", "reason", "code", "signal"),
    [
        ("DONE", JobState.COMPLETED, None, None, None),
        ("EXIT3", JobState.FAILED, None, 3, None),
        ("SIG", JobState.FAILED, None, 139, 11),
        ("NOCMD", JobState.FAILED, None, 127, None),
        ("KILL", JobState.FAILED, None, 130, 2),
        ("KILL9", JobState.FAILED, None, 130, 2),
        ("runlimit-exceeded", JobState.FAILED, None, 140, 12),
        ("PENDKILL", JobState.CANCELED, None, None, None),
        ("SIGSELF", JobState.COMPLETED, None, None, None),  # what volclava makes of it
        ("PSUSP", JobState.QUEUED, Reason.HELD, None, None),
        ("DEPBAD", JobState.QUEUED, Reason.DEPENDENCY_FAILED, None, None),
        ("DEPD", JobState.QUEUED, None, None, None),
        ("USUSP", JobState.ACTIVE, None, None, None),
    ],
)
def test_long_forms(name: str, state: JobState, reason: Reason | None, code: int | None, signal: int | None) -> None:
    report = one(LSF.detail_reports(0, recorded("lsf", f"bjobs-l-{name}")))
    assert (report.state, report.reason, report.exit_code, report.signal) == (state, reason, code, signal)


def test_a_job_that_was_killed_without_mercy() -> None:
    text = recorded("lsf", "bjobs-l-KILL").stdout.replace("Exited with exit code 130.", "Exited by signal 9.")
    report = one(LSF.detail_reports(0, Result((), 0, text, "")))
    assert (report.exit_code, report.signal) == (137, 9)


@pytest.mark.parametrize(
    ("fields", "state", "reason", "code"),
    [
        ({"STAT": "DONE", "EXIT_CODE": ""}, JobState.COMPLETED, None, None),
        ({"STAT": "EXIT", "EXIT_CODE": "3"}, JobState.FAILED, None, 3),
        (
            {
                "STAT": "EXIT",
                "EXIT_CODE": "140",
                "EXIT_REASON": "TERM_RUNLIMIT: job killed after reaching LSF run time",
            },
            JobState.FAILED,
            Reason.TIMEOUT,
            140,
        ),
        (
            {"STAT": "EXIT", "EXIT_CODE": "130", "EXIT_REASON": "TERM_OWNER: job killed by owner"},
            JobState.CANCELED,
            Reason.CANCELLED,
            130,
        ),
        (
            {"STAT": "EXIT", "EXIT_CODE": "", "EXIT_REASON": "TERM_ADMIN: job killed by root or LSF administrator"},
            JobState.CANCELED,
            Reason.CANCELLED_BY_ADMIN,
            None,
        ),
        (
            {"STAT": "EXIT", "EXIT_CODE": "137", "EXIT_REASON": "TERM_MEMLIMIT: job killed after reaching LSF memory"},
            JobState.FAILED,
            Reason.OUT_OF_MEMORY,
            137,
        ),
        ({"STAT": "EXIT", "START_TIME": ""}, JobState.CANCELED, None, None),
        (
            {"STAT": "PEND", "PEND_REASON": "Dependency condition invalid or never satisfied;", "START_TIME": ""},
            JobState.QUEUED,
            Reason.DEPENDENCY_FAILED,
            None,
        ),
        (
            {"STAT": "PSUSP", "PEND_REASON": "The job was suspended by the user while pending;"},
            JobState.QUEUED,
            Reason.HELD,
            None,
        ),
        ({"STAT": "UNKWN"}, None, None, None),
    ],
)
def test_what_ibms_manual_says(
    fields: dict[str, str], state: JobState | None, reason: Reason | None, code: int | None
) -> None:
    report = ibm(**fields)
    assert (report.state, report.reason, report.exit_code) == (state, reason, code)


def test_no_jobs_at_all() -> None:
    for words in ("No job found", "No unfinished job found", "No matching job found"):
        assert LSF.reports(Result((), 255, "", words + "\n")) == {}
    assert LSF.reports(Result((), 255, '{"COMMAND":"bjobs","JOBS":0,"RECORDS":[]}', "")) == {}
    assert LSF.reports(recorded("lsf", "bjobs-json-unknown")) == {}


@pytest.mark.parametrize("words", ["LSF is down. Please wait ...", "batch system daemon not responding", ""])
def test_defect_03_a_daemon_that_is_down_says_nothing_about_jobs(words: str) -> None:
    with pytest.raises(Unavailable):
        LSF.reports(Result((), 255, "", words))


# ---- cancelling


@pytest.mark.parametrize("name", [*names("lsf", "bkill-"), *names("lsf", "bstop-"), *names("lsf", "bresume-")])
def test_C2_cancels(name: str) -> None:
    result = recorded("lsf", name)
    refused = {"bkill-badid", "bkill-noarg", "bkill-running-r-option-stateless"}
    if name in refused:
        with pytest.raises(Refused):
            LSF.check_cancel(result)
    else:
        LSF.check_cancel(result)


# ---- what makes no sense

IDS = ("11", "12", "13[1]", "13[2]")
RECORDS = [
    {"JOBID": "11", "STAT": "RUN", "JOB_NAME": "a", "START_TIME": "x"},
    {"JOBID": "12", "STAT": "EXIT", "JOB_NAME": "b", "START_TIME": "x", "EXIT_CODE": "3"},
    {"JOBID": "13", "STAT": "PEND", "JOB_NAME": "c[1]", "START_TIME": ""},
    {"JOBID": "13", "STAT": "DONE", "JOB_NAME": "c[2]", "START_TIME": "x"},
]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["RUN", "99", "9" * 5000])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
ODD = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {},
        optional={
            name: VALUES.filter(lambda value: not isinstance(value, str) or not value.startswith("1"))
            for name in ("JOBID", "STAT", "JOB_NAME", "EXIT_CODE", "EXIT_REASON", "PEND_REASON", "START_TIME", "ERROR")
        },
    ),
)


@given(data=st.data())
def test_defect_02_odd_records_change_no_other_job(data: st.DataObject) -> None:
    expected = LSF.reports(Result((), 0, json.dumps({"RECORDS": RECORDS}), ""))
    assert tuple(expected) == IDS
    mixed: list[object] = list(data.draw(st.permutations(RECORDS)))
    for odd in data.draw(st.lists(ODD, min_size=1, max_size=4)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), odd)
    found = LSF.reports(Result((), 0, json.dumps({"RECORDS": mixed}), ""))
    assert {native_id: found[native_id] for native_id in IDS} == expected


BLOCKS = [
    recorded("lsf", f"bjobs-l-{name}").stdout for name in ("DONE", "EXIT3", "PEND", "runlimit-exceeded", "PENDKILL")
]


@given(data=st.data())
def test_defect_02_garbage_between_long_forms_changes_no_report(data: st.DataObject) -> None:
    expected = LSF.detail_reports(0, Result((), 0, "".join(BLOCKS), ""))
    assert len(expected) == len(BLOCKS)
    mixed = list(data.draw(st.permutations(BLOCKS)))
    garbage = st.text().filter(lambda text: "Job <" not in text and "xit" not in text and "REASON" not in text)
    for odd in data.draw(st.lists(garbage, min_size=1, max_size=4)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), f"\n{odd}\n")
    assert LSF.detail_reports(0, Result((), 0, "".join(mixed), "")) == expected


@given(cut=st.integers(0, 6000))
def test_defect_02_an_answer_that_breaks_off(cut: int) -> None:
    whole = "".join(BLOCKS)
    expected = LSF.detail_reports(0, Result((), 0, whole, ""))
    try:
        found = LSF.detail_reports(0, Result((), 0, whole[:cut], ""))
    except Unavailable:
        found = {}
        assert "Job <" not in whole[:cut]
    for report in list(found.values())[:-1]:
        assert report == expected[report.native_id]
    text = json.dumps({"COMMAND": "bjobs", "RECORDS": RECORDS})
    if cut < len(text):
        with pytest.raises(Unavailable):
            LSF.reports(Result((), 0, text[:cut], ""))


@given(st.text(), st.text(), st.integers(0, 255))
@example('{"RECORDS": 3}', "", 0)
@example("[" * 100_000, "", 0)
@example('{"RECORDS": [{"JOBID": "²", "STAT": "EXIT", "EXIT_CODE": "²"}]}', "", 0)
@example("Job <1>, Status <EXIT>\n: Exited with exit code " + "9" * 5000 + ".", "", 0)
def test_parsers_are_total(stdout: str, stderr: str, exit_code: int) -> None:
    result = Result(("bjobs",), exit_code, stdout, stderr)
    lsf = Lsf(User(1000, "lsfuser"))
    calls: list[Callable[[], object]] = [
        lambda: lsf.reports(result),
        lambda: lsf.detail_reports(0, result),
        lambda: lsf.check_cancel(result),
        lambda: lsf.learn(result),
        lambda: lsf.native_id(result),
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
    assert LSF.status_command([str(number) for number in range(10_000)]) == LSF.status_command(["1"])
    assert LSF.cancel_command(["1", "2[3]"]).argv == ("bkill", "1", "2[3]")
