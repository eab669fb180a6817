"""The way to a provider and back: what is sent along, what has to come back, and who that makes the visitor.

Who begins is a browser with a page of the site open. It gets a cookie on our own origin, and the provider a ``state``
that is good once and for that browser alone (RFC 9700 section 4.7); the code that the provider gives is worth nothing
without a verifier that only we know (PKCE, RFC 7636), nor is ours for the page without that of the page
(`cackled.identity.return_codes`). Where the visitor goes back to is one of the site's own pages.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cackled.database.routing import Database
from cackled.domain.errors import Refused
from cackled.domain.origins import split_origin
from cackled.domain.people import Facts
from cackled.domain.sessions import SIGNED_IN
from cackled.domain.site import Site
from cackled.domain.text import clean_name
from cackled.identity import assertion
from cackled.identity.mastodon import Instances, instance_of
from cackled.identity.oidc import Issuers
from cackled.identity.one_time import OneTime
from cackled.identity.presets import GOOGLE, PRESETS, Preset, Somebody
from cackled.identity.provider_http import Asking, Http, SignInFailed, text
from cackled.identity.providers import Provider, Providers
from cackled.identity.return_codes import challenge_of
from cackled.identity.sealing import Sealing

# Seconds that somebody has for the way to a provider and back.
LIFETIME = 900.0
SCOPE = "openid profile email"


class Errand(Struct, frozen=True, kw_only=True):
    """What a browser set out for: kept while it is away, under the hash of the ``state``.

    ``browser``: its cookie, hashed. ``page`` is where it goes back to, ``challenge`` that page's own; ``popup``: it is
    another window than the page's. ``verifier`` and ``nonce`` are for the provider; ``instance`` is the Mastodon
    server.
    """

    provider: str
    browser: str
    page: str
    challenge: str
    popup: bool
    redirect: str
    verifier: str = ""
    nonce: str = ""
    instance: str = ""
    # Of signing in by mail: the address, the code's hash, and how often another was tried.
    email: str = ""
    name: str = ""
    code: str = ""
    tries: int = 0


def mark_of(cookie: str) -> str:
    """What a browser's cookie is kept as."""
    return sha256(cookie.encode("utf-8", "replace")).hexdigest()


def origin_of(site: Site, page: str) -> str | None:
    """The origin of *page*, where that is a page of *site*; else None."""
    if len(page) > assertion.URL_LENGTH or not page.isprintable():
        return None
    scheme, found, rest = page.partition("://")
    host = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    origin = f"{scheme}://{host}".lower()
    if not found or "@" in host or "\\" in page or split_origin(origin) is None or not site.allows_origin(origin):
        return None
    return origin


class SignIn:
    """The ways of all sites, in a process."""

    def __init__(
        self, http: Http, database: Database, sealing: Sealing, seconds: Callable[[], float],
        wall_time: Callable[[], float],
    ) -> None:  # fmt: skip
        self.asking = Asking(http)
        self.sealing = sealing
        self._database = database
        self._issuers = Issuers(self.asking, seconds, wall_time)
        self._instances = Instances(self.asking, database, sealing)
        self._wall_time = wall_time
        # Where presets are, for those that are elsewhere in tests.
        self.presets = dict(PRESETS)

    def providers(self, site: Site) -> Providers:
        """Those of *site*."""
        return Providers(site, self._database, self.sealing)

    async def keep(self, site: Site, errand: Errand) -> str:
        """Keep an errand; gives the ``state`` that it is found by, once."""
        state = token_urlsafe(32)
        await self.keep_as(site, state, errand)
        return state

    async def keep_as(self, site: Site, state: str, errand: Errand) -> None:
        """The same for a *state* that nobody can guess."""
        await OneTime(site, self._database).put(
            "state", state, msgspec.json.encode(errand).decode(), self._wall_time() + LIFETIME
        )

    async def back(self, site: Site, provider: str, state: str, cookie: str) -> Errand:
        """The errand of who comes back with *state*.

        Raises:
            SignInFailed: there is none, or it is another browser's.
        """
        data = await OneTime(site, self._database).take("state", state) if state else None
        errand = None if data is None else msgspec.json.decode(data, type=Errand)
        if errand is None or errand.provider != provider or not hmac.compare_digest(errand.browser, mark_of(cookie)):
            raise SignInFailed("late", f"no errand to {provider}")
        return errand

    async def begin(self, site: Site, provider: Provider, errand: Errand, instance: str) -> str:
        """The provider's address to send the browser to.

        Raises:
            SignInFailed
        """
        errand = replace(errand, verifier=token_urlsafe(48), nonce=token_urlsafe(24))
        client, scope = provider.client_id, SCOPE
        if provider.kind in ("oidc", "google"):
            authorize = (await self._issuers.find(_issuer(provider))).authorize
        else:
            preset = self.presets[provider.kind]
            scope = preset.scope
            if provider.kind == "mastodon":
                errand = replace(errand, instance=provider.issuer or instance_of(instance))
                client, _ = await self._instances.client(site, errand.instance, errand.redirect)
                authorize = errand.instance + preset.authorize
            else:
                authorize = _at(preset.at(provider.issuer), preset.authorize)
        state = await self.keep(site, errand)
        asked = {
            "response_type": "code", "client_id": client, "redirect_uri": errand.redirect, "scope": scope,
            "state": state, "code_challenge": challenge_of(errand.verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        if provider.kind in ("oidc", "google"):
            asked["nonce"] = errand.nonce
        return f"{authorize}{'&' if '?' in authorize else '?'}{urlencode(asked)}"

    async def finish(self, site: Site, provider: Provider, errand: Errand, arguments: dict[str, str]) -> Facts:
        """Who came back from *provider* with *arguments*.

        Raises:
            SignInFailed
        """
        if arguments.get("error"):
            no = arguments["error"] in ("access_denied", "user_denied", "login_required", "interaction_required")
            raise SignInFailed("refused" if no else "broken", f"{provider.name}: {arguments['error'][:100]!r}")
        # RFC 9207: who answers says so, and has to be who was asked.
        code = arguments.get("code", "")
        if not code:
            raise SignInFailed("broken", f"{provider.name}: no code")
        if provider.kind in ("oidc", "google"):
            return await self._finish_oidc(site, provider, errand, arguments, code)
        preset, client = self.presets[provider.kind].at(errand.instance or provider.issuer), provider.client_id
        secret = await self.providers(site).secret(provider)
        if provider.kind == "mastodon":
            client, secret = await self._instances.client(site, errand.instance, errand.redirect)
        fields = _exchange(errand, client, secret, code)
        if provider.kind == "vk":
            fields |= {"device_id": arguments.get("device_id", "")}
        token = await self.asking.post(_at(preset, preset.token), fields)
        who = await preset.profile(self.asking, preset, token, client)
        return self._facts(provider.kind if not provider.issuer else f"{provider.kind}:{provider.issuer}", who)

    async def _finish_oidc(
        self, site: Site, provider: Provider, errand: Errand, arguments: dict[str, str], code: str
    ) -> Facts:
        issuer = _issuer(provider)
        known = await self._issuers.find(issuer)
        if arguments.get("iss", known.issuer) != known.issuer:
            raise SignInFailed("broken", f"{issuer}: the answer is of {arguments['iss'][:100]!r}")
        secret = await self.providers(site).secret(provider)
        basic = (provider.client_id, secret) if secret and known.basic else None
        fields = _exchange(errand, provider.client_id, "" if basic else secret, code)
        token = await self.asking.post(known.token, fields, basic=basic)
        claims = await self._issuers.verify(issuer, text(token, "id_token"), provider.client_id, errand.nonce)
        if known.userinfo and not (text(claims, "name", "nickname", "preferred_username") and text(claims, "email")):
            more = await self.asking.get(known.userinfo, bearer=text(token, "access_token"))
            # OpenID Connect Core 1.0 section 5.3.2: it must be the same person.
            if text(more, "sub") != text(claims, "sub"):
                raise SignInFailed("broken", f"{issuer}: its userinfo is about somebody else")
            claims = {**more, **claims}
        verified = claims.get("email_verified") in (True, "true")
        who = Somebody(
            text(claims, "sub"), text(claims, "name", "nickname", "preferred_username", "given_name"),
            text(claims, "email"), verified, text(claims, "picture"), text(claims, "profile"),
        )  # fmt: skip
        return self._facts(f"oidc:{known.issuer}", who)

    def _facts(self, provider: str, who: Somebody) -> Facts:
        return facts_of(provider, who, self._wall_time())


def facts_of(provider: str, who: Somebody, now: float) -> Facts:
    """What *who* came is, cleaned.

    Raises:
        SignInFailed: it is nobody.
    """
    if not who.subject or len(who.subject) > assertion.ID_LENGTH:
        raise SignInFailed("broken", f"{provider}: it does not say who it is")
    email = assertion.email_address(who.email)
    name = who.name
    try:
        name = clean_name(name[:60])
    except Refused:
        # Never what stands before the @ of an address that the person did not choose to show.
        name = "User"
    return Facts(
        provider=provider[:250], subject=who.subject, level=SIGNED_IN, name=name, email=email,
        verified=who.verified and bool(email), avatar=assertion.web_address(who.avatar),
        url=assertion.web_address(who.url), stated=now,
    )  # fmt: skip


def _issuer(provider: Provider) -> str:
    return provider.issuer or GOOGLE


def _at(preset: Preset, path: str) -> str:
    return path if "://" in path else preset.base + path


def _exchange(errand: Errand, client: str, secret: str, code: str) -> dict[str, str]:
    fields = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": errand.redirect, "client_id": client,
        "code_verifier": errand.verifier,
    }  # fmt: skip
    return fields | ({"client_secret": secret} if secret else {})


def arguments_of(pairs: dict[bytes, list[bytes]]) -> dict[str, str]:
    """The query's or form's arguments, the first of each, as far as they are text of a bearable length."""
    found: dict[str, str] = {}
    for name, values in pairs.items():
        value: Any = values[0] if values else b""
        if len(name) <= 50 and len(value) <= 8_192:
            found[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace").replace("\x00", "")
    return found
