"""Comments: conversations below pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from secrets import randbits

from cackled.clock import wall_time
from cackled.database.row_counts import Counted
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.people import People
from cackled.domain.signed_links import SignedLink
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.events import Position
from cackled.importing.exports import Export
from cackled.importing.formats import Imports
from cackled.products.comments import api, cackle_api, extras_api, moderated, seed, staff_api
from cackled.products.comments.by_author import ACTIVITY, ByAuthor
from cackled.products.comments.channels import PRODUCT_NAME
from cackled.products.comments.commands import COMMANDS
from cackled.products.comments.conversations import Conversations
from cackled.products.comments.erasure import ERASABLE, HELD
from cackled.products.comments.events import EVENTS
from cackled.products.comments.feed import FEED, Feeding
from cackled.products.comments.gifs import Gifs
from cackled.products.comments.housekeeping import JOBS
from cackled.products.comments.judged import JUDGED
from cackled.products.comments.lately import Lately
from cackled.products.comments.mail import KINDS as MODERATOR_LETTERS
from cackled.products.comments.mail import ModeratorMail
from cackled.products.comments.moderation import CommentModeration
from cackled.products.comments.notices import declared as notices
from cackled.products.comments.notices.gather import Gatherer
from cackled.products.comments.notices.service import Followers
from cackled.products.comments.old_import import OldImport
from cackled.products.comments.old_rows import OldRows
from cackled.products.comments.people import AUTHORED
from cackled.products.comments.permalink import SHAREABLE
from cackled.products.comments.picked import Picked
from cackled.products.comments.previews.cards import EXPIRE_CARDS, LinkCards
from cackled.products.comments.refusals import PROBLEMS, REFUSALS
from cackled.products.comments.service import Comments
from cackled.products.comments.settings import OLD, CommentSettings
from cackled.products.comments.thread import THREAD
from cackled.products.comments.thread.places import Places
from cackled.products.comments.typesetting import Typesetter
from cackled.products.product import Limit, OutboxParts, Product


def _imports() -> Imports:
    from cackled.products.comments.importing import IMPORTS

    return IMPORTS


def _exports() -> tuple[Export, ...]:
    from cackled.products.comments.exporting import EXPORTS

    return EXPORTS


def make_service(parts: ServiceParts, site: Site) -> Comments:
    """The comments of *site*."""
    return Comments(
        site, parts.database, parts.cache, parts.evict, parts.queues, parts.crowd, parts.judge, parts.wrote
    )


def make_conversations(parts: ServiceParts, site: Site) -> Conversations:
    """The conversations of *site*, for its moderators."""
    return Conversations(
        site, parts.database, make_service(parts, site), parts.evict, lambda: randbits(62) | 1, wall_time
    )


def make_moderation(parts: ServiceParts, site: Site) -> CommentModeration:
    """What moderators do to the comments of *site*."""
    return CommentModeration(site, parts.database, parts.evict)


async def remove_by_link(parts: ServiceParts, site: Site, link: SignedLink) -> tuple[bool, Position | None]:
    """Delete the comment that a signed link names."""
    return await CommentModeration(site, parts.database).by_link(link)


async def decide_by_link(parts: ServiceParts, site: Site, link: SignedLink) -> tuple[bool, Position | None]:
    """Decide on the comment that a signed link names."""
    return await CommentModeration(site, parts.database).decide_by_link(link, link.deed)


async def answer_by_link(parts: ServiceParts, site: Site, link: SignedLink) -> tuple[bool, Position | None]:
    """Approve the comment that a signed link names, and answer it for the site."""
    conversations = make_conversations(parts, site)
    # What can't be an answer leaves the link unused.
    source = conversations.checked(link.text)
    done, position = await CommentModeration(site, parts.database).decide_by_link(link, "approve")
    if done and position is not None:
        parts.evict(position)
        staff = Staff(name=site.name, role="moderator")
        position = (await conversations.answer(staff, link.target, source)).position
    return done, position


def make_mail(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that writes mail to moderators."""
    mail = ModeratorMail(parts.sites, parts.database, parts.send, parts.sender, parts.links, parts.own_url)
    return mail.deliver


def make_cards(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that makes previews of links."""
    assert parts.uploads is not None
    return LinkCards(parts.sites, parts.database, parts.http, parts.uploads, parts.clock).deliver


def make_imported_pictures(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that fetches pictures of imported comments and their authors."""
    from cackled.products.comments.imported_pictures import ImportedPictures

    return ImportedPictures(parts).deliver


PRODUCT = Product(
    name=PRODUCT_NAME,
    routes=(*api.ROUTES, *staff_api.ROUTES, *notices.ROUTES, *extras_api.ROUTES),
    old_calls=cackle_api.CALLS,
    widgets=api.WIDGETS,
    threads=(THREAD,),
    feeds=(FEED,),
    settings=CommentSettings,
    old_settings=OLD,
    services={
        OldRows: lambda parts, site: OldRows(site, parts.database),
        OldImport: lambda parts, site: OldImport(site, parts.database, parts.evict, wall_time),
        ByAuthor: lambda parts, site: ByAuthor(site, parts.database),
        Picked: lambda parts, site: Picked(site, parts.database),
        Lately: lambda parts, site: Lately(site, parts.database, parts.cache),
        Conversations: make_conversations,
        Feeding: lambda parts, site: Feeding(site, parts.database),
        Followers: lambda parts, site: Followers(site, parts.database, People(site, parts.database, parts.crowd)),
        Places: lambda parts, site: Places(site, parts.database),
        Comments: make_service, CommentModeration: make_moderation},
    limits=(
        Limit(name="post", rate=0.5, burst=10, site_rate=200, old="posts"),
        # Asked while somebody types.
        Limit(name="preview", rate=1, burst=20),
        Limit(name="formulas", rate=2, burst=30),
        # Each asks a server of the owner's.
        Limit(name="gifs", rate=0.5, burst=20, site_rate=20),
        # Small writes draw from one bucket, whatever they are.
        Limit(name="vote", rate=2, burst=40, old="votes"),
        Limit(name="change", like="vote"),
        Limit(name="follow", rate=0.5, burst=30),
        Limit(name="flag", like="vote"),
    ),
    events=EVENTS,
    refusals=REFUSALS,
    problems=PROBLEMS,
    moderated={"comment": moderated.make},
    deeds={
        "remove": remove_by_link,
        "approve": decide_by_link,
        "reject": decide_by_link,
        "spam": decide_by_link,
        "answer": answer_by_link,
    },
    outbox={
        "mail": make_mail, "comment-links": make_cards, "import-pictures": make_imported_pictures, **notices.OUTBOX,
    },
    letters=(*MODERATOR_LETTERS, *notices.LETTERS),
    shared={
        **notices.SHARED,
        Typesetter: lambda parts: Typesetter(parts.in_thread),
        Gifs: lambda parts: Gifs(parts.http, parts.clock.seconds),
    },
    starts=(Gatherer,),
    jobs=(*JOBS, *notices.JOBS, EXPIRE_CARDS),
    commands=COMMANDS,
    sql=__name__,
    web=__name__,
    counted=(Counted(table="comment", word="comments"), Counted(table="vote", word="votes", kept=False),
        Counted(table="comment_reaction", word="reactions", kept=False),
        Counted(table="link_card", word="previews of links", kept=False),
        Counted(table="follower", word="followers", kept=False), Counted(table="follow", word="follows", kept=False),
        Counted(table="notice", word="notices", kept=False),
        Counted(table="push_browser", word="browsers for push", kept=False),
        Counted(table="mail_stop", word="stopped addresses", kept=False),
    ),
    erase=ERASABLE,
    held=HELD,
    judged=JUDGED,
    authored=AUTHORED,
    shareable=SHAREABLE,
    activity=ACTIVITY,
    seed=seed.fill,
    imports=_imports,
    exports=_exports,
)
