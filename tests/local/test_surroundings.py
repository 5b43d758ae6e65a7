"""What of the client's surroundings reaches local jobs, and what may not."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from executors.sites import LOCAL
from executors.support import attach, client, completed, ended, shell, submit
from local.test_processes import INTERNAL
from psij_like import InvalidJobException, JobExecutor, JobExecutorConfig, JobSpec, JobState, Reason, ResourceSpecV1
from psij_like.staging import StageIn

around = pytest.mark.parametrize("around", [{}, {"cleanup": {"nothing"}}], ids=["bare", "in-a-body"])


@pytest.mark.parametrize("blocked", ["SIGCHLD", "SIGUSR1"])
def test_a_client_that_blocks_signals(config: JobExecutorConfig, blocked: str) -> None:
    script = f"""
from datetime import timedelta
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{blocked}])
job = submit("/bin/sh", ["-c", "sleep 0.3; exit 5"])
print(job.wait(timedelta(seconds=10)))
other = submit("/bin/sleep", ["600"])
print(other.native_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = client(LOCAL, config, script)
    assert "exit_code=5" in done.stdout, done
    job = attach(JobExecutor.get_instance("local", config=config), done.stdout.split()[-1])
    job.cancel()
    assert ended(job).state is JobState.CANCELED


@around
def test_signals_that_the_client_ignores(config: JobExecutorConfig, around: Mapping[str, Any], tmp_path: Path) -> None:
    script = f"""
for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}}:
    signal.signal(number, signal.SIG_IGN)
completed = submit("/bin/grep", ["^SigIgn", "/proc/self/status"], stdout_path=arguments[0], **{around!r}).wait()
assert completed.exit_code == 0, completed
"""
    done = client(LOCAL, config, script, str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    assert int((tmp_path / "out").read_text().split()[1], 16) & ~INTERNAL == 0


def test_J6_several_processes_without_a_launcher(executor: JobExecutor, tmp_path: Path) -> None:
    spec = shell('wc -l <"$PSIJ_NODEFILE"', directory=tmp_path, stdout_path="out")
    spec.resources = ResourceSpecV1(process_count=2)
    completed(submit(executor, spec))
    assert (tmp_path / "out").read_text().split() == ["2"]


@pytest.mark.parametrize("too_long", ["environment", "arguments", "PATH"])
def test_what_is_too_long_fails_the_job_and_says_so(executor: JobExecutor, too_long: str) -> None:
    spec = JobSpec("/bin/true")
    if too_long == "environment":
        spec.environment = {f"LONG{number}": "x" * 100_000 for number in range(80)}
    elif too_long == "arguments":
        spec.arguments = ["x" * 100_000] * 80
    else:
        spec.executable, spec.environment = "x" * 30_000, {"PATH": "/" + "x" * 120_000}
    status = ended(submit(executor, spec))
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LAUNCH_FAILED)
    assert ("was not found" if too_long == "PATH" else "too long") in str(status.message)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@around
@pytest.mark.usefixtures("usual_umask")
def test_the_umask_is_that_of_each_submit(executor: JobExecutor, tmp_path: Path, around: Mapping[str, Any]) -> None:
    for umask in (0o022, 0o027, 0o077):
        os.umask(umask)
        name = f"{umask:03o}"
        completed(submit(executor, shell("touch $1", f"made{name}", directory=tmp_path, stdout_path=name, **around)))
        assert [stat.S_IMODE((tmp_path / file).stat().st_mode) for file in (name, f"made{name}")] == [
            0o666 & ~umask
        ] * 2


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nobody(_: int) -> NoReturn:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ValueError, match=r"home directory.*JobExecutorConfig\(work_directory=\.\.\.\)"):
        JobExecutor.get_instance("local")
    executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "work"))
    completed(submit(executor, JobSpec("/bin/true", directory=tmp_path)))


def test_A1_an_id_that_no_process_has(executor: JobExecutor) -> None:
    free = next(pid for pid in range(4_194_304, 1, -1) if not Path(f"/proc/{pid}").exists())
    status = ended(attach(executor, str(free)), 1)
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
    assert f"no process of this machine has the id {free}" in str(status.message)
    assert "scheduler" not in str(status.message)


def test_custom_attributes_of_other_executors_may_be_anything(executor: JobExecutor) -> None:
    custom = {"lsf.alloc": Path("/x"), "pbs.l": ("a", 1), "cobalt.attrs": {"b", "a"}, "slurm.x": object()}
    spec = JobSpec("/bin/true")
    spec.attributes.custom_attributes = custom
    completed(submit(executor, spec))


@around
def test_J1_a_client_whose_own_directory_is_gone(
    executor: JobExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: Mapping[str, Any]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    completed(submit(executor, JobSpec("/bin/true", directory=tmp_path, **around)))
    with pytest.raises(InvalidJobException, match="directory is not set, and the directory that this process is in"):
        submit(executor, JobSpec("/bin/true", **around))
    with pytest.raises(InvalidJobException, match="'script' is relative, and the directory that this process is in"):
        submit(executor, JobSpec("/bin/true", directory=tmp_path, pre_launch="script", **around))
    with pytest.raises(InvalidJobException, match="'input' is relative, and the directory that this process is in"):
        submit(executor, JobSpec("/bin/true", directory=tmp_path, stage_in={StageIn("input", "x")}, **around))


def test_what_python_itself_overlooks_in_its_search_path(config: JobExecutorConfig, tmp_path: Path) -> None:
    """Relative entries, and what is no text."""
    (tmp_path / "modules").mkdir()
    script = f"""
import psij_like
from pathlib import Path
os.chdir({str(tmp_path)!r})
os.symlink(os.path.dirname(psij_like.__file__), "modules/psij_like")
sys.path[:] = ["modules", Path("modules"), *sys.path]
import psij_like._engine.supervised as supervised
entries = supervised.search_path().split(os.pathsep)
assert entries[0] == {str(tmp_path / "modules")!r} and all(map(os.path.isabs, entries)), entries
assert submit("/bin/sh", ["-c", "exit 3"]).wait().exit_code == 3
"""
    done = client(LOCAL, config, script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("thread", "error"),
    [("local", "SubmitException"), ("local news", "SubmitException"), ("tracker", "SubmissionUnknownException")],
)
def test_no_thread_can_be_had_for_long(config: JobExecutorConfig, thread: str, error: str) -> None:
    script = f"""
import threading
from datetime import timedelta
from psij_like import SubmitException
start, short = threading.Thread.start, True
def start_later(thread):
    if thread.name == "psij-like {thread}" and short:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = start_later
first = Job(JobSpec("/bin/sh", ["-c", "exit 3"]))
try:
    executor.submit(first)
except SubmitException as refusal:
    assert type(refusal).__name__ == "{error}" and "can't start new thread" in str(refusal), refusal
    unknown = not refusal.transient
short = False
assert submit("/bin/sh", ["-c", "exit 4"]).wait(timedelta(seconds=10)).exit_code == 4
if not unknown:
    executor.submit(first)
assert first.wait(timedelta(seconds=10)).exit_code == 3
"""
    done = client(LOCAL, config, script)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_supervisor_that_can_not_start_has_run_nothing(config: JobExecutorConfig) -> None:
    script = """
from psij_like import SubmissionUnknownException, SubmitException
python, sys.executable = sys.executable, "/bin/false"
job = Job(JobSpec("/bin/sh", ["-c", "exit 3"]))
try:
    executor.submit(job)
except SubmissionUnknownException as error:
    raise AssertionError("it may be submitted again") from error
except SubmitException as error:
    assert "can not start" in str(error), error
else:
    raise AssertionError("nothing could run it")
sys.executable = python
executor.submit(job)
assert job.wait().exit_code == 3
"""
    done = client(LOCAL, config, script)
    assert (done.returncode, done.stderr) == (0, "")
