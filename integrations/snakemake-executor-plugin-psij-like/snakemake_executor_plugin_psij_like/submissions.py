"""Which jobs of a workflow were submitted and have not been seen to end, for the next Snakemake if this one dies.

Snakemake's own marks do not serve: the Snakemake within a job overwrites that of its job when it starts.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any


class Submissions:
    """A file for each job, named after what the job makes; jobs that make no files are not remembered.

    Args:
        place: the directory of these files.
        executor: the name of the executor: those of others are none of ours.
    """

    def __init__(self, place: Path, executor: str) -> None:
        self._place = place.absolute()
        self._executor = executor

    def remember(self, job: Any, native_id: str) -> None:
        """A job was submitted."""
        if (file := self._file(job)) is not None:
            self._place.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{self._executor}\n{native_id}\n", encoding="utf-8")

    def recall(self, job: Any) -> str | None:
        """The native id of a job that was submitted; None if there is none."""
        file = self._file(job)
        if file is None or not file.exists():
            return None
        executor, native_id = file.read_text(encoding="utf-8").splitlines()
        return native_id if executor == self._executor else None

    def forget(self, job: Any) -> None:
        """A job has ended."""
        if (file := self._file(job)) is not None:
            file.unlink(missing_ok=True)

    def _file(self, job: Any) -> Path | None:
        outputs = "\n".join(sorted(map(str, job.output)))
        return self._place / hashlib.sha256(outputs.encode()).hexdigest() if outputs else None
