"""``/share/{site}/{network}``: a visitor connects an account, in a window on our own origin.

``return`` is the page of the site that it is for, ``challenge`` that page's; ``instance`` where the account is. The
window tells that page's very origin a code when it is done (`cackled.sharing.connecting`).

A network may cut the window off from the page that opened it (Cross-Origin-Opener-Policy, as Bluesky does). Then the
window goes to that page itself, with the code behind the #, and hands it to the one that waits by the storage of their
origin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any

import msgspec
from twisted.logger import Logger

from cackled.api.staff import cookie, own_origin, set_cookie
from cackled.database.errors import DatabaseError
from cackled.domain.errors import NotFound, TooFast
from cackled.domain.limits import CallLimits
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.identity import pages
from cackled.identity.flow import arguments_of, origin_of
from cackled.languages import LANGUAGES, Words, accepted
from cackled.sharing.bluesky import Bluesky
from cackled.sharing.connecting import Sharing
from cackled.sharing.network import Network, ShareFailed
from cackled.sharing.words import WORDS
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

log = Logger()

COOKIE, COOKIE_SECONDS = "share", 3_600
LIMIT = "sharing.connect"
DOCUMENT = "client-metadata.json"
TITLES = {"mastodon": "Mastodon", "bluesky": "Bluesky", "vk": "VK", "x": "X"}
EXAMPLES = {"mastodon": "mastodon.social", "bluesky": "name.bsky.social"}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_STATUS = {"down": 503, "limit": 503, "denied": 403, "broken": 502, "late": 410, "origin": 403, "unknown": 404,
           "busy": 429, "instance": 422}  # fmt: skip
_KEPT = ("return", "challenge", "lang")


class ShareResource(AsyncResource):
    """All of it. *own_url* is the base of our addresses that networks know; ``""``: whatever we are called."""

    takes_rest = True

    def __init__(
        self, sites: SiteDirectory, sharing: Sharing, limits: CallLimits, client_address: Callable[[Any], str],
        own_url: str,
    ) -> None:  # fmt: skip
        super().__init__(self.answer, (b"GET", b"HEAD"))
        self._sites = sites
        self._sharing = sharing
        self._limits = limits
        self._client_address = client_address
        self._own_url = own_url.rstrip("/")

    async def answer(self, request: Request) -> Response:
        """A page, or the way to the next."""
        path = [one.decode("utf-8", "replace") for one in request.postpath or ()]
        if not 2 <= len(path) <= 3 or not (path[0].isascii() and path[0].isdigit() and len(path[0]) < 10):
            return problem(404)
        site = self._sites.find(int(path[0]))
        if site is None or (len(path) == 3 and path[2] not in ("callback", DOCUMENT)):
            return problem(404)
        visit = _Visit(request, site, path[1], self._own_url)
        try:
            self._limits.take(LIMIT, self._client_address(request), site.id)
            network = self._sharing.find(site, path[1])
            if path[2:] == [DOCUMENT]:
                return await self._document(visit, network)
            return await (self._back(visit, network) if len(path) == 3 else self._begin(visit, network))
        except ShareFailed as error:
            log.info("connecting {network} on site {site}: {reason}",
                     network=path[1][:40], site=site.id, reason=str(error)[:300])  # fmt: skip
            return visit.failed(error.reason)
        except TooFast as error:
            answer = visit.failed("busy")
            answer.headers.append((b"retry-after", b"%d" % max(1, round((error.retry_after or 1) + 0.5))))
            return answer
        except NotFound:
            return visit.failed("unknown")
        except DatabaseError:
            return visit.failed("down")

    async def _begin(self, visit: _Visit, network: Network) -> Response:
        site, given = visit.site, visit.arguments
        page, challenge = given.get("return", ""), given.get("challenge", "")
        if origin_of(site, page) is None or _CHALLENGE.fullmatch(challenge) is None:
            raise ShareFailed("origin", "a page of another site")
        if self._own_url and own_origin(visit.request) != self._own_url.lower():
            # The cookie has to be of the host that the network sends back to.
            return _redirect(self._own_url + visit.request.uri.decode("latin-1"))
        visit.page = page
        named = given.get("instance", "")
        if network.asks(site) and not named:
            return self._ask(visit, network)
        secret = cookie(visit.request, COOKIE) or token_urlsafe(24)
        try:
            address = await self._sharing.begin(
                site, network, named, secret, page, challenge, f"{visit.address}/callback"
            )
        except ShareFailed as error:
            if error.reason != "instance" or not network.asks(site):
                raise
            return self._ask(visit, network, wrong=True)
        answer = _redirect(address)
        answer.headers.append(set_cookie(visit.request, COOKIE, secret, COOKIE_SECONDS))
        return answer

    async def _document(self, visit: _Visit, network: Network) -> Response:
        """What we are as a client, where that is asked for."""
        if not isinstance(network, Bluesky):
            return problem(404)
        address = visit.address
        found = await network.document(visit.site, f"{address}/{DOCUMENT}", f"{address}/callback")
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=600")]
        return Response(200, headers, msgspec.json.encode(found))

    def _ask(self, visit: _Visit, network: Network, wrong: bool = False) -> Response:
        kept = {name: visit.arguments[name] for name in _KEPT if name in visit.arguments}
        title, example = TITLES[network.name], EXAMPLES.get(network.name, "")
        return pages.ask_instance(visit.words, visit.address, kept, wrong, title=title, example=example)

    async def _back(self, visit: _Visit, network: Network) -> Response:
        site, given = visit.site, visit.arguments
        errand = await self._sharing.back(
            site, network.name, given.get("state", ""), cookie(visit.request, COOKIE)
        )
        visit.page = errand.page
        code = await self._sharing.finish(site, network, errand, given)
        origin = origin_of(site, errand.page)
        if origin is None:
            raise ShareFailed("origin", "the page is the site's no more")
        # A window that the network has cut off from its page hands the code on there.
        back = f"{errand.page.partition('#')[0]}#cackle-share={errand.challenge}.{code}"
        return pages.done(visit.words, origin, back, code, errand.challenge, True)


class _Visit:
    """One request: who asks for what, and in which words to answer."""

    def __init__(self, request: Request, site: Site, network: str, own_url: str) -> None:
        self.request = request
        self.site = site
        self.page = ""
        self.arguments = arguments_of(request.args)
        self.address = f"{own_url or own_origin(request)}/share/{site.id}/{network}"
        heard = request.getHeader(b"accept-language")
        wished = next((one for one in LANGUAGES if one == self.arguments.get("lang")), None)
        language = wished or accepted(None if heard is None else heard.decode("latin-1"), site.settings.language)
        self.words: Words = WORDS.words(language)

    def failed(self, reason: str) -> Response:
        """It did not work."""
        known = "down" if reason == "limit" else reason if reason in _STATUS else "broken"
        return pages.failed(_STATUS[known], self.words, known, self.page)


def _redirect(address: str) -> Response:
    return Response(302, [
        (b"location", address.encode("utf-8", "replace")), (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ])  # fmt: skip
