"""What importing the library does, and what it leaves alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import psij_like

SOURCE = Path(psij_like.__file__).parent
# The conformance suite is made of tests: pytest sees to their assertions.
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE / "conformance" / "suite")
PUBLISHED = {
    *("Job", "JobStatusCallback", "JobSpec", "JobAttributes", "JobExecutor", "JobExecutorConfig", "JobStatus"),
    *("JobState", "ResourceSpec", "ResourceSpecV1", "Launcher", "SubmitException", "InvalidJobException"),
    *("UnreachableStateException", "__version__"),
}
OURS = {
    *(
        "BulkSubmitException",
        "Capabilities",
        "DependencyKind",
        "JobExecutorPool",
        "JobFailed",
        "JobFuture",
        "JobInfo",
        "JobUsage",
        "Reason",
        "SubmissionUnknownException",
    ),
    *("as_completed", "wait_all"),
}


def run(script: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_public_names() -> None:
    assert set(psij_like.__all__) == PUBLISHED | OURS
    assert all(hasattr(psij_like, name) for name in psij_like.__all__)
    found: dict[str, object] = {}
    exec("from psij_like import *", found)
    assert PUBLISHED.issubset(found)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("staging", ["URI", "StagingMode", "StageIn", "StageOut", "StageOutFlags"]),
        ("serialize", ["Serializer", "JSONSerializer"]),
        ("exceptions", ["InvalidJobException", "SubmitException"]),
        ("job_state", ["JobState"]),
        ("launchers", []),
        ("executors", []),
        ("executors.local", ["LocalJobExecutor"]),
        (
            "executors.batch.batch_scheduler_executor",
            ["BatchSchedulerExecutor", "BatchSchedulerExecutorConfig"],
        ),
        ("executors.batch.slurm", ["SlurmJobExecutor", "SlurmExecutorConfig"]),
    ],
)
def test_modules_that_users_code_names(module: str, names: list[str]) -> None:
    script = f"import psij_like.{module} as m\nfor name in {names}: getattr(m, name)\nprint('good')"
    done = run(script, "-W", "error")
    assert (done.stdout, done.stderr) == ("good\n", "")


QUIET = """
import sys, threading, signal, os
import logging
signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
descriptors = sorted(os.listdir("/proc/self/fd"))
before = set(sys.modules)
opened = []
def hook(event, args):
    if event == "open" and not str(args[0]).endswith((".py", ".pyc")) and "__pycache__" not in str(args[0]):
        opened.append(args[0])
    elif event in ("subprocess.Popen", "os.posix_spawn", "socket.bind", "os.mkdir", "_thread.start_new_thread"):
        opened.append(event)
sys.addaudithook(hook)
import psij_like
from psij_like import *
Job(JobSpec(executable="/bin/true", attributes=JobAttributes(), resources=ResourceSpecV1(process_count=2)))
heavy = {"typeguard", "pystache", "psutil", "importlib.metadata", "packaging", "asyncio", "multiprocessing", "email"}
found = {
    "opened": [one for one in opened if not isinstance(one, int)],
    "threads": threading.active_count() - 1,
    "signals": signals != {number: signal.getsignal(number) for number in signal.valid_signals()},
    "descriptors": descriptors != sorted(os.listdir("/proc/self/fd")),
    "handlers": logging.getLogger("psij_like").handlers + logging.getLogger().handlers,
    "heavy": heavy & set(sys.modules),
}
if any(found.values()):
    sys.exit(str(found))
print("good")
"""


@pytest.mark.parametrize("options", [(), ("-O",), ("-OO",), ("-W", "error"), ("-I",)], ids=str)
def test_the_import_is_quiet(options: tuple[str, ...]) -> None:
    """No thread, no signal handler, no file, no heavy module (defect 10: no SIGCHLD handler)."""
    done = run(QUIET, "-B", *options)
    assert (done.stdout, done.stderr) == ("good\n", "")


THREAD = """
import threading
errors = []
def use():
    try:
        from psij_like import Job, JobExecutor, JobSpec
        job = Job(JobSpec(executable="/bin/true"))
        JobExecutor.get_instance("local")
    except BaseException as error:
        errors.append(error)
thread = threading.Thread(target=use)
thread.start()
thread.join()
print(errors or "good")
"""


def test_defect_10_import_off_the_main_thread() -> None:
    done = run(THREAD, "-W", "error")
    assert (done.stdout, done.stderr) == ("good\n", "")


def test_defect_10_without_a_terminal_or_a_login() -> None:
    script = "from psij_like import JobExecutor; JobExecutor.get_instance('slurm'); print('good')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    assert (done.stdout, done.stderr) == ("good\n", "")


CHECKS = """
from psij_like import InvalidJobException, Job, JobExecutor, JobSpec, ResourceSpecV1
try:
    JobSpec(arguments=[1])
except TypeError:
    print("good")
try:
    ResourceSpecV1(node_count=2, process_count=3)
except InvalidJobException:
    print("good")
try:
    JobExecutor.get_instance("slurm").script(Job(JobSpec(executable="x", directory="relative")))
except InvalidJobException:
    print("good")
"""


@pytest.mark.parametrize("options", [(), ("-O",), ("-OO",)], ids=str)
def test_checks_do_not_rest_on_assert_statements(options: tuple[str, ...]) -> None:
    done = run(CHECKS, *options)
    assert (done.stdout, done.stderr) == ("good\n" * 3, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_source_holds_no_assert_statement(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def test_the_types_are_marked() -> None:
    assert (SOURCE / "py.typed").is_file()


@pytest.mark.parametrize(
    ("room", "may_not_use"),
    [
        ("_engine", ("executors", "launchers", "conformance", "dashboard", "cli", "integrations")),
        ("executors/batch", ("subprocess", "threading")),
    ],
)
def test_imports_point_downwards(room: str, may_not_use: tuple[str, ...]) -> None:
    for path in sorted((SOURCE / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for module in modules:
                assert module.removeprefix("psij_like.").split(".")[0] not in may_not_use, f"{path}: {module}"
