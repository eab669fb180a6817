"""The way to a network and back: as signing in does it (`cackled.identity.flow`), with its own states and codes.

What comes back is kept, encrypted, for whoever has the code and the verifier of the page that began: that page's
session says whose account it becomes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from secrets import token_urlsafe
from typing import Literal

import msgspec
from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.errors import NotFound, Unauthorized
from cackled.domain.site import Site
from cackled.identity.flow import mark_of
from cackled.identity.one_time import OneTime
from cackled.identity.return_codes import challenge_of
from cackled.identity.sealing import Sealing
from cackled.sharing.network import Connected, Network, ShareFailed
from cackled.sharing.settings import SharingSettings
from cackled.sharing.store import Accounts

# Seconds for the way there and back, and for the page to fetch what came of it.
LIFETIME, CODE_LIFETIME = 900.0, 300.0
_Kind = Literal["share-state", "share-code"]


class Errand(Struct, frozen=True):
    """What a browser set out for. ``browser``: its cookie, hashed; ``page`` and ``challenge``: where it began."""

    network: str
    browser: str
    page: str
    challenge: str
    redirect: str
    verifier: str
    kept: dict[str, str]


class _Kept(Struct, frozen=True):
    network: str
    challenge: str
    account: Connected


class Sharing:
    """The networks, in a process."""

    def __init__(
        self, networks: Mapping[str, Network], database: Database, sealing: Sealing, wall_time: Callable[[], float]
    ) -> None:
        self.networks = networks
        self.sealing = sealing
        self._database = database
        self._wall_time = wall_time

    def accounts(self, site: Site) -> Accounts:
        """The accounts of visitors of *site*."""
        return Accounts(site, self._database, self.sealing)

    def find(self, site: Site, name: str) -> Network:
        """The network *name*.

        Raises:
            NotFound: the site does not offer it.
        """
        if name not in self.networks or name not in site.product(SharingSettings).offered():
            raise NotFound("This site does not offer that network.")
        return self.networks[name]

    async def begin(
        self, site: Site, network: Network, named: str, cookie: str, page: str, challenge: str, redirect: str
    ) -> str:
        """The address of the network to send the browser to.

        Raises:
            ShareFailed
        """
        state, verifier = token_urlsafe(32), token_urlsafe(48)
        address, kept = await network.begin(site, named, redirect, state, challenge_of(verifier))
        errand = Errand(network.name, mark_of(cookie), page, challenge, redirect, verifier, kept)
        await self._put(site, "share-state", state, msgspec.json.encode(errand).decode(), LIFETIME)
        return address

    async def back(self, site: Site, network: str, state: str, cookie: str) -> Errand:
        """The errand of who comes back with *state*.

        Raises:
            ShareFailed: there is none, or it is another browser's.
        """
        data = await self._take(site, "share-state", state)
        errand = msgspec.json.decode(data, type=Errand) if data else None
        if errand is None or errand.network != network or not hmac.compare_digest(errand.browser, mark_of(cookie)):
            raise ShareFailed("late", f"no errand to {network[:40]}")
        return errand

    async def finish(self, site: Site, network: Network, errand: Errand, arguments: dict[str, str]) -> str:
        """Who comes back has an account: a code for the page that began.

        Raises:
            ShareFailed
        """
        if arguments.get("error"):
            no = arguments["error"] in ("access_denied", "user_denied")
            raise ShareFailed("denied" if no else "broken", f"{network.name}: {arguments['error'][:100]!r}")
        if not arguments.get("code"):
            raise ShareFailed("broken", f"{network.name}: no code")
        account = await network.finish(site, errand.kept, errand.redirect, errand.verifier, arguments)
        code = token_urlsafe(32)
        kept = msgspec.json.encode(_Kept(network.name, errand.challenge, account)).decode()
        await self._put(site, "share-code", code, kept, CODE_LIFETIME)
        return code

    async def redeem(self, site: Site, code: str, verifier: str) -> tuple[str, Connected]:
        """The network and the account of a code.

        Raises:
            Unauthorized: it was used, has run out, or is another page's.
        """
        data = await self._take(site, "share-code", code)
        kept = msgspec.json.decode(data, type=_Kept) if data else None
        if kept is None or not hmac.compare_digest(kept.challenge, challenge_of(verifier)):
            raise Unauthorized("That took too long, or was used before. Connect once more.", slug="bad-code")
        return kept.network, kept.account

    async def _put(self, site: Site, kind: _Kind, secret: str, data: str, seconds: float) -> None:
        sealed = await self.sealing.seal(f"{kind} {site.id}", data)
        await OneTime(site, self._database).put(kind, secret, sealed.hex(), self._wall_time() + seconds)

    async def _take(self, site: Site, kind: _Kind, secret: str) -> str:
        if not secret:
            return ""
        sealed = await OneTime(site, self._database).take(kind, secret)
        return await self.sealing.open(f"{kind} {site.id}", bytes.fromhex(sealed)) if sealed else ""
