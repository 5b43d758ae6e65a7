"""What becomes of a task whose blocks can not be prepared."""

import parsl
from parsl_runs import running, tell, workers


@parsl.python_app
def never():
    """There is no worker for it."""


executor = workers(worker_init="echo a bad environment >&2; exit 7")
with running(executor):
    tell({"error": str(never().exception())})
