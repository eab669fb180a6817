"""Accounts of staff: signing in, roles on sites, keys of sites' own servers."""

from __future__ import annotations

from cackled.accounts.api import ROUTES
from cackled.accounts.gate import Gate
from cackled.accounts.hosts import Hosts
from cackled.accounts.keys import DROP_DEAD_KEYS, SiteKeys
from cackled.accounts.letters import Letters
from cackled.accounts.links import AccountLinks
from cackled.accounts.members import Members
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
        parts.config.accounts.signup,
    )


def make_letters(parts: SharedParts) -> Letters:
    """What writes to people with accounts."""
    return Letters(parts.clock, parts.send, parts.config.mail.sender, parts.own_url, parts.wall_time)


def make_hosts(parts: SharedParts) -> Hosts:
    """Which hosts are proven to be whose."""

    async def fetch(url: str, most: int) -> bytes:
        answer = await parts.http.ask(b"GET", url, [], most=most)
        if answer.status != 200:
            raise ValueError(f"{url} answers {answer.status}")
        return bytes(answer.body)

    return Hosts(
        parts.sites,
        parts.database,
        parts.random,
        open_signup=parts.config.accounts.signup == "open",
        text_records=parts.text_records,
        fetch=fetch,
    )


FEATURE = Feature(
    name="accounts",
    routes=ROUTES,
    shared={
        SignIn: make_sign_in,
        People: lambda parts: People(parts.database),
        AccountSessions: lambda parts: AccountSessions(parts.database, parts.random),
        AccountLinks: lambda parts: AccountLinks(parts.database, parts.random),
        Members: lambda parts: Members(parts.database, parts.random),
        Letters: make_letters,
        Hosts: make_hosts,
        SiteKeys: lambda parts: SiteKeys(parts.database, parts.random),
        Gate: lambda parts: Gate(
            AccountSessions(parts.database, parts.random), SiteKeys(parts.database, parts.random)
        ),
    },
    services={Audit: lambda parts, site: Audit(site, parts.database)},
    problems={
        "wrong-password": 401, "link-spent": 401, "signup-closed": 403, "keys": 409, "last-owner": 409,
        "invitations": 409, "hosts": 409, "not-proven": 422,
    },
    jobs=(DROP_DEAD_KEYS,),
    sql="cackled.accounts",
)
