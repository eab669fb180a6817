"""``/feeds/{site}/NAME.atom``: what is new, for feed readers (Atom, RFC 4287; answers by RFC 4685).

A feed has what everybody may read, of a private site or a locked conversation what the tokens of the call grant. One
of a channel is dropped from the cache when something happens there; that of a whole site is as old as the cache allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from cackled.api.calls import argument, guarded, reading, sourced, tokens
from cackled.api.context import ApiContext
from cackled.api.feed import Entry, Feed, FeedPage, FeedRender
from cackled.api.own_address import own_address
from cackled.api.query import query_reader
from cackled.database.query import ReadPreference
from cackled.domain.errors import BadField, NotFound
from cackled.domain.site import Site
from cackled.languages import LANGUAGES, Language
from cackled.transport.http import Request
from cackled.transport.response import CONFIGURED_TTL, Response

# Who names things, and since when (RFC 4151).
AUTHORITY = "tag:cackle.dev,2026:"
EPOCH = "1970-01-01T00:00:00Z"
# What XML 1.0 can't hold, even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Feeds:
    """Answers all below ``/feeds``; `answer` is given to the microcache as the route's handler."""

    def __init__(self, context: ApiContext, feeds: Iterable[Feed]) -> None:
        self._context = context
        self._feeds = {f"{one.name}.atom": (one, query_reader(one.query)) for one in feeds}

    async def answer(self, request: Request) -> Response:
        """A feed; problems are answers too, and no robot keeps either."""
        response = await guarded(self._answer(request))
        response.headers += ((b"access-control-allow-origin", b"*"), (b"x-robots-tag", b"noindex"))
        return response

    async def _answer(self, request: Request) -> Response:
        context = self._context
        path = [one.decode("utf-8", "replace") for one in request.postpath or ()]
        if len(path) != 2 or not (path[0].isascii() and path[0].isdigit() and len(path[0]) < 11):
            raise NotFound()
        site, found = context.sites.get(int(path[0])), self._feeds.get(path[1])
        if found is None:
            raise NotFound()
        context.limits.take("reads", context.client_address(request), site.id)
        feed, reader = found
        query = reader.read(request.args)
        key, given = feed.key(query, site), tokens(request)

        def sees(one: str) -> bool:
            if site.settings.private:
                granted = context.grants.channels(site, given)
                if granted is not None and site.channel(feed.product, one) not in granted:
                    return False
            return context.doors.refused(site, one, "read", None, given) is None

        channel = site.channel(feed.product, key) if key else None
        if site.settings.private or channel is not None:
            context.grants.check(site, given, channel)
        locked = context.doors.refused(site, key, "read", None, given) if key else None
        if locked is not None:
            raise locked
        asked = reading(request, ReadPreference.NEAREST)
        context.count_read(site.id, asked.options.preference)
        base, sure = own_address(context.own_url, request)
        language = _language(argument(request, "lang"), site)
        page = await feed.page(
            FeedRender(
                context=context, site=site, query=query, key=key, reading=asked, sees=sees, base=base, language=language
            )
        )
        closed = site.settings.private or bool(given)
        self_link = f"{base}{request.uri.decode('ascii', 'replace')}"
        answer = Response(
            200,
            [
                (b"content-type", b"application/atom+xml; charset=utf-8"),
                (b"cache-control", b"private, no-store" if closed else b"public, max-age=60"),
            ],
            atom(page, site, feed, key, self_link, language).encode(),
        )
        if channel is not None:
            group = site.group(channel)
            answer.seqs = {group: page.seq}
            answer.tags = () if closed else (group,)
        shared = sure and not closed and not asked.outcome.stale and asked.options.max_staleness is None
        answer.ttl = CONFIGURED_TTL if shared else None
        answer.owner = site.id
        return sourced(answer, asked.outcome)


def atom(page: FeedPage, site: Site, feed: Feed, key: str, self_link: str, language: Language) -> str:
    """The document."""
    name = f"{AUTHORITY}{site.id}/{feed.product}"
    updated = max((one.updated for one in page.entries), default=EPOCH)
    about = f"{name}/channel/{site.channel(feed.product, key)}" if key else name
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0" '
        f"xml:lang={_quoted(language)}>\n"
        f"<id>{_text(about)}</id>\n<title>{_text(page.title)}</title>\n<updated>{updated}</updated>\n"
        f'<link rel="self" type="application/atom+xml" href={_quoted(self_link)}/>\n'
        f'<link rel="alternate" type="text/html" href={_quoted(page.link)}/>\n'
        "<generator>cackled</generator>\n"
    ]
    parts += [_entry(one, name) for one in page.entries]
    parts.append("</feed>\n")
    return "".join(parts)


def _entry(one: Entry, name: str) -> str:
    answers = ""
    if one.answers is not None:
        number, link = one.answers
        place = f" href={_quoted(link)}" if link else ""
        answers = f"<thr:in-reply-to ref={_quoted(f'{name}/{number}')}{place}/>\n"
    return (
        f"<entry>\n<id>{_text(f'{name}/{one.id}')}</id>\n<title>{_text(one.title)}</title>\n"
        f"<author><name>{_text(one.author)}</name></author>\n"
        f"<published>{one.published}</published>\n<updated>{one.updated}</updated>\n"
        f'<link rel="alternate" type="text/html" href={_quoted(one.link)}/>\n{answers}'
        f'<content type="html">{_text(one.html)}</content>\n</entry>\n'
    )


def _text(text: str) -> str:
    return escape(_UNWRITABLE.sub("", text))


def _quoted(text: str) -> str:
    return quoteattr(_UNWRITABLE.sub("", text))


def _language(asked: str, site: Site) -> Language:
    if not asked:
        return site.settings.language
    found = next((one for one in LANGUAGES if one == asked), None)
    if found is None:
        raise BadField(f"lang is one of {', '.join(LANGUAGES)}.", field="lang")
    return found
