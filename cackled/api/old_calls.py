"""Calls of other systems that are answered here as they were there, at their old addresses: `OldCall` declares one.

They are outside ``/api/v1`` and the description of it. Arguments come in the query, or as a form in the body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from cackled.api.calls import guarded
from cackled.api.context import ApiContext
from cackled.api.own_address import own_address
from cackled.domain.errors import BadField, Forbidden, NotFound, Refused, TooFast
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.response import Response, json_response

MOST_FIELDS = 1_000
# Names of functions that an answer may be wrapped in.
_CALLBACK = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.")


class OldRequest:
    """One call: its arguments, the last of each name, from query and form."""

    def __init__(self, context: ApiContext, request: Request, names: Mapping[str, str]) -> None:
        self.context = context
        self.request = request
        self.fields: dict[str, str] = dict(names)
        for name, values in request.args.items():
            self.fields.setdefault(name.decode("utf-8", "replace"), values[-1].decode("utf-8", "replace"))
        kind = request.getHeader(b"content-type") or b""
        if request.content is not None and request.method == b"POST":
            raw = request.content.read()
            if b"json" in kind:
                self._json(raw)
            else:
                self._form(raw)

    def _form(self, raw: bytes) -> None:
        try:
            pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise BadField("The form has too many fields.") from None
        self.fields |= dict(pairs)

    def _json(self, raw: bytes) -> None:
        try:
            given = msgspec.json.decode(raw, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            raise BadField("The body is not JSON.", slug="bad-json") from None
        for name, value in given.items():
            self.fields[name] = value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def text(self, *names: str) -> str:
        """The first of *names* that says something, without U+0000, which no database text holds."""
        return next((self.fields[name] for name in names if self.fields.get(name)), "").replace("\0", "")

    def number(self, name: str, default: int, most: int = 2**63 - 1) -> int:
        """A whole number of at least 0.

        Raises:
            BadField: it is none.
        """
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= most):
            raise BadField(f"{name} is a number up to {most}.", field=name)
        return int(value)

    def site(self, *names: str) -> Site:
        """The site whose number the call gives.

        Raises:
            NotFound, Misdirected: it is not here.
        """
        value = self.text(*names)
        if not (value.isascii() and value.isdigit() and len(value) < 11):
            raise NotFound("There is no such site.", slug="unknown-site")
        return self.context.sites.get(int(value))

    def limit(self, name: str, site: Site) -> None:
        """Draw from the rate limit *name*.

        Raises:
            TooFast
        """
        self.context.limits.take(name, self.context.client_address(self.request), site.id)

    async def server(self, site: Site, scope: str) -> Staff:
        """The site's server, by a key of ours in ``siteApiKey`` or ``accountApiKey``.

        Raises:
            Refused: none of them is a key of that site for *scope*.
        """
        self.context.limits.take("staff", self.context.client_address(self.request), 0)
        for name in ("siteApiKey", "accountApiKey"):
            key = self.text(name)
            if key.startswith("cackled_") and key.isascii() and key.isprintable() and " " not in key:
                self.request.requestHeaders.setRawHeaders(b"authorization", [b"Bearer " + key.encode()])
                staff = await self.context.gate.find(self.request, site)
                if staff is not None and staff.may("admin", scope):
                    return staff
        raise Forbidden(f"siteApiKey is a key of the site for {scope}: make one in the panel.", slug="role")

    def whole(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """*rows* with addresses of pictures others reach: ``media`` (apart by spaces), authors' ``avatar``."""
        base, _ = own_address(self.context.own_url, self.request)

        def reached(address: str) -> str:
            return base + address if address.startswith("/") else address

        for row in rows:
            if row.get("media"):
                row["media"] = " ".join(map(reached, row["media"].split()))
            for by in (row.get("author"), row.get("anonym")):
                if by and by.get("avatar"):
                    by["avatar"] = reached(by["avatar"])
        return rows

    def answer(self, value: Any, status: int = 200) -> Response:
        """*value* as JSON; inside a call of the function that ``callback`` names."""
        made = json_response(value, status, ((b"cache-control", b"no-store"), (b"access-control-allow-origin", b"*")))
        callback = self.text("callback")
        if callback and len(callback) <= 100 and set(callback) <= _CALLBACK:
            # The comment keeps the answer from being taken for another kind of file.
            body = b"/**/" + callback.encode("ascii") + b"(" + made.body + b");"
            headers = [(b"content-type", b"text/javascript; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            return Response(made.status, [*headers, *made.headers[1:]], body)
        return made


class OldCall(Struct, frozen=True, kw_only=True):
    """A call: ``path`` as ``/login/{site}/sso.json``. ``methods`` are answered; who uses another is told ``hint``.

    ``refused`` makes the answer to what is refused, where it is none of ours; None: a problem document.
    """

    path: str
    methods: tuple[bytes, ...] = (b"GET",)
    handler: Callable[[OldRequest], Awaitable[Response]]
    hint: str = ""
    refused: Callable[[OldRequest, Refused], Response] | None = None


class OldCalls:
    """All of them. *calls* have different paths."""

    def __init__(self, context: ApiContext, calls: Iterable[OldCall]) -> None:
        self._context = context
        self._calls = [(tuple(one.path.encode("ascii").split(b"/")[1:]), one) for one in calls]
        # The first two segments of all: where they stand in the tree.
        self.places = sorted({path[:2] for path, _ in self._calls})

    def find(self, path: bytes) -> tuple[OldCall, dict[str, str]] | None:
        """The call at an address; None where there is none."""
        parts = tuple(path.split(b"/")[1:])
        for wanted, call in self._calls:
            if len(wanted) == len(parts):
                names = {}
                for segment, part in zip(wanted, parts, strict=True):
                    if segment.startswith(b"{"):
                        names[segment[1:-1].decode()] = part.decode("ascii", "replace")
                    elif segment != part:
                        break
                else:
                    return call, names
        return None

    async def answer(self, request: Request, call: OldCall, names: Mapping[str, str]) -> None:
        """Run a call, and write its answer."""
        request.respond(await guarded(self._run(request, call, names)))

    async def _run(self, request: Request, call: OldCall, names: Mapping[str, str]) -> Response:
        method = b"GET" if request.method == b"HEAD" else request.method
        if method == b"OPTIONS":
            allowed = (b"access-control-allow-methods", b", ".join(call.methods))
            return Response(204, [
                (b"access-control-allow-origin", b"*"), allowed, (b"access-control-allow-headers", b"content-type"),
            ])  # fmt: skip
        if method not in call.methods:
            detail = call.hint or f"Ask by {call.methods[0].decode()}."
            return problem(405, "", "", detail, headers=[(b"Allow", b", ".join(call.methods))])
        asked = OldRequest(self._context, request, names)
        if call.refused is None:
            return await call.handler(asked)
        try:
            return await call.handler(asked)
        except TooFast:
            raise
        except Refused as error:
            return call.refused(asked, error)


class OldResource(Resource):
    """Old calls at their place in the tree; whatever else stands there is *otherwise*'s."""

    isLeaf = True
    takes_rest = True

    def __init__(self, calls: OldCalls, otherwise: IResource | None = None) -> None:
        super().__init__()
        self._calls = calls
        self._otherwise: Any = otherwise

    def render(self, request: Any) -> Any:
        """The answer of the call."""
        found = self._calls.find(request.path)
        if found is None:
            return problem(404) if self._otherwise is None else self._otherwise.render(request)
        work: Deferred[None] = Deferred.fromCoroutine(self._calls.answer(request, *found))
        work.addErrback(request.failed)
        return NOT_DONE_YET
