"""A database filled with the history of many sites, without sending it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import select

from dashboard.reports import Place, history
from psij_like.dashboard.database import Database
from psij_like.dashboard.refreshing import refresh
from psij_like.dashboard.report import report_of
from psij_like.dashboard.storing import add_run
from psij_like.dashboard.tables import Site
from psij_like.dashboard.tokens import create_token


def fill(database: Database, places: Iterable[Place], days: int, tests: int = 60) -> list[str]:
    """Put in what the sites would have sent, a report a day each; the id of each site's last run."""
    last = []
    for place in places:
        now = time.time()
        with database.writing() as connection:
            create_token(connection, place.name, place.institution, now)
            site = connection.execute(select(Site.id).where(Site.name == place.name)).scalar_one()
            series = set()
            for one in history(place, days, tests):
                series.add(add_run(connection, site, report_of(one, now), now))
                run_id = one["run_id"]
            for number in series:
                if number is not None:
                    refresh(connection, number)
        last.append(run_id)
    return last
