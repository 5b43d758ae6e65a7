"""Makes a run of the suite part of a site's own CI."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pystache


class Kind(NamedTuple):
    """A CI, and what it is told.

    Attributes:
        file: where it looks for that, in the directory of a project.
        executable: whether it is a program.
        next_step: what is left to do.
    """

    file: str
    executable: bool
    next_step: str


KINDS = {
    "cron": Kind("psij-conformance.sh", True, "Add this line to `crontab -e`:\n\n    17 3 * * * {path}"),
    "gitlab": Kind(
        ".gitlab-ci.yml",
        False,
        "Add a schedule (CI/CD > Schedules) and a runner with the tag `cluster` on a login node.",
    ),
    "github": Kind(
        ".github/workflows/psij-conformance.yml",
        False,
        "Add a self-hosted runner with the label `cluster` on a login node.",
    ),
    "jenkins": Kind(
        "Jenkinsfile", False, "Make a pipeline of it, with an agent that has the label `cluster` on a login node."
    ),
}
_TOKEN = "PSIJ_DASHBOARD_TOKEN"  # noqa: S105 - the name of the variable that has it


def job(kind: str, options: Sequence[str], program: str, upload: Sequence[str] = ()) -> str:
    """What a CI is told, to run the suite.

    Args:
        kind: one of `KINDS`.
        options: of `psij-like conformance run`.
        program: the command `psij-like`.
        upload: the arguments of `psij-like conformance upload`; nothing is sent if there are none.
    """
    template = files("psij_like.conformance").joinpath("ci", f"{kind}.mustache").read_text(encoding="utf-8")
    run = [program, "conformance", "run", *options, "--report", "psij-report"]
    send = [program, "conformance", "upload", *upload, "--yes", "psij-report/report.json"] if upload else []
    facts = {
        "run": shlex.join(run),
        "send": shlex.join(send),
        "token": _TOKEN,
        "secret": f"${{{{ secrets.{_TOKEN} }}}}",
    }
    if kind == "jenkins":  # a text of Groovy's
        facts = {name: text.replace("\\", "\\\\").replace("'", "\\'") for name, text in facts.items()}
    return str(pystache.Renderer(missing_tags="strict", escape=lambda text: text).render(template, facts))


def write(kind: str, text: str, directory: Path) -> Path:
    """Write it to where the CI looks for it.

    Raises:
        FileExistsError: there is something already; it is left as it is.
    """
    path = directory / KINDS[kind].file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    if KINDS[kind].executable:
        path.chmod(0o755)
    return path
