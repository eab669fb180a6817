"""Embed calls of other systems, answered by our widgets: a small script at the address of each.

    /disqus/SITE/embed.js, /disqus/SITE/count.js
    /fastcomments/SITE/embed-v2-async.min.js, /fastcomments/SITE/embed-v2.min.js
    /widgetpack/widget.js
    /mc.last-min.js, /mc.count-min.js (Cackle's first ones; that for comments is the loader itself)

A page moves over by one changed address: its own code, and what it says of itself and its visitor, stays as it is.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from twisted.web.resource import Resource

from cackled.transport.problems import problem
from cackled.transport.response import Response

# By their place: whether a site's number stands before the name, and the file of each name.
PLACES: dict[str, tuple[bool, dict[str, str]]] = {
    "disqus": (True, {"embed.js": "disqus.js", "count.js": "disqus_count.js"}),
    "fastcomments": (True, {"embed-v2-async.min.js": "fastcomments.js", "embed-v2.min.js": "fastcomments.js"}),
    "widgetpack": (False, {"widget.js": "widgetpack.js"}),
    "mc.last-min.js": (False, {"": "cackle_lists.js"}),
    "mc.count-min.js": (False, {"": "cackle_lists.js"}),
}


class Adapters(Resource):
    """The scripts at one of `PLACES`, from *folder*; with *devel* they are read anew for each request."""

    isLeaf = True
    takes_rest = True

    def __init__(self, folder: Path, place: str, *, devel: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._devel = devel
        self._numbered, self._names = PLACES[place]
        self._read: dict[str, bytes] = {}

    def render_GET(self, request: Any) -> Response:
        """The script, the same for every site."""
        path = [one.decode("ascii", "replace") for one in request.postpath]
        if self._numbered:
            number, path = path[0] if path else "", path[1:]
            if not (number.isascii() and number.isdigit() and len(number) < 11):
                return problem(404)
        file = self._names.get("/".join(path))
        if file is None:
            return problem(404)
        if file not in self._read or self._devel:
            self._read[file] = (self._folder / file).read_bytes()
        body = self._read[file]
        tag = b'"%s"' % blake2b(body, digest_size=8).hexdigest().encode()
        headers = [
            (b"Content-Type", b"text/javascript; charset=utf-8"),
            (b"Cache-Control", b"public, max-age=3600"),
            (b"ETag", tag),
            (b"Access-Control-Allow-Origin", b"*"),
            (b"Cross-Origin-Resource-Policy", b"cross-origin"),
            (b"X-Content-Type-Options", b"nosniff"),
        ]
        if request.getHeader(b"if-none-match") == tag:
            return Response(304, headers[1:])
        return Response(200, headers, body)

    render_HEAD = render_GET
