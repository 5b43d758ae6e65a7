"""The doorbell: a job's datagram that makes the tracker look at the job's files now instead of later.

It has no authority. Each job knows a text of its own, derived from a secret that never leaves this process;
whoever sends anything else is ignored, and whoever sends the right text makes somebody read a few small files.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import socket
from collections.abc import Iterator
from time import monotonic

_log = logging.getLogger(__name__)

_TEXT_LIMIT = 256  # bytes
_WINDOW = 1.0  # seconds that the limit is for


class Doorbell:
    """A datagram socket that jobs ring.

    Args:
        address: a numeric IPv4 address of this machine that the nodes of jobs reach; None finds one.
        limit: datagrams a second that are listened to. After that many, the doorbell is deaf for the rest of the
            second, so that a flood keeps nobody from work; what was not heard is found by polling.
    """

    def __init__(self, address: str | None = None, limit: int = 10_000) -> None:
        self._limit = limit
        self._heard = 0
        self._window_ends = 0.0
        self._secret = secrets.token_bytes(32)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.address = address or _own_address()
        try:
            self._socket.bind((self.address, 0))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def of(self, job_id: str) -> tuple[str, int, str]:
        """Where the job of that id rings, and what it sends: address, port, text."""
        return self.address, self.port, f"{job_id} {self._token(job_id)}"

    def rings(self) -> Iterator[str]:
        """The ids of the jobs that rang."""
        while self.deaf_for() == 0.0:
            self._heard += 1
            try:
                words = self._socket.recv(_TEXT_LIMIT).decode("ascii").split(" ")
            except BlockingIOError:
                return
            except (OSError, UnicodeDecodeError):
                continue
            if len(words) == 2 and hmac.compare_digest(words[1], self._token(words[0])):
                yield words[0]

    def deaf_for(self) -> float:
        """Seconds until the doorbell listens again; 0 while it does."""
        now = monotonic()
        if now >= self._window_ends:
            self._window_ends = now + _WINDOW
            self._heard = 0
        return self._window_ends - now if self._heard >= self._limit else 0.0

    def _token(self, job_id: str) -> str:
        return hmac.digest(self._secret, job_id.encode(), "sha256").hex()[:32]


def open_doorbell(address: str | None = None, limit: int = 10_000) -> Doorbell | None:
    """A doorbell, or None where there can be none: then polling gets everything right, later."""
    try:
        return Doorbell(address, limit)
    except OSError as error:
        _log.warning("no doorbell, so the ends of jobs are noticed at the next poll: %s", error)
        return None


def _own_address() -> str:
    """The address with which this machine reaches others; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation (RFC 5737)
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
