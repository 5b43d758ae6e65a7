"""What starts the workers of executorlib as jobs of any executor of psij-like."""

from executorlib.standalone.interactive.spawner import BaseSpawner

from psij_like import Job, JobExecutor, JobSpec, ResourceSpecV1


class PsijSpawner(BaseSpawner):
    """Starts one worker, of one process or several."""

    def __init__(self, cwd=None, cores=1, worker_id=0, openmpi_oversubscribe=False, executor=None):
        """Arguments: those of executorlib, and an executor's name."""
        super().__init__(cwd=cwd, cores=cores, worker_id=worker_id, openmpi_oversubscribe=openmpi_oversubscribe)
        self.executor = JobExecutor.get_instance(executor)
        self.job = None

    def bootup(self, command_lst, stop_function=None):
        """Submit the worker."""
        executable, *arguments = command_lst
        self.job = Job(
            JobSpec(
                executable,
                arguments,
                directory=self._cwd,
                name="executorlib-worker",
                resources=ResourceSpecV1(process_count=self._cores),
                launcher="mpirun" if self._cores > 1 else "single",
            )
        )
        self.executor.submit(self.job)
        return self.poll()

    def shutdown(self, wait=True):
        """End the worker."""
        if self.job is not None:
            self.job.cancel()
            if wait:
                self.job.wait()

    def poll(self):
        """Whether there is a worker, or will be."""
        return self.job is not None and not self.job.status.final
