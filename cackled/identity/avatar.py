"""``/avatar/{site}/{visitor}``: a person's picture, fetched for readers by us and made anew.

``/avatar/staff/{picture}`` is that of a member of staff, whose account has it (`cackled.accounts.pictures`).

Who keeps the picture learns nothing of who looks at it, and nothing that a stranger uploaded is given out as it came:
a confined process decodes it, cuts it to a square, and writes it as WebP without whatever else was in it. A picture by
the hash of the person's mail (Gravatar's way) is asked for only where the person wants that.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import sha256
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import TooFast, Unprocessable
from cackled.domain.limits import CallLimits
from cackled.domain.people import People
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.identity.provider_http import Http
from cackled.identity.settings import IdentitySettings
from cackled.shared_calls import SharedCalls
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from cackled.turns import Turns

log = Logger()

SIDE = 160
# Of what is fetched.
MOST_BYTES = 1_048_576
# Kept in memory: bytes of pictures, and for how many seconds those, and that there is none.
MOST_KEPT, KEPT, NONE_KEPT = 16_777_216, 86_400.0, 600.0
# Pictures that are fetched at the same time.
AT_ONCE = 8

# The name of a picture of staff.
_STAFF_NAME = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)

# What the source of a picture that a person uploaded begins with; its number follows.
_OWN = "own:"


class Picture(Struct, frozen=True):
    """A picture as WebP, ``b""`` where there is none; ``consent``: it is shown only while the person wants it."""

    body: bytes = b""
    consent: bool = False


class _Kept(Struct, frozen=True):
    until: float
    source: str
    body: bytes


class Pictures:
    """Pictures of people, in a process."""

    def __init__(
        self, http: Http, database: Database, square: Callable[[bytes, int], Awaitable[bytes]],
        seconds: Callable[[], float], own: Callable[[Site, str], Awaitable[bytes | None]],
    ) -> None:  # fmt: skip
        self._own = own
        self._http = http
        self._database = database
        self._square = square
        self._seconds = seconds
        self._kept: OrderedDict[tuple[int, int], _Kept] = OrderedDict()
        self._size = 0
        self._calls: SharedCalls[bytes] = SharedCalls()
        self._turns = Turns(AT_ONCE)

    async def find(self, site: Site, visitor: int) -> Picture:
        """The picture of a visitor: the one they uploaded, else the one that who signed them in told of.

        An author who never signed in has the one that an import brought.

        The service of pictures by mail is asked only where the person chose that, and a picture that was fetched from
        it is forgotten with the first look after they chose otherwise.
        """
        people = People(site, self._database)
        person = await people.find(visitor, ReadPreference.NEAREST)
        own: str | bool = False
        source, consent = "", False
        if person is None and (own := await people.imported_picture(visitor)):
            # It goes with the import, or with the author.
            source, consent = f"{_OWN}{site.id}-{own}", True
        if person is not None:
            own = site.product(IdentitySettings).own_pictures and person.picture
            # They, or a moderator, may take it back.
            source, consent = (f"{_OWN}{site.id}-{own}", True) if own else (person.avatar, False)
            if not source and person.gravatar and person.email_verified and person.email:
                consent = True
                base = site.product(IdentitySettings).gravatar_url
                source = base and f"{base}{sha256(person.email.strip().lower().encode()).hexdigest()}?d=404&s={SIDE}"
        if not source:
            self._forget((site.id, visitor))
            return Picture()
        kept = self._kept.get((site.id, visitor))
        if kept is not None and kept.source == source and self._seconds() < kept.until:
            self._kept.move_to_end((site.id, visitor))
            return Picture(kept.body, consent)
        if consent and not own:
            # A replica may not have heard yet that they chose otherwise.
            now = await People(site, self._database).find(visitor, ReadPreference.PRIMARY)
            if now is None or not now.gravatar:
                return Picture()
        load = self._calls.ask(source, lambda: Deferred.fromCoroutine(self._load(site, visitor, source)))
        return Picture(await load, consent)

    async def _load(self, site: Site, visitor: int, source: str) -> bytes:
        await self._turns.acquire()
        try:
            raw = await self._raw(site, source)
            body = await self._square(raw, SIDE) if raw else b""
        except (ValueError, OSError, Unprocessable) as error:
            log.info("no picture for visitor {visitor} of site {site}: {reason}",
                     visitor=visitor, site=site.id, reason=str(error)[:200])  # fmt: skip
            body = b""
        finally:
            self._turns.release()
        self._keep((site.id, visitor), _Kept(self._seconds() + (KEPT if body else NONE_KEPT), source, body))
        return body

    async def _raw(self, site: Site, source: str) -> bytes:
        if source.startswith(_OWN):
            return await self._own(site, source.partition("-")[2]) or b""
        answer = await self._http.ask(b"GET", source, [(b"Accept", b"image/*")], most=MOST_BYTES)
        return answer.body if answer.status == 200 else b""

    def _forget(self, place: tuple[int, int]) -> None:
        old = self._kept.pop(place, None)
        if old is not None:
            self._size -= len(old.body) + 200

    def _keep(self, place: tuple[int, int], kept: _Kept) -> None:
        self._forget(place)
        self._size += len(kept.body) + 200
        self._kept[place] = kept
        while self._size > MOST_KEPT:
            _, gone = self._kept.popitem(last=False)
            self._size -= len(gone.body) + 200


class AvatarResource(AsyncResource):
    """The address."""

    takes_rest = True

    def __init__(
        self, sites: SiteDirectory, pictures: Pictures, limits: CallLimits, client_address: Callable[[Any], str],
        staff: Callable[[str], Awaitable[bytes | None]],
    ) -> None:  # fmt: skip
        super().__init__(self.answer, (b"GET", b"HEAD"))
        self._staff = staff
        self._sites = sites
        self._pictures = pictures
        self._limits = limits
        self._client_address = client_address

    async def answer(self, request: Request) -> Response:
        """The picture, or 404."""
        path = [one.decode("ascii", "replace") for one in request.postpath or ()]
        if len(path) == 2 and path[0] == "staff" and _STAFF_NAME.fullmatch(path[1]):
            return await self._answer(request, 0, self._of_staff(path[1]))
        if len(path) != 2 or not all(one.isascii() and one.isdigit() and len(one) < 20 for one in path):
            return problem(404)
        site = self._sites.find(int(path[0]))
        if site is None or int(path[1]) >= 2**63:
            return problem(404)
        return await self._answer(request, site.id, self._pictures.find(site, int(path[1])))

    async def _of_staff(self, name: str) -> Picture:
        return Picture(await self._staff(name) or b"", True)

    async def _answer(self, request: Request, site: int, finding: Coroutine[Any, Any, Picture]) -> Response:
        try:
            self._limits.take("reads", self._client_address(request), site)
        except TooFast as error:
            finding.close()
            answer = problem(429, "too-fast")
            answer.headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after or 1))))
            return answer
        try:
            found = await finding
        except TooFast as error:
            answer = problem(429, "too-fast")
            answer.headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after or 1))))
            return answer
        except DatabaseError:
            return problem(503)
        shared = [(b"access-control-allow-origin", b"*"), (b"x-content-type-options", b"nosniff")]
        body = found.body
        if not body:
            none = problem(404)
            none.headers = [*none.headers, (b"cache-control", b"public, max-age=600"), *shared]
            return none
        # What somebody may take back is never shown again without asking us.
        lifetime = b"no-cache" if found.consent else b"public, max-age=86400"
        etag = b'"' + sha256(body).hexdigest()[:20].encode() + b'"'
        shared += [(b"etag", etag), (b"cache-control", lifetime)]
        if request.getHeader(b"if-none-match") == etag:
            return Response(304, shared)
        policy = (b"content-security-policy", b"default-src 'none'; sandbox")
        return Response(200, [(b"content-type", b"image/webp"), policy, *shared], body)
