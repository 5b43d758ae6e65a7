"""What ran: one record of a job, as JSON or as an RO-Crate (https://www.researchobject.org/ro-crate/, 1.1)."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psij_like import __version__
from psij_like.exceptions import SubmitException

if TYPE_CHECKING:
    from psij_like.job_executor import JobExecutor, Target
    from psij_like.job_info import JobInfo

FORMAT = "psij-like-provenance/1"
_CRATE = "https://w3id.org/ro/crate/1.1"
_CHUNK = 1 << 20
_MOST_FILES = 10_000  # of a directory that was staged


def record(executor: JobExecutor, job: Target) -> dict[str, Any]:
    """All that is known of what a job was and what became of it, in JSON's types.

    It is complete as long as the job's own files are kept (`JobExecutorConfig.keep_files`). Files are hashed (SHA-256)
    as they are now: those that are staged, its program, and its input and output.

    Raises:
        SubmitException: the backend can not be asked.
    """
    info = executor.info(job)
    facts = info.to_dict()
    return {
        "format": FORMAT,
        "recorded": time.time(),
        "job": {"id": info.job_id, "native_id": info.native_id},
        "executor": {"name": executor.name, "version": str(executor.version), "url": executor.url},
        "versions": {"psij-like": __version__, "python": platform.python_version()},
        "user": getpass.getuser(),
        "host": {"name": socket.gethostname(), "system": platform.platform()},
        "nodes": facts["nodes"],
        "spec": facts["spec"],
        "script": executor.submitted_script(job),
        "states": [{"state": state, "time": moment} for state, moment in facts["history"]],
        "status": facts["status"],
        "usage": facts["usage"],
        "files": [_hashed(role, path) for role, path in _files(info)],
    }


def write(executor: JobExecutor, job: Target, directory: Path) -> Path:
    """Write the record of a job to a file in a directory, which is made; its path.

    Raises:
        OSError: it can not be written.
        SubmitException: the backend can not be asked, or knows nothing of the job.
    """
    told = record(executor, job)
    name = told["job"]["id"] or told["job"]["native_id"]
    if told["status"] is None:
        raise SubmitException(f"nothing is known of job {name}")
    directory = directory.expanduser()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    write_private(path, json.dumps(told, indent=1) + "\n")
    return path


def write_private(path: Path, text: str) -> None:
    """Write what may hold secrets, as environments do, so that its user alone can read it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - not a path
        file.write(text)


def write_crate(told: dict[str, Any], directory: Path) -> None:
    """Write a record as an RO-Crate: a directory with the record, the script, and what describes both.

    The job's own files are not copied: the crate names them, with sizes and hashes.

    Raises:
        OSError: it can not be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write_private(directory / "provenance.json", json.dumps(told, indent=1) + "\n")
    if told["script"] is not None:
        write_private(directory / "submit.sh", told["script"])
    write_private(directory / "ro-crate-metadata.json", json.dumps(crate(told), indent=1) + "\n")


def crate(told: dict[str, Any]) -> dict[str, Any]:
    """The metadata of an RO-Crate for a record: the job is a `CreateAction` of its executable."""
    spec, native_id = told["spec"] or {}, told["job"]["native_id"]
    known = [file for each in told["files"] for file in each.get("files", [each]) if "sha256" in file]
    files = [_file(file) for file in {file["path"]: file for file in known}.values()]
    parts = [_part("provenance.json", "What ran, and what became of it", "application/json")]
    if told["script"] is not None:
        parts.append(_part("submit.sh", "The script that was submitted", "text/x-shellscript"))
    roles = {_uri(file["path"]): file["role"] for file in known}
    program = {
        "@id": "#program",
        "@type": "SoftwareApplication",
        "name": str(spec.get("executable", "unknown")),
    }
    action = {
        "@id": "#job",
        "@type": "CreateAction",
        "name": f"job {native_id} of {told['executor']['name']}",
        "description": " ".join([str(spec.get("executable", "")), *map(str, spec.get("arguments") or ())]),
        "instrument": {"@id": "#program"},
        "agent": {"@id": "#user"},
        "object": [{"@id": file["@id"]} for file in files if roles[file["@id"]] in ("input", "stdin", "program")],
        "result": [{"@id": file["@id"]} for file in files if roles[file["@id"]] in ("output", "stdout", "stderr")],
        **_times(told),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": spec.get("name") or f"job {native_id}",
        "description": f"What ran as job {native_id}, and what became of it",
        "datePublished": _iso(told["recorded"]),
        "license": "The owner of the data has not said under which license it may be used",
        "hasPart": [{"@id": entity["@id"]} for entity in (*parts, *files)],
        "author": {"@id": "#user"},
        "mentions": {"@id": "#job"},
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": _CRATE},
    }
    user = {"@id": "#user", "@type": "Person", "name": told["user"]}
    return {
        "@context": [f"{_CRATE}/context", {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}],
        "@graph": [descriptor, root, action, program, user, *parts, *files],
    }


def _files(info: JobInfo) -> Iterator[tuple[str, Path]]:
    """The files that a job has to do with, and what they are to it."""
    spec = info.spec
    if spec is None:
        return
    here = Path(spec.directory or ".").expanduser().absolute()
    named = {
        "program": spec.executable,
        "stdin": spec.stdin_path,
        "stdout": spec.stdout_path,
        "stderr": spec.stderr_path,
    }
    for role, path in named.items():
        if path is not None and (role != "program" or "/" in str(path)):
            yield role, here / Path(path).expanduser()
    for stage_in in sorted(spec.stage_in or (), key=str):
        if stage_in.source.local_path is not None:
            yield "input", here / stage_in.source.local_path
    for stage_out in sorted(spec.stage_out or (), key=str):
        if stage_out.target.local_path is not None:
            yield "output", here / stage_out.target.local_path


def _hashed(role: str, path: Path) -> dict[str, Any]:
    """A file's size and hash; what can not be read has none, and of a directory all files are listed."""
    told: dict[str, Any] = {"role": role, "path": str(path)}
    try:
        if path.is_dir():
            inner = [each for each in sorted(path.rglob("*")) if each.is_file()][:_MOST_FILES]
            return {**told, "files": [_hashed(role, each) for each in inner]}
        if not path.is_file():
            return told
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return {**told, "size": path.stat().st_size, "sha256": digest.hexdigest()}
    except OSError as error:
        return {**told, "unreadable": error.strerror}


def _part(name: str, title: str, kind: str) -> dict[str, Any]:
    return {"@id": name, "@type": "File", "name": title, "encodingFormat": kind}


def _file(file: dict[str, Any]) -> dict[str, Any]:
    path = Path(file["path"])
    return {
        "@id": _uri(file["path"]),
        "@type": "File",
        "name": path.name,
        "contentSize": str(file["size"]),
        "sha256": file["sha256"],
    }


def _uri(path: str) -> str:
    return Path(path).as_uri()


def _times(told: dict[str, Any]) -> dict[str, Any]:
    times = {each["state"]: each["time"] for each in told["states"]}
    status = told["status"] or {}
    found: dict[str, Any] = {}
    begin = times.get("ACTIVE", times.get("QUEUED"))
    if begin is not None:
        found["startTime"] = _iso(begin)
    state = status.get("state")
    ends = {"COMPLETED": "CompletedActionStatus", "FAILED": "FailedActionStatus", "CANCELED": "FailedActionStatus"}
    found["actionStatus"] = {"@id": f"http://schema.org/{ends.get(str(state), 'ActiveActionStatus')}"}
    if state in ends:
        found["endTime"] = _iso(times.get(state, status["time"]))
    if state in ("FAILED", "CANCELED"):
        found["error"] = status.get("message") or str(state)
    return found


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
