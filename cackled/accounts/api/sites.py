"""Routes of making a site, proving its hosts, what it uses, and deleting it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.accounts.hosts import METHODS, WORD, Host, Hosts
from cackled.accounts.signin import SignIn
from cackled.accounts.site_deletion import Farewell, Farewells
from cackled.accounts.store import People
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.clock import wall_time
from cackled.config import Config
from cackled.database.errors import DatabaseError, Unavailable
from cackled.domain.audit import Audit
from cackled.domain.deletion import Deletions
from cackled.domain.demo import SITE as DEMO
from cackled.domain.errors import BadField, Conflict, Forbidden, NotFound
from cackled.domain.limits import LimitRow, LimitTable
from cackled.domain.site_changes import SiteChanges, origin_patterns
from cackled.domain.usage import CREDITS, Usage

log = Logger()


class NewSiteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The name and origins of a new site."""

    name: Annotated[str, Meta(max_length=400)]
    origins: Annotated[list[str], Meta(max_length=20)] = []


class NewSiteAnswer(Struct, frozen=True):
    """A new site. Origins in ``waiting`` count once their host is proven."""

    site: int
    name: str
    origins: list[str]
    waiting: list[str]


class HostBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The host to add."""

    host: Annotated[str, Meta(max_length=300)]


class HostAnswer(Struct, frozen=True):
    """A host, and the proof of ownership that is looked for in three places."""

    host: str
    proven: str | None
    method: str
    record: str
    file: str
    content: str
    meta: str


class HostsAnswer(Struct, frozen=True):
    """The hosts of a site. ``needed``: origins count only once their host is proven."""

    hosts: list[HostAnswer]
    needed: bool
    methods: list[str]


class UsageQuery(Struct, frozen=True):
    """The month."""

    month: Annotated[str, Meta(pattern="^([0-9]{4}-[0-9]{2})?$", description="2026-11; this one")] = ""


class UsageRow(Struct, frozen=True):
    """Reads by readPreference. ``price`` is the credits per read."""

    preference: str
    reads: int
    credits: int
    price: int


class UsageAnswer(Struct, frozen=True):
    """Usage of the site in a month, and its rate limits."""

    month: str
    reads: list[UsageRow]
    credits: int
    limits: list[LimitRow]


class NameBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The site's name, typed by whoever deletes it."""

    name: Annotated[str, Meta(max_length=400)]


class DeletionAnswer(Struct, frozen=True):
    """The state of a deletion: ``asked`` for, or ``done``; ``by`` and ``at`` say who asked, and when."""

    asked: bool
    done: bool = False
    by: str = ""
    at: str = ""


async def make_site(call: Call) -> NewSiteAnswer:
    """Create a site, where sign-up is open."""
    sent: NewSiteBody = call.body
    account = call.colleague.account
    config, people = call.shared(Config), call.shared(People)
    if call.shared(SignIn).signup != "open":
        raise Forbidden("Here an operator makes sites (cackled admin site add).", slug="signup-closed")
    owned = [one for one in await people.sites(account) if one.role == "owner"]
    if len(owned) >= config.accounts.sites:
        raise Conflict(f"An account makes at most {config.accounts.sites} sites.", slug="sites")
    origin_patterns(sent.origins)
    made = await call.context.sites.add(sent.name, [])
    if made is None:
        # Another node gave the number away at this moment.
        raise Unavailable(1.0, "another site was made at the same moment")
    await people.appoint(made.id, account, "owner")
    changes = call.shared(SiteChanges)
    proven = await call.shared(Hosts).proven(made.id)
    document = await changes.change(
        made.id, (await changes.get(made.id)).version, origins=sent.origins, proven=proven
    )
    await call.shared(Hosts).expect(made.id, document.waiting)
    await call.context.service(Audit, made).record(call.colleague, "site.made", f"site:{made.id}")
    return NewSiteAnswer(made.id, document.name, document.origins, document.waiting)


def _told(one: Host) -> HostAnswer:
    text = f"{WORD}={one.token}"
    return HostAnswer(
        one.host, one.proven, one.method, f'_cackled.{one.host}. TXT "{text}"',
        f"https://{one.host}/.well-known/{WORD}.txt", text, f'<meta name="{WORD}" content="{one.token}">',
    )  # fmt: skip


async def list_hosts(call: Call) -> HostsAnswer:
    """List the site's hosts and whether their ownership is proven."""
    hosts = call.shared(Hosts)
    return HostsAnswer([_told(one) for one in await hosts.listed(call.site.id)], hosts.needed, list(METHODS))


async def add_host(call: Call) -> HostAnswer:
    """Add a host whose ownership is to be proven."""
    made = await call.shared(Hosts).add(call.site.id, call.body.host)
    await call.service(Audit).record(call.colleague, "host.added", f"host:{made.host}")
    return _told(made)


async def prove_host(call: Call) -> HostAnswer:
    """Check the proof of ownership (DNS, file or meta tag)."""
    made = await call.shared(Hosts).prove(call.site.id, call.parameters["host"])
    await call.service(Audit).record(call.colleague, "host.proven", f"host:{made.host}", method=made.method)
    return _told(made)


async def remove_host(call: Call) -> None:
    """Remove a host."""
    host = call.parameters["host"]
    if not await call.shared(Hosts).remove(call.site.id, host):
        raise NotFound("The site has no such host.")
    await call.service(Audit).record(call.colleague, "host.removed", f"host:{host}")


async def show_usage(call: Call) -> UsageAnswer:
    """Get usage: reads by readPreference with their credits, and limits."""
    query: UsageQuery = call.query
    month = query.month or datetime.fromtimestamp(wall_time(), UTC).strftime("%Y-%m")
    try:
        found = await call.shared(Usage).month(call.site.id, month)
    except ValueError:
        raise BadField("A month is written 2026-11.", field="month") from None
    rows = [UsageRow(one.value, reads, credits, CREDITS[one]) for one, reads, credits in found]
    return UsageAnswer(month, rows, sum(row.credits for row in rows), list(call.shared(LimitTable).rows))


async def ask_deletion(call: Call) -> DeletionAnswer:
    """Request the deletion of the site, or confirm a colleague's request."""
    site, account = call.site, call.colleague.account
    if site.id == DEMO and call.shared(Config).demo.enabled:
        raise Conflict("The demo's site is made anew at every start.", slug="deletion")
    if call.body.name != site.name:
        raise BadField("Type the name of the site, as it is.", field="name")
    asked = await call.shared(Farewells).ask(site.id, account)
    if asked is None:
        await call.service(Audit).record(call.colleague, "site.deletion-asked", f"site:{site.id}")
        return _asked(await call.shared(Farewells).look(site.id))
    if not asked.agreed(account):
        alone = asked.owners == 1
        raise Conflict(
            "You asked for it. As its only owner, ask again three days later." if alone
            else "Another owner, who was here when it was asked for, has to agree.", slug="deletion",
        )  # fmt: skip
    await call.service(Audit).record(call.colleague, "site.deleted", f"site:{site.id}", asked_by=str(asked.account))
    log.info("site {site} is deleted for account {one}, which account {two} asked for",
             site=site.id, one=account, two=asked.account)  # fmt: skip
    # Said to be done once nobody is served it, whatever happens to this process then.
    await call.shared(Deletions).dismiss(site.id)
    done: Deferred[int] = Deferred.fromCoroutine(call.shared(Deletions).clear(site.id))
    # What fails here is done by the job that looks after deleted sites.
    done.addErrback(lambda failure: None if failure.check(DatabaseError) else log.failure("deleting broke", failure))
    return DeletionAnswer(True, True, asked.name, asked.asked)


def _asked(one: Farewell | None) -> DeletionAnswer:
    return DeletionAnswer(False) if one is None else DeletionAnswer(True, False, one.name, one.asked)


async def look_deletion(call: Call) -> DeletionAnswer:
    """Get whether the deletion of the site was requested."""
    return _asked(await call.shared(Farewells).look(call.site.id))


async def cancel_deletion(call: Call) -> None:
    """Cancel the deletion of the site."""
    if not await call.shared(Farewells).cancel(call.site.id):
        raise NotFound("Nobody asked for that.")
    await call.service(Audit).record(call.colleague, "site.deletion-cancelled", f"site:{call.site.id}")


def _of(method: str, path: str, name: str, summary: str, handler: Any, role: str, **more: Any) -> Route:
    """A route of one site."""
    return Route(
        method=method, path=f"/sites/{{site}}/{path}", name=name, summary=summary, handler=handler,
        caller=Caller.STAFF, role=role, limit="", **more,
    )  # fmt: skip


ROUTES = (
    Route(
        method="POST", path="/sites", name="makeSite", summary="Create a site, where sign-up is open.",
        handler=make_site, body=NewSiteBody, answer=NewSiteAnswer, status=201, caller=Caller.STAFF, limit="",
        refusals=("signup-closed", "sites"),
    ),
    _of("GET", "hosts", "listHosts", "List the site's hosts and whether their ownership is proven.",
        list_hosts, "analyst", scope="read",
        answer=HostsAnswer),
    _of("POST", "hosts", "addHost", "Add a host whose ownership is to be proven.", add_host, "admin", scope="sync",
        body=HostBody, answer=HostAnswer, status=201, refusals=("hosts",)),
    _of("POST", "hosts/{host:text}/proof", "proveHost", "Check the proof of ownership (DNS, file or meta tag).",
        prove_host, "admin", scope="sync",
        answer=HostAnswer, refusals=("not-proven", "not-found")),
    _of("DELETE", "hosts/{host:text}", "removeHost", "Remove a host.", remove_host, "admin", scope="sync", status=204,
        refusals=("not-found",)),
    _of("GET", "usage", "showUsage", "Get usage: reads by readPreference with their credits, and limits.",
        show_usage, "analyst",
        scope="read", query=UsageQuery, answer=UsageAnswer),
    _of("GET", "deletion", "lookAtDeletion", "Get whether the deletion of the site was requested.",
        look_deletion, "admin", scope="read",
        answer=DeletionAnswer),
    _of("POST", "deletion", "askDeletion", "Request the deletion of the site, or confirm a colleague's request.",
        ask_deletion, "owner",
        body=NameBody, answer=DeletionAnswer, fresh=True, refusals=("deletion",)),
    _of("DELETE", "deletion", "cancelDeletion", "Cancel the deletion of the site.",
        cancel_deletion, "admin", status=204,
        refusals=("not-found",)),
)  # fmt: skip
