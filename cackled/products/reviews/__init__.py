"""Reviews: stars and words on what a page is about, with questions and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.database.row_counts import Counted
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.importing.exports import Export
from cackled.importing.formats import Imports
from cackled.products.product import Limit, OutboxParts, Product
from cackled.products.reviews import api, cackle_api, moderated, order_api, staff_api
from cackled.products.reviews.checks import Checks
from cackled.products.reviews.events import EVENTS
from cackled.products.reviews.feed import FEED
from cackled.products.reviews.figures import Figures
from cackled.products.reviews.judged import JUDGED
from cackled.products.reviews.mail import KINDS as LETTERS
from cackled.products.reviews.mail import ReviewMail
from cackled.products.reviews.notices import KINDS as NOTICES
from cackled.products.reviews.notices import ReviewNotices
from cackled.products.reviews.old_rows import OldReviews
from cackled.products.reviews.orders import Orders
from cackled.products.reviews.photos import ReviewPhotos
from cackled.products.reviews.ratings_feed import COMMANDS, FeedAddress
from cackled.products.reviews.refusals import PROBLEMS, REFUSALS
from cackled.products.reviews.seed import fill
from cackled.products.reviews.service import PRODUCT_NAME, Reviews
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.thread import THREAD
from cackled.products.reviews.thread.places import ReviewPlaces
from cackled.products.reviews.upkeep import ACTIVITY, AUTHORED, ERASABLE, HELD, JOBS, RECOUNTS
from cackled.products.reviews.videos import ReviewVideos


def _imports() -> Imports:
    from cackled.products.reviews.importing import IMPORTS

    return IMPORTS


def make_reviews(parts: ServiceParts, site: Site) -> Reviews:
    """The reviews of *site*."""
    return Reviews(parts, site)


def make_places(parts: ServiceParts, site: Site) -> ReviewPlaces:
    """Which pages of *site* have reviews."""
    return ReviewPlaces(site, parts.database)


def make_orders(parts: ServiceParts, site: Site) -> Orders:
    """The orders of *site*."""
    return Orders(parts, site)


def make_mail(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that writes to buyers and authors."""
    return ReviewMail(parts).deliver


def make_notices(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that writes to moderators."""
    return ReviewNotices(parts).deliver


def make_photos(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that fetches photos of imported reviews."""
    return ReviewPhotos(parts).deliver


def make_videos(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that asks for titles of videos."""
    return ReviewVideos(parts).deliver


def _exports() -> tuple[Export, ...]:
    from cackled.products.reviews.exporting import EXPORTS

    return EXPORTS


PRODUCT = Product(
    name=PRODUCT_NAME,
    routes=(*api.ROUTES, *staff_api.ROUTES, *order_api.ROUTES),
    widgets=api.WIDGETS,
    threads=(THREAD,),
    files=(FEED,),
    settings=ReviewSettings,
    services={
        Reviews: make_reviews,
        ReviewPlaces: make_places,
        Orders: make_orders,
        Checks: lambda parts, site: Checks(parts, site),
        Figures: lambda parts, site: Figures(parts, site),
        FeedAddress: lambda parts, site: FeedAddress(parts, site),
        OldReviews: lambda parts, site: OldReviews(parts, site),
    },
    limits=(
        Limit(name="post", rate=0.1, burst=10, site_rate=100),
        # Small writes draw from one bucket, whatever they are.
        Limit(name="vote", rate=2, burst=40),
        Limit(name="change", like="vote"),
        Limit(name="flag", like="vote"),
        Limit(name="staff", rate=5, burst=100),
        # Links of orders are opened, and requests unsubscribed from.
        Limit(name="order", rate=0.5, burst=20),
    ),
    events=EVENTS,
    refusals=REFUSALS,
    problems=PROBLEMS,
    outbox={"review-mail": make_mail, "review-notice": make_notices, "review-photos": make_photos,
            "review-videos": make_videos},
    letters=(*LETTERS, *NOTICES),
    jobs=JOBS,
    recounts=RECOUNTS,
    commands=COMMANDS,
    sql=__name__,
    web=__name__,
    counted=(
        Counted(table="review", word="reviews", kept=False),
        Counted(table="review_vote", word="review votes", kept=False),
        Counted(table="review_order", word="orders", kept=False),
        Counted(table="review_photo", word="photos that are still to be fetched", kept=False),
    ),
    moderated={"review": moderated.make},
    judged=JUDGED,
    erase=ERASABLE,
    held=HELD,
    authored=AUTHORED,
    activity=ACTIVITY,
    exports=_exports,
    imports=_imports,
    seed=fill,
    old_calls=cackle_api.CALLS,
)
