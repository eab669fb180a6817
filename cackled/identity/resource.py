"""``/auth/{site}/{provider}``: visitors sign in on our own origin, in a window of its own or on the way.

``return`` is the page of the site that it is for, ``challenge`` that page's (`cackled.identity.return_codes`), ``mode``
``popup`` or ``redirect``. Whatever goes wrong is said in words of the visitor's language, with a way back to the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode

from msgspec.structs import replace
from twisted.logger import Logger

from cackled.api.staff import cookie, own_origin, set_cookie
from cackled.database.errors import DatabaseError
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import Forbidden, NotFound, Refused, TooFast
from cackled.domain.limits import CallLimits
from cackled.domain.people import Facts, People
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.identity import assertion, pages, telegram
from cackled.identity.assertion import BadAssertion
from cackled.identity.flow import Errand, SignIn, arguments_of, facts_of, mark_of, origin_of
from cackled.identity.mail_link import WORDS, MailLink
from cackled.identity.provider_http import SignInFailed
from cackled.identity.providers import Provider
from cackled.identity.return_codes import WaysBack
from cackled.identity.settings import IdentitySettings
from cackled.identity.sso import facts_of as facts_of_person
from cackled.languages import LANGUAGES, Words, accepted
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

log = Logger()

COOKIE, COOKIE_SECONDS = "visit", 3_600
LIMIT = "identity.sign-in"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_STATUS = {"down": 503, "refused": 403, "broken": 502, "late": 410, "elsewhere": 409, "insecure": 403, "origin": 403,
           "unknown": 404, "busy": 429, "instance": 422,
           "form": 400}  # fmt: skip
MOST_FORM = 16_384
_KEPT: tuple[str, ...] = ("return", "challenge", "mode", "lang")


class AuthResource(AsyncResource):
    """All of it. *own_url* is the base of our addresses that providers know; ``""``: whatever we are called."""

    takes_rest = True

    def __init__(
        self, sites: SiteDirectory, sign_in: SignIn, database: Database, limits: CallLimits,
        client_address: Callable[[Any], str], own_url: str, wall_time: Callable[[], float],
    ) -> None:  # fmt: skip
        super().__init__(self.answer, (b"GET", b"HEAD", b"POST"))
        self._sites = sites
        self._sign_in = sign_in
        self._database = database
        self._limits = limits
        self._client_address = client_address
        self._own_url = own_url.rstrip("/")
        self._wall_time = wall_time

    async def answer(self, request: Request) -> Response:
        """A page, or the way to the next."""
        path = [one.decode("utf-8", "replace") for one in request.postpath or ()]
        if not 2 <= len(path) <= 3 or not (path[0].isascii() and path[0].isdigit() and len(path[0]) < 10):
            return problem(404)
        site = self._sites.find(int(path[0]))
        if site is None:
            return problem(404)
        visit = _Visit(request, site, path, self._own_url)
        try:
            visit.read()
            self._limits.take(LIMIT, self._client_address(request), site.id)
            return await self._step(visit)
        except SignInFailed as error:
            if error.reason in ("broken", "down"):
                log.info("signing in on site {site} with {provider}: {reason}",
                         site=site.id, provider=path[1][:40], reason=str(error)[:300])  # fmt: skip
            return visit.failed(error.reason)
        except TooFast as error:
            answer = visit.failed("busy")
            answer.headers.append((b"retry-after", b"%d" % max(1, round((error.retry_after or 1) + 0.5))))
            return answer
        except NotFound:
            return visit.failed("unknown")
        except Forbidden:
            return visit.failed("insecure")
        except Refused as error:
            return visit.failed("broken" if error.status >= 500 else "form")
        except DatabaseError:
            return visit.failed("down")

    async def _step(self, visit: _Visit) -> Response:
        provider = await self._sign_in.providers(visit.site).find(visit.path[1])
        visit.provider = provider
        step = visit.path[2] if len(visit.path) == 3 else ""
        match step, visit.posted:
            case "", False:
                return await self._begin(visit, provider)
            case "callback", posted if not posted or provider.kind == "telegram":
                return await self._back(visit, provider)
            case "send", True if provider.kind == "mail":
                return await self._send(visit, provider)
            case "code", True if provider.kind == "mail":
                return await self._code(visit)
            case "link", _ if provider.kind == "mail":
                return await self._link(visit)
        return problem(404)

    async def _begin(self, visit: _Visit, provider: Provider) -> Response:
        site, given = visit.site, visit.arguments
        page, challenge = given.get("return", ""), given.get("challenge", "")
        if origin_of(site, page) is None or _CHALLENGE.fullmatch(challenge) is None:
            raise SignInFailed("origin", "a page of another site")
        if self._own_url and own_origin(visit.request) != self._own_url.lower():
            # The cookie has to be of the host that the provider sends back to.
            return _redirect(302, self._own_url + visit.request.uri.decode("latin-1"))
        visit.page = page
        secret = cookie(visit.request, COOKIE) or token_urlsafe(24)
        kept = set_cookie(visit.request, COOKIE, secret, COOKIE_SECONDS)
        errand = Errand(
            provider=provider.name, browser=mark_of(secret), page=page, challenge=challenge,
            popup=given.get("mode", "popup") != "redirect", redirect=visit.address("callback"),
        )  # fmt: skip
        answer = await self._first(visit, provider, errand)
        answer.headers.append(kept)
        return answer

    async def _first(self, visit: _Visit, provider: Provider, errand: Errand) -> Response:
        """The first page, or the way to the provider."""
        site, given = visit.site, visit.arguments
        if provider.kind == "mail":
            return pages.ask_mail(visit.words, await self._sign_in.keep(site, errand), visit.address("send"))
        if provider.kind == "telegram":
            back = f"{errand.redirect}?{urlencode({'state': await self._sign_in.keep(site, errand)})}"
            return _redirect(302, telegram.address(provider.client_id, visit.origin, back))
        if provider.kind == "commento":
            return await self._ask_site(site, errand)
        instance = given.get("instance", "")
        if provider.kind == "mastodon" and not provider.issuer:
            kept: dict[str, str] = {name: given[name] for name in _KEPT if name in given}
            if not instance:
                return pages.ask_instance(visit.words, visit.address(""), kept)
            try:
                return _redirect(302, await self._sign_in.begin(site, provider, errand, instance))
            except SignInFailed as error:
                if error.reason != "instance":
                    raise
                return pages.ask_instance(visit.words, visit.address(""), kept, wrong=True)
        return _redirect(302, await self._sign_in.begin(site, provider, errand, instance))

    async def _ask_site(self, site: Site, errand: Errand) -> Response:
        """Commento's way: the site's own server is asked, and answers by itself."""
        # Its number begins with that of the site: the address that Commento had for answers names none.
        settings, token = site.product(IdentitySettings), f"{site.id:08x}{token_hex(28)}"
        if not (settings.commento_url and settings.commento_secret):
            raise SignInFailed("broken", "identity.commento_url or commento_secret is empty")
        mark = assertion.sign_commento_token(bytes.fromhex(token), settings.commento_secret)
        await self._sign_in.keep_as(site, token, errand)
        url = settings.commento_url
        return _redirect(302, f"{url}{'&' if '?' in url else '?'}{urlencode({'token': token, 'hmac': mark})}")

    async def _back(self, visit: _Visit, provider: Provider) -> Response:
        site, given = visit.site, visit.arguments
        state = given.get("state", "")
        if provider.kind == "telegram" and not visit.posted:
            return pages.telegram(visit.words, visit.address("callback"), state)
        if provider.kind == "commento":
            return await self._site_answered(visit)
        errand = await self._sign_in.back(site, provider.name, state, visit.cookie)
        visit.page = errand.page
        if provider.kind == "telegram":
            token = await self._sign_in.providers(site).secret(provider)
            who = telegram.somebody(given.get("tgAuthResult", ""), token, self._wall_time())
            return await self._done(visit, errand, facts_of("telegram", who, self._wall_time()))
        return await self._done(visit, errand, await self._sign_in.finish(site, provider, errand, given))

    async def _site_answered(self, visit: _Visit) -> Response:
        site, payload = visit.site, visit.arguments.get("payload", "")
        try:
            token = assertion.commento_token(payload)
        except BadAssertion as error:
            raise SignInFailed("form", f"Commento: {error}") from None
        try:
            errand = await self._sign_in.back(site, visit.path[1], token, visit.cookie)
            visit.page = errand.page
            secret = site.product(IdentitySettings).commento_secret
            person = assertion.verify_commento(
                payload, visit.arguments.get("hmac", ""), secret, token, self._wall_time()
            )
        except BadAssertion as error:
            raise SignInFailed("broken", f"Commento: {error}") from None
        return await self._done(visit, errand, facts_of_person(person, self._wall_time()))

    async def _send(self, visit: _Visit, provider: Provider) -> Response:
        site, given = visit.site, visit.arguments
        errand = await self._sign_in.back(site, provider.name, given.get("state", ""), visit.cookie)
        visit.page = errand.page
        email = assertion.email_address(given.get("email", "").strip())
        if not email:
            state = await self._sign_in.keep(site, errand)
            return pages.ask_mail(visit.words, state, visit.address("send"), given.get("email", "")[:250], wrong=True)
        errand = replace(errand, email=email, name=" ".join(given.get("name", "").split())[:60])
        handle = await self._mail(site).write(errand, visit.address("link"), visit.words.language)
        return pages.ask_code(visit.words, handle, visit.address("code"))

    async def _code(self, visit: _Visit) -> Response:
        given, handle = visit.arguments, visit.arguments.get("handle", "")
        try:
            errand, facts = await self._mail(visit.site).by_code(handle, given.get("code", ""), visit.cookie)
        except SignInFailed as error:
            if error.reason != "wrong":
                raise
            return pages.ask_code(visit.words, handle, visit.address("code"), wrong=True)
        return await self._done(visit, errand, facts)

    async def _link(self, visit: _Visit) -> Response:
        handle, key = visit.arguments.get("handle", ""), visit.arguments.get("key", "")
        mail = self._mail(visit.site)
        if not visit.posted:
            await mail.errand(handle, visit.cookie)
            return pages.confirm_link(visit.words, handle, key, visit.address("link"))
        errand, facts = await mail.by_link(handle, key, visit.cookie)
        return await self._done(visit, errand, facts)

    def _mail(self, site: Site) -> MailLink:
        return MailLink(site, self._database, self._wall_time)

    async def _done(self, visit: _Visit, errand: Errand, facts: Facts) -> Response:
        visit.page = errand.page
        people = People(visit.site, self._database)
        code = await WaysBack(visit.site, self._database, people, self._wall_time).make(facts, errand.challenge)
        origin = origin_of(visit.site, errand.page)
        if origin is None:
            raise SignInFailed("origin", "the page is the site's no more")
        back = f"{errand.page.partition('#')[0]}#cackle-signin={code}"
        if not errand.popup:
            return _redirect(303, back)
        return pages.done(visit.words, origin, back, code, errand.challenge, errand.popup)


class CommentoCallback(AsyncResource):
    """``/api/oauth/sso/callback``, where servers that were made for Commento send the browser back to: leads on."""

    def __init__(self, sites: SiteDirectory, sign_in: SignIn) -> None:
        super().__init__(self.answer, (b"GET", b"HEAD"))
        self._sites = sites
        self._sign_in = sign_in

    async def answer(self, request: Request) -> Response:
        """The way to the site's own callback; the site is found by the token that is answered."""
        given = arguments_of(request.args)
        try:
            token = assertion.commento_token(given.get("payload", ""))
            site = self._sites.find(int(token[:8], 16))
        except (BadAssertion, ValueError):
            return problem(400, detail="Here a site's own server answers, with payload and hmac.")
        if site is None:
            return problem(404)
        try:
            found = await self._sign_in.providers(site).all(ReadPreference.PRIMARY_PREFERRED)
        except DatabaseError:
            return problem(503)
        name = next((one.name for one in found if one.kind == "commento" and one.enabled), None)
        if name is None:
            return problem(404)
        kept: dict[str, str] = {key: given[key] for key in ("payload", "hmac") if key in given}
        return _redirect(302, f"/auth/{site.id}/{name}/callback?{urlencode(kept)}")


class _Visit:
    """One request: who asks for what, and in which words to answer."""

    def __init__(self, request: Request, site: Site, path: list[str], own_url: str) -> None:
        self.request = request
        self.site = site
        self.path = path
        self.posted = request.method == b"POST"
        self.page = ""
        self.provider: Provider | None = None
        self.origin = own_url or own_origin(request)
        self.arguments = arguments_of(request.args)
        heard = request.getHeader(b"accept-language")
        wished = next((one for one in LANGUAGES if one == self.arguments.get("lang")), None)
        language = wished or accepted(None if heard is None else heard.decode("latin-1"), site.settings.language)
        self.words: Words = WORDS.words(language)

    def read(self) -> None:
        """Read the form that was sent.

        Raises:
            Forbidden: it is another's.
            SignInFailed: it can't be read.
        """
        request = self.request
        if self.posted:
            raw = b"" if request.content is None else request.content.read(MOST_FORM)
            try:
                # Byte by byte: given bytes, parse_qs takes nothing but ASCII.
                form = parse_qs(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=20, encoding="latin-1")
                self.arguments |= arguments_of({
                    name.encode("latin-1"): [value.encode("latin-1") for value in values]
                    for name, values in form.items()
                })
            except ValueError:
                raise SignInFailed("form", "too many fields") from None
            origin = request.getHeader(b"origin")
            # Without one, the browser's cookie is not sent to us from elsewhere either (SameSite=Lax).
            if origin is not None and origin.decode("latin-1").lower() not in (own_origin(request), "null"):
                raise Forbidden("Only pages of ours send that.")

    @property
    def cookie(self) -> str:
        """What the browser is known by."""
        return cookie(self.request, COOKIE)

    def address(self, step: str) -> str:
        """The address of a step, whole: providers and forms know no other."""
        base = f"{self.origin}/auth/{self.site.id}/{self.path[1]}"
        return f"{base}/{step}" if step else base

    def failed(self, reason: str) -> Response:
        """It did not work."""
        known = reason if reason in _STATUS else "broken"
        return pages.failed(_STATUS[known], self.words, known, self.page)


def _redirect(status: int, address: str) -> Response:
    headers = [
        (b"location", address.encode("utf-8", "replace")), (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]  # fmt: skip
    return Response(status, headers)
