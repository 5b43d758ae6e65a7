"""Many reports at once, from outside: what was acknowledged is noted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Sent:
    """What became of the reports."""

    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    lost_connections: int = 0
    seconds: list[float] = field(default_factory=list)
    """That answers took."""


def upload(
    address: str, reports: Sequence[tuple[str, dict[str, Any]]], *, at_once: int = 8, a_second: float | None = None
) -> Sent:
    """Send each report with its token, once, so many a second, or as many as go; return when all had their turn."""
    sent = Sent()
    lock = threading.Lock()
    start = time.monotonic()
    due: Iterator[tuple[int, tuple[str, dict[str, Any]]]] = iter(enumerate(reports))

    def work() -> None:
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            while True:
                with lock:
                    number, (token, report) = next(due, (-1, ("", {})))
                if number < 0:
                    return
                if a_second is not None:
                    time.sleep(max(0.0, start + number / a_second - time.monotonic()))
                _send(client, token, report)

    def _send(client: httpx.Client, token: str, report: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(report).encode()
        begun = time.monotonic()
        try:
            answer = client.post("/api/v1/reports", content=data, headers=headers)
        except httpx.TransportError:
            with lock:
                sent.lost_connections += 1
            return
        with lock:
            sent.seconds.append(time.monotonic() - begun)
            if answer.status_code in (200, 201):
                sent.acknowledged.add(report["run_id"])
            else:
                sent.refused.append(answer.text)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent
