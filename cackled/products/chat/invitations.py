"""What became of invitations: how often each text of each was shown, opened, and began a conversation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.housekeeping import BATCH
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site

# Days for which figures are kept.
KEPT = 400
_RULES = """
  select r ->> 'id' as id, coalesce(r ->> 'name', '') as name, r ->> 'text' as text,
    coalesce(r ->> 'other', '') as other
  from chat_setup s, json_array_elements(coalesce(nullif(s.setup, ''), '{}')::json -> 'invitations') r
  where s.site_id = $1
"""
# Only what the site's setup has is counted: strangers can't fill the table.
COUNT = Query(
    "count_chat_invitation",
    f"""
    insert into chat_invitation as i (site_id, day, rule, variant, shown, opened)
    select $1, current_date, r.id, $3, case $4 when 'shown' then 1 else 0 end, case $4 when 'opened' then 1 else 0 end
    from ({_RULES}) r where r.id = $2 and ($3 = 'a' or r.other <> '') limit 1
    on conflict (site_id, day, rule, variant) do update
      set shown = i.shown + excluded.shown, opened = i.opened + excluded.opened
    returning 1
    """,
    ("int", "text", "text", "text"),
)
# Once: a start that is sent again changes nothing.
NOTE_START = Query(
    "note_invited_start",
    f"""
    update chat c set invitation = $3, variant = $4
    where c.site_id = $1 and c.id = $2 and c.invitation = ''
      and exists (select from ({_RULES}) r where r.id = $3 and ($4 = 'a' or r.other <> ''))
    returning 1
    """,
    ("int", "bigint", "text", "text"),
)
SELECT_FIGURES = Query(
    "select_chat_invitations",
    f"""
    select r.id, r.name, v.variant, case v.variant when 'b' then r.other else r.text end,
      coalesce((select sum(i.shown) from chat_invitation i where i.site_id = $1 and i.rule = r.id
        and i.variant = v.variant and i.day >= to_timestamp($2)::date and i.day < to_timestamp($3)), 0)::bigint,
      coalesce((select sum(i.opened) from chat_invitation i where i.site_id = $1 and i.rule = r.id
        and i.variant = v.variant and i.day >= to_timestamp($2)::date and i.day < to_timestamp($3)), 0)::bigint,
      (select count(*) from chat c where c.site_id = $1 and c.invitation = r.id and c.variant = v.variant
        and c.created_at >= to_timestamp($2) and c.created_at < to_timestamp($3) and c.state <> 'spam')
    from ({_RULES}) r, (values ('a'), ('b')) v (variant) where v.variant = 'a' or r.other <> ''
    """,
    ("int", "float8", "float8"),
)
DROP_OLD = Query(
    "drop_old_chat_invitations",
    f"""
    with gone as (
      delete from chat_invitation where ctid = any(array(
        select ctid from chat_invitation where day < current_date - {KEPT} limit {BATCH})) returning 1
    )
    select count(*) from gone
    """,
)

RuleId = Annotated[str, Meta(min_length=1, max_length=40)]


class InvitedBody(Struct, frozen=True):
    """An invitation was shown to somebody, or opened by them."""

    invitation: RuleId
    what: Literal["shown", "opened"]
    variant: Literal["a", "b"] = "a"


class InvitationFigures(Struct, frozen=True):
    """A text of an invitation: how often it was shown and opened, and how many conversations it began."""

    id: str
    name: str
    variant: str
    text: str
    shown: int
    opened: int
    started: int


class Invitations:
    """The invitations of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._database = parts.database.site(site.id)

    async def count(self, rule: str, variant: str, what: str) -> None:
        """One more; nothing where the site has no such invitation."""
        await self._database.write(COUNT, self._site.id, rule, variant, what)

    async def started(self, chat: int, rule: str, variant: str) -> None:
        """A conversation came from an invitation."""
        await self._database.write(NOTE_START, self._site.id, chat, rule, variant)

    async def figures(self, begins: float, ends: float) -> list[InvitationFigures]:
        """Of a span, in seconds since 1970; whole days (UTC) for what was shown and opened."""
        args: tuple[Any, ...] = (self._site.id, begins, ends)
        rows = await self._database.read(SELECT_FIGURES, *args, preference=ReadPreference.PRIMARY_PREFERRED)
        return [InvitationFigures(*row) for row in rows.rows]
