"""Open OnDemand: what its adapter's five scripts do, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from executors.support import until
from integrations.named_psij import as_psij
from integrations.system import PROGRAMS, System


@pytest.fixture(scope="module")
def environment() -> Path:
    """This one: the scripts need nothing but the library."""
    return Path(sys.prefix)


class Adapter:
    """Open OnDemand's adapter, as far as its scripts go."""

    def __init__(self, system: System) -> None:
        self.system = system
        (system.here / "ood_tmp").mkdir()
        script = system.here / "ood_tmp" / "run.sh"
        script.write_text(
            '#!/bin/bash\necho "$FRUIT in $PWD"; echo wrong >&2; until [ -e go ]; do sleep 0.1; done; exit 3\n'
        )
        script.chmod(0o755)

    def _run(self, program: str, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            as_psij("python3", PROGRAMS / program, *arguments),
            cwd=self.system.here,
            env=self.system.surroundings,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def submit(self, **options: str) -> str:
        """Submit a session with options of the scheduler's; its id."""
        spec = {
            "environment": {"FRUIT": "a pear"},
            "directory": str(self.system.here),
            "name": "sys/dashboard/session",
            "executable": "~/ood_tmp/run.sh",
            "stdout_path": str(self.system.here / "stdout.txt"),
            "stderr_path": str(self.system.here / "stderr.txt"),
            "attributes": {"duration": 300, "custom_attributes": options},
            "resources": {"__version": 1, "cpu_cores_per_process": 1},
        }
        return self._run("ood_submit.py", self.system.executor, given=json.dumps(spec)).removesuffix("\n")

    def info(self, **asked: str) -> Any:
        """What is known of jobs."""
        words = [f"--{name}={value}" for name, value in asked.items()]
        return json.loads(self._run("ood_info.py", *words, f"--executor={self.system.executor}"))

    def state(self, native_id: str) -> str:
        """The state of a job."""
        return str(self.info(id=native_id)[0]["current_state"])

    def request(self, what: str, native_id: str) -> str:
        """What the answer to a request says; nothing if all is well."""
        return self._run("ood_request.py", what, f"--id={native_id}", f"--executor={self.system.executor}").strip()


def test_a_session_from_its_submission_to_its_end(system: System) -> None:
    adapter = Adapter(system.at("session"))
    here = adapter.system.here
    native_id = adapter.submit(comment="pears")
    assert native_id.isdigit()
    until(lambda: adapter.state(native_id) == "ACTIVE", 30)
    until(lambda: (here / "stderr.txt").exists() and (here / "stderr.txt").read_text() == "wrong\n", 30)
    assert (here / "stdout.txt").read_text() == f"a pear in {here}\n"
    (job,) = adapter.info(id=native_id)
    known = ("native_id", "name", "duration", "cpu_cores_per_process")
    assert [job[name] for name in known] == [native_id, "sys/dashboard/session", 300.0, 1]
    assert job["submission_time"] <= job["dispatch_time"]
    assert native_id in [each["native_id"] for each in adapter.info()]
    assert native_id in [each["native_id"] for each in adapter.info(owner=job["owner"])]
    assert adapter.info(owner="somebody_else") == []
    (here / "go").touch()
    until(lambda: adapter.state(native_id) == "FAILED", 30)
    assert adapter.info() == []


def test_a_session_that_is_deleted(system: System) -> None:
    adapter = Adapter(system.at("deleted"))
    native_id = adapter.submit()
    until(lambda: adapter.state(native_id) == "ACTIVE", 30)
    assert adapter.request("cancel", native_id) == ""
    until(lambda: adapter.state(native_id) == "CANCELED", 30)
    until(lambda: not adapter.system.at_work(), 20)
    assert adapter.request("cancel", "no-such-id") == "Invalid job id specified"
    assert adapter.info(id="4123456") == []


def test_holding_and_releasing(system: System) -> None:
    adapter = Adapter(system.at("held"))
    if system.cluster is None:
        native_id = adapter.submit()
        assert adapter.request("hold", native_id) == "Invalid job id specified"  # local jobs do not wait
    else:
        native_id = adapter.submit(begin="now+1hour")
        assert adapter.request("hold", native_id) == ""
        until(lambda: adapter.state(native_id) == "HELD", 30)
        assert adapter.request("release", native_id) == ""
        until(lambda: adapter.state(native_id) == "QUEUED", 30)
    assert adapter.request("cancel", native_id) == ""
    until(lambda: adapter.state(native_id) == "CANCELED", 30)
