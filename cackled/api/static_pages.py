"""Static pages of our own (the demo): read once, answered from memory, under a strict Content-Security-Policy."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from twisted.web.resource import Resource

from cackled.transport.content_types import TYPES
from cackled.transport.problems import problem
from cackled.transport.response import Response

# What a site that embeds the widget under a policy would write, with this server as its own origin.
POLICY = (
    b"default-src 'self'; img-src 'self' https: data:; connect-src 'self' http: https: ws: wss:; "
    b"script-src 'self' http: https:; style-src 'self' http: https:; frame-ancestors 'self'; base-uri 'none'; "
    b"object-src 'none'; form-action 'self'"
)


class StaticPages(Resource):
    """The files of *folder*, one level deep: ``/`` is ``index.html``, ``/name`` is ``name`` or ``name.html``.

    With *devel* they are read anew for each request.
    """

    isLeaf = True
    takes_rest = True

    def __init__(self, folder: Path, *, devel: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._devel = devel
        self._files = self._read()

    def _read(self) -> dict[str, tuple[bytes, bytes]]:
        files: dict[str, tuple[bytes, bytes]] = {}
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            kind = TYPES.get(path.suffix)
            if kind is not None:
                files[path.name] = kind, path.read_bytes()
        return files

    def render_GET(self, request: Any) -> Response:
        """The file, or 404."""
        files = self._read() if self._devel else self._files
        rest = request.postpath
        name = (b"/".join(rest) if rest != [b""] else b"").decode("ascii", "replace") or "index.html"
        found = files.get(name) or files.get(f"{name}.html")
        if found is None:
            return problem(404, "not-found", "There is no such page")
        kind, body = found
        etag = b'"%s"' % blake2b(body, digest_size=8).hexdigest().encode()
        headers = [
            (b"Content-Type", kind),
            (b"Cache-Control", b"no-cache"),
            (b"ETag", etag),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Content-Security-Policy", POLICY),
            (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
        ]
        if request.getHeader(b"if-none-match") == etag:
            return Response(304, headers[1:])
        return Response(200, headers, body)

    render_HEAD = render_GET
