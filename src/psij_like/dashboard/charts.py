"""The chart of a site's history: SVG within the page, coloured by its style sheet, without a script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup

from psij_like.dashboard.shown import Point

_DAY = 86400.0
_MOST_STEPS = 60
_MOST_LABELS = 6
_NOT_WANTED = ("defs", "desc")  # styles and scripts, which the page's policy forbids; hints for the script


@dataclass(frozen=True)
class Trend:
    """The share of tests that passed, in equal steps of time."""

    steps: Sequence[str]
    """The first day of each."""
    shares: dict[str, Sequence[float | None]]
    """Of each executor, in per cent; None where there was no run."""


def trend_of(points: Sequence[Point]) -> Trend | None:
    """The trend in runs, which are the oldest first; None if there is none."""
    if not points:
        return None
    first = points[0].started // _DAY * _DAY
    width = max(1, -(-int((points[-1].started - first) // _DAY + 1) // _MOST_STEPS)) * _DAY
    count = int((points[-1].started - first) // width) + 1
    sums: dict[str, list[list[int]]] = defaultdict(lambda: [[0, 0] for _ in range(count)])
    for point in points:
        at = sums[point.executor][int((point.started - first) // width)]
        at[0] += point.passed
        at[1] += point.passed + point.failed
    return Trend(
        [_day(first + step * width) for step in range(count)],
        {
            executor: [round(100 * passed / ran, 1) if ran else None for passed, ran in steps]
            for executor, steps in sorted(sums.items())
        },
    )


def line_chart(trend: Trend, title: str) -> Markup:
    """The trend as a picture, with a title for who can not see it."""
    every = -(-len(trend.steps) // _MOST_LABELS)
    chart = pygal.Line(
        width=900,
        height=300,
        explicit_size=False,
        range=(0, 100),
        legend_at_bottom=True,
        legend_at_bottom_columns=4,
        js=[],
        css=[],
        show_minor_x_labels=False,
        y_labels=[{"value": value, "label": f"{value} %"} for value in (0, 25, 50, 75, 100)],
        truncate_label=-1,
        truncate_legend=-1,
        dots_size=3,
    )
    chart.x_labels = trend.steps
    chart.x_labels_major = trend.steps[::every]
    for executor, shares in trend.shares.items():
        chart.add(executor, shares, allow_interruptions=True)
    picture = chart.render_tree()
    for parent in list(picture.iter()):
        for child in list(parent):
            if child.tag in _NOT_WANTED or not isinstance(child.tag, str):
                parent.remove(child)
            else:
                child.attrib.pop("style", None)
    for old in picture.findall("title"):
        picture.remove(old)
    label = ET.Element("title")
    label.text = title
    picture.insert(0, label)
    del picture.attrib["id"]
    picture.set("role", "img")
    picture.set("aria-label", title)
    return Markup(ET.tostring(picture, encoding="unicode"))  # noqa: S704 - ElementTree has escaped it


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
