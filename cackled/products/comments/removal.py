"""Comments as moderators look for them, and the removal of all that match, which can be undone within a week.

A removal keeps the text of its comments apart (table ``removed_comment``), as deleting scrubs it from the comment at
once; a request to be forgotten takes it from there as well, and after a week housekeeping does.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, Literal, get_args

from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, NotFound
from cackled.domain.site import Site
from cackled.products.comments.channels import comment_channel

Criterion = Literal["page", "visitor", "ip", "name", "text"]
# Comments of one removal; who wants more repeats it.
MOST = 2_000
PAGE = 20
LONGEST = 200

_WHERE = {
    "": "$2::text is null",
    "page": "c.channel_id = $2::bigint",
    "visitor": "c.visitor_id = $2::bigint",
    "ip": "c.ip <<= $2::inet",
    "name": "strpos(lower(c.author_name), lower($2)) > 0",
    "text": "strpos(lower(c.src), lower($2)) > 0",
}
_COLUMNS = """
    c.id, c.channel_id, ch.key, ch.url, c.visitor_id, c.author_name, host(c.ip), c.created_at::text, c.edited_at::text,
    c.status, c.parent_id, c.up, c.down, c.n_flags, c.src
"""
SELECT_FOUND = {
    name: Query(
        f"select_found_{name or 'all'}",
        f"""
        select {_COLUMNS} from comment c join channel ch on ch.site_id = c.site_id and ch.id = c.channel_id
        where c.site_id = $1 and {where} and ($3::bigint is null or c.id < $3) and c.status = 1
        order by c.id desc limit $4
        """,
        ("int", "text", "bigint", "int"),
    )
    for name, where in _WHERE.items()
}
SELECT_MATCHING = {
    name: Query(
        f"select_matching_{name}",
        f"""
        select c.id, c.channel_id from comment c
        where c.site_id = $1 and {where} and c.status = 1
          and ($3::float8 is null or c.created_at > now() - make_interval(secs => $3))
        order by c.id desc limit $4
        """,
        ("int", "text", "float8", "int"),
    )
    for name, where in _WHERE.items()
    if name
}
SELECT_ONE = Query(
    "select_one_comment",
    f"""
    select {_COLUMNS} from comment c join channel ch on ch.site_id = c.site_id and ch.id = c.channel_id
    where c.site_id = $1 and c.id = $2
    """,
    ("int", "bigint"),
)
INSERT_REMOVAL = Query(
    "insert_removal",
    "insert into removal (site_id, who, criterion) values ($1, $2, $3) returning id",
    ("int", "text", "text"),
)
REMOVE_KEPT = Query(
    "remove_kept", "select seq from remove_kept($1, $2, $3, $4)", ("int", "bigint", "bigint", "boolean")
)
RESTORE_COMMENT = Query(
    "restore_comment", "select seq from restore_comment($1, $2, $3, $4)", ("int", "bigint", "bigint", "boolean")
)
# The parents before their answers.
SELECT_REMOVED = Query(
    "select_removed",
    "select comment_id from removed_comment where site_id = $1 and removal_id = $2 order by comment_id",
    ("int", "bigint"),
)
SELECT_REMOVAL = Query("select_removal", "select from removal where site_id = $1 and id = $2", ("int", "bigint"))
REMOVAL_UNDONE = Query(
    "removal_undone", "update removal set undone_at = now() where site_id = $1 and id = $2", ("int", "bigint")
)
SELECT_REMOVALS = Query(
    "select_removals",
    """
    select r.id, r.created_at::text, r.who, r.criterion, r.undone_at::text,
      (select count(*) from removed_comment x where x.site_id = r.site_id and x.removal_id = r.id)
    from removal r where r.site_id = $1 order by r.id desc limit 50
    """,
    ("int",),
)


class Found(Struct, frozen=True):
    """A comment with all that a moderator may know; times as text, ids as numbers."""

    id: int
    channel: int
    page: str
    url: str
    visitor: int
    name: str
    ip: str | None
    created: str
    edited: str | None
    status: int
    parent: int | None
    up: int
    down: int
    flags: int
    text: str


class Removal(Struct, frozen=True):
    """A removal, and how many of its comments can still be brought back."""

    id: int
    at: str
    who: str
    what: str
    undone: str | None
    kept: int


class Removals:
    """Looks through the comments of one site, and removes what matches."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    def value(self, criterion: str, text: str) -> str:
        """What is compared with.

        Raises:
            BadField: there is no such criterion, or nothing can match it.
        """
        if criterion not in get_args(Criterion):
            raise BadField(f"look by {', '.join(get_args(Criterion))}", field="by")
        if not 1 <= len(text) <= LONGEST:
            raise BadField(f"what is looked for has 1 to {LONGEST} characters", field="by")
        if criterion == "page":
            return str(comment_channel(self._site, self._site.key(text)))
        if criterion == "visitor" and not (text.isascii() and text.isdigit() and int(text) < 2**63):
            raise BadField("a visitor is a number", field="by")
        if criterion == "ip":
            try:
                return str(ip_network(text, strict=False))
            except ValueError:
                raise BadField(f"{text!r} is no IP address or network", field="by") from None
        return text

    async def find(self, criterion: str = "", value: str | None = None, before: int | None = None) -> list[Found]:
        """The newest `PAGE` comments that can be seen and match (all: ""), older than comment *before*."""
        rows = await self._database.read(
            SELECT_FOUND[criterion], self._site.id, value, before, PAGE, preference=ReadPreference.PRIMARY
        )
        return [Found(*row) for row in rows.rows]

    async def one(self, comment: int) -> Found:
        """One comment, deleted or not.

        Raises:
            NotFound: there is none.
        """
        rows = await self._database.read(SELECT_ONE, self._site.id, comment, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise NotFound(f"site {self._site.id} has no comment {comment}")
        return Found(*rows.rows[0])

    async def matching(self, criterion: str, value: str, seconds: float | None) -> list[tuple[int, int]]:
        """Comment and channel of what a removal would take, newest first, at most `MOST`."""
        rows = await self._database.read(
            SELECT_MATCHING[criterion], self._site.id, value, seconds, MOST, preference=ReadPreference.PRIMARY
        )
        return [(row[0], row[1]) for row in rows.rows]

    async def remove(self, comments: list[int], what: str, who: str) -> tuple[int, int]:
        """Remove *comments*; gives the number of the removal and how many there were. *what* and *who* are noted."""
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(INSERT_REMOVAL, self._site.id, who[:100], what[:300])
        removal, count = int(rows[0][0]), 0
        for comment in comments:
            try:
                await self._database.write(REMOVE_KEPT, self._site.id, removal, comment, hooked)
            except QueryFailed as error:
                if error.sqlstate != "CK404":  # somebody else was faster
                    raise
            else:
                count += 1
        return removal, count

    async def undo(self, removal: int) -> int:
        """Bring back what a removal took; gives how many comments. Again: what is left of it.

        Raises:
            NotFound: there is no such removal (any more).
        """
        primary = ReadPreference.PRIMARY
        if not (await self._database.read(SELECT_REMOVAL, self._site.id, removal, preference=primary)).rows:
            raise NotFound(f"there is no removal {removal}; they can be undone for a week")
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.read(SELECT_REMOVED, self._site.id, removal, preference=primary)
        count = 0
        for (comment,) in rows.rows:
            count += bool(await self._database.write(RESTORE_COMMENT, self._site.id, removal, comment, hooked))
        await self._database.write(REMOVAL_UNDONE, self._site.id, removal)
        return count

    async def removals(self) -> list[Removal]:
        """The newest 50."""
        rows: Any = await self._database.read(SELECT_REMOVALS, self._site.id, preference=ReadPreference.PRIMARY)
        return [Removal(*row) for row in rows.rows]
