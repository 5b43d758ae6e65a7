"""A picture of the table: how many times better ours is than psij-python, and how near to the bare limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Bar(NamedTuple):
    """One line of the table.

    Attributes:
        title: what is measured.
        opponent: how many times better than psij-python; None if that was not measured.
        limit: the share of the bare limit that is reached; None if there is none.
    """

    title: str
    opponent: float | None
    limit: float | None


def draw(bars: Sequence[Bar], path: Path) -> None:
    """Draw the lines that have a figure, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    shown = [bar for bar in bars if bar.opponent is not None or bar.limit is not None]
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(shown) + 1.2))
    for row, bar in enumerate(reversed(shown)):
        for value, offset, colour in ((bar.opponent, 0.2, "#2a6f97"), (bar.limit, -0.2, "#e09f3e")):
            if value is not None:
                axes.barh(row + offset, value, height=0.38, color=colour)
                axes.text(value * 1.05, row + offset, f"{value:,.2g}" if value < 100 else f"{value:,.0f}", va="center")
    axes.set_yticks(range(len(shown)), [bar.title for bar in reversed(shown)])
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times better than psij-python (blue); share of the bare limit (orange)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
