"""Bluesky: OAuth of the AT Protocol (atproto.com/specs/oauth) with pushed requests, DPoP and a client that is known by
its document; posts have a key of their own, so that each is there once. The permission is to make posts, no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode, urlsplit

from msgspec.structs import replace

from cackled.domain.site import Site
from cackled.sharing.atproto import Directory, handle_of
from cackled.sharing.network import (
    Answer,
    Asking,
    Connected,
    Post,
    Posted,
    ShareFailed,
    Tokens,
    passing,
    tokens_of,
)
from cackled.sharing.proofs import ClientKey, new_key, proof
from cackled.sharing.settings import SharingSettings
from cackled.sharing.texts import bluesky_count, clusters, whole

POSTS = "app.bsky.feed.post"
SCOPE = f"atproto repo:{POSTS}?action=create"
MOST = 300
# Characters of an address that are shown.
SHOWN = 40
_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"


def record_key(at: float, key: str) -> str:
    """The key of a post (a TID): always the same for the same *at* (seconds since 1970) and *key*."""
    clock = int.from_bytes(blake2b(key.encode(), digest_size=2).digest(), "big") & 1023
    number = (int(at * 1_000_000) & (2**53 - 1)) << 10 | clock
    return "".join(_DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def record_of(post: Post) -> dict[str, Any]:
    """The post, with its link as a part of the text."""
    parts = urlsplit(post.link)
    shown = clusters(f"{parts.netloc}{parts.path}".rstrip("/"))
    name = "".join(shown) if len(shown) <= SHOWN else "".join(shown[: SHOWN - 1]) + "\u2026"
    text = whole(post.html, name, MOST, bluesky_count)
    end = len(text.encode())
    made = datetime.fromtimestamp(int(post.at * 1_000) / 1_000, UTC)
    return {
        "$type": POSTS, "text": text, "createdAt": made.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "facets": [{
            "index": {"byteStart": end - len(name.encode()), "byteEnd": end},
            "features": [{"$type": "app.bsky.richtext.facet#link", "uri": post.link}],
        }],
    }  # fmt: skip


class Bluesky:
    """See `cackled.sharing.network.Network`."""

    name = "bluesky"

    def __init__(
        self, asking: Asking, directory: Directory, key: ClientKey, wall_time: Callable[[], float]
    ) -> None:
        self._asking = asking
        self.directory = directory
        self._key = key
        self._wall_time = wall_time

    def asks(self, site: Site) -> bool:
        """Unless the site takes accounts of one server."""
        return not site.product(SharingSettings).bluesky_server

    async def document(self, site: Site, client: str, redirect: str) -> dict[str, Any]:
        """What *client* is: found at that very address."""
        return {
            "client_id": client, "client_name": site.name[:60] or "cackled", "application_type": "web",
            "client_uri": "/".join(client.split("/")[:3]), "redirect_uris": [redirect], "scope": SCOPE,
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "dpop_bound_access_tokens": True, "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256", "jwks": {"keys": [await self._key.jwk()]},
        }  # fmt: skip

    async def _form(
        self, url: str, fields: dict[str, str], client: str, issuer: str, key: str
    ) -> Answer:
        """Ask an authority, as the client that we are; once more with the nonce that it wants."""
        nonce = ""
        for _ in range(2):
            sent = {**fields, **await self._key.statement(client, issuer)}
            shown = proof(key, "POST", url, self._wall_time(), nonce)
            answer = await self._asking.form(url, sent, (b"DPoP", shown.encode("ascii")))
            nonce = answer.headers.get("dpop-nonce", "")
            if answer.text("error") != "use_dpop_nonce" or not nonce or len(nonce) > 1_000:
                break
        return answer

    async def begin(
        self, site: Site, named: str, redirect: str, state: str, challenge: str
    ) -> tuple[str, dict[str, str]]:
        """To whoever gives tokens for the account that the visitor named."""
        server, did, hint = site.product(SharingSettings).bluesky_server, "", {}
        if not server:
            who = await self.directory.by_handle(handle_of(named))
            server, did, hint = who.server, who.did, {"login_hint": who.handle}
        known = await self.directory.authority(server)
        client, key = redirect.rpartition("/")[0] + "/client-metadata.json", new_key()
        answer = await self._form(known.push, {
            "response_type": "code", "redirect_uri": redirect, "scope": SCOPE, "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256", **hint,
        }, client, known.issuer, key)  # fmt: skip
        passing(answer, known.push)
        request = answer.text("request_uri")
        if answer.status not in (200, 201) or not request:
            raise ShareFailed("broken", f"{known.push}: {answer.status} {answer.text('error')[:80]!r}")
        kept = {"issuer": known.issuer, "token": known.token, "revoke": known.revoke, "did": did, "key": key,
                "client": client}  # fmt: skip
        return f"{known.authorize}?{urlencode({'client_id': client, 'request_uri': request})}", kept

    async def finish(
        self, site: Site, kept: dict[str, str], redirect: str, verifier: str, arguments: dict[str, str]
    ) -> Connected:
        """The account, which has to be one that this authority speaks for."""
        issuer = kept["issuer"]
        # RFC 9207: who answers says so, and has to be who was asked.
        if arguments.get("iss") != issuer:
            raise ShareFailed("broken", f"{issuer}: the answer is of another")
        answer = await self._form(kept["token"], {
            "grant_type": "authorization_code", "code": arguments.get("code", ""), "redirect_uri": redirect,
            "code_verifier": verifier,
        }, kept["client"], issuer, kept["key"])  # fmt: skip
        found = tokens_of(answer, issuer)
        if answer.text("token_type").lower() != "dpop" or not set(SCOPE.split()) <= set(answer.text("scope").split()):
            raise ShareFailed("broken", f"{issuer}: a token for {answer.text('scope')[:80]!r}")
        did = answer.text("sub")
        if kept["did"] and did != kept["did"]:
            raise ShareFailed("broken", f"{issuer}: a token of somebody else")
        who = await self.directory.by_did(did)
        if (await self.directory.authority(who.server)).issuer != issuer:
            raise ShareFailed("broken", f"{issuer} does not speak for {did}")
        more = {name: kept[name] for name in ("issuer", "token", "revoke", "key", "client")} | {"did": did}
        return Connected(who.server, f"@{who.handle}" if who.handle else did, replace(found, more=more))

    async def refresh(self, site: Site, server: str, tokens: Tokens) -> Tokens:
        """New tokens."""
        if not tokens.refresh:
            raise ShareFailed("lost", f"{server}: no refresh token")
        more = tokens.more
        fields = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        answer = await self._form(more["token"], fields, more["client"], more["issuer"], more["key"])
        return tokens_of(answer, server, tokens)

    async def post(self, site: Site, server: str, tokens: Tokens, post: Post) -> Posted:
        """Post it."""
        did, key, nonce = tokens.more["did"], record_key(post.at, post.key), ""
        url = f"{server}/xrpc/com.atproto.repo.createRecord"
        sent = {"repo": did, "collection": POSTS, "rkey": key, "record": record_of(post)}
        for _ in range(2):
            shown = proof(tokens.more["key"], "POST", url, self._wall_time(), nonce, tokens.access)
            answer = await self._asking.json(
                url, sent, (b"Authorization", f"DPoP {tokens.access}".encode("ascii")), (b"DPoP", shown.encode("ascii"))
            )
            nonce = answer.headers.get("dpop-nonce", "")
            wanted = "use_dpop_nonce" in answer.headers.get("www-authenticate", "") + answer.text("error")
            if answer.status not in (400, 401) or not wanted or not nonce or len(nonce) > 1_000:
                break
        if answer.status == 401:
            raise ShareFailed("expired", f"{server}: 401")
        if answer.status == 403:
            raise ShareFailed("lost", f"{server}: 403")
        if answer.status != 200 and not await self._there(server, did, key):
            passing(answer, server)
            refused = answer.status in (400, 413, 422)
            raise ShareFailed("refused" if refused else "broken", f"{server}: {answer.status}")
        return Posted(f"https://bsky.app/profile/{did}/post/{key}")

    async def _there(self, server: str, did: str, key: str) -> bool:
        """Whether the post is there already: everybody may ask."""
        query = urlencode({"repo": did, "collection": POSTS, "rkey": key})
        try:
            answer = await self._asking.get(f"{server}/xrpc/com.atproto.repo.getRecord?{query}")
        except ShareFailed:
            return False
        return answer.status == 200 and answer.text("uri") == f"at://{did}/{POSTS}/{key}"

    async def revoke(self, site: Site, server: str, tokens: Tokens) -> None:
        """Give the tokens back, where that can be done."""
        more = tokens.more
        if more["revoke"]:
            fields = {"token": tokens.refresh or tokens.access}
            passing(await self._form(more["revoke"], fields, more["client"], more["issuer"], more["key"]), server)
