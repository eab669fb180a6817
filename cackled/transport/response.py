"""An answer as a value: what handlers return, and what the microcache keeps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

# For `Response.ttl`: keep the answer as long as ``[microcache] ttl`` says.
CONFIGURED_TTL = -1.0
JSON = b"application/json"

_encoder = msgspec.json.Encoder()


class Response(Struct, kw_only=False):
    """One finished answer.

    ``headers`` need neither Content-Length, Date nor Server: the transport adds them. The rest speaks to the
    microcache alone, and says nothing where the route is not microcached:

    - ``ttl``: seconds the answer may be kept; ``None`` never; `CONFIGURED_TTL` as configured.
    - ``tags``: what it was made from; evicting one of them drops the answer.
    - ``seqs``: for tags that are counted, the number (a channel's ``seq``) the answer was made at.
    - ``coded``: the body in other codings (``br``, ``gzip``), where they are at hand.
    - ``owner``: whose room in the cache it takes (a site), so that one tenant can't push out all the others.

    ``stream``: the body where it is not in memory (``body`` is empty then, and it is never cached).
    """

    status: int = 200
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""
    tags: tuple[Hashable, ...] = ()
    ttl: float | None = None
    seqs: dict[Hashable, int] = {}
    owner: Hashable = None
    coded: dict[bytes, bytes] = {}
    # A `cackled.transport.streaming.Body`, which is above this module.
    stream: Any = None
    # A `cackled.transport.streaming.HotAnswer`: others may have the same without the handler being asked.
    hot: Any = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header *name* (any case), or None."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


def json_response(
    value: Any, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (), **more: Any
) -> Response:
    """A Response with *value* as JSON (bytes are taken for JSON text already); *more* are fields of `Response`."""
    body = value if isinstance(value, bytes) else _encoder.encode(value)
    return Response(status, [(b"content-type", JSON), *headers], body, **more)
