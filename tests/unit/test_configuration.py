"""What is set once and for all, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from psij_like import JobExecutor, JobExecutorConfig
from psij_like.configuration import Configuration, ConfigurationError, load


class Places:
    """Where things are set."""

    def __init__(self, root: Path) -> None:
        self.site, self.user = root / "etc.toml", root / "xdg" / "psij-like" / "config.toml"
        self.project = root / "project" / "psij-like.toml"
        self.here = root / "project" / "deep" / "er"
        self.here.mkdir(parents=True)
        self.user.parent.mkdir(parents=True)
        self.environment = {"XDG_CONFIG_HOME": str(root / "xdg")}

    def load(self, **given: object) -> Configuration:
        return load(given, self.environment, self.here, self.site)

    def values(self, **given: object) -> dict[str, object]:
        return {name: setting.value for name, setting in self.load(**given).settings.items()}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_nothing_is_set(places: Places) -> None:
    assert places.values() == {}


def test_later_places_win(places: Places) -> None:
    places.site.write_text(
        'executor = "slurm"\n[executors.slurm]\nqueue = "site"\naccount = "site"\nlauncher = "site"\n'
    )
    assert places.values() == {"executor": "slurm", "queue": "site", "account": "site", "launcher": "site"}
    places.user.write_text('[executors.slurm]\nqueue = "user"\naccount = "user"\nreservation = "user"\n')
    places.project.write_text('[executors.slurm]\nqueue = "project"\nwalltime = "1h"\n')
    known = places.load().settings
    assert {name: setting.value for name, setting in known.items()} == {
        "executor": "slurm",
        "queue": "project",
        "account": "user",
        "launcher": "site",
        "reservation": "user",
        "walltime": "1h",
    }
    assert known["queue"].origin == f"{places.project}: executors.slurm.queue"
    assert known["executor"].origin == f"{places.site}: executor"
    places.environment["PSIJ_QUEUE"] = "environment"
    assert places.load().settings["queue"] == ("environment", "PSIJ_QUEUE")
    assert places.load(queue="call").settings["queue"] == ("call", "given")
    assert places.load(queue=None).settings["queue"].value == "environment"


def test_only_the_executor_that_is_chosen_counts(places: Places) -> None:
    places.user.write_text('executor = "slurm"\n[executors.slurm]\nqueue = "a"\n[executors.lsf]\nqueue = "b"\n')
    assert places.values()["queue"] == "a"
    assert places.values(executor="lsf")["queue"] == "b"
    places.environment["PSIJ_EXECUTOR"] = "local"
    assert places.values() == {"executor": "local"}


def test_a_profile_comes_on_top(places: Places) -> None:
    places.site.write_text(
        '[executors.slurm]\nqueue = "batch"\ncustom = { "slurm.qos" = "normal", "slurm.mail" = "x" }\n'
        '[profiles.gpu]\nexecutor = "slurm"\nqueue = "gpu"\ncustom = { "slurm.qos" = "high" }\n'
    )
    places.user.write_text('executor = "lsf"\n[executors.slurm]\nqueue = "mine"\n')
    gpu = {"profile": "gpu", "executor": "slurm", "queue": "gpu", "custom.slurm.qos": "high", "custom.slurm.mail": "x"}
    assert places.values(profile="gpu") == gpu
    assert places.values() == {"executor": "lsf"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executr = 'x'", "'executr' is not known; did you mean 'executor'?"),
        ("[executors.slurm]\nqeue = 'x'", "executors.slurm: 'qeue' is not known; did you mean 'queue'?"),
        ("[executors.slurm]\nexecutor = 'x'", "'executor' is not known"),
        ("[profiles.x]\nzzz = 1", "known are: account"),
        ("[executors]\nslurm = 1", "slurm is 1, and should be a table"),
        ("[executors.slurm]\nqueue = 5", "queue is 5, and should be a text"),
        ("executor = 5", "executor is 5, and should be a text"),
        ("profiles = []", "should be a table"),
        ("executor =", "is not TOML"),
        ("\udcff", "is not TOML"),
        ("profile = 'gp'\n[profiles.gpu]\n", "profile 'gp' (.*: profile) is not described; did you mean 'gpu'?"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(places: Places, text: str, words: str) -> None:
    import re

    places.user.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError) as caught:
        _ = places.load().settings
    assert str(places.user) in str(caught.value)
    assert re.search(re.escape(words).replace(r"\.\*", ".*"), str(caught.value))


def test_a_file_that_can_not_be_read(places: Places) -> None:
    places.user.mkdir()
    with pytest.raises(ConfigurationError, match="can not be read"):
        places.load()


def test_the_users_file_is_in_the_home_directory_by_default(places: Places, tmp_path: Path) -> None:
    (tmp_path / ".config" / "psij-like").mkdir(parents=True)
    (tmp_path / ".config" / "psij-like" / "config.toml").write_text('executor = "flux"')
    places.environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "not/absolute"}
    assert places.values() == {"executor": "flux"}
    places.environment = {}
    assert places.values() == {}


def test_a_named_executor_works_where_it_is_configured_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "psij-like.toml").write_text('[executors.slurm]\nwork_directory = "/site/work"\nurl = "nowhere"\n')
    assert JobExecutor.get_instance("slurm").config.work_directory == Path("/site/work")
    assert JobExecutor.get_instance("local").config.work_directory == Path("~/.psij-like/work").expanduser()
    own = JobExecutorConfig(work_directory=tmp_path)
    assert JobExecutor.get_instance("slurm", config=own).config.work_directory == tmp_path
