"""``/panel/``: the pages of the panel, where staff work.

One page answers for every address below it; which view it shows is the script's business. Its policy has no exceptions:
scripts, styles and connections of this very origin, no framing by anybody, and no other window keeps a hold of it
(Cross-Origin-Opener-Policy). Whatever staff may do, they may on this origin alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from html import escape
from typing import Any

from twisted.web.resource import Resource

from cackled.transport.problems import problem
from cackled.transport.response import Response

SCRIPT, STYLE = "panel.js", "panel.css"
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
{styles}</head><body><div id="panel" data-languages="{languages}"></div>
<noscript>This page needs JavaScript.</noscript>
{scripts}</body></html>
"""


class PanelPages(Resource):
    """The page, for all addresses below; *urls* gives the addresses that each bundle is loaded from.

    *words* are catalogues of languages other than English, as JSON; the one that is wanted is fetched from
    ``words/<language>.json``.
    """

    isLeaf = True
    takes_rest = True

    def __init__(
        self, urls: Callable[[], Mapping[str, Sequence[str]]], words: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__()
        self._urls = urls
        self._words = {f"{name}.json".encode(): text for name, text in (words or {}).items()}
        self._languages = " ".join(sorted(words or {}))

    def render_GET(self, request: Any) -> Response:
        """The page; without a slash at its end the address is another's, so the browser is sent on."""
        if not request.postpath:
            query = request.uri.partition(b"?")[2]
            target = b"/panel/" + (b"?" + query if query else b"")
            return Response(308, [(b"Location", target), *HEADERS])
        if len(request.postpath) == 2 and request.postpath[0] == b"words":
            return self._catalogue(request, request.postpath[1])
        urls = self._urls()
        if SCRIPT not in urls:
            why = "It was not built into this release."
            return problem(404, "not-found", "There is no panel", why, headers=list(HEADERS[:-1]))
        scripts = "".join(f'<script type="module" src="{escape(url)}"></script>\n' for url in urls[SCRIPT])
        styles = "".join(f'<link rel="stylesheet" href="{escape(url)}">\n' for url in urls.get(STYLE, ()))
        page = _PAGE.format(styles=styles, scripts=scripts, languages=self._languages)
        return Response(200, [(b"Content-Type", b"text/html; charset=utf-8"), *HEADERS], page.encode())

    def _catalogue(self, request: Any, name: bytes) -> Response:
        text = self._words.get(name)
        if text is None:
            return problem(404, "not-found", "There are no such words", headers=list(HEADERS[:-1]))
        etag = b'"%s"' % blake2b(text, digest_size=8).hexdigest().encode()
        headers = [(b"ETag", etag), *HEADERS]
        if request.getHeader(b"if-none-match") == etag:
            return Response(304, headers)
        return Response(200, [(b"Content-Type", b"application/json"), *headers], text)

    render_HEAD = render_GET
