"""Tokens: what a site proves itself with. Told once, when they are made; kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from psij_like.dashboard.database import id_of
from psij_like.dashboard.tables import Site, Token

_FORM = re.compile("psij_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = "0" * 64  # compared with where a key is unknown
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


class TokenError(Exception):
    """It can not be done; the message says why."""


@dataclass(frozen=True)
class Sender:
    """The site whose token it is."""

    site_id: int
    site: str
    institution: str
    revoked: bool


@dataclass(frozen=True)
class Listed:
    """A token, as far as it is known."""

    key: str
    site: str
    institution: str
    created: float
    revoked: float | None


def create_token(connection: Connection, site: str, institution: str, now: float) -> str:
    """Make a token for a site, which is made too if it is new. What is returned can not be had again.

    Raises:
        TokenError: if a name is none, or the site is known as another institution's.
    """
    for what, name in (("site", site), ("institution", institution)):
        if not _NAME.fullmatch(name) or name != name.strip():
            raise TokenError(f"{what}: {name!r} is no name; 1 to 200 characters, without control characters, are")
    site_id = id_of(connection, Site, {"name": site}, {"institution": institution})
    known = connection.execute(select(Site.institution).where(Site.id == site_id)).scalar_one()
    if known != institution:
        raise TokenError(f"the site {site!r} is known as one of {known!r}, not of {institution!r}")
    key, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    connection.execute(
        insert(Token).values(key=key, digest=_digest(secret), site_id=site_id, created=now, revoked=None)
    )
    return f"psij_{key}_{secret}"


def revoke_token(connection: Connection, key: str, now: float) -> None:
    """Make a token worthless from now on.

    Raises:
        TokenError: if there is none of this key, or it was revoked before.
    """
    revoked = connection.execute(select(Token.revoked).where(Token.key == key)).one_or_none()
    if revoked is None:
        raise TokenError(f"there is no token {key!r}; `token list` tells all")
    if revoked[0] is not None:
        raise TokenError(f"the token {key!r} is revoked already")
    connection.execute(update(Token).where(Token.key == key).values(revoked=now))


def list_tokens(connection: Connection) -> list[Listed]:
    """All tokens, by institution and site."""
    rows = connection.execute(
        select(Token.key, Site.name, Site.institution, Token.created, Token.revoked)
        .join(Site, Site.id == Token.site_id)
        .order_by(Site.institution, Site.name, Token.created)
    )
    return [Listed(*row) for row in rows]


def sender_of(connection: Connection, token: str) -> Sender | None:
    """Whose token it is; None if it is nobody's. Takes the same time for a wrong secret as for a right one."""
    form = _FORM.fullmatch(token)
    key, secret = form.groups() if form else ("", "")
    known = connection.execute(
        select(Token.digest, Token.revoked, Site.id, Site.name, Site.institution)
        .join(Site, Site.id == Token.site_id)
        .where(Token.key == key)
    ).one_or_none()
    right = hmac.compare_digest(_digest(secret), _NOBODY if known is None else known.digest)
    if known is None or not right:
        return None
    return Sender(known.id, known.name, known.institution, known.revoked is not None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
