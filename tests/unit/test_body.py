"""The body of a job, run by bash as on a node, with no executor around it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from psij_like._engine.dependencies import Awaited
from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import JobFiles, single
from psij_like._engine.plan import Launch, Plan, body_data, make_plan, script_data
from psij_like._engine.record import Record
from psij_like._engine.render import render
from psij_like._engine.store import Store
from psij_like.dependencies import DependencyKind
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus
from psij_like.resource_spec import ResourceSpecV1
from psij_like.staging import StageIn, StageOut, StageOutFlags, StagingMode


class Body:
    """A job's directory and its working directory."""

    def __init__(self, place: Path) -> None:
        self.files = single(LocalHost(), place / "jobs" / "one")
        self.files.directory.mkdir(parents=True, mode=0o700)
        self.work = place / "work"
        self.work.mkdir()
        self.plan: Plan | None = None
        self.awaited: tuple[Awaited, ...] = ()

    def prepare(self, executable: str, *arguments: str, argv: list[str] | None = None, **fields: Any) -> None:
        fields.setdefault("directory", self.work)
        spec = JobSpec(executable=executable, arguments=list(arguments), **fields)
        launch = Launch(tuple(argv or [executable, *arguments]), argv is None)
        self.plan = make_plan(Job(spec), spec, launch, str(self.files.directory), self.awaited)
        self.files.host.write(
            self.files.path("body.sh"), body_data(self.plan, None, None, {kind for kind, _, _ in self.awaited})
        )
        self.files.host.write(self.files.path("submit"), render("local", script_data(self.plan)))

    def start(self, native_id: str | None = None, **environment: str) -> subprocess.Popen[str]:
        script = self.files.path("submit")
        if native_id is not None:
            text = script.read_text()
            script = self.files.path(f"submit.{native_id}")
            script.write_text(text.replace("psij_native_id=$$\n", f"psij_native_id={native_id}\n"))
            assert script.read_text() != text
        return subprocess.Popen(
            ["/bin/bash", "-p", str(script)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.work), **environment},
            start_new_session=True,
        )

    def run(self, native_id: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(native_id, **environment)
        stdout, stderr = process.communicate(timeout=30)
        said = stderr + (self.files.host.read(self.files.path("submit.log")) or "")
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, said)

    def record(self) -> Record:
        record = self.files.record()
        assert record is not None
        return record

    def states(self) -> list[JobState]:
        return [state for state, _ in self.record().events]

    def claim(self) -> str | None:
        assert self.plan is not None
        return self.files.host.link_target(self.files.path(f"claim.{self.plan.token}"))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture
def body(tmp_path: Path) -> Body:
    return Body(tmp_path)


# ---- one copy only


def test_a_good_run(body: Body) -> None:
    started = time.time()
    body.prepare("/bin/echo", "hello", stdout_path="out")
    done = body.run("17")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    record = body.record()
    assert (record.run, record.exit_code, record.received, record.failure) == (1, 0, None, None)
    assert body.states() == [JobState.ACTIVE]
    assert record.ended is not None
    assert started - 1 <= record.events[0][1] <= record.ended <= time.time() + 1
    assert (body.work / "out").read_text() == "hello\n"
    assert body.claim() == "17"
    assert not list(body.files.directory.glob("*.new"))


def test_the_native_id_is_that_of_the_shell(body: Body) -> None:
    body.prepare("/bin/true")
    process = body.start()
    process.communicate(timeout=30)
    assert body.claim() == str(process.pid)


def test_a_second_copy_with_another_id_runs_nothing(body: Body) -> None:
    body.prepare("/bin/sh", "-c", "echo ran >>ran")
    assert body.run("17").returncode == 0
    before = sorted(body.files.directory.glob("e*"))
    second = body.run("18")
    assert second.returncode != 0
    assert "claimed by 17" in second.stderr
    assert (body.work / "ran").read_text() == "ran\n"
    assert [path for path in sorted(body.files.directory.glob("e*")) if "submit" not in path.name] == before
    assert body.claim() == "17"


def test_the_same_id_again_is_another_run(body: Body) -> None:
    """A scheduler requeues a job under the same id."""
    body.prepare("/bin/sh", "-c", "echo ran >>ran; exit $(wc -l <ran)")
    assert body.run("17").returncode == 1
    assert body.record().run == 1
    assert body.run("17").returncode == 2
    assert (body.record().run, body.record().exit_code) == (2, 2)
    assert body.run("17").returncode == 3
    assert (body.record().run, body.record().exit_code) == (3, 3)
    assert (body.work / "ran").read_text() == "ran\n" * 3


def test_of_many_copies_at_once_one_runs(body: Body) -> None:
    body.prepare("/bin/sh", "-c", "echo ran >>ran")
    copies = [body.start(str(number)) for number in range(16)]
    codes = []
    for copy in copies:
        copy.communicate(timeout=30)
        codes.append(copy.returncode)
    assert sorted(codes) == [0] + [1] * 15
    assert (body.work / "ran").read_text() == "ran\n"
    assert body.claim() == str(codes.index(0))
    assert body.record().run == 1


def test_a_copy_of_an_earlier_submission_runs_nothing(body: Body) -> None:
    body.prepare("/bin/sh", "-c", "echo ran >>ran")
    assert body.plan is not None
    body.files.path(f"claim.{body.plan.token}").symlink_to("void:whoever")
    done = body.run("17")
    assert done.returncode != 0
    assert "claimed by void:whoever" in done.stderr
    assert not (body.work / "ran").exists()
    assert body.files.record() is None


def test_without_the_jobs_own_files_nothing_runs(body: Body) -> None:
    body.prepare("/bin/true")
    body.files.path("body.sh").unlink()
    done = body.run("17")
    assert done.returncode != 0
    assert "can not be read" in done.stderr
    assert body.claim() is None


# ---- how a run ends


@pytest.mark.parametrize("code", [0, 1, 3, 42, 127, 128, 255])
def test_S3_the_exit_code_is_recorded_and_passed_on(body: Body, code: int) -> None:
    body.prepare("/bin/sh", "-c", f"exit {code}")
    assert body.run().returncode == code
    assert (body.record().exit_code, body.record().failure) == (code, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT])
def test_a_signal_of_the_jobs_own(body: Body, number: int) -> None:
    body.prepare("/bin/sh", "-c", f"kill -{int(number)} $$")
    assert body.run().returncode == 128 + number
    assert (body.record().exit_code, body.record().received) == (128 + number, None)
    assert not body.record().clean


@pytest.mark.parametrize("trap", ["", "trap 'exit 0' TERM; "])
def test_a_signal_to_all_of_the_job_is_noted(body: Body, trap: str) -> None:
    """As schedulers send it to each process of a job. The body lives to say so, and stages out."""
    body.prepare(
        "/bin/sh",
        "-c",
        f"{trap}echo x >here; sleep 60 & wait",
        stage_out=[StageOut("here", str(body.work / "there"))],
    )
    process = body.start()
    body.wait_for((body.work / "here").exists)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    record = body.record()
    assert record.received == 15
    assert record.exit_code == (0 if trap else 143)
    assert not record.clean
    assert (body.work / "there").exists()


def test_J7_a_signal_that_comes_again_does_not_end_what_takes_results_away(body: Body, tmp_path: Path) -> None:
    """Torque sends SIGTERM to all of a job's processes for as long as there are any."""
    for name in ("cp", "rm"):
        (tmp_path / name).write_text(f'#!/bin/sh\ntouch "{tmp_path}/{name} runs"; sleep 1; exec /bin/{name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    body.prepare(
        *("/bin/sh", "-c", "echo x >here; sleep 60"),
        stage_out=[StageOut("here", str(body.work / "there"))],
        cleanup=["here"],
    )
    process = body.start(PATH=f"{tmp_path}:{os.environ['PATH']}")
    for awaited in (body.work / "here", tmp_path / "cp runs", tmp_path / "rm runs"):
        body.wait_for(awaited.exists)
        time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    assert (body.record().received, body.record().exit_code) == (15, 143)
    assert (body.work / "there").read_text() == "x\n"
    assert not (body.work / "here").exists()


HOSTILE_SHELLS = {
    "functions": {f"BASH_FUNC_{name}%%": "() { :; }" for name in ("printf", "mv", "ln", "cd", "trap", "exit")},
    "BASH_ENV": {"BASH_ENV": "exit0.sh"},
    "options": {"SHELLOPTS": "noexec:errexit", "BASHOPTS": "nullglob"},
    "the body's own variables": {"psij_failure": "boo", "psij_trouble": "boo", "psij_received": "9", "psij_run": "7"},
    "no PATH": {"PATH": "/no/such/directory"},
}


@pytest.mark.parametrize("hostile", HOSTILE_SHELLS)
def test_S3_no_environment_of_the_submitters_changes_an_end(body: Body, hostile: str) -> None:
    (body.work / "exit0.sh").write_text("exit 0\n")
    environment = {
        name: value.replace("exit0.sh", f"{body.work}/exit0.sh") for name, value in HOSTILE_SHELLS[hostile].items()
    }
    for code, program in enumerate(("/bin/true", "/bin/false")):
        body.prepare(program)
        body.run("same", **environment)
        assert (body.record().exit_code, body.record().failure, body.record().received) == (code, None, None)


def test_J4_scripts_may_do_what_shell_scripts_do(body: Body) -> None:
    def script(name: str, text: str) -> Path:
        (body.work / name).write_text(text)
        return body.work / name

    strict = script("strict", "set -eu\nIFS=x\nexport GIVEN=yes\n")
    loop = script("loop", "( while [ ! -e over ]; do sleep 0.05; done; touch gone ) >/dev/null 2>&1 &\n")
    functions = script("functions", "printf() { :; }\nexec() { :; }\ntype() { :; }\nmodule\n")
    body.prepare("/bin/sh", "-c", '[ "$GIVEN" = yes ] && exit 3', pre_launch=strict, post_launch=loop)
    body.run("same")
    assert (body.record().exit_code, body.record().failure) == (3, None)
    body.prepare("/bin/sh", "-c", 'exit "$CODE"', pre_launch=functions)
    body.run("same", **{"BASH_FUNC_module%%": "() { export CODE=4; }"})
    assert (body.record().exit_code, body.record().failure) == (4, None)
    (body.work / "over").touch()
    body.wait_for((body.work / "gone").exists)


def test_a_signal_before_the_launch_prevents_it(body: Body) -> None:
    (body.work / "bin").mkdir()
    cp = body.work / "bin" / "cp"
    cp.write_text('#!/bin/sh\nkill -TERM $(ps -o ppid= $PPID)\nexec /bin/cp "$@"\n')
    cp.chmod(0o755)
    (body.work / "in").touch()
    body.prepare("/bin/sh", "-c", "touch ran", stage_in={StageIn(str(body.work / "in"), "here")})
    assert body.run(PATH=f"{body.work}/bin:{os.environ['PATH']}").returncode != 0
    assert not (body.work / "ran").exists()
    assert body.record().received == 15
    assert "before the launch" in str(body.record().failure)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"directory": "/no/such/directory"}, None, "the job's directory '/no/such/directory' does not exist"),
        ({"stdin_path": "/no/such/file"}, 1, "stdin_path '/no/such/file' can not be read"),
        ({"stdout_path": "/no/such/file"}, 1, "stdout_path '/no/such/file' can not be written"),
        ({"stderr_path": "/no/such/file"}, 1, "stderr_path '/no/such/file' can not be written"),
        ({"pre_launch": "/no/such/file"}, 1, "the script '/no/such/file' can not be read"),
    ],
)
def test_a_launch_that_fails_says_why(body: Body, fields: dict[str, Any], code: int | None, words: str) -> None:
    body.prepare("/bin/sh", "-c", "echo ran >>ran", **fields)
    assert body.run(HOSTNAME="n1").returncode != 0
    record = body.record()
    assert (record.exit_code, record.phase) == (code, "launch")
    assert words in str(record.failure)
    assert not (body.work / "ran").exists()


@pytest.mark.parametrize(
    ("executable", "code"), [("/no/such/program", 127), ("psij-no-such", 127), ("/etc/passwd", 126), ("./below", 127)]
)
def test_a_program_that_can_not_be_started(body: Body, executable: str, code: int) -> None:
    body.prepare(executable)
    assert body.run().returncode == code
    record = body.record()
    assert (record.exit_code, record.phase) == (code, "launch")
    assert executable in str(record.failure)


@pytest.mark.parametrize("separator", list("\n\r\x0b\x0c\x1e\x85\u2028"))
def test_S3_a_name_in_the_failure_can_not_forge_a_record(body: Body, separator: str) -> None:
    """Only newlines end a line of the record, and those are taken out."""
    odd = separator.join(["/no/such", "failure=", "exit_code=0", "phase=", "whole=1", ""])
    body.prepare("/bin/true", directory=odd)
    assert body.run().returncode != 0
    assert (body.record().exit_code, body.record().phase) == (None, "launch")


# ---- what the job sees


def test_J2_arguments_and_environment(body: Body) -> None:
    values = ["a b", "", "'", '"$HOME"', "`no`", "*", "\\", "x\ny", "é", "-n"]
    body.prepare(
        "/bin/sh",
        "-c",
        'printf "%s\\0" "$@" "$A" "$B" "$C"',
        "sh",
        *values,
        stdout_path="out",
        environment={"A": "${BASE}:x", "B": "$${BASE} $HOME `no`", "C": "${NONE}'\""},
    )
    assert body.run(BASE="/b c").returncode == 0
    expected = [*values, "/b c:x", "${BASE} $HOME `no`", "'\""]
    assert (body.work / "out").read_bytes().decode().split("\0")[:-1] == expected


def test_nothing_of_the_bodys_own_is_in_the_jobs_environment(body: Body) -> None:
    body.prepare("/usr/bin/env", stdout_path="out")
    assert body.run().returncode == 0
    names = {line.split("=")[0] for line in (body.work / "out").read_text().splitlines()}
    assert not [name for name in names if name.startswith(("psij_", "BASH_FUNC"))]
    assert {"PSIJ_JOB_ID", "PSIJ_NODEFILE"} <= names


def test_J4_scripts_are_sourced_around_the_launch(body: Body) -> None:
    pre, post = body.work / "pre.sh", body.work / "post.sh"
    pre.write_text("export FROM_PRE='a b'\ncd /\n")
    post.write_text(f'echo "post $FROM_PRE" >>{body.work}/log\n')
    body.prepare("/bin/sh", "-c", f'echo "job $FROM_PRE" >>{body.work}/log; exit 3', pre_launch=pre, post_launch=post)
    assert body.run().returncode == 3
    assert (body.work / "log").read_text() == "job a b\npost a b\n"
    assert body.record().exit_code == 3


def test_J6_the_node_file(body: Body) -> None:
    body.prepare("/bin/sh", "-c", 'cat "$PSIJ_NODEFILE"', stdout_path="out", resources=ResourceSpecV1(process_count=3))
    assert body.run(HOSTNAME="n1").returncode == 0
    lines = (body.work / "out").read_text().split("\n")
    assert len(lines) == 4
    assert len(set(lines[:3])) == 1


def test_no_descriptor_of_the_bodys_reaches_the_job(body: Body) -> None:
    body.prepare("/bin/sh", "-c", "ls /proc/self/fd", stdout_path="out")
    assert body.run().returncode == 0
    assert (body.work / "out").read_text().split() == ["0", "1", "2", "3"]  # 3 is ls's own


# ---- J7: staging


def test_J7_the_order_of_states(body: Body) -> None:
    (body.work / "in").write_text("x")
    body.prepare(
        "/bin/cp",
        "there",
        "result",
        stage_in=[StageIn(body.work / "in", "there")],
        stage_out=[StageOut("result", body.work / "out" / "result")],
        cleanup=["there", "result"],
    )
    assert body.run().returncode == 0
    assert body.states() == [JobState.STAGE_IN, JobState.ACTIVE, JobState.STAGE_OUT, JobState.CLEANUP]
    assert (body.work / "out" / "result").read_text() == "x"
    assert not (body.work / "there").exists()
    assert not (body.work / "result").exists()


@pytest.mark.parametrize("mode", list(StagingMode))
def test_J7_modes(body: Body, mode: StagingMode) -> None:
    source = body.work / "a source"
    source.write_text("x")
    body.prepare("/bin/true", stage_in=[StageIn(source, "deep/er/target", mode)])
    assert body.run().returncode == 0
    target = body.work / "deep" / "er" / "target"
    assert source.exists() == (mode is not StagingMode.MOVE)
    assert target.is_symlink() == (mode is StagingMode.LINK)
    assert target.read_text() == "x"


@pytest.mark.parametrize("outcome", ["success", "error", "cancel"])
@pytest.mark.parametrize(
    "flags",
    [
        StageOutFlags.NONE,
        StageOutFlags.ON_SUCCESS,
        StageOutFlags.ON_ERROR,
        StageOutFlags.ON_CANCEL,
        StageOutFlags.ON_SUCCESS | StageOutFlags.ON_CANCEL,
        StageOutFlags.ALWAYS,
        StageOutFlags.IF_PRESENT,
        StageOutFlags.IF_PRESENT | StageOutFlags.ON_ERROR,
    ],
)
def test_J7_flags(body: Body, flags: StageOutFlags, outcome: str) -> None:
    code = {"success": 0, "error": 3, "cancel": 143}[outcome]
    body.prepare(
        "/bin/sh",
        "-c",
        f"echo x >made; exit {code}",
        stage_out=[StageOut("made", body.work / "taken", flags)],
        cleanup=["made"],
        cleanup_flags=flags,
    )
    if outcome == "cancel":
        body.files.path("cancel").touch()
    assert body.run().returncode == code
    wanted = {
        "success": StageOutFlags.ON_SUCCESS,
        "error": StageOutFlags.ON_ERROR,
        "cancel": StageOutFlags.ON_CANCEL,
    }[outcome]
    meant = flags | StageOutFlags.ALWAYS if flags == StageOutFlags.IF_PRESENT else flags
    assert (body.work / "taken").exists() == bool(meant & wanted)
    assert (body.work / "made").exists() != bool(meant & wanted)


@pytest.mark.parametrize("mode", list(StagingMode))
def test_J7_a_source_that_is_missing_is_an_error(body: Body, mode: StagingMode) -> None:
    body.prepare("/bin/sh", "-c", "echo ran >ran", stage_in=[StageIn("/no/such/file", "x", mode)])
    assert body.run().returncode != 0
    record = body.record()
    assert (record.exit_code, record.phase) == (None, "staging")
    assert "stage-in of '/no/such/file'" in str(record.failure)
    assert not (body.work / "ran").exists()


@pytest.mark.parametrize("mode", list(StagingMode))
@pytest.mark.parametrize("code", [0, 3])
def test_J7_a_result_that_is_missing_is_an_error(body: Body, mode: StagingMode, code: int) -> None:
    body.prepare("/bin/sh", "-c", f"exit {code}", stage_out=[StageOut("none", body.work / "x", mode=mode)])
    assert body.run().returncode == (code or 1)
    record = body.record()
    assert record.exit_code == code
    if code == 0:
        assert record.phase == "staging"
        assert "stage-out of 'none'" in str(record.failure)


def test_J7_unless_it_need_not_be_present(body: Body) -> None:
    flags = StageOutFlags.IF_PRESENT | StageOutFlags.ALWAYS
    body.prepare("/bin/true", stage_out=[StageOut("none", body.work / "x", flags)])
    assert body.run().returncode == 0
    assert body.record().failure is None


def test_cleanup_removes_what_it_names_only(body: Body) -> None:
    for name in ("a b", "-rf", "*", "kept"):
        (body.work / name).write_text("x")
    (body.work / "tree" / "deep").mkdir(parents=True)
    body.prepare("/bin/true", cleanup=["a b", "-rf", "*", "tree", "never there"])
    assert body.run().returncode == 0
    assert sorted(path.name for path in body.work.iterdir()) == ["kept"]


# ---- the ring and what scripts hold


def test_the_scripts_hold_nothing_of_the_users(body: Body) -> None:
    body.prepare("/bin/echo", "SECRET", environment={"A": "SECRET"}, stdout_path="SECRET")
    assert "SECRET" not in body.files.path("submit").read_text()
    assert body.plan is not None
    other = replace(body.plan, token="x" * 16)
    text = re.sub(r"psij_token=.*", "", render("local", script_data(other)))
    assert text == re.sub(r"psij_token=.*", "", body.files.path("submit").read_text())


def test_J7_a_cancel_that_did_not_arrive_changes_nothing(body: Body) -> None:
    """The mark of a cancel that the scheduler refused."""
    body.prepare("/bin/true", cleanup=["kept"], cleanup_flags=StageOutFlags.ON_CANCEL)
    (body.work / "kept").touch()
    body.files.path("cancel").touch()
    assert body.run().returncode == 0
    assert (body.work / "kept").exists()


def test_a_name_may_end_in_newlines(body: Body) -> None:
    for name, code in (("prog\n", 5), ("prog", 6)):
        (body.work / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (body.work / name).chmod(0o755)
    body.prepare(str(body.work / "prog\n"))
    assert body.run().returncode == 5
    body.files.remove()
    body.files.directory.mkdir()
    body.prepare("prog\n", environment={"PATH": f"{body.work}:/bin"})
    assert body.run().returncode == 5


def test_J1_scripts_before_do_not_move_the_job(body: Body) -> None:
    """Neither its directory, nor its files, nor its descriptors."""
    (body.work / "sub").mkdir()
    (body.work / "out").write_text("old")
    (body.work / "pre").write_text("cd sub; set -C; exec 4>held\n")
    pwd = "pwd; [ -e /proc/self/fd/4 ] && echo open"
    body.prepare("/bin/sh", "-c", pwd, pre_launch=body.work / "pre", stdout_path="out")
    assert body.run().returncode == 0
    assert (body.work / "out").read_text() == f"{body.work}\nopen\n"


def test_one_file_for_both_outputs_under_two_names(body: Body) -> None:
    both = body.work / "both"
    body.prepare("/bin/sh", "-c", "echo a; echo bb >&2; echo c", stdout_path="both", stderr_path=both)
    assert body.run().returncode == 0
    assert both.read_text() == "a\nbb\nc\n"


def test_what_can_not_be_started_says_so(body: Body) -> None:
    (body.work / "script").write_text("#!/no/such/interpreter\n")
    (body.work / "script").chmod(0o755)
    body.prepare("./script")
    assert body.run().returncode == 126
    assert "can not be started" in str(body.record().failure)


# ---- jobs that it waited for


def first_job(place: Path, how: str) -> JobFiles:
    """The files of a job that another one waited for, after an end of some kind."""
    store = Store(LocalHost(), place)
    files = JobFiles(store.create("first"), "first")
    store.note_accepted([(files, "16")])
    if how in ("good", "bad", "noted"):
        spec = JobSpec("/bin/false" if how == "bad" else "/bin/true", directory=place)
        plan = make_plan(Job(spec), spec, Launch((str(spec.executable),), True), str(files.directory))
        files.host.write(files.path("body.sh"), body_data(plan, None))
        files.host.write(files.path("submit"), render("local", script_data(plan)))
        subprocess.run(["/bin/bash", "-p", str(files.path("submit"))], check=False)
    elif how in ("cut off", "requeued and cut off"):
        files.path("events.1").write_text("1.0 ACTIVE\n")
        if how != "cut off":
            files.path("end.1").write_text("exit_code=0\nreceived=\nended=2.0\nphase=\nfailure=\nwhole=1\n")
            files.path("events.2").write_text("3.0 ACTIVE\n")
    if how == "noted":
        store.note_end("first", "16", JobStatus(JobState.COMPLETED, exit_code=0))
    elif how == "noted as cancelled":
        store.note_end("first", "16", JobStatus(JobState.CANCELED))
    if how in ("noted", "noted as cancelled", "forgotten"):
        files.remove()
    return files


@pytest.mark.parametrize(
    ("how", "kinds"),
    [
        ("good", ["afterok"]),
        ("noted", ["afterok"]),
        ("bad", ["afternotok"]),
        ("never ran", ["afternotok"]),
        ("noted as cancelled", ["afternotok"]),
        ("cut off", ["afternotok"]),
        ("requeued and cut off", ["afternotok"]),
        ("forgotten", ["afterok"]),  # the scheduler's word counts, and of the other kind it said nothing
    ],
)
def test_it_looks_how_the_jobs_ended_that_it_waited_for(tmp_path: Path, how: str, kinds: list[str]) -> None:
    files = first_job(tmp_path, how)
    for kind in ("afterok", "afternotok"):
        body = Body(tmp_path / kind)
        body.awaited = (Awaited(DependencyKind(kind), "16", files),)
        body.prepare("/usr/bin/touch", "ran")
        done = body.run("17")
        assert (body.work / "ran").exists() is (kind in kinds), kind
        assert done.returncode == (0 if kind in kinds else 1)
        if kind not in kinds:
            record = body.record()
            assert (record.exit_code, record.phase, record.events) == (None, "dependency", ())
            assert record.failure is not None
            assert f"{kind} job 16" in record.failure
        assert done.stderr == ""


def test_a_job_that_nobody_verifies_is_not_looked_at(tmp_path: Path) -> None:
    body = Body(tmp_path)
    body.awaited = (Awaited(DependencyKind.AFTEROK, "16"),)
    body.prepare("/bin/true")
    assert body.run("17").returncode == 0


def test_a_command_that_hangs_does_not_keep_a_job_from_starting(body: Body, tmp_path: Path) -> None:
    """The names of the nodes are asked for, but not for ever."""
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "scontrol").write_text("#!/bin/sh\nexec sleep 600\n")
    (commands / "timeout").write_text('#!/bin/sh\nshift 3\nexec /usr/bin/timeout 0.2 "$@"\n')  # not for so long
    for command in commands.iterdir():
        command.chmod(0o755)
    body.prepare("/bin/sh", "-c", "echo ${PSIJ_NODEFILE-none} >nodes")
    template = (Path(__file__).parents[2] / "templates/slurm.mustache").read_text()
    function = re.search(r"^psij_nodes\(\) {\n.*?^}\n", template, re.DOTALL | re.MULTILINE)
    assert function is not None
    script = body.files.path("submit")
    text = script.read_text()
    replaced = re.sub(r"^psij_nodes\(\) {\n.*?^}\n", lambda _: function[0], text, flags=re.DOTALL | re.MULTILINE)
    assert replaced != text
    script.write_text(replaced)
    done = body.run(PATH=f"{commands}:{os.environ['PATH']}", SLURM_JOB_NODELIST="n1")
    assert done.returncode == 0
    assert "could not be found out" in done.stderr
    assert (body.work / "nodes").read_text() == "none\n"
