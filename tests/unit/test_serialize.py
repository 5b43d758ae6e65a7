import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like.exceptions import InvalidJobException
from psij_like.job_attributes import JobAttributes
from psij_like.job_spec import JobSpec
from psij_like.resource_spec import ResourceSpec, ResourceSpecV1
from psij_like.serialize import JSONSerializer, Serializer, spec_from_dict, spec_to_dict
from psij_like.staging import StageIn, StageOut, StageOutFlags, StagingMode

REFERENCE = Path(__file__).parent / "data" / "psij-python-0.9.11"

# Text as the operating system has it: any bytes, those that are not UTF-8 as surrogates.
words = st.binary(max_size=12).map(lambda data: data.decode("utf-8", "surrogateescape"))
paths = words.map(Path)
flags = st.lists(st.sampled_from(list(StageOutFlags.__members__.values()))).map(
    lambda chosen: StageOutFlags(sum({flag.value for flag in chosen if flag.value in {1, 2, 4, 8}}))
)
modes = st.sampled_from(StagingMode)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
numbers = st.none() | st.integers(1, 10**18)
resources = st.builds(
    lambda nodes, per_node, **rest: ResourceSpecV1(node_count=nodes, processes_per_node=per_node, **rest),
    numbers,
    numbers,
    cpu_cores_per_process=numbers,
    gpu_cores_per_process=numbers,
    exclusive_node_use=st.booleans(),
    memory=numbers,
)
attributes = st.builds(
    JobAttributes,
    duration=st.timedeltas(timedelta(microseconds=1), timedelta(days=36525)),
    queue_name=st.none() | words,
    account=st.none() | words,
    reservation_id=st.none() | words,
    custom_attributes=st.none()
    | st.dictionaries(st.from_regex(r"[a-z]{1,3}\.[a-z]{1,3}", fullmatch=True), json_values, max_size=3),
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


specs = st.builds(
    JobSpec,
    executable=maybe(words),
    arguments=maybe(st.lists(words, max_size=3)),
    directory=maybe(paths),
    name=maybe(words),
    inherit_environment=st.booleans(),
    environment=maybe(st.dictionaries(words, words | st.integers(), max_size=3)),
    stdin_path=maybe(paths),
    stdout_path=maybe(paths),
    stderr_path=maybe(paths),
    resources=maybe(resources),
    attributes=maybe(attributes),
    pre_launch=maybe(paths),
    post_launch=maybe(paths),
    launcher=maybe(words),
    stage_in=maybe(st.sets(st.builds(StageIn, words, paths, modes), max_size=3)),
    stage_out=maybe(st.sets(st.builds(StageOut, paths, words, flags, modes), max_size=3)),
    cleanup=maybe(st.sets(paths, max_size=3)),
    cleanup_flags=flags,
)

serializer = JSONSerializer()


def loads(**fields: Any) -> JobSpec:
    return serializer.loads(json.dumps(fields))


def refused(text: str, message: str) -> InvalidJobException:
    with pytest.raises(InvalidJobException, match=message) as caught:
        serializer.loads(text)
    return caught.value


@given(specs)
def test_defect_09_round_trip(spec: JobSpec) -> None:
    text = serializer.dumps(spec)
    again = serializer.loads(text)
    assert again == spec
    assert serializer.dumps(again) == text
    # Also what equality does not see: whether the name was set.
    again.executable = spec.executable = "another"
    assert again == spec


@given(specs)
def test_the_dict_is_plain_json(spec: JobSpec) -> None:
    data = spec_to_dict(spec)
    assert json.loads(json.dumps(data)) == data
    assert spec_from_dict(data) == spec


def test_defect_09_ninety_minutes() -> None:
    text = serializer.dumps(JobSpec(attributes=JobAttributes(duration=timedelta(minutes=90))))
    assert json.loads(text) == {"attributes": {"duration": 5400}}
    assert serializer.loads(text).attributes.duration == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("written", "duration"),
    [
        (90, timedelta(seconds=90)),
        (1.5, timedelta(seconds=1.5)),
        ("5400.0 s", timedelta(minutes=90)),
        ("1:30:00", timedelta(minutes=90)),
        ("1 day, 0:00:01", timedelta(days=1, seconds=1)),
        ("2 days, 3:04:05.000600", timedelta(days=2, hours=3, minutes=4, seconds=5, microseconds=600)),
    ],
)
def test_durations(written: object, duration: timedelta) -> None:
    assert loads(attributes={"duration": written}).attributes.duration == duration


@pytest.mark.parametrize("written", ["", "1:30", "90 minutes", "x", True, [1], 0, -1, "-1 day, 0:00:00", 10**30])
def test_durations_not_understood(written: object) -> None:
    refused(json.dumps({"attributes": {"duration": written}}), "duration")


def test_reads_what_psij_python_writes() -> None:
    def load(name: str) -> JobSpec:
        return serializer.load(REFERENCE / f"{name}.json")

    assert load("minimal") == JobSpec(executable="/bin/date")
    assert load("days") == JobSpec(
        executable="/bin/date",
        attributes=JobAttributes(duration=timedelta(days=2, seconds=3, milliseconds=500)),
    )
    assert load("full") == JobSpec(
        executable="/bin/date",
        arguments=["a", "b c"],
        directory="/tmp",
        name="n",
        inherit_environment=False,
        environment={"A": 1, "B": 2},
        stdin_path="/in",
        stdout_path="o",
        stderr_path="e",
        resources=ResourceSpecV1(
            node_count=2,
            processes_per_node=3,
            cpu_cores_per_process=4,
            gpu_cores_per_process=1,
            exclusive_node_use=True,
            memory=2**40,
        ),
        attributes=JobAttributes(
            duration=timedelta(minutes=90),
            queue_name="q",
            account="a",
            reservation_id="r",
            custom_attributes={"slurm.constraint": "gpu", "pbs.n": 3, "lsf.b": True},
        ),
        pre_launch="/p",
        post_launch="/q",
        launcher="mpirun",
    )


def test_the_format() -> None:
    spec = JobSpec(
        executable="/bin/date",
        resources=ResourceSpecV1(node_count=1),
        stage_in=[StageIn("/z", "z", StagingMode.LINK), StageIn("/a", "a")],
        stage_out=[StageOut("o", "/o", StageOutFlags.IF_PRESENT | StageOutFlags.ALWAYS)],
        cleanup=["b", "a"],
        cleanup_flags=StageOutFlags.NONE,
    )
    assert spec_to_dict(spec) == {
        "executable": "/bin/date",
        "resources": {"node_count": 1, "__version": 1},
        "stage_in": [{"source": "/a", "target": "a"}, {"source": "/z", "target": "z", "mode": "LINK"}],
        "stage_out": [{"source": "o", "target": "/o", "flags": ["IF_PRESENT", "ON_SUCCESS", "ON_ERROR", "ON_CANCEL"]}],
        "cleanup": ["a", "b"],
        "cleanup_flags": [],
    }
    assert loads(cleanup_flags="ALWAYS", cleanup=None) == JobSpec()
    assert serializer.dumps(JobSpec()) == "{}"


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = JobSpec(executable="/bin/é")
    for dest in (tmp_path / "a.json", str(tmp_path / "b.json")):
        serializer.dump(spec, dest)
        assert serializer.load(dest) == spec
    stream = io.StringIO()
    serializer.dump(spec, stream)
    stream.seek(0)
    assert serializer.load(stream) == spec
    assert capsys.readouterr() == ("", "")


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(InvalidJobException, match="not UTF-8"):
        serializer.load(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        serializer.load(tmp_path / "none")


def test_malformed_json_says_where() -> None:
    error = refused('{"executable":\n "a",}', r"not JSON: .* at line 2, column \d+")
    assert isinstance(error.__cause__, json.JSONDecodeError)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"argumnets": []}', "the job specification: unknown 'argumnets', did you mean 'arguments'?"),
        ('{"xyzzy": 1, "nmae": "n"}', "unknown 'xyzzy', 'nmae', did you mean 'name'"),
        ('{"attributes": {"queue": "q"}}', "attributes: unknown 'queue', did you mean 'queue_name'"),
        ('{"resources": {"nodes": 1}}', "resources: unknown 'nodes'"),
        ('{"stage_in": [{"src": "a"}]}', "stage_in: unknown 'src'"),
        ('{"stage_in": [{"source": "a"}]}', "StageIn.*'target'"),
        ('{"stage_in": {}}', "stage_in: {} is not a JSON list"),
        (
            '{"stage_in": [{"source": "a", "target": "b", "mode": "copy"}]}',
            "mode: 'copy' .* COPY, LINK, MOVE",
        ),
        ('{"cleanup_flags": ["NEVER"]}', "flags: 'NEVER' .* NONE, IF_PRESENT"),
        ('{"resources": {"__version": 2}}', "resources.__version: 2 is not allowed, it must be 1"),
        ('{"resources": {"__version": true}}', "resources.__version: True"),
        ('{"resources": {"node_count": 0}}', "node_count: 0"),
        ('{"resources": {"node_count": 1.0}}', "node_count: 1.0 .* expected an int"),
        ('{"arguments": "a"}', "JobSpec.arguments: 'a' is of type str, expected a list of str"),
        ('{"attributes": 3}', "attributes: 3 is not a JSON object"),
        ("[]", r"the job specification: \[\] is not a JSON object"),
        ('{"name": "a", "name": "b"}', "the key 'name' is given twice"),
        ('{"attributes": {"duration": NaN}}', "NaN is not finite|the number nan"),
        ('{"attributes": {"custom_attributes": {"a.b": 1e999}}}', "the number 1e999 is not finite"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_refused_with_a_reason(text: str, message: str) -> None:
    refused(text, message)


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, float("nan"), float("inf"), object(), {"a": [b""]}])
def test_what_json_would_change_is_refused(value: object) -> None:
    spec = JobSpec(attributes=JobAttributes(custom_attributes={"slurm.x": value}))
    with pytest.raises(InvalidJobException, match=r"slurm\.x|cannot be written"):
        serializer.dumps(spec)


def test_numbers_python_will_not_write_are_refused() -> None:
    spec = JobSpec(attributes=JobAttributes(custom_attributes={"slurm.x": 10**5000}))
    with pytest.raises(InvalidJobException, match="cannot be written"):
        serializer.dumps(spec)


def test_other_resource_specs_are_refused() -> None:
    class Mine(ResourceSpec):
        @property
        def version(self) -> int:
            return 9

    with pytest.raises(InvalidJobException, match=r"resources: .* no ResourceSpecV1"):
        serializer.dumps(JobSpec(resources=Mine()))


def test_lists_changed_after_they_were_set() -> None:
    spec = JobSpec(arguments=["a"])
    items: list[Any] = spec.arguments or []
    items.append(Path("b"))
    with pytest.raises(InvalidJobException, match="cannot be written"):
        serializer.dumps(spec)


def test_serializer_is_abstract() -> None:
    with pytest.raises(TypeError):
        Serializer()  # type: ignore[abstract]


def test_lossy_writes_what_people_can_read() -> None:
    itself: list[object] = []
    itself.append(itself)
    custom = {
        "a.path": Path("/x"),
        "a.tuple": ("b", 1, None),
        "a.set": {"d", "c"},
        "a.dict": {1: float("inf"), "plain": [True, 2.5]},
        "a.broken": Unprintable(),
        "a.itself": itself,
    }
    spec = JobSpec(executable="x", attributes=JobAttributes(custom_attributes=custom))
    with pytest.raises(InvalidJobException, match="without loss"):
        spec_to_dict(spec)
    written = spec_to_dict(spec, lossy=True)["attributes"]["custom_attributes"]
    assert "Unprintable object" in written.pop("a.broken")
    assert json.dumps(written.pop("a.itself"), allow_nan=False)
    assert written == {
        "a.path": "/x",
        "a.tuple": ["b", 1, None],
        "a.set": ["c", "d"],
        "a.dict": {"1": "inf", "plain": [True, 2.5]},
    }


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


def test_lossy_changes_nothing_that_json_can_hold() -> None:
    spec = JobSpec(executable="x", attributes=JobAttributes(custom_attributes={"a.b": {"c": [1, 2.5, None, "d"]}}))
    assert spec_to_dict(spec, lossy=True) == spec_to_dict(spec)
