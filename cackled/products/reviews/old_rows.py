"""Reviews as Cackle's scripts and servers know them, and reviews that a server sends as Cackle's import takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cackled.clock import wall_time
from cackled.database.query import Query, ReadPreference
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.page_keys import fit
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.importing.formats import Parts, Ready, Spooled, Target
from cackled.importing.records import Left

SOURCE = "cackle-reviews"
ORDERS = {
    ("id", "desc"): "new", ("id", "asc"): "old", ("star", "desc"): "high", ("star", "asc"): "low",
    ("up", "desc"): "helpful", ("up", "asc"): "helpful",
}  # fmt: skip
# What changed at a time or later, deleted ones too.
SELECT_CHANGED = Query(
    "select_changed_reviews",
    """
    select review_old_row(r, h), host(r.ip), extract(epoch from r.modified_at) * 1000 from review r
    join channel h on h.site_id = $1 and h.id = r.channel_id
    where r.site_id = $1 and r.kind = 0 and r.modified_at >= to_timestamp($2)
      and ($3::bigint is null or r.channel_id = $3)
    order by r.modified_at, r.id limit $4 offset $5
    """,
    ("int", "float8", "bigint", "int", "int"),
)
SELECT_ROW = Query(
    "select_old_review",
    """
    select review_old_row(r, h) from review r join channel h on h.site_id = $1 and h.id = r.channel_id
    where r.site_id = $1 and r.id = any($2) and r.status = 1
    """,
    ("int", "bigint[]"),
)


class OldReviews:
    """The reviews of one site, as Cackle gave and took them."""

    def __init__(self, parts: ServiceParts, site: Site, now: Callable[[], float] = wall_time) -> None:
        self._site = site
        self._parts = parts
        self._database = parts.database.site(site.id)
        self._now = now

    async def rows(self, ids: list[int]) -> list[dict[str, Any]]:
        """Reviews that are shown, in that order."""
        rows = await self._database.read(SELECT_ROW, self._site.id, ids, preference=ReadPreference.NEAREST)
        found = {row["id"]: row for row in (msgspec.json.decode(one[0], type=dict[str, Any]) for one in rows.rows)}
        return [found[one] for one in ids if one in found]

    async def changed(self, channel: int | None, since: float, most: int, offset: int) -> list[dict[str, Any]]:
        """Those that changed at *since* (seconds) or later, in the order of changes, with what only servers see."""
        rows = await self._database.read(
            SELECT_CHANGED, self._site.id, since, channel, most, offset, preference=ReadPreference.PRIMARY
        )
        return [
            msgspec.json.decode(row, type=dict[str, Any]) | {"ip": ip, "modified": int(at), "siteId": self._site.id}
            for row, ip, at in rows.rows
        ]

    async def take(self, given: dict[str, Any], who: str) -> tuple[int, int, int]:
        """The reviews of *given* (``chan, url, title, reviews``): how many are new, were there, can't come.

        Raises:
            BadField: the page can't be told.
        """
        # Few processes are ever asked.
        from cackled.importing import storable
        from cackled.importing.spool import number_of
        from cackled.importing.store import Runs
        from cackled.importing.values import id_of, text_of
        from cackled.products.reviews.importing.cackle import review_of
        from cackled.products.reviews.importing.writer import ReviewWriter

        named, url = text_of(given.get("chan")), text_of(given.get("url"))
        ref = check_channel(ChannelRef(self._site.key(fit(named.strip()), url), url, text_of(given.get("title"))))
        writer = ReviewWriter(Parts(database=self._parts.database, source=SOURCE), self._site)
        channel, now, left = writer.channel(ref.key), self._now(), 0
        spooled: dict[str, Spooled] = {}
        for one in given["reviews"]:
            id_ = id_of(one.get("id")) if isinstance(one, dict) else ""
            usable = storable.is_id(id_) and id_ not in spooled
            item = review_of(one, ref.key, id_, 0) if usable else None
            ready = None if item is None or isinstance(item, Left) else writer.prepare(item)
            if item is None or isinstance(item, Left) or not isinstance(ready, Ready):
                left += 1
                continue
            known = storable.moment(item.created)
            created = now if known is None else min(known, now)
            spooled[id_] = Spooled(
                len(spooled), channel, id_, "", id_, 0, number_of(created, id_), created, ready.shown, 0, 0,
                ready.stored,
            )  # fmt: skip
        if not spooled:
            return 0, 0, left
        runs = Runs(self._parts.database, self._site.id)
        told = msgspec.json.encode(sorted(spooled)).decode()
        run = await runs.add("reviews", SOURCE, SOURCE, f"post.json {ref.key}"[:200], who, False, {}, len(told))
        target = Target(channel, ref.key, ref.url, ref.title, False)
        written = await writer.write(run, [target], sorted(spooled.values(), key=lambda one: one.number))
        for position in await writer.settle(run, [channel]):
            self._parts.evict(position)
        await runs.note(run, state="done", items=len(spooled))
        return written.added, written.present, left
