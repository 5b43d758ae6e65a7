"""All measurements in one run, alternating between the libraries, as one table.

python -m benchmarks [--quick] [--write docs/performance.md]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.plot import Bar, draw

OURS, THEIRS, BARE = "psij_like", "psij", "bare"
START, END = "<!-- table -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of a measure, and by whom it is taken."""

    title: str
    measure: str
    figure: str
    count: int
    by: tuple[str, ...]
    unit: str
    more_is_better: bool = True
    scale: float = 1


ROWS = (
    Row("local: /bin/true, submit to all final", "local", "completion", 1000, (OURS, THEIRS, BARE), "jobs/s"),
    Row("local: submission", "local", "submission", 1000, (OURS, THEIRS, BARE), "jobs/s"),
    Row("local: the same in bulk", "local-bulk", "completion", 1000, (OURS, THEIRS, BARE), "jobs/s"),
    Row("local: process end to callback, median", "notice-local", "median", 40, (OURS, THEIRS), "ms", False, 1e3),
    Row("local: process end to callback, 90 %", "notice-local", "p90", 40, (OURS, THEIRS), "ms", False, 1e3),
    Row("local: the same beside 1000 jobs, median", "notice-local-many", "median", 40, (OURS,), "ms", False, 1e3),
    Row("Slurm: submission", "slurm", "submission", 200, (OURS, THEIRS, BARE), "jobs/s"),
    Row("Slurm: submission in bulk", "slurm-bulk", "submission", 1000, (OURS, THEIRS, BARE), "jobs/s"),
    Row("Slurm: /bin/true, submit to all final", "slurm-all", "completion", 200, (OURS,), "jobs/s"),
    Row("Slurm: process end to callback, median", "notice-slurm", "median", 20, (OURS, THEIRS), "ms", False, 1e3),
    Row("Slurm: process end to callback, 90 %", "notice-slurm", "p90", 20, (OURS, THEIRS), "ms", False, 1e3),
    Row("Slurm: the same without doorbell, median", "notice-slurm-polling", "median", 20, (OURS,), "ms", False, 1e3),
    Row("Slurm: the same without doorbell, 90 %", "notice-slurm-polling", "p90", 20, (OURS,), "ms", False, 1e3),
    Row("import", "import", "seconds", 1, (OURS, THEIRS), "ms", False, 1e3),
    Row("Job(JobSpec(...)): time", "objects", "microseconds", 2000, (OURS, THEIRS), "µs", False),
    Row("Job(JobSpec(...)): memory", "objects", "bytes", 2000, (OURS, THEIRS), "bytes", False),
)


def measure(library: str, what: str, count: int) -> dict[str, float]:
    """One measurement, in a process of its own."""
    if what == "import":
        program = f"import time; t = time.perf_counter(); import {library}; print(time.perf_counter() - t)"
        printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        return {"seconds": float(printed)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", library, what, str(count)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        raise SystemExit(f"{library} {what}: {done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def why_no_slurm() -> str | None:
    """Why Slurm can not be measured here; None if it can."""
    try:
        done = subprocess.run(["squeue", "-h"], capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        return "no Slurm here"
    return None if done.returncode == 0 else "the Slurm here does not answer"


def occupy() -> None:
    """Give all nodes of Slurm something to do, so that only the submission of further jobs is measured."""
    wrapped = ["--exclusive", "--nodes=4", "--output=/dev/null", "--wrap", "sleep 600"]
    subprocess.run(["sbatch", *wrapped], check=True, capture_output=True)
    while (
        "RUNNING" not in subprocess.run(["squeue", "-h", "-o", "%T"], capture_output=True, text=True, check=True).stdout
    ):
        subprocess.run(["sleep", "0.2"], check=True)


def drain(*, cancel: bool) -> None:
    """Wait until Slurm has nothing left to do."""
    if cancel:
        subprocess.run(["scancel", "--me"], check=True)
    while subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True).stdout.strip():
        subprocess.run(["sleep", "0.5"], check=True)


def pairs_of(what: str, quick: bool) -> int:
    """How often a measurement is repeated."""
    if what.startswith("notice-slurm"):
        return 1 if quick else 3  # psij-python's polling makes these long
    return 2 if quick else 15 if what == "import" else 5


def main() -> None:
    """Measure, print, and write the table where it is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer jobs and repetitions")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    options = parser.parse_args()
    no_slurm = why_no_slurm()
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    lines = ["| | ours | psij-python | bare | ours : psij-python | ours : bare |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        if "slurm" in row.measure and no_slurm:
            lines.append(f"| {row.title} | {no_slurm} | | | | |")
            continue
        if (OURS, row.measure) not in results:
            for number in range(pairs_of(row.measure, options.quick)):
                for library in row.by[:: -1 if number % 2 else 1]:  # nobody always comes first
                    count = max(1, row.count // (5 if options.quick else 1))
                    if row.measure in ("slurm", "slurm-bulk"):
                        occupy()
                    results.setdefault((library, row.measure), []).append(measure(library, row.measure, count))
                    if "slurm" in row.measure:
                        drain(cancel=row.measure in ("slurm", "slurm-bulk"))
        lines.append(table_line(row, results))
        print(lines[-1], flush=True)
    table = "\n".join([*lines, "", machine()])
    print("\n" + table)
    if options.write:
        before, _, rest = options.write.read_text().partition(START)
        options.write.write_text(f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}")
        draw([bar(row, results) for row in ROWS], options.write.with_suffix(".svg"))


def ratio(row: Row, results: dict[tuple[str, str], list[dict[str, float]]], other: str) -> float | None:
    """Ours to another's: the median of the ratios of runs that followed each other."""
    if other not in row.by or (other, row.measure) not in results:
        return None
    pairs = zip(results[OURS, row.measure], results[other, row.measure], strict=True)
    return statistics.median(ours[row.figure] / theirs[row.figure] for ours, theirs in pairs)


def table_line(row: Row, results: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """The medians, and the ratios."""

    def median(library: str) -> str:
        if library not in row.by or (library, row.measure) not in results:
            return ""
        taken = [run[row.figure] * row.scale for run in results[library, row.measure]]
        return f"{short(statistics.median(taken))} {row.unit}"

    ratios = (ratio(row, results, other) for other in (THEIRS, BARE))
    figures = (*map(median, (OURS, THEIRS, BARE)), *("" if one is None else short(one) for one in ratios))
    return f"| {row.title} | {' | '.join(figures)} |"


def bar(row: Row, results: dict[tuple[str, str], list[dict[str, float]]]) -> Bar:
    """The line of the picture."""
    opponent, limit = (ratio(row, results, other) for other in (THEIRS, BARE))
    if opponent is not None and not row.more_is_better:
        opponent = 1 / opponent
    return Bar(row.title, opponent, limit)


def short(number: float) -> str:
    """A number with as many digits as mean something."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def machine() -> str:
    """What was measured, and on what."""
    libraries = f"psij-like {version('psij-like')}, psij-python {version('psij-python')}"
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}."


if __name__ == "__main__":
    main()
