"""A report as a page of its own: one file, which needs nothing else."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.resources import files
from typing import Any

import pystache

from psij_like.conformance.report import Report


def page(report: Report) -> str:
    """The report as HTML. Whatever tests and schedulers said is shown as text."""
    template = files("psij_like.conformance").joinpath("page.mustache").read_text(encoding="utf-8")
    return str(pystache.Renderer(missing_tags="strict").render(template, _facts(report)))


def _facts(report: Report) -> dict[str, Any]:
    data = report.to_dict()
    counts = report.counts()
    kinds = [{"kind": kind, "counts": _words(report.counts(kind))} for kind in ("suite", "quick-start", "ensemble")]
    return {
        "executor": data["executor"]["name"],
        "verdict": "passed" if report.passed else "failed" if report.complete else "interrupted",
        "library": f"psij-like {data['library']['version']}, Python {data['library']['python']}",
        "host": data["site"]["host"],
        "begun": f"{datetime.fromtimestamp(report.started, timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        "minutes": f"{(report.ended - report.started) / 60:.1f}",
        "counts": _words(counts),
        "kinds": [each for each in kinds if each["counts"]],
        "requirements": [
            {"number": number, "outcome": _worst(found), "counts": _words(found)}
            for number, found in report.requirements().items()
        ],
        "results": [
            {
                **result.to_dict(),
                "requirements": ", ".join(result.requirements),
                "seconds": f"{result.seconds:.1f}",
                "details": bool(result.message or result.log),
            }
            for result in sorted(report.results, key=lambda result: (_ORDER.index(result.outcome), result.name))
        ],
    }


_ORDER = ("failed", "error", "unfinished", "passed", "skipped")


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in _ORDER if counts.get(outcome))


def _worst(counts: dict[str, int]) -> str:
    return next(outcome for outcome in _ORDER if counts.get(outcome))
