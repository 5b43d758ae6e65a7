"""A plug-in of Snakemake's: the jobs of a workflow are jobs of any executor of psij-like."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

from psij_like import (
    BulkSubmitException,
    InvalidJobException,
    Job,
    JobExecutor,
    JobExecutorConfig,
    JobState,
    SubmitException,
)
from snakemake_executor_plugin_psij_like.job_specs import LOGS, job_spec
from snakemake_executor_plugin_psij_like.submissions import Submissions

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,  # they are told to the job, not shown in its command line
    auto_deploy_default_storage_provider=False,
)

Text = Optional[str]  # noqa: UP045 - Snakemake reads the type, and knows no other way to write it


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """What can be set on Snakemake's command line, as `--psij-like-executor`, say."""

    executor: Text = field(
        default=None, metadata={"help": "Who runs jobs, such as slurm; what is configured or found by default"}
    )
    url: Text = field(default=None, metadata={"help": "Which instance of the backend"})
    work_directory: Text = field(
        default=None, metadata={"help": "Where jobs are remembered; ~/.psij-like/work by default"}
    )


class Executor(RemoteExecutor):
    """Submits what is ready in as few requests as possible, and takes over the jobs of a Snakemake that died."""

    def __post_init__(self) -> None:
        """See `RemoteExecutor`."""
        settings = self.workflow.executor_settings
        try:
            config = JobExecutorConfig(work_directory=settings.work_directory)
            self._executor = JobExecutor.get_instance(settings.executor, url=settings.url, config=config)
        except ValueError as error:
            raise WorkflowError(f"psij-like: {error}") from error
        self._submissions = Submissions(LOGS / "submissions", self._executor.name)

    def run_job(self, job: Any) -> None:
        """Submit one job."""
        self._submit([job])

    def run_jobs(self, jobs: Sequence[Any]) -> None:
        """Submit all jobs that are ready, but those that an earlier Snakemake submitted and that have not ended."""
        for job in jobs:
            self.run_job_pre(job)
        alive = self._alive(jobs)
        for job, native_id in alive.items():
            followed = Job()
            self._executor.attach(followed, native_id)
            self.logger.info(f"Job {job.jobid} was submitted before as {native_id}.")
            self.report_job_submission(SubmittedJobInfo(job, native_id, {"job": followed}), register_job=False)
        self._submit([job for job in jobs if job not in alive])

    def _alive(self, jobs: Sequence[Any]) -> dict[Any, str]:
        """The native ids of those jobs that an earlier Snakemake submitted and that have not ended."""
        if self.workflow.dag_settings.force_incomplete:
            return {}
        recalled = {job: native_id for job in jobs if (native_id := self._submissions.recall(job)) is not None}
        if not recalled:
            return {}
        try:
            statuses = self._executor.status(recalled.values())
        except SubmitException as error:
            raise WorkflowError(f"psij-like: jobs may still run that were submitted before: {error}") from error
        known = {job: (native_id, statuses[native_id]) for job, native_id in recalled.items()}
        return {job: native_id for job, (native_id, status) in known.items() if status is not None and not status.final}

    def _submit(self, jobs: Sequence[Any]) -> None:
        submitted: dict[Job, Any] = {}
        for job in jobs:
            try:
                submitted[Job(self._job_spec(job))] = job
            except (InvalidJobException, TypeError, ValueError) as error:
                self.report_job_error(SubmittedJobInfo(job), msg=f"{error} ")
        failures: dict[Job, Exception] = {}
        try:
            self._executor.submit_bulk(submitted)
        except BulkSubmitException as error:
            failures = dict(error.failures)
        for followed, job in submitted.items():
            info = SubmittedJobInfo(job, followed.native_id, {"job": followed})
            if followed in failures:
                self.report_job_error(info, msg=f"{failures[followed]} ")
                continue
            self._submissions.remember(job, str(followed.native_id))
            self.logger.info(f"Job {job.jobid} was submitted as {followed.native_id}.")
            self.report_job_submission(info)

    def _job_spec(self, job: Any) -> Any:
        spec = job_spec(job, self.format_job_exec(job), self._executor.name)
        spec.environment = {name: value.replace("${", "$${") for name, value in self.envvars().items()}
        return spec

    async def check_active_jobs(self, active_jobs: Sequence[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        """Report the jobs that have ended, and give back the others. Nothing is asked for: news comes by itself."""
        for info in active_jobs:
            status = info.aux["job"].status
            if not status.final:
                yield info
                continue
            self._submissions.forget(info.job)
            if status.state is JobState.COMPLETED:
                self.report_job_success(info)
            else:
                self.report_job_error(info, msg=f"{status} ", aux_logs=self._logs(info))

    def cancel_jobs(self, active_jobs: Sequence[SubmittedJobInfo]) -> None:
        """Ask for jobs to be cancelled."""
        try:
            self._executor.cancel_bulk(info.external_jobid for info in active_jobs)
        except SubmitException as error:
            self.logger.warning(f"Not all jobs were cancelled: {error}")

    def _logs(self, info: SubmittedJobInfo) -> list[str]:
        spec = info.aux["job"].spec
        return [] if spec is None else [str(Path(spec.stderr_path))]
