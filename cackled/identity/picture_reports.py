"""Reports of the pictures that people show of themselves: made by visitors, listed and decided in the queue.

A picture that is kept stays, whoever reported it before; another reporter brings it back. One that is removed is gone
at once, from all nodes where it was uploaded here (`cackled.media`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.addresses import stored_address
from cackled.domain.errors import Forbidden, NotFound, Refusal, Refusals
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.moderation.items import (
    Author,
    Change,
    Claim,
    Deed,
    Detail,
    Found,
    Item,
    ItemPage,
    ItemPicture,
    Outcome,
    Report,
)

KIND, NAME = "picture", "identity"
STATES = ("pending", "approved", "spam", "rejected", "deleted")
# Points of a side, as `/avatar/` gives it.
SIDE = 160
MOST_REASON = 500
REFUSALS = (
    Refusal(state="CK404", reason="picture", error=NotFound, detail="They show no picture."),
    Refusal(state="CK403", reason="banned", error=Forbidden, detail="You can't report here."),
)
_find_refusal = Refusals(REFUSALS).find

_FINDS: dict[str, dict[str, Any]] = {
    "pending": {"states": [0]}, "approved": {"states": [1]}, "spam": {"states": [2]}, "rejected": {"states": [3]},
    "deleted": {"states": [4]}, "flagged": {"flagged": True}, "unseen": {"unseen": True}, "all": {},
}  # fmt: skip
_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"

FLAG_PICTURE = Query(
    "flag_picture", "select flag_picture($1, $2, $3, $4, $5)", ("int", "bigint", "bigint", "inet", "text")
)
FIND_REPORTS = Query("find_picture_reports", "select find_picture_reports($1, $2, $3)", ("int", "text", "int"))
SELECT_ITEMS = Query(
    "select_picture_items",
    f"""
    select r.id, r.version, r.status, r.seen, r.visitor_id, p.name, p.source = r.source,
      md5(r.source), to_char(r.created_at at time zone 'UTC', {_TIME}), r.n_flags, (
        select coalesce(json_agg(json_build_object(
          'visitor', f.visitor_id::text, 'reason', f.reason, 'at', to_char(f.created_at at time zone 'UTC', {_TIME}),
          'made', f.made, 'agreed', f.agreed)), '[]')::text
        from (
          select g.*,
            (select count(*) from picture_flag o where o.site_id = $1 and o.visitor_id = g.visitor_id) as made,
            (select count(*) from picture_flag o join picture_report q on q.site_id = $1 and q.id = o.report_id
             where o.site_id = $1 and o.visitor_id = g.visitor_id and q.status > 1) as agreed
          from picture_flag g where g.site_id = $1 and g.report_id = r.id order by g.created_at desc limit 10
        ) f where r.n_flags > 0),
      c.who, c.name, to_char(c.until at time zone 'UTC', {_TIME})
    from picture_report r cross join lateral pictured($1, r.visitor_id) p
    left join moderation_claim c on c.site_id = $1 and c.item = 'picture:' || r.id and c.until > now()
    where r.site_id = $1 and r.id = any($2)
    """,
    ("int", "bigint[]"),
)
SELECT_HISTORY = Query(
    "select_picture_history",
    f"""
    select to_char(a.created_at at time zone 'UTC', {_TIME}), a.who, a.action, a.why, s.before
    from moderation_step s join moderation_action a on a.site_id = $1 and a.id = s.action_id
    where s.site_id = $1 and s.item = 'picture:' || $2::bigint and not s.undone order by a.id desc limit $3
    """,
    ("int", "bigint", "int"),
)
DECIDE_PICTURE = Query(
    "decide_picture", "select outcome, version, state from decide_picture($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "int", "text", "bigint", "text"),
)  # fmt: skip
UNDO_PICTURE = Query(
    "undo_picture", "select outcome, version, state from undo_picture($1, $2, $3, $4)",
    ("int", "bigint", "bigint", "text"),
)  # fmt: skip


class PictureReports:
    """Reporting pictures, on one site."""

    def __init__(self, database: Database, site: Site) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def report(self, visitor: int, by: int, address: str | None, reason: str) -> None:
        """Report the picture that *visitor* shows now.

        Raises:
            NotFound: they show none, or it is one's own. Forbidden: who reports is banned.
        """
        where = stored_address(address)
        try:
            await self._database.write(
                FLAG_PICTURE, self._site.id, visitor, by, where, clean_words(reason, MOST_REASON)
            )
        except QueryFailed as error:
            raise _find_refusal(error.sqlstate, error.message) or error from None


class PictureItems:
    """The reported pictures of one site, for its moderators."""

    product = NAME
    actions = frozenset(("approve", "reject", "spam", "delete", "seen", "unflag"))
    reasons: tuple[str, ...] = ()

    def __init__(self, database: Database, site: Site) -> None:
        self._site = site
        self._database = database.site(site.id)
        # Conditions that are no plain comparison use no index below row-level security.
        self._whole = database.of(site.id).system

    async def ids(
        self, found: Found, *, before: int | None = None, size: int = 50,
        preference: ReadPreference = ReadPreference.PRIMARY,
    ) -> list[int]:  # fmt: skip
        """The newest that match, by number, older than *before*."""
        find = _find(found, before)
        if find is None:
            return []
        rows = await self._whole.read(FIND_REPORTS, self._site.id, find, size, preference=preference)
        return [row[0] for row in rows.rows]

    async def count(
        self, found: Found, most: int, preference: ReadPreference = ReadPreference.PRIMARY
    ) -> int:
        """How many match, at most *most*."""
        return len(await self.ids(found, size=most, preference=preference))

    async def items(self, ids: list[int], preference: ReadPreference = ReadPreference.PRIMARY) -> list[Item]:
        """Those reports, in that order; what is not there is left out."""
        if not ids:
            return []
        rows = await self._database.read(SELECT_ITEMS, self._site.id, ids, preference=preference)
        by_id = {row[0]: self._item(row) for row in rows.rows}
        return [by_id[one] for one in ids if one in by_id]

    async def detail(self, id: int) -> Detail:
        """One, with what was decided.

        Raises:
            NotFound: there is none.
        """
        found = await self.items([id])
        if not found:
            raise NotFound("There is no such report.")
        return Detail(found[0], (), (), tuple(await self._history(id, 200)))

    async def _history(self, id: int, most: int) -> list[Change]:
        rows = await self._database.read(SELECT_HISTORY, self._site.id, id, most, preference=ReadPreference.PRIMARY)
        made: list[Change] = []
        for at, who, deed, why, step in rows.rows:
            told = msgspec.json.decode(step)
            before, after = ({"state": STATES[told[name]]} for name in ("status", "to"))
            made.append(Change(at, who, deed, why, before, after))
        return made

    async def below(self, id: int) -> list[int]:
        """Nothing hangs on a picture."""
        return []

    async def decide(self, id: int, version: int | None, deed: Deed) -> Outcome:
        """Do it, if it still has that version. Reports that are dismissed keep the picture."""
        action = "approve" if deed.action == "unflag" else deed.action
        rows = await self._database.write(
            DECIDE_PICTURE, self._site.id, id, version, action, deed.number, deed.name
        )
        made = _outcome(id, rows[0])
        if made.outcome == "conflict":
            history = await self._history(id, 1)
            made = msgspec.structs.replace(made, last=history[0] if history else None)
        return made

    async def undo(self, id: int, deed: Deed) -> Outcome:
        """Undo what an action did to it, if nothing was done since. An uploaded picture that was removed is gone."""
        return _outcome(
            id, (await self._database.write(UNDO_PICTURE, self._site.id, id, deed.number, deed.name))[0]
        )

    async def author(self, visitor: int, sections: tuple[str, ...] = ()) -> dict[str, Any]:
        """Nothing: others wrote these reports."""
        return {}

    def _item(self, row: tuple[Any, ...]) -> Item:
        (
            id_, version, status, seen, visitor, name, there, source, created, flags, reports, claimed_by, claimer,
            until,
        ) = row  # fmt: skip
        # A page that has shown another picture of theirs would show that one again, at the same address.
        address = f"/avatar/{self._site.id}/{visitor}?{source[:12]}"
        media = (ItemPicture("", address, address, "", SIDE, SIDE, ""),) if there else ()
        return Item(
            id=f"{KIND}:{id_}", version=version, state=STATES[status], product=NAME, seen=seen,
            author=Author(str(visitor), name, None), page=ItemPage("0", "", "", "", False), text="", html="",
            created=created, flags=flags, reports=_reports(reports or "[]"), media=media,
            claim=None if claimed_by is None else Claim(claimed_by, claimer, until),
        )  # fmt: skip


def _find(found: Found, before: int | None) -> str | None:
    """What the database function `find_picture_reports` takes; None: nothing can match.

    A picture has no words, no page and no address: what is looked for by these is none.
    """
    if found.words or found.phrases or found.pages or found.sections or found.addresses or found.mark:
        return None
    made: dict[str, Any] = dict(_FINDS[found.state])
    if found.visitor is not None:
        made["visitor"] = str(found.visitor)
    if found.ban is not None:
        kind, value = found.ban
        if kind in ("ip", "word"):
            return None
        made["visitor" if kind in ("visitor", "account") else f"ban_{kind}"] = value
    given = {
        "authors": found.authors, "since": found.since, "until": found.until, "days": found.days, "before": before,
        "after": found.after,
    }  # fmt: skip
    return msgspec.json.encode(made | {name: value for name, value in given.items() if value}).decode()


def _outcome(id: int, row: tuple[Any, ...]) -> Outcome:
    outcome, version, state = row
    return Outcome(id=id, outcome=outcome, version=version or 0, state=state or "")


_reports = msgspec.json.Decoder(tuple[Report, ...]).decode


def make(database: Database, site: Site) -> PictureItems:
    """The reported pictures of *site*, for its moderators."""
    return PictureItems(database, site)
