"""What notebooks show of jobs and executors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec


def texts(html: str) -> list[str]:
    return [text.strip() for text in ElementTree.fromstring(html).itertext() if text.strip()]


def test_a_job_is_a_row(tmp_path: Path) -> None:
    executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "work"))
    job = Job(JobSpec("/bin/sh", ["-c", "exit 3"], name="<b>&"))
    head = ["Job: 1 NEW", "id", "name", "state", "why", "exit code"]
    assert texts(job._repr_html_()) == [*head, job.id, "<b>&", "NEW"]
    executor.submit(job)
    job.wait(timedelta(seconds=60))
    assert texts(job._repr_html_())[6:] == [job.native_id, "<b>&", "FAILED", "exit exit code 3", "3"]
    assert texts(executor._repr_html_()) == ["LocalJobExecutor 'local': no unfinished jobs"]


def test_an_executor_counts_its_unfinished_jobs(tmp_path: Path) -> None:
    executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "work"))
    jobs = [Job(JobSpec("/bin/sleep", ["600"])) for _ in range(60)]
    with executor:
        executor.submit_bulk(jobs)
        told = texts(executor._repr_html_())
        assert sum(int(word) for word in told[0].split(": ")[1].split() if word.isdigit()) == 60
        assert told[-1] == "and 10 more"
        executor.cancel_bulk(jobs)
