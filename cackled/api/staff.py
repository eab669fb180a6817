"""Calls of staff: from pages of our own origin with a session's cookie, or from servers with a site's key.

A cookie is sent by the browser whoever makes it ask, so a call with one has to come from a page of our own origin, and
one that changes something has to say so with a header that no form can send (`HEADER`). No answer to such a call has
CORS headers. A key is sent in ``Authorization`` and by no browser, so nothing else is asked of it.

The cookie's name begins with ``__Host-`` (RFC 6265bis section 4.1.3.2): it was set by this very host, over https. Over
plain http there is none, but on a loopback address, where development happens, by a name of its own.
"""

from __future__ import annotations

from typing import Protocol

from cackled.addresses import is_loopback
from cackled.domain.errors import Forbidden
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.transport.http import Request

# What calls that change something send, with any value.
HEADER = b"x-cackled-panel"
SECURE_PREFIX, LOCAL_PREFIX = "__Host-cackled-", "cackled-local-"
READS = (b"GET", b"HEAD", b"OPTIONS")


class StaffGate(Protocol):
    """Finds out who makes a call of staff."""

    async def find(self, request: Request, site: Site | None, *, certain: bool = False) -> Staff | None:
        """Who it is, with the role on *site*; None where nobody is signed in. *certain*: as the primary has it.

        Raises:
            Unauthorized: a key, or a session, that does not hold.
        """


def prefix(request: Request) -> str:
    """What the names of our cookies begin with.

    Raises:
        Forbidden: cookies of staff do not go over this connection.
    """
    if request.isSecure():
        return SECURE_PREFIX
    if is_loopback(request.public_host.decode("ascii", "replace")):
        return LOCAL_PREFIX
    raise Forbidden("Sign in over https: what is sent over http can be read on the way.", slug="insecure")


def cookie(request: Request, name: str) -> str:
    """The value of our cookie *name*, or ``""``."""
    try:
        found = request.received_cookies.get((prefix(request) + name).encode("ascii"), b"")
    except Forbidden:
        return ""
    return bytes(found).decode("latin-1")


def set_cookie(request: Request, name: str, value: str, seconds: int) -> tuple[bytes, bytes]:
    """The header that sets our cookie *name* for *seconds* (0: takes it away).

    Raises:
        Forbidden: as `prefix`.
    """
    begin = prefix(request)
    secure = "; Secure" if begin == SECURE_PREFIX else ""
    text = f"{begin}{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", text.encode("latin-1")


def own_origin(request: Request) -> str:
    """The origin of our own pages, as the browser that asks names us."""
    host = request.getHeader(b"host") or b""
    return f"{'https' if request.isSecure() else 'http'}://{host.decode('latin-1').lower()}"


def check_own_page(request: Request) -> None:
    """See that a page of our own makes the call.

    Raises:
        Forbidden: it may be another's.
    """
    origin = request.getHeader(b"origin")
    changes = request.method not in READS
    # No port is written where it is the scheme's own.
    own = own_origin(request).removesuffix(":443" if request.isSecure() else ":80")
    foreign = origin is not None and origin.decode("latin-1").lower() != own
    fetched = request.getHeader(b"sec-fetch-site") not in (None, b"same-origin", b"none")
    if foreign or fetched or (changes and (origin is None or request.getHeader(HEADER) is None)):
        raise Forbidden("Only pages of this server itself may ask that.", slug="own-origin")
