"""Jobs in asyncio."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from executors.support import shell, until, until_released
from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec, JobState


@pytest.fixture
def executor(tmp_path: Path) -> JobExecutor:
    return JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=tmp_path / "work"))


def test_a_job_is_awaited(executor: JobExecutor) -> None:
    async def main() -> list[int | None]:
        jobs = [Job(shell(f"exit {code}")) for code in range(5)]
        executor.submit_bulk(jobs)
        return [status.exit_code for status in await asyncio.gather(*jobs)]

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_a_job_that_has_ended_is_awaited(executor: JobExecutor) -> None:
    job = Job(JobSpec("/bin/false"))
    executor.submit(job)
    status = job.wait()

    async def main() -> bool:
        return await job is status and await job is status

    assert asyncio.run(main())


def test_every_status_is_told_once(executor: JobExecutor, tmp_path: Path) -> None:
    async def main() -> list[list[str]]:
        job = Job(JobSpec("/bin/true", directory=tmp_path, cleanup={"none"}))

        async def states() -> list[str]:
            return [str(status.state) async for status in job.statuses()]

        listeners = [asyncio.create_task(states()) for _ in range(3)]
        await asyncio.sleep(0)
        executor.submit(job)
        return await asyncio.gather(*listeners)

    assert asyncio.run(main()) == [["NEW", "QUEUED", "ACTIVE", "CLEANUP", "COMPLETED"]] * 3


def test_who_stops_waiting_harms_nobody(executor: JobExecutor, tmp_path: Path) -> None:
    job = Job(shell(until_released(tmp_path / "go")))
    executor.submit(job)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(job, 0.05)

    asyncio.run(main())
    (tmp_path / "go").touch()  # its loop is closed
    status = job.wait(timedelta(seconds=60))
    assert status is not None and status.state is JobState.COMPLETED


def test_a_block_ends_with_its_jobs(executor: JobExecutor, tmp_path: Path) -> None:
    job = Job(shell(f"{until_released(tmp_path / 'go')}; exit 3"))

    async def main() -> None:
        async with executor:
            executor.submit(job)
            asyncio.get_running_loop().call_later(0.05, (tmp_path / "go").touch)
        assert job.status.exit_code == 3

    asyncio.run(main())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_is_left_by_an_exception_cancels_its_jobs(
    executor: JobExecutor, error: type[BaseException]
) -> None:
    jobs = [Job(JobSpec("/bin/sleep", ["600"])) for _ in range(2)]

    def sync() -> None:
        with executor:
            executor.submit(jobs[0])
            raise error

    async def main() -> None:
        async with executor:
            executor.submit(jobs[1])
            raise error

    with pytest.raises(error):
        sync()
    assert jobs[0].status.state is JobState.CANCELED
    with pytest.raises(error):
        asyncio.run(main())
    until(lambda: jobs[1].status.state is JobState.CANCELED)
