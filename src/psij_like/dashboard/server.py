"""Serving the dashboard."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

_TO_FINISH = 20  # seconds that requests have when the server is told to end


def serve(
    app: ASGIApp, host: str, port: int, *, trusted_proxies: str, root_path: str, tell: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished.

    Args:
        app: what is served.
        host: the address to listen on.
        port: 0 for one that is free.
        trusted_proxies: addresses, separated by commas, whose word is taken for where a request came from.
        root_path: the path below which a proxy shows the dashboard.
        tell: is told the address that is listened on, once it is.

    Raises:
        OSError: if it can not listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=512) as listener:
        # Accepted connections inherit it; without, an answer's body waits 40 ms for the acknowledgement of its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shown = f"[{host}]" if ":" in host else host
        tell(f"http://{shown}:{listener.getsockname()[1]}/")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=trusted_proxies,
            root_path=root_path,
            timeout_graceful_shutdown=_TO_FINISH,
        )
        uvicorn.Server(config).run(sockets=[listener])
