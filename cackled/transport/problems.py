"""Errors as RFC 9457 problem documents with a stable ``type``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from cackled.transport.response import Response

TYPE_BASE = "https://cackle.dev/problems/"
PROBLEM_JSON = b"application/problem+json"


# Phrases of RFC 9110 that older versions of the standard library know by older names.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


def reason(status: int) -> str:
    """The phrase that goes with *status* (RFC 9110 section 15), or ``Unknown``."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def slug(status: int) -> str:
    """The last part of a problem's ``type`` where nothing more exact is known: ``not-found`` for 404."""
    return reason(status).lower().replace(" ", "-").replace("'", "")


def problem(
    status: int,
    type: str = "",
    title: str = "",
    detail: str = "",
    *,
    headers: list[tuple[bytes, bytes]] | None = None,
    **extra: Any,
) -> Response:
    """A problem document (RFC 9457 section 3) as a Response.

    *type* is the slug behind `TYPE_BASE`, or a whole URI; without one it is made from the status. *extra* becomes
    extension members (``field="text"``).
    """
    kind = type or slug(status)
    members: dict[str, Any] = {
        "type": kind if "://" in kind else TYPE_BASE + kind,
        "title": title or reason(status),
        "status": status,
    }
    if detail:
        members["detail"] = detail
    members.update(extra)
    fields = [(b"Content-Type", PROBLEM_JSON), (b"Cache-Control", b"no-store"), *(headers or ())]
    return Response(status, fields, msgspec.json.encode(members))
