"""What following brings to the product: routes, shared parts, handlers of the outbox, and what is tidied."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.housekeeping import BATCH
from cackled.outbound.guard import Policy
from cackled.outbound.push import PushKeys
from cackled.products.comments.notices.api import ROUTES
from cackled.products.comments.notices.delivery import handlers
from cackled.products.comments.notices.gather import Gatherer
from cackled.products.comments.notices.letters import KINDS as LETTERS
from cackled.products.comments.notices.links import NoticeLinks
from cackled.products.comments.notices.settings import Sender
from cackled.products.product import SharedParts

__all__ = ["JOBS", "LETTERS", "OUTBOX", "ROUTES", "SHARED"]


def make_keys(parts: SharedParts) -> PushKeys:
    """Our keys for push services."""
    policy = Policy(parts.config.outbound.ports, parts.config.outbound.networks)
    return PushKeys(parts.sites.secret, f"mailto:{parts.config.mail.sender}", policy, parts.wall_time)


SHARED = {
    Gatherer: lambda parts: Gatherer(parts.database, parts.clock, parts.sites),
    PushKeys: make_keys,
    NoticeLinks: lambda parts: NoticeLinks(parts.sites.secret, parts.wall_time),
    Sender: lambda parts: Sender(parts.send is not None and bool(parts.own_url), parts.own_url.rstrip("/")),
}
OUTBOX = {
    "notice-mail": handlers("mail"), "notice-confirm": handlers("confirm"), "notice-push": handlers("push"),
}  # fmt: skip
EXPIRE_NOTICES = Query(
    "expire_notices",
    f"""
    with gone as (
      delete from notice where ctid = any(array(
        select ctid from notice where created_at < now() - interval '90 days' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
JOBS = (EXPIRE_NOTICES,)
