# requirements are named as in the interface: S1, J7

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like.staging import URI, StageIn, StageOut, StageOutFlags, StagingMode


def test_parts() -> None:
    uri = URI("https://me:pw@Host.example:8080/a%20b;v=1?q=2#f")
    assert (uri.scheme, uri.netloc, uri.hostname, uri.port) == (
        "https",
        "me:pw@Host.example:8080",
        "host.example",
        8080,
    )
    assert (uri.username, uri.password) == ("me", "pw")
    assert (uri.path, uri.params, uri.query, uri.fragment) == ("/a%20b", "v=1", "q=2", "f")
    assert str(uri) == "https://me:pw@Host.example:8080/a%20b;v=1?q=2#f"
    assert type(str(uri)) is str
    assert uri.local_path is None


def test_value() -> None:
    assert URI("a") == URI(Path("a")) == "a"
    assert URI("a") != URI("b")
    assert len({URI("a"), URI(Path("a"))}) == 1
    assert repr(URI("a")) == "URI('a')"
    assert copy.deepcopy(URI("a")) == pickle.loads(pickle.dumps(URI("a"))) == URI("a")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/data/x", "/data/x"),
        ("x#1?2;3%20", "x#1?2;3%20"),
        ("file:///a%20b", "/a b"),
        ("file://localhost/a", "/a"),
        ("FILE:///%ff", "/\udcff"),
        ("~/x", "~/x"),
    ],
)
def test_local_path(text: str, path: str) -> None:
    assert URI(text).local_path == Path(path)


@pytest.mark.parametrize("text", ["http://h/x", "file://other/x", "//other/x", "a:b"])
def test_not_local(text: str) -> None:
    assert URI(text).local_path is None


def test_malformed() -> None:
    with pytest.raises(ValueError, match="IPv6"):
        _ = URI("http://[::1/").hostname
    with pytest.raises(TypeError, match="URI: 3 is of type int, expected a str"):
        URI(3)  # type: ignore[arg-type]


@given(st.text().map(Path))
def test_a_path_stays_that_path(path: Path) -> None:
    local = URI(path).local_path
    assert local is not None
    assert str(local) == str(path).replace("//", "/", 1)


def test_flags() -> None:
    every = StageOutFlags.ON_SUCCESS | StageOutFlags.ON_ERROR | StageOutFlags.ON_CANCEL
    assert every == StageOutFlags.ALWAYS
    assert not StageOutFlags.NONE
    assert StageOutFlags.IF_PRESENT not in StageOutFlags.ALWAYS


def test_J7_stage_in() -> None:
    stage = StageIn(Path("/data/a"), "in/a")
    assert (stage.source, stage.target, stage.mode) == (URI("/data/a"), Path("in/a"), StagingMode.COPY)
    assert isinstance(stage.source, URI)
    assert stage == StageIn("/data/a", Path("in/a"), StagingMode.COPY)
    assert stage != StageIn("/data/a", "in/a", StagingMode.LINK)
    assert repr(StageIn("a", "b", StagingMode.MOVE)).startswith("StageIn(source=URI('a'), target=")


def test_J7_stage_out() -> None:
    stage = StageOut("out", "file:///data/out", StageOutFlags.ON_ERROR)
    assert (stage.source, stage.target) == (Path("out"), URI("file:///data/out"))
    assert (stage.flags, stage.mode) == (StageOutFlags.ON_ERROR, StagingMode.COPY)
    assert StageOut("a", "b").flags == StageOutFlags.ALWAYS
    assert stage not in {StageOut("out", "file:///data/out")}


@pytest.mark.parametrize("stage", [StageIn("a", "b"), StageOut("a", "b")])
def test_transfers_are_values(stage: StageIn | StageOut) -> None:
    assert {stage: 1}[copy.deepcopy(stage)] == 1
    assert pickle.loads(pickle.dumps(stage)) == stage
    with pytest.raises(AttributeError, match="cannot be changed"):
        stage.mode = StagingMode.MOVE  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        (StageIn, ("a", 3), "StageIn.target"),
        (StageIn, ("a", "b", "COPY"), "StageIn.mode"),
        (StageOut, (b"a", "b"), "StageOut.source"),
        (StageOut, ("a", "b", 3), "StageOut.flags"),
    ],
)
def test_wrong_types(kind: Any, arguments: tuple[Any, ...], field: str) -> None:
    with pytest.raises(TypeError, match=f"{field}: .* expected"):
        kind(*arguments)
