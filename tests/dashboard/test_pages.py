"""The pages, as a server sends them: what is on them, what filters do, and that text is never more than text."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from dashboard.network import fill
from dashboard.reports import places, report, result
from dashboard.servers import Server, serving
from hostile import NASTY
from psij_like.dashboard.app import make_app
from psij_like.dashboard.database import Database
from psij_like.dashboard.migrating import migrate

SITES, DAYS = 45, 60
NOBODYS = "/runs/" + "0" * 32
PAGES = ("/", "/runs", "/sites/1", "/requirements", "/requirements?executor=slurm", "/flaky", "/nowhere")
FORBIDDEN = r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=\"/static/theme.js\"></script>)"
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7777*7777 }}{% x %}&amp;\u202e"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a history."""
    url = f"sqlite:///{tmp_path_factory.mktemp('network')}/dashboard.sqlite"
    database = Database(url)
    migrate(database)
    fill(database, places(SITES), DAYS)
    database.close()
    with serving(url) as running:
        yield running


def words(text: str) -> str:
    """What a page says, without markup."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split())


def links(text: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'(?:href|src|action)="([^"]*)"', text)]


def test_every_page_that_is_mentioned_is_there(network: Server) -> None:
    seen: set[str] = set()
    due = ["/"]
    while due and len(seen) < 300:
        address = due.pop(0)
        if address in seen:
            continue
        seen.add(address)
        answer = network.client.get(address)
        assert answer.status_code == 200, address
        if answer.headers["content-type"].startswith("text/html"):
            due += [link for link in links(answer.text) if link.startswith("/")]
    assert {address.split("?")[0].split("/")[1] for address in seen} == {
        *("", "runs", "sites", "requirements", "flaky", "feed.atom", "static", "api"),
    }


def test_sites_are_shown_by_institution_with_hosts_executors_and_versions(network: Server) -> None:
    text = network.page("/")
    assert re.findall("<h2><bdi>(.*?)</bdi>", text) == [f"Institute {number:03}" for number in range(4)]
    said = words(text)
    assert "site-000" in said and "login.site-000" in said
    assert said.count("psij-like 0.1.0") == said.count("psij-like 0.2.0") >= 20
    assert "Next →" in text and "← Before" not in text
    assert "site-020" in network.page("/?page=2") and "site-044" in network.page("/?page=3")


def test_filters_of_the_overview(network: Server) -> None:
    def shown(query: str) -> set[str]:
        return set(re.findall('<span class="name"><bdi>(.*?)</bdi>', network.page(f"/?{query}")))

    assert shown("institution=Institute+002") == {f"site-{number:03}" for number in range(10, 15)}
    assert shown("executor=slurm") == {f"site-{number:03}" for number in range(0, 45, 6)}
    assert shown("executor=slurm&institution=Institute+002") == {"site-012"}
    assert shown("version=psij-like+0.1.0&executor=slurm") == shown("executor=slurm")
    assert shown("since=2030-01-01") == set()
    assert "that these filters let through" in network.page("/?since=2030-01-01")
    failed, passed = shown("outcome=failed"), shown("outcome=passed&version=psij-like+0.2.0&page=1")
    assert failed and passed
    assert shown("institution=&executor=&version=&outcome=&since=&until=") == shown("")


def test_filters_of_runs(network: Server) -> None:
    def starts(query: str) -> list[str]:
        return re.findall('<time datetime="(.*?)T', network.page(f"/runs?{query}"))

    first = starts("")
    assert len(first) == 50 and first == sorted(first, reverse=True)
    assert starts("page=2")[0] <= first[-1]
    assert set(starts("since=2023-12-01&until=2023-12-02")) == {"2023-12-01", "2023-12-02"}
    assert starts("until=2023-11-13") == []
    rows = network.json("/runs?executor=pbs&outcome=failed&institution=Institute+000")["items"]
    assert rows and {(row["executor"], row["outcome"], row["institution"]) for row in rows} == {
        ("pbs", "failed", "Institute 000")
    }


@pytest.mark.parametrize("query", ["since=x", "outcome=wrong", "page=0", "page=x", "until=2023-13-01", "executor=%00"])
def test_what_can_not_be_asked_for_is_said(network: Server, query: str) -> None:
    assert f"{query.split('=', maxsplit=1)[0]}: " in words(network.page(f"/runs?{query}", 422))


@pytest.mark.parametrize(
    "address", ["/sites/0", "/sites/99", f"/sites/{10**30}", "/runs/x", "/runs/%00", "/runs/" + "0" * 32]
)
def test_what_is_not_there_is_not_found(network: Server, address: str) -> None:
    assert "Error 404 There is no" in words(network.page(address, 404))
    if address.startswith("/runs/"):
        assert network.client.get(f"/api/v1{address}").status_code == 404
    else:
        assert network.client.get(f"/api/v1{address}/runs").status_code == 404


def test_a_site_has_a_trend_and_a_history(network: Server) -> None:
    text = network.page("/sites/3")
    assert "<h1><bdi>site-002</bdi></h1>" in text
    assert 'role="img" aria-label="Share of the suite' in text
    assert len(re.findall('<tr><th scope="row">20', text)) == DAYS
    assert text.count('aria-label="Run of') == 2 + 50
    svg = re.search("<svg.*?</svg>", text, re.DOTALL)
    assert svg is not None
    ET.fromstring(svg[0])


def test_a_failure_can_be_followed_to_its_log(network: Server) -> None:
    (line, *_) = network.json("/runs?outcome=failed")["items"]
    text = network.page(f"/runs/{line['run_id']}")
    (anchor, *_) = re.findall('<li><a href="#(test-[0-9]+)">', text)
    (row,) = re.findall(f'<tr id="{anchor}">(.*?)</tr>', text, re.DOTALL)
    assert "expected COMPLETED, got FAILED" in row and "✗" in row
    assert "0 suite test" in row or "0 quick start" in row or "0 30 jobs" in row


def test_a_long_log_is_cut_and_can_be_had_whole(server: Server) -> None:
    whole = "start\n" + "x" * 50_000 + "\nend"
    server.send(report(0, result(), result("second", "failed", log=whole)), server.token())
    address = f"/runs/{report()['run_id']}"
    text = server.page(address)
    assert "characters left out ...]" in text and len(text) < 30_000
    (link,) = [link for link in links(text) if "/logs/" in link]
    answer = server.client.get(link)
    assert (answer.text, answer.headers["content-type"]) == (whole, "text/plain; charset=utf-8")
    for number in (0, 1, 3):
        assert "has no log" in server.page(f"{address}/logs/{number}.txt", 404)


def test_runs_lead_to_those_before_and_after(server: Server) -> None:
    token = server.token()
    ids = [server.send(report(number), token).json()["run_id"] for number in range(3)]
    first, middle, last = (server.page(f"/runs/{run_id}") for run_id in ids)
    assert "Run before" not in first and f'href="/runs/{ids[1]}">Run after' in first
    assert f'href="/runs/{ids[0]}">← Run before' in middle and f'href="/runs/{ids[2]}">Run after' in middle
    assert "Run after" not in last


def test_the_matrix_of_requirements(server: Server) -> None:
    one, two = server.token("Alpha"), server.token("Beta")
    tests = (result(requirements=["S10", "S2"]), result("other", "failed", requirements=["S10"]))
    server.send(report(1, *tests), one)
    server.send(report(2, result(requirements=["S10"]), result("c", "skipped", requirements=["A1"])), two)
    text = server.page("/requirements")
    assert re.findall('<tr><th scope="row">(.*?)</th>', text) == ["A1", "S2", "S10"]
    assert [words(cell) for cell in re.findall("<td class=.*?</td>", text, re.DOTALL)] == [
        "skipped",
        "1 of 1",
        "1 of 2 ✗",
    ]
    said = words(server.page("/requirements?executor=slurm"))
    assert "Alpha ✓ passed ✗ failed" in said and "skipped ✓ passed" in said


def test_flaky_tests_are_listed(network: Server) -> None:
    text = words(network.page("/flaky"))
    assert "suite test" in text and "passed, failed" in text
    changes = [line["changes"] for line in network.json("/flaky")["items"]]
    assert changes == sorted(changes, reverse=True) and changes[0] > 1
    assert {line["executor"] for line in network.json("/flaky?executor=lsf")["items"]} == {"lsf"}


def test_every_answer_says_how_little_it_may_do(network: Server) -> None:
    for address in (*PAGES, "/static/style.css", "/feed.atom", "/sites/1/badge.svg", "/api/v1/runs", "/api/v1/nowhere"):
        headers = network.client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_pages_hold_nothing_that_the_policy_forbids(network: Server) -> None:
    for address in PAGES:
        text = network.client.get(address).text
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=\"/static/theme.js\"></script>)", text
        )
        assert [link for link in links(text) if link.startswith(("http", "//"))] == []


def test_hostile_text_is_only_text(sqlite_url: str) -> None:
    hostile = report(
        1,
        result(HOSTILE, "failed", message=HOSTILE, log=HOSTILE),
        executor={"name": "e<b>", "launcher": HOSTILE[:60], "queue": HOSTILE, "version": HOSTILE},
        library={"name": "l<b>", "version": HOSTILE[:60], "python": HOSTILE},
        site={"host": HOSTILE[:60], "user": HOSTILE},
        capabilities={
            "executor": HOSTILE,
            "version": HOSTILE,
            "hold": True,
            "arrays": False,
            "status": True,
            "dependencies": [],
            "refused": [HOSTILE],
            "aliases": [HOSTILE],
        },
    )
    passing = {**hostile, **report(2), "executor": hostile["executor"], "library": hostile["library"]}
    passing["results"] = [result(HOSTILE)]
    with serving(sqlite_url) as server:
        token = server.token(HOSTILE[:60], "<i>")
        for one in (hostile, passing):
            assert server.send(one, token).status_code == 201
        addresses = ["/", "/runs", "/sites/1", "/flaky", "/requirements", "/requirements?executor=e%3Cb%3E"]
        addresses += [
            f"/runs/{hostile['run_id']}",
            "/runs?executor=%3Cscript%3E",
            "/nowhere<script>",
            "/runs?since=<b>",
        ]
        for address in addresses:
            text = server.client.get(address).text
            assert not re.search("<script(?! src=)|<img src=x|<b>|<i>|60481729", text), address
            assert "\u202e" not in text
        for address in ("/feed.atom", "/sites/1/badge.svg?executor=e%3Cb%3E", "/sites/1/badge.svg?executor=%3C%01%22"):
            ET.fromstring(server.page(address))


@pytest.mark.parametrize("field", ["name", "message", "log"])
def test_nasty_text_is_shown_and_breaks_no_page(server: Server, field: str) -> None:
    results: list[dict[str, Any]] = [
        {**result("x", "failed", message="m", log="l"), field: text[:500]} for text in NASTY if text.strip()
    ]
    assert server.send(report(1, *results), server.token()).status_code == 201
    text = server.page(f"/runs/{report(1)['run_id']}")
    assert len(re.findall('<tr id="test-', text)) == len(results)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", text)
    server.page("/flaky")


def test_badges_say_what_the_newest_results_come_to(server: Server) -> None:
    token = server.token()
    assert "Alpha: no results" in server.page("/sites/1/badge.svg")
    server.send(report(1), token)
    server.send(report(2, result(outcome="failed"), executor={"name": "pbs"}), token)
    expected = {"": "failed", "?executor=slurm": "passed", "?executor=pbs": "failed", "?executor=x": "no results"}
    for query, word in expected.items():
        answer = server.client.get(f"/sites/1/badge.svg{query}")
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert ET.fromstring(answer.text).attrib["aria-label"].endswith(f": {word}")
    server.page("/sites/99/badge.svg", 404)


def test_the_feed_has_the_newest_failures(network: Server) -> None:
    atom = "{http://www.w3.org/2005/Atom}"
    answer = network.client.get("/feed.atom?executor=slurm")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.text)
    entries = feed.findall(f"{atom}entry")
    assert len(entries) == 50
    for entry in entries:
        assert "slurm failed at" in (entry.findtext(f"{atom}title") or "")
        link = entry.find(f"{atom}link")
        assert link is not None
        assert "failed" in network.page(link.attrib["href"])
    updated = [entry.findtext(f"{atom}updated") or "" for entry in entries]
    assert updated == sorted(updated, reverse=True)
    assert feed.findtext(f"{atom}updated") == updated[0]
    assert len({entry.findtext(f"{atom}id") for entry in entries}) == 50


def test_below_the_path_of_a_proxy_links_hold_it(sqlite_url: str) -> None:
    with serving(sqlite_url, "--root-path", "/psij") as server:
        text = server.page("/")
        assert {link.split("/")[1] for link in links(text) if not link.startswith("#")} == {"psij"}


def test_no_table_of_the_database_is_read_as_a_whole(tmp_path: Path) -> None:
    """Pages read what is derived or what an index leads to: `run` is never scanned."""
    database = Database(f"sqlite:///{tmp_path}/dashboard.sqlite")
    migrate(database)
    fill(database, places(3), 50, 5)
    with database.reading() as connection:
        for condition in (
            "executor='slurm'",
            "version='x'",
            "site_id=1",
            "outcome='failed'",
            "series_id=1",
            "started>1",
        ):
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN SELECT id FROM run WHERE {condition} ORDER BY started DESC LIMIT 50"
            ).all()
            assert [row[3] for row in plan if "SCAN" in row[3] or "TEMP B-TREE" in row[3]] == [], condition
    database.close()


@pytest.mark.parametrize("address", ["/", "/api/v1/sites"])
def test_what_goes_wrong_here_tells_nobody_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("something secret")

    monkeypatch.setattr("psij_like.dashboard.queries.sites", fail)
    database = Database(f"sqlite:///{tmp_path}/dashboard.sqlite")
    transport = httpx.ASGITransport(make_app(database), raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(address)

    answer = asyncio.run(ask())
    database.close()
    assert (answer.status_code, "the server's log tells" in html.unescape(answer.text)) == (500, True)
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
