"""Messages on their way into the database: those of one conversation in the order in which they came, those of
different conversations together.

Each commit waits for the disk, and commits that tell of something wait for each other besides. So what is said in other
conversations while some is being written goes there in one transaction; what comes while nothing is, goes at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.routing import SiteDatabase
from cackled.domain.write_batching import WriteQueues
from cackled.products.chat import queries, refusals

# Messages of one transaction, and transactions under way.
MOST = 32
WIDTH = 2
# Messages of a site, and of one conversation, that wait in a process; more are told to come again.
WAITING = 1_000
WAITING_EACH = 50


class Plain(Struct, frozen=True):
    """A message of words alone. ``tokens``: which token of the conversation its visitor showed; None for all others."""

    chat: int
    tokens: int | None
    sender: str
    account: int | None
    name: str
    address: str | None
    key: str
    text: str
    html: str
    seen: int | None


class Outgoing:
    """The messages of one site that wait to be written in this process."""

    def __init__(self, queues: WriteQueues, site: int, database: SiteDatabase) -> None:
        self._site = site
        self._database = database
        # One after the other in each conversation, so that none overtakes another.
        self._turns = queues.named("chat.turns", most=1, bound=WAITING_EACH, pause=0.0)
        self._gathered = queues.named("chat.say", most=MOST, bound=WAITING, pause=0.0, width=WIDTH)

    async def in_turn(self, chat: int, work: Callable[[], Awaitable[Any]]) -> Any:
        """Run *work* when all that came before it in the conversation has ended; gives its result.

        Raises:
            Busy: too much waits there; and what *work* raises.
        """
        return await self._turns.add((self._site, chat), work, _one)

    async def say(self, one: Plain, only: bool) -> tuple[Any, ...] | None:
        """Write a message: its JSON text, its seq, and whether it was there already.

        *only*: none but the assignee answers. None: more changes with it than a message, or its conversation is being
        written at the moment; it is not written.

        Raises:
            Refused: the conversation takes no such message, or has none of the token.
        """
        found = await self._gathered.add((self._site, only), one, partial(self._write, only))
        message, seq, old, refused = found
        if refused is None:
            return message, seq, old
        if refused == "alone":
            return None
        state, _, reason = refused.partition(" ")
        raise refusals.find(state, reason) or QueryFailed(state, reason)

    async def _write(self, only: bool, items: list[Plain]) -> list[Any]:
        """A row for each message, or the error that it is to be answered with."""
        try:
            return await self._send(only, items)
        except QueryFailed as error:
            # None was written. Whose fault that is shows when each is written by itself.
            if len(items) == 1:
                return [error]
        answers: list[Any] = []
        for item in items:
            try:
                answers += await self._send(only, [item])
            except Exception as error:
                answers.append(error)
        return answers

    async def _send(self, only: bool, items: list[Plain]) -> list[Any]:
        columns = [[getattr(item, name) for item in items] for name in Plain.__struct_fields__]
        rows: list[Any] = await self._database.write(queries.SAY_SEVERAL, self._site, only, *columns)
        return rows


async def _one(items: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    return [await items[0]()]
