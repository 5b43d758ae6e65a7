"""What is sent to a dashboard, how, and what a CI is told."""

from __future__ import annotations

import http.server
import json
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.test_run import PSIJ
from psij_like.conformance import install
from psij_like.conformance.report import Report, Result
from psij_like.conformance.settings import Settings
from psij_like.conformance.upload import UploadError, for_others, upload
from spec.conftest import complaints


@pytest.fixture
def report() -> dict[str, Any]:
    made = Report(Settings("slurm", queue="debug"))
    here = made.to_dict()["site"]
    message = f"no /home/{here['user']}/x y, {here['user']} at {here['host']} (on node17.example.org)"
    made.add(Result("suite", "test_x", "failed", 1.5, ("S1", "C2"), message, message))
    made.close(complete=True)
    return made.to_dict()


@pytest.mark.parametrize("allowed", [(), ("host",), ("user",), ("paths",), ("host", "user", "paths")])
def test_messages_stay_at_home(report: dict[str, Any], allowed: tuple[str, ...]) -> None:
    told = for_others(report, allowed, "A Site", "An Institution")
    assert complaints("conformance-report", told) == []
    (result,) = told["results"]
    assert (result["message"], result["log"], result["outcome"]) == ("", "", "failed")
    names = {name: report["site"][name] for name in ("host", "user") if name in allowed}
    assert told["site"] == {"name": "A Site", "institution": "An Institution"} | names


def test_names_and_paths_stay_at_home_when_messages_do_not(report: dict[str, Any]) -> None:
    told = for_others(report, ("messages",))
    assert told["site"] == {}
    assert told["results"][0]["message"] == "no <path> y, <user> at <host> (on <host>)"
    assert for_others(report, ("messages", "paths", "host", "user"))["results"] == report["results"]


TAKEN = (201, '{"run_id": "RUN_ID", "status": "stored"}')


def test_the_short_name_of_the_host_stays_at_home(report: dict[str, Any]) -> None:
    report["site"]["host"] = "login1.cluster.example.org"
    report["results"][0]["message"] = "login1.cluster.example.org, login1: and login10"
    assert for_others(report, ("messages",))["results"][0]["message"] == "<host>, <host>: and login10"


def test_what_is_no_part_of_a_report_stays_at_home(report: dict[str, Any]) -> None:
    assert for_others({**report, "secret": "x"}) == for_others(report)


class Dashboard(http.server.BaseHTTPRequestHandler):
    """Answers with what it is told to, one after the other."""

    answers: list[tuple[int, str]]
    heard: list[tuple[str, str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((self.path, self.headers["Authorization"], body))
        code, words = self.answers.pop(0)
        self.send_response(code)
        if code == 302:
            self.send_header("Location", f"http://localhost:{self.headers['Host'].rpartition(':')[2]}/login")
        self.end_headers()
        self.wfile.write(words.replace("RUN_ID", body["run_id"]).encode())

    def do_GET(self) -> None:
        self.heard.append((self.path, self.headers["Authorization"], None))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given
        pass


@pytest.fixture
def dashboard() -> Iterator[str]:
    Dashboard.answers, Dashboard.heard = [], []
    with http.server.HTTPServer(("127.0.0.1", 0), Dashboard) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_report_is_sent_again_until_it_is_taken(report: dict[str, Any], dashboard: str) -> None:
    Dashboard.answers = [(503, "busy"), (429, "slower"), TAKEN]
    upload(report, dashboard + "/", "secret")
    assert Dashboard.heard == [("/api/v1/reports", "Bearer secret", report)] * 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, '{"error": "wrong token"}'), "wrong token"),
        ((413, "too large"), "too large"),
        ((422, "[1]"), "422"),
        ((302, ""), "it sends to 'http://localhost"),
        ((200, "<html>please log in"), "no receipt"),
        ((201, "{}"), "no receipt"),
        ((201, '{"run_id": "another"}'), "no receipt"),
        ((202, TAKEN[1]), "no receipt"),
    ],
)
def test_a_report_that_is_refused_is_not_sent_again(
    report: dict[str, Any], dashboard: str, answer: tuple[int, str], words: str
) -> None:
    Dashboard.answers = [answer]
    with pytest.raises(UploadError, match=words):
        upload(report, dashboard, "secret")
    assert len(Dashboard.heard) == 1


def test_a_dashboard_that_is_not_there(report: dict[str, Any]) -> None:
    with pytest.raises(UploadError, match="can not be reached"):
        upload(report, "http://127.0.0.1:9", "secret", patience=0.1)


class Odd(socketserver.BaseRequestHandler):
    """Answers with something else than HTTP has."""

    answer: bytes
    count: int

    def handle(self) -> None:
        self.request.recv(100_000)
        self.request.sendall(self.answer)
        type(self).count += 1


@pytest.mark.parametrize(
    ("answer", "again"),
    [(b"SSH-2.0-OpenSSH\r\n", False), (b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nabc", True)],
)
def test_what_does_not_answer_as_a_dashboard(report: dict[str, Any], answer: bytes, again: bool) -> None:
    Odd.answer, Odd.count = answer, 0
    with socketserver.TCPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with pytest.raises(UploadError, match="does not answer as a dashboard"):
                upload(report, f"http://127.0.0.1:{server.server_address[1]}", "secret", patience=1.0)
        finally:
            server.shutdown()
            thread.join()
    assert (Odd.count > 1) == again


@pytest.mark.parametrize(
    "url",
    [
        "https://a b",
        "http://127.0.0.1:99999999",
        "https://",
        "http://localhost:80@example.org",
        "https://[x",
        "https://a\n",
    ],
)
def test_what_is_no_address(report: dict[str, Any], url: str) -> None:
    with pytest.raises(UploadError, match="is not the address of a dashboard"):
        upload(report, url, "secret", patience=0.1)


def test_a_token_with_a_line_break_is_not_shown(report: dict[str, Any], dashboard: str) -> None:
    Dashboard.answers = [TAKEN]
    upload(report, dashboard, "secret\n")
    assert Dashboard.heard == [("/api/v1/reports", "Bearer secret", report)]
    with pytest.raises(UploadError, match="line break") as told:
        upload(report, dashboard, "secret\nmore", patience=0.1)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["http://example.org", "ftp://localhost", "http://localhost.example.org", "x://y"])
def test_a_token_is_not_sent_in_the_clear(report: dict[str, Any], url: str) -> None:
    with pytest.raises(UploadError, match="https://"):
        upload(report, url, "secret")


def test_what_is_sent_is_shown_first(
    report: dict[str, Any], dashboard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    monkeypatch.setenv("PSIJ_DASHBOARD_TOKEN", "secret")
    command = [*PSIJ, "upload", str(file), "--to", dashboard, "--site", "Here"]
    ran = subprocess.run(command, input="n\n", capture_output=True, text=True, check=False)
    assert (ran.returncode, Dashboard.heard) == (1, [])
    shown = json.loads(ran.stdout[: ran.stdout.rindex("}") + 1])
    Dashboard.answers = [TAKEN]
    ran = subprocess.run(command, input="y\n", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert Dashboard.heard[0][2] == shown == for_others(report, (), "Here")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"results": 5}', '{"results": [5]}'])
def test_what_is_no_report_is_not_sent(text: str, dashboard: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    command = [*PSIJ, "upload", str(tmp_path / "x.json"), "--to", dashboard, "--yes"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, Dashboard.heard) == (1, [])
    assert "is not a report" in ran.stderr


@pytest.mark.parametrize("kind", install.KINDS)
def test_a_ci_is_told_what_was_asked_for(kind: str, tmp_path: Path) -> None:
    options = ["--executor=local", "--custom=local.x=a b'c", "--only=nothing"][:2]
    command = [*PSIJ, "install", kind, *options, "--to", "https://dash.example.org", "--into", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    path = tmp_path / install.KINDS[kind].file
    assert str(path) in ran.stdout
    text = path.read_text()
    assert "conformance run --executor=local" in text
    assert "--to=https://dash.example.org" in text
    assert "PSIJ_DASHBOARD_TOKEN" in text
    assert "{{ secrets.PSIJ_DASHBOARD_TOKEN }}" in text or "{{" not in text
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "left as it is" in again.stderr
    assert path.read_text() == text


def test_a_ci_that_can_not_be_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [*PSIJ, "install", "github", "--executor=local", "--into", str(tmp_path / "file" / "project")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert f"nothing can be written into {tmp_path / 'file' / 'project'}" in ran.stderr
    command = [*PSIJ, "install", "gitlab", "--executor=local", "--custom", "local.x=a\nb", "--show"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "a line break" in ran.stderr


def test_the_script_for_cron_runs(tmp_path: Path, dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--executor=local", f"--directory={tmp_path / 'jobs'}"]
    program = tmp_path / "psij like"
    program.write_text(f'#!/bin/sh\nexec {PSIJ[0]} -c "{PSIJ[2]}" "$@"\n')
    program.chmod(0o755)
    text = install.job("cron", [*options, "--patience=100"], str(program), [f"--to={dashboard}"])
    text = text.replace("--report psij-report", "--report psij-report --only quick_start")
    path = install.write("cron", text, tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".psij-dashboard-token").write_text("secret\n")
    Dashboard.answers = [TAKEN]
    ran = subprocess.run([path], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ((_, token, sent),) = Dashboard.heard
    assert (token, [result["outcome"] for result in sent["results"]]) == ("Bearer secret", ["passed"])
