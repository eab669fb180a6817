"""Mentions: ``@[Ann](visitor:12)`` in a text means the visitor of that number, under the name that they have."""

from __future__ import annotations

import re

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.site import Site

# Of one text; further ones are names alone.
MOST = 20
_MENTION = re.compile(r"@\[([^\[\]\n]{1,80})\]\(visitor:([1-9]\d{0,18})\)", re.ASCII)
_BRACKETS = str.maketrans("", "", "[]")
# A person who keeps to themselves is named only where they wrote something that all can see.
SELECT_NAMED = Query(
    "select_named",
    """
    select x.id, coalesce(p.name, v.name) from unnest($2) x (id)
    left join person p on p.site_id = $1 and p.visitor_id = x.id
    left join visitor v on v.site_id = $1 and v.id = x.id
    where coalesce(p.name, v.name, '') <> '' and (p.private is not true or exists (
      select from comment c where c.site_id = $1 and c.visitor_id = x.id and c.shown))
    """,
    ("int", "bigint[]"),
)


def readable(source: str) -> str:
    """*source* with mentions as readers see them."""
    return _MENTION.sub(r"@\1", source) if "](visitor:" in source else source


async def with_names(database: Database, site: Site, source: str) -> str:
    """*source* with the names that the mentioned visitors have now; a number that nobody has is left out."""
    if "](visitor:" not in source:
        return source
    wanted = dict.fromkeys(int(found[2]) for found in _MENTION.finditer(source))
    numbers = [one for one in wanted if one < 2**63][:MOST]
    rows = await database.site(site.id).read(SELECT_NAMED, site.id, numbers, preference=ReadPreference.PRIMARY)
    names = {number: name.translate(_BRACKETS).strip() for number, name in rows.rows}

    def named(found: re.Match[str]) -> str:
        name = names.get(int(found[2]))
        return f"@[{name}](visitor:{found[2]})" if name else f"@{found[1]}"

    return _MENTION.sub(named, source)
