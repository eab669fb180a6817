"""Where our addresses begin, as other servers and readers know us."""

from __future__ import annotations

from cackled.transport.http import Request


def own_address(own_url: str, request: Request) -> tuple[str, bool]:
    """The base of our addresses, and whether it goes by what answers are cached by.

    Where it is not configured (*own_url* is ``""``), it is whatever we are called; what is cached knows no ports.
    """
    if own_url:
        return own_url.rstrip("/"), True
    scheme, host = "https" if request.isSecure() else "http", request.public_host.decode("ascii", "replace")
    named = (request.getHeader(b"host") or b"").decode("latin-1").lower()
    port = named.removeprefix(host)
    if port != named and port[:1] == ":" and port[1:].isdigit():
        return f"{scheme}://{host}{port}", False
    return f"{scheme}://{host}", True
