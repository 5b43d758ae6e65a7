"""From a real run of the conformance suite, by the command that sends its report, to the page that shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboard.servers import Server

TESTS = Path(__file__).parents[1]
SITE = ("--site", "Alpha", "--institution", "First Institute")


def conformance(*arguments: str, token: str = "", code: int = 0, **environment: str) -> str:
    """Run `psij-like conformance`, and return what it says."""
    ran = subprocess.run(
        [sys.executable, "-c", "from psij_like.cli.main import main; main()", "conformance", *arguments],
        env={**os.environ, "PSIJ_DASHBOARD_TOKEN": token, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def real_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    suite = ("--executor", "local", "--directory", str(place / "work"), "--report", str(place / "report"))
    conformance("run", *suite, "--only", "S3", "--only", "quick")
    return place / "report" / "report.json"


def test_a_real_report_is_sent_and_seen(server: Server, real_report: Path, browser: Browser) -> None:
    token = server.token()
    sending = ("upload", str(real_report), "--to", server.address, "--yes")
    for _ in range(2):
        assert "has the report" in conformance(*sending, *SITE, "--allow", "messages", "--allow", "host", token=token)
    (line,) = server.json("/runs")["items"]
    report = json.loads(real_report.read_text())
    assert line["run_id"] == report["run_id"] and line["host"] == report["site"]["host"]
    assert (line["outcome"], line["suite"], line["executor"]) == ("passed", "passed", "local")
    _look(browser, server, [result["name"] for result in report["results"]])


def _look(browser: Browser, server: Server, names: list[str]) -> None:
    page = browser.new_page(base_url=server.address)
    page.goto("/")
    expect(page.locator("details.site", has_text="Alpha")).to_contain_text("passed")
    page.get_by_role("link", name=re.compile("^Run of local")).click()
    for name in names:
        expect(page.get_by_role("rowheader", name=re.compile(rf"^{re.escape(name)}"))).to_be_visible()
    page.get_by_role("link", name="Requirements").click()
    expect(page.get_by_role("rowheader", name="S3")).to_be_visible()


def test_a_real_failure_is_followed_down_to_its_log(server: Server, tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "sitecustomize.py").write_text("import conformance.mutants\n")
    broken = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "PSIJ_TEST_MUTANT": "S3_loses_exit_codes",
    }
    suite = ("--executor", "local", "--only", "S3", "--directory", str(tmp_path / "work"), "--report", str(tmp_path))
    conformance("run", *suite, "--patience", "4", code=1, **broken)
    sending = ("upload", str(tmp_path / "report.json"), "--to", server.address, "--yes", *SITE)
    conformance(*sending, "--allow", "messages", token=server.token())
    page = browser.new_page(base_url=server.address)
    page.goto("/runs?outcome=failed")
    page.get_by_role("link", name=re.compile("^Run of local")).click()
    page.get_by_role("list").filter(has_text="test_").get_by_role("link").first.click()
    row = page.locator("tr:target")
    expect(row).to_contain_text("failed")
    row.get_by_text("Log", exact=True).click()
    expect(row.get_by_label(re.compile("^Log of test_"))).to_contain_text("message='exit code")


def test_who_sends_is_told_what_the_dashboard_says(server: Server, real_report: Path) -> None:
    token = server.token()
    sending = ("upload", str(real_report), "--to", server.address, "--yes")
    assert "the report is of 'Beta', but the token is of 'Alpha'" in conformance(
        *sending, "--site", "Beta", token=token, code=1
    )
    assert "the token is not known" in conformance(*sending, token="wrong", code=1)
    conformance(*sending, *SITE, token=token)
    assert "with other content" in conformance(*sending, *SITE, "--allow", "host", token=token, code=1)
    assert len(server.json("/runs")["items"]) == 1
