"""What Open OnDemand's delete, hold and release scripts do; the first argument says which of them."""

import argparse

from psij import Job, JobExecutor

parser = argparse.ArgumentParser()
parser.add_argument("request")
parser.add_argument("--id", required=True)
parser.add_argument("--executor", required=True)
given = parser.parse_args()

executor = JobExecutor.get_instance(given.executor)
job = Job()
job._native_id = given.id
try:
    getattr(executor, given.request)(job)
except Exception:
    print("Invalid job id specified")
