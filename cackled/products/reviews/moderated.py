"""What the moderators' queue can list of reviews, and do with them.

Nothing changes what an author said. What is hidden needs one of the neutral reasons (`reasons.REASONS`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.addresses import stored_network
from cackled.domain.errors import NotFound
from cackled.domain.site import Site
from cackled.moderation.items import (
    Author,
    Change,
    Claim,
    Deed,
    Detail,
    Found,
    Item,
    ItemPage,
    Mark,
    Outcome,
    Report,
    avatar_in,
    pictures_of,
)
from cackled.products.reviews.reasons import REASONS
from cackled.products.reviews.settings import ReviewSettings

PRODUCT_NAME = "reviews"
_STATUSES = ("pending", "approved", "spam", "rejected", "deleted")
_FINDS: dict[str, dict[str, Any]] = {
    "pending": {"states": [0], "revised": True}, "approved": {"states": [1]}, "spam": {"states": [2]},
    "rejected": {"states": [3]}, "deleted": {"states": [4]}, "flagged": {"flagged": True}, "unseen": {"unseen": True},
    "all": {},
}  # fmt: skip
# Answers that go with a question.
MOST_BELOW = 2_000

FIND_REVIEWS = Query("find_reviews", "select find_reviews($1, $2, $3)", ("int", "text", "int"))
COUNT_FOUND_REVIEWS = Query("count_found_reviews", "select count_found_reviews($1, $2, $3)", ("int", "text", "int"))
SELECT_ITEMS = Query(
    "select_review_items",
    """
    select c.id, c.version, c.status, c.shadow, c.seen, c.featured, c.n_answers, c.n_flags, c.up, c.down,
      c.parent_id, c.channel_id, h.key, h.url, h.title, h.locked, c.visitor_id, c.author_name, host(c.ip),
      milli_text(c.created_at), milli_text(c.edited_at),
      concat_ws(E'\\n\\n', nullif(c.title, ''), nullif(c.pros, ''), nullif(c.cons, ''), nullif(c.src, '')), c.html,
      r.data,
      (select json_agg(json_build_object('mark', m.mark, 'score', round(m.score::numeric, 3), 'words', m.words)
                       order by m.score is null, m.mark)::text
       from review_mark m where m.site_id = $1 and m.review_id = c.id),
      (select json_agg(json_build_object(
         'visitor', f.visitor_id::text, 'reason', f.reason, 'at', milli_text(f.created_at), 'made', f.made,
         'agreed', f.agreed) order by f.created_at desc)::text
       from (
         select g.*, (select count(*) from review_flag o where o.site_id = $1 and o.visitor_id = g.visitor_id) as made,
           (select count(*) from review_flag o join review d on d.site_id = $1 and d.id = o.review_id
            where o.site_id = $1 and o.visitor_id = g.visitor_id and d.status > 1) as agreed
         from review_flag g where g.site_id = $1 and g.review_id = c.id and g.counted
         order by g.created_at desc limit 10
       ) f where c.n_flags > 0),
      q.who, q.name, milli_text(q.until), review_facts(c), c.media::text, r.data::json ->> 'media',
      c.author_extra
    from review c join channel h on h.site_id = $1 and h.id = c.channel_id
    left join review_revision r on r.site_id = $1 and r.review_id = c.id
    left join moderation_claim q on q.site_id = $1 and q.item = 'review:' || c.id and q.until > now()
    where c.site_id = $1 and c.id = any($2)
    """,
    ("int", "bigint[]"),
)
# The question of an answer, the answers of a question, and what its author said of other pages.
SELECT_AROUND = Query(
    "select_around_review",
    """
    select 'p', x.parent_id from review x where x.site_id = $1 and x.id = $2 and x.parent_id is not null
    union all
    (select 's', x.id from review x, review me where me.site_id = $1 and me.id = $2 and x.site_id = $1
       and x.parent_id = me.id order by x.id limit 6)
    union all
    (select 's', x.id from review x, review me where me.site_id = $1 and me.id = $2 and x.site_id = $1
       and x.visitor_id = me.visitor_id and x.id <> me.id and x.parent_id is distinct from me.id
     order by x.id desc limit 6)
    """,
    ("int", "bigint"),
)
SELECT_BELOW = Query(
    "select_below_review",
    "select id from review where site_id = $1 and parent_id = $2 and status <> 4 order by id desc limit $3",
    ("int", "bigint", "int"),
)
SELECT_HISTORY = Query(
    "select_review_history",
    """
    select milli_text(x.created_at), x.who, x.deed, x.why, x.before, x.after
    from review_change x where x.site_id = $1 and x.review_id = $2 order by x.id desc limit $3
    """,
    ("int", "bigint", "int"),
)
DECIDE_REVIEW = Query(
    "decide_review",
    "select outcome, version, state, seq, channel from decide_review($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "int", "text", "bigint", "text", "text", "text", "boolean"),
)
UNDO_REVIEW = Query(
    "undo_review",
    "select outcome, version, state, seq, channel from undo_review($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "bigint", "text", "text", "boolean"),
)
SELECT_AUTHOR = Query(
    "select_review_author",
    """
    with mine as materialized (
      select c.id, c.status, c.author_name, c.ip, c.created_at
      from review c join channel h on h.site_id = $1 and h.id = c.channel_id
      where c.site_id = $1 and c.visitor_id = $2
        and (cardinality($3) = 0 or exists (select from unnest($3) s where starts_with(h.key, s)))
      order by c.id desc limit 10000
    ), first as (select * from mine order by id limit 1), last as (select * from mine order by id desc limit 1)
    select last.author_name, milli_text(first.created_at), milli_text(last.created_at), host(first.ip), host(last.ip),
      (select json_object_agg(s.status, s.n)::text from (
         select m.status, count(*) as n from mine m group by m.status) s),
      extract(epoch from now() - first.created_at)::float8 / 86400
    from first, last
    """,
    ("int", "bigint", "text[]"),
)


class ReviewItems:
    """The reviews of one site, for its moderators."""

    product = PRODUCT_NAME
    actions = frozenset((
        "approve", "reject", "spam", "delete", "thread", "childless", "restore", "hold", "seen", "unflag", "feature",
        "unfeature", "incentivize", "unincentivize",
    ))  # fmt: skip
    reasons: tuple[str, ...] = REASONS

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
        rows = await self._whole.read(
            FIND_REVIEWS, self._site.id, self._find(found, before), size, preference=preference
        )
        return [row[0] for row in rows.rows]

    async def count(
        self, found: Found, most: int, preference: ReadPreference = ReadPreference.PRIMARY
    ) -> int:
        """How many match, at most *most*."""
        rows = await self._whole.read(
            COUNT_FOUND_REVIEWS, self._site.id, self._find(found, None), most, preference=preference
        )
        return int(rows.rows[0][0])

    def _find(self, found: Found, before: int | None) -> str:
        """What the database function `find_reviews` takes."""
        made: dict[str, Any] = dict(_FINDS[found.state])
        lexemes = [f"a:{name}" for name in found.authors]
        lexemes += [f"c:{self._site.channel(PRODUCT_NAME, self._site.key(page))}" for page in found.pages]
        if found.visitor is not None:
            made["visitor"] = found.visitor
        networks = [one for one in found.addresses if "/" in one]
        lexemes += [f"i:{one}" for one in found.addresses if "/" not in one]
        if found.ban is not None:
            kind, value = found.ban
            if kind == "ip":
                networks.append(stored_network(value))
            elif kind in ("visitor", "account"):
                made["visitor"] = int(value)
            else:
                made[f"ban_{kind}"] = value
        if networks:
            made["networks"] = networks
        if lexemes:
            made["lexemes"] = " & ".join(_quoted(one) for one in lexemes)
        given = {
            "words": found.words, "phrases": found.phrases, "mark": found.mark, "since": found.since,
            "until": found.until, "days": found.days, "before": before, "after": found.after,
            "sections": found.sections,
        }  # fmt: skip
        return msgspec.json.encode(made | {name: value for name, value in given.items() if value}).decode()

    async def items(self, ids: list[int], preference: ReadPreference = ReadPreference.PRIMARY) -> list[Item]:
        """Those reviews, in that order; what is not there is left out."""
        if not ids:
            return []
        rows = await self._database.read(SELECT_ITEMS, self._site.id, ids, preference=preference)
        settings = self._site.product(ReviewSettings)
        # What the ids within the facts are called.
        names = {one.id: one.name for one in (*settings.rated, *settings.chosen)}
        by_id = {row[0]: _item(row, names) for row in rows.rows}
        return [by_id[one] for one in ids if one in by_id]

    async def detail(self, id: int) -> Detail:
        """One, with everything.

        Raises:
            NotFound: there is none.
        """
        rows = (await self._database.read(SELECT_AROUND, self._site.id, id, preference=ReadPreference.PRIMARY)).rows
        parents = [row[1] for row in rows if row[0] == "p"]
        siblings = [row[1] for row in rows if row[0] == "s"]
        found = {item.id: item for item in await self.items([id, *parents, *siblings])}
        item = found.get(f"review:{id}")
        if item is None:
            raise NotFound("There is no such review.")
        return Detail(
            item,
            tuple(found[f"review:{one}"] for one in parents if f"review:{one}" in found),
            tuple(found[f"review:{one}"] for one in siblings if f"review:{one}" in found),
            tuple(await self._history(id, 200)),
        )

    async def _history(self, id: int, most: int) -> list[Change]:
        rows = await self._database.read(
            SELECT_HISTORY, self._site.id, id, most, preference=ReadPreference.PRIMARY
        )
        return [
            Change(at, who, deed, why, msgspec.json.decode(before or "{}"), msgspec.json.decode(after or "{}"))
            for at, who, deed, why, before, after in rows.rows
        ]

    async def below(self, id: int) -> list[int]:
        """The answers of a question."""
        rows = await self._database.read(
            SELECT_BELOW, self._site.id, id, MOST_BELOW, preference=ReadPreference.PRIMARY
        )
        return [row[0] for row in rows.rows]

    async def decide(self, id: int, version: int | None, deed: Deed) -> Outcome:
        """Do it, if it still has that version."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(
            DECIDE_REVIEW,
            self._site.id, id, version, deed.action, deed.number, deed.who, deed.name, deed.why, hooked,
        )  # fmt: skip
        return await self._told(id, self._outcome(id, rows[0]))

    async def undo(self, id: int, deed: Deed) -> Outcome:
        """Undo what an action did to it, if nothing was done since."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(
            UNDO_REVIEW, self._site.id, id, deed.number, deed.who, deed.name, hooked
        )
        return await self._told(id, self._outcome(id, rows[0]))

    async def _told(self, id: int, made: Outcome) -> Outcome:
        """With who did what meanwhile, where that is in the way."""
        if made.outcome != "conflict":
            return made
        history = await self._history(id, 1)
        return msgspec.structs.replace(made, last=history[0] if history else None)

    def _outcome(self, id: int, row: tuple[Any, ...]) -> Outcome:
        outcome, version, state, seq, channel = row
        position = None if seq is None else self._site.position(channel, seq)
        return Outcome(id=id, outcome=outcome, version=version or 0, state=state or "", position=position)

    async def author(self, visitor: int, sections: tuple[str, ...] = ()) -> dict[str, Any]:
        """First seen, counts by state, and how far they can be trusted (0 to 100)."""
        rows = await self._database.read(
            SELECT_AUTHOR, self._site.id, visitor, list(sections), preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            return {}
        name, first, last, first_address, address, counts, days = rows.rows[0]
        by_state = {_STATUSES[int(key)]: n for key, n in msgspec.json.decode(counts or "{}").items()}
        trust = min(100, int((100 * days / 182 + by_state.get("approved", 0)) / 3))
        return {
            "name": name, "first_seen": first, "last_seen": last, "first_address": first_address, "address": address,
            "counts": by_state, "other_names": [], "trust": max(0, trust),
        }  # fmt: skip


def _quoted(lexeme: str) -> str:
    """A lexeme as a tsquery holds it."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


_marks = msgspec.json.Decoder(tuple[Mark, ...]).decode
_reports = msgspec.json.Decoder(tuple[Report, ...]).decode


def _item(row: tuple[Any, ...], names: dict[str, str]) -> Item:
    (
        id_, version, status, shadow, seen, featured, replies, flags, up, down, parent, channel, key, url, title,
        closed, visitor, name, address, created, edited, text, html, revision, marks, reports, claimed_by, claimer,
        until, facts, media, revision_media, extra,
    ) = row  # fmt: skip
    change = msgspec.json.decode(revision) if revision else None
    told = msgspec.json.decode(facts) | {"names": names}
    if change is not None:
        told["revision"] = change
    return Item(
        id=f"review:{id_}", version=version, state=_STATUSES[status], product=PRODUCT_NAME, shadow=shadow, seen=seen,
        featured=featured, replies=replies, flags=flags, up=up, down=down,
        parent=None if parent is None else f"review:{parent}",
        page=ItemPage(str(channel), key, url, title, closed),
        author=Author(str(visitor), name, address, avatar_in(extra)),
        created=created, edited=edited, text=text, html=html,
        revision=None if change is None else change["text"], revision_html=None if change is None else change["html"],
        marks=_marks(marks) if marks else (), reports=_reports(reports) if reports else (),
        claim=None if claimed_by is None else Claim(claimed_by, claimer, until), facts=told,
        media=pictures_of(media, revision_media),
    )  # fmt: skip


def make(database: Database, site: Site) -> ReviewItems:
    """The reviews of *site*, for its moderators."""
    return ReviewItems(database, site)
