# requirements are named as in the interface: S1, J7

import copy
import inspect
import pickle
import subprocess
import sys
import timeit
import tracemalloc
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from psij_like.job_attributes import JobAttributes
from psij_like.job_spec import JobSpec
from psij_like.resource_spec import ResourceSpecV1
from psij_like.staging import StageIn, StageOut, StageOutFlags

PATHS = ("directory", "stdin_path", "stdout_path", "stderr_path", "pre_launch", "post_launch")
FULL: dict[str, Any] = {
    "executable": "/bin/date",
    "arguments": ["-u"],
    "directory": Path("/tmp"),
    "name": "n",
    "inherit_environment": False,
    "environment": {"A": "1"},
    "stdin_path": Path("i"),
    "stdout_path": Path("o"),
    "stderr_path": Path("e"),
    "resources": ResourceSpecV1(process_count=2),
    "attributes": JobAttributes(queue_name="q"),
    "pre_launch": Path("pre.sh"),
    "post_launch": Path("post.sh"),
    "launcher": "mpirun",
    "stage_in": {StageIn("a", "b")},
    "stage_out": {StageOut("c", "d")},
    "cleanup": {Path("b")},
    "cleanup_flags": StageOutFlags.ON_SUCCESS,
}


def typical() -> JobSpec:
    return JobSpec(
        executable="/bin/true",
        arguments=["a"],
        attributes=JobAttributes(duration=timedelta(hours=1), queue_name="q"),
        resources=ResourceSpecV1(node_count=2, processes_per_node=4),
    )


def test_signature_is_the_published_one() -> None:
    assert list(inspect.signature(JobSpec).parameters) == list(FULL)


def test_defaults() -> None:
    spec = JobSpec()
    unset = {field: getattr(spec, field) for field in FULL}
    assert unset == dict.fromkeys(FULL) | {
        "inherit_environment": True,
        "attributes": JobAttributes(),
        "cleanup_flags": StageOutFlags.ALWAYS,
    }


def test_fields_read_back_and_reset() -> None:
    spec = JobSpec(**FULL)
    later = JobSpec()
    for field, value in FULL.items():
        assert getattr(spec, field) == value
        assert later != spec
        setattr(later, field, value)
    assert later == spec
    for field in FULL:
        setattr(spec, field, None)
    assert spec == JobSpec()


@pytest.mark.parametrize("field", PATHS)
def test_paths(field: str) -> None:
    spec = JobSpec(**{field: "/data/x/"})  # type: ignore[arg-type]
    assert getattr(spec, field) == Path("/data/x")
    setattr(spec, field, Path("y"))
    assert getattr(spec, field) == Path("y")
    setattr(spec, field, "")
    assert getattr(spec, field) is None


def test_name_is_the_executable_when_not_set() -> None:
    spec = JobSpec(executable="/bin/a")
    assert spec.name == "/bin/a"
    spec.executable = "/bin/b"
    assert spec.name == "/bin/b"
    spec.name = "n"
    assert spec.name == "n"
    spec.name = ""
    assert spec.name == "/bin/b"
    assert JobSpec().name is None


def test_environment_takes_numbers_and_gives_text() -> None:
    assert JobSpec(environment={"A": 1, "B": "2"}).environment == {"A": "1", "B": "2"}
    spec = JobSpec()
    spec.environment = {"N": 10**20}
    assert spec.environment == {"N": str(10**20)}


def test_containers_are_copied() -> None:
    arguments, environment, cleanup = ["a"], {"A": "1"}, {"x"}
    spec = JobSpec(arguments=arguments, environment=environment, cleanup=cleanup)
    arguments.append("b")
    environment["B"] = "2"
    cleanup.add("y")
    assert (spec.arguments, spec.environment, spec.cleanup) == (["a"], {"A": "1"}, {Path("x")})


def test_J7_staging_takes_any_iterable() -> None:
    spec = JobSpec(stage_in=[StageIn("a", "b")], stage_out=iter([StageOut("a", "b")]), cleanup=("x", Path("x")))
    assert spec.stage_in == {StageIn("a", "b")}
    assert spec.stage_out == {StageOut("a", "b")}
    assert spec.cleanup == {Path("x")}


def test_attributes_are_made_when_needed_and_kept() -> None:
    spec = JobSpec()
    spec.attributes.queue_name = "q"
    assert spec.attributes.queue_name == "q"
    unset = JobSpec()
    assert (unset.attributes, repr(unset)) == (JobAttributes(), "JobSpec()")
    assert unset == JobSpec() == JobSpec(attributes=JobAttributes())
    assert spec != JobSpec()


def test_subclasses_of_str_become_str() -> None:
    class Word(str, Enum):
        A = "a"

    spec = JobSpec(executable=Word.A, arguments=[Word.A], environment={Word.A: Word.A}, stdout_path=Word.A)
    assert type(spec.executable) is str
    assert (spec.executable, spec.arguments, spec.environment) == ("a", ["a"], {"a": "a"})
    assert spec.stdout_path == Path("a")


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("executable", Path("/bin/date"), "a str"),
        ("arguments", "abc", "a list of str"),
        ("arguments", ["a", 1], "a list of str"),
        ("directory", 3, "a str or Path"),
        ("name", 3, "a str"),
        ("inherit_environment", 1, "True or False"),
        ("environment", {"A": 1.5, "TOKEN": "hunter2"}, "a str or int"),
        ("environment", {1: "a"}, "names that are str"),
        ("environment", ["A=1"], "a dict of str to str or int"),
        ("stdout_path", b"out", "a str or Path"),
        ("resources", {"node_count": 1}, "a ResourceSpec"),
        ("attributes", {"queue_name": "q"}, "a JobAttributes"),
        ("launcher", ["srun"], "a str"),
        ("stage_in", StageIn("a", "b"), "an iterable of StageIn"),
        ("stage_in", [StageOut("a", "b")], "a StageIn"),
        ("stage_out", ["a"], "a StageOut"),
        ("cleanup", "file", "an iterable of str or Path"),
        ("cleanup", [3], "a str or Path"),
        ("cleanup_flags", 3, "a StageOutFlags"),
    ],
)
def test_wrong_types(field: str, value: Any, allowed: str) -> None:
    message = rf"JobSpec\.{field}(\[.*\])?: .* expected {allowed}"
    with pytest.raises(TypeError, match=message) as refusal:
        JobSpec(**{field: value})
    assert "hunter2" not in str(refusal.value)
    spec = JobSpec(**FULL)
    with pytest.raises(TypeError, match=message):
        setattr(spec, field, value)
    assert getattr(spec, field) == FULL[field]


def test_an_empty_path_cannot_be_cleaned_up() -> None:
    with pytest.raises(Exception, match="without empty members"):
        JobSpec(cleanup=["a", ""])


def test_no_misspelt_fields() -> None:
    with pytest.raises(AttributeError):
        JobSpec().argumets = ["a"]  # type: ignore[attr-defined]


def test_equality_by_value_and_no_hash() -> None:
    assert JobSpec(**FULL) == JobSpec(**copy.deepcopy(FULL))
    for field in FULL:
        assert JobSpec(**(FULL | {field: None})) != JobSpec(**FULL)
    assert JobSpec() != "spec"
    with pytest.raises(TypeError, match="unhashable"):
        hash(JobSpec())


def test_copies() -> None:
    spec = JobSpec(**FULL)
    deep = copy.deepcopy(spec)
    assert deep == pickle.loads(pickle.dumps(spec)) == copy.copy(spec) == spec
    deep.attributes.queue_name = "r"
    assert spec.attributes.queue_name == "q"


def test_repr_shows_what_is_set() -> None:
    assert repr(JobSpec()) == "JobSpec()"
    spec = JobSpec(executable="a", name="n", inherit_environment=False)
    assert repr(spec) == "JobSpec(executable='a', name='n', inherit_environment=False)"


def test_help_shows_the_fields() -> None:
    assert inspect.getdoc(JobSpec.directory) == "Where the job runs."


def test_cost_of_a_spec() -> None:
    # Measured: about 5 microseconds and 450 bytes. The bounds leave room for slow machines.
    assert min(timeit.repeat(typical, number=1000, repeat=5)) < 0.030
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [typical() for _ in range(1000)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(kept) < 1200


@pytest.mark.parametrize("flags", [[], ["-O"]])
def test_typeguard_is_imported_only_to_word_an_error(flags: list[str]) -> None:
    code = """
import sys
from psij_like.job_spec import JobSpec
from psij_like.staging import StageIn
JobSpec(executable="a", arguments=["b"], environment={"A": "1"}, stage_in=[StageIn("a", "b")], cleanup=["c"])
print("typeguard" in sys.modules)
try:
    JobSpec(executable=3)
except TypeError as error:
    print(error, "|", type(error.__cause__).__name__)
"""
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "False"
    assert second.startswith("JobSpec.executable: 3 is of type int, expected a str (")
    assert second.endswith("| TypeCheckError")
