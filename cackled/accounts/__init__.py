"""Accounts of staff: signing in, roles on sites, keys of sites' own servers."""

from __future__ import annotations

from pathlib import Path

from cackled.accounts.account_mail import Letters
from cackled.accounts.api import ROUTES
from cackled.accounts.authentication import Gate
from cackled.accounts.challenges import DROP_CHALLENGES, Challenges
from cackled.accounts.deleted_accounts import Forgetting
from cackled.accounts.hosts import Hosts
from cackled.accounts.keys import DROP_DEAD_KEYS, SiteKeys
from cackled.accounts.links import AccountLinks
from cackled.accounts.members import Members
from cackled.accounts.passkeys import Passkeys
from cackled.accounts.passwords import Passwords
from cackled.accounts.pictures import AccountPictures
from cackled.accounts.second_factors import Factors
from cackled.accounts.sessions import DROP_OLD_SESSIONS, AccountSessions
from cackled.accounts.signin import SignIn
from cackled.accounts.site_deletion import Farewells
from cackled.accounts.store import DROP_ACCOUNT_LOG, DROP_UNVERIFIED, People
from cackled.accounts.throttle import Throttle
from cackled.domain.audit import Audit
from cackled.domain.mail_templates import MailTemplates
from cackled.products.product import Feature, Limit, SharedParts


def make_sign_in(parts: SharedParts) -> SignIn:
    """What signs people in."""
    return SignIn(
        People(parts.database),
        AccountSessions(parts.database, parts.random),
        AccountLinks(parts.database, parts.random),
        Passwords(parts.in_thread),
        Throttle(parts.sites.secret, parts.buckets, parts.exempt),
        make_factors(parts),
        parts.config.accounts.signup,
    )


def make_challenges(parts: SharedParts) -> Challenges:
    """What makes challenges and knows them again."""
    return Challenges(parts.database, parts.random, parts.sites.secret, parts.wall_time)


def make_factors(parts: SharedParts) -> Factors:
    """The second factors of accounts."""
    return Factors(parts.database, parts.random, make_challenges(parts), parts.wall_time)


def make_forgetting(parts: SharedParts) -> Forgetting:
    """What deletes accounts for good."""
    journal = Path(parts.config.state).absolute() / "accounts.log"
    return Forgetting(People(parts.database), parts.clock, journal, parts.in_thread)


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
        AccountPictures: lambda parts: AccountPictures(parts.database),
        AccountSessions: lambda parts: AccountSessions(parts.database, parts.random),
        AccountLinks: lambda parts: AccountLinks(parts.database, parts.random),
        Members: lambda parts: Members(parts.database, parts.random),
        Letters: make_letters,
        Factors: make_factors,
        Passkeys: lambda parts: Passkeys(parts.database, make_challenges(parts)),
        Hosts: make_hosts,
        Forgetting: make_forgetting,
        Farewells: lambda parts: Farewells(parts.database),
        SiteKeys: lambda parts: SiteKeys(parts.database, parts.random),
        Gate: lambda parts: Gate(
            AccountSessions(parts.database, parts.random), SiteKeys(parts.database, parts.random)
        ),
    },
    starts=(Forgetting,),
    services={
        Audit: lambda parts, site: Audit(site, parts.database),
        MailTemplates: lambda parts, site: MailTemplates(site, parts.database),
    },
    limits=(Limit(name="picture", rate=0.05, burst=10),),
    problems={
        "wrong-password": 401, "link-spent": 401, "second-factor": 401, "wrong-code": 401, "wrong-passkey": 401,
        "signup-closed": 403, "keys": 409, "last-owner": 409, "passkeys": 409, "sites": 409, "deletion": 409,
        "invitations": 409, "webhooks": 409, "hosts": 409, "not-proven": 422, "no-mail": 503,
    },
    jobs=(DROP_DEAD_KEYS, DROP_CHALLENGES, DROP_OLD_SESSIONS, DROP_UNVERIFIED, DROP_ACCOUNT_LOG),
    sql="cackled.accounts",
)
