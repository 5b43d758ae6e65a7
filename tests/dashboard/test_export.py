"""The dashboard as files: whole, without a server, and as a server shows it."""

from __future__ import annotations

import re
import sqlite3
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from dashboard.network import fill
from dashboard.reports import places, report, result
from dashboard.servers import Server, dashboard
from psij_like.dashboard.database import Database
from psij_like.dashboard.exporting import _Site
from psij_like.dashboard.migrating import migrate


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    url = f"sqlite:///{place}/dashboard.sqlite"
    database = Database(url)
    migrate(database)
    fill(database, places(25), 4, 8)
    database.close()
    told = dashboard("export", place / "pages", database=url)
    assert told == (
        f"{len([path for path in (place / 'pages').rglob('*') if path.is_file()]) - 1} files in {place / 'pages'};"
        f" begin with {place / 'pages' / 'index.html'}\n"
    )
    return place / "pages"


def test_every_link_leads_to_a_file(exported: Path) -> None:
    mentioned = {exported / "index.html"}
    for page in (*exported.rglob("*.html"), exported / "feed.atom"):
        for link in re.findall(r'(?:href|src)="([^"]*)"', page.read_text()):
            target = unquote(unescape(link)).partition("#")[0]
            if target:
                assert (page.parent / target).is_file(), (page, link)
                mentioned.add((page.parent / target).resolve())
    files = {path for path in exported.rglob("*") if path.is_file() and path.name != ".psij-like-dashboard"}
    assert files == mentioned


def test_every_site_run_and_page_is_there(exported: Path) -> None:
    assert len(list((exported / "sites").glob("[0-9]*.html"))) == 25
    assert len(list((exported / "runs").glob("*.html"))) == 100
    assert (exported / "index-page-2.html").exists() and not (exported / "index-page-3.html").exists()
    assert (exported / "feed.atom").exists() and (exported / "requirements-executor-slurm.html").exists()
    assert list((exported / "sites").glob("*/badge-executor-*.svg"))


def test_pages_ask_nothing_of_a_server(exported: Path) -> None:
    for page in exported.rglob("*.html"):
        text = page.read_text()
        assert "<form" not in text and "/api/" not in text
        assert 'http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;' in text
    assert (exported / "static/style.css").exists() and (exported / "static/theme.js").exists()


def test_it_is_written_again_over_itself_only(server: Server, tmp_path: Path) -> None:
    token = server.token()
    server.send(report(1), token)
    pages = tmp_path / "pages"
    dashboard("export", pages, database=server.database)
    server.send(report(2, result(outcome="failed")), token)
    dashboard("export", pages, database=server.database)
    assert (pages / "runs" / f"{report(2)['run_id']}.html").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("")
    assert "is not empty and was not made by an export" in dashboard("export", other, database=server.database, code=1)
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_names_do_not_lead_out_of_the_directory(server: Server, tmp_path: Path) -> None:
    executor = {"name": "../../../../evil"}
    server.send(report(1, result(outcome="failed"), executor=executor), server.token())
    dashboard("export", tmp_path / "deep" / "pages", database=server.database)
    outside = {
        path for path in tmp_path.rglob("*") if path.is_file() and (tmp_path / "deep" / "pages") not in path.parents
    }
    assert {path.name.partition(".")[0] for path in outside} <= {"dashboard"}


def test_a_page_that_can_not_be_made_is_left_out_and_named(server: Server, tmp_path: Path) -> None:
    token, broken, good = server.token(), report(1)["run_id"], report(2)["run_id"]
    server.send(report(1), token)
    server.send(report(2), token)
    with sqlite3.connect(server.database.removeprefix("sqlite:///")) as connection:
        connection.execute(
            "UPDATE report SET body = x'00' WHERE run_id = (SELECT id FROM run WHERE run_id = ?)", (broken,)
        )
    told = dashboard("export", tmp_path / "pages", database=server.database, code=1)
    assert "1 pages can not be made" in told and f"/runs/{broken}" in told
    assert (tmp_path / "pages" / "runs" / f"{good}.html").exists()
    assert not (tmp_path / "pages" / "runs" / f"{broken}.html").exists()


def test_no_two_pages_share_a_file() -> None:
    queries = (
        {"executor": "slurm-page-2"},
        {"executor": "slurm", "page": "2"},
        {"executor": "Slurm"},
        {"executor": "?"},
    )
    files = [str(_Site().file(("/", tuple(query.items())))) for query in queries]
    hashed = files[-1].removesuffix(".html").rpartition("-")[2]
    files.append(str(_Site().file(("/", (("executor", hashed),)))))
    assert len({file.lower() for file in files}) == 5
