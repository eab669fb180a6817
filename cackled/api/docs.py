"""``/api/docs``: the API's description as a page where each call can be tried, and clients made from it.

It is a page of this very origin, so a call there may go with somebody's sign-in to the panel. Its policy is that of the
panel: scripts and connections of this origin alone, no framing by anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from twisted.web.resource import Resource

from cackled.api.clients import python, typescript
from cackled.api.panel import HEADERS
from cackled.languages import DEFAULT, Language, Words, accepted, read_catalogue
from cackled.transport.problems import problem
from cackled.transport.response import Response

_PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<title>{title}</title><link rel="stylesheet" href="/api/docs/docs.css"></head>
<body><main id="docs" data-words="{words}"><p><a href="/api/v1/openapi.json">/api/v1/openapi.json</a></p></main>
<script type="module" src="/api/docs/docs.js"></script></body></html>
"""


class DocsPages(Resource):
    """The page, its script and style from *folder*, and the clients; *document* gives the description."""

    isLeaf = True
    takes_rest = True

    def __init__(self, folder: Path, document: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__()
        self._folder = folder
        self._document = document
        # Made when first asked for: the description of all calls is long.
        self._made = cache(self._make)

    def render_GET(self, request: Any) -> Response:
        """The page in the browser's language, or one of the files."""
        name = b"/".join(request.postpath).decode("ascii", "replace")
        if name in ("", "docs.js", "docs.css", "cackled.py", "cackled.ts"):
            asked = request.getHeader(b"accept-language")
            language = DEFAULT if name else accepted(None if asked is None else asked.decode("latin-1"))
            kind, body, tag = self._made(name, language)
            headers = [(b"ETag", tag), *HEADERS]
            if not name:
                headers.append((b"Vary", b"Accept-Language"))
            if request.getHeader(b"if-none-match") == tag:
                return Response(304, headers)
            return Response(200, [(b"Content-Type", kind), *headers], body)
        return problem(404, headers=list(HEADERS[:-1]))

    render_HEAD = render_GET

    def _make(self, name: str, language: Language) -> tuple[bytes, bytes, bytes]:
        kind, text = b"text/plain; charset=utf-8", ""
        if not name:
            kind, text = b"text/html; charset=utf-8", self._page(language)
        elif name == "cackled.py":
            text = python.module(self._document())
        elif name == "cackled.ts":
            text = typescript.module(self._document())
        else:
            kind = b"text/css; charset=utf-8" if name.endswith("css") else b"text/javascript; charset=utf-8"
            text = (self._folder / name).read_text()
        body = text.encode()
        return kind, body, b'"%s"' % blake2b(body, digest_size=8).hexdigest().encode()

    def _page(self, language: Language) -> str:
        words = read_catalogue(self._folder / "locales" / f"{language}.json")["docs"]
        return _PAGE.format(
            language=language, direction=Words(language, words).direction, title=escape(str(words["title"])),
            words=escape(msgspec.json.encode(words).decode()),
        )  # fmt: skip
