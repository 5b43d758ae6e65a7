"""A pipeline of RADICAL-EnTK with one stage of two tasks, on this machine: `python pipeline.py`."""

from radical import entk

tasks = []
for n in range(2):
    task = entk.Task()
    task.executable = "/bin/echo"
    task.arguments = [f"hello {n}"]
    tasks.append(task)
stage = entk.Stage()
stage.add_tasks(tasks)
pipeline = entk.Pipeline()
pipeline.add_stages(stage)

manager = entk.AppManager()
manager.resource_desc = {"resource": "local.localhost", "walltime": 10, "cpus": 2}
manager.workflow = {pipeline}
manager.run()
print([task.state for task in tasks])
