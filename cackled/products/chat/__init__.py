"""Live chat: conversations between visitors and operators."""

from __future__ import annotations

from cackled.database.counted import Counted
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.chat import api, report_api, setup_api, staff_api
from cackled.products.chat.desk import Desks
from cackled.products.chat.events import EVENTS
from cackled.products.chat.refusals import PROBLEMS, REFUSALS
from cackled.products.chat.report import Reports
from cackled.products.chat.service import PRODUCT_NAME, Chats
from cackled.products.chat.settings import ChatSettings
from cackled.products.chat.setup import Setups
from cackled.products.chat.tokens import ChatTokens
from cackled.products.chat.upkeep import AUTHORED, ERASABLE, HELD, JOBS, Routing
from cackled.products.product import Limit, Product, SharedParts


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


PRODUCT = Product(
    name=PRODUCT_NAME,
    routes=(*staff_api.ROUTES, *setup_api.ROUTES, *report_api.ROUTES, *api.ROUTES),
    widgets=api.WIDGETS,
    settings=ChatSettings,
    services={Chats: make_chats, Desks: make_desks, Setups: Setups, Reports: Reports},
    shared={ChatTokens: make_tokens, Routing: make_routing},
    starts=(Routing,),
    limits=(
        Limit(name="start", rate=0.05, burst=5, site_rate=20.0),
        Limit(name="use", rate=5, burst=60),
        Limit(name="staff", rate=20, burst=400),
    ),
    events=EVENTS,
    refusals=REFUSALS,
    problems=PROBLEMS,
    jobs=JOBS,
    sql=__name__,
    web=__name__,
    counted=(Counted(table="chat", word="conversations"), Counted(table="chat_message", word="messages", kept=False)),
    erase=ERASABLE,
    held=HELD,
    authored=AUTHORED,
    demo={"chat.enabled": True},
)
