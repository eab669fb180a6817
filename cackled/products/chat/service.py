"""Conversations, as their visitors see them and write in them. Built with a site, like all services.

A conversation is a channel of its own. Its number is random, and told to its visitor and to operators alone.
"""

from __future__ import annotations

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
from cackled.domain.site import Site
from cackled.products.chat import queries, refusals
from cackled.products.chat.answers import PageBody, StartBody, VisitBody
from cackled.products.chat.settings import ChatSettings

PRODUCT_NAME = "chat"
# Seconds for which it is remembered whether somebody is there.
STATUS_TTL = 2.0
MOST_FIELDS = 20
ONLINE = 2


class Found(Struct, frozen=True):
    """A conversation: JSON text for its visitor, the newest seq of its channel, and whose it is."""

    chat: str
    seq: int
    channel: int
    visitor: int
    name: str
    state: str
    assignee: int | None


class Written(Struct, frozen=True):
    """A message as JSON text, the seq of its event, and whether it was there already."""

    message: str
    seq: int
    old: bool = False


def _page(page: PageBody) -> dict[str, str]:
    url = page.url if page.url.startswith(("http://", "https://")) else ""
    return {"url": url, "title": text.clean_words(page.title, 200)}


def _lines(values: dict[str, str], field: str) -> dict[str, str]:
    if len(values) > MOST_FIELDS or any(len(name) > 60 for name in values):
        raise Unprocessable(f"At most {MOST_FIELDS} fields, with names of at most 60 characters.", field=field)
    return {text.clean_words(name, 60): text.clean_words(value, 200) for name, value in values.items()}


class Chats:
    """The conversations of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self.settings = site.product(ChatSettings)
        self._database = parts.database.site(site.id)
        self._cache = parts.cache
        self._evict = parts.evict

    async def status(self) -> tuple[int, bytes]:
        """Whether somebody is there (0: nobody, 1: away, 2: online), and the departments as JSON; seconds old."""

        async def load(fresh: bool) -> Loaded:
            rows = await self._database.read(
                queries.SELECT_STATUS, self._site.id, preference=ReadPreference.PRIMARY_PREFERRED
            )
            return Loaded(msgspec.json.encode(list(rows.rows[0])), 0)

        found = await self._cache.get(("chat-status", self._site.id), "status", load, ttl=STATUS_TTL)
        state, departments = msgspec.json.decode(found.value)
        return int(state), departments.encode()

    async def start(
        self, visitor: int, body: StartBody, address: str | None, agent: str, number: int, channel: int,
        *, open_now: bool = True, consent: str = "",
    ) -> tuple[int, int, int, str, int | None]:
        """Begin a conversation under the random *number*, in the random *channel*, unless its key began one before.

        Gives its number, channel, seq, state and place in the queue. *open_now*: it is within the opening hours;
        *consent*: what visitors agree to, besides the setting.

        Raises:
            Refused: chat is off, nobody is there, consent is missing, the visitor is banned or has too many open.
        """
        if not self.settings.enabled:
            raise Forbidden("This site has no chat.", slug="chat-off")
        if (consent or self.settings.consent) and not body.consent:
            raise Unprocessable("Agree to the terms first.", slug="consent", field="consent")
        state, _ = await self.status()
        state = state if open_now else 0
        if state != ONLINE and not self.settings.offline:
            raise Conflict("Nobody is there at the moment.", slug="nobody-there")
        about = {
            "name": text.clean_words(body.name, 60), "mail": body.mail.strip() if "@" in body.mail else "",
            "department": body.department, "language": text.clean_words(body.language, 20),
            "agent": text.clean_words(agent, 300), "fields": _lines(body.fields, "fields"),
            "attributes": _lines(body.attributes, "attributes"),
            "trail": [_page(body.page)] if body.page.url else [],
            "referrer": _page(PageBody(body.page.referrer))["url"],
            "consent": body.consent, "keep_days": self.settings.keep_days,
        }  # fmt: skip
        clean, html = self._rendered(body.text) if body.text.strip() else ("", "")
        rows = await self._write(
            queries.START_CHAT, number, channel, visitor, body.key, stored_address(address), state != ONLINE,
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
        self, chat: int, sender: str, who: int, name: str, body: str, key: str, *, address: str | None = None,
        seen: int | None = None,
    ) -> Written:
        """Say something as a visitor or an operator. The same *key* again gives what was said first.

        Raises:
            Refused: the conversation is closed, the visitor banned; of an operator: something newer than *seen* is
                there, or a colleague has it.
        """
        clean, html = self._rendered(body)
        visitor, account = (who, None) if sender == "visitor" else (None, who)
        rows = await self._write(
            queries.SAY, chat, sender, visitor, account, name, stored_address(address), key, clean, html, seen,
            self.settings.assignee_only,
        )  # fmt: skip
        return Written(*rows[0])

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
        attributes = _lines(body.attributes, "attributes")
        if page is not None or attributes:
            more = msgspec.json.encode(attributes).decode() if attributes else None
            await self._write(queries.VISIT_CHAT, chat, page, more)

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


def no_chat() -> NotFound:
    """There is no such conversation, or not for the caller."""
    return NotFound("There is no such conversation.", slug="chat")
