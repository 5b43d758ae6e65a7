"""Pictures of what came of jobs: a page of its own, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree as ET

import click

if TYPE_CHECKING:
    from psij_like.job import Job
    from psij_like.job_status import JobStatus

History: TypeAlias = "Mapping[Job, Sequence[JobStatus]]"
"""What became of jobs, in order."""

_MOST_ROWS = 100
_MOST_STEPS = 200
_COLOURS = {
    "waiting": "#b0b7bf",
    "running": "#2f7ed8",
    "completed": "#3a9d5d",
    "failed": "#c8403a",
    "cancelled": "#d08c1d",
}
_WORDS = {"NEW": "waiting", "QUEUED": "waiting", "COMPLETED": "completed", "FAILED": "failed", "CANCELED": "cancelled"}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #d5dae0; vertical-align: top; }}
figure {{ margin: 1.5rem 0; }}
svg {{ width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
{figures}
<table>
<thead><tr><th>Job</th><th>Name</th><th>State</th><th>Waited</th><th>Ran</th><th>Why</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def write(target: Path, history: History) -> None:
    """Write the page: to a file, or as `report.html` into a directory.

    Raises:
        click.ClickException: it can not be written, or the library that draws is missing.
    """
    path = target if target.suffix == ".html" else target / "report.html"
    try:
        page = _page(history)
    except ImportError as error:
        raise click.ClickException(f"{error}; for reports: pip install 'psij-like[cli]'") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"the report can not be written: {error}") from error


def _page(history: History) -> str:
    spans = {job: _spans(statuses) for job, statuses in history.items() if statuses}
    begin = min((own[0][1] for own in spans.values()), default=0.0)
    figures = [_figure(_counts(spans, begin), "How many jobs were in which state")] if spans else []
    if 0 < len(spans) <= _MOST_ROWS:
        figures.append(_figure(_bars(spans, begin), "Each job's way"))
    words = [_word(str(job.status.state)) for job in history]
    parts = ", ".join(f"{words.count(word)} {word}" for word in _COLOURS if word in words)
    when = f"{datetime.fromtimestamp(begin).astimezone():%Y-%m-%d %H:%M:%S %Z}" if spans else ""
    return _PAGE.format(
        title=f"{len(history)} job{'s' if len(history) != 1 else ''}",
        summary=escape(f"Begun {when}: {parts}."),
        figures="\n".join(figures),
        rows="\n".join(_row(job, spans.get(job, [])) for job in history),
    )


def _word(state: str) -> str:
    return _WORDS.get(state, "running")


def _spans(statuses: Sequence[JobStatus]) -> list[tuple[str, float, float]]:
    """What a job did, from when to when; the end takes no time."""
    found: list[tuple[str, float, float]] = []
    for status in statuses:
        word, time = _word(str(status.state)), status.time
        if found:
            last, since, _ = found[-1]
            time = max(time, since)  # clocks of several machines
            found[-1] = (last, since, time)
            if last == word:
                continue
        found.append((word, time, time))
    return found


def _counts(spans: Mapping[Job, Sequence[tuple[str, float, float]]], begin: float) -> Any:
    """How many jobs were in each state at some moments."""
    import pygal  # noqa: PLC0415 - it may be missing

    end = max(own[-1][2] for own in spans.values())
    step = max((end - begin) / _MOST_STEPS, 0.001)
    steps = int((end - begin) / step) + 2
    found = {word: [0] * steps for word in _COLOURS}
    for own in spans.values():
        for number, (word, since, until) in enumerate(own):
            first = int((since - begin) / step + 0.999)
            last = steps if number == len(own) - 1 else int((until - begin) / step + 0.999)
            for index in range(first, min(last, steps)):
                found[word][index] += 1
    chart = pygal.StackedLine(fill=True, show_dots=False, **_style())
    chart.x_labels = [f"{index * step:.3g} s" for index in range(steps)]
    chart.x_labels_major_count, chart.show_minor_x_labels = 6, False
    for word, counts in found.items():
        chart.add(word, counts)
    return chart


def _bars(spans: Mapping[Job, Sequence[tuple[str, float, float]]], begin: float) -> Any:
    """A bar for each job, in the colours of its states."""
    import pygal  # noqa: PLC0415 - it may be missing

    chart = pygal.HorizontalStackedBar(**{**_style("white"), "height": 120 + 22 * len(spans)})
    jobs = [*reversed([*spans])]
    chart.x_labels = [str(job.native_id) for job in jobs]
    before = [{"value": spans[job][0][1] - begin, "style": "fill: none; stroke: none"} for job in jobs]
    chart.add(None, before)
    for word in ("waiting", "running"):
        chart.add(word, [sum(until - since for own, since, until in spans[job] if own == word) for job in jobs])
    return chart


def _style(*before: str) -> dict[str, Any]:
    from pygal.style import Style  # noqa: PLC0415 - it may be missing

    return {
        "style": Style(colors=(*before, *_COLOURS.values()), background="white", plot_background="white"),
        "width": 900,
        "height": 320,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 5,
        "truncate_label": -1,
        "js": [],
    }


def _figure(chart: Any, title: str) -> str:
    """A chart within the page, without scripts, and with a title for who can not see it."""
    picture = chart.render_tree()
    for parent in list(picture.iter()):
        for child in list(parent):
            if str(child.tag).rpartition("}")[2] == "script":
                parent.remove(child)
    for old in picture.findall("title"):
        picture.remove(old)
    picture.set("role", "img")
    picture.set("aria-label", title)
    return f"<figure><figcaption>{escape(title)}</figcaption>{ET.tostring(picture, encoding='unicode')}</figure>"


def _row(job: Job, spans: Sequence[tuple[str, float, float]]) -> str:
    def seconds(word: str) -> str:
        return f"{sum(until - since for own, since, until in spans if own == word):.1f} s"

    status = job.status
    cells = (
        job.native_id or "-",
        (job.spec.name if job.spec is not None else None) or "",
        str(status.state).lower(),
        seconds("waiting"),
        seconds("running"),
        f"{status.reason or ''} {status.message or ''}".strip(),
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
