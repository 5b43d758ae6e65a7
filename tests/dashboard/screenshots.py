"""The pictures of docs/dashboard.md: PYTHONPATH=src:tests python -m dashboard.screenshots docs/images."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from browsers import chromium
from dashboard.network import fill
from dashboard.reports import places
from dashboard.servers import Server, serving
from psij_like.dashboard.database import Database
from psij_like.dashboard.migrating import migrate


def _refuse(reason: str) -> NoReturn:
    raise SystemExit(reason)


def _views(server: Server) -> dict[str, tuple[str, dict[str, Any]]]:
    failed = server.json("/runs?outcome=failed&executor=slurm")["items"][0]["run_id"]
    wide: dict[str, Any] = {"viewport": {"width": 1100, "height": 720}}
    return {
        "dashboard-sites": ("/?institution=Institute+000", wide),
        "dashboard-site": ("/sites/1", {**wide, "color_scheme": "dark"}),
        "dashboard-run-phone": (f"/runs/{failed}", {"viewport": {"width": 380, "height": 720}}),
    }


def main(folder: Path) -> None:
    """Take them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/dashboard.sqlite"
        database = Database(url)
        migrate(database)
        fill(database, places(30), 120)
        database.close()
        with serving(url) as server, chromium(_refuse) as browser:
            for name, (address, options) in _views(server).items():
                context = browser.new_context(base_url=server.address, **options)
                page = context.new_page()
                page.goto(address)
                if name == "dashboard-run-phone":
                    page.locator(".failures a").first.click()
                    page.locator("tr:target summary", has_text="Log").click()
                page.screenshot(path=folder / f"{name}.png")
                context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
