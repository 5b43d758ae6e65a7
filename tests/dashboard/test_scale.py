"""A tenth of the history that the dashboard is made for: 500 sites, 40 days, 60 tests a run."""

from __future__ import annotations

import pytest

from dashboard.network import fill
from dashboard.reports import places
from dashboard.servers import serving
from dashboard.timing import medians, table
from psij_like.dashboard.database import Database

LIMIT = 0.2  # seconds, for the median of each page: about ten times what it takes on an idle machine


@pytest.mark.timeout(600)
def test_pages_are_quick_with_much_in_the_database(database: Database, empty_database: str) -> None:
    fill(database, places(500), 40)
    with serving(empty_database) as server:
        timed = medians(server, rounds=5)
    assert [one.what for one in timed if one.median > LIMIT] == [], table(timed)
