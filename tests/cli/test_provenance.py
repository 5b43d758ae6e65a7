"""What ran, as one record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cli.support import psij
from psij_like import __version__
from psij_like.testing import SimulatedCluster


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_record_tells_what_ran(slurm: SimulatedCluster, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("staged")
    (tmp_path / "there").mkdir()
    job = psij(
        *("submit", "--name", "nice", "-d", "there", "-o", "out", "-t", "7"),
        *("--stage-in", f"{tmp_path / 'source'}=in", "--stage-out", f"out={tmp_path / 'copy'}", "--", "cat", "in"),
    ).strip()
    psij("wait", job)
    told = json.loads(psij("info", "--provenance", job))
    assert (told["spec"]["name"], told["job"]["native_id"], told["versions"]["psij-like"]) == ("nice", job, __version__)
    assert (told["status"]["state"], told["status"]["exit_code"]) == ("COMPLETED", 0)
    assert "#SBATCH --time=0:07:00\n" in told["script"]
    assert [each["state"] for each in told["states"]] == ["QUEUED", "STAGE_IN", "ACTIVE", "STAGE_OUT", "COMPLETED"]
    assert len(told["nodes"]) == 1 and told["usage"]["cpu_time"] == 0
    assert told["user"] and told["host"]["name"]
    files = {each["role"]: each for each in told["files"]}
    assert files["input"]["sha256"] == files["output"]["sha256"] == files["stdout"]["sha256"] == digest("staged")
    assert files["output"]["path"] == str(tmp_path / "copy")
    psij("info", "--provenance", "-o", "record.json", job)
    assert json.loads((tmp_path / "record.json").read_text())["spec"] == told["spec"]


def test_a_crate_describes_itself(tmp_path: Path) -> None:
    job = psij("submit", "-o", "out", "--stderr", "gone", "--", "sh", "-c", "echo x; rm gone; exit 3").strip()
    psij("wait", job, code=3)
    psij("info", "--provenance", "--format", "ro-crate", "-o", "crate", job)
    metadata = json.loads((tmp_path / "crate" / "ro-crate-metadata.json").read_text())
    entities: dict[str, dict[str, Any]] = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert len(entities) == len(metadata["@graph"])
    assert entities["ro-crate-metadata.json"]["conformsTo"]["@id"] == metadata["@context"][0].removesuffix("/context")
    for part in entities["./"]["hasPart"]:
        assert part["@id"].startswith("file:///") or (tmp_path / "crate" / part["@id"]).is_file()
    action = entities["#job"]
    assert (action["actionStatus"]["@id"], action["error"]) == ("http://schema.org/FailedActionStatus", "exit code 3")
    assert action["startTime"] <= action["endTime"]
    for reference in (action["instrument"], action["agent"], *action["object"], *action["result"]):
        assert reference["@id"] in entities
    assert entities[(tmp_path / "out").as_uri()]["sha256"] == digest("x\n")
    assert json.loads((tmp_path / "crate" / "provenance.json").read_text())["status"]["exit_code"] == 3


def test_a_record_of_every_job(tmp_path: Path) -> None:
    psij("run", "--quiet", "--provenance", "records", "--repeat", "3", "--", "true")
    assert len(list((tmp_path / "records").glob("*.json"))) == 3
    (tmp_path / "psij-like.toml").write_text(f'provenance = "{tmp_path / "always"}"\n')
    psij("run", "--quiet", "--", "sh", "-c", "exit 4", code=4)
    (path,) = (tmp_path / "always").iterdir()
    assert json.loads(path.read_text())["status"]["exit_code"] == 4
    job = psij("submit", "--", "true").strip()
    psij("wait", job)
    assert len(list((tmp_path / "always").iterdir())) == 2


def test_a_directory_that_is_staged_is_hashed_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "one").write_text("1")
    job = psij("submit", "--stage-in", f"{tmp_path / 'source'}=in", "--cleanup", "in", "--", "true").strip()
    psij("wait", job)
    (told,) = (file for file in json.loads(psij("info", "--provenance", job))["files"] if file["role"] == "input")
    assert [(Path(each["path"]).name, each["sha256"]) for each in told["files"]] == [("one", digest("1"))]


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    job = psij("submit", "--", "true").strip()
    assert "name it with --output" in psij("info", "--provenance", "--format", "ro-crate", job, code=2)
    assert "nobody here knows what job 999999999 was" in psij("info", "--provenance", "999999999", code=1)
    assert "can not be written" in psij("info", "--provenance", "-o", "/proc/x", job, code=1)
    assert "can not be written" in psij("run", "--provenance", "/proc/x", "--", "true", code=1)
