"""Tokens, by command: made, listed, revoked; nobody who reads the database can use one."""

from __future__ import annotations

import hmac
import re
from pathlib import Path

import pytest

from dashboard.servers import dashboard
from psij_like.dashboard.database import Database
from psij_like.dashboard.tokens import create_token, sender_of


def test_tokens_from_making_to_revoking(sqlite_url: str) -> None:
    one = dashboard("token", "create", "Alpha", "--institution", "First", database=sqlite_url).strip()
    two = dashboard("token", "create", "Alpha", "--institution", "First", database=sqlite_url).strip()
    assert re.fullmatch("psij_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", one) and one != two
    key, secret = one.split("_", 2)[1:]
    listed = dashboard("token", "list", database=sqlite_url)
    assert [line.split("\t")[1:3] for line in listed.splitlines()] == [["First", "Alpha"]] * 2
    assert key in listed and secret not in listed
    stored = b"".join(path.read_bytes() for path in Path(sqlite_url.removeprefix("sqlite:///")).parent.iterdir())
    assert key.encode() in stored and secret.encode() not in stored
    assert dashboard("token", "revoke", key, database=sqlite_url) == f"revoked {key}\n"
    assert "revoked already" in dashboard("token", "revoke", key, database=sqlite_url, code=1)
    states = [line.split("\t")[-1][:7] for line in dashboard("token", "list", database=sqlite_url).splitlines()]
    assert states == ["revoked", "valid"]


def test_what_can_not_be_done_is_said(sqlite_url: str) -> None:
    dashboard("token", "create", "Alpha", "--institution", "First", database=sqlite_url)
    other = dashboard("token", "create", "Alpha", "--institution", "Second", database=sqlite_url, code=1)
    assert "the site 'Alpha' is known as one of 'First', not of 'Second'" in other
    assert "there is no token 'x'" in dashboard("token", "revoke", "x", database=sqlite_url, code=1)
    assert "is no name" in dashboard("token", "create", "a\nb", "--institution", "First", database=sqlite_url, code=1)
    assert "is no name" in dashboard("token", "create", "", "--institution", "First", database=sqlite_url, code=1)


def test_secrets_are_compared_in_constant_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def noting(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    assert hmac.compare_digest("a", "a")
    monkeypatch.setattr("psij_like.dashboard.tokens.hmac.compare_digest", noting)
    with database.writing() as connection:
        token = create_token(connection, "Alpha", "First", 1.0)
        right = sender_of(connection, token)
        assert right is not None and (right.site, right.revoked) == ("Alpha", False)
        for wrong in ("", "x", token + "x", token[:-1] + "\n", "psij_000000000000_" + "A" * 43):
            assert sender_of(connection, wrong) is None
    assert len(compared) == 6
