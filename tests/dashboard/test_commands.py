"""What the commands say of what they can not do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dashboard.servers import dashboard, serving


def test_a_port_that_is_taken_is_named(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = dashboard("serve", "--port", port, database=sqlite_url, code=1)
    assert f"can not listen on 127.0.0.1 port {port}: " in said and "Traceback" not in said


def test_a_limit_that_is_none_is_refused(sqlite_url: str) -> None:
    said = dashboard("serve", "--wrong-tokens", "nonsense", database=sqlite_url, code=2)
    assert "Invalid value for --wrong-tokens" in said


def test_a_directory_that_can_not_be_written_is_named(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = dashboard("export", tmp_path / "file" / "pages", database=sqlite_url, code=1)
    assert f"can not write into {tmp_path}/file/pages: " in said and "Traceback" not in said


def test_it_listens_on_other_addresses_too(sqlite_url: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with serving(sqlite_url, "--host", "::1") as server:
        assert server.address.startswith("http://[::1]:")
        assert "no report yet" not in server.page("/")
