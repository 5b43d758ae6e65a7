"""What a running job's claim says of its native id, which may have been misread from the submit command's answer."""

from __future__ import annotations

import logging
import re

from psij_like._engine.backend import Backend
from psij_like._engine.job_files import JobFiles
from psij_like._engine.store import Store
from psij_like.job import Job

_log = logging.getLogger(__name__)


def corrected_id(store: Store, backend: Backend, files: JobFiles, job: Job) -> str | None:
    """The native id that the job itself tells, if it is another one than was read; it is remembered then.

    One id may be written in several ways, such as with a server's long or short name: their numbers are the same.
    """
    claimed = files.submission.claimant()
    if claimed is None or job.native_id is None or not backend.claims_by_id:
        return None
    right = claimed if files.index is None else backend.element_id(claimed, files.index)
    if _number(right) == _number(job.native_id) or not re.fullmatch(backend.native_ids, right):
        return None
    _log.warning("job %s is %s, not %s, as was read when it was submitted", job.id, right, job.native_id)
    try:
        store.note_accepted([(files, right)])
    except OSError as error:
        _log.warning("job %s runs, but its id can not be written down: %s", right, error)
    job._native_id = right
    return right


def _number(native_id: str) -> str:
    digits = re.match("[0-9]+", native_id)
    return digits[0] if digits else native_id
