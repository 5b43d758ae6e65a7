"""Many uploads at once, and a server that is killed in the middle of them: what was acknowledged is there."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any

from dashboard.reports import history, places
from dashboard.servers import Server, dashboard, serving
from dashboard.uploading import upload

SITES, DAYS = 10, 25


def reports(server: Server) -> list[tuple[str, dict[str, Any]]]:
    tokens = {place: server.token(place.name, place.institution) for place in places(SITES)}
    return [(token, one) for place, token in tokens.items() for one in history(place, DAYS)]


def stored(url: str) -> list[str]:
    """The run_id of each run that is stored whole."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        rows = connection.execute("SELECT run.run_id FROM run JOIN report ON report.run_id = run.id")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in rows]


def test_many_uploads_lose_nothing(server: Server) -> None:
    made = reports(server)
    sent = upload(server.address, made, a_second=50)
    assert (sent.refused, sent.lost_connections) == ([], 0)
    assert sorted(stored(server.database)) == sorted(sent.acknowledged) == sorted(one["run_id"] for _, one in made)


def test_a_kill_loses_nothing_that_was_acknowledged(sqlite_url: str) -> None:
    with serving(sqlite_url) as first:
        made = reports(first)
    killed = Server(sqlite_url)

    def kill_in_the_middle() -> None:
        deadline = time.monotonic() + 60
        while len(stored(sqlite_url)) < 40 and time.monotonic() < deadline:
            time.sleep(0.005)
        killed.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    sent = upload(killed.address, made)
    killer.join()
    assert sent.refused == []
    assert len(sent.acknowledged) + 8 >= 40 and sent.lost_connections > 0
    there = stored(sqlite_url)
    assert len(there) == len(set(there))
    assert sent.acknowledged <= set(there)
    with serving(sqlite_url) as again:
        resent = upload(again.address, made)
        assert (resent.refused, resent.lost_connections) == ([], 0)
        assert sorted(stored(sqlite_url)) == sorted(one["run_id"] for _, one in made)
        assert len(again.json("/sites")["items"]) == SITES
    assert dashboard("migrate", database=sqlite_url) == "nothing to do\n"
