"""How visitors of a site show who they are: by the site's own word, or by signing in with somebody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.clock import wall_time
from cackled.database.query import Query
from cackled.domain.erasure import Erasable
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.people import People
from cackled.domain.personal_data import FOREVER, Held
from cackled.domain.site import Site
from cackled.identity import cackle_api
from cackled.identity.api import ROUTES
from cackled.identity.avatar import Pictures
from cackled.identity.commands import COMMANDS
from cackled.identity.flow import SignIn
from cackled.identity.mail_link import KINDS as LETTERS
from cackled.identity.mail_link import SignInMail
from cackled.identity.one_time import DROP_OLD
from cackled.identity.own_picture import ROUTES as PICTURE_ROUTES
from cackled.identity.picture_reports import KIND, REFUSALS, PictureReports
from cackled.identity.picture_reports import make as make_picture_items
from cackled.identity.profiles import Profiles
from cackled.identity.return_codes import WaysBack
from cackled.identity.sealing import Sealing
from cackled.identity.settings import IdentitySettings
from cackled.identity.skeletons import Skeletons
from cackled.identity.sso import Statements
from cackled.identity.sso_refusals import RefusalBook, SsoRefusals
from cackled.products.product import Feature, Limit, OutboxParts, SharedParts


def make_people(parts: ServiceParts, site: Site) -> People:
    """The people of *site*."""
    return People(site, parts.database, parts.crowd)


def make_statements(parts: ServiceParts, site: Site) -> Statements:
    """Statements about visitors of *site*."""
    return Statements(site, parts.database, make_people(parts, site), wall_time)


def make_ways_back(parts: ServiceParts, site: Site) -> WaysBack:
    """Codes that visitors of *site* come back with."""
    return WaysBack(site, parts.database, make_people(parts, site), wall_time)


def make_sign_in(parts: SharedParts) -> SignIn:
    """The ways of visitors to providers and back."""
    return SignIn(
        parts.http, parts.database, Sealing(parts.sites.secret), parts.clock.seconds, parts.wall_time
    )


def make_mail(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """What writes to those who sign in by mail."""
    return SignInMail(parts, wall_time).deliver


ERASABLE = Erasable(
    steps=(
        Query(
            "erase_picture_reports", "select channel, seq from erase_picture_reports($1, $2, $3)",
            ("int", "bigint", "int"),
        ),
    ),
    # A person's picture is in no channel.
    channels=Query("select_picture_channels", "select null::bigint where $1 + $2 < 0", ("int", "bigint")),
)

FEATURE = Feature(
    name="identity",
    old_calls=cackle_api.CALLS,
    routes=(*ROUTES, *PICTURE_ROUTES),
    settings=IdentitySettings,
    services={
        People: make_people,
        Statements: make_statements,
        WaysBack: make_ways_back,
        Profiles: lambda parts, site: Profiles(site, parts.database),
        PictureReports: lambda parts, site: PictureReports(parts.database, site),
        SsoRefusals: lambda parts, site: SsoRefusals(site, parts.database),
    },
    shared={
        Pictures: lambda parts: Pictures(
            parts.http, parts.database, parts.square, parts.clock.seconds, parts.own_picture
        ),
        RefusalBook: lambda parts: RefusalBook(parts.clock.seconds), SignIn: make_sign_in,
        Skeletons: lambda parts: Skeletons(parts.database, parts.clock),
    },
    starts=(Skeletons,),
    outbox={"sign-in-mail": make_mail},
    letters=LETTERS,
    limits=(Limit(name="change", rate=1, burst=20), Limit(name="sign-in", rate=0.5, burst=30),
            Limit(name="picture", rate=0.05, burst=10, site_rate=5.0), Limit(name="flag", rate=0.2, burst=20)),
    refusals=REFUSALS,
    moderated={KIND: make_picture_items},
    erase=ERASABLE,
    held=(Held(table="picture_report", what="reports of the picture that they show", until=FOREVER,
               secret=("seen", "version")),
          Held(table="picture_flag", what="pictures of others that they reported", until=FOREVER)),
    problems={"bad-statement": 401, "bad-code": 401},
    jobs=(DROP_OLD,),
    commands=COMMANDS,
    sql="cackled.identity",
)
