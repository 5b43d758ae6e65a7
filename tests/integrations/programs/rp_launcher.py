"""RADICAL-Pilot's own launcher, without a session: what it reports of pilots that end, fail, and are killed."""

import json
import sys
import threading
from pathlib import Path

import psij
import radical.utils as ru
from radical.pilot.pmgr.launching.psi_j import PilotLauncherPSIJ

schema, here = sys.argv[1], Path.cwd()
states: dict[str, list[str]] = {"ends": [], "fails": [], "killed": []}
changed = threading.Condition()


def heard(pilot, state):
    with changed:
        states[pilot["uid"]].append(state)
        changed.notify_all()


def description(name, script):
    (here / name).mkdir()
    return ru.Config(
        from_dict={
            "executable": "/bin/bash",
            "arguments": ["-c", script],
            "environment": {"RP_GIVEN": "given"},
            "working_directory": f"{here / name}/",
            "output": "bootstrap_0.out",
            "error": "bootstrap_0.err",
            "project": "",
            "queue": "",
            "wall_time_limit": 10,
            "node_count": 1,
            "total_cpu_count": 1,
            "system_architecture": {"options": []},
        }
    )


scripts = {
    "ends": 'echo "$RP_GIVEN ${FROM_OUTSIDE-nothing} $PWD"',
    "fails": "exit 3",
    "killed": "echo begun; until [ -e never ]; do sleep 0.1; done",
}
pilots = [{"uid": name, "jd_dict": description(name, script)} for name, script in scripts.items()]
resource = {"job_manager_endpoint": f"{schema}://localhost/"}
launcher = PilotLauncherPSIJ("PSI_J", ru.Logger("test", targets=[str(here / "log")]), ru.Profiler("test"), heard)
able = []


def launch():
    able.append(launcher.can_launch(resource, pilots[0]))
    launcher.launch_pilots(resource, pilots)


worker = threading.Thread(target=launch)
worker.start()
worker.join()


def has_begun():
    output = here / "killed" / "bootstrap_0.out"
    return output.exists() and output.read_text() == "begun\n"


with changed:
    changed.wait_for(has_begun, 1)
while not has_begun():
    with changed:
        changed.wait(0.1)
launcher.kill_pilots(["killed"])
with changed:
    changed.wait_for(lambda: all(told and told[-1] in ("DONE", "FAILED", "CANCELED") for told in states.values()), 60)
launcher.kill_pilots(list(states))  # as it does at its end, be they over or not
print(json.dumps({"psij": psij.__file__, "able": able, "states": states}))
