"""The seam to the machine: commands end in time, say everything, and files are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from psij_like._engine.host import CommandMissing, CommandNotStarted, CommandTimeout, LocalHost, Result

HOST = LocalHost()


def bash(script: str, timeout: float = 30.0, output: Path | None = None) -> Result:
    return HOST.run(["bash", "-c", script], timeout=timeout, output=output)


def alive(pid: int) -> bool:
    """Whether it runs; a process that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + 5
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


def pid_in(file: Path) -> int:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(file.read_text())
        time.sleep(0.01)
    raise TimeoutError(file)


# ---- commands


def test_everything_a_command_says() -> None:
    result = bash("printf out; printf err >&2; exit 3")
    assert result == Result(("bash", "-c", "printf out; printf err >&2; exit 3"), 3, "out", "err")
    assert str(result).endswith("(exit code 3): err")


def test_a_signal_is_a_negative_exit_code() -> None:
    assert bash("kill -9 $$").exit_code == -9


def test_the_message_of_a_result_is_short() -> None:
    assert "it printed nothing" in str(bash("exit 1"))
    long = bash("head -c 100000 /dev/zero | tr '\\0' x; exit 1")
    assert len(str(long)) < 2500
    assert str(Result(("a",) * 20, 1, "", "")).startswith("a a a a a a a a ... (exit code 1)")


def test_a_megabyte_on_both_sides() -> None:
    result = bash("head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' y >&2")
    assert result.stdout == "x" * 1_000_000
    assert result.stderr == "y" * 1_000_000


def test_output_that_is_no_text() -> None:
    assert bash(r"printf 'a\xffb'").stdout == "a\ufffdb"


def test_standard_input(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_text("hello")
    assert HOST.run(["cat"], timeout=10, stdin=source).stdout == "hello"
    assert HOST.run(["cat"], timeout=10).stdout == ""


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSIJ_TEST_INHERITED", "1")
    assert "PSIJ_TEST_INHERITED=1" in HOST.run(["env"], timeout=10).stdout
    path = os.environ["PATH"]
    assert HOST.run(["env"], timeout=10, environment={"A": "1", "PATH": path}).stdout == f"A=1\nPATH={path}\n"


@pytest.mark.parametrize("name", ["psij-no-such-command", "/no/such/command", "/etc/passwd", "/"])
def test_a_missing_command(name: str) -> None:
    with pytest.raises(CommandMissing, match=name):
        HOST.run([name], timeout=10)


@pytest.mark.parametrize(
    ("number", "transient"), [(errno.EAGAIN, True), (errno.EMFILE, True), (errno.ENOMEM, True), (errno.E2BIG, False)]
)
def test_a_command_that_can_not_be_started(monkeypatch: pytest.MonkeyPatch, number: int, transient: bool) -> None:
    def start(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(CommandNotStarted, match=os.strerror(number)) as refusal:
        HOST.run(["true"], timeout=10)
    assert refusal.value.transient is transient


def test_a_command_without_a_place_for_its_output(tmp_path: Path) -> None:
    with pytest.raises(CommandNotStarted, match="no-such-directory") as refusal:
        HOST.run(["true"], timeout=10, output=tmp_path / "no-such-directory" / "out")
    assert not refusal.value.transient


def test_a_missing_command_leaves_an_empty_file_only(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with pytest.raises(CommandMissing):
        HOST.run(["psij-no-such-command"], timeout=10, output=file)
    assert file.read_text() == ""


def test_defect_07_a_command_has_a_time_limit_and_dies_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"bash -c .* did not end within 0\.3 seconds"):
        bash(f"trap '' TERM INT HUP; sleep 60 & echo $! >{child}; wait", timeout=0.3)
    assert time.monotonic() - started < 5
    assert gone(pid_in(child))


def test_a_command_that_writes_to_a_file_is_left_alone(tmp_path: Path) -> None:
    """Nobody could tell whether a submission that is killed had been taken; what it says later is kept."""
    file = tmp_path / "out"
    with pytest.raises(CommandTimeout):
        bash("echo early; sleep 0.5; echo 17", timeout=0.2, output=file)
    end = time.monotonic() + 5
    while file.read_text() != "early\n17\n" and time.monotonic() < end:
        time.sleep(0.01)
    assert file.read_text() == "early\n17\n"


def test_output_files(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("from an earlier attempt")
    result = bash("echo 17; echo oh >&2", output=file)
    assert (result.stdout, result.stderr) == ("17\n", "oh\n")
    assert file.read_text() == "17\n"
    other = tmp_path / "other"
    bash("echo 18", output=other)
    assert stat.S_IMODE(other.stat().st_mode) == 0o600


def test_output_files_are_no_links(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandNotStarted):
        bash("echo 17", output=tmp_path / "out")
    assert not (tmp_path / "elsewhere").exists()


def test_a_process_that_a_command_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = time.monotonic()
    assert bash(f"sleep 60 & echo $! >{child}; echo done").stdout == "done\n"
    assert time.monotonic() - started < 5
    pid = pid_in(child)
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_the_end_is_noticed_at_once() -> None:
    HOST.run(["true"], timeout=10)
    times = []
    for _ in range(20):
        started = time.monotonic()
        HOST.run(["sleep", "0.01"], timeout=10)
        times.append(time.monotonic() - started)
    assert sorted(times)[10] < 0.045  # Popen.wait(timeout) would sleep up to 50 ms


@pytest.mark.parametrize("seconds", [0.2, 30])
def test_without_pidfd(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    if seconds < 1:
        with pytest.raises(CommandTimeout):
            bash("sleep 30", timeout=seconds)
    else:
        assert bash("echo x; exit 2", timeout=seconds).exit_code == 2


def test_E1_commands_run_on_any_thread() -> None:
    results: list[Result] = []
    threads = [threading.Thread(target=lambda: results.append(bash("echo x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.stdout for result in results] == ["x\n"] * 8


def test_no_descriptor_is_left_open() -> None:
    bash("true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        bash("true")
        with pytest.raises(CommandTimeout):
            bash("sleep 9", timeout=0.01)
        with pytest.raises(CommandMissing):
            HOST.run(["psij-no-such-command"], timeout=1)
    assert len(os.listdir("/proc/self/fd")) == before


# ---- files


def test_write_is_whole_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "f"
    HOST.write(file, "a" * 1_000_000)
    stop = threading.Event()
    torn: list[str] = []

    def read() -> None:
        while not stop.is_set():
            text = HOST.read(file)
            if text is None or len(set(text)) != 1 or len(text) != 1_000_000:
                torn.append(repr(text)[:20])

    reader = threading.Thread(target=read)
    reader.start()
    for letter in "bcdefghijk":
        HOST.write(file, letter * 1_000_000)
    stop.set()
    reader.join()
    assert not torn
    assert os.listdir(tmp_path) == ["f"]


def test_write_and_append_follow_no_links(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("x")
    (tmp_path / "f.new").symlink_to(target)
    (tmp_path / "log").symlink_to(target)
    with pytest.raises(OSError):
        HOST.write(tmp_path / "f", "y")
    with pytest.raises(OSError):
        HOST.append(tmp_path / "log", "y")
    assert target.read_text() == "x"


def test_text_comes_back_as_it_was(tmp_path: Path) -> None:
    text = "a\r\nb\rc\n\udcff\u2028€\x00"
    HOST.write(tmp_path / "f", text)
    assert HOST.read(tmp_path / "f") == text
    HOST.append(tmp_path / "f", "more\n")
    assert HOST.read(tmp_path / "f") == text + "more\n"


def test_what_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "f"
    assert HOST.read(file) is None
    assert HOST.names(file) == []
    assert HOST.link_target(file) is None
    HOST.remove(file)
    file.write_text("x")
    assert HOST.read(file / "below") is None
    assert HOST.names(file / "below") == []
    assert HOST.names(file) == []
    assert HOST.link_target(file) is None


def test_directories(tmp_path: Path) -> None:
    HOST.make_directory(tmp_path / "a" / "b" / "c")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        HOST.make_directory(tmp_path / "a" / "b" / "c")
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    HOST.remove(tmp_path / "a" / "link")
    assert tmp_path.is_dir()
    HOST.remove(tmp_path / "a")
    assert HOST.names(tmp_path) == []


def test_many_make_the_same_parents_at_once(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def make(number: int) -> None:
        try:
            HOST.make_directory(tmp_path / "a" / "b" / str(number))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(16)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    assert len(HOST.names(tmp_path / "a" / "b")) == 16


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/hostname")])
def test_only_regular_files_are_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A job could put a pipe, which would be waited for without end, or a way to other files in their place."""
    make(tmp_path / "odd")
    with pytest.raises(OSError):
        HOST.read(tmp_path / "odd")


def test_no_more_is_read_than_wanted(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 100)
    assert HOST.read(tmp_path / "long", 10) == "x" * 10


def test_a_file_is_made_once(tmp_path: Path) -> None:
    HOST.create(tmp_path / "new", "text")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    for taken in ("new", "link"):
        if taken == "link":
            (tmp_path / taken).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FileExistsError):
            HOST.create(tmp_path / taken, "other")
    assert (tmp_path / "new").read_text() == "text"
    assert not (tmp_path / "elsewhere").exists()
