"""The command lines of the launchers that few sites have."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from psij_like import Job, JobSpec, Launcher, ResourceSpecV1

LARGE = ResourceSpecV1(node_count=2, processes_per_node=3, cpu_cores_per_process=4, gpu_cores_per_process=1)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("mpirun", {"npernode": 3, "mca": ["a", "b"]}, "mpirun -n 6 --npernode 3 --mca a b prog -x"),
        ("mpiexec", {"ppn": 3}, "mpiexec -n 6 --ppn 3 prog -x"),
        (
            "jsrun",
            {"bind": "packed:4"},
            "jsrun --nrs=6 --rs_per_host=3 --tasks_per_rs=1 --cpu_per_rs=4 --gpu_per_rs=1 --bind=packed:4 prog -x",
        ),
        ("aprun", {"cc": "depth", "q": True}, "aprun -n 6 -N 3 -d 4 --cc depth -q prog -x"),
    ],
)
def test_command_lines(name: str, options: Mapping[str, object], expected: str) -> None:
    job = Job(JobSpec("prog", ["-x"], resources=LARGE))
    assert " ".join(Launcher.get_instance(name, options=options).get_launch_command(job)) == expected


def test_the_prefix_as_text_for_scripts() -> None:
    assert Launcher.get_instance("srun", options={"x": "a b"}).prefix_text(LARGE) == (
        "srun --ntasks=6 --nodes=2 --ntasks-per-node=3 --cpus-per-task=4 -x 'a b' --"
    )
    assert Launcher.get_instance("single").prefix_text() == ""
    text = Launcher.get_instance("multiple").prefix_text(ResourceSpecV1(process_count=3))
    done = subprocess.run(["sh", "-c", f"{text} echo hi"], capture_output=True, text=True, check=True)
    assert done.stdout == "hi\n" * 3
