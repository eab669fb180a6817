"""Who is who in the network of Bluesky (atproto.com/specs): a handle has a DID, a DID a server, a server an authority
that gives tokens. Each is named by the one before, and names it in turn where it can."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from cackled.sharing.network import Asking, ShareFailed, passing, web_address

_HANDLE = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DID = re.compile(r"did:(?:plc:[a-z2-7]{24}|web:[a-z0-9.-]{4,253})")


class Somebody(Struct, frozen=True):
    """An account: ``server`` is where its posts are (a PDS)."""

    did: str
    handle: str
    server: str


class Authority(Struct, frozen=True):
    """Who gives tokens for a server (RFC 8414, RFC 9126)."""

    issuer: str
    authorize: str
    push: str
    token: str
    revoke: str


def handle_of(named: str) -> str:
    """The handle that somebody typed.

    Raises:
        ShareFailed: that is none.
    """
    handle = named.strip().lstrip("@").lower()
    if _HANDLE.fullmatch(handle) is None:
        raise ShareFailed("instance", f"{named[:100]!r} is no handle")
    return handle


class Directory:
    """Looks up who is who. *plc* is where DIDs of that method are; *plain*: addresses may be without TLS, in tests."""

    def __init__(
        self, asking: Asking, text_records: Callable[[str], Awaitable[list[str]]],
        plc: str = "https://plc.directory", *, plain: bool = False,
    ) -> None:  # fmt: skip
        self._asking = asking
        self._text_records = text_records
        self.plc = plc
        self.plain = plain

    def base(self, url: Any) -> str:
        """*url* where it is the whole address of a server; else ``""``."""
        found = web_address(url) if isinstance(url, str) else ""
        secure = found.startswith("https://") or self.plain
        return found if secure and found.count("/") == 2 and "@" not in found and "?" not in found else ""

    async def by_handle(self, handle: str) -> Somebody:
        """Whose *handle* is.

        Raises:
            ShareFailed: nobody's, or not really theirs.
        """
        did = ""
        try:
            records = await self._text_records(f"_atproto.{handle}")
            did = next((one[4:].strip() for one in records if one.startswith("did=")), "")
        except OSError:
            pass
        if not did:
            answer = await self._asking.ask(b"GET", f"https://{handle}/.well-known/atproto-did", [])
            did = answer.raw.strip() if answer.status == 200 else ""
        found = await self.by_did(did) if did else None
        if found is None or found.handle != handle:
            raise ShareFailed("instance", f"{handle} is nobody's handle")
        return found

    async def by_did(self, did: str) -> Somebody:
        """Whose *did* is.

        Raises:
            ShareFailed: nobody's.
        """
        if _DID.fullmatch(did) is None:
            raise ShareFailed("instance", f"{did[:80]!r} is no DID")
        kind, _, rest = did.removeprefix("did:").partition(":")
        url = f"{self.plc}/{did}" if kind == "plc" else f"https://{rest}/.well-known/did.json"
        answer = await self._asking.get(url)
        passing(answer, url)
        said = answer.said
        if answer.status != 200 or said.get("id") != did:
            raise ShareFailed("instance", f"{did}: {answer.status}")
        names, services = said.get("alsoKnownAs"), said.get("service")
        handle = next(
            (one[5:].lower() for one in names if isinstance(one, str) and one.startswith("at://")), ""
        ) if isinstance(names, list) else ""  # fmt: skip
        server = ""
        for one in services if isinstance(services, list) else ():
            if isinstance(one, dict) and str(one.get("id", "")).endswith("#atproto_pds"):
                server = self.base(one.get("serviceEndpoint"))
                break
        if not server:
            raise ShareFailed("instance", f"{did} has no server")
        return Somebody(did, handle if _HANDLE.fullmatch(handle) else "", server)

    async def authority(self, server: str) -> Authority:
        """Who gives tokens for *server*.

        Raises:
            ShareFailed: nobody, or not as the network asks for.
        """
        answer = await self._asking.get(f"{server}/.well-known/oauth-protected-resource")
        passing(answer, server)
        named = answer.said.get("authorization_servers")
        issuer = self.base(named[0]) if answer.status == 200 and isinstance(named, list) and len(named) == 1 else ""
        if not issuer:
            raise ShareFailed("instance", f"{server} names nobody who gives tokens")
        answer = await self._asking.get(f"{issuer}/.well-known/oauth-authorization-server")
        passing(answer, issuer)
        said = answer.said
        if answer.status != 200 or said.get("issuer") != issuer:
            raise ShareFailed("broken", f"{issuer} says that it is {str(said.get('issuer'))[:100]!r}")
        found = Authority(issuer, *(
            self._below(answer.text(f"{name}_endpoint"))
            for name in ("authorization", "pushed_authorization_request", "token", "revocation")
        ))  # fmt: skip
        if not (found.authorize and found.push and found.token):
            raise ShareFailed("broken", f"{issuer}: what it says of itself is not whole")
        return found

    def _below(self, url: str) -> str:
        found = web_address(url)
        return found if (found.startswith("https://") or self.plain) and "#" not in found else ""
