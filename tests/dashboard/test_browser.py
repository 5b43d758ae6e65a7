"""The pages in a real browser: seen, used with mouse and keyboard, on a phone, in the dark, and by who can not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dashboard.network import fill
from dashboard.reports import history, places, report, result
from dashboard.servers import Server, dashboard, serving
from psij_like.dashboard.database import Database
from psij_like.dashboard.migrating import migrate

LONG = "a_very_long_name_of_a_test_without_any_space_in_it_" * 6
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 26)"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path_factory.mktemp('network')}/dashboard.sqlite"
    database = Database(url)
    migrate(database)
    fill(database, places(25), 60)
    database.close()
    with serving(url) as running:
        hard = report(
            1,
            result(LONG, "failed", message=LONG, log="\n".join(f"line {number}" for number in range(900))),
            result("unfinished", "unfinished"),
            executor={"name": LONG[:100], "launcher": LONG[:60]},
            site={"host": LONG[:110]},
            complete=False,
        )
        again = {**hard, **report(2), "executor": hard["executor"], "results": [result(LONG)]}
        token = running.token(LONG[:100], "Another Institute")
        for one in (hard, again):
            assert running.send(one, token).status_code == 201
        yield running


def addresses(server: Server) -> list[str]:
    """A page of each kind."""
    failed = server.json("/runs?outcome=failed")["items"][0]["run_id"]
    pages = ["/", "/?page=2", "/?executor=nothing", "/runs", "/sites/1", "/sites/26", f"/runs/{failed}"]
    pages += [f"/runs/{report(number)['run_id']}" for number in (1, 2)]
    return [*pages, "/requirements", "/requirements?executor=slurm", "/flaky", "/nowhere", "/runs?since=x"]


def opened(browser: Browser, server: Server, **options: Any) -> Iterator[Page]:
    """A page of which nothing goes wrong and which asks nobody else for anything."""
    context: BrowserContext = browser.new_context(base_url=server.address, **options)
    context.set_default_timeout(20_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(server.address) else wrong.append(request.url))
    yield page
    context.close()
    assert [text for text in wrong if "status of 4" not in text] == []


@pytest.fixture
def page(browser: Browser, network: Server) -> Iterator[Page]:
    yield from opened(browser, network)


@pytest.fixture
def phone(browser: Browser, network: Server) -> Iterator[Page]:
    yield from opened(browser, network, viewport=PHONE, has_touch=True, is_mobile=True)


def test_sites_open_to_hosts_and_filters_are_used(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sites")
    site = page.locator("details.site", has_text="site-000")
    expect(site.get_by_role("table")).to_be_hidden()
    site.locator("> summary").click()
    expect(site.get_by_text("login.site-000", exact=True)).to_be_visible()
    expect(site.get_by_role("row")).to_have_count(3)  # a head and two versions
    page.get_by_label("Executor").select_option("pbs")
    page.get_by_label("Institution").select_option("Institute 001")
    page.get_by_role("button", name="Filter").click()
    assert page.url.endswith("/?institution=Institute+001&executor=pbs&version=&outcome=&since=&until=")
    expect(page.locator("details.site")).to_have_count(1)
    expect(page.get_by_label("Executor")).to_have_value("pbs")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("details.site")).to_have_count(20)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("details.site")).to_have_count(6)


def test_a_failure_is_followed_down_to_its_log(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_label("Outcome").select_option("failed")
    page.get_by_label("Since").fill("2023-12-01")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=re.compile("^Run of")).first.click()
    failure = page.get_by_role("list").filter(has_text="suite test").get_by_role("link").first
    name = failure.inner_text()
    failure.click()
    row = page.locator("tr:target")
    expect(row).to_be_in_viewport()
    expect(row.get_by_text("expected COMPLETED, got FAILED")).to_be_visible()
    log = row.get_by_label(f"Log of {name}")
    expect(log).to_be_hidden()
    row.get_by_text("Log", exact=True).click()
    expect(log).to_be_visible()
    expect(log).to_contain_text(f"0 {name}: 0.")


def test_the_way_through_all_pages(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Requirements").click()
    page.get_by_role("link", name="slurm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Requirements on slurm")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("slurm")
    page.get_by_role("link", name="Run before").click()
    page.get_by_role("link", name="site-000").click()
    expect(page.get_by_role("img", name=re.compile("Share of the suite"))).to_be_visible()
    expect(page.get_by_role("img", name="Badge of slurm")).to_be_visible()
    assert page.get_by_role("img", name="Badge of slurm").evaluate("image => image.naturalWidth") > 50
    page.get_by_role("link", name="Flaky tests").click()
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Newest results")


@pytest.mark.parametrize(("scheme", "first", "second"), [("light", LIGHT, DARK), ("dark", DARK, LIGHT)])
def test_dark_and_light(browser: Browser, network: Server, scheme: str, first: str, second: str) -> None:
    for page in opened(browser, network, color_scheme=scheme):
        body = page.locator("body")
        page.goto("/")
        expect(body).to_have_css("background-color", first)
        page.get_by_role("button", name=re.compile("colours")).click()
        expect(body).to_have_css("background-color", second)
        page.get_by_role("link", name="Runs", exact=True).click()
        expect(body).to_have_css("background-color", second)
        page.get_by_role("button", name=re.compile("colours")).click()
        expect(body).to_have_css("background-color", first)


def test_no_page_is_wider_than_a_phone(phone: Page, network: Server) -> None:
    for address in addresses(network):
        phone.goto(address)
        for details in phone.locator("details").all():
            details.evaluate("details => { details.open = true; }")
        wide = phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address


def test_a_keyboard_is_enough(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Institution")).to_be_focused()
    page.keyboard.type("Institute 002")
    page.keyboard.press("Enter")
    for _ in range(30):
        if page.evaluate("document.activeElement.textContent") == "Filter":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("details.site")).to_have_count(5)
    summary = page.locator("details.site > summary").first
    was_open = summary.evaluate("summary => summary.parentElement.open")
    summary.focus()
    assert summary.evaluate("summary => getComputedStyle(summary).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert summary.evaluate("summary => summary.parentElement.open") is not was_open


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_keeps_anybody_from_reading(browser: Browser, network: Server, scheme: str, width: int) -> None:
    axe = Axe()
    for page in opened(browser, network, color_scheme=scheme, viewport={"width": width, "height": 800}):
        for address in addresses(network):
            page.goto(address)
            for details in page.locator("details").all():
                details.evaluate("details => { details.open = true; }")
            found = axe.run(page)
            assert found.violations_count == 0, f"{address}: {found.generate_report()}"


def test_filters_and_pages_need_no_script(browser: Browser, network: Server) -> None:
    for page in opened(browser, network, java_script_enabled=False):
        page.goto("/runs")
        page.get_by_label("Executor").select_option("flux")
        page.get_by_role("button", name="Filter").click()
        assert "executor=flux" in page.url
        page.get_by_role("link", name="Next").click()
        assert "executor=flux" in page.url and "page=2" in page.url
        expect(page.get_by_role("button", name=re.compile("colours"))).to_be_hidden()


def test_hostile_text_does_nothing(browser: Browser, sqlite_url: str) -> None:
    script = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    with serving(sqlite_url) as server:
        hostile = report(1, result(script, "failed", message=script, log=script), site={"host": script[:100]})
        server.send(hostile, server.token())
        for page in opened(browser, server):
            for address in ("/", "/runs", "/sites/1", f"/runs/{hostile['run_id']}", "/requirements?executor=slurm"):
                page.goto(address)
                assert "taken" not in page.title()
                assert page.locator("main img[src=x]").count() == 0


def test_exported_files_are_pages_too(browser: Browser, sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url) as server:
        place = places(1)[0]
        token = server.token(place.name, place.institution)
        for one in history(place, 5):
            server.send(one, token)
    dashboard("export", tmp_path / "pages", database=sqlite_url)
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "pages" / "index.html").as_uri())
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.get_by_role("link", name=re.compile("History and trend")).click()
    expect(page.get_by_role("img", name=re.compile("Share of the suite"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Run of")).first.click()
    expect(page.get_by_role("heading", level=2, name="Tests")).to_be_visible()
    context.close()
