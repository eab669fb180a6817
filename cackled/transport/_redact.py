"""Removes access tokens from addresses before they are logged.

Parsers of queries may take ``;`` for ``&`` and decode names, and a proxy may have encoded the address once more. So a
name is looked for in every spelling that could be meant. Where visitors sign in, each provider has names of its own for
what it sends them back with: of those addresses no query is logged. Some addresses are secrets by their path.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

# Names of query arguments whose values are never logged, in lower case.
SECRET = frozenset(
    (
        b"token", b"me", b"access_token", b"id_token", b"auth", b"authorization", b"password", b"secret", b"sso",
        b"ssoauth", b"remote_auth_s3", b"order", b"siteapikey", b"accountapikey", b"code", b"key", b"handle", b"hmac",
        b"payload", b"tgauthresult", b"refresh_token", b"client_secret", b"code_verifier",
    )
)  # fmt: skip
# Where visitors sign in: below these nothing of a query is logged.
_SIGNING_IN = ((b"auth",), (b"share",), (b"api", b"oauth"))
# Paths that open something to whoever has them: how many pieces there are with a signature (0: whatever number), and
# which piece that is.
_OPENING = {b"exports": (0, 1), b"files": (0, 2), b"media": (4, 2)}
_RAW = re.compile(rb"([?&;#/])")
# Separators and equals signs that were encoded, once or more often.
_WITHIN = re.compile(rb"(?:%(?:25)*(?:3f|26|3b|23|2f))", re.IGNORECASE)
_EQUALS = re.compile(rb"=|%(?:25)*3d", re.IGNORECASE)
_TIMES = 4


def without_tokens(address: bytes) -> bytes:
    """*address* (path and query) with ``-`` for the values of tokens, however their names are written."""
    path, asked, query = address.partition(b"?")
    pieces = path.split(b"/")
    first, second = (_name(piece) for piece in [*pieces[1:3], b"", b""][:2])
    count, at = _OPENING.get(first, (0, 0))
    if at and count in (0, len(pieces) - 1) and len(pieces) > at + 1:
        pieces[at + 1 :] = [b"-", *pieces[at + 2 :]] if count else [b"-"]
        path = b"/".join(pieces)
    if asked and ((first,) in _SIGNING_IN or (first, second) in _SIGNING_IN):
        return _rest(path) + b"?-"
    return _rest(path + asked + query)


def _rest(address: bytes) -> bytes:
    if b"=" not in address and b"%" not in address:
        return address
    return b"".join(_clean(piece) for piece in _RAW.split(address))


def _clean(piece: bytes) -> bytes:
    start = 0
    while True:
        end = _WITHIN.search(piece, start)
        equals = _EQUALS.search(piece, start, end.start() if end else len(piece))
        if equals is not None and _name(piece[start : equals.start()]) in SECRET:
            # All that follows may belong to it.
            return piece[: equals.end()] + b"-"
        if end is None:
            return piece
        start = end.end()


def _name(raw: bytes) -> bytes:
    """*raw* as whoever takes it may understand it."""
    for _ in range(_TIMES):
        decoded = unquote_to_bytes(raw)
        if decoded == raw:
            break
        raw = decoded
    return raw.replace(b"+", b" ").strip(b" \t\0[]").lower()
