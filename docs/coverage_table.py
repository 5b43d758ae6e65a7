"""Writes the table of docs/conformance.md: `python docs/coverage_table.py`; --check only compares.

For each statement of the specification: the tests of the conformance suite that prove it on a site, those of this
repository, which carry its number in their names, and the test vectors for implementations in any language.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

from made_part import put

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- coverage: made by docs/coverage_table.py -->", "<!-- end of coverage -->"
SUITE = ROOT / "src" / "psij_like" / "conformance" / "suite"


def statements() -> list[str]:
    """The numbers of the specification's statements."""
    return re.findall(r"^- \*\*([A-Z][0-9]+)\*\* ", (ROOT / "spec" / "specification.md").read_text(), re.MULTILINE)


def of_the_suite() -> dict[str, list[str]]:
    """The tests of the suite, by the statements that they prove."""
    found: dict[str, list[str]] = {}
    for path in sorted(SUITE.glob("test_*.py")):
        for function in ast.parse(path.read_text()).body:
            for mark in function.decorator_list if isinstance(function, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "proves":
                    for number in mark.args:
                        name = function.name.removeprefix("test_").replace("_", " ")
                        found.setdefault(ast.literal_eval(number), []).append(name)
    return found


def of_the_repository() -> set[str]:
    """The statements whose numbers tests of this repository have in their names."""
    names = (re.findall(r"def (test_\w+)", path.read_text()) for path in (ROOT / "tests").rglob("test_*.py"))
    return {number for found in names for name in found for number in re.findall(r"_([A-Z][0-9]+)(?=_)", name)}


def of_the_vectors() -> dict[str, list[str]]:
    """The files of vectors, by the statements that they prove."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "spec" / "vectors").glob("*.json")):
        for number in json.loads(path.read_text())["proves"]:
            found.setdefault(number, []).append(path.name)
    return found


def text() -> str:
    """The table."""
    suite, repository, vectors = of_the_suite(), of_the_repository(), of_the_vectors()
    lines = ["| statement | on a site, by the suite | tests of this repository | vectors |", "|---|---|---|---|"]
    for number in statements():
        here = "yes" if number in repository else ""
        cells = (number, ", ".join(suite.get(number, ())), here, ", ".join(vectors.get(number, ())))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(put(PAGE, BEGIN, END, text(), sys.argv[1:]))
