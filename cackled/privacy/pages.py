"""``/privacy/{site}``: what is stored here, said from the site's settings; and one's own data, without signing in.

    /privacy/17               what is stored; a form that asks for a link by mail (POST)
    /privacy/17/mine?token=   the link: GET asks, POST opens the data of whoever has it, once
    /privacy/17/data          (POST) the data, as a file
    /privacy/17/erase         (POST) deletes it

GET changes nothing, because mail programs and scanners fetch links. The answer to an address is the same whether it is
known or not, and comes before it is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qs

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.api.calls import refusal, unavailable
from cackled.api.context import ApiContext
from cackled.api.own_address import own_address
from cackled.api.thread_pages import whole
from cackled.database.errors import DatabaseError
from cackled.database.routing import Database
from cackled.domain.erasure import Erasures
from cackled.domain.errors import BadField, Refused, TooFast
from cackled.domain.limits import Buckets
from cackled.domain.personal_data import Held, collect
from cackled.domain.settings import ProductSettings
from cackled.domain.site import Site
from cackled.languages import Words, accepted
from cackled.privacy.letters import INSERT_LETTER, WORDS, Letter
from cackled.privacy.settings import PrivacySettings
from cackled.privacy.store import Grant, PrivacyData, PrivacyLinks
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

log = Logger()

LIMIT = "privacy.page"
MOST_FORM = 16_384
# Letters to one address: in a row, and a second.
LETTERS = (1 / 3600, 3.0)
# What is stored whatever the settings are.
STORED = (
    "written", "votes", "storedPictures", "storedReviews", "storedPolls", "storedChat", "account", "follows",
    "storedNotes", "storedImports",
)  # fmt: skip
_HEADERS = [(b"cache-control", b"no-store")]
_PRIVATE = (b"referrer-policy", b"no-referrer")


def stored(words: Words, settings: PrivacySettings, others: Iterable[ProductSettings] = ()) -> list[str]:
    """What is stored, in sentences; each that goes by a setting says what the setting is. *others*: those of all
    products of the site."""
    told = [words(one) for one in STORED]
    told.append(words("addressShort" if settings.truncated else "addressWhole"))
    months, deleted = settings.address_months, settings.deleted_months
    told.append(words("addressMonths", n=months) if months else words("addressForever"))
    told.append(words("deletedMonths", n=deleted) if deleted else words("deletedForever"))
    told.extend(words(name, **places) for one in others for name, places in one.stored())
    return told


async def data_of(
    database: Database, site: int, visitors: Sequence[int], held: Sequence[Held], base: str
) -> bytes:
    """Everything of some visitors, as a JSON list; *base*: what our addresses begin with."""
    made = []
    for visitor in visitors:
        made.append(b"".join([piece async for piece in collect(database, site, visitor, held, base)]).strip())
    return b"[" + b",\n".join(made) + b"]\n"


def file_of(data: bytes, site: int) -> Response:
    """The answer that a browser keeps as a file."""
    return Response(200, [
        (b"content-type", b"application/json"), (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-disposition", b'attachment; filename="my-data-%d.json"' % site),
    ], data)  # fmt: skip


class PrivacyPages(AsyncResource):
    """All of it. *held* is what features declare; *mails*: there is a mail server."""

    takes_rest = True

    def __init__(
        self, context: ApiContext, database: Database, links: PrivacyLinks, erasures: Erasures, held: Sequence[Held],
        mails: bool, letters: Buckets, random: Any,
    ) -> None:  # fmt: skip
        super().__init__(self.answer, (b"GET", b"HEAD", b"POST"))
        self._context = context
        self._database = database
        self._links = links
        self._erasures = erasures
        self._held = tuple(held)
        self._mails = mails
        self._letters = letters
        self._random = random

    async def answer(self, request: Request) -> Response:
        """A page, or a file."""
        path = [one.decode("utf-8", "replace") for one in request.postpath or ()]
        try:
            self._context.limits.take(LIMIT, self._context.client_address(request), 0)
            if not 1 <= len(path) <= 2 or not (path[0].isascii() and path[0].isdigit() and len(path[0]) < 11):
                return problem(404)
            site = self._context.sites.find(int(path[0]))
            step = {"": self._shown, "mine": self._mine, "data": self._data, "erase": self._erase}.get(
                path[1] if len(path) == 2 else ""
            )
            if site is None or step is None:
                return problem(404)
            asked = request.getHeader(b"accept-language")
            words = WORDS.words(accepted(None if asked is None else asked.decode("latin-1"), site.settings.language))
            return await step(request, site, words)
        except Refused as error:
            return refusal(error)
        except DatabaseError:
            return unavailable()

    async def _shown(self, request: Request, site: Site, words: Words) -> Response:
        settings = site.product(PrivacySettings)
        note = ""
        able = self._mails and bool(self._context.own_url)
        if request.method == b"POST" and able:
            email = _form(request).get("email", "").strip()
            if not (3 <= len(email) <= 250 and email.isprintable() and email.count("@") == 1 and " " not in email):
                raise BadField("That is no address of mail.", field="email")
            Deferred.fromCoroutine(self._write(site, email, words)).addErrback(
                lambda failure: log.warn("a letter is not written: {why}", why=failure.getErrorMessage())
            )
            note = f'<p role="status">{escape(words("sent"))}</p>'
        lines = "".join(f"<li>{escape(one)}</li>" for one in stored(words, settings, site.products))
        inner = f"{note}<p>{escape(words('lead', site=site.name))}</p><ul>{lines}</ul>"
        if settings.contact:
            inner += f"<p>{escape(words('contact', contact=settings.contact))}</p>"
        inner += f"<h2>{escape(words('ask'))}</h2><p>{escape(words('signedIn'))}</p>"
        if able:
            inner += (
                f'<p>{escape(words("askText"))}</p><form method="post" action="/privacy/{site.id}"><p><label>'
                f'{escape(words("email"))} <input name="email" type="email" required maxlength="250" '
                f'autocomplete="email"></label></p><p><button class="mc-main">{escape(words("send"))}'
                "</button></p></form>"
            )
        return _page(words, 200, words("title"), inner)

    async def _write(self, site: Site, email: str, words: Words) -> None:
        """Have a letter with the link sent, where there is something of that address; not often."""
        try:
            self._letters.take(f"{site.id} {email.lower()}")
        except TooFast:
            return
        if not await PrivacyData(site, self._database).of_mail(email):
            return
        body = msgspec.json.encode(Letter(email, words.language)).decode()
        await self._database.site(site.id).write(INSERT_LETTER, site.id, body)

    async def _grant(self, request: Request, site: Site, token: str, *, opened: bool) -> Grant | None:
        found = await self._links.read(token)
        return None if found is None or found.site != site.id or found.opened != opened else found

    async def _mine(self, request: Request, site: Site, words: Words) -> Response:
        tokens = request.args.get(b"token", [])
        token = tokens[0].decode("latin-1") if len(tokens) == 1 else ""
        grant = await self._grant(request, site, token, opened=False)
        if grant is None:
            return _dead(words)
        if request.method != b"POST":
            form = f'<form method="post"><p><button class="mc-main">{escape(words("open"))}</button></p></form>'
            return _page(words, 200, words("ask"), form)
        if not await PrivacyData(site, self._database).spend(grant):
            return _dead(words)
        opened = await self._links.token(site.id, email=grant.email, visitor=grant.visitor, opened=True)
        held = f'<input type="hidden" name="token" value="{escape(opened)}">'
        choices = "".join(
            f'<p><label><input type="radio" name="mode" value="{mode}"{" checked" if mode == "remove" else ""}> '
            f"{escape(words(label))}</label></p>"
            for mode, label in (("remove", "eraseRemove"), ("anonymise", "eraseAnonymise"))
        )
        return _page(
            words, 200, words("ask"),
            f'<form method="post" action="data">{held}<p><button class="mc-main">{escape(words("download"))}</button>'
            f'</p></form><h2>{escape(words("erase"))}</h2><form method="post" action="erase">{held}{choices}'
            f'<p>{escape(words("eraseStays"))}</p><p><label><input type="checkbox" name="sure" value="1" required> '
            f'{escape(words("eraseSure"))}</label></p><p><button>{escape(words("erase"))}</button></p></form>',
        )  # fmt: skip

    async def _data(self, request: Request, site: Site, words: Words) -> Response:
        grant = await self._grant(request, site, _form(request).get("token", ""), opened=True)
        if request.method != b"POST" or grant is None:
            return _dead(words)
        visitors = await PrivacyData(site, self._database).whose(grant)
        base, _ = own_address(self._context.own_url, request)
        return file_of(await data_of(self._database, site.id, visitors, self._held, base), site.id)

    async def _erase(self, request: Request, site: Site, words: Words) -> Response:
        sent = _form(request)
        grant = await self._grant(request, site, sent.get("token", ""), opened=True)
        if request.method != b"POST" or grant is None:
            return _dead(words)
        if sent.get("sure") != "1" or sent.get("mode") not in ("remove", "anonymise"):
            raise BadField("Say what to delete, and that you are sure.", field="sure")
        data = PrivacyData(site, self._database)
        visitors = await data.whose(grant)
        if not await data.spend(grant):
            return _dead(words)
        for visitor in visitors:
            await erase(self._erasures, site, visitor, sent["mode"], self._random)
        return _page(words, 200, words("eraseDone"), f"<p>{escape(words('eraseStays'))}</p>")


async def erase(erasures: Erasures, site: Site, visitor: int, mode: str, random: Any) -> None:
    """Forget a visitor; *mode* ``anonymise``: what they wrote stays, as nobody's."""
    if mode == "anonymise":
        await erasures.anonymise(site.id, visitor, random.getrandbits(62) | 1)
    else:
        await erasures.erase(site.id, visitor)


def _form(request: Request) -> dict[str, str]:
    raw = b"" if request.content is None else request.content.read(MOST_FORM)
    try:
        found = parse_qs(raw.decode("utf-8"), max_num_fields=20)
    except ValueError:
        raise BadField("The form can't be read.", field="body") from None
    return {name: values[-1] for name, values in found.items()}


def _dead(words: Words) -> Response:
    return _page(words, 410, words("ask"), f"<p>{escape(words('dead'))}</p>")


def _page(words: Words, status: int, title: str, inner: str) -> Response:
    answer = whole(words, title, f"<h1>{escape(title)}</h1>{inner}", status=status, headers=_HEADERS)
    answer.headers = [_PRIVATE if name == b"referrer-policy" else (name, value) for name, value in answer.headers]
    return answer
