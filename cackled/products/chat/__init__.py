"""Live chat: conversations between visitors and operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.database.row_counts import Counted
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.signed_links import SignedLinks
from cackled.domain.site import Site
from cackled.importing.exports import Export
from cackled.products.chat import (
    api,
    macros_api,
    people_api,
    push_api,
    report_api,
    setup_api,
    staff_api,
    translations_api,
    uploads_api,
)
from cackled.products.chat.desk import Desks
from cackled.products.chat.events import EVENTS
from cackled.products.chat.invitations import DROP_OLD, Invitations
from cackled.products.chat.macros import Macros
from cackled.products.chat.mail import KINDS as LETTERS
from cackled.products.chat.mail import ChatMail
from cackled.products.chat.people import ChatPeople
from cackled.products.chat.places import Places
from cackled.products.chat.push import DeskBrowsers, DeskKeys, DeskPush, make_keys
from cackled.products.chat.refusals import PROBLEMS, REFUSALS
from cackled.products.chat.replies_by_mail import MailReplies
from cackled.products.chat.report import Reports
from cackled.products.chat.resuming import Resuming
from cackled.products.chat.seed import fill
from cackled.products.chat.service import PRODUCT_NAME, Chats
from cackled.products.chat.settings import ChatSettings
from cackled.products.chat.setup import Setups
from cackled.products.chat.tokens import ChatTokens, private
from cackled.products.chat.translations import HELD as TRANSLATED
from cackled.products.chat.translations import Translations
from cackled.products.chat.translator import Translator
from cackled.products.chat.upkeep import AUTHORED, ERASABLE, HELD, JOBS, Gathering, Routing
from cackled.products.product import Limit, OutboxParts, Product, SharedParts


def make_chats(parts: ServiceParts, site: Site) -> Chats:
    """The conversations of *site*."""
    return Chats(parts, site)


def make_desks(parts: ServiceParts, site: Site) -> Desks:
    """The operators of *site*."""
    return Desks(parts, site, api.random_number)


def make_tokens(parts: SharedParts) -> ChatTokens:
    """What makes and checks the tokens of conversations."""
    return ChatTokens(parts.sites.secret)


def make_routing(parts: SharedParts) -> Routing:
    """What hands out conversations that wait."""
    return Routing(parts.database, parts.clock)


def make_gathering(parts: SharedParts) -> Gathering:
    """What tells operators of much at once."""
    return Gathering(parts.database, parts.clock)


def make_resuming(parts: SharedParts) -> Resuming:
    """What letters about conversations take."""
    return Resuming(SignedLinks(parts.sites.secret, parts.wall_time), parts.send is not None)


def make_places(parts: SharedParts) -> Places:
    """What knows the country of an address."""
    return Places(parts.country)


def make_translator(parts: SharedParts) -> Translator:
    """What asks sites' translators."""
    return Translator(parts.http.ask, parts.wall_time, parts.random, parts.metrics)


def make_replies(parts: SharedParts) -> MailReplies:
    """What takes answers by mail."""
    mail = parts.config.mail
    links = SignedLinks(parts.sites.secret, parts.wall_time)
    return MailReplies(
        parts.sites, parts.database, links, parts.clock, mail.replies, mail.replies_interface, mail.replies_port
    )


def _exports() -> tuple[Export, ...]:
    # Read when something is exported: seldom.
    from cackled.products.chat.exporting import EXPORTS

    return EXPORTS


def make_mail(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """What writes to visitors."""
    return ChatMail(parts).deliver


def make_push(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """What tells operators' browsers."""
    return DeskPush(parts).deliver


PRODUCT = Product(
    name=PRODUCT_NAME,
    routes=(
        *macros_api.ROUTES, *push_api.ROUTES, *staff_api.ROUTES, *setup_api.ROUTES, *report_api.ROUTES,
        *people_api.ROUTES, *translations_api.ROUTES, *uploads_api.ROUTES, *api.ROUTES,
    ),
    widgets=api.WIDGETS,
    settings=ChatSettings,
    services={
        Chats: make_chats, Desks: make_desks, Setups: Setups, Reports: Reports, ChatPeople: ChatPeople, Macros: Macros,
        DeskBrowsers: DeskBrowsers, Invitations: Invitations, Translations: Translations,
    },
    shared={
        ChatTokens: make_tokens, Routing: make_routing, Resuming: make_resuming, MailReplies: make_replies,
        Gathering: make_gathering, Places: make_places, DeskKeys: make_keys, Translator: make_translator,
    },
    starts=(Routing, Gathering, MailReplies),
    outbox={"chat-mail": make_mail, "chat-push": make_push},
    letters=LETTERS,
    limits=(
        Limit(name="start", rate=0.05, burst=5, site_rate=20.0),
        Limit(name="use", rate=5, burst=60),
        Limit(name="staff", rate=20, burst=400),
        Limit(name="translate", rate=2, burst=60),
    ),
    events=EVENTS,
    refusals=REFUSALS,
    problems=PROBLEMS,
    jobs=(*JOBS, DROP_OLD),
    sql=__name__,
    web=__name__,
    counted=(Counted(table="chat", word="conversations"), Counted(table="chat_message", word="messages", kept=False)),
    erase=ERASABLE,
    held=(*HELD, TRANSLATED),
    authored=AUTHORED,
    exports=_exports,
    seed=fill,
    demo={"chat.enabled": True},
    private={PRODUCT_NAME: private},
    proofs={PRODUCT_NAME: ChatTokens},
)
