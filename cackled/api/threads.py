"""``/threads/{site}``: conversations as pages, for search engines and for readers without scripts.

    /threads/17?channel=KEY              a page of our own
    /threads/17/fragment?channel=KEY     the same for the site's own server to put into its page
    /threads/17/write?channel=KEY        the form (GET), what is looked at before it is posted, and posting (POST)
    /threads/17/sitemap.xml              the pages of the site that have conversations

``widget`` names the product as with ``/bootstrap``. Pages hold what everybody may read; those of private sites and of
locked conversations only with the site's own tokens, as everywhere, and then no cache keeps them and no robot may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from html import escape

from cackled.api import sitemap
from cackled.api.calls import argument, reading, sourced, tokens
from cackled.api.context import ApiContext
from cackled.api.own_address import own_address
from cackled.api.query import QueryReader, query_reader
from cackled.api.thread import Thread, ThreadRender
from cackled.api.thread_forms import Forms, hidden
from cackled.api.thread_pages import WORDS, address, fragment, navigation, refused, whole
from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.domain.errors import BadField, NotFound, Refused
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.site import Site
from cackled.languages import LANGUAGES, Language, Words
from cackled.transport.http import Request
from cackled.transport.response import CONFIGURED_TTL, Response

DEFAULT_WIDGET = "Comment"
# Arguments that lead from one page of a conversation to another.
_KEPT = ("widget", "channel", "url", "host", "lang", "title")


class Unavailable503(Refused):
    """The database can't be reached."""

    status = 503
    slug = "unavailable"
    title = "Not available right now"


class Threads:
    """Answers all below ``/threads``; `answer` is given to the microcache as the route's handler.

    *secret* gives the key that all nodes share, by name.
    """

    def __init__(
        self, context: ApiContext, threads: Iterable[Thread], secret: Callable[[str], Awaitable[bytes]]
    ) -> None:
        self._context = context
        self._threads = {one.name: (one, query_reader(one.query)) for one in threads}
        self._forms = Forms(context, secret)

    async def answer(self, request: Request) -> Response:
        """A page; refusals are pages, too."""
        path = [one.decode("utf-8", "replace") for one in request.postpath or ()]
        step = path[1] if len(path) == 2 else ""
        words = WORDS.words("en")
        try:
            if not path or len(path) > 2 or step not in ("", "fragment", "write", "sitemap.xml") or path[1:] == [""]:
                raise NotFound()
            if not (path[0].isascii() and path[0].isdigit() and len(path[0]) < 11):
                raise NotFound()
            site = self._context.sites.get(int(path[0]))
            words = WORDS.words(self._language(request, site))
            return await self._answer(request, site, step, words)
        except Refused as error:
            return refused(error, words, part=step == "fragment")
        except DatabaseError:
            late = Unavailable503()
            late.retry_after = 2.0
            return refused(late, words, part=step == "fragment")

    def _language(self, request: Request, site: Site) -> Language:
        asked = argument(request, "lang")
        if not asked:
            return site.settings.language
        found = next((one for one in LANGUAGES if one == asked), None)
        if found is None:
            raise BadField(f"lang is one of {', '.join(LANGUAGES)}.", field="lang")
        return found

    async def _answer(self, request: Request, site: Site, step: str, words: Words) -> Response:
        context = self._context
        posted = request.method == b"POST"
        if posted and step != "write":
            raise NotFound()
        client = context.client_address(request)
        if not posted:
            context.limits.take("reads", client, site.id)
        thread, reader = self._thread(request)
        if step == "sitemap.xml":
            return await sitemap.answer(context, site, thread, request, self._base(request)[0])
        query = reader.read(request.args)
        key = thread.key(query, site)
        given = tokens(request)
        context.grants.check(site, given, site.channel(thread.product, key))
        locked = context.doors.refused(site, key, "read", None, given)
        if locked is not None:
            raise locked
        locks = context.doors.locks(site)
        closed = site.settings.private or not locks.rule(key, "read").open
        writable = not closed and locks.rule(key, "write").open and thread.form is not None
        part = step == "fragment"
        base, sure = self._base(request)
        # Links of our own pages stay on the host that they were asked for.
        path = f"{base if part else ''}/threads/{site.id}"
        kept = {name: argument(request, name) for name in _KEPT}
        if step == "write":
            if not writable or thread.form is None:
                raise NotFound()
            return await self._forms.answer(request, site, thread, thread.form, key, words, path, kept)
        asked = reading(request, ReadPreference.NEAREST)
        context.count_read(site.id, asked.options.preference)
        page = await thread.page(
            ThreadRender(
                context, site, thread.name, query, key, asked, base=base if part else "", language=words.language,
                open=writable, fragment=part,
            )
        )
        nav, links = navigation(words, path, kept, page)
        body = page.html + nav
        if writable and thread.form is not None and page.next is None and b"root" not in request.args:
            body += self._form(thread, words, path, kept)
        headers = [(b"cache-control", b"private, no-store" if closed else b"public, max-age=0")]
        if part:
            answer = fragment(words, body, page.data, headers)
        else:
            back = f'<p><a href="{escape(page.url)}">{escape(words("toPage"))}</a></p>' if page.url else ""
            answer = whole(
                words, page.title, f"<h1>{escape(page.title)}</h1>{back}{body}", headers=headers, canonical=page.url,
                links=links, data=page.data, index=not (closed or page.empty), site=site,
            )
        answer.body = context.signed(answer.body, site)
        group = site.group(site.channel(thread.product, key))
        shared = sure and not closed and not asked.outcome.stale and asked.options.max_staleness is None
        answer.tags = () if closed else (group,)
        answer.ttl = CONFIGURED_TTL if shared else None
        answer.seqs = {group: page.seq}
        answer.owner = site.id
        return sourced(answer, asked.outcome)

    def _form(self, thread: Thread, words: Words, path: str, kept: dict[str, str]) -> str:
        assert thread.form is not None
        about = {"url": page_url(kept["url"]), "title": page_title(kept["title"])}
        target = address(f"{path}/write", {name: value for name, value in kept.items() if name not in about})
        return (
            f'<form class="mc-form" id="mc-write" method="post" action="{escape(target)}">'
            f"{thread.form.show(words.language, {})}{hidden(words, about)}"
            f'<p class="mc-row"><button class="mc-main" name="step" value="look">{escape(words("look"))}</button></p>'
            "</form>"
        )

    def _thread(self, request: Request) -> tuple[Thread, QueryReader]:
        found = self._threads.get(argument(request, "widget") or DEFAULT_WIDGET)
        if found is None:
            raise BadField(f"widget is one of {', '.join(self._threads)}.", field="widget")
        return found

    def _base(self, request: Request) -> tuple[str, bool]:
        return own_address(self._context.own_url, request)
