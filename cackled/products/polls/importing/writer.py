"""Writes polls and ballots of our own exports: in batches, unheard until a poll is whole."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.domain.site import Site
from cackled.events import Position
from cackled.importing.formats import Parts, Ready, Spooled, Target, Written
from cackled.importing.records import Item, Left
from cackled.importing.values import is_number
from cackled.products.polls.importing.drafts import poll_of
from cackled.products.polls.importing.record import ImportedBallot, ImportedPoll

PRODUCT_NAME = "polls"
PLACE_POLLS = Query(
    "place_imported_polls", "select id, number, fresh from place_imported_polls($1, $2, $3, $4, $5)",
    ("int", "text", "text[]", "bigint[]", "text[]"),
)  # fmt: skip
IMPORT_POLLS = Query(
    "import_polls", "select added, present from import_polls($1, $2, $3, $4)", ("int", "bigint", "text", "text")
)
SETTLE_POLLS = Query("settle_polls", "select channel, seq from settle_polls($1, $2)", ("int", "bigint[]"))
UNDO_POLLS = Query(
    "undo_import_of_polls", "select channel, seq from undo_import_of_polls($1, $2, $3)", ("int", "bigint", "int")
)
# Of the ids of a file: polls that were imported before or are here themselves, and the ballots of those.
COUNT_PRESENT = Query(
    "count_imported_polls_present",
    """
    select count(*)::int from unnest($3::text[]) e (id)
    where exists (select from import_item i where i.site_id = $1 and i.product = 'polls' and i.source = $2
        and i.external_id = split_part(e.id, ' ', 1))
      or exists (select from poll p where p.site_id = $1
        and p.id = case when split_part(e.id, ' ', 1) ~ '^[0-9]{1,18}$' then split_part(e.id, ' ', 1)::bigint end)
    """,
    ("int", "text", "text[]"),
)
# Polls of one step of taking back: each may have many ballots.
UNDO_AT_ONCE = 20
_ENCODER = msgspec.json.Encoder()


class PollWriter:
    """The `cackled.importing.formats.Writer` of polls."""

    def __init__(self, parts: Parts, site: Site) -> None:
        self._site = site
        self._source = parts.source
        self._key = parts.key
        self._database = parts.database.site(site.id)

    def channel(self, key: str) -> int:
        """The channel of a poll of that number."""
        return self._site.channel(PRODUCT_NAME, key)

    def prepare(self, item: Item) -> Ready | Left:
        """A poll, or a ballot, as it is stored."""
        if isinstance(item, ImportedBallot):
            return Ready(_ENCODER.encode(self._ballot(item)))
        assert isinstance(item, ImportedPoll)
        made = poll_of(self._site, item.line, own=item.own)
        if made is None:
            return Left(reason="broken", id=item.id)
        return Ready(_ENCODER.encode(made | {"own": item.own}))

    def _ballot(self, item: ImportedBallot) -> dict[str, Any]:
        whose = self._key.open(item.parent, item.sealed) if self._key is not None else None
        voter, visitor, origin = (*(whose or "").split("\n", 2), "", "", "")[:3]
        if not voter:
            # Of another server: nobody can be found by it, and it stays one.
            voter, visitor = "i" + blake2b(item.sealed.encode(), digest_size=20).hexdigest(), item.visitor
        return {
            "b": True, "voter": voter, "visitor": visitor if is_number(visitor) else None, "origin": origin,
            "options": item.options, "state": item.state, "modified": item.modified,
        }  # fmt: skip

    def missing(self, id: str, page: str, created: float) -> Ready | None:
        """Nothing: a ballot of no poll is none."""
        return None

    async def present(self, ids: Sequence[str]) -> int:
        """How many of these ids are there already."""
        rows = await self._database.read(
            COUNT_PRESENT, self._site.id, self._source, list(ids), preference=ReadPreference.PRIMARY
        )
        return int(rows.rows[0][0])

    async def write(self, run: int, pages: Sequence[Target], items: Sequence[Spooled]) -> Written:
        """Store *items* in one transaction. A poll keeps its number where nobody has that."""
        known = [(one, msgspec.json.decode(one.stored)) for one in items]
        polls = [(one, stored) for one, stored in known if "b" not in stored]
        places: dict[str, tuple[int, bool]] = {}
        if polls:
            rows = await self._database.write(
                PLACE_POLLS, self._site.id, self._source, [one.id for one, _ in polls],
                [one.number if stored["own"] else 0 for one, stored in polls],
                [stored["question"] for _, stored in polls],
            )  # fmt: skip
            places = {row[0]: (row[1], row[2]) for row in rows}
        told = []
        for one, stored in known:
            placed: dict[str, Any] = {
                "id": one.id, "c": str(one.channel), "d": one.depth, "n": str(one.number), "t": one.created,
                "of": one.parent or one.id.partition(" ")[0],
            }  # fmt: skip
            if one.id in places:
                number, fresh = places[one.id]
                key = str(number)
                placed |= {"number": key, "fresh": fresh, "channel": str(self.channel(key)), "key": key}
            told.append(placed | stored)
        rows = await self._database.write(
            IMPORT_POLLS, self._site.id, run, self._source, _ENCODER.encode(told).decode()
        )
        return Written(*rows[0])

    async def settle(self, run: int, channels: Sequence[int]) -> Sequence[Position]:
        """Count the ballots of polls, and tell whoever looks at them."""
        rows = await self._database.write(SETTLE_POLLS, self._site.id, list(channels))
        return [self._site.position(channel, seq) for channel, seq in rows]

    async def undo(self, run: int, most: int) -> tuple[Sequence[Position], bool]:
        """Take some polls of a run back, with all their ballots."""
        rows = await self._database.write(UNDO_POLLS, self._site.id, run, min(most, UNDO_AT_ONCE))
        more = bool(rows) and rows[-1][0] is None
        return [self._site.position(channel, seq) for channel, seq in rows[: len(rows) - more]], more
