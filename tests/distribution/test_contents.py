"""What is in the sdist and in the wheel that is built from it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both."""
    place = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--outdir", str(place), str(TREE)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def only(place: Path, pattern: str) -> Path:
    (found,) = place.glob(pattern)
    return found


def test_what_is_in_the_wheel(built: Path) -> None:
    with zipfile.ZipFile(only(built, "*.whl")) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    ours = {name for name in names if ".dist-info/" not in name}
    assert ours
    assert all(name.startswith("psij_like/") for name in ours)
    assert "psij_like/py.typed" in ours
    templates = {f"psij_like/templates/{path.name}" for path in (TREE / "templates").glob("*.mustache")}
    assert templates
    assert templates.issubset(ours)
    schemas = {f"psij_like/schemas/{path.name}" for path in (TREE / "spec" / "schemas").glob("*.json")}
    assert schemas
    assert schemas.issubset(ours)
    for folder in ("html", "static"):
        served = (TREE / "src" / "psij_like" / "dashboard" / folder).iterdir()
        assert ours.issuperset(path.relative_to(TREE / "src").as_posix() for path in served)
    sources = (TREE / "src" / "psij_like").rglob("*.py")
    assert ours.issuperset(path.relative_to(TREE / "src").as_posix() for path in sources)
    assert not [name for name in names if "__pycache__" in name]
    needed = {line.split()[1] for line in metadata.splitlines() if re.match(r"Requires-Dist: [^;]*$", line)}
    names = {re.split(r"[<>=]", name)[0] for name in needed}
    assert names == {"click", "packaging", "psutil", "pystache", "tenacity", "typeguard"}


def test_what_is_in_the_sdist(built: Path) -> None:
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "src/psij_like/__init__.py"}.issubset(names)
    assert any(name.endswith("templates/body.sh") for name in names)
    assert not [name for name in names if "__pycache__" in name or ".venv" in name]
