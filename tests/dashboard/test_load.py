"""Many uploads at once, and a server that is killed in the middle of them: what was acknowledged is there."""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import select

from dashboard.reports import history, places
from dashboard.servers import Server, serving
from dashboard.uploading import upload
from psij_like.dashboard.database import Database
from psij_like.dashboard.tables import Report, Run

SITES, DAYS = 10, 25
AT_ONCE = 8


def reports(server: Server) -> list[tuple[str, dict[str, Any]]]:
    tokens = {place: server.token(place.name, place.institution) for place in places(SITES)}
    return [(token, one) for place, token in tokens.items() for one in history(place, DAYS)]


def stored(database: Database) -> list[str]:
    """The run_id of each run that is stored whole."""
    with database.reading() as connection:
        return list(connection.execute(select(Run.run_id).join(Report, Report.run_id == Run.id)).scalars())


def test_many_uploads_lose_nothing(database: Database, empty_database: str) -> None:
    with serving(empty_database) as server:
        made = reports(server)
        sent = upload(server.address, made, at_once=AT_ONCE, a_second=50)
    assert (sent.refused, sent.lost_connections) == ([], 0)
    assert sorted(stored(database)) == sorted(sent.acknowledged) == sorted(one["run_id"] for _, one in made)


def test_a_kill_loses_nothing_that_was_acknowledged(database: Database, empty_database: str) -> None:
    with serving(empty_database) as first:
        made = reports(first)
    killed = Server(empty_database)

    def kill_in_the_middle() -> None:
        deadline = time.monotonic() + 60
        while len(stored(database)) < 40 and time.monotonic() < deadline:
            time.sleep(0.005)
        killed.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    sent = upload(killed.address, made, at_once=AT_ONCE)
    killer.join()
    assert sent.refused == [] and sent.lost_connections > 0
    there = stored(database)
    assert 40 <= len(there) == len(set(there)) < len(made)
    assert sent.acknowledged <= set(there)
    assert len(there) - len(sent.acknowledged) <= AT_ONCE
    if database.is_sqlite:
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    with serving(empty_database) as again:
        resent = upload(again.address, made, at_once=AT_ONCE)
        assert (resent.refused, resent.lost_connections) == ([], 0)
        assert sorted(stored(database)) == sorted(one["run_id"] for _, one in made)
        assert len(again.json("/sites")["items"]) == SITES
