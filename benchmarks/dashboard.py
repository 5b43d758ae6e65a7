"""The dashboard with much in it: how long pages take, and whether uploads are lost.

    PYTHONPATH=src:tests python -m benchmarks.dashboard speed [--sites 500] [--days 400] [--database URL]
    PYTHONPATH=src:tests python -m benchmarks.dashboard load [--seconds 60] [--a-second 50] [--database URL]

`speed` fills a database with a run of 60 tests a day and site, unless it is filled already, and asks a server for every
kind of page, one after the other. `load` sends reports with as many clients as there are sites, counts what the server
acknowledged, and compares that with what is stored.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from dashboard.network import fill
from dashboard.reports import DAY, START, history, places
from dashboard.servers import Server, serving
from dashboard.timing import medians, table
from dashboard.uploading import upload
from psij_like.dashboard.database import Database
from psij_like.dashboard.migrating import migrate


def speed(url: str, sites: int, days: int) -> None:
    """Print the median time of each page."""
    database = Database(url)
    if migrate(database):
        start = time.perf_counter()
        fill(database, places(sites), days)
        print(f"{sites * days} runs put in within {time.perf_counter() - start:.0f} s")
    database.close()
    if database.is_sqlite:
        print(f"the file has {Path(url.removeprefix('sqlite:///')).stat().st_size / 1e6:.0f} MB")
    with serving(url) as server:
        print(table(medians(server, rounds=15)))


def load(url: str, seconds: int, a_second: int) -> None:
    """Print what became of the reports."""
    database = Database(url)
    migrate(database)
    database.close()
    with serving(url) as server:
        reports = _reports(server, seconds * a_second)
        start = time.perf_counter()
        sent = upload(server.address, reports, at_once=50, a_second=a_second)
        took = time.perf_counter() - start
        found = sum(
            server.client.get(f"/api/v1/runs/{run_id}").status_code == 200
            for _, report in reports
            for run_id in [report["run_id"]]
        )
    times = sorted(sent.seconds)
    print(f"{len(reports)} reports sent within {took:.1f} s, {len(reports) / took:.1f} a second")
    print(f"acknowledged {len(sent.acknowledged)}, refused {len(sent.refused)}, no answer {sent.lost_connections}")
    print(f"found afterwards {found}, lost {len(sent.acknowledged) - found}")
    print(f"answers took {statistics.median(times) * 1e3:.0f} ms (median), {times[-1] * 1e3:.0f} ms (longest)")
    print(f"99 of 100 within {times[len(times) * 99 // 100] * 1e3:.0f} ms")


def _reports(server: Server, count: int) -> list[tuple[str, dict[str, object]]]:
    """Reports of 50 sites, each with the token of its site, in turns."""
    days = -(-count // 50)
    by_site = [(server.token(place.name, place.institution), list(history(place, days))) for place in places(50)]
    return [(token, reports[day]) for day in range(days) for token, reports in by_site][:count]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "load"))
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--a-second", type=int, default=50)
    parser.add_argument("--database", help="of the dashboard; one that is forgotten afterwards if absent")
    options = parser.parse_args()
    if START + options.days * DAY > time.time():
        parser.error(f"--days: {options.days} is too long: the last reports would be of the future")
    with tempfile.TemporaryDirectory() as place:
        url = options.database or f"sqlite:///{place}/dashboard.sqlite"
        if options.what == "speed":
            speed(url, options.sites, options.days)
        else:
            load(url, options.seconds, options.a_second)


if __name__ == "__main__":
    main()
