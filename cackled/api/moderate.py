"""``/moderate``: what a signed link in a moderator's mail does.

GET only asks for confirmation, because mail programs and scanners fetch links; POST does it, once. Neither says
anything about the site or the comment beyond the numbers that the link itself holds, and refusals are alike for all
links.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from msgspec.structs import replace

from cackled.api.calls import refusal, unavailable
from cackled.database.errors import DatabaseError
from cackled.domain.errors import Conflict, NotFound, Refused, TooFast
from cackled.domain.signed_links import SignedLink, SignedLinks
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.events import Position
from cackled.languages import Catalogue, Words, accepted
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

# Does what a link of one kind is for: whether it was done now (False: the link was used before), and where.
Deed = Callable[[Site, SignedLink], Awaitable[tuple[bool, Position | None]]]

WORDS = Catalogue(Path(__file__).parents[1] / "web" / "locales", "pages")
PROBLEMS = Catalogue(Path(__file__).parents[1] / "web" / "locales", "problems")
# Bytes of an answer's form: a comment, each of its characters escaped.
LONGEST_FORM = 100_000
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:3rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}textarea{font:inherit;width:100%;height:8rem;box-sizing:border-box}"
    "button{font:inherit;padding:.5rem 1.25rem;min-height:44px}"
)
# Its text as the policy names it.
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest())
_PAGE = """<!doctype html>
<html lang="{lang}" dir="{dir}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""
_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex"),
    (b"x-content-type-options", b"nosniff"),
    # Whoever has the address may use it, so no Referer may reveal it.
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'sha256-" + _STYLE_HASH + b"'; form-action 'self'; frame-ancestors 'none'; "
        b"base-uri 'none'",
    ),
]


def page(status: int, words: Words, title: str, text: str, button: str = "", *, asks: bool = False) -> Response:
    """A page of a few words; a *button* sends the same address as POST, with a text where the page *asks* for one."""
    field = f'<p><textarea name="text" required aria-label="{escape(title)}"></textarea></p>' if asks else ""
    form = f'<form method="post">{field}<button>{escape(button)}</button></form>' if button else ""
    body = _PAGE.format(
        lang=words.language, dir=words.direction, title=escape(title), text=escape(text), form=form, style=_STYLE
    )
    return Response(status, [*_HEADERS, (b"content-language", words.language.encode())], body.encode())


class ModerateResource(AsyncResource):
    """The address; *wrote* is told each position that a link led to, *charge* counts a call of an address and gives the
    seconds to wait where there were too many."""

    def __init__(
        self,
        links: SignedLinks,
        sites: SiteDirectory,
        deeds: Mapping[str, Deed],
        charge: Callable[[str, float], float | None],
        client_address: Callable[[Any], str],
        wrote: Callable[[Position], None],
    ) -> None:
        super().__init__(self.answer, (b"GET", b"HEAD", b"POST"))
        self._links = links
        self._sites = sites
        self._deeds = deeds
        self._charge = charge
        self._client_address = client_address
        self._wrote = wrote

    async def answer(self, request: Request) -> Response:
        """The page that asks, or the page that says what was done."""
        if request.postpath:
            return problem(404)
        try:
            wait = self._charge(self._client_address(request), 1.0)
            if wait is not None:
                raise TooFast(wait)
            tokens = request.args.get(b"token", [])
            link = await self._links.read(tokens[0].decode("latin-1")) if len(tokens) == 1 else None
            if link is not None and link.deed not in self._deeds:
                link = None
            site = None if link is None else self._sites.find(link.site)
            # Who follows a link may read another language than the site's mail has.
            asked = request.getHeader(b"accept-language")
            heard = None if asked is None else asked.decode("latin-1")
            words = WORDS.words(accepted(heard) if site is None else accepted(heard, site.settings.language))
            if link is None or site is None:
                return page(410, words, words("dead"), words("deadText"))
            if request.method != b"POST":
                return self._ask(link, words)
            if link.deed == "answer":
                link = replace(link, text=_sent(request))
            return await self._do(link, site, words)
        except Refused as error:
            return refusal(error)
        except DatabaseError:
            return unavailable()

    @staticmethod
    def _ask(link: SignedLink, words: Words) -> Response:
        named = {"id": str(link.target), "site": str(link.site)}
        if link.deed == "remove":
            return page(200, words, words("removeAsk"), words("removeText", **named), words("remove"))
        if link.deed == "ban":
            return page(200, words, words("banAsk"), words("banText", **named), words("ban"))
        title = words(link.deed)
        return page(200, words, title, words("decideText", **named), title, asks=link.deed == "answer")

    async def _do(self, link: SignedLink, site: Site, words: Words) -> Response:
        try:
            done, position = await self._deeds[link.deed](site, link)
        except NotFound:
            return page(404, words, words("gone"), words("goneText"))
        except Conflict:
            # It was changed, or decided on, since the mail was written.
            told = PROBLEMS.words(words.language)("conflict")
            return page(409, words, told, words("decideText", id=str(link.target), site=str(link.site)))
        if position is not None:
            self._wrote(position)
        if not done:
            return page(410, words, words("used"), words("usedText"))
        done_words = {"remove": "removed", "ban": "banned"}.get(link.deed, "decided")
        return page(200, words, words(done_words), words("doneText"))


def _sent(request: Request) -> str:
    """The text of the form."""
    raw = b"" if request.content is None else request.content.read(LONGEST_FORM)
    try:
        return parse_qs(raw.decode("utf-8", "replace"), max_num_fields=4).get("text", [""])[0]
    except ValueError:
        # No form of ours has so many fields.
        return ""
