"""What Open OnDemand's get_info script does: what is known of one job, of an owner's, or of all, as one JSON list."""

import argparse
import json

from psij import Job, JobExecutor
from psij.serialize import JSONSerializer

parser = argparse.ArgumentParser()
parser.add_argument("--id")
parser.add_argument("--owner")
parser.add_argument("--executor", required=True)
given = parser.parse_args()

executor = JobExecutor.get_instance(given.executor)
if given.id:
    wanted = Job()
    wanted._native_id = given.id
    jobs = executor.info([wanted])
else:
    jobs = executor.info(owner=given.owner) if given.owner else executor.info()


def text_of(moment):
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


told = []
for job in jobs:
    fields = JSONSerializer()._from_spec(job.spec)
    facts = {"native_id": job.native_id, "current_state": job._status.state.name, **job.current_info.__dict__, **fields}
    facts |= facts.pop("attributes") | facts.pop("resources")
    facts["duration"] = job.spec.attributes.duration.total_seconds()
    facts["wall_time"] = int(facts["wall_time"])
    facts["submission_time"] = facts["submission_time"].strftime("%Y-%m-%d %H:%M:%S")
    facts["dispatch_time"] = text_of(facts["dispatch_time"])
    told.append(facts)
print(json.dumps(told))
