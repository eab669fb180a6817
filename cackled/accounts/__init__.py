"""Accounts of staff: signing in, roles on sites, keys of sites' own servers."""

from __future__ import annotations

from cackled.accounts.api import ROUTES
from cackled.accounts.gate import Gate
from cackled.accounts.keys import DROP_DEAD_KEYS, SiteKeys
from cackled.accounts.links import AccountLinks
from cackled.accounts.passwords import Passwords
from cackled.accounts.people import People
from cackled.accounts.sessions import AccountSessions
from cackled.accounts.signin import SignIn
from cackled.accounts.throttle import Throttle
from cackled.domain.audit import Audit
from cackled.products.product import Feature, SharedParts


def make_sign_in(parts: SharedParts) -> SignIn:
    """What signs people in."""
    return SignIn(
        People(parts.database),
        AccountSessions(parts.database, parts.random),
        AccountLinks(parts.database, parts.random),
        Passwords(parts.in_thread),
        Throttle(parts.sites.secret, parts.buckets, parts.exempt),
    )


FEATURE = Feature(
    name="accounts",
    routes=ROUTES,
    shared={
        SignIn: make_sign_in,
        People: lambda parts: People(parts.database),
        AccountSessions: lambda parts: AccountSessions(parts.database, parts.random),
        AccountLinks: lambda parts: AccountLinks(parts.database, parts.random),
        SiteKeys: lambda parts: SiteKeys(parts.database, parts.random),
        Gate: lambda parts: Gate(
            AccountSessions(parts.database, parts.random), SiteKeys(parts.database, parts.random)
        ),
    },
    services={Audit: lambda parts, site: Audit(site, parts.database)},
    problems={"wrong-password": 401, "link-spent": 401, "keys": 409, "last-owner": 409},
    jobs=(DROP_DEAD_KEYS,),
    sql="cackled.accounts",
)
