"""What is held of a visitor: declared by whoever holds it, and given out to whom it is about.

A declaration names a table and the column that says whose a row is. From all of them follow what a person is given of
theirs, and the list of what a site stores.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database

# Rows of a table that are given out. One that has more says so (``"cut":true``); the site's owner has an export.
MOST = 20_000


class Held(Struct, frozen=True, kw_only=True):
    """Rows of *table* about a visitor, whom *column* names.

    ``what`` and ``until`` say in a few words what it is, and how long it is kept. ``secret`` columns are not given out:
    they would let somebody act as the visitor, or are about somebody else. ``text``: the column holds the number as
    text; *only*: rows of which that is so. ``json``: columns of text that
    hold JSON, or nothing. *source*: SQL of rows that are in no table of their own, named *table* here.
    """

    table: str
    what: str
    until: str
    column: str = "visitor_id"
    secret: tuple[str, ...] = ()
    text: bool = False
    only: str = ""
    json: tuple[str, ...] = ()
    source: str = ""

    @property
    def query(self) -> Query:
        """Gives the rows of a visitor of a site as JSON."""
        rows = f"({self.source})" if self.source else self.table
        left_out = "".join(f" - '{name}'" for name in ("site_id", *self.secret))
        whose = f"x.{self.column} = {'$2::text' if self.text else '$2'}" + (f" and {self.only}" if self.only else "")
        parsed = "".join(f", '{name}', nullif(x.{name}, '')::jsonb" for name in self.json)
        made = f"to_jsonb(x){left_out}" + (f" || jsonb_build_object({parsed[2:]})" if parsed else "")
        return Query(
            f"held_{self.table}"[:50],
            f"select ({made})::text from {rows} x where x.site_id = $1 and {whose} limit {MOST + 1}",
            ("int", "bigint"),
        )


FOREVER = "until it is erased"
# What belongs to no product.
CORE = (
    Held(table="visitor", column="id", what="name, addresses of the connection, times", until=FOREVER),
    Held(table="person", what="name, mail, picture and page of who signed in", until=FOREVER,
         secret=("skeleton", "skeleton_rev")),
    Held(table="person_identity", what="with whom they sign in", until=FOREVER),
    Held(table="block", what="whom they don't want to read", until=FOREVER),
    Held(table="ban", column="value", text=True, only="x.kind = 'visitor'", what="that they may not write",
         until="until it is lifted", secret=("note", "who")),
    Held(table="import_author", what="name, mail and page, as another system had them", until=FOREVER),
    Held(table="import_picture", column="author_id", what="where their picture is, to be fetched", until="a day"),
    Held(table="erasure", what="that they asked to be forgotten: a number alone", until="as long as the site"),
)  # fmt: skip


# As the database writes it; what somebody wrote has its quotes escaped.
_PICTURE = '"url": "/media/'


async def collect(
    database: Database, site: int, visitor: int, held: Iterable[Held], base: str = ""
) -> AsyncIterator[bytes]:
    """What is held of a visitor, as pieces of one JSON object: a list of rows for each table that has some.

    Pictures have addresses below *base*, which the addresses on this server begin with.
    """
    own = database.site(site)
    yield msgspec.json.encode({"site": site, "visitor": str(visitor)})[:-1] + b',"held":{'
    whole = _PICTURE.replace("/media/", msgspec.json.encode(f"{base}/media/").decode()[1:-1])
    first = True
    for one in (*CORE, *held):
        rows = (await own.read(one.query, site, visitor, preference=ReadPreference.PRIMARY)).rows
        if not rows:
            continue
        about: dict[str, Any] = {"what": one.what, "until": one.until}
        if len(rows) > MOST:
            rows, about["cut"] = rows[:MOST], True
        head = (b"" if first else b",") + msgspec.json.encode(one.table) + b":" + msgspec.json.encode(about)[:-1]
        yield head + b',"rows":[' + ",".join(row[0] for row in rows).replace(_PICTURE, whole).encode() + b"]}"
        first = False
    yield b"}}\n"
