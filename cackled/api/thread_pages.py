"""The frame of conversations as pages: head, links, navigation, structured data; and what a refusal looks like.

No scripts run there. What stands in a page of a site's own (a fragment) brings no style of its own.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from cackled.api.thread import ThreadPage
from cackled.domain.errors import Refused, TooFast
from cackled.domain.logo import logo_of
from cackled.domain.site import Site
from cackled.languages import Catalogue, Words
from cackled.transport.response import Response

_LOCALES = Path(__file__).parents[1] / "web" / "locales"
WORDS = Catalogue(_LOCALES, "threads")
PROBLEMS = Catalogue(_LOCALES, "problems")

_STYLE = (
    ":root{color-scheme:light dark;--line:#8884;--quiet:#666;--accent:#2458d3}"
    "@media(prefers-color-scheme:dark){:root{--quiet:#aaa;--accent:#8fb1ff}}"
    "body{font:16px/1.55 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}"
    ".mc-logo{display:block;margin:0 0 1rem;object-fit:contain}"
    "h1{font-size:1.4rem;line-height:1.25;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}"
    "a{color:var(--accent)}ol{list-style:none;margin:0;padding:0}"
    ".mc-item{margin:1.25rem 0;scroll-margin-top:1rem}.mc-item .mc-list{border-inline-start:2px solid var(--line);"
    "padding-inline-start:1rem}.mc-item .mc-item .mc-item .mc-item .mc-list{padding-inline-start:0;border:0}"
    ".mc-by{margin:0;font-size:.9rem;color:var(--quiet)}.mc-by b{color:CanvasText}.mc-by a{color:inherit}"
    ".mc-text p{margin:.35rem 0}.mc-text blockquote{margin:.35rem 0;padding-inline-start:.75rem;"
    "border-inline-start:3px solid var(--line)}.mc-text pre{overflow:auto;white-space:pre-wrap}"
    ".mc-pics{margin:.35rem 0}.mc-pics img{max-width:100%;height:auto;border-radius:6px}"
    ".mc-acts{margin:.1rem 0;font-size:.9rem}.mc-acts a{display:inline-block;padding:.4rem 0}"
    ".mc-quiet{color:var(--quiet)}.mc-mark{border:1px solid var(--line);border-radius:6px;padding:0 .35rem}"
    "nav{display:flex;gap:1.5rem;margin:1.5rem 0}nav a{padding:.5rem 0}"
    "form{display:grid;gap:.75rem;margin:1rem 0}label{display:grid;gap:.25rem}"
    "input,textarea,select{font:inherit;color:inherit;background:Canvas;padding:.5rem .6rem;box-sizing:border-box;"
    "width:100%;border:1px solid #888a;border-radius:8px}textarea{min-height:8rem}"
    "button{font:inherit;padding:.5rem 1.25rem;min-height:44px;border:1px solid #888a;border-radius:8px;"
    "background:Canvas;color:CanvasText}button.mc-main{border:0;background:#2458d3;color:#fff}"
    ".mc-row{display:flex;gap:.75rem;flex-wrap:wrap}.mc-box{border:1px solid var(--line);border-radius:8px;"
    "padding:.25rem 1rem}.mc-wrong{color:#b3261e}"
    "@media(prefers-color-scheme:dark){.mc-wrong{color:#ffb4ab}}"
    ".mc-trap{position:absolute;inset-inline-start:-999rem}"
    "input[type=checkbox]{width:auto}select{min-height:44px}.mc-row label{flex:1}li.mc-row{align-items:center;"
    "justify-content:space-between;border-bottom:1px solid var(--line);padding:.25rem 0}"
    "a:focus-visible,button:focus-visible,input:focus-visible,textarea:focus-visible,select:focus-visible"
    "{outline:2px solid var(--accent);outline-offset:2px}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest())
_HTML = (b"content-type", b"text/html; charset=utf-8")
# A browser sends the origin of a form with this policy, and tells other sites nothing.
_GUARDS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'sha256-" + _STYLE_HASH + b"'; img-src 'self' https:; form-action 'self'; "
        b"frame-ancestors 'none'; base-uri 'none'",
    ),
]
NOINDEX = (b"x-robots-tag", b"noindex")
_ESCAPED = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def address(path: str, arguments: Mapping[str, str]) -> str:
    """An address with a query."""
    query = urlencode({name: value for name, value in arguments.items() if value})
    return f"{path}?{query}" if query else path


def structured(data: Any) -> str:
    """*data* as JSON-LD in a script element; no text in it can end that."""
    text = msgspec.json.encode(data).decode().translate(_ESCAPED)
    return f'<script type="application/ld+json">{text}</script>'


def navigation(
    words: Words, path: str, arguments: Mapping[str, str], page: ThreadPage
) -> tuple[str, list[tuple[str, str]]]:
    """The links to the pages beside: as HTML, and as (relation, address)."""
    links: list[tuple[str, str]] = []
    parts: list[str] = []
    for relation, key, other in (("prev", "previous", page.previous), ("next", "next", page.next)):
        if other is not None:
            target = address(path, {**arguments, **other})
            links.append((relation, target))
            parts.append(f'<a rel="{relation}" href="{escape(target)}">{escape(words(key))}</a>')
    return (f'<nav class="mc-pages">{"".join(parts)}</nav>' if parts else ""), links


def whole(
    words: Words, title: str, body: str, *, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (),
    canonical: str = "", links: Iterable[tuple[str, str]] = (), data: Any = None, index: bool = False,
    site: Site | None = None,
) -> Response:  # fmt: skip
    """A whole page, of a *site*, whose logo stands above; *body* is HTML."""
    logo = None if site is None else logo_of(site.settings.logo)
    above = "" if logo is None or site is None else f"<header>{logo.html(site.name)}</header>"
    head = "" if index else '<meta name="robots" content="noindex">'
    told = [(relation, target) for relation, target in (("canonical", canonical), *links) if target]
    head += "".join(f'<link rel="{relation}" href="{escape(target)}">' for relation, target in told)
    text = (
        f'<!doctype html>\n<html lang="{words.language}" dir="{words.direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>{head}'
        f"<style>{_STYLE}</style>{'' if data is None else structured(data)}</head>"
        f"<body>{above}<main>{body}</main></body></html>\n"
    )
    answer = Response(
        status,
        [_HTML, (b"content-language", words.language.encode()), *_GUARDS, *([] if index else [NOINDEX]), *headers],
        text.encode(),
    )
    if told:
        value = ", ".join(f'<{_ascii(target)}>; rel="{relation}"' for relation, target in told)
        answer.headers.append((b"link", value.encode("ascii", "replace")))
    return answer


def fragment(words: Words, body: str, data: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> Response:
    """What a site's server puts into a page of its own."""
    text = (
        f'<section class="mc-thread" lang="{words.language}" dir="{words.direction}">{body}</section>\n'
        f"{'' if data is None else structured(data)}\n"
    )
    shared = [(b"x-content-type-options", b"nosniff"), (b"access-control-allow-origin", b"*")]
    return Response(200, [_HTML, NOINDEX, *shared, *headers], text.encode())


def refused(error: Refused, words: Words, *, part: bool) -> Response:
    """What somebody reads who may not; for a fragment nothing that a reader sees."""
    headers: list[tuple[bytes, bytes]] = [(b"cache-control", b"no-store")]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after + 0.5))))
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="cackled"'))
    if part:
        told = re.sub("--+", "-", f"{error.slug}: {error.detail or error.title}".replace(">", ""))
        body = f"<!-- cackled: {escape(told)} -->\n".encode()
        return Response(error.status, [_HTML, NOINDEX, *headers], body)
    return whole(words, words("refused"), f"<h1>{escape(words('refused'))}</h1><p>{escape(told_of(error, words))}</p>",
                 status=error.status, headers=headers)  # fmt: skip


_BY_STATUS = {401: "unauthorized", 403: "forbidden", 404: "not-found", 409: "conflict", 413: "content-too-large",
              429: "too-fast", 503: "unavailable"}  # fmt: skip


def told_of(error: Refused, words: Words, own: Words | None = None) -> str:
    """Why something was refused, in the reader's words; *own* are those of a product."""
    problems = PROBLEMS.words(words.language)
    if isinstance(error, TooFast):
        return problems("too-fast", n=max(1, round((error.retry_after or 1) + 0.5)))
    for some, key in ((own, error.slug), (problems, error.slug), (problems, _BY_STATUS.get(error.status, ""))):
        if some is not None and key:
            try:
                return some(key)
            except KeyError:
                continue
    return words("wrong")


def _ascii(url: str) -> str:
    return url.replace("<", "%3C").replace(">", "%3E").replace('"', "%22").replace(" ", "%20")
