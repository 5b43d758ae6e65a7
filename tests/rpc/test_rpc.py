"""The door for other languages: `psij-like rpc`, spoken to as a program would, and by the example's client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executors.support import until
from psij_like.testing import SimulatedCluster
from spec.conftest import complaints

EXAMPLE = Path(__file__).parents[2] / "examples" / "psij_client.js"
COMMAND = [sys.executable, "-c", "from psij_like.cli.main import main; main()", "rpc"]


class Talk:
    """A conversation, each message of which is checked against the schema."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--work-directory", str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.news: list[dict[str, Any]] = []
        self._count = 0
        self.right = True  # whether its requests are

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        message = json.loads(self.process.stdout.readline())
        assert complaints("rpc", message) == []
        return message

    def answer(self, number: int | None) -> Any:
        while True:
            message = self.hear()
            if isinstance(message, dict) and message.get("method") == "status":
                self.news.append(message["params"])
                continue
            assert message["id"] == number
            return message

    def call(self, method: str, **params: object) -> Any:
        self._count += 1
        request = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        assert (complaints("rpc", request) == []) == self.right
        self.send(json.dumps(request))
        return self.answer(self._count)

    def result(self, method: str, **params: object) -> Any:
        return self.call(method, **params)["result"]

    def end(self, job: str) -> Any:
        while True:
            for news in self.news:
                if news["id"] == job and news["status"]["state"] in ("COMPLETED", "FAILED", "CANCELED"):
                    return news["status"]
            self.news.append(self.hear()["params"])


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "work")
    try:
        yield talk
    finally:
        talk.process.communicate(timeout=60)
    assert talk.process.returncode == 0


def test_P2_every_method_and_all_news(talk: Talk, tmp_path: Path) -> None:
    shell = {"executable": "/bin/sh", "directory": str(tmp_path)}
    assert {"local", "slurm"} <= set(talk.result("executors"))
    assert talk.result("capabilities", executor="local")["hold"] is False
    job = talk.result("submit", executor="local", spec={**shell, "arguments": ["-c", "exit 3"]})
    assert (talk.end(job["id"])["exit_code"], talk.end(job["id"])["metadata"]["reason"]) == (3, "exit")
    states = [news["status"]["state"] for news in talk.news if news["id"] == job["id"]]
    assert states == ["QUEUED", "STAGE_IN", "ACTIVE", "STAGE_OUT", "CLEANUP", "FAILED"] or states == [
        "QUEUED",
        "ACTIVE",
        "FAILED",
    ]
    sleeper = talk.result("submit", executor="local", spec={"executable": "/bin/sleep", "arguments": ["600"]})
    assert talk.result("list", executor="local") == [sleeper["native_id"]]
    asked = talk.result("status", executor="local", jobs=[sleeper["native_id"], job["id"]])
    assert asked[sleeper["native_id"]]["state"] == "ACTIVE"
    assert asked[job["id"]]["exit_code"] == 3
    told = talk.result("info", executor="local", job=sleeper["native_id"])
    assert (told["job_id"], told["spec"]["executable"]) == (sleeper["id"], "/bin/sleep")
    assert talk.call("hold", executor="local", jobs=[sleeper["id"]])["error"]["code"] == -32002
    assert talk.call("release", executor="local", jobs=[sleeper["id"]])["error"]["code"] == -32002
    same = talk.result("attach", executor="local", native_id=sleeper["native_id"])
    assert talk.result("cancel", executor="local", jobs=[sleeper["id"]]) is None
    assert talk.end(sleeper["id"])["state"] == talk.end(same["id"])["state"] == "CANCELED"
    assert talk.result("recover", executor="local") == []


def test_P2_many_at_once(talk: Talk) -> None:
    talk.right = False
    specs = [{"executable": "/bin/true"}, {"executable": 5}, {"executable": "/bin/false"}]
    first, wrong, last = talk.result("submit_bulk", executor="local", specs=specs)
    assert talk.end(first["id"])["state"] == "COMPLETED"
    assert talk.end(last["id"])["exit_code"] == 1
    assert wrong["error"]["code"] == -32001
    assert "executable" in wrong["error"]["message"]


def test_P4_jobs_go_on_when_the_input_ends(tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    script = f"until [ -e '{go}' ]; do sleep 0.05; done; touch '{done}'; exit 7"
    first = Talk(tmp_path / "work")
    job = first.result("submit", executor="local", spec={"executable": "/bin/sh", "arguments": ["-c", script]})
    first.process.communicate(timeout=60)
    second = Talk(tmp_path / "work")
    (recovered,) = second.result("recover", executor="local")
    assert recovered == job
    go.touch()
    assert second.end(job["id"])["exit_code"] == 7
    second.process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", -32700),
        ("[" * 10_000, -32700),
        ("5", -32600),
        ("[]", -32600),
        ('{"jsonrpc": "2.0", "id": null, "method": 5}', -32600),
        ('{"method": "executors", "id": null, "params": []}', -32600),
        ('{"jsonrpc": "2.0", "id": null, "method": "submitt"}', -32601),
        ('{"jsonrpc": "2.0", "id": null, "method": "__init__"}', -32601),
        ('{"jsonrpc": "2.0", "id": null, "method": "list"}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "list", "params": {"executor": "slurmm"}}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "list", "params": {"executor": 5}}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "list", "params": {"executor": "local", "url": "x"}}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "list", "params": {"executor": "local", "url": []}}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "cancel", "params": {"executor": "local", "jobs": "12"}}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "cancel", "params": {"executor": "local", "jobs": [1]}}', -32602),
        ('{"jsonrpc": "2.0", "id": null, "method": "status", "params": {"executor": "local", "jobs": ["x"]}}', -32002),
        ('{"jsonrpc": "2.0", "id": null, "method": "submit", "params": {"executor": "local", "spec": 5}}', -32001),
    ],
)
def test_P3_what_is_wrong_is_told_and_harms_nothing(talk: Talk, text: str, code: int) -> None:
    talk.send(text)
    answer = talk.answer(None)
    assert answer["error"]["code"] == code
    assert "executors" not in answer
    assert talk.result("list", executor="local") == []


def test_P3_what_is_not_utf8_is_told_whatever_the_locale(tmp_path: Path) -> None:
    spec = {"executable": "/bin/sh", "arguments": ["-c", f"printf é >'{tmp_path}/out'"]}
    request = {"jsonrpc": "2.0", "id": 1, "method": "submit", "params": {"executor": "local", "spec": spec}}
    ran = subprocess.run(
        [*COMMAND, "--work-directory", str(tmp_path / "work")],
        input=b"\xff\n" + json.dumps(request, ensure_ascii=False).encode() + b"\n",
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1:strict"},
    )
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [-32700]
    assert ran.stderr == b""
    until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_bytes() == "é".encode())


def test_P4_what_was_asked_for_is_done_though_nobody_reads_the_answers(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--work-directory", str(tmp_path / "work")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdout.close()
    for number in range(10):
        spec = {"executable": "/bin/sh", "arguments": ["-c", f"touch '{tmp_path}/{number}.done'"]}
        params = {"executor": "local", "spec": spec}
        request = {"jsonrpc": "2.0", "id": number, "method": "submit", "params": params}
        process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 0)
    process.stderr.close()
    until(lambda: len(list(tmp_path.glob("*.done"))) == 10)


@pytest.mark.simulated
def test_P2_one_job_that_can_not_be_held_does_not_keep_others_from_it(tmp_path: Path) -> None:
    with SimulatedCluster("slurm", seed=1) as cluster:
        (waiting,) = cluster.populate(1, running=0)
        talk = Talk(tmp_path / "work")
        told = talk.call("hold", executor="slurm", jobs=["999999", waiting, "888888"])["error"]
        assert (told["code"], "999999" in told["message"], "888888" in told["message"]) == (-32002, True, True)
        assert talk.result("status", executor="slurm", jobs=[waiting])[waiting]["metadata"]["reason"] == "held"
        told = talk.call("release", executor="slurm", jobs=["999999", waiting, "888888"])["error"]
        assert ("999999" in told["message"], "888888" in told["message"]) == (True, True)
        talk.process.communicate(timeout=60)


def test_P3_a_misspelt_executor_is_suggested(talk: Talk) -> None:
    assert "slurm" in talk.call("list", executor="slurmm")["error"]["message"]


@pytest.mark.parametrize("executor", ["local", "slurm"])
def test_the_client_of_the_example(executor: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed here")
    with SimulatedCluster("slurm", seed=1):
        script = Path(__file__).with_name("client.js")
        work = ["--work-directory", str(tmp_path / "work")]
        ran = subprocess.run(
            [node, script, EXAMPLE, executor, tmp_path, *COMMAND, *work],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads(ran.stdout)
    assert (told.pop("seen")[-1], (tmp_path / "out").read_text()) == ("FAILED", 'a b "c"\n')
    assert told == {
        "end": ["FAILED", 3, "exit"],
        "named": True,
        "cancelled": ["CANCELED", "cancelled"],
        "again": 3,
        "both": ["string", -32001],
        "refused": [-32001, told["refused"][1]],
        "arrays": executor == "slurm",
    }
    assert "did you mean 'executable'" in told["refused"][1]
