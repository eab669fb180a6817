"""The first render: settings, page, counts and position in one request, answered from memory.

A visitor's own votes and blocks are added behind the shared bytes, never into them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cackled.api.calls import argument, bearer, guarded, number, reading, sourced, tokens
from cackled.api.routes import Limits, wanted
from cackled.database.errors import DatabaseError
from cackled.database.routing import ReadPreference
from cackled.domain.errors import BadField
from cackled.domain.grants import Grants
from cackled.domain.sessions import Session, Sessions
from cackled.domain.sites import Site, SiteDirectory
from cackled.products.comments.pages import NOBODY
from cackled.products.comments.service import ChannelRef, Comments, check_channel
from cackled.transport.http import Request
from cackled.transport.response import CONFIGURED_TTL, Response

# Sites whose part of the answer is kept ready.
MOST_HEADS = 4096


def channel_key(request: Request) -> str:
    """The page's channel: ``channel``, else ``url`` without its fragment.

    Raises:
        BadField: neither is given.
    """
    key = argument(request, "channel") or argument(request, "url").partition("#")[0]
    if not key:
        raise BadField("Name the channel or the url.", field="channel")
    return check_channel(ChannelRef(key)).key


class Bootstrap:
    """Answers ``GET /bootstrap``; `answer` is given to the microcache as the route's handler."""

    def __init__(
        self,
        sites: SiteDirectory,
        sessions: Sessions,
        grants: Grants,
        comments: Callable[[Site], Comments],
        limits: Limits,
        client_address: Callable[[Any], str],
        usage: Callable[[int, ReadPreference], None] = lambda site, preference: None,
    ) -> None:
        self._usage = usage
        self._sites = sites
        self._sessions = sessions
        self._grants = grants
        self._comments = comments
        self._limits = limits
        self._client_address = client_address
        self._heads: dict[int, tuple[Site, bytes]] = {}

    @staticmethod
    def personal(request: Request) -> bool:
        """Whether the answer will hold something of one visitor by its address, and must not be shared."""
        return b"me" in request.args

    async def answer(self, request: Request) -> Response:
        """The first render; problems are answers too."""
        response = await guarded(self._answer(request))
        # The widget of another origin has to see what time it is, and when to come again.
        exposed = b"date, retry-after" if response.status >= 400 else b"date"
        response.headers += ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", exposed))
        return response

    async def _answer(self, request: Request) -> Response:
        site = self._sites.get(number(request, "site", 0, 0, 2**31 - 1))
        self._limits.read(self._client_address(request))
        session = self._session(request, site)
        key = channel_key(request)
        self._grants.check(site, tokens(request), site.channel(key))
        wish = reading(request, ReadPreference.NEAREST)
        self._usage(site.id, wish.preference)
        comments = self._comments(site)
        page = await comments.page(key, wanted(request), preference=wish)
        me = NOBODY
        if session is not None:
            try:
                # A vote just counted in the page must not be missing here: both are read from a copy as new.
                self._usage(site.id, ReadPreference.PRIMARY_PREFERRED)
                me = await comments.mine(key, session, ReadPreference.PRIMARY_PREFERRED)
            except DatabaseError:
                # The page is readable without it; the widget asks again when it is back.
                me = b"null"
        head = self._head(site)
        group = site.group(site.channel(key))
        private = session is not None or self.personal(request) or site.settings.private
        # What may be older than it should be, or was asked for with a bound, is not handed to the next one.
        shared = not private and not wish.stale and wish.max_staleness is None
        answer = Response(
            status=200,
            headers=[
                (b"content-type", b"application/json"),
                (b"cache-control", b"private, no-store" if private else b"public, max-age=0"),
            ],
            body=b"".join((head, page.value, b',"me":', me, b"}")),
            tags=() if private else (group,),
            ttl=CONFIGURED_TTL if shared else None,
            seqs={group: page.seq},
            owner=site.id,
        )
        return sourced(answer, wish)

    def _head(self, site: Site) -> bytes:
        """``{"site":{..},``, made once for each state of a site."""
        known = self._heads.get(site.id)
        if known is None or known[0] is not site:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            text = msgspec.json.encode(
                {"site": {"id": str(site.id), "name": site.name, "settings": site.settings.public()}}
            )
            known = self._heads[site.id] = (site, text[:-1] + b",")
        return known[1]

    def _session(self, request: Request, site: Site) -> Session | None:
        ticket = argument(request, "me")
        if ticket:
            return self._sessions.check_view(site, ticket)
        token = bearer(request)
        return None if token is None else self._sessions.check(site, token)
