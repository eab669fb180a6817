"""A route, declared once: dispatch, preflight, checks and the OpenAPI text all follow from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import force_setattr

from cackled.api.query import QueryReader, query_reader
from cackled.database.query import ReadPreference
from cackled.domain.staff import ANY, ROLES, SCOPES

if TYPE_CHECKING:
    from cackled.api.calls import Call
    from cackled.api.large_bodies import Receiving
    from cackled.domain.site import Site
    from cackled.transport.streamed_body import BodySink

Handler = Callable[["Call"], Awaitable[Any]]
# Gives the key of the channel that a call is about, once its query and body are decoded.
ChannelOf = Callable[["Call"], str]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Refusals of a change that has to name the version that it is of (`cackled.api.calls.version_matched`).
VERSIONED = ("outdated", "if-match")


class Caller(Enum):
    """Who may call a route.

    ``ANYONE`` needs no token, and one that is sent is not looked at; ``VISITOR`` may send a session's token, and a bad
    one is refused; ``SESSION`` must send one. These are for pages of sites.

    ``STAFF`` is somebody who is signed in, or a server with a site's key; ``OWN_PAGE`` is a page of ours, whoever
    looks at it (a form to sign in). For both see `cackled.api.staff`.

    ``PARTY`` is either side of a private conversation: a visitor with a token that the handler knows, or, without
    ``Authorization``, somebody of the staff with ``role``; a server with a key of ``scope`` speaks as the site's bot.
    """

    ANYONE = "anyone"
    VISITOR = "visitor"
    SESSION = "session"
    STAFF = "staff"
    OWN_PAGE = "own page"
    PARTY = "party"


class Reach(Enum):
    """What of a private site a caller must have been granted.

    ``SITE``: something of it, whatever that is; ``CHANNEL``: the channel that `Route.channel` names; ``ALL``: every
    channel; ``THING``: the channel of what the path names by its id, which the handler looks up.
    """

    SITE = "site"
    CHANNEL = "channel"
    ALL = "all"
    THING = "thing"


class HeaderField(Struct, frozen=True):
    """A header of a protocol that a route speaks: ``number``: it is a number of bytes; ``value``: always this one."""

    name: str
    description: str
    required: bool = False
    number: bool = False
    value: str = ""


class Route(Struct, frozen=True, kw_only=True):
    """One method of one address below ``/api/v1``.

    - ``method``, ``path``: ``{name}`` stands for one segment that is an id, ``{name:text}`` for one that is any text,
      and ``{site}`` for a site's number, which is resolved first.
    - ``name``, ``summary``: operationId and one line of the OpenAPI text.
    - ``handler``: gets the `Call` with ``query`` and ``body`` decoded; returns a value or bytes that are sent as JSON
      with ``status``, None for 204, or a whole Response.
    - ``query``, ``body``: Structs that the query's arguments and the JSON body are decoded to; ``answer`` describes
      what is sent: a type, or, where the answer is put together from text, a Struct with the same members; ``media`` is
      its media type, of a handler that returns a Response.
    - ``takes``: the media type of a body that is no JSON; the handler reads ``request.content``. ``most``: bytes that
      the body may have, where that is more than ``[http] body_bytes``; only who shows a token or a cookie may send
      that much (`cackled.api.large_bodies`). ``admit`` refuses by the site and the length that was announced (None: it
      was not), before a byte of a large body is read.
    - ``receive``: gives what the body is written to while it arrives, which is ``request.content`` then; None: it
      is collected. It sees the head alone, and may refuse it. Only of routes for SESSION and PARTY.
    - ``options``: more headers of what OPTIONS is answered at this address, by site.
    - ``sends``, ``gets``: headers of requests and answers that are part of what it does, for its description.
    - ``bodiless``: the body may be left out where all its members may.
    - ``caller``, ``reach``, ``channel``: who may call, and what of a private site that takes.
    - ``role``: of STAFF, the role on the site of the path that it takes (`cackled.domain.staff`); ``any``: any of them;
      ``""``: any account, where the path names no site. ``scope``: what a site's key must be for, ``""``: no key may.
      ``fresh``: whoever is signed in must have shown lately that it is them. ``whole``: not for moderators of sections.
      ``certain``: the role is asked of the primary, also where the call reads: a replica may know an older one.
    - ``limit``: the name of the rate limit that a call draws from; ``""`` for a handler that draws from it itself.
    - ``preference``: the default readPreference; with it a route takes readPreference, maxStaleness and after.
    - ``mend``: halves of surrogate pairs, which cutting a text leaves, are left out of the body instead of refused.
    - ``token``: of ANYONE, a visitor with a token that the handler knows, as of PARTY.
    - ``idempotent``: takes an Idempotency-Key. ``writes``: the caller's next read goes past the microcache.
    - ``refusals``: slugs of problems that are this route's own, beside those that follow from all the rest.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    takes: str = ""
    most: int = 0
    admit: Callable[[Site, int | None], None] | None = None
    receive: Callable[[Receiving], BodySink | None] | None = None
    options: Callable[[Site], list[tuple[bytes, bytes]]] | None = None
    sends: tuple[HeaderField, ...] = ()
    gets: tuple[HeaderField, ...] = ()
    bodiless: bool = False
    answer: Any = None
    media: str = "application/json"
    status: int = 200
    caller: Caller = Caller.ANYONE
    role: str = ""
    scope: str = ""
    fresh: bool = False
    whole: bool = False
    certain: bool = False
    reach: Reach = Reach.SITE
    channel: ChannelOf | None = None
    limit: str
    preference: ReadPreference | None = None
    mend: bool = False
    token: bool = False
    idempotent: bool = False
    writes: bool = False
    refusals: tuple[str, ...] = ()
    # The product that declares it, by whose channels it goes; said by `cackled.products.registry.Registry`.
    product: str = ""
    # Derived from ``query`` and ``path``.
    arguments: QueryReader | None = None
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what can be checked before the first call.

        Raises:
            ValueError: the declaration contradicts itself.
        """
        if self.method not in METHODS:
            raise ValueError(f"{self.name}: there is no method {self.method}")
        if not self.path.startswith("/") or self.path.endswith("/"):
            raise ValueError(f"{self.name}: {self.path!r} is no path")
        if (self.reach is Reach.CHANNEL) != (self.channel is not None):
            raise ValueError(f"{self.name}: reach CHANNEL goes with a channel")
        staff = self.caller in (Caller.STAFF, Caller.PARTY)
        if (self.role or self.scope or self.fresh or self.whole) and not staff:
            raise ValueError(f"{self.name}: role, scope, fresh and whole go with STAFF")
        if (self.role and self.role not in (*ROLES, ANY)) or (self.scope and self.scope not in SCOPES):
            raise ValueError(f"{self.name}: there is no role {self.role!r} or no scope {self.scope!r}")
        if (self.role or self.scope) and not self.about_site:
            raise ValueError(f"{self.name}: a role or scope is one of the site in the path")
        if staff and self.about_site and not self.role:
            raise ValueError(f"{self.name}: say which role on the site that takes")
        if (self.body is not None or self.takes) and self.method in ("GET", "DELETE"):
            raise ValueError(f"{self.name}: {self.method} has no body")
        if self.token and self.caller is not Caller.ANYONE:
            raise ValueError(f"{self.name}: token goes with ANYONE")
        if self.takes and self.body is not None:
            raise ValueError(f"{self.name}: a body is JSON or it is not")
        if self.most and self.caller not in (Caller.SESSION, Caller.STAFF, Caller.PARTY):
            raise ValueError(f"{self.name}: strangers send no large bodies")
        if self.receive is not None and not (self.most and self.caller in (Caller.SESSION, Caller.PARTY)):
            raise ValueError(f"{self.name}: only a visitor's or a party's large body is kept while it arrives")
        # A frozen Struct can't be assigned to.
        force_setattr(self, "ids", tuple(one for one in self.parameters if one != "site" and one not in self.texts))
        if self.query is not None:
            force_setattr(self, "arguments", query_reader(self.query))

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's segments, ``{name}`` or ``{name:text}`` for one that may be anything."""
        return tuple(self.path.split("/")[1:])

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the segments that may be anything."""
        return tuple(one[1:-1].partition(":")[0] for one in self.segments if one.startswith("{"))

    @property
    def about_site(self) -> bool:
        """Whether it is about one site."""
        return "{site}" in self.segments

    @property
    def for_own_pages(self) -> bool:
        """Whether pages of our own origin call it, and none of a site's."""
        return self.caller in (Caller.STAFF, Caller.OWN_PAGE)

    @property
    def replayed(self) -> bool:
        """Whether a call with an Idempotency-Key is answered again instead of done again, by the dispatcher.

        Calls that sign somebody in set cookies, which nobody else may get; and who opens a session is nobody yet.
        """
        if self.method == "GET" or self.idempotent or self.path.startswith("/auth/"):
            return False
        return self.token or self.caller in (Caller.STAFF, Caller.SESSION, Caller.PARTY)

    @property
    def texts(self) -> frozenset[str]:
        """Those of `parameters` that are any text; the others are ids."""
        return frozenset(one[1:-1].partition(":")[0] for one in self.segments if one.endswith(":text}"))

    @property
    def own_after(self) -> bool:
        """Whether ``after`` means something of this route's own."""
        return self.query is not None and "after" in self.query.__struct_fields__
