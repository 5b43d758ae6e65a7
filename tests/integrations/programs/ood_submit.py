"""What Open OnDemand's submit script does: a specification comes as JSON, and the native id goes out, alone."""

import json
import sys
from pathlib import Path

from psij import Job, JobExecutor
from psij.serialize import JSONSerializer

name = sys.argv[1]
executor = JobExecutor.get_instance(name)
spec = JSONSerializer()._to_spec(json.load(sys.stdin))
options = spec.attributes.custom_attributes
if name != "local" and options is not None:
    spec.attributes.custom_attributes = {f"{executor.name}.{option}": value for option, value in options.items()}
spec.executable = str(Path(spec.executable).expanduser())
job = Job(spec)
executor.submit(job)
print(job.native_id)
