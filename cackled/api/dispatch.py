"""Runs a route for a request: identity and permissions first, then rate limit, then the work.

The order is the same for every route: the site and the page's origin, what of a private site was granted, who calls,
the path's ids, query and body, the channel, the rate limit, and only then the handler. Who of the staff calls is looked
up in the database, so the rate limit "staff" stands before that.
"""

from __future__ import annotations

from typing import Any

from cackled.api.calls import (
    ALLOWED_HEADERS,
    NO_SITE,
    Call,
    bearer,
    body,
    cors,
    guarded,
    header,
    idempotency_key,
    json_response,
    rate_fields,
    reading,
    sourced,
)
from cackled.api.context import ApiContext
from cackled.api.route import Caller, Reach, Route
from cackled.api.router import Options
from cackled.api.staff import check_own_page
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField, Forbidden, Unauthorized
from cackled.domain.replays import Once, Replays
from cackled.domain.site import Site
from cackled.domain.staff import KEY_PREFIX, everywhere
from cackled.transport.http import Request
from cackled.transport.response import Response

# Seconds that a browser may remember a preflight.
PREFLIGHT_AGE = b"7200"
_OWN = (Caller.STAFF, Caller.OWN_PAGE)



def _by_staff(request: Request, route: Route) -> bool:
    """Whether a call is one of staff: of a page of ours, or of a server with a site's key."""
    if route.caller is not Caller.PARTY:
        return route.caller in _OWN
    sent = header(request, "authorization")
    return sent is None or sent.partition(" ")[2].strip().startswith(KEY_PREFIX)


class Dispatcher:
    """Answers requests by their routes."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def answer(self, request: Request, route: Route, parameters: dict[str, str]) -> None:
        """Run *route* for *request* and write its answer, whatever happens."""
        response = await guarded(self._run(request, route, parameters))
        own = _by_staff(request, route)
        cors(request, response, NO_SITE if own else self._find_site(parameters))
        limit = route.limit or ("staff" if route.caller in _OWN else "")
        if limit:
            context, site = self._context, int(parameters.get("site", "0"))
            rate_fields(response, context.limits.allowances(limit, context.client_address(request), site))
        request.respond(response)

    async def preflight(
        self, request: Request, parameters: dict[str, str], allowed: bytes, options: Options | None = None
    ) -> None:
        """Tell a browser what its page may send (Fetch standard, section 3.2), and what *options* adds."""
        response = await guarded(self._allow(request, parameters, allowed, options))
        cors(request, response, self._find_site(parameters))
        request.respond(response)

    async def _allow(
        self, request: Request, parameters: dict[str, str], allowed: bytes, options: Options | None
    ) -> Response:
        site = self._call(request, parameters).site
        return Response(
            status=204,
            headers=[
                (b"access-control-allow-methods", allowed),
                (b"access-control-allow-headers", ALLOWED_HEADERS),
                (b"access-control-max-age", PREFLIGHT_AGE),
                *(options(site) if options is not None else ()),
            ],
        )

    def _find_site(self, parameters: dict[str, str]) -> Site | None:
        return self._context.sites.find(int(parameters["site"])) if "site" in parameters else None

    def _call(self, request: Request, parameters: dict[str, str], product: str = "") -> Call:
        site = self._context.sites.get(int(parameters["site"])) if "site" in parameters else NO_SITE
        return Call(self._context, request, site, parameters, product)

    async def _own_call(self, request: Request, route: Route, parameters: dict[str, str]) -> Call:
        """A call of our own pages, or of a server with a site's key.

        Raises:
            Refused: it is another's, or of somebody who may not.
        """
        context, site = self._context, NO_SITE
        context.limits.take("staff", context.client_address(request), 0)
        if "site" in parameters:
            site = context.sites.get(int(parameters["site"]))
        call = Call(context, request, site, parameters, route.product, for_own_pages=True)
        if route.caller is Caller.OWN_PAGE or bearer(request) is None:
            check_own_page(request)
        call.staff = staff = await context.gate.find(
            request, None if site is NO_SITE else site, certain=route.certain
        )
        if route.caller is Caller.OWN_PAGE:
            return call
        if staff is None:
            raise Unauthorized("Sign in first.", slug="signed-out")
        if staff.key and not route.scope:
            raise Forbidden("That is for people who sign in: no key may.", slug="role")
        if not staff.may(route.role, route.scope):
            needed = f"The key needs the scope {route.scope}." if staff.key else f"That is for the role {route.role}."
            raise Forbidden(needed, slug="role")
        if route.whole:
            everywhere(staff)
        if route.fresh and not staff.fresh:
            raise Forbidden("Show once more that it is you: sign in again.", slug="not-fresh")
        return call

    async def admitted(
        self, request: Request, route: Route, parameters: dict[str, str], *, drawn: bool = False
    ) -> Call:
        """The call of *request*, whose rights and limit were checked; *drawn*: the limit was before.

        Raises:
            Refused: it is not admitted.
        """
        context = self._context
        if route.caller is Caller.PARTY:
            # What is no bearer's token at all is refused before anything else.
            bearer(request)
        own = _by_staff(request, route)
        if own:
            call = await self._own_call(request, route, parameters)
        else:
            call = self._call(request, parameters, route.product)
        if own:
            _check_texts(request, parameters)
        site = call.site
        if site.settings.private and not own:
            if route.reach is Reach.ALL:
                call.see_all()
            else:
                call.see()
        locked = not own and context.doors.locked(site)
        if route.caller is Caller.VISITOR or route.caller is Caller.SESSION or locked:
            call.authenticate(needed=route.caller is Caller.SESSION)
        for name in route.ids:
            call.numbers[name] = parse_id(parameters[name], name)
        if route.idempotent:
            call.idempotency_key = idempotency_key(request)
        if route.arguments is not None:
            call.query = route.arguments.read(request.args)
        if route.body is not None:
            # Routes of accounts take passwords, which are as they are.
            nuls = not (own and route.about_site)
            call.body = body(request, route.body, mend=route.mend, bodiless=route.bodiless, nuls=nuls)
        if route.channel is not None and (locked or site.settings.private) and not own:
            call.see(route.channel(call))
        if route.limit and not drawn:
            context.limits.take(route.limit, call.address, site.id)
        if route.preference is not None:
            call.reading = reading(request, route.preference, own_after=route.own_after)
            if site.id:
                context.count_read(site.id, call.reading.options.preference)
        return call

    async def _run(self, request: Request, route: Route, parameters: dict[str, str]) -> Response:
        drawn = getattr(request.content, "drawn", False)
        call = await self.admitted(request, route, parameters, drawn=drawn)
        # Whose key it is, their token says; the handler refuses who has none.
        known = not route.token or bearer(request) is not None
        if route.replayed and known and (key := idempotency_key(request)) is not None:
            return await self._once(call, route, key)
        return self._response(route, call, await route.handler(call))

    async def _once(self, call: Call, route: Route, key: str) -> Response:
        """The answer of a call with an idempotency key: the first one, or that of doing it now."""
        request = call.request
        caller = bearer(request) or (call.staff.actor if call.staff is not None else "")
        raw = b""
        if request.content is not None:
            request.content.seek(0)
            raw = request.content.read()
        # A grant may be another by the time that the call is made again.
        query = sorted((name, *values) for name, values in request.args.items() if name != b"token")
        once = Once(caller, key, repr((request.method, request.uri.partition(b"?")[0], query, raw)).encode())
        replays = self._context.service(Replays, call.site)
        kept = await replays.begin(once)
        if kept is not None:
            return Response(kept.status, [*kept.headers, (b"idempotent-replayed", b"true")], kept.body)
        try:
            response = self._response(route, call, await route.handler(call))
        except Exception:
            await replays.forget(once)
            raise
        kept_headers = [one for one in response.headers if one[0].lower() != b"set-cookie"]
        await replays.keep(once, response.status, kept_headers, response.body)
        return response

    @staticmethod
    def _response(route: Route, call: Call, result: Any) -> Response:
        if isinstance(result, Response):
            response = result
        elif result is None:
            response = Response(status=204, headers=[], body=b"")
        else:
            response = json_response(result, route.status)
        response.body = call.context.signed(response.body, call.site)
        if route.preference is not None:
            sourced(response, call.reading.outcome)
        if route.writes:
            after_write(call.request, response)
        return response


def _check_texts(request: Request, parameters: dict[str, str]) -> None:
    """See that path and query can be looked for: no database text holds U+0000.

    Raises:
        BadField: one has it.
    """
    for name, value in parameters.items():
        if "\0" in value:
            raise BadField(f"{name} holds a character that nothing here has.", field=name)
    for key, values in request.args.items():
        if any(b"\0" in value for value in values):
            name = key.decode("utf-8", "replace")[:40]
            raise BadField(f"{name} holds a character that nothing here has.", field=name)


def after_write(request: Request, response: Response) -> None:
    """Mark an answer to a write, so that the writer's next read goes past the microcache."""
    response.headers.append((b"x-microcachable", b"0"))
    if request.isSecure():
        response.headers.append((b"set-cookie", b"_mcnc=1; Max-Age=2; Path=/; SameSite=None; Secure; Partitioned"))

