"""Mastodon: an instance is named by who signs in, and we register there as a client once for each site."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.identity.one_time import OneTime
from cackled.identity.presets import PRESETS
from cackled.identity.provider_http import Asking, SignInFailed, text
from cackled.identity.sealing import Sealing

# Seconds that a registration is kept.
KEPT = 90 * 86_400.0
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)


class _Client(Struct, frozen=True):
    id: str
    secret: str


def instance_of(named: str) -> str:
    """The address of the instance that somebody *named*: ``mastodon.social``, ``@ann@mastodon.social`` or an address.

    Raises:
        SignInFailed: it can't be one.
    """
    scheme, found, rest = named.strip().partition("://")
    host = (rest if found else scheme).rpartition("@")[2].partition("/")[0].lower()
    try:
        host = host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if _HOST.fullmatch(host) is None:
        raise SignInFailed("instance", f"{named[:100]!r} is no instance")
    return f"https://{host}"


class Instances:
    """Our registrations at instances."""

    def __init__(self, asking: Asking, database: Database, sealing: Sealing) -> None:
        self._asking = asking
        self._database = database
        self._sealing = sealing

    async def client(self, site: Site, instance: str, redirect: str) -> tuple[str, str]:
        """Our client id and secret at *instance*, to come back to *redirect*.

        Raises:
            SignInFailed
        """
        once = OneTime(site, self._database)
        place = f"mastodon {instance} {redirect}"
        kept = await once.peek("client", place)
        if kept is not None:
            opened = await self._sealing.open(place, bytes.fromhex(kept))
            if opened:
                known = msgspec.json.decode(opened, type=_Client)
                return known.id, known.secret
        said = await self._asking.post(
            f"{instance}/api/v1/apps",
            {
                "client_name": site.name[:60] or "cackled", "redirect_uris": redirect,
                "scopes": PRESETS["mastodon"].scope,
            },
        )
        made = _Client(text(said, "client_id"), text(said, "client_secret"))
        if not made.id:
            raise SignInFailed("broken", f"{instance} registers nobody")
        sealed = await self._sealing.seal(place, msgspec.json.encode(made).decode())
        await once.keep("client", place, sealed.hex(), KEPT)
        return made.id, made.secret
