"""Jobs in a pilot: how they end, what they are given, and what is left of them."""

import json
from datetime import timedelta
from pathlib import Path

from psij_like import InvalidJobException, Job, JobAttributes, JobExecutor, JobSpec, JobState, ResourceSpecV1
from psij_like.executors.rp import RPExecutorConfig

here = Path.cwd()
config = RPExecutorConfig(work_directory=here / "work", cores=2, runtime=timedelta(minutes=10))
executor = JobExecutor.get_instance("rp", config=config)
states: dict[str, list[str]] = {}
executor.set_job_status_callback(lambda job, status: states.setdefault(job.spec.name, []).append(str(status.state)))


def submit(name, script, **fields):
    job = Job(JobSpec("/bin/sh", ["-c", script, name, "$HOME `x` \"y\" 'z'"], name=name, directory=here, **fields))
    executor.submit(job)
    return job


limited = JobAttributes(duration=timedelta(seconds=3))
in_a_queue = Job(JobSpec("/bin/true", attributes=JobAttributes(queue_name="batch")))
try:
    executor.submit(in_a_queue)
except InvalidJobException as error:
    refused = str(error)
with executor:
    jobs = {
        "ends": submit(
            "ends", 'cat; echo "$1 $FRUIT"', stdin_path="in", stdout_path="out", environment={"FRUIT": "a $pear"}
        ),
        "fails": submit("fails", "echo wrong >&2; exit 3", stderr_path="err"),
        "signal": submit("signal", "kill -9 $$"),
        "limited": submit("limited", "exec sleep 41", attributes=limited),
        "cancelled": submit("cancelled", "exec sleep 42"),
        "at once": submit("at once", "exec sleep 43"),
        "two": submit(
            "two", 'echo one >>"two.$PSIJ_JOB_ID"', resources=ResourceSpecV1(process_count=2), launcher="multiple"
        ),
    }
    listed = sorted(executor.list()) == sorted(job.native_id for job in jobs.values())
    jobs["at once"].cancel()
    jobs["cancelled"].wait(target_states=JobState.ACTIVE)
    jobs["cancelled"].cancel()
    ends = {name: job.wait() for name, job in jobs.items()}
another = JobExecutor.get_instance("rp", config=config)
later = Job()
another.attach(later, jobs["fails"].native_id)
print(
    json.dumps(
        {
            "ends": {name: [str(end.state), end.exit_code, end.reason] for name, end in ends.items()},
            "states": states,
            "listed": listed,
            "left": executor.list(),
            "refused": refused,
            "later": str(later.wait(timedelta(seconds=30)).state),
            "ranks": [path.read_text() for path in here.glob("two.*")],
        }
    )
)
