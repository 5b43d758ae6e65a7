"""A cluster of Dask's whose workers are jobs of any executor of psij-like."""

import asyncio

from dask_jobqueue.core import Job as WorkersJob
from dask_jobqueue.core import JobQueueCluster

from psij_like import Job, JobAttributes, JobExecutor, JobSpec, ResourceSpecV1


class PsijJob(WorkersJob):
    """A job that runs workers."""

    config_name = "local"  # the section of Dask's configuration that has what is not given

    def __init__(self, scheduler=None, name=None, executor=None, attributes=None, **workers):
        """Arguments: an executor's name, `JobAttributes`, and what dask-jobqueue has for any job."""
        super().__init__(scheduler=scheduler, name=name, shebang="", **workers)
        self.job_header = ""
        self.executor = JobExecutor.get_instance(executor)
        self.attributes = attributes or JobAttributes()
        self.job = None

    async def _submit_job(self, script_filename):
        resources = ResourceSpecV1(cpu_cores_per_process=self.worker_cores, memory=self.worker_memory)
        self.job = Job(
            JobSpec(
                "/bin/bash",
                ["-c", self.job_script()],
                name=self.job_name,
                resources=resources,
                attributes=self.attributes,
            )
        )
        await asyncio.to_thread(self.executor.submit, self.job)
        return self.job.native_id

    def _job_id_from_submit_output(self, out):
        return out

    async def close(self):
        """End the workers."""
        if self.job is not None:
            await asyncio.to_thread(self.job.cancel)


class PsijCluster(JobQueueCluster):
    """`PsijCluster(executor="slurm", cores=8, memory="16GB")`."""

    job_cls = PsijJob
