"""``/panel/``: the pages of the panel, where staff work.

One page answers for every address below it; which view it shows is the script's business. Its policy has no exceptions:
scripts, styles and connections of this very origin, no framing by anybody, and no other window keeps a hold of it
(Cross-Origin-Opener-Policy). Whatever staff may do, they may on this origin alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Any

from twisted.web.resource import Resource

from cackled.transport.problems import problem
from cackled.transport.response import Response

SCRIPT, STYLE = "panel.js", "panel.css"
# What the page loads when it is needed.
PARTS = ("console.js", "consoletalk.js", "consolepages.js", "console.css")
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    b"connect-src 'self'; frame-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    b"object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = (
    (b"Content-Security-Policy", POLICY),
    (b"X-Frame-Options", b"DENY"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"X-Content-Type-Options", b"nosniff"),
    # Addresses of the panel name sites and comments, and links to sign in come by mail.
    (b"Referrer-Policy", b"no-referrer"),
    (b"Permissions-Policy", b"camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self)"),
    (b"X-Robots-Tag", b"noindex"),
    (b"Cache-Control", b"no-cache"),
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><title>cackled</title>
<link rel="manifest" href="/panel/app.webmanifest"><link rel="icon" href="/panel/icon.svg" type="image/svg+xml">
{styles}</head><body><div id="panel" data-languages="{languages}" data-parts="{parts}"></div>
<noscript>This page needs JavaScript.</noscript>
{scripts}</body></html>
"""


class PanelPages(Resource):
    """The page, for all addresses below; *urls* gives the addresses that each bundle is loaded from.

    *words* are catalogues of languages other than English, as JSON; the one that is wanted is fetched from
    ``words/<language>.json``. *more* are those of parts that are loaded later, by ``<part>-<language>``. *app* are
    files of the app that browsers install, by name: their type and what they say.
    """

    isLeaf = True
    takes_rest = True

    def __init__(
        self, urls: Callable[[], Mapping[str, Sequence[str]]], words: Mapping[str, bytes] | None = None,
        more: Mapping[str, bytes] | None = None, app: Mapping[bytes, tuple[bytes, bytes]] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._urls = urls
        self._words = {f"{name}.json".encode(): text for name, text in {**(words or {}), **(more or {})}.items()}
        self._app = dict(app or {})
        self._languages = " ".join(sorted(words or {}))

    def render_GET(self, request: Any) -> Response:
        """The page; without a slash at its end the address is another's, so the browser is sent on."""
        if not request.postpath:
            query = request.uri.partition(b"?")[2]
            target = b"/panel/" + (b"?" + query if query else b"")
            return Response(308, [(b"Location", target), *HEADERS])
        if len(request.postpath) == 2 and request.postpath[0] == b"words":
            return self._catalogue(request, request.postpath[1])
        if len(request.postpath) == 1 and request.postpath[0] in self._app:
            kind, text = self._app[request.postpath[0]]
            return _kept(request, kind, text)
        urls = self._urls()
        if SCRIPT not in urls:
            why = "It was not built into this release."
            return problem(404, "not-found", "There is no panel", why, headers=list(HEADERS[:-1]))
        scripts = "".join(f'<script type="module" src="{escape(url)}"></script>\n' for url in urls[SCRIPT])
        styles = "".join(f'<link rel="stylesheet" href="{escape(url)}">\n' for url in urls.get(STYLE, ()))
        parts = escape(json.dumps({name: list(urls[name]) for name in PARTS if name in urls}))
        page = _PAGE.format(styles=styles, scripts=scripts, languages=self._languages, parts=parts)
        return Response(200, [(b"Content-Type", b"text/html; charset=utf-8"), *HEADERS], page.encode())

    def _catalogue(self, request: Any, name: bytes) -> Response:
        text = self._words.get(name)
        if text is None:
            return problem(404, "not-found", "There are no such words", headers=list(HEADERS[:-1]))
        return _kept(request, b"application/json", text)

    render_HEAD = render_GET


def app_files(folder: Path) -> dict[bytes, tuple[bytes, bytes]]:
    """The files of the app that browsers install: its manifest, its picture, and the worker that shows notes."""
    kinds = {".webmanifest": b"application/manifest+json", ".svg": b"image/svg+xml", ".js": b"text/javascript"}
    return {one.name.encode(): (kinds[one.suffix], one.read_bytes())
            for one in folder.iterdir() if one.suffix in kinds}  # fmt: skip


def _kept(request: Any, kind: bytes, text: bytes) -> Response:
    """A file that browsers keep and ask for again."""
    etag = b'"%s"' % blake2b(text, digest_size=8).hexdigest().encode()
    headers = [(b"ETag", etag), *HEADERS]
    if request.getHeader(b"if-none-match") == etag:
        return Response(304, headers)
    return Response(200, [(b"Content-Type", kind), *headers], text)
