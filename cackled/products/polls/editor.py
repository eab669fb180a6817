"""Polls as their owners make, change and watch them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cackled.clock import wall_time
from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.domain.errors import BadField, NotFound
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.events import Position
from cackled.products.polls import drafts, refusals
from cackled.products.polls.answers import MOST_OPTIONS, PollBody, PollChange
from cackled.products.polls.queries import (
    DECIDE_BURST,
    DECIDE_OPTION,
    NEXT_POLL,
    SAVE_POLL,
    SELECT_BREAKDOWN,
    SELECT_EXPORT,
    SELECT_POLLS,
)
from cackled.products.polls.service import Polls, poll_channel
from cackled.products.polls.whole import Whole, option_json

# Rows of an export that are given at once.
EXPORTED = 50_000


class PollEditor:
    """The polls of one site, for its staff."""

    def __init__(self, parts: ServiceParts, site: Site, now: Callable[[], float] = wall_time) -> None:
        self._site = site
        self._database = parts.database.site(site.id)
        self._polls = Polls(parts, site)
        self._evict = parts.evict
        self._now = now

    async def make(self, body: PollBody, by: str) -> tuple[int, int, Position]:
        """Make a poll; gives its id, its version and its position.

        Raises:
            BadField: a member can't be used.
        """
        members = drafts.new_poll(self._site, body, self._now())
        rows = await self._database.write(NEXT_POLL, self._site.id)
        return await self.save(int(rows[0][0]), 0, False, members, by)

    async def change(self, poll: int, change: PollChange, version: int) -> tuple[int, int, Position]:
        """Change a poll of *version*; as `make`.

        Raises:
            BadField: a member can't be used.
            Conflict: it was changed meanwhile, or it has votes and the change is more than they allow.
            NotFound: there is no such poll.
        """
        whole, _ = await self._polls.whole(poll)
        members, unvoted = drafts.changed_poll(self._site, whole, change, self._now())
        return await self.save(poll, version, unvoted, members, "")

    async def save(
        self, poll: int, version: int, unvoted: bool, members: dict[str, Any], by: str
    ) -> tuple[int, int, Position]:
        """Store all members of a poll: a new one where *version* is 0. *unvoted*: only if it has no votes."""
        channel = poll_channel(self._site, poll)
        text = msgspec.json.encode(members).decode()
        rows = await self._write(
            SAVE_POLL, poll, channel, str(poll), version, unvoted, text, by, self._hooked
        )
        seq, now = rows[0]
        return poll, now, self._wrote(poll, seq)

    @property
    def _hooked(self) -> bool:
        return bool(self._site.settings.webhook_url)

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        try:
            return await self._database.write(query, self._site.id, *args)
        except QueryFailed as error:
            raise refusals.find(error.sqlstate, error.message) or error from None

    def _wrote(self, poll: int, seq: int) -> Position:
        position = self._site.position(poll_channel(self._site, poll), seq)
        self._evict(position)
        return position

    async def decide(self, poll: int, option: int, shown: bool) -> Position:
        """Show a proposed option, or refuse it.

        Raises:
            NotFound: there is none that waits.
        """
        rows = await self._write(DECIDE_OPTION, poll, option, shown, MOST_OPTIONS, self._hooked)
        if rows[0][0] is None:
            raise NotFound("There is no such option that waits.", slug="not-found")
        return self._wrote(poll, rows[0][0])

    async def decide_burst(self, poll: int, network: str, minute: str, strike: bool) -> tuple[int, Position]:
        """Strike out the votes of a network within a minute, or count those held back; gives how many.

        Raises:
            BadField: the network or the minute is none.
        """
        try:
            rows = await self._database.write(
                DECIDE_BURST, self._site.id, poll, network, minute, strike, self._hooked
            )
        except QueryFailed as error:
            if error.sqlstate[:2] == "22":
                raise BadField("That is no network.", field="network") from None
            raise refusals.find(error.sqlstate, error.message) or error from None
        seq, count = rows[0]
        return count, self._wrote(poll, seq)

    async def polls(self, before: int | None, size: int) -> bytes:
        """Polls, the newest first, as JSON."""
        rows = await self._database.read(
            SELECT_POLLS, self._site.id, before, size, preference=ReadPreference.PRIMARY
        )
        return rows.rows[0][0].encode()

    async def results(self, poll: int) -> dict[str, Any]:
        """All of a poll: hidden counts, proposed options, votes by day and page, bursts.

        Raises:
            NotFound: there is no such poll.
        """
        whole, seq = await self._polls.whole(poll)
        rows = await self._database.read(
            SELECT_BREAKDOWN, self._site.id, poll, preference=ReadPreference.NEAREST
        )
        return {
            "id": whole.id,
            "version": whole.version,
            "kind": whole.kind,
            "question": whole.question,
            "explanation": whole.explanation,
            "quota": whole.quota,
            "burst": whole.burst,
            "voters": whole.voters,
            "removed": whole.removed,
            "options": [{**option_json(one, True, True), "state": one.state} for one in whole.options],
            "outcome": await self._polls.outcome(whole, seq),
            **msgspec.json.decode(rows.rows[0][0]),
        }

    async def export(self, poll: int, offset: int) -> str:
        """At most `EXPORTED` votes from the one with number *offset* on, in order of time, as CSV (RFC 4180).

        No row says who voted.

        Raises:
            NotFound: there is no such poll.
        """
        whole, _ = await self._polls.whole(poll)
        rows = await self._database.read(
            SELECT_EXPORT, self._site.id, poll, offset, EXPORTED, preference=ReadPreference.NEAREST
        )
        return table(whole, rows.rows)


_STATES = {1: "counted", 2: "held", 3: "removed"}
# A spreadsheet takes a field that begins like that for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(poll: Whole, rows: list[tuple[Any, ...]]) -> str:
    """Votes as CSV."""
    names = {int(one.id): one.text or f"option {one.id}" for one in poll.options}
    lines = ["time,changed,state,options,page,network"]
    for created, modified, state, options, origin, network in rows:
        chosen = " > ".join(names.get(one, str(one)) for one in options)
        fields = (created, modified, _STATES.get(state, ""), chosen, origin, network or "")
        lines.append(",".join(map(_field, fields)))
    return "\r\n".join(lines) + "\r\n"


def _field(text: str) -> str:
    if text.startswith(_FORMULA):
        text = f"'{text}"
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if any(one in text for one in ',"\r\n') else text
