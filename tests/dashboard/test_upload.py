"""Sending reports to a real server: what is taken, what is refused, and that nothing is half done."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.postgresql import PostgreSQL
from dashboard.reports import report, result
from dashboard.servers import Server, dashboard, serving

LIMIT = 1024 * 1024


def rows(server: Server) -> list[Any]:
    """Everything that is stored of reports."""
    with sqlite3.connect(server.database.removeprefix("sqlite:///")) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("series", "run", "report", "flaky", "roster", "site")
        ]


@pytest.fixture
def server(sqlite_url: str) -> Iterator[Server]:
    with serving(sqlite_url, "--max-report-mib", "1") as running:
        yield running


def test_a_report_is_stored_once(server: Server) -> None:
    token = server.token()
    first = server.send(report(), token)
    assert (first.status_code, first.json()) == (201, {"run_id": report()["run_id"], "status": "stored"})
    before = rows(server)
    again = server.send(json.dumps(report(), indent=2).encode(), token)
    assert (again.status_code, again.json()["status"]) == (200, "already stored")
    assert rows(server) == before
    assert len(server.json("/runs")["items"]) == 1


def test_another_report_of_the_same_run_is_refused(server: Server) -> None:
    token, others = server.token(), server.token("Beta")
    server.send(report(), token)
    before = rows(server)
    changed = server.send(report(0, result(outcome="failed")), token)
    assert (changed.status_code, changed.json()["detail"][:45]) == (
        409,
        "run_id: there is another report of the run 5f",
    )
    for content in (report(), report(0, result(outcome="failed"))):
        theirs = server.send(content, others)
        assert (theirs.status_code, "another site" in theirs.json()["detail"]) == (409, True)
    assert rows(server) == before


def test_who_may_not_send_is_told_why(server: Server) -> None:
    token = server.token()
    other = server.token("Beta", "Second Institute")
    before = rows(server)
    for wrong in (None, "x", token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), token.upper()):
        refused = server.send(report(), wrong)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in refused.json()["detail"]
    named = report(site={"name": "Alpha", "institution": "First Institute"})
    refused = server.send(named, other)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "site.name: the report is of 'Alpha', but the token is of 'Beta'; nothing was stored",
    )
    refused = server.send(report(site={"institution": "First Institute"}), other)
    assert (refused.status_code, "site.institution" in refused.json()["detail"]) == (403, True)
    dashboard("token", "revoke", token.split("_")[1], database=server.database)
    refused = server.send(named, token)
    assert (refused.status_code, "revoked" in refused.json()["detail"]) == (403, True)
    assert rows(server) == before


def test_a_site_may_leave_unsaid_who_it_is(server: Server) -> None:
    assert server.send(report(), server.token()).status_code == 201
    (line,) = server.json("/runs")["items"]
    assert (line["site"], line["institution"], line["host"]) == ("Alpha", "First Institute", "")


def test_wrong_tokens_are_slowed_down(sqlite_url: str) -> None:
    with serving(sqlite_url, "--wrong-tokens", "3/hour") as server:
        token = server.token()
        assert [server.send(report(), "wrong").status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        refused = server.send(report(), token)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 3601


def test_right_tokens_are_not_slowed_down(sqlite_url: str) -> None:
    with serving(sqlite_url, "--wrong-tokens", "3/hour") as server:
        token = server.token()
        assert {server.send(report(number), token).status_code for number in range(10)} == {201}


def test_a_report_may_be_as_large_as_the_limit(server: Server) -> None:
    token = server.token()
    size = len(json.dumps(report(0, result(message=""))).encode())
    padded = json.dumps(report(0, result(message=""))).encode() + b" " * (LIMIT - size)
    assert len(padded) == LIMIT
    assert server.send(padded, token).status_code == 201
    before = rows(server)
    refused = server.send(padded + b" ", token)
    assert (refused.status_code, str(LIMIT) in refused.json()["detail"]) == (413, True)

    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 30_000

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    assert server.client.post("/api/v1/reports", content=parts(), headers=headers).status_code == 413
    assert rows(server) == before


@pytest.mark.parametrize(
    ("data", "headers", "code", "said"),
    [
        (b"{", {}, 422, "not JSON"),
        (report(schema_version=2), {}, 422, "schema_version: 2 is newer than this dashboard, which knows 1"),
        (report(run_id="x"), {}, 422, "run_id"),
        (report(0, result(), result(seconds=-1)), {}, 422, "results[1].seconds: -1 is less than the minimum"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "application/json"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "not compressed"),
    ],
)
def test_what_is_no_report_changes_nothing(
    server: Server, data: Any, headers: dict[str, str], code: int, said: str
) -> None:
    token = server.token()
    before = rows(server)
    refused = server.send(data, token, **headers)
    assert (refused.status_code, said in refused.json()["detail"]) == (code, True)
    assert rows(server) == before


def test_who_goes_away_while_sending_harms_nobody(server: Server) -> None:
    token = server.token()
    before = rows(server)
    url = server.client.base_url
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(
            f"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{".encode()
        )
    assert server.send(report(), token).status_code == 201
    assert len(rows(server)[1]) == len(before[1]) + 1


def test_an_interrupted_run_is_marked(server: Server) -> None:
    server.send(report(complete=False), server.token())
    (line,) = server.json("/runs")["items"]
    assert (line["complete"], line["outcome"], line["suite"]) == (False, "unfinished", "passed")
    assert "This run was interrupted" in server.page(f"/runs/{line['run_id']}")


def test_who_guesses_behind_a_proxy_slows_down_nobody_else(sqlite_url: str) -> None:
    with serving(sqlite_url, "--wrong-tokens", "2/hour") as server:
        token = server.token()
        forwarded = {"X-Forwarded-For": "192.0.2.1"}
        assert [server.send(report(), "wrong", **forwarded).status_code for _ in range(3)] == [401, 401, 429]
        assert server.send(report(), token, **{"X-Forwarded-For": "192.0.2.2"}).status_code == 201
    with serving(sqlite_url, "--wrong-tokens", "2/hour", "--proxy", "192.0.2.9") as server:
        answers = [server.send(report(), "wrong", **{"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]


def test_a_database_that_is_away_for_a_while_loses_nothing(own_postgresql: PostgreSQL) -> None:
    url = own_postgresql.new_database()
    dashboard("migrate", database=url)
    with serving(url, complaints=True) as server:
        token = server.token()
        assert server.send(report(1), token).status_code == 201
        with own_postgresql.down():
            refused = server.send(report(2), token)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
            assert refused.json() == {"detail": "The database does not answer; try again later."}
            assert "does not answer" in server.page("/", 503)
        assert server.send(report(2), token).status_code == 201
        assert len(server.json("/runs")["items"]) == 2
