"""What Swift/T's turbine2psij.py does: an MPI job by names of the published binding; with `wait` to its end."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import psij
from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig

output = Path(os.environ["TURBINE_OUTPUT"])
config = BatchSchedulerExecutorConfig(
    launcher_log_file=output / "psij.log", work_directory=output, queue_polling_interval=10
)
executor = psij.JobExecutor.get_instance(os.environ["PSIJ_EXECUTOR"], config=config)
job = psij.Job()
resources = psij.ResourceSpecV1(
    node_count=None,
    process_count=int(os.environ["PROCS"]),
    processes_per_node=int(os.environ["PPN"]),
    cpu_cores_per_process=None,
    gpu_cores_per_process=None,
    exclusive_node_use=False,
)
attributes = psij.JobAttributes(
    duration=timedelta(minutes=5),
    queue_name=os.environ.get("QUEUE"),
    account=os.environ.get("PROJECT"),
    reservation_id=None,
    custom_attributes={},
)
print("attributes:", str(attributes))
spec = psij.JobSpec(
    name=os.environ.get("TURBINE_JOBNAME"),
    executable=os.environ["TURBINE_HOME"] + "/bin/turbine-pilot",
    arguments=[os.environ["PROGRAM"]],
    directory=output,
    inherit_environment=True,
    environment={},
    stdin_path=None,
    stdout_path=output / "output.txt",
    stderr_path=output / "stderr.txt",
    resources=resources,
    attributes=attributes,
    pre_launch=None,
    post_launch=None,
    launcher="mpirun",
)
print("specification:", str(spec))
job.spec = spec
executor.submit(job)
print("submitted: " + job.native_id)
if sys.argv[1:] != ["wait"]:
    sys.exit()
while (status := job.wait(timedelta(seconds=10))) is None or not status.final:
    pass
print("ended: " + str(status.state), status.exit_code)
sys.exit(status.exit_code)
