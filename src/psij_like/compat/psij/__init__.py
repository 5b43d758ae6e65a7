"""`psij`, which is psij_like: the names of the published binding, and what its users do with them beyond the interface.

Modules of the same name are the same module (`psij.exceptions is psij_like.exceptions`). Own are those of this folder.
"""

import logging

import psij_like
from psij_like import *  # noqa: F403 - all that is public there is public here
from psij_like import __version__

from . import _aliases

_aliases.install(__name__, "psij_like")
# Programs that set up no logging print nothing of ours: some read what others of their processes print.
logging.getLogger("psij_like").addHandler(logging.NullHandler())

# After the aliases: these modules may name others of the package.
from .job import Job  # noqa: E402
from .job_attributes import JobAttributes  # noqa: E402
from .job_executor import JobExecutor  # noqa: E402

__all__ = ["Job", "JobAttributes", "JobExecutor", "__version__"]
__all__ += [name for name in psij_like.__all__ if name not in __all__]
