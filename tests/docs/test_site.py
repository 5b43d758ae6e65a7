"""The documentation site: built without a warning, and read in a real browser."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[2]
SCHEDULERS = ("local", "slurm", "pbs", "pbs_classic", "lsf", "cobalt", "flux", "grid_engine")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(made)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def page(site: Path, browser: Browser) -> Iterator[Page]:
    """A page of the browser, to which the site is all there is."""
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        base = f"http://127.0.0.1:{server.server_port}/"
        context = browser.new_context(base_url=base)
        page = context.new_page()
        strayed: list[str] = []
        page.on("request", lambda request: strayed.append(request.url) if not request.url.startswith(base) else None)
        page.on("pageerror", lambda error: strayed.append(str(error)))
        try:
            yield page
        finally:
            context.close()
            server.shutdown()
            serving.join()
        assert strayed == []


def test_there_is_a_page_for_each_scheduler(site: Path) -> None:
    for name in SCHEDULERS:
        text = (site / "scheduler" / f"{name}.html").read_text(encoding="utf-8")
        assert "What each field becomes" in text
    assert "--ntasks-per-node=4" in (site / "scheduler" / "slurm.html").read_text(encoding="utf-8")


def test_there_is_a_plain_text_copy(site: Path) -> None:
    assert "recipes/mpi.md" in (site / "llms.txt").read_text(encoding="utf-8")
    whole = (site / "llms-full.txt").read_text(encoding="utf-8")
    for told in ("Start in five minutes", "submit_bulk", "#SBATCH"):
        assert told in whole


def test_a_reader_finds_what_he_looks_for(page: Page) -> None:
    page.goto("index.html")
    expect(page).to_have_title("psij-like")
    page.get_by_role("link", name="Many jobs").first.click()
    expect(page.get_by_role("heading", name="Many jobs")).to_be_visible()
    page.get_by_placeholder("Search").click()
    page.keyboard.type("dependency_failed")
    expect(page.locator(".md-search-result__item").first).to_be_visible()
    page.keyboard.press("Escape")


def test_it_can_be_read_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for address in ("index.html", "guide/jobs.html", "scheduler/slurm.html", "migration.html"):
        page.goto(address)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, address
