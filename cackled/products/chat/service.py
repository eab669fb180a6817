"""Conversations, as their visitors see them and write in them. Built with a site, like all services.

A conversation is a channel of its own. Its number is random, and told to its visitor and to operators alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from cackled.cache.types import Loaded
from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.domain import text
from cackled.domain.addresses import stored_address
from cackled.domain.errors import Conflict, Forbidden, NotFound, Unprocessable
from cackled.domain.parts import ServiceParts
from cackled.domain.pictures import check_same_pictures, kept_picture, own_pictures
from cackled.domain.site import Site
from cackled.products.chat import queries, refusals
from cackled.products.chat.answers import Original, PageBody, StartBody, VisitBody
from cackled.products.chat.forms import Field, Setup
from cackled.products.chat.saying import Outgoing, Plain
from cackled.products.chat.settings import ChatSettings

PRODUCT_NAME = "chat"
# Seconds for which it is remembered whether somebody is there.
STATUS_TTL = 2.0
MOST_FIELDS = 20
ONLINE = 2
_MAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")


class Found(Struct, frozen=True):
    """A conversation: JSON text for its visitor, the newest seq of its channel, and whose it is."""

    chat: str
    seq: int
    channel: int
    visitor: int
    name: str
    state: str
    assignee: int | None
    tokens: int = 0
    person: str = ""


class Written(Struct, frozen=True):
    """A message as JSON text, the seq of its event, and whether it was there already."""

    message: str
    seq: int
    old: bool = False


class DepartmentState(Struct, frozen=True):
    """A department: ``state`` as that of `Status`, ``hours`` as JSON text (``""``: those of the site); ``version`` of
    all but ``state``."""

    id: str
    name: str
    hours: str
    skills: list[str]
    state: int
    version: int


class Status(Struct, frozen=True):
    """Whether somebody is there: ``state`` is 0 (nobody), 1 (away) or 2 (online). ``starts``: of the last minute."""

    state: int
    departments: list[DepartmentState]
    starts: int
    seq: int


def check_form(fields: list[Field], body: StartBody) -> None:
    """See that what a form asks for was sent.

    Raises:
        Unprocessable: it was not.
    """
    given = {"name": body.name, "mail": body.mail, "department": body.department, **body.fields}
    for one in fields:
        value = given.get(one.name, "").strip()
        if one.required and not value:
            raise Unprocessable(f"Fill in: {one.label}", slug="required", field=one.name)
        if value and one.kind == "choice" and value not in one.options:
            raise Unprocessable(f"Choose one of what is offered: {one.label}", field=one.name)
        if value and one.kind == "mail" and not _MAIL.fullmatch(value):
            raise Unprocessable(f"That is no address of mail: {one.label}", field=one.name)


def _page(page: PageBody) -> dict[str, str]:
    url = page.url if page.url.startswith(("http://", "https://")) else ""
    return {"url": url, "title": text.clean_words(page.title, 200)}


def _lines(values: dict[str, str], field: str) -> dict[str, str]:
    if len(values) > MOST_FIELDS or any(len(name) > 60 for name in values):
        raise Unprocessable(f"At most {MOST_FIELDS} fields, with names of at most 60 characters.", field=field)
    return {text.clean_words(name, 60): text.clean_words(value, 2_000) for name, value in values.items()}


class Chats:
    """The conversations of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self.settings = site.product(ChatSettings)
        self._database = parts.database.site(site.id)
        self._cache = parts.cache
        self._evict = parts.evict
        self._signal = parts.signal
        self._all = parts.database
        self._outgoing = Outgoing(parts.queues, site.id, self._database)
        # Where it is told whether somebody is there.
        self.channel = status_channel(site)

    async def status(self) -> Status:
        """Whether somebody is there, and in which departments.

        Seconds old at most; anew at once when it was told that somebody comes or goes.
        """

        async def load(fresh: bool) -> Loaded:
            preference = ReadPreference.PRIMARY if fresh else ReadPreference.PRIMARY_PREFERRED
            rows = await self._database.read(queries.SELECT_STATUS, self._site.id, self.channel, preference=preference)
            return Loaded(msgspec.json.encode(list(rows.rows[0][:3])), int(rows.rows[0][3]))

        found = await self._cache.get(self._site.group(self.channel), "status", load, ttl=STATUS_TTL)
        state, departments, starts = msgspec.json.decode(found.value)
        return Status(int(state), msgspec.json.decode(departments, type=list[DepartmentState]), starts, found.seq)

    def typing(self, channel: int, by: str, name: str, who: str) -> None:
        """Tell whoever listens to a conversation that somebody is typing. Nothing keeps that."""
        self._signal(self._site.id, channel, "typing", {"by": by, "name": name[:60], "id": who})

    async def start(
        self, visitor: int, body: StartBody, address: str | None, agent: str, number: int, channel: int,
        *, there: int = ONLINE, setup: Setup, country: str = "",
    ) -> tuple[int, int, int, str, int | None]:
        """Begin a conversation under the random *number*, in the random *channel*, unless its key began one before.

        Gives its number, channel, seq, state and place in the queue. *there*: whether somebody is (as `Status`), within
        the opening hours; *setup*: what visitors are asked; *country*: where they seem to be.

        Raises:
            Refused: chat is off, nobody is there, consent is missing, the visitor is banned or has too many open.
        """
        if not self.settings.enabled:
            raise Forbidden("This site has no chat.", slug="chat-off")
        if (setup.consent or self.settings.consent) and not body.consent:
            raise Unprocessable("Agree to the terms first.", slug="consent", field="consent")
        if there != ONLINE and not self.settings.offline:
            raise Conflict("Nobody is there at the moment.", slug="nobody-there")
        check_form(setup.before if there == ONLINE else setup.offline, body)
        about = {
            "name": text.clean_words(body.name, 60), "mail": body.mail.strip() if "@" in body.mail else "",
            "department": body.department, "language": text.clean_words(body.language, 20),
            "agent": text.clean_words(agent, 300), "fields": _lines(body.fields, "fields"),
            "attributes": _lines(body.attributes, "attributes"),
            "trail": [_page(body.page)] if body.page.url else [],
            "referrer": _page(PageBody(body.page.referrer))["url"],
            "country": country, "bot": self.settings.bot, "consent": body.consent, "keep_days": self.settings.keep_days,
            "mail_seconds": self.settings.mail_minutes * 60, "offer_seconds": self.settings.offer_seconds,
        }  # fmt: skip
        clean, html = self._rendered(body.text) if body.text.strip() else ("", "")
        rows = await self._write(
            queries.START_CHAT, number, channel, visitor, body.key, stored_address(address), there != ONLINE,
            msgspec.json.encode(about).decode(), clean, html,
        )  # fmt: skip
        found = rows[0]
        self._evict(self._site.position(found[1], found[2]))
        return int(found[0]), int(found[1]), int(found[2]), str(found[3]), found[4]

    async def find(self, chat: int) -> Found:
        """A conversation, as the primary has it.

        Raises:
            NotFound: there is none.
        """
        rows = await self._database.read(
            queries.SELECT_CHAT, self._site.id, chat, preference=ReadPreference.PRIMARY_PREFERRED
        )
        if not rows.rows:
            raise no_chat()
        return Found(*rows.rows[0])

    async def messages(
        self, chat: int, since: int, before: int, size: int, notes: bool
    ) -> tuple[list[str], int, bool]:
        """Messages as JSON, oldest first: those after *since*, or the newest below *before* (0: the newest of all).

        Gives them, the newest seq of the channel, and whether there are more. *notes*: with what only operators see.
        """
        rows = await self._database.read(
            queries.SELECT_MESSAGES, self._site.id, chat, since, before, size + 1, notes,
            preference=ReadPreference.PRIMARY_PREFERRED,
        )  # fmt: skip
        if not rows.rows:
            raise no_chat()
        found = [row[0] for row in rows.rows if row[0] is not None]
        more = len(found) > size
        if more:
            found = found[:size] if since else found[1:]
        return found, int(rows.rows[0][1]), more

    async def say(
        self, chat: int, sender: str, account: int, name: str, tokens: int | None, body: str, key: str,
        *, address: str | None = None, seen: int | None = None, files: Sequence[str] = (),
        quick: Sequence[str] = (), original: Original | None = None,
    ) -> Written:  # fmt: skip
        """Say something as a visitor, an operator or a bot. The same *key* again gives what was said first.

        *tokens*: which of the conversation's tokens its visitor showed (None of others); *files*: ids of pictures of
        the sender's own; *quick*: answers that the other side may choose from; *original*: what the operator wrote
        before it was translated.

        Raises:
            Refused: there is no such conversation, or none of that token; it is closed, the visitor banned; of an
                operator: something newer than *seen* is there, or a colleague has it.
        """
        if files:
            # Who is nobody there has no picture looked for.
            await self._talker(chat, tokens)
        clean, html = self._rendered(body) if body.strip() or not files else ("", "")
        choices = [one for one in (text.clean_words(one, 60) for one in quick) if one]
        plain = Plain(
            chat, tokens, sender, account if sender == "operator" else None, name, stored_address(address), key, clean,
            html, seen,
        )  # fmt: skip
        simple = not files and not choices and original is None

        async def write() -> Written:
            if simple:
                said = await self._outgoing.say(plain, self.settings.assignee_only)
                if said is not None:
                    return Written(*said)
            return await self._say(plain, list(files), choices, original)

        written: Written = await self._outgoing.in_turn(chat, write)
        return written

    async def _talker(self, chat: int, tokens: int | None) -> Found:
        """The conversation, for whoever showed that token of it."""
        found = await self.find(chat)
        if tokens is not None and tokens != found.tokens:
            raise no_chat()
        return found

    async def _say(self, one: Plain, files: list[str], choices: list[str], original: Original | None) -> Written:
        """Say it by itself, whatever changes with it."""
        visitor, name = None, one.name
        if one.sender == "visitor":
            found = await self._talker(one.chat, one.tokens)
            visitor, name = found.visitor, found.name
        shown = await self._pictures(one.chat, one.sender, visitor, one.account, files, one.key)
        said = (
            one.chat, one.sender, visitor, one.account, name, one.address, one.key, one.text, one.html, one.seen,
            self.settings.assignee_only, shown, choices,
        )  # fmt: skip
        if original is None:
            rows = await self._write(queries.SAY, *said)
        else:
            languages = original.to.lower(), original.language.lower()
            rows = await self._write(queries.SAY_TRANSLATED, *said, *languages, original.text)
        written = Written(*rows[0])
        if written.old:
            check_same_pictures(written.message, "files", files)
        return written

    async def picture(self, name: str, visitor: int | None, account: int | None) -> dict[str, Any]:
        """A picture, or another file, that was just added."""
        return (await own_pictures(self._all, self._site, visitor, "", [name], account, files=True))[0]

    async def file(self, chat: int, number: str, visitor: int | None, account: int | None) -> dict[str, Any]:
        """A picture or file of the conversation, or one that the caller has not sent yet, as a message has it.

        Raises:
            NotFound: there is none.
        """
        found = await self._database.read(
            queries.SELECT_FILE, self._site.id, chat, number, visitor, account, preference=ReadPreference.PRIMARY
        )
        if not found.rows:
            raise NotFound("There is no such file.", slug="message")
        return kept_picture(self._site.id, found.rows[0])

    async def _pictures(
        self, chat: int, sender: str, visitor: int | None, account: int | None, ids: list[str], key: str
    ) -> str:
        """What is kept of the pictures of a message, as JSON.

        Raises:
            Unprocessable: one is not the sender's to show, and this message was not written before.
        """
        try:
            found = await own_pictures(self._all, self._site, visitor, "", ids, account, files=True)
        except Unprocessable:
            said = (self._site.id, chat, sender, key)
            if not (await self._database.read(queries.SELECT_SAID, *said, preference=ReadPreference.PRIMARY)).rows:
                raise
            found = []
        return msgspec.json.encode(found).decode()

    async def change(
        self, chat: int, message: int, visitor: int | None, account: int | None, new: str | None
    ) -> Written:
        """Edit a message of one's own, or (*new* None) delete it.

        Raises:
            Refused: it is another's, too old, or not there.
        """
        clean, html = (None, None) if new is None else self._rendered(new)
        rows = await self._write(
            queries.CHANGE_MESSAGE, chat, message, visitor, account, clean, html, self.settings.edit_seconds
        )
        return Written(*rows[0])

    async def read(self, chat: int, by: str, seq: int) -> int | None:
        """Note that one side has read up to *seq*; None where that was known."""
        found = await self._write(queries.READ_CHAT, chat, by, seq)
        return None if found[0][0] is None else int(found[0][0])

    async def close(self, chat: int, by: str, reason: str = "", state: str = "closed") -> int:
        """Close a conversation."""
        rows = await self._write(queries.CLOSE_CHAT, chat, by, state, text.clean_words(reason, 200))
        return int(rows[0][0])

    async def rate(self, chat: int, score: int, opinion: str) -> int:
        """Note what the visitor thinks of it.

        Raises:
            Refused: the site does not ask.
        """
        if not self.settings.rating:
            raise Forbidden("This site asks for no ratings.", slug="chat-off")
        clean = text.clean_text(opinion, 2_000) if opinion.strip() else ""
        return int((await self._write(queries.RATE_CHAT, chat, score, clean))[0][0])

    async def visit(self, chat: int, body: VisitBody) -> None:
        """Note where the visitor is, and what the site says of them."""
        page = None if body.page is msgspec.UNSET else msgspec.json.encode(_page(body.page)).decode()
        given = _lines({name: value or "" for name, value in body.attributes.items()}, "attributes")
        gone = {text.clean_words(name, 60) for name, value in body.attributes.items() if value is None}
        attributes = {name: None if name in gone else value for name, value in given.items()}
        tags = None if body.tags is msgspec.UNSET else sorted({text.clean_words(one, 40) for one in body.tags} - {""})
        if page is not None or attributes or tags is not None:
            more = msgspec.json.encode(attributes).decode() if attributes else None
            await self._write(queries.VISIT_CHAT, chat, page, more, tags)

    def _rendered(self, raw: str) -> tuple[str, str]:
        clean = text.clean_text(raw, self.settings.max_length)
        return clean, text.render(clean)

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        return await write(self._database, query, self._site.id, *args)


async def write(database: Any, query: Query, *args: Any) -> list[tuple[Any, ...]]:
    """Run a function that changes something.

    Raises:
        Refused: it refused.
    """
    try:
        rows: list[tuple[Any, ...]] = await database.write(query, *args)
        return rows
    except QueryFailed as error:
        refused = refusals.find(error.sqlstate, error.message)
        if refused is None:
            raise
        raise refused from None


def status_channel(site: Site) -> int:
    """Where visitors are told whether somebody is there."""
    return site.channel(PRODUCT_NAME, "chat")


def no_chat() -> NotFound:
    """There is no such conversation, or not for the caller."""
    return NotFound("There is no such conversation.", slug="chat")
