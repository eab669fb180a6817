"""Writing without scripts: a form, the text as it will look, and only then posting.

The form may stand in anybody's copy of a page, for hours: it has nothing secret in it and posts nothing. What it sends
is shown on a page of our own, with a ticket: for this site and channel, signed, with the time. Only that page posts, so
its ticket says how long a person looked (a trap for machines), is the key by which what is sent twice is written once,
and shows that no other page sent the form (beside the browser's own word: Origin, RFC 6454, and Sec-Fetch-Site).

A writer is a guest, known again by a cookie of ours that holds a guest's session and nothing else.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from html import escape
from secrets import token_urlsafe
from urllib.parse import parse_qs

from cackled.api.calls import argument
from cackled.api.context import ApiContext
from cackled.api.staff import cookie, own_origin, set_cookie
from cackled.api.thread import Posted, Thread, ThreadForm, ThreadPost
from cackled.api.thread_pages import address, told_of, whole
from cackled.domain.errors import Forbidden, Refused
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.page_links import site_page
from cackled.domain.people import People
from cackled.domain.sessions import GUEST, RENEWABLE, Grant
from cackled.domain.site import Site
from cackled.languages import Words
from cackled.transport.http import Request
from cackled.transport.response import Response

# Seconds that a ticket is good for.
LIFETIME = 3_600
# Bytes of a form: each character of a text may take nine.
MOST_FORM = 120_000
MOST_FIELDS = 20
# The field that people don't see.
TRAP = "website"
_ABOUT = ("url", "title")


def hidden(words: Words, values: Mapping[str, str], trap: str = "") -> str:
    """Fields that nobody types into, and the one that only machines fill in; *trap* is what they did."""
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in values.items() if value
    )
    return (
        f'{fields}<p class="mc-trap" aria-hidden="true"><label>{escape(words("trap"))}'
        f'<input name="{TRAP}" tabindex="-1" autocomplete="off" value="{escape(trap)}"></label></p>'
    )


class Forms:
    """The forms of all sites; *secret* gives the key that all nodes share, by name."""

    def __init__(self, context: ApiContext, secret: Callable[[str], Awaitable[bytes]]) -> None:
        self._context = context
        self._secret = secret
        self._key = b""

    async def answer(
        self, request: Request, site: Site, thread: Thread, form: ThreadForm, key: str, words: Words, path: str,
        kept: Mapping[str, str],
    ) -> Response:  # fmt: skip
        """The form, the look at what is going to be posted, or what became of it."""
        context = self._context
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.form").digest()
        posted = request.method == b"POST"
        sent = _sent(request, form) if posted else _asked(request, form)
        _check_origin(request, site)
        visit = _Visit(self, request, site, thread, form, key, words, path, kept, sent)
        if not posted:
            return await visit.form()
        client = context.client_address(request)
        if sent.get("step") != "post":
            context.limits.take(form.preview_limit, client, site.id)
            return await visit.look()
        return await visit.post(client)

    def ticket(self, site: Site, channel: int, now: float) -> str:
        """A ticket for a channel, as of *now* (seconds since 1970)."""
        said = f"{int(now * 1000)}.{token_urlsafe(12)}"
        return f"{said}.{self._mac(site, channel, said)}"

    def opened(self, site: Site, channel: int, ticket: str, now: float) -> tuple[float, str] | None:
        """For how many seconds a ticket has been out, and its name; None where it is not good, or no more."""
        said, _, mac = ticket.rpartition(".")
        made, _, name = said.partition(".")
        if not (ticket.isascii() and len(ticket) < 200 and made.isdigit() and len(made) < 16):
            return None
        if not hmac.compare_digest(mac, self._mac(site, channel, said)):
            return None
        seconds = now - int(made) / 1000
        return (max(0.0, seconds), name) if seconds < LIFETIME else None

    def _mac(self, site: Site, channel: int, said: str) -> str:
        text = f"{site.id} {channel} {said}".encode()
        return urlsafe_b64encode(blake2b(text, key=self._key, digest_size=18).digest()).decode("ascii")

    async def guest(self, request: Request, site: Site, once: str) -> Grant:
        """The session of whoever sends the form; of a new guest, the same for the same *once*."""
        old = self._context.sessions.renewable(site, cookie(request, f"guest{site.id}"))
        visitor = old.visitor if old is not None and old.level == GUEST else None
        if visitor is not None and await self._context.service(People, site).is_person(visitor):
            visitor = None
        if visitor is None:
            made = blake2b(f"{site.id} {once}".encode(), key=self._key, digest_size=8).digest()
            visitor = int.from_bytes(made, "big") >> 2 | 1
        return self._context.sessions.guest(site, visitor)


class _Visit:
    """One call of the form."""

    def __init__(
        self, forms: Forms, request: Request, site: Site, thread: Thread, form: ThreadForm, key: str, words: Words,
        path: str, kept: Mapping[str, str], sent: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._forms = forms
        self._context = forms._context
        self._request = request
        self._site = site
        self._form = form
        self._key = key
        self._channel = site.channel(thread.product, key)
        self._words = words
        self._path = path
        self._sent = sent
        self._fields = {name: sent.get(name, "") for name in form.fields}
        self._about = {
            "url": page_url(sent.get("url") or kept.get("url", "")),
            "title": page_title(sent.get("title") or kept.get("title", "")),
        }
        self._kept = {name: value for name, value in kept.items() if name not in _ABOUT}
        self._now = self._context.wall_time()

    async def form(self) -> Response:
        """The form by itself."""
        draft = self._draft(self._context.sessions.guest(self._site))
        inner = await self._form.about(draft) + self._inputs("look")
        return self._page(self._words("write"), inner)

    async def look(self, wrong: Refused | None = None) -> Response:
        """What is going to be posted, with the form to change it."""
        draft = self._draft(self._context.sessions.guest(self._site))
        shown = ""
        if wrong is None or wrong.status != 400:
            try:
                shown = f'<div class="mc-box mc-text" dir="auto">{self._form.preview(draft)}</div>'
            except Refused as error:
                wrong = wrong or error
        about = await self._form.about(draft)
        told = "" if wrong is None else f'<p class="mc-wrong" role="alert">{escape(self._told(wrong))}</p>'
        anyway = wrong is not None and wrong.slug == "nudge"
        step = "post" if shown else "look"
        answer = self._page(
            self._words("lookTitle" if shown else "write"), f"{told}{about}{shown}{self._inputs(step, anyway=anyway)}",
            status=200 if wrong is None else wrong.status,
        )
        if wrong is not None and wrong.retry_after is not None:
            answer.headers.append((b"retry-after", b"%d" % max(1, round(wrong.retry_after + 0.5))))
        return answer

    async def post(self, client: str) -> Response:
        """Write it."""
        opened = self._forms.opened(self._site, self._channel, self._sent.get("ticket", ""), self._now)
        if opened is None or not _from_own_page(self._request):
            # An old page, or no page of ours: what was typed is shown once more, with a new ticket.
            return await self.look()
        seconds, once = opened
        grant = await self._forms.guest(self._request, self._site, once)
        try:
            self._context.limits.take(self._form.limit, client, self._site.id)
            done = await self._form.post(self._draft(grant, client, seconds, once))
        except Refused as error:
            answer = await self.look(error)
        else:
            answer = self._done(done)
        with suppress(Forbidden):
            # Over plain http nobody is known again.
            answer.headers.append(set_cookie(self._request, f"guest{self._site.id}", grant.token, RENEWABLE))
        return answer

    def _done(self, done: Posted) -> Response:
        words = self._words
        told = words("held" if done.held else "posted")
        site_link = done.link or site_page(self._site, self._about["url"])
        links = f'<p><a href="{escape(site_link)}">{escape(words("toPage"))}</a></p>' if site_link else ""
        inner = f'<p role="status">{escape(told)}</p><div class="mc-box mc-text" dir="auto">{done.html}</div>{links}'
        return self._page(words("thanks"), inner)

    def _told(self, wrong: Refused) -> str:
        own = self._form.problems
        return told_of(wrong, self._words, None if own is None else own(self._words.language))

    def _draft(self, grant: Grant, client: str = "", seconds: float | None = None, once: str = "") -> ThreadPost:
        return ThreadPost(
            context=self._context, site=self._site, key=self._key, fields=self._fields,
            session=self._context.sessions.check(self._site, grant.token), address=client,
            language=self._words.language, url=self._about["url"], title=self._about["title"],
            trap=self._sent.get(TRAP, ""), seconds=seconds, once=once, anyway=self._sent.get("anyway") == "1",
        )  # fmt: skip

    def _inputs(self, step: str, *, anyway: bool = False) -> str:
        words = self._words
        ticket = self._forms.ticket(self._site, self._channel, self._now) if step == "post" else ""
        target = address(f"{self._path}/write", self._kept)
        main, buttons = ' class="mc-main"', ""
        if step == "post":
            buttons = f'<button{main} name="step" value="post">{escape(words("post"))}</button>'
            main = ""
        buttons += f'<button{main} name="step" value="look">{escape(words("look"))}</button>'
        asked = f'<label><span><input type="checkbox" name="anyway" value="1"> {escape(words("anyway"))}</span></label>'
        return (
            f'<form class="mc-form" method="post" action="{escape(target)}">'
            f"{self._form.show(words.language, self._fields)}{asked if anyway else ''}"
            f"{hidden(words, {'ticket': ticket, **self._about}, self._sent.get(TRAP, '')[:200])}"
            f'<p class="mc-row">{buttons}</p></form>'
        )

    def _page(self, title: str, inner: str, status: int = 200) -> Response:
        back = address(self._path, {**self._kept, **self._about})
        body = f'<h1>{escape(title)}</h1>{inner}<p><a href="{escape(back)}">{escape(self._words("toThread"))}</a></p>'
        return whole(self._words, title, body, status=status, headers=[(b"cache-control", b"no-store")])


def _asked(request: Request, form: ThreadForm) -> dict[str, str]:
    """What the address of a form says of its fields."""
    return {name: argument(request, name)[: form.longest] for name in (*form.fields, *_ABOUT)}


def _sent(request: Request, form: ThreadForm) -> dict[str, str]:
    """What a form sent; what is no form of ours is empty."""
    raw = b"" if request.content is None else request.content.read(MOST_FORM)
    try:
        found = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    # Browsers send line ends of a text as CR LF (HTML, form submission).
    return {name: values[0].replace("\r\n", "\n").replace("\0", "") for name, values in found.items()}


def _check_origin(request: Request, site: Site) -> None:
    """See that a form comes from a page of the site, or from ours.

    Raises:
        Forbidden: it is another's.
    """
    origin = request.getHeader(b"origin")
    # A page that tells nobody where it is has "null" there.
    if request.method != b"POST" or origin is None or origin == b"null":
        return
    named = origin.decode("latin-1")
    if not (_is_own(request, named) or site.allows_origin(named)):
        raise Forbidden("Pages of that origin can't speak for this site.", slug="origin")


def _from_own_page(request: Request) -> bool:
    """Whether the browser says that a page of ours sent it, or no browser is there to say so."""
    origin, fetched = request.getHeader(b"origin"), request.getHeader(b"sec-fetch-site")
    if fetched not in (None, b"same-origin"):
        return False
    return origin is None or _is_own(request, origin.decode("latin-1"))


def _is_own(request: Request, origin: str) -> bool:
    return origin.lower() == own_origin(request).removesuffix(":443" if request.isSecure() else ":80")
