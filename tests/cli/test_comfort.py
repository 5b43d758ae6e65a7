"""What makes the command line pleasant: completion, colours, templates of a site, defaults for programs."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from cli.support import PSIJ, psij
from psij_like import InvalidJobException, Job, JobAttributes, JobExecutor, JobSpec, configuration
from psij_like.testing import SimulatedCluster


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    assert "_PSIJ_LIKE_COMPLETE" in psij("completion", shell)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("psij-like sta", "status"), ("psij-like run --gr", "--grid"), ("psij-like list -e pbs_", "pbs_classic")],
)
def test_what_is_completed(line: str, expected: str) -> None:
    words = line.split()
    ran = subprocess.run(
        [PSIJ[0], "-c", "from psij_like.cli.main import main; main(prog_name='psij-like')"],
        env={
            **os.environ,
            "_PSIJ_LIKE_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert expected in [each.partition(",")[2] for each in ran.stdout.split()]


def test_a_script_is_coloured_on_a_terminal_only(slurm: SimulatedCluster) -> None:
    assert "\x1b[" not in psij("script", "--", "true")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*PSIJ, "script", "--", "true"], stdout=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    with pytest.raises(OSError, match="Input/output"):  # its end
        while True:
            shown += os.read(ours, 65536)
    assert process.wait(60) == 0
    os.close(ours)
    assert b"\x1b[" in shown and b"#SBATCH" in shown


def test_a_sites_template_takes_the_place_of_ours(slurm: SimulatedCluster, tmp_path: Path) -> None:
    ours = (Path(__file__).parents[2] / "templates" / "slurm.mustache").read_text()
    (tmp_path / "templates").mkdir()
    template = tmp_path / "templates" / "slurm.mustache"
    template.write_text(ours.replace("psij_dir=", "# of this site\npsij_dir=", 1))
    (tmp_path / "psij-like.toml").write_text(f'templates = "{tmp_path / "templates"}"\n')
    assert "# of this site\n" in psij("script", "--", "true")
    assert psij("run", "--quiet", "--", "echo", "x") == "x\n"
    template.write_text("#!/bin/sh\n{{{mistake}}}\n")
    told = psij("submit", "--", "true", code=2)
    assert f"the template {template} can not be used" in told and "mistake" in told
    template.unlink()
    assert "#SBATCH" in psij("script", "--", "true")


def test_programs_have_what_is_configured(
    slurm: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PSIJ_EXECUTOR")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "slurm.mustache").write_text("#!/bin/sh\n# ours\n")
    (tmp_path / "psij-like.toml").write_text(f"""
executor = "slurm"
templates = "{tmp_path / "templates"}"
[executors.slurm]
queue = "debug"
walltime = "2h"
custom = {{ "slurm.qos" = "normal" }}
""")
    executor = JobExecutor.get_instance()
    assert executor.config.work_directory == tmp_path / "work"
    assert executor.script(Job(JobSpec("true"))) == "#!/bin/sh\n# ours\n"  # type: ignore[attr-defined]
    spec = configuration.load().filled(JobSpec("true", attributes=JobAttributes(account="own")))
    assert (spec.attributes.queue_name, spec.attributes.account) == ("debug", "own")
    assert spec.attributes.duration.total_seconds() == 7200
    assert spec.attributes.custom_attributes == {"slurm.qos": "normal"}
    (tmp_path / "psij-like.toml").write_text('executor = "slurm"\n[executors.slurm]\nwalltime = "soon"\n')
    with pytest.raises(configuration.ConfigurationError, match=r"walltime .*executors\.slurm\.walltime"):
        configuration.load().filled(JobSpec("true"))
    with pytest.raises(InvalidJobException):
        executor.submit(Job())
