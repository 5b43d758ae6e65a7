"""Sends a report to a dashboard, and nothing of the site's that it was not told to send."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Mapping
from http.client import HTTPException, IncompleteRead
from importlib.resources import files
from typing import Any

import tenacity

_PATH = re.compile(r"(?<![\w<.])/[^\s'\":,;()\[\]{}<>]+")
_NODE = re.compile(r"\(on [^)]*\)")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class UploadError(Exception):
    """The report was not taken; says why, and what to do."""


def for_others(
    report: Mapping[str, Any], allowed: Collection[str] = (), site: str | None = None, institution: str | None = None
) -> dict[str, Any]:
    """What is sent of a report.

    Args:
        report: as `Report.to_dict` makes it.
        allowed: what may be sent beside what came of each test: "messages" (and logs); in them and elsewhere "host"
            and "user" (names), and "paths".
        site: the site's name.
        institution: the name of who runs it.
    """
    here = report.get("site", {})
    told = {"name": site, "institution": institution}
    told.update({name: here.get(name) for name in ("host", "user") if name in allowed})
    hidden = {here[name]: f"<{name}>" for name in ("host", "user") if name not in allowed and here.get(name)}
    short = here.get("host", "").partition(".")[0]
    if here.get("host") in hidden and short and not short.isdigit():  # that would be the beginning of an address
        hidden[short] = "<host>"
    schema = files("psij_like").joinpath("schemas", "conformance-report.schema.json").read_text(encoding="utf-8")
    known = json.loads(schema)["properties"]
    return {
        **{name: value for name, value in report.items() if name in known},
        "site": {name: value for name, value in told.items() if value},
        "results": [
            {
                name: _without(value, hidden, allowed) if name in ("message", "log") else value
                for name, value in one.items()
            }
            for one in report["results"]
        ],
    }


def _without(text: str, hidden: Mapping[str, str], allowed: Collection[str]) -> str:
    if "messages" not in allowed:
        return ""
    if "paths" not in allowed:
        text = _PATH.sub("<path>", text)
    if "host" not in allowed:
        text = _NODE.sub("(on <host>)", text)
    for name in sorted(hidden, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", hidden[name], text)
    return text


def upload(report: Mapping[str, Any], url: str, token: str, patience: float = 300.0) -> None:
    """Send a report; one that was sent before counts once.

    Args:
        report: what to send.
        url: the dashboard's, such as https://psij.example.org.
        token: the site's.
        patience: for how many seconds to try again while the dashboard can not be reached, or is busy.

    Raises:
        UploadError: it was not taken.
    """
    _check_address(url)
    token = token.strip()
    if not re.fullmatch("[!-~]+", token):
        raise UploadError("the token is empty, or holds a character that no token has, such as a line break")
    request = urllib.request.Request(  # noqa: S310 - see `_check_address`
        url.rstrip("/") + "/api/v1/reports",
        data=json.dumps(report).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_random_exponential(max=60),
        stop=tenacity.stop_after_delay(patience),
        reraise=True,
    )
    try:
        retrying(_send, request, report.get("run_id"))
    except _Refused as error:
        raise UploadError(f"{url} did not take the report: {error}") from error
    except HTTPException as error:
        raise UploadError(f"{url} does not answer as a dashboard does: {error!r}") from error
    except (OSError, ValueError) as error:
        raise UploadError(f"{url} can not be reached: {error}") from error


def _check_address(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        plain = re.fullmatch("[!-~]+", url) and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        plain = False
    if not plain:
        raise UploadError(f"{url!r} is not the address of a dashboard, such as https://psij.example.org")
    if parts.scheme != "https" and (parts.scheme, parts.hostname in _THIS_MACHINE) != ("http", True):
        raise UploadError(f"{url}: a token is not sent in the clear; give an https:// address")


class _Refused(Exception):  # noqa: N818 - reads as what happened
    """The dashboard answered, and did not take the report."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{words} ({code})")
        self.code = code


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Takes being sent elsewhere for an error: the token is for the address that was given."""

    def redirect_request(self, *_: Any) -> None:
        """Nothing is asked for."""


_opener = urllib.request.build_opener(_StayHere)


def _send(request: urllib.request.Request, run_id: object) -> None:
    """Send it, and see that the answer is the receipt of this run: a login page, say, is none."""
    try:
        with _opener.open(request, timeout=60) as answer:
            code, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise _Refused(error.code, _words(error)) from error
    try:
        taken = json.loads(text)["run_id"] == run_id
    except (ValueError, KeyError, TypeError, RecursionError):
        taken = False
    if code not in (200, 201) or not taken:
        raise _Refused(code, "its answer is no receipt of this report; is this the address of a dashboard?")


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, _Refused):
        return error.code in (408, 429) or error.code >= 500
    return isinstance(error, (OSError, IncompleteRead))


def _words(answer: urllib.error.HTTPError) -> str:
    if answer.code < 400:
        return f"it sends to {answer.headers.get('Location')!r}; if you trust that address, give it instead"
    text = answer.read(2000).decode(errors="replace").strip()
    try:
        told = json.loads(text)
        return str(told.get("error") or told.get("detail") or text)
    except (ValueError, AttributeError):
        return text or str(answer.reason)
