"""What the moderators' queue declares: decisions, bans, notes about authors, digests by mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from secrets import randbits

from cackled.database.query import Query
from cackled.database.row_counts import Counted
from cackled.domain.erasure import Erasable
from cackled.domain.housekeeping import BATCH
from cackled.domain.listening import always
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.personal_data import FOREVER, Held
from cackled.domain.site import Site
from cackled.domain.staff_channels import RENEW_STAFF_CHANNELS
from cackled.moderation.api import authors, bans, queue
from cackled.moderation.authors import Authors
from cackled.moderation.banning import Banning
from cackled.moderation.bulk import BulkDecisions
from cackled.moderation.feedback import make_feedback
from cackled.moderation.live import EVENTS, Live
from cackled.moderation.queue import Queue
from cackled.products.product import Feature, Limit, OutboxParts

# What was decided can be undone so long; who decided stays in the audit log.
EXPIRE_ACTIONS = Query(
    "expire_moderation_actions",
    f"""
    with gone as (
      delete from moderation_action where ctid = any(array(
        select ctid from moderation_action where created_at < now() - interval '90 days' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)


# What unnoticed bans took out of counts comes back when they run out, however they end.
UNHUSH_OVER = Query(
    "unhush_over",
    """
    select count(*) from (
      select distinct h.site_id, h.ban_id from hushed h left join ban b on b.site_id = h.site_id and b.id = h.ban_id
      where b.id is null or b.until < now() limit 100
    ) x, lateral unhush_voters(x.site_id, x.ban_id)
    """,
)
# What colleagues noted about an author, and told them. What was decided holds no words.
ERASE_NOTES = Query(
    "erase_author_notes",
    """
    with notes as (delete from author_note where site_id = $1 and visitor_id = $2),
    warnings as (delete from author_warning where site_id = $1 and visitor_id = $2),
    hushed as (delete from hushed where site_id = $1 and visitor_id = $2),
    texts as (delete from recent_text where site_id = $1 and visitor_id = $2)
    select null::bigint, null::bigint where $3 < 0
    """,
    ("int", "bigint", "int"),
)
# They are in no channel.
SELECT_NOTE_CHANNELS = Query(
    "select_note_channels", "select 0::bigint where $1::int is null and $2::bigint is null", ("int", "bigint")
)


def make_queue(parts: ServiceParts, site: Site) -> Queue:
    """The queue of *site*."""
    return Queue(site, parts.database, parts.moderated, parts.evict)


def make_bulk(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """What decides on all that matches."""
    return BulkDecisions(parts.sites, parts.database, parts.moderated).deliver


FEATURE = Feature(
    name="queue",
    routes=(*queue.ROUTES, *bans.ROUTES, *authors.ROUTES),
    services={
        Queue: make_queue,
        Banning: lambda parts, site: Banning(site, parts.database, make_queue(parts, site)),
        Authors: lambda parts, site: Authors(site, parts.database),
        Live: lambda parts, site: Live(site, parts.database, lambda: randbits(62)),
    },
    events=EVENTS,
    private={"staff": always},
    problems=queue.PROBLEMS,
    limits=(Limit(name="read", rate=1, burst=20),),
    outbox={"moderation": make_bulk, "akismet": make_feedback},
    jobs=(EXPIRE_ACTIONS, RENEW_STAFF_CHANNELS, UNHUSH_OVER),
    counted=(Counted(table="moderation_action", word="decisions", kept=False),),
    held=(
        Held(table="author_warning", what="what moderators told them", until=FOREVER, secret=("who",)),
        Held(table="author_note", what="what moderators noted of them", until=FOREVER, secret=("who", "name")),
        Held(table="spam_lesson", what="that the filter learnt from what they wrote", until="two years"),
        Held(table="recent_text", what="what copies of their texts are found by", until="an hour"),
    ),
    erase=Erasable(steps=(ERASE_NOTES,), channels=SELECT_NOTE_CHANNELS),
)
