"""Comments: conversations below pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.sites import Site
from cackled.products.comments import api, seed
from cackled.products.comments.housekeeping import JOBS
from cackled.products.comments.mail import ModeratorMail
from cackled.products.comments.refusals import PROBLEMS, REFUSALS
from cackled.products.comments.service import Comments
from cackled.products.product import Limit, OutboxParts, Product


def make_service(parts: ServiceParts, site: Site) -> Comments:
    """The comments of *site*."""
    return Comments(site, parts.database, parts.cache, parts.evict, parts.queues)


def make_mail(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """What writes to moderators."""
    mail = ModeratorMail(parts.sites, parts.database, parts.send, parts.sender, parts.links, parts.own_url)
    return mail.deliver


PRODUCT = Product(
    name="comments",
    routes=api.ROUTES,
    widgets=api.WIDGETS,
    services={Comments: make_service},
    limits=(
        Limit(name="post", rate=0.5, burst=10, site_rate=200, old="posts"),
        # Small writes draw from one bucket, whatever they are.
        Limit(name="vote", rate=2, burst=40, old="votes"),
        Limit(name="change", like="vote"),
        Limit(name="flag", like="vote"),
    ),
    refusals=REFUSALS,
    problems=PROBLEMS,
    outbox={"mail": make_mail},
    jobs=JOBS,
    counted={"comment": "comments"},
    seed=seed.fill,
)
