"""The command lines of launchers, and the options they are given."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from psij_like.exceptions import BulkSubmitException, InvalidJobException
from psij_like.job import Job
from psij_like.job_attributes import JobAttributes
from psij_like.job_executor import JobExecutor, JobExecutorConfig
from psij_like.job_spec import JobSpec
from psij_like.launcher import Launcher, launcher_for
from psij_like.resource_spec import ResourceSpecV1, resolve

LARGE = ResourceSpecV1(node_count=2, processes_per_node=3, cpu_cores_per_process=4)


def command(name: str, resources: ResourceSpecV1 | None = None, **options: object) -> list[str]:
    spec = JobSpec(executable="/bin/x", arguments=["a b", "-n"], resources=resources)
    launcher = Launcher.get_instance(name, options={key.replace("_", "-"): value for key, value in options.items()})
    words = launcher.get_launch_command(Job(spec))
    assert words[-3:] == ["/bin/x", "a b", "-n"]
    assert words[:-3] == launcher.prefix(resolve(spec.resources))
    return words[:-3]


def test_N1_single() -> None:
    assert command("single") == []
    assert command("single", LARGE) == []


def test_N1_mpirun() -> None:
    assert command("mpirun") == ["mpirun", "-n", "1"]
    several = ResourceSpecV1(process_count=6)
    assert command("mpirun", several) == ["mpirun", "-n", "6"]
    assert command("mpirun", several, mca=["btl", "tcp,self"], oversubscribe=True) == [
        *("mpirun", "-n", "6", "--mca", "btl", "tcp,self", "--oversubscribe")
    ]
    assert command("mpirun", LARGE, map_by="node") == ["mpirun", "-n", "6", "--map-by", "node"]


@pytest.mark.parametrize(
    ("version", "layout"),
    [
        ("mpirun (Open MPI) 4.1.4", "--map-by ppr:3:node:PE=4"),
        ("mpirun.openmpi (OpenRTE) 4.1.4", "--map-by ppr:3:node:PE=4"),
        ("HYDRA build details:\n    Version: 4.0.2", "-ppn 3"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.9 Build 20230307", "-ppn 3"),
        ("mpirun of nobody we know", ""),
    ],
)
@pytest.mark.parametrize("name", ["mpirun", "mpiexec"])
def test_N1_each_mpi_is_told_the_layout_in_its_own_way(
    name: str, version: str, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mpirun = tmp_path / name
    mpirun.write_text(f"""#!/bin/sh\nif [ "$1" = --version ]; then echo '{version}'; exit; fi\necho "$*"\n""")
    mpirun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    words = command(name, LARGE, mca=["btl", "tcp,self"])
    told = subprocess.run([*words, "/bin/x", "a b"], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["-n", "6", *layout.split(), "--mca", "btl", "tcp,self", "/bin/x", "a", "b"]
    one = command(name, ResourceSpecV1(node_count=2, processes_per_node=3), v=True)
    told = subprocess.run([*one, "/bin/x"], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["-n", "6", *layout.removesuffix(":PE=4").split(), "-v", "/bin/x"]


def test_N1_srun() -> None:
    assert command("srun") == ["srun", "--ntasks=1", "--nodes=1", "--cpus-per-task=1", "--"]
    assert command("srun", LARGE, overlap="", mpi="pmix") == [
        *("srun", "--ntasks=6", "--nodes=2", "--ntasks-per-node=3", "--cpus-per-task=4"),
        *("--overlap", "--mpi=pmix", "--"),
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, ["--o"]),
        ("", ["--o"]),
        (None, []),
        (False, []),
        (5, ["--o=5"]),
        (1.5, ["--o=1.5"]),
        ("a b", ["--o=a b"]),
        ("-x", ["--o=-x"]),
        (["a", "b"], ["--o", "a", "b"]),
        (("a", 1), ["--o", "a", "1"]),
    ],
)
def test_option_values(value: object, words: list[str]) -> None:
    expected = [word.replace("--o", "--option") for word in words]
    assert Launcher.get_instance("srun", options={"option": value}).option_words() == expected


def test_a_path_is_an_options_value_too(tmp_path: Path) -> None:
    assert Launcher.get_instance("mpirun", options={"wdir": tmp_path}).option_words(joined=False) == [
        *("--wdir", str(tmp_path))
    ]


@pytest.mark.parametrize("value", [b"x", {"a"}, {"a": 1}, "a\0b", "\ud800", ["a", None], [["a"]]])
def test_values_that_can_be_no_word_are_refused(value: object) -> None:
    job = Job(JobSpec("/bin/x", launcher="srun", attributes=JobAttributes(custom_attributes={"srun.foo": value})))
    for config in (None, JobExecutorConfig(launcher_options={"srun": {"foo": value}})):
        with pytest.raises(InvalidJobException, match=r"srun\.foo"):
            Launcher.get_instance("srun", config=config, options=None if config else {"foo": value}).prefix_text()
    with pytest.raises(InvalidJobException, match=r"srun\.foo"):
        JobExecutor.get_instance("slurm").submit(job)
    with pytest.raises(BulkSubmitException, match=r"srun\.foo"):
        JobExecutor.get_instance("slurm").submit_bulk([job])


def test_names_that_can_be_no_option_are_refused() -> None:
    for name in ("", "a b", "-x"):
        with pytest.raises(ValueError, match="is named like"):
            Launcher.get_instance("srun", config=JobExecutorConfig(launcher_options={"srun": {name: 1}}))


def test_a_prefix_is_for_resources() -> None:
    with pytest.raises(TypeError, match="a ResourceSpec or None"):
        Launcher.get_instance("srun").prefix_text(5)  # type: ignore[arg-type]


def test_short_options() -> None:
    assert Launcher.get_instance("srun", options={"l": True, "N": 2}).option_words() == ["-l", "-N", "2"]
    assert Launcher.get_instance("mpirun", options={"np": 2}).option_words(joined=False) == ["--np", "2"]


# ---- multiple


def run(count: int, script: str, *, stdin: bytes = b"", cwd: Path) -> tuple[int, list[str]]:
    words = Launcher.get_instance("multiple").prefix(resolve(ResourceSpecV1(process_count=count)))
    done = subprocess.run([*words, "/bin/sh", "-c", script], input=stdin, capture_output=True, cwd=cwd, check=False)
    assert done.stderr == b""
    return done.returncode, done.stdout.decode().split()


def test_N1_multiple_starts_as_many(tmp_path: Path) -> None:
    code, pids = run(5, "echo $$", cwd=tmp_path)
    assert code == 0
    assert len(set(pids)) == 5


def test_multiple_ends_with_the_last_and_fails_with_the_first_that_fails(tmp_path: Path) -> None:
    script = "n=$(mkdir a 2>/dev/null && echo 3 || { sleep 0.2; echo done >>log; echo 0; }); exit $n"
    code, _ = run(3, script, cwd=tmp_path)
    assert code == 3
    assert (tmp_path / "log").read_text() == "done\ndone\n"


def test_multiple_shares_standard_input(tmp_path: Path) -> None:
    code, words = run(2, "cat", stdin=b"word\n", cwd=tmp_path)
    assert (code, words) == (0, ["word"])


ODD = {
    "a.b": "1",
    "2x": "",
    "BASH_FUNC_module%%": "() {  echo loaded;\n}",
    "n": "5",
    "code": "a  b",
    "IFS": ":",
    "PS4": "x",
}


@pytest.mark.parametrize(
    "environment",
    [{}, ODD, {"PWD": "/odd", "OLDPWD": "/older", "SHLVL": "7"}, {"SHLVL": "1"}, {"OLDPWD": "/older", "PATH": "/x"}],
    ids=["nothing", "odd", "of-a-shell", "level", "path"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_multiple_leaves_the_environment_as_it_is(environment: dict[str, str], count: int) -> None:
    words = Launcher.get_instance("multiple").prefix(resolve(ResourceSpecV1(process_count=count)))
    done = subprocess.run([*words, "/usr/bin/env", "-0"], env=environment, capture_output=True, text=True, check=True)
    variables = [line for line in done.stdout.split("\0")[:-1] if not line.startswith("_=")]
    assert sorted(variables) == sorted(f"{name}={value}" for name, value in environment.items() for _ in range(count))


def test_multiple_gives_its_processes_their_signals_back(tmp_path: Path) -> None:
    command = ["/bin/grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]
    usual = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert run(2, "grep -E '^Sig(Ign|Blk)' /proc/self/status", cwd=tmp_path) == (0, usual * 2)


def test_multiple_says_nothing_of_its_own_when_a_signal_ends_a_process(tmp_path: Path) -> None:
    assert run(2, "kill -KILL $$", cwd=tmp_path) == (137, [])


def test_multiple_starts_the_program_and_nothing_of_the_shells() -> None:
    words = Launcher.get_instance("multiple").prefix(resolve(ResourceSpecV1(process_count=1)))
    done = subprocess.run([*words, "echo", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("echo (")


# ---- how they are found


def test_get_instance_takes_what_psij_takes() -> None:
    configured: dict[str, dict[str, object]] = {"srun": {"overlap": True}}
    config = JobExecutorConfig(launcher_options=configured)
    assert Launcher.get_instance("srun", ">= 0.1", config).options == {"overlap": True}
    assert Launcher.get_instance("srun", None, config, options={"mpi": "pmix"}).options == {"mpi": "pmix"}
    assert Launcher.get_instance("srun", config=config, options={}).options == {}
    assert Launcher.get_instance("mpirun", config=config).options == {}
    with pytest.raises(ValueError, match=r"no version of the launcher 'srun' matches '> 99'"):
        Launcher.get_instance("srun", "> 99")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"version_constraint": {"mpi": "pmix"}}, "version_constraint: .* expected a str or None"),
        ({"config": {"mpi": "pmix"}}, "config: .* expected a JobExecutorConfig or None"),
        ({"options": ["mpi"]}, "options: .* expected a dict of str"),
    ],
)
def test_get_instance_refuses_other_types(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Launcher.get_instance("srun", **wrong)


# ---- options that are refused


@pytest.mark.parametrize("name", ["single", "multiple"])
def test_launchers_without_options(name: str) -> None:
    with pytest.raises(InvalidJobException, match=f"'{name}' has no options, but got verbose"):
        command(name, verbose=True)


def chosen(launcher: str | None, custom: dict[str, Any], configured: dict[str, dict[str, object]]) -> Launcher:
    attributes = JobAttributes(custom_attributes=custom)
    return launcher_for(JobSpec(executable="x", launcher=launcher, attributes=attributes), configured)


def test_N2_options_come_from_the_configuration_and_the_job() -> None:
    configured: dict[str, dict[str, object]] = {"srun": {"overlap": True, "mpi": "pmix"}, "mpirun": {"v": True}}
    launcher = chosen("srun", {"srun.mpi": "pmi2", "srun.label": "", "slurm.constraint": "x"}, configured)
    assert launcher.options == {"overlap": True, "mpi": "pmi2", "label": ""}
    assert chosen(None, {}, configured).name == "single"
    assert chosen("srun", {"srun.overlap": None}, configured).option_words() == ["--mpi=pmix"]


@pytest.mark.parametrize("option", ["", "-x", "a b", "a=b", "a\nb", "a;b", "_x", "a.b", "é"])
def test_option_names_that_are_refused(option: str) -> None:
    with pytest.raises(InvalidJobException, match="an option is named like"):
        chosen("srun", {}, {"srun": {option: "1"}})


def test_a_launcher_that_there_is_not() -> None:
    with pytest.raises(
        InvalidJobException, match=r"JobSpec\.launcher: there is no launcher 'srum'\. Did you mean 'srun'"
    ):
        chosen("srum", {}, {})


@pytest.mark.parametrize("executable", ["-x", "--help"])
def test_an_executable_that_looks_like_an_option(executable: str) -> None:
    with pytest.raises(InvalidJobException, match=f"'./{executable}'"):
        Launcher.get_instance("mpirun").get_launch_command(Job(JobSpec(executable=executable)))
    words = Launcher.get_instance("srun").get_launch_command(Job(JobSpec(executable=executable)))
    assert words[-2:] == ["--", executable]


def test_a_job_without_an_executable() -> None:
    for job in (Job(), Job(JobSpec())):
        with pytest.raises(InvalidJobException, match="executable"):
            Launcher.get_instance("single").get_launch_command(job)
