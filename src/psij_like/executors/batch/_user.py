"""Who runs this process, as schedulers know them."""

from __future__ import annotations

import os
import pwd

from psij_like._engine.backend import User


def this_user() -> User:
    """Who runs this process."""
    try:
        return User(os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container's made-up user
        return User(os.getuid(), os.environ.get("USER") or str(os.getuid()))
