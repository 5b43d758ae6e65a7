# requirements are named as in the interface: S1, J7

import timeit
from collections.abc import Callable
from typing import Any

import pytest

from psij_like.exceptions import InvalidJobException
from psij_like.job_attributes import JobAttributes
from psij_like.job_spec import JobSpec
from psij_like.resource_spec import ResourceSpecV1
from psij_like.staging import StageIn, StageOut
from psij_like.validation import MAX_STRING, validate_spec

CONTROLS = ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"]


def spec(**fields: Any) -> JobSpec:
    return JobSpec(**({"executable": "/bin/true"} | fields))


def refused(job_spec: JobSpec, message: str) -> None:
    with pytest.raises(InvalidJobException, match=message):
        validate_spec(job_spec)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"arguments": ["", "a\nb", "$HOME", "\udcff", "é", "x" * (MAX_STRING - 1)]},
        {"directory": "~"},
        {"directory": "~/x", "stdout_path": "out\n", "pre_launch": "~/env.sh"},
        {"environment": {"_A1": "multi\nline $x 'y'", "PSIJ": "ok"}},
        {"environment": {"A": "x" * (MAX_STRING - 3)}},
        {"name": "n" * 255},
        {"name": "Zwölf Boxkämpfer \u3000\u200b"},
        {"executable": "/" + "n" * 300},
        {"attributes": JobAttributes(queue_name="größe", custom_attributes={"slurm.x": [1, "a", None, {"k": 2.5}]})},
        {"launcher": "mpirun"},
        {
            "stage_in": [
                StageIn("file:///a%20b", "in/a"),
                StageIn("/a#b", "c"),
                StageIn("file://localhost/a", "d"),
            ]
        },
        {"stage_out": [StageOut("o", "/data/o")]},
        {"directory": "/w/x", "cleanup": ["tmp", "a/b", "/scratch/me", "/w/x/y", "/w/xy", "~/z"]},
    ],
)
def test_accepted(fields: dict[str, Any]) -> None:
    validate_spec(spec(**fields))


def test_E3_executable() -> None:
    refused(JobSpec(), "executable: None is not allowed, it must name a program")
    refused(JobSpec(executable=""), "executable: '' is not allowed")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("executable", "a\0b"),
        ("arguments", ["ok", "a\0b"]),
        ("directory", "/a\0b"),
        ("stdin_path", "a\0b"),
        ("stdout_path", "a\0b"),
        ("stderr_path", "a\0b"),
        ("pre_launch", "a\0b"),
        ("post_launch", "a\0b"),
        ("environment", {"A": "a\0b"}),
        ("stage_in", [StageIn("a\0b", "c")]),
        ("stage_in", [StageIn("a", "c\0")]),
        ("stage_out", [StageOut("a\0b", "c")]),
        ("stage_out", [StageOut("a", "c\0")]),
        ("cleanup", ["a\0b"]),
    ],
)
def test_E3_no_nul_and_no_lone_surrogates(field: str, value: Any) -> None:
    refused(spec(**{field: value}), rf"{field}.*must not hold NUL")

    def swap(item: Any) -> Any:
        if isinstance(item, str):
            return item.replace("\0", "\ud800")
        if isinstance(item, dict):
            return {name: swap(text) for name, text in item.items()}
        if isinstance(item, StageIn | StageOut):
            return type(item)(swap(str(item.source)), swap(str(item.target)))
        return [swap(one) for one in item]

    refused(spec(**{field: swap(value)}), rf"{field}.*lone surrogate")


def test_argument_is_named_by_its_number() -> None:
    refused(spec(arguments=["a", "b\0"]), r"arguments\[1\]: 'b\\x00'")


@pytest.mark.parametrize("directory", ["x", "./x", "~user/x", "."])
def test_J1_directory(directory: str) -> None:
    refused(spec(directory=directory), 'directory: .* must be absolute or start with "~/"')


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A\n", "A=B", "É", "BASH_FUNC_x%%"])
def test_defect_05_environment_names(name: str) -> None:
    refused(spec(environment={name: "x"}), r"environment: .* must match \[A-Za-z_\]")


def test_reserved_environment_names() -> None:
    refused(spec(environment={"PSIJ_X": "x"}), "environment: 'PSIJ_X' .* reserved")


def test_secrets_are_not_shown() -> None:
    for secret in ("hunter2\0", "hunter2\ud800", "hunter2" * MAX_STRING):
        with pytest.raises(InvalidJobException, match=r"environment\['TOKEN'\]") as caught:
            validate_spec(spec(environment={"TOKEN": secret}))
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["x" * MAX_STRING, "é" * (MAX_STRING // 2), "\udcff" * MAX_STRING])
def test_strings_linux_cannot_pass(text: str) -> None:
    refused(spec(arguments=[text]), r"arguments\[0\]: .* it takes 131072 bytes, Linux allows less than 131072")
    refused(spec(environment={"A": text}), r"environment\['A'\]: NAME=value takes 131074 bytes")
    with pytest.raises(InvalidJobException) as caught:
        validate_spec(spec(arguments=[text]))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("name", lambda text: spec(name=text)),
        ("queue_name", lambda text: spec(attributes=JobAttributes(queue_name=text))),
        ("account", lambda text: spec(attributes=JobAttributes(account=text))),
        ("reservation_id", lambda text: spec(attributes=JobAttributes(reservation_id=text))),
        ("slurm.x", lambda text: spec(attributes=JobAttributes(custom_attributes={"slurm.x": text}))),
        ("slurm.x", lambda text: spec(attributes=JobAttributes(custom_attributes={"slurm.x": [text]}))),
        ("slurm.x", lambda text: spec(attributes=JobAttributes(custom_attributes={"slurm.x": {"a": text}}))),
    ],
)
def test_defect_04_control_characters_in_directives(field: str, make: Callable[[str], JobSpec], control: str) -> None:
    refused(make(f"q{control}#SBATCH --x"), rf"{field}.*must not hold")


def test_defect_04_the_name_taken_from_the_executable() -> None:
    refused(spec(executable="/bin/a\nb"), "name: ")
    validate_spec(spec(executable="/bin/a\nb", name="ab"))


def test_name_length() -> None:
    refused(spec(name="n" * 256), "name: .* it has 256 characters, at most 255")


@pytest.mark.parametrize("launcher", ["", "mpi run", "-x", "a/b", "a\n"])
def test_launcher(launcher: str) -> None:
    refused(spec(launcher=launcher), "launcher: ")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("https://host/x", "only plain paths and file: URIs"),
        ("file://host/x", "only plain paths and file: URIs"),
        ("//host/x", "only plain paths and file: URIs"),
        ("a:b", r"put \./ before it"),
        ("http://[::1/x", "not a well-formed URI"),
        ("file:///a?b", "percent-encoded"),
        ("file:///a\nb", "percent-encoded"),
        ("file:///a%00", "NUL"),
        ("", "must name a file"),
        ("file:", "must name a file"),
    ],
)
def test_J7_places(uri: str, why: str) -> None:
    refused(spec(stage_in=[StageIn(uri, "t")]), f"stage_in source: .*{why}")
    refused(spec(stage_out=[StageOut("s", uri)]), f"stage_out target: .*{why}")


def test_J7_empty_files() -> None:
    refused(spec(stage_in=[StageIn("s", "")]), r"stage_in target: '\.' is not allowed, it must name a file")
    refused(spec(stage_out=[StageOut("", "t")]), r"stage_out source: '\.' is not allowed")


@pytest.mark.parametrize("entry", ["/", "//", "/.", "~", "~/", ".", "./"])
def test_J7_cleanup_of_everything(entry: str) -> None:
    for directory in (None, "/w/x"):
        refused(spec(cleanup=[entry], directory=directory), "cleanup: .* root, the home or the job's own")


@pytest.mark.parametrize("entry", ["..", "../x", "a/../../b", "a/..", "/w/../w/x", "~/.."])
def test_J7_cleanup_with_dots(entry: str) -> None:
    refused(spec(cleanup=[entry], directory="/w/x"), r"cleanup: .* must not hold '\.\.'")


@pytest.mark.parametrize(
    ("entry", "directory"),
    [
        ("/w/x", "/w/x"),
        ("/w", "/w/x"),
        ("/w", "/w/y/../x"),
        ("//w", "/w/x"),
        ("/w", "//w/x"),
        ("~/run", "~/run"),
        ("~/run", "~/run/1"),
    ],
)
def test_J7_cleanup_of_the_jobs_directory(entry: str, directory: str) -> None:
    refused(spec(cleanup=[entry], directory=directory), "cleanup: .* the job's own directory, .* is that or in it")


def test_containers_changed_after_they_were_set() -> None:
    job_spec = spec(arguments=["a"], environment={"A": "1"}, attributes=JobAttributes(custom_attributes={}))
    items: list[Any] = job_spec.arguments or []
    items.append(3)
    refused(job_spec, r"arguments\[1\]: 3 is not allowed, it must be a str")
    items.pop()
    variables: dict[str, Any] = job_spec.environment or {}
    variables["B"] = 3
    refused(job_spec, r"environment\['B'\]: .* it must be a str")
    del variables["B"]
    validate_spec(job_spec)
    custom = job_spec.attributes.custom_attributes
    assert custom is not None
    custom["x"] = 1
    refused(job_spec, "custom attribute name")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("slrum.qos", "slurm"), ("pbspr.q", "pbspro"), ("sruns.overlap", "srun"), ("Slurm.qos", "slurm")],
)
def test_a_slip_in_the_owner_of_a_custom_attribute(name: str, meant: str) -> None:
    refused(spec(attributes=JobAttributes(custom_attributes={name: 1})), f"'{name}': .* did you mean '{meant}'")


def test_a_custom_attribute_of_nobody_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    for job_spec in (spec(attributes=JobAttributes(custom_attributes={"elsewhere.qos": n})) for n in range(2)):
        validate_spec(job_spec)
    validate_spec(spec(attributes=JobAttributes(custom_attributes={"pbs.q": 1, "srun.overlap": True, "sge.pe": "x"})))
    assert [record.getMessage().partition(" is")[0] for record in caplog.records] == [
        "custom attribute 'elsewhere.qos'"
    ]


@pytest.mark.parametrize("field", ["stage_in", "stage_out", "cleanup"])
def test_sets_changed_after_they_were_set(field: str) -> None:
    job_spec = spec(stage_in=[], stage_out=[], cleanup=[])
    members: set[Any] = getattr(job_spec, field)
    members.add(3)
    refused(job_spec, f"{field}: 3 is not allowed")


def test_custom_attributes_that_have_no_text() -> None:
    endless: list[Any] = []
    endless.append(endless)

    class Mute:
        def __str__(self) -> str:
            raise ValueError("no words")

    for value, why in ((endless, "nested"), (Mute(), "no words")):
        refused(spec(attributes=JobAttributes(custom_attributes={"slurm.x": value})), why)


@pytest.mark.parametrize("entry", ["/usr", "/home/", "//etc"])
def test_J7_cleanup_of_the_systems_directories(entry: str) -> None:
    refused(spec(cleanup=[entry]), "cleanup: .* the system's own")


def test_cost() -> None:
    # Measured: about 3 microseconds. The bound leaves room for slow machines.
    small = spec(arguments=["a"], attributes=JobAttributes(queue_name="q"), resources=ResourceSpecV1(node_count=1))
    assert min(timeit.repeat(lambda: validate_spec(small), number=1000, repeat=5)) < 0.010
