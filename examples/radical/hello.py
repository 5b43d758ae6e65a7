"""Three tasks in a pilot of RADICAL-Pilot: `python hello.py RESOURCE`, such as local.localhost, this machine."""

import sys

import radical.pilot as rp

session = rp.Session()
try:
    pilots = rp.PilotManager(session=session)
    tasks = rp.TaskManager(session=session)
    pilot = pilots.submit_pilots(rp.PilotDescription({"resource": sys.argv[1], "runtime": 10, "cores": 1}))
    tasks.add_pilots(pilot)
    hellos = [rp.TaskDescription({"executable": "/bin/echo", "arguments": [f"hello {n}"]}) for n in range(3)]
    submitted = tasks.submit_tasks(hellos)
    tasks.wait_tasks()
    for task in submitted:
        print(task.state, task.exit_code, task.stdout, end="")
    pilot.cancel()
    pilot.wait()
    print("the pilot:", pilot.state)
finally:
    session.close(download=False)
