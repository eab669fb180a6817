"""What every API call needs: site, origin, session, body and arguments; errors as problem+json, and CORS."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from twisted.logger import Logger

from cackled.api.context import ApiContext
from cackled.database.errors import DatabaseError, QueryFailed, Unavailable
from cackled.database.routing import ReadPreference
from cackled.domain.errors import BadField, Forbidden, Outdated, Refused, Unauthorized, Unconditional
from cackled.domain.limits import Allowance
from cackled.domain.locks import Deed
from cackled.domain.page_facts import MAX_URL
from cackled.domain.read_options import Reading, ReadOptions, ReadOutcome
from cackled.domain.sessions import Session
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.response import Response
from cackled.transport.response import json_response as plain_json

log = Logger()
_T = TypeVar("_T")
_AT = re.compile(r" - at `\$\.?([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_KEY = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)

# Seconds after which files that could not be kept may be sent again.
DISK_AWAY = 10.0
# A week, in seconds.
MOST_STALENESS = 604_800
ALLOWED_HEADERS = b"authorization, content-type, idempotency-key, if-match"
EXPOSED_HEADERS = (
    b"date, etag, retry-after, ratelimit, ratelimit-policy, idempotent-replayed, x-cackled-server, "
    b"x-cackled-staleness, x-cackled-stale"
)


def header(request: Request, name: str) -> str | None:
    """One header's value as text, or None."""
    value = request.getHeader(name.encode("ascii"))
    if value is None:
        return None
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def argument(request: Request, name: str, default: str = "") -> str:
    """The last value of a query argument.

    Raises:
        BadField: it is no UTF-8.
    """
    values = request.args.get(name.encode("ascii"))
    if not values:
        return default
    try:
        return str(values[-1].decode("utf-8"))
    except UnicodeDecodeError:
        raise BadField(f"{name} is not UTF-8.", field=name) from None


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number in the query.

    Raises:
        BadField: it is none, or out of bounds.
    """
    if name.encode("ascii") not in request.args:
        return default
    value = argument(request, name)
    if not (value.isascii() and value.isdigit() and len(value) <= 19 and least <= int(value) <= most):
        raise BadField(f"{name} is a number from {least} to {most}.", field=name)
    return int(value)


def read_preference(request: Request, default: ReadPreference) -> ReadPreference:
    """The caller's ``readPreference``.

    Raises:
        BadField: there is no such preference.
    """
    if b"readPreference" not in request.args:
        return default
    value = argument(request, "readPreference")
    try:
        return ReadPreference(value)
    except ValueError:
        raise BadField(
            f"readPreference is one of {', '.join(one.value for one in ReadPreference)}.", field="readPreference"
        ) from None


def reading(request: Request, default: ReadPreference, *, own_after: bool = False) -> Reading:
    """What the caller asks of a read: ``readPreference``, ``maxStaleness`` (whole seconds), ``after`` (a seq).

    *own_after*: the route takes ``after`` for something of its own.

    Raises:
        BadField: one of them can't be used.
    """
    bound = number(request, "maxStaleness", -1, 0, MOST_STALENESS)
    after = 0 if own_after else number(request, "after", 0, 0, 2**62)
    return Reading(ReadOptions(read_preference(request, default), None if bound < 0 else float(bound), after))


def sourced(response: Response, outcome: ReadOutcome) -> Response:
    """*response* with the headers that say where its content was read, and how old it may be."""
    if outcome.server:
        response.headers.append((b"x-cackled-server", outcome.server.encode("ascii", "replace")))
        known = outcome.staleness < MOST_STALENESS
        response.headers.append((b"x-cackled-staleness", b"%.3f" % outcome.staleness if known else b"unknown"))
        if outcome.stale:
            response.headers.append((b"x-cackled-stale", b"1"))
    return response


def bearer(request: Request) -> str | None:
    """The bearer token of the call, or None where it carries none."""
    value = header(request, "authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Authorization must be a bearer token.", slug="bad-token")
    return token.strip()


def tokens(request: Request) -> tuple[str, ...]:
    """The grants of the site that the call carries (``token`` in the query, repeatable)."""
    return tuple(token.decode("latin-1") for token in request.args.get(b"token", ()) if token)


def idempotency_key(request: Request) -> str | None:
    """The client's own key of a write.

    Raises:
        BadField: it is not 1 to 64 visible ASCII characters.
    """
    value = header(request, "idempotency-key")
    if value is not None and _KEY.fullmatch(value) is None:
        raise BadField("An idempotency key is 1 to 64 visible ASCII characters.", field="Idempotency-Key")
    return value


_TAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')


def version_matched(request: Request) -> int:
    """The version that the caller saw of what it changes: ``If-Match``, an ETag that we gave.

    Raises:
        Unconditional: it says none.
        Outdated: it names none of ours.
    """
    value = header(request, "if-match")
    if value is None:
        raise Unconditional("Send the ETag of what you saw as If-Match.")
    match = _TAG.fullmatch(value.strip())
    if match is None:
        raise Outdated("That ETag is none of this.")
    return int(match[1])


def etag(version: int) -> tuple[bytes, bytes]:
    """The header that names a version."""
    return b"etag", b'"%d"' % version


# JavaScript leaves half of a surrogate pair when it cuts an emoji in two. JSON may contain it, UTF-8 text can't.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
# U+0000 as JSON writes it: behind an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)(?:\\u0000)+")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(?P<pair>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    rb"|u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<other>.))",
    re.DOTALL,
)


def _whole(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape["pair"] or escape["other"] else b""


def body(
    request: Request, shape: type[_T], *, mend: bool = False, bodiless: bool = False, nuls: bool = True
) -> _T:
    """The JSON body as *shape*. With *mend* halves of surrogate pairs are left out of it; *bodiless*: none at all is an
    empty object. Without *nuls* U+0000, which no database text can hold, is left out too.

    Raises:
        BadField: it is no JSON, or a member is missing or of the wrong kind (``field`` names it).
    """
    raw = b"" if request.content is None else request.content.read()
    if bodiless and not raw:
        raw = b"{}"
    if not nuls and b"\\u0000" in raw:
        raw = _NUL.sub(rb"\1", raw)
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        missing = _MISSING.search(text)
        path = [part for part in (at[1] if at else "", missing[1] if missing else "") if part]
        raise BadField(_AT.sub("", text), field=".".join(path) or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        if mend and _HALF.search(raw) is not None:
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return msgspec.json.decode(_ESCAPE.sub(_whole, raw), type=shape)
        raise BadField("The body is not JSON.", slug="bad-json") from None
    except RecursionError:
        # Also in members that *shape* does not have.
        raise BadField("The body is nested too deeply.", slug="bad-json") from None


def rate_fields(response: Response, allowances: Iterable[Allowance]) -> None:
    """Say how much of its limits the caller has left (draft-ietf-httpapi-ratelimit-headers-10)."""
    found = list(allowances)
    if found:
        policy = ", ".join(f'"{one.name}";q={one.quota};w={one.window}' for one in found)
        left = ", ".join(f'"{one.name}";r={one.left};t={one.reset}' for one in found)
        response.headers += ((b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode()))


def json_response(value: Any, status: int = 200, *headers: tuple[bytes, bytes]) -> Response:
    """*value* (or JSON bytes) as an answer that is not to be stored."""
    return plain_json(value, status, ((b"cache-control", b"no-store"), *headers))


def refusal(error: Refused) -> Response:
    """The problem document of a refusal."""
    extra: dict[str, Any] = {**error.extra} if error.field is None else {"field": error.field, **error.extra}
    answer = problem(error.status, error.slug, error.title, error.detail, **extra)
    answer.headers += error.headers
    if error.retry_after is not None:
        answer.headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after + 0.5))))
    if error.status == 401:
        answer.headers.append((b"www-authenticate", b'Bearer realm="cackled"'))
    return answer


def unavailable(retry_after: float = 2.0) -> Response:
    """The answer while the database can't be reached."""
    answer = problem(503, "unavailable", "Not available right now", "Nothing is lost. Try again in a moment.")
    answer.headers.append((b"retry-after", b"%d" % max(1, round(retry_after + 0.5))))
    return answer


async def guarded(work: Awaitable[Response]) -> Response:
    """*work*'s answer; refusals, and faults of the database, of disks and of storage, become problem documents."""
    try:
        return await work
    except Refused as error:
        return refusal(error)
    except Unavailable as error:
        return unavailable(error.retry_after)
    except QueryFailed as error:
        log.error("query failed: {reason}", reason=str(error))
        return problem(500, "internal", "Something went wrong", "It was noted.")
    except DatabaseError as error:
        log.warn("database: {reason}", reason=str(error))
        return unavailable()
    except OSError as error:
        # A full disk, a storage that does not answer: neither the caller's fault nor ours.
        log.error("files can't be read or written: {reason}", reason=str(error)[:300])
        return unavailable(DISK_AWAY)


# The site of calls that are about none; the database knows none of that number.
NO_SITE = Site(0, "", SiteSettings())


class Call:
    """One call of a route on behalf of a site (`NO_SITE` where it is about none).

    ``product`` is whose route it is. ``parameters`` are the path's and ``numbers`` those of them that are ids;
    ``query`` and ``body`` are the route's Structs, ``session`` is who calls (None: nobody known), ``staff`` who calls a
    route that is for staff, ``reading`` is how the caller wants to read. They are there once `cackled.api.dispatch` has
    checked the call.
    """

    __slots__ = (
        "address", "body", "context", "idempotency_key", "numbers", "origin", "parameters", "product", "query",
        "reading", "request", "session", "site", "staff",
    )  # fmt: skip

    def __init__(
        self, context: ApiContext, request: Request, site: Site, parameters: dict[str, str], product: str,
        *, for_own_pages: bool = False,
    ) -> None:  # fmt: skip
        self.context = context
        self.request = request
        self.site = site
        self.parameters = parameters
        self.product = product
        self.numbers: dict[str, int] = {}
        self.address = context.client_address(request)
        self.origin = header(request, "origin")
        self.query: Any = None
        self.body: Any = None
        self.session: Session | None = None
        self.staff: Staff | None = None
        self.reading: Reading
        self.idempotency_key: str | None = None
        if for_own_pages or self.origin is None or site.allows_origin(self.origin):
            return
        if not _only_reads(request, site):
            raise Forbidden("Pages of that origin can't speak for this site.", slug="origin")

    @property
    def page(self) -> str:
        """What addresses of the calling page are relative to: the page, its origin, or "" where neither is known."""
        origin = self.origin or ""
        referer = header(self.request, "referer") or ""
        if referer.startswith(("http://", "https://")) and (not origin or referer.startswith(f"{origin}/")):
            return referer[:MAX_URL]
        return f"{origin}/" if origin.startswith(("http://", "https://")) else ""

    def service(self, kind: type[_T]) -> _T:
        """The service of *kind* for the call's site."""
        return self.context.service(kind, self.site)

    def shared(self, kind: type[_T]) -> _T:
        """What the process has once of *kind*."""
        made: _T = self.context.shared[kind]
        return made

    @property
    def colleague(self) -> Staff:
        """Who is calling, where the route is for staff."""
        assert self.staff is not None
        return self.staff

    def number(self, name: str) -> int:
        """An id of the path."""
        return self.numbers[name]

    @property
    def visitor(self) -> Session:
        """Who is calling, where the route asks for a session."""
        assert self.session is not None
        return self.session

    def authenticate(self, needed: bool) -> None:
        """Find out who is calling.

        Raises:
            Unauthorized: a token that does not hold here, or none where one is *needed*.
        """
        token = bearer(self.request)
        if token is not None:
            self.session = self.context.sessions.check(self.site, token)
        elif needed:
            raise Unauthorized("Open a session first.", slug="no-token")

    @property
    def deed(self) -> Deed:
        """What the call does in a conversation."""
        return "read" if self.request.method in (b"GET", b"HEAD") else "write"

    def see(self, key: str | None = None) -> None:
        """Make sure that the caller may see the channel *key*, and write there where the call is to write; without a
        key, that they may see something of the site.

        Raises:
            Refused: the site is private, and no token of the call grants that; or the channel is locked.
        """
        if self.site.settings.private:
            channel = None if key is None else self.site.channel(self.product, key)
            self.context.grants.check(self.site, tokens(self.request), channel)
        if key is not None:
            refused = self.context.doors.refused(self.site, key, self.deed, self.session, tokens(self.request))
            if refused is not None:
                raise refused

    def see_all(self) -> None:
        """Make sure that the caller may see every channel of the site.

        Raises:
            Refused: the site is private, and no token of the call grants that.
        """
        self.see()
        if not self.context.grants.everything(self.site, tokens(self.request)):
            raise Forbidden("The token does not grant the whole site.", slug="not-granted")

    async def see_channel_of(self, channel: Callable[[], Awaitable[int | None]]) -> None:
        """Make sure that the caller may see the channel that *channel* looks up (None: there is no such thing).

        Asked only where the answer depends on it. What is not there is refused like what is in another channel, so that
        callers can't learn which numbers are in use where they have no permission.

        Raises:
            Refused: the site is private, and no token of the call grants that.
        """
        self.see()
        granted = self.context.grants.channels(self.site, tokens(self.request))
        if granted is None and not self.context.doors.locked(self.site):
            return
        found = await channel()
        if granted is not None and found not in granted:
            raise Forbidden("The token does not grant that channel.", slug="not-granted")
        doors = self.context.doors
        refused = await doors.refused_in(self.site, found, self.deed, self.session, tokens(self.request))
        if refused is not None:
            raise refused


def _only_reads(request: Request, site: Site) -> bool:
    """Whether a call reads public data without a session: then the page it comes from doesn't matter."""
    anonymous = header(request, "authorization") is None
    return anonymous and request.method in (b"GET", b"HEAD") and not site.settings.private


def cors(request: Request, response: Response, site: Site | None) -> None:
    """Add the CORS headers of an API answer: the page's own origin where the site knows it, never credentials.

    What everybody may read, pages of every origin may. What is for staff (`NO_SITE`), no page but ours.
    """
    origin = header(request, "origin")
    response.headers.append((b"vary", b"Origin"))
    if site is NO_SITE:
        return
    if origin is not None and site is not None and site.allows_origin(origin):
        response.headers += (
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        )
    elif response.status == 421 or (site is not None and _only_reads(request, site)):
        # Where the site lives may be known to everybody as well, and nothing else is in that answer.
        response.headers.append((b"access-control-allow-origin", b"*"))
        response.headers.append((b"access-control-expose-headers", EXPOSED_HEADERS))
