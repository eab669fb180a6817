"""Options that visitors propose, as they are judged.

None is shown before somebody of the staff takes it, whatever the rules say: they only put aside what is spam, and note
why a text is doubtful.
"""

from __future__ import annotations

from html import escape

import msgspec

from cackled.database.query import Query
from cackled.moderation.items import Mark
from cackled.moderation.judged import Judged
from cackled.moderation.verdict import Verdict

KIND = "proposal"
STATES = ("pending", "approved", "spam", "rejected", "deleted")

# As `cackled.moderation.judged.Item` has it.
_ITEM = """
    select c.item, p.channel_id, p.id::text, coalesce(c.proposer_id, 0), coalesce(n.name, ''), c.text,
      replace(replace(replace(c.text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), null::bigint, p.question, '',
      extract(epoch from p.created_at)::float8, extract(epoch from c.created_at)::float8,
      (select count(*) from (
        select from poll_option b where b.site_id = c.site_id and b.proposer_id = c.proposer_id and b.item < c.item
          and b.status = 1 limit 200) x)::int,
      (array['pending', 'approved', 'spam', 'rejected', 'deleted'])[c.status + 1]
    from {options} c join poll p on p.site_id = c.site_id and p.id = c.poll_id
    left join person n on n.site_id = c.site_id and n.visitor_id = c.proposer_id
"""
JUDGED = Judged(
    kind=KIND,
    items=Query(
        "select_judged_proposals",
        _ITEM.format(options="poll_option") + " where c.site_id = $1 and c.item = any($2)",
        ("int", "bigint[]"),
    ),
    # By their numbers, which are in the order of the time that they came.
    recent=Query(
        "select_recent_proposals",
        _ITEM.format(
            options="""(
              select * from poll_option x where x.site_id = $1 and x.item > greatest(
                $2, (($3 * 1000000)::bigint - 1735689600000000) << 12)
              order by x.item limit $4)"""
        )
        + " order by c.item",
        ("int", "bigint", "float8", "int"),
    ),
    record=Query(
        "select_proposal_record",
        """
        select (count(*) filter (where status = 1))::int, (count(*) filter (where status = 0))::int,
          (count(*) filter (where status = 3))::int, (count(*) filter (where status = 2))::int,
          extract(epoch from now() - max(created_at))::float8
        from (
          select status, created_at from poll_option
          where site_id = $1 and proposer_id = $2 and item is not null order by item desc limit 200
        ) x
        """,
        ("int", "bigint"),
    ),
    total=Query(
        "count_recent_proposals",
        """
        select count(*)::int from (
          select from poll_option x where x.site_id = $1 and x.item > (($2 * 1000000)::bigint - 1735689600000000) << 12
          limit $3
        ) y
        """,
        ("int", "float8", "int"),
    ),
)


def judged_html(text: str) -> str:
    """The text of an option as it is shown."""
    return escape(text, quote=False)


def stored_verdict(verdict: Verdict) -> tuple[str, str | None]:
    """The state that *verdict* leads to, and what the database takes; None where there is nothing to note."""
    state = "pending" if verdict.shown else verdict.state
    if state == "pending" and not verdict.reasons:
        return state, None
    names = verdict.reasons or (verdict.state,)
    marks = [Mark(names[0], verdict.score, verdict.words), *map(Mark, names[1:])]
    told = {"status": STATES.index(state), "marks": msgspec.json.encode(marks).decode()}
    return state, msgspec.json.encode(told).decode()
