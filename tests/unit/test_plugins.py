"""How executors and launchers are found by name, version and entry point."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from psij_like import plugins
from psij_like.executors.local import LocalJobExecutor
from psij_like.job_executor import JobExecutor
from psij_like.launcher import Launcher
from psij_like.launchers.single import SingleLauncher

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("name", "module:Class", ...)` adds entry points to those that there are."""
    from importlib import metadata

    usual = metadata.entry_points
    added: dict[str, list[EntryPoint]] = {}

    def forget() -> None:
        plugins._found.cache_clear()
        plugins._classes.cache_clear()

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [*usual(group=group), *added.get(group, ())]

    def add(name: str, *values: str, group: str = "psij_like.executors") -> None:
        added.setdefault(group, []).extend(EntryPoint(name, value, group) for value in values)
        forget()

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    forget()
    yield add
    forget()


@pytest.fixture
def versions(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executors called "many", of four versions."""
    module: Any = types.ModuleType("psij_test_versions")
    for number, version in enumerate(("0.0.9", "0.0.10", "1.0.0", "2.0.0rc1")):
        made = type(f"V{number}", (LocalJobExecutor,), {"_NAME_": "many", "_VERSION_": version})
        setattr(module, f"V{number}", made)
    monkeypatch.setitem(sys.modules, "psij_test_versions", module)
    install("many", *(f"psij_test_versions:V{number}" for number in range(4)))


def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "psij_test_broken.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "psij_test_broken", raising=False)


def test_the_names_that_come_with_it() -> None:
    assert {"local", "slurm"} <= JobExecutor.get_executor_names()
    assert {"single", "multiple", "mpirun", "srun"} <= Launcher.get_launcher_names()


@pytest.mark.parametrize(("wrong", "near"), [("locl", "local"), ("slrum", "slurm"), ("Local", "local")])
def test_an_unknown_executor(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"there is no executor {wrong!r}. Did you mean {near!r}") as caught:
        JobExecutor.get_instance(wrong)
    assert all(name in str(caught.value) for name in JobExecutor.get_executor_names())


def test_an_unknown_launcher() -> None:
    with pytest.raises(ValueError, match="Did you mean 'mpirun'") as caught:
        Launcher.get_instance("mpiron")
    assert all(name in str(caught.value) for name in Launcher.get_launcher_names())


def test_nothing_is_like_it() -> None:
    with pytest.raises(ValueError, match="there is no executor 'zzzzz'") as caught:
        JobExecutor.get_instance("zzzzz")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", [1, b"local", ["local"]])
def test_a_name_that_is_none(name: Any) -> None:
    with pytest.raises(TypeError, match="name"):
        JobExecutor.get_instance(name)


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("constraint", "version"),
    [
        (None, "2.0.0rc1"),
        ("< 2.0.0rc1", "1.0.0"),
        ("> 0.0.2, != 1.0.0, < 2.0.0rc1", "0.0.10"),
        ("== 0.0.9", "0.0.9"),
        ("<= 0.0.10", "0.0.10"),
        ("~= 0.0.9", "0.0.10"),
        ("> 0.0.2, != 0.0.4", "2.0.0rc1"),
    ],
)
def test_defect_10_the_highest_version_that_matches(constraint: str | None, version: str) -> None:
    """Defect 10: versions are compared as versions, and constraints are heeded."""
    assert str(JobExecutor.get_instance("many", constraint).version) == version


@pytest.mark.usefixtures("versions")
def test_no_version_matches() -> None:
    with pytest.raises(
        ValueError, match=r"no version of the executor 'many' matches '> 3'.*0\.0\.9, 0\.0\.10, 1\.0\.0"
    ):
        JobExecutor.get_instance("many", "> 3")


@pytest.mark.parametrize("constraint", ["1.0", "newest", "=> 1", "> x"])
def test_a_constraint_that_is_none(constraint: str) -> None:
    with pytest.raises(ValueError, match=r"is not like '> 0\.0\.2, != 0\.0\.4'"):
        JobExecutor.get_instance("local", constraint)


def test_the_same_plug_in_found_twice_is_one(install: Install) -> None:
    install("twice", *["psij_like.executors.local:LocalJobExecutor"] * 2)
    assert isinstance(JobExecutor.get_instance("twice"), LocalJobExecutor)
    assert len(plugins._found("psij_like.executors")["twice"]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import psij_no_such_module\n", "psij_no_such_module"),
        ("from psij_like import no_such_name\n", "no_such_name|psij_like"),
        ("pass\n", "Wanted"),
        ("1 / 0\n", "division by zero"),
        ("def (\n", "syntax"),
    ],
    ids=["dependency", "name", "class", "bug", "syntax"],
)
def test_a_broken_plug_in_is_named(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, words: str
) -> None:
    broken(monkeypatch, tmp_path, text)
    install("odd", "psij_test_broken:Wanted")
    assert "odd" in JobExecutor.get_executor_names()
    with pytest.raises(ValueError, match=words) as caught:
        JobExecutor.get_instance("odd")
    assert "the executor 'odd' can not be used here" in str(caught.value)
    assert "psij_test_broken:Wanted" in str(caught.value)
    assert caught.value.__cause__ is not None
    assert isinstance(JobExecutor.get_instance("local"), LocalJobExecutor)


def test_plug_ins_are_imported_when_they_are_asked_for(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken(monkeypatch, tmp_path, "from psij_like.executors.local import LocalJobExecutor as Wanted\n")
    install("lazy", "psij_test_broken:Wanted")
    JobExecutor.get_executor_names()
    JobExecutor.get_instance("local")
    assert "psij_test_broken" not in sys.modules
    JobExecutor.get_instance("lazy")
    assert "psij_test_broken" in sys.modules


def test_the_highest_version_of_a_launcher_that_matches(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("psij_test_launchers")
    for number, version in enumerate(("0.9", "0.10", "1.0")):
        setattr(module, f"V{number}", type(f"V{number}", (SingleLauncher,), {"_VERSION_": version}))
    monkeypatch.setitem(sys.modules, "psij_test_launchers", module)
    install("many", *(f"psij_test_launchers:V{number}" for number in range(3)), group="psij_like.launchers")
    assert Launcher.get_instance("many")._VERSION_ == "1.0"
    assert Launcher.get_instance("many", "< 1.0, != 0.9")._VERSION_ == "0.10"


def test_a_launcher_of_somebody_elses(install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken(
        monkeypatch,
        tmp_path,
        "from psij_like import Launcher\n"
        "class Wanted(Launcher):\n"
        "    _NAME_ = 'mine'\n"
        "    def prefix(self, resources):\n"
        "        return ['mine', *self.option_words()]\n",
    )
    install("mine", "psij_test_broken:Wanted", group="psij_like.launchers")
    assert Launcher.get_instance("mine", options={"x": "1"}).name == "mine"


def test_the_executor_of_what_is_configured_or_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PSIJ_EXECUTOR", raising=False)
    assert JobExecutor.get_instance().name == "local"
    (tmp_path / "flux").write_text("")
    (tmp_path / "flux").chmod(0o755)
    assert JobExecutor.get_instance().name == "flux"
    (tmp_path / "psij-like.toml").write_text('executor = "slurm"')
    assert JobExecutor.get_instance().name == "slurm"
    monkeypatch.setenv("PSIJ_EXECUTOR", "lsf")
    assert JobExecutor.get_instance().name == "lsf"
    assert JobExecutor.get_instance("local").name == "local"
