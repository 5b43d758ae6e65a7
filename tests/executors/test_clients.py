"""What the library does to the process that uses it, and what that process may lack (defects 6 and 10)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from executors.sites import Site
from executors.support import Ear, active, client, completed, ended, shell, submit, until_released
from psij_like import JobExecutor, JobExecutorConfig, JobState
from psij_like.executors.tracked import TrackedJobExecutor

QUIET = """
import threading
def handlers():
    return [signal.getsignal(number) for number in range(1, signal.NSIG) if number not in (32, 33)]
assert threading.active_count() == 1, threading.enumerate()
before = handlers()
assert submit("/bin/sh", ["-c", "exit 3"]).wait().exit_code == 3
assert handlers() == before
assert signal.getsignal(signal.SIGCHLD) in (None, signal.SIG_DFL)
import subprocess
assert subprocess.run(["sh", "-c", "exit 4"]).returncode == 4
"""


def test_defect_10_no_terminal_no_login_name_no_handlers(site: Site, config: JobExecutorConfig) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "USERNAME")}
    done = client(
        site,
        config,
        "try:\n    os.getlogin()\nexcept OSError:\n    pass\nelse:\n    assert not os.isatty(0)\n" + QUIET,
        env=environment,
        start_new_session=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


OFF_THE_MAIN_THREAD = """\
import pickle, sys, threading
problem = []
def work():
    try:
        from psij_like import Job, JobExecutor, JobSpec
        name, config, _ = pickle.load(sys.stdin.buffer)
        executor = JobExecutor.get_instance(name, config=config)
        job = Job(JobSpec("/bin/sh", ["-c", "exit 3"]))
        executor.submit(job)
        assert job.wait().exit_code == 3
        long = Job(JobSpec("/bin/sleep", ["600"]))
        executor.submit(long)
        long.cancel()
        assert str(long.wait().state) == "CANCELED"
    except BaseException as error:
        problem.append(repr(error))
thread = threading.Thread(target=work)
thread.start()
thread.join()
sys.exit("".join(problem) or 0)
"""


def test_defect_10_imported_and_used_off_the_main_thread(site: Site, config: JobExecutorConfig) -> None:
    done = client(site, config, "", before=OFF_THE_MAIN_THREAD)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_starts_afresh(site: Site, config: JobExecutorConfig) -> None:
    done = client(
        site,
        config,
        """
mine = submit("/bin/sleep", ["2"])
child = os.fork()
if child == 0:
    its = submit("/bin/sh", ["-c", "exit 3"])
    os._exit(its.wait().exit_code)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
assert mine.wait().exit_code == 0
""",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_follows_the_parent_s_jobs_only_if_it_asks(site: Site, config: JobExecutorConfig) -> None:
    done = client(
        site,
        config,
        """
from datetime import timedelta
from psij_like import wait_all
mine = [submit("/bin/sh", ["-c", f"sleep 2; exit {code}"]) for code in (3, 4)]
child = os.fork()
if child == 0:
    assert executor.list() == []
    assert mine[0].wait(timedelta(seconds=60)).exit_code == 3
    assert wait_all(mine, timedelta(seconds=60))
    assert mine[1].status.exit_code == 4
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert [job.wait(timedelta(seconds=60)).exit_code for job in mine] == [3, 4]
""",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_thread_can_be_had_for_a_moment(site: Site, config: JobExecutorConfig) -> None:
    done = client(
        site,
        config,
        """
import threading
from datetime import timedelta
start, refused = threading.Thread.start, set()
def start_later(thread):
    if thread.name.startswith("psij-like") and thread.name not in refused:
        refused.add(thread.name)
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = start_later
told = threading.Event()
executor.set_job_status_callback(lambda job, status: told.set() if status.final else None)
for _ in range(2):
    assert submit("/bin/sh", ["-c", "exit 3"]).wait(timedelta(seconds=30)).exit_code == 3
    assert told.wait(5)
    told.clear()
assert {"psij-like tracker", "psij-like callbacks"} <= refused, refused
""",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_client_without_standard_files(site: Site, config: JobExecutorConfig) -> None:
    script = """
for number in range(3):
    os.close(number)
codes = [submit("/bin/sh", ["-c", "exit 3"], **more).wait().exit_code for more in ({}, {"cleanup": {"none"}})]
os._exit(sum(codes))
"""
    assert client(site, config, script).returncode == 6


def test_optimised_python_does_the_same(site: Site, config: JobExecutorConfig) -> None:
    script = """
refused = 0
for wrong in ({"directory": "relative"}, {"environment": {"A B": "x"}}, {"name": "a\\nb"}):
    try:
        submit("/bin/true", **wrong)
    except Exception as error:
        refused += type(error).__name__ == "InvalidJobException"
sys.exit(refused + submit("/bin/sh", ["-c", "exit 3"]).wait().exit_code)
"""
    done = client(site, config, script, flags=("-O",))
    assert (done.returncode, done.stderr) == (6, "")


def test_the_client_sees_all_callbacks_before_it_exits(site: Site, config: JobExecutorConfig) -> None:
    script = """
executor.set_job_status_callback(lambda job, status: print(status.state))
submit("/bin/true").wait()
"""
    done = client(site, config, script)
    assert (done.stdout.split(), done.returncode, done.stderr) == (["QUEUED", "ACTIVE", "COMPLETED"], 0, "")


def test_defect_06_forged_datagrams_change_nothing(executor: JobExecutor, ear: Ear, work_directory: Path) -> None:
    assert isinstance(executor, TrackedJobExecutor)
    go = work_directory / "go"
    job = submit(executor, shell(f"{until_released(go)}; exit 3", directory=work_directory, cleanup={"none"}))
    active(job)
    bell = executor._tracker().doorbell
    assert bell is not None
    address, port, text = bell.of(job.id)
    own = text.encode()
    forged = [
        own,  # replayed: somebody looks at the files, and they say what they say
        *(own + words for words in (b" COMPLETED", b"\nCOMPLETED 0", b"\0", b" x" * 1000)),
        *(job.id.encode() + words for words in (b"", b" ", b" " + b"0" * 32, b" COMPLETED", b" FAILED 1")),
        *(
            b"../../etc " + own.split()[1],
            str(job.native_id).encode() + b" COMPLETED 0",
            b"",
            b"\xff" * 300,
            b"{" * 60000,
        ),
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        for datagram in forged * 20:
            forger.sendto(datagram, (address, port))
    other = submit(executor, shell("exit 4"))
    assert ended(other).exit_code == 4
    assert job.status.state is JobState.ACTIVE
    go.touch()
    assert ended(job).exit_code == 3
    assert ear.states(job) == ["QUEUED", "ACTIVE", "CLEANUP", "FAILED"]


def test_keep_files(site: Site, make_config: Callable[..., JobExecutorConfig]) -> None:
    for keep in (False, True):
        config = make_config(keep_files=keep)
        executor = JobExecutor.get_instance(site.executor, config=config)
        job = submit(executor, shell("exit 0", cleanup={"/nothing/of/that/name"}))
        completed(job)
        kept = list((config.work_directory / site.executor).glob(f"**/jobs/{job.id}"))
        assert bool(kept) is keep


def test_many_clients_at_once_in_a_new_work_directory(site: Site, config: JobExecutorConfig) -> None:
    codes: list[int] = []

    def one() -> None:
        codes.append(client(site, config, "sys.exit(submit('/bin/sh', ['-c', 'exit 3']).wait().exit_code)").returncode)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [3] * len(threads)
