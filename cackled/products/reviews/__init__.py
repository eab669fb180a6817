"""Reviews: stars and words on what a page is about, with questions and answers."""

from __future__ import annotations

from cackled.database.counted import Counted
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.product import Limit, Product
from cackled.products.reviews import api, staff_api
from cackled.products.reviews.events import EVENTS
from cackled.products.reviews.refusals import PROBLEMS, REFUSALS
from cackled.products.reviews.service import PRODUCT_NAME, Reviews
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.upkeep import AUTHORED, ERASABLE, RECOUNTS


def make_reviews(parts: ServiceParts, site: Site) -> Reviews:
    """The reviews of *site*."""
    return Reviews(parts, site)


PRODUCT = Product(
    name=PRODUCT_NAME,
    routes=(*api.ROUTES, *staff_api.ROUTES),
    widgets=api.WIDGETS,
    settings=ReviewSettings,
    services={Reviews: make_reviews},
    limits=(
        Limit(name="post", rate=0.1, burst=10, site_rate=100),
        # Small writes draw from one bucket, whatever they are.
        Limit(name="vote", rate=2, burst=40),
        Limit(name="change", like="vote"),
        Limit(name="flag", like="vote"),
        Limit(name="staff", rate=5, burst=100),
    ),
    events=EVENTS,
    refusals=REFUSALS,
    problems=PROBLEMS,
    recounts=RECOUNTS,
    sql=__name__,
    counted=(Counted(table="review", word="reviews"), Counted(table="review_vote", word="review votes", kept=False)),
    erase=ERASABLE,
    authored=AUTHORED,
)
