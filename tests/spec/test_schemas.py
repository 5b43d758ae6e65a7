"""The schemas of spec/, the state machine as data, and the numbers of the specification."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile import NASTY
from psij_like import InvalidJobException, JobState
from psij_like.job_status import Reason
from psij_like.serialize import JSONSerializer
from spec.conftest import SCHEMAS, SPEC, VECTORS, complaints

STATES = json.loads((SPEC / "states.json").read_text())
STATEMENT = re.compile(r"^- \*\*([A-Z][0-9]+)\*\* ", re.MULTILINE)
NUMBERS = STATEMENT.findall((SPEC / "specification.md").read_text())


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:psij-like:{name}:1"


def test_S1_the_states_are_those_of_the_specification() -> None:
    assert complaints("states", STATES) == []
    groups = [[JobState[name] for name in group] for group in STATES["order"]]
    assert [state for group in groups for state in group] == list(JobState)
    for place, group in enumerate(groups):
        for state in group:
            assert state.final == (str(state) in STATES["final"])
            later = [other for after in groups[place + 1 :] for other in after]
            assert all(other.is_greater_than(state) and not state.is_greater_than(other) for other in later)
            assert all(other.is_greater_than(state) is None for other in group if other is not state)
    assert STATES["initial"] == "NEW"


def test_S6_the_reasons_are_those_of_the_specification() -> None:
    told = {reason for reasons in STATES["reasons"].values() for reason in reasons}
    (metadata, _) = SCHEMAS["job-status"]["properties"]["metadata"]["anyOf"]
    assert told == {str(reason) for reason in Reason} == set(metadata["properties"]["reason"]["enum"])


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_have_their_form_and_prove_what_there_is(name: str) -> None:
    assert complaints("vectors", VECTORS[name]) == []
    assert set(VECTORS[name]["proves"]) <= set(NUMBERS)


def test_no_number_is_given_twice() -> None:
    assert len(NUMBERS) == len(set(NUMBERS)) > 40


def test_the_requirements_of_the_tests_are_in_the_specification() -> None:
    named = {
        number
        for path in (SPEC.parent / "tests").rglob("test_*.py")
        for name in re.findall(r"def test_(\w+)", path.read_text())
        for number in re.findall(r"(?:^|_)([A-Z][0-9])(?=_|$)", name)
    }
    assert named - set(NUMBERS) == set()


members = st.sampled_from([*SCHEMAS["job-spec"]["properties"], "unknown"])
inner = st.sampled_from(
    ["source", "target", "mode", "flags", "duration", "node_count", "__version", "afterok", "slurm.x"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.floats(-1, 1e9)
    | st.sampled_from([*NASTY, "1:00:00", "90s", "ALWAYS", "COPY"]),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(inner, items, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(members, values, max_size=4))
def test_V1_the_schema_takes_whatever_is_read(data: dict[str, object]) -> None:
    """The schema says no more than what its words can say: it may take what is refused, never the other way round."""
    text = json.dumps(data)
    try:
        spec = JSONSerializer().loads(text)
    except InvalidJobException:
        return
    assert complaints("job-spec", json.loads(text)) == []
    assert complaints("job-spec", json.loads(JSONSerializer().dumps(spec))) == []


def test_a_second_reader_agrees(tmp_path: Path) -> None:
    """A reader in another language, which has nothing but spec/ to go by."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed here")
    for name in ("package.json", "second_reader.js"):
        shutil.copy(Path(__file__).with_name(name), tmp_path)
    subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund"], cwd=tmp_path, check=True)
    read = subprocess.run(
        ["node", "second_reader.js", str(SPEC)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (read.returncode, read.stderr) == (0, ""), read.stdout
    counts = dict(re.findall(r"^(\w+)\.json: ([0-9]+) cases$", read.stdout, re.MULTILINE))
    assert counts == {name: str(len(vectors["cases"])) for name, vectors in VECTORS.items()}


def test_every_statement_is_proven_and_the_page_says_where() -> None:
    script = SPEC.parent / "docs" / "coverage_table.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, timeout=60)
    assert done.returncode == 0, "run `python docs/coverage_table.py`"
    page = script.with_name("conformance.md").read_text()
    assert all(re.search(rf"^\| {number} \|.*[a-z0-9].*\|$", page, re.MULTILINE) for number in NUMBERS)
