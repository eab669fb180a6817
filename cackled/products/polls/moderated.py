"""What the moderators' queue can list of options that visitors propose, and do with them."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import NotFound
from cackled.domain.site import Site
from cackled.moderation.items import Author, Change, Claim, Deed, Detail, Found, Item, ItemPage, Mark, Outcome
from cackled.products.polls.answers import MOST_OPTIONS
from cackled.products.polls.proposals import KIND, STATES, judged_html
from cackled.products.polls.service import PRODUCT_NAME

# Nobody reports options.
_FINDS: dict[str, dict[str, Any]] = {
    "pending": {"states": [0]}, "approved": {"states": [1]}, "spam": {"states": [2]}, "rejected": {"states": [3]},
    "deleted": {"states": [4]}, "flagged": {"states": []}, "unseen": {"unseen": True}, "all": {},
}  # fmt: skip
_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"

FIND_PROPOSALS = Query("find_proposals", "select find_proposals($1, $2, $3)", ("int", "text", "int"))
SELECT_ITEMS = Query(
    "select_proposal_items",
    f"""
    select o.item, o.version, o.status, o.seen, p.channel_id, p.id, p.question, poll_state(p), o.proposer_id,
      coalesce(n.name, ''), to_char(o.created_at at time zone 'UTC', {_TIME}), o.text, o.marks, q.who, q.name,
      to_char(q.until at time zone 'UTC', {_TIME})
    from poll_option o join poll p on p.site_id = $1 and p.id = o.poll_id
    left join person n on n.site_id = $1 and n.visitor_id = o.proposer_id
    left join moderation_claim q on q.site_id = $1 and q.item = 'proposal:' || o.item and q.until > now()
    where o.site_id = $1 and o.item = any($2)
    """,
    ("int", "bigint[]"),
)
# Others that were proposed for the same poll.
SELECT_AROUND = Query(
    "select_around_proposal",
    """
    select x.item from poll_option me join poll_option x on x.site_id = $1 and x.poll_id = me.poll_id
      and x.item is not null and x.item <> me.item
    where me.site_id = $1 and me.item = $2 order by x.item desc limit 6
    """,
    ("int", "bigint"),
)
SELECT_HISTORY = Query(
    "select_proposal_history",
    f"""
    select to_char(a.created_at at time zone 'UTC', {_TIME}), a.who, a.action, a.why, s.before
    from moderation_step s join moderation_action a on a.site_id = $1 and a.id = s.action_id
    where s.site_id = $1 and s.item = 'proposal:' || $2::bigint and not s.undone order by a.id desc limit $3
    """,
    ("int", "bigint", "int"),
)
DECIDE_PROPOSAL = Query(
    "decide_proposal",
    "select outcome, version, state, seq, channel from decide_proposal($1, $2, $3, $4, $5, $6, $7, $8)",
    ("int", "bigint", "int", "text", "bigint", "text", "int", "boolean"),
)
UNDO_PROPOSAL = Query(
    "undo_proposal",
    "select outcome, version, state, seq, channel from undo_proposal($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "bigint", "text", "int", "boolean"),
)
SELECT_AUTHOR = Query(
    "select_proposal_author",
    f"""
    select coalesce((select n.name from person n where n.site_id = $1 and n.visitor_id = $2), ''),
      to_char(min(o.created_at) at time zone 'UTC', {_TIME}), to_char(max(o.created_at) at time zone 'UTC', {_TIME}),
      count(*) filter (where o.status = 0), count(*) filter (where o.status = 1), count(*) filter (where o.status = 2),
      count(*) filter (where o.status = 3), count(*) filter (where o.status = 4)
    from poll_option o where o.site_id = $1 and o.proposer_id = $2 and o.item is not null
      and (cardinality($3) = 0 or exists (select from unnest($3) s where starts_with(o.poll_id::text, s)))
    """,
    ("int", "bigint", "text[]"),
)

class ProposalItems:
    """The proposed options of one site, for its moderators."""

    product = PRODUCT_NAME
    actions = frozenset(("approve", "reject", "spam", "delete", "restore", "hold", "seen"))
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
        find = self._find(found, before)
        if find is None:
            return []
        rows = await self._whole.read(FIND_PROPOSALS, self._site.id, find, size, preference=preference)
        return [row[0] for row in rows.rows]

    async def count(
        self, found: Found, most: int, preference: ReadPreference = ReadPreference.PRIMARY
    ) -> int:
        """How many match, at most *most*."""
        return len(await self.ids(found, size=most, preference=preference))

    def _find(self, found: Found, before: int | None) -> str | None:
        """What the database function `find_proposals` takes; None: nothing can match."""
        made: dict[str, Any] = dict(_FINDS[found.state])
        if found.visitor is not None:
            made["visitor"] = str(found.visitor)
        if found.ban is not None:
            kind, value = found.ban
            if kind in ("visitor", "account"):
                made["visitor"] = value
            else:
                made[f"ban_{kind}"] = value
        # From which address an option was proposed is not kept.
        if found.addresses or "ban_ip" in made:
            return None
        if found.pages:
            made["pages"] = [str(self._site.channel(PRODUCT_NAME, self._site.key(page))) for page in found.pages]
        given = {
            "words": found.words, "phrases": found.phrases, "authors": found.authors, "mark": found.mark,
            "since": found.since, "until": found.until, "days": found.days, "before": before, "after": found.after,
            "sections": found.sections,
        }  # fmt: skip
        return msgspec.json.encode(made | {name: value for name, value in given.items() if value}).decode()

    async def items(self, ids: list[int], preference: ReadPreference = ReadPreference.PRIMARY) -> list[Item]:
        """Those proposals, in that order; what is not there is left out."""
        if not ids:
            return []
        rows = await self._database.read(SELECT_ITEMS, self._site.id, ids, preference=preference)
        by_id = {row[0]: _item(row) for row in rows.rows}
        return [by_id[one] for one in ids if one in by_id]

    async def detail(self, id: int) -> Detail:
        """One, with others of the same poll and what was decided.

        Raises:
            NotFound: there is none.
        """
        rows = await self._database.read(SELECT_AROUND, self._site.id, id, preference=ReadPreference.PRIMARY)
        found = {item.id: item for item in await self.items([id, *(row[0] for row in rows.rows)])}
        item = found.pop(f"{KIND}:{id}", None)
        if item is None:
            raise NotFound("There is no such proposal.")
        return Detail(item, (), tuple(found.values()), tuple(await self._history(id, 200)))

    async def _history(self, id: int, most: int) -> list[Change]:
        rows = await self._database.read(SELECT_HISTORY, self._site.id, id, most, preference=ReadPreference.PRIMARY)
        made: list[Change] = []
        for at, who, deed, why, step in rows.rows:
            told = msgspec.json.decode(step)
            before, after = ({"state": STATES[told[name]]} for name in ("status", "to"))
            made.append(Change(at, who, deed, why, before, after))
        return made

    async def below(self, id: int) -> list[int]:
        """Nothing hangs on an option."""
        return []

    async def decide(self, id: int, version: int | None, deed: Deed) -> Outcome:
        """Do it, if it still has that version."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(
            DECIDE_PROPOSAL, self._site.id, id, version, deed.action, deed.number, deed.name, MOST_OPTIONS, hooked
        )
        made = self._outcome(id, rows[0])
        if made.outcome == "conflict":
            history = await self._history(id, 1)
            made = msgspec.structs.replace(made, last=history[0] if history else None)
        return made

    async def undo(self, id: int, deed: Deed) -> Outcome:
        """Undo what an action did to it, if nothing was done since and nobody voted for it."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(
            UNDO_PROPOSAL, self._site.id, id, deed.number, deed.name, MOST_OPTIONS, hooked
        )
        return self._outcome(id, rows[0])

    def _outcome(self, id: int, row: tuple[Any, ...]) -> Outcome:
        outcome, version, state, seq, channel = row
        position = None if seq is None else self._site.position(channel, seq)
        return Outcome(id=id, outcome=outcome, version=version or 0, state=state or "", position=position)

    async def author(self, visitor: int, sections: tuple[str, ...] = ()) -> dict[str, Any]:
        """First seen, and counts by state."""
        rows = await self._database.read(
            SELECT_AUTHOR, self._site.id, visitor, list(sections), preference=ReadPreference.PRIMARY
        )
        name, first, last, *counts = rows.rows[0]
        if first is None:
            return {}
        by_state = {state: n for state, n in zip(STATES, counts, strict=True) if n}
        return {
            "name": name, "first_seen": first, "last_seen": last, "first_address": None, "address": None,
            "counts": by_state, "other_names": [], "trust": 0,
        }  # fmt: skip


_marks = msgspec.json.Decoder(tuple[Mark, ...]).decode


def _item(row: tuple[Any, ...]) -> Item:
    (
        id_, version, status, seen, channel, poll, question, state, proposer, name, created, text, marks, claimed_by,
        claimer, until,
    ) = row  # fmt: skip
    return Item(
        id=f"{KIND}:{id_}", version=version, state=STATES[status], product=PRODUCT_NAME, seen=seen,
        author=Author(str(proposer or 0), name, None),
        page=ItemPage(str(channel), str(poll), "", question, state == "closed"), text=text, html=judged_html(text),
        created=created, marks=_marks(marks) if marks else (),
        claim=None if claimed_by is None else Claim(claimed_by, claimer, until),
    )  # fmt: skip


def make(database: Database, site: Site) -> ProposalItems:
    """The proposed options of *site*, for its moderators."""
    return ProposalItems(database, site)
