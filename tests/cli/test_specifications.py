"""Where the command line has its jobs from: scripts, YAML, JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.support import psij
from psij_like.testing import SimulatedCluster

COMPSS = """#!/bin/bash
#PSIJ --name=demo
#PSIJ --nodes=1
#PSIJ --duration=00:05:00
#PSIJ --directory=there
#PSIJ --stdout=out-%J.txt --stderr=err-%J.txt
#PSIJ --queue=
#PSIJ --project=
#PSIJ --exclusive
echo "$PSIJ_JOB_ID|$1|$(basename "$PWD")"
echo wrong >&2
exit 3
"""


def test_a_script_on_standard_input_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    told = psij("submit", text=COMPSS)
    native_id = told.strip()
    assert told == f"{native_id}\n"
    assert "exit code 3" in psij("wait", native_id, code=3)
    known = json.loads(psij("info", "--json", native_id))
    out = tmp_path / "there" / f"out-{native_id}.txt"
    assert out.read_text() == f"{known['job_id']}||there\n"
    assert (tmp_path / "there" / f"err-{native_id}.txt").read_text() == "wrong\n"
    assert known["output"]["stdout"] == str(out)
    assert (known["spec"]["name"], known["spec"]["attributes"]["duration"]) == ("demo", 300)
    assert known["spec"]["resources"]["exclusive_node_use"] is True


def test_a_script_is_copied_and_changed_by_options(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "#!/usr/bin/env python3\n#PSIJ --name=one -E A=1 -E B=1\n"
        "import os, sys; print(sys.argv[1:], os.environ['A'], os.environ['B'])\n"
    )
    assert psij("run", "--quiet", "--spec", "job.py", "-E", "B=2", "--", "x", "y z") == "['x', 'y z'] 1 2\n"
    copies = [*(tmp_path / "work" / "scripts").iterdir()]
    os.utime(copies[0], (0, 0))
    assert psij("run", "--quiet", "--spec", "job.py", "--", "x") == "['x'] 1 1\n"
    assert len(copies) == 1 and not copies[0].exists()  # it was older than what is remembered of jobs


def test_a_scripts_directives_reach_the_scheduler(slurm: SimulatedCluster, tmp_path: Path) -> None:
    text = COMPSS.replace("--queue=", "--queue=debug").replace("--project=", "--project=p1 --after=17 --reservation=r")
    shown = psij("script", "--spec", "-", "-t", "7", text=text)
    assert {
        f"#SBATCH --{line}"
        for line in (
            "partition=debug",
            "account=p1",
            "time=0:07:00",
            "nodes=1",
            "exclusive",
            "dependency=afterany:17",
            "reservation=r",
            "job-name=demo",
        )
    } <= {*shown.splitlines()}
    assert not (tmp_path / "work" / "scripts").exists()  # nothing is written
    (tmp_path / "there").mkdir()
    native_id = psij("submit", text=COMPSS).strip()
    psij("wait", native_id, code=3)
    assert (tmp_path / "there" / f"err-{native_id}.txt").read_text() == "wrong\n"


def test_a_specification_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("""
executable: /bin/sh
arguments: [-c, "echo $A"]
environment: {A: yes it is}
attributes: {duration: 0:10:00}
""")
    assert psij("run", "--quiet", "--spec", "job.yaml") == "yes it is\n"
    assert psij("run", "--quiet", "--spec", "-", "-E", "A=2", text=(tmp_path / "job.yaml").read_text()) == "2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("executabel: x", "did you mean 'executable'"),
        ("a: [", "neither JSON nor YAML at line"),
        ("just words", "describes no job"),
        ('{"executable": }', "is not JSON"),
        ("executable: 7", "executable"),
        ("#PSIJ --nmae=x\necho", "standard input, line 1: No such option '--nmae'"),
        ("#!/bin/sh\n#PSIJ name=x", "line 2: 'name=x' is no option"),
        ("#!/bin/sh\n#PSIJ --name='x", "No closing quotation"),
        ("#!/bin/sh\n#PSIJ --nodes=many", "line 2: Invalid value"),
        ("#!/bin/sh\n#PSIJ --stdout=%J -l mpirun", "can not go together with launcher"),
        ("", "no command to run"),
    ],
)
def test_a_specification_that_is_wrong_is_told(text: str, said: str) -> None:
    assert said in psij("submit", text=text, code=2)


def test_yaml_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yaml.py").write_text("raise ImportError('No module named yaml')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert "pip install 'psij-like[cli]'" in psij("submit", text="executable: x", code=1)
