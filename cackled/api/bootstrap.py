"""The first render: settings, page, counts and position in one request, answered from memory.

The requested widget decides the page. What belongs to one visitor is appended to the shared bytes, never stored in
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cackled.api.calls import argument, bearer, guarded, number, reading, sourced, tokens
from cackled.api.context import ApiContext
from cackled.api.openapi import problem_responses, query_parameters, read_parameters
from cackled.api.query import QueryReader, query_reader
from cackled.api.widget import FirstRender, Widget
from cackled.database.query import ReadPreference
from cackled.domain.errors import PROBLEMS, BadField
from cackled.domain.locks import Rule
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.transport.http import Request
from cackled.transport.response import CONFIGURED_TTL, Response

# Number of sites whose part of the answer is cached.
MOST_HEADS = 4096
# The widget of pages that name none.
DEFAULT_WIDGET = "Comment"
SLUGS = (
    "bad-field", "unknown-site", "no-token", "bad-token", "token-expired", "not-granted", "sign-in-first",
    "not-in-group", "not-found", "too-fast", "other-deployment", "unavailable", "internal", "uri-too-long",
)  # fmt: skip


class Bootstrap:
    """Answers ``GET /bootstrap``; `answer` is given to the microcache as the route's handler."""

    def __init__(self, context: ApiContext, widgets: Iterable[Widget]) -> None:
        self._context = context
        self._widgets = {widget.name: (widget, query_reader(widget.query)) for widget in widgets}
        self._heads: dict[int, tuple[Site, bytes]] = {}

    @staticmethod
    def personal(request: Request) -> bool:
        """Whether the URL makes the answer specific to one visitor, so that it must not be shared."""
        return b"me" in request.args

    async def answer(self, request: Request) -> Response:
        """The first render; problems are answers too."""
        response = await guarded(self._answer(request))
        # Lets a widget on another origin read the time, and when to retry.
        exposed = b"date, retry-after" if response.status >= 400 else b"date"
        response.headers += ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", exposed))
        return response

    async def _answer(self, request: Request) -> Response:
        context = self._context
        site = context.sites.get(number(request, "site", 0, 0, 2**31 - 1))
        address = context.client_address(request)
        context.limits.take("reads", address, site.id)
        session = self._session(request, site)
        widget, reader = self._widget(request)
        query = reader.read(request.args)
        key = widget.key(query, site)
        channel = site.channel(widget.product, key)
        context.grants.check(site, tokens(request), channel)
        refused = context.doors.refused(site, key, "read", session, tokens(request))
        if refused is not None:
            raise refused
        locks = context.doors.locks(site)
        writers = locks.rule(key, "write")
        asked = reading(request, ReadPreference.NEAREST)
        context.count_read(site.id, asked.options.preference)
        page = await widget.page(FirstRender(context, site, query, session, asked, address))
        group = site.group(channel)
        closed = site.settings.private or not locks.rule(key, "read").open
        private = session is not None or self.personal(request) or closed
        # An answer that may be too old, or was asked for with a bound, is not given to other callers.
        shared = not private and not asked.outcome.stale and asked.options.max_staleness is None
        answer = Response(
            status=200,
            headers=[
                (b"content-type", b"application/json"),
                (b"cache-control", b"private, no-store" if private else b"public, max-age=0"),
            ],
            body=b"".join((
                self._head(site), context.signed(page.members, site), _access(writers), b',"me":',
                context.signed(page.me, site), b"}",
            )),
            tags=() if private else (group,),
            ttl=CONFIGURED_TTL if shared else None,
            seqs={group: page.seq},
            owner=site.id,
        )
        return sourced(answer, asked.outcome)

    def _widget(self, request: Request) -> tuple[Widget, QueryReader]:
        found = self._widgets.get(argument(request, "widget") or DEFAULT_WIDGET)
        if found is None:
            raise BadField(f"widget is one of {', '.join(self._widgets)}.", field="widget")
        return found

    def _head(self, site: Site) -> bytes:
        """``{"site":{..},``, made once for each state of a site."""
        known = self._heads.get(site.id)
        if known is None or known[0] is not site:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            text = msgspec.json.encode(
                {"site": {"id": str(site.id), "name": site.name, "settings": site.public_settings()}}
            )
            known = self._heads[site.id] = (site, text[:-1] + b",")
        return known[1]

    def _session(self, request: Request, site: Site) -> Session | None:
        ticket = argument(request, "me")
        if ticket:
            return self._context.sessions.check_view(site, ticket)
        token = bearer(request)
        return None if token is None else self._context.sessions.check(site, token)

    @property
    def answers(self) -> list[type[Struct]]:
        """The shapes that `description` refers to."""
        return [widget.answer for widget, _ in self._widgets.values()]

    def description(self, schemas: Mapping[Any, Any]) -> dict[str, Any]:
        """What the OpenAPI text says of ``/bootstrap``."""
        parameters: dict[str, Any] = {}
        for widget, _ in self._widgets.values():
            parameters.update((one["name"], one) for one in query_parameters(widget.query))
        names = list(self._widgets)
        own: list[dict[str, Any]] = [
            _argument("widget", {"type": "string", "enum": names, "default": DEFAULT_WIDGET}, "Which widget's page."),
            _argument("site", {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}, "The site.", required=True),
            _argument("me", {"type": "string"}, "Visitor and view ticket, joined by a full stop."),
            _argument("token", {"type": "string"}, "A grant of the site."),
        ]
        answers = [_first_answer(schemas[widget.answer]) for widget, _ in self._widgets.values()]
        return {
            "/bootstrap": {
                "servers": [{"url": "/"}],
                "get": {
                    "operationId": "bootstrap",
                    "summary": "The first render of a widget: settings, page, counts and position.",
                    "parameters": [*own, *parameters.values(), *read_parameters("nearest")],
                    "responses": {
                        "200": {
                            "description": "Done.",
                            "content": {"application/json": {"schema": {"anyOf": answers}}},
                        },
                        **problem_responses(SLUGS, PROBLEMS),
                    },
                },
            }
        }


def _access(writers: Rule) -> bytes:
    """The member that says who may write, where not everybody may."""
    return b"" if writers.open else b',"access":' + msgspec.json.encode({"write": writers.word})


def _argument(name: str, schema: dict[str, Any], text: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


def _first_answer(page: dict[str, Any]) -> dict[str, Any]:
    return {
        "allOf": [
            page,
            {
                "type": "object",
                "properties": {
                    "site": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "string"}, "name": {"type": "string"}, "settings": {"type": "object"},
                        },
                        "required": ["id", "name", "settings"],
                    },
                    "me": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                    "access": {
                        "description": "There where not everybody may write.",
                        "type": "object", "required": ["write"],
                        "properties": {"write": {"type": "string", "enum": ["signed-in", "sso", "groups"]}},
                    },
                },
                "required": ["site", "me"],
            },
        ]
    }  # fmt: skip
