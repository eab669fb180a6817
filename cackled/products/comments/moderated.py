"""What the moderators' queue can list of comments, and do with them."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.addresses import stored_network
from cackled.domain.errors import NotFound
from cackled.domain.site import Site
from cackled.events import Position
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
from cackled.products.comments.channels import PRODUCT_NAME, comment_channel

_STATUSES = ("pending", "approved", "spam", "rejected", "deleted")
_FINDS: dict[str, dict[str, Any]] = {
    "pending": {"states": [0], "revised": True}, "approved": {"states": [1]}, "spam": {"states": [2]},
    "rejected": {"states": [3]}, "deleted": {"states": [4]}, "flagged": {"flagged": True}, "unseen": {"unseen": True},
    "all": {},
}  # fmt: skip
# What hangs on a comment that is deleted with all below it.
MOST_BELOW = 2_000

FIND_COMMENTS = Query("find_comments", "select find_comments($1, $2, $3)", ("int", "text", "int"))
COUNT_FOUND_COMMENTS = Query(
    "count_found_comments", "select count_found_comments($1, $2, $3)", ("int", "text", "int")
)
_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"
SELECT_ITEMS = Query(
    "select_comment_items",
    f"""
    select c.id, c.version, c.status, c.shadow, c.seen, c.locked, c.featured, c.n_replies, c.n_flags, c.up, c.down,
      c.parent_id, c.channel_id, h.key, h.url, h.title, h.locked, c.visitor_id, c.author_name, host(c.ip),
      to_char(c.created_at at time zone 'UTC', {_TIME}), to_char(c.edited_at at time zone 'UTC', {_TIME}),
      coalesce(kept.src, c.src), coalesce(kept.html, c.html), coalesce(c.id = any(k.pinned), false), r.src, r.html,
      (select json_agg(json_build_object('mark', m.mark, 'score', round(m.score::numeric, 3), 'words', m.words)
                       order by m.score is null, m.mark)::text
       from comment_mark m where m.site_id = $1 and m.comment_id = c.id),
      (select json_agg(json_build_object(
         'visitor', f.visitor_id::text, 'reason', f.reason, 'at', to_char(f.created_at at time zone 'UTC', {_TIME}),
         'made', f.made, 'agreed', f.agreed) order by f.created_at desc)::text
       from (
         select g.*, (select count(*) from flag o where o.site_id = $1 and o.visitor_id = g.visitor_id) as made,
           (select count(*) from flag o join comment d on d.site_id = $1 and d.id = o.comment_id
            where o.site_id = $1 and o.visitor_id = g.visitor_id and d.status > 1) as agreed
         from flag g where g.site_id = $1 and g.comment_id = c.id and g.counted order by g.created_at desc limit 10
       ) f where c.n_flags > 0),
      q.who, q.name, to_char(q.until at time zone 'UTC', {_TIME}), coalesce(kept.media, c.media), r.media,
      c.author_extra
    from comment c join channel h on h.site_id = $1 and h.id = c.channel_id
    left join comment_channel k on k.site_id = $1 and k.channel_id = c.channel_id
    left join comment_kept kept on kept.site_id = $1 and kept.comment_id = c.id and c.status = 4
    left join comment_revision r on r.site_id = $1 and r.comment_id = c.id
    left join moderation_claim q on q.site_id = $1 and q.item = 'comment:' || c.id and q.until > now()
    where c.site_id = $1 and c.id = any($2)
    """,
    ("int", "bigint[]"),
)
# Those above it up to its root, and some of those that answer the same, before and after it.
SELECT_AROUND = Query(
    "select_around_comment",
    """
    with recursive up as (
      select c.id, c.parent_id, 0 as n from comment c where c.site_id = $1 and c.id = $2
      union all
      select c.id, c.parent_id, up.n + 1 from up join comment c on c.site_id = $1 and c.id = up.parent_id
      where up.n < 20
    ), me as (select c.* from comment c where c.site_id = $1 and c.id = $2)
    select 'p', up.id from up where up.n > 0
    union all
    (select 's', c.id from comment c, me where c.site_id = $1 and c.channel_id = me.channel_id
       and c.root_id = me.root_id and c.parent_id = me.parent_id and c.parent_id is not null and c.shown
       and c.id < me.id order by c.id desc limit 3)
    union all
    (select 's', c.id from comment c, me where c.site_id = $1 and c.channel_id = me.channel_id
       and c.root_id = me.root_id and c.parent_id = me.parent_id and c.parent_id is not null and c.shown
       and c.id > me.id order by c.id limit 3)
    """,
    ("int", "bigint"),
)
SELECT_BELOW = Query(
    "select_below_comment",
    """
    with recursive down as (
      select c.id, c.depth, c.status from comment c, comment r where r.site_id = $1 and r.id = $2 and c.site_id = $1
        and c.channel_id = r.channel_id and c.root_id = r.root_id and c.parent_id = $2
      union all
      select c.id, c.depth, c.status from down, comment c, comment r where r.site_id = $1 and r.id = $2
        and c.site_id = $1 and c.channel_id = r.channel_id and c.root_id = r.root_id and c.parent_id = down.id
    )
    select id from down where status <> 4 order by depth desc, id desc limit $3
    """,
    ("int", "bigint", "int"),
)
SELECT_HISTORY = Query(
    "select_comment_history",
    f"""
    select to_char(x.created_at at time zone 'UTC', {_TIME}), x.who, x.deed, x.why, x.before, x.after
    from comment_change x where x.site_id = $1 and x.comment_id = $2 order by x.id desc limit $3
    """,
    ("int", "bigint", "int"),
)
DECIDE_COMMENT = Query(
    "decide_comment",
    "select outcome, version, state, seq, channel from decide_comment($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "int", "text", "bigint", "text", "text", "text", "boolean"),
)
HUSH_VOTERS = Query("hush_voters", "select channel, seq from hush_voters($1, $2)", ("int", "bigint"))
UNHUSH_VOTERS = Query("unhush_voters", "select channel, seq from unhush_voters($1, $2)", ("int", "bigint"))
UNDO_COMMENT = Query(
    "undo_comment",
    "select outcome, version, state, seq, channel from undo_comment($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "bigint", "text", "text", "boolean"),
)
SELECT_AUTHOR = Query(
    "select_comment_author",
    f"""
    select v.name, to_char(v.created_at at time zone 'UTC', {_TIME}), to_char(v.last_seen at time zone 'UTC', {_TIME}),
      host(v.first_ip), host(v.last_ip),
      (select json_object_agg(s.status, s.n)::text from (
         select c.status, count(*) as n from (
           select x.status from comment x where x.site_id = $1 and x.visitor_id = $2 order by x.id desc limit 10000
         ) c group by c.status) s),
      (select array_agg(distinct o.name) from (
         select y.name from visitor y where y.site_id = $1 and y.id <> $2 and v.last_ip is not null
           and y.last_ip = v.last_ip and y.name <> v.name limit 20) o),
      extract(epoch from now() - v.created_at)::float8 / 86400
    from visitor v where v.site_id = $1 and v.id = $2
    """,
    ("int", "bigint"),
)
# The same, from what they wrote in sections alone.
SELECT_AUTHOR_WITHIN = Query(
    "select_comment_author_within",
    f"""
    with mine as materialized (
      select c.id, c.status, c.author_name, c.ip, c.created_at
      from comment c join channel h on h.site_id = $1 and h.id = c.channel_id
      where c.site_id = $1 and c.visitor_id = $2 and exists (select from unnest($3) s where starts_with(h.key, s))
      order by c.id desc limit 10000
    ), first as (select * from mine order by id limit 1), last as (select * from mine order by id desc limit 1)
    select last.author_name, to_char(first.created_at at time zone 'UTC', {_TIME}),
      to_char(last.created_at at time zone 'UTC', {_TIME}), host(first.ip), host(last.ip),
      (select json_object_agg(s.status, s.n)::text from (
         select m.status, count(*) as n from mine m group by m.status) s),
      (select array_agg(distinct o.name) from (
         select y.name from visitor y where y.site_id = $1 and y.id <> $2 and last.ip is not null
           and y.last_ip = last.ip and y.name <> last.author_name and exists (
             select from comment d join channel h on h.site_id = $1 and h.id = d.channel_id
             where d.site_id = $1 and d.visitor_id = y.id and exists (
               select from unnest($3) s where starts_with(h.key, s))) limit 20) o),
      extract(epoch from now() - first.created_at)::float8 / 86400
    from first, last
    """,
    ("int", "bigint", "text[]"),
)


class CommentItems:
    """The comments of one site, for its moderators."""

    product = PRODUCT_NAME
    reasons: tuple[str, ...] = ()
    actions = frozenset((
        "approve", "reject", "spam", "delete", "thread", "childless", "restore", "hold", "seen", "unflag", "pin",
        "unpin", "feature", "unfeature", "lock", "unlock", "close", "open", "hush",
    ))  # fmt: skip

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
            FIND_COMMENTS, self._site.id, self._find(found, before), size, preference=preference
        )
        return [row[0] for row in rows.rows]

    async def count(
        self, found: Found, most: int, preference: ReadPreference = ReadPreference.PRIMARY
    ) -> int:
        """How many match, at most *most*."""
        rows = await self._whole.read(
            COUNT_FOUND_COMMENTS, self._site.id, self._find(found, None), most, preference=preference
        )
        return int(rows.rows[0][0])

    def _find(self, found: Found, before: int | None) -> str:
        """What the database function `find_comments` takes."""
        made: dict[str, Any] = dict(_FINDS[found.state])
        lexemes = [f"a:{name}" for name in found.authors]
        lexemes += [f"c:{comment_channel(self._site, self._site.key(page))}" for page in found.pages]
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
        """Those comments, in that order; what is not there is left out."""
        if not ids:
            return []
        rows = await self._database.read(SELECT_ITEMS, self._site.id, ids, preference=preference)
        by_id = {row[0]: _item(row) for row in rows.rows}
        return [by_id[one] for one in ids if one in by_id]

    async def detail(self, id: int) -> Detail:
        """One, with everything.

        Raises:
            NotFound: there is none.
        """
        primary = ReadPreference.PRIMARY
        rows = (await self._database.read(SELECT_AROUND, self._site.id, id, preference=primary)).rows
        parents = [row[1] for row in rows if row[0] == "p"]
        siblings = sorted(row[1] for row in rows if row[0] == "s")
        found = {item.id: item for item in await self.items([id, *parents, *siblings])}
        item = found.get(f"comment:{id}")
        if item is None:
            raise NotFound("There is no such comment.")
        return Detail(
            item,
            tuple(found[f"comment:{one}"] for one in parents if f"comment:{one}" in found),
            tuple(found[f"comment:{one}"] for one in siblings if f"comment:{one}" in found),
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
        """What hangs on it, the deepest first."""
        rows = await self._database.read(
            SELECT_BELOW, self._site.id, id, MOST_BELOW, preference=ReadPreference.PRIMARY
        )
        return [row[0] for row in rows.rows]

    async def decide(self, id: int, version: int | None, deed: Deed) -> Outcome:
        """Do it, if it still has that version."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(
            DECIDE_COMMENT,
            self._site.id, id, version, deed.action, deed.number, deed.who, deed.name, deed.why, hooked,
        )  # fmt: skip
        return await self._told(id, self._outcome(id, rows[0]))

    async def hush(self, ban: int) -> list[Position]:
        """Take votes and reports of those whom a ban is about out of the counts."""
        rows = await self._database.write(HUSH_VOTERS, self._site.id, ban)
        return [self._site.position(*row) for row in rows]

    async def unhush(self, ban: int) -> list[Position]:
        """Put them back."""
        rows = await self._database.write(UNHUSH_VOTERS, self._site.id, ban)
        return [self._site.position(*row) for row in rows]

    async def undo(self, id: int, deed: Deed) -> Outcome:
        """Undo what an action did to it, if nothing was done since."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(
            UNDO_COMMENT, self._site.id, id, deed.number, deed.who, deed.name, hooked
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
        """First seen, counts by state, other names on the address, and how far they can be trusted (0 to 100)."""
        if sections:
            rows = await self._database.read(
                SELECT_AUTHOR_WITHIN, self._site.id, visitor, list(sections), preference=ReadPreference.PRIMARY
            )
        else:
            rows = await self._database.read(
                SELECT_AUTHOR, self._site.id, visitor, preference=ReadPreference.PRIMARY
            )
        if not rows.rows:
            return {}
        name, first, last, first_address, address, counts, others, days = rows.rows[0]
        by_state = {_STATUSES[int(key)]: n for key, n in msgspec.json.decode(counts or "{}").items()}
        approved = by_state.get("approved", 0)
        trust = 100 if days > 182 and approved > 50 else min(100, int((100 * days / 182 + approved) / 3))
        return {
            "name": name, "first_seen": first, "last_seen": last, "first_address": first_address, "address": address,
            "counts": by_state, "other_names": others or [], "trust": max(0, trust),
        }  # fmt: skip


def _quoted(lexeme: str) -> str:
    """A lexeme as a tsquery holds it."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


_marks = msgspec.json.Decoder(tuple[Mark, ...]).decode
_reports = msgspec.json.Decoder(tuple[Report, ...]).decode


def _item(row: tuple[Any, ...]) -> Item:
    (
        id_, version, status, shadow, seen, locked, featured, replies, flags, up, down, parent, channel, key, url,
        title, closed, visitor, name, address, created, edited, text, html, pinned, revision, revision_html, marks,
        reports, claimed_by, claimer, until, media, revision_media, extra,
    ) = row  # fmt: skip
    return Item(
        id=f"comment:{id_}", version=version, state=_STATUSES[status], product=PRODUCT_NAME, shadow=shadow, seen=seen,
        locked=locked, featured=featured, pinned=pinned, replies=replies, flags=flags, up=up, down=down,
        parent=None if parent is None else f"comment:{parent}",
        page=ItemPage(str(channel), key, url, title, closed),
        author=Author(str(visitor), name, address, avatar_in(extra)),
        created=created, edited=edited, text=text, html=html, revision=revision, revision_html=revision_html,
        marks=_marks(marks) if marks else (), reports=_reports(reports) if reports else (),
        claim=None if claimed_by is None else Claim(claimed_by, claimer, until),
        media=pictures_of(media, revision_media),
    )  # fmt: skip


def make(database: Database, site: Site) -> CommentItems:
    """The comments of *site* as its moderators see them."""
    return CommentItems(database, site)
