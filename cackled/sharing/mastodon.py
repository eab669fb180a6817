"""Mastodon, and what speaks its API (docs.joinmastodon.org/methods). We register as an app at each instance, for each
site; the permission is to write posts, and nothing else."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.identity.mastodon import instance_of
from cackled.identity.one_time import OneTime
from cackled.identity.provider_http import SignInFailed
from cackled.identity.sealing import Sealing
from cackled.sharing.network import (
    Asking,
    Connected,
    Post,
    Posted,
    ShareFailed,
    Tokens,
    bearer,
    passing,
    tokens_of,
    web_address,
)
from cackled.sharing.settings import SharingSettings
from cackled.sharing.texts import mastodon_count, whole

SCOPE = "write:statuses"
# Characters of a post, where an instance allows no more.
MOST = 500
# Seconds that our registration at an instance is kept.
KEPT = 90 * 86_400.0


class Mastodon:
    """See `cackled.sharing.network.Network`."""

    name = "mastodon"

    def __init__(self, asking: Asking, database: Database, sealing: Sealing) -> None:
        self._asking = asking
        self._database = database
        self._sealing = sealing

    def asks(self, site: Site) -> bool:
        """Unless the site takes accounts of one instance."""
        return not site.product(SharingSettings).mastodon_server

    async def begin(
        self, site: Site, named: str, redirect: str, state: str, challenge: str
    ) -> tuple[str, dict[str, str]]:
        """To the instance that the site, or the visitor, named."""
        server = site.product(SharingSettings).mastodon_server
        if not server:
            try:
                server = instance_of(named)
            except SignInFailed as error:
                raise ShareFailed("instance", str(error)) from None
        client, secret = await self._client(site, server, redirect)
        asked = {
            "response_type": "code", "client_id": client, "redirect_uri": redirect, "scope": SCOPE, "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{server}/oauth/authorize?{urlencode(asked)}", {"server": server, "client": client, "secret": secret}

    async def _client(self, site: Site, server: str, redirect: str) -> tuple[str, str]:
        """Our client id and secret at an instance."""
        once = OneTime(site, self._database)
        place = f"share {server} {redirect}"
        kept = await once.peek("client", place)
        opened = "" if kept is None else await self._sealing.open(place, bytes.fromhex(kept))
        if opened:
            known: list[str] = msgspec.json.decode(opened, type=list[str])
            return known[0], known[1]
        fields = {"client_name": site.name[:60] or "cackled", "redirect_uris": redirect, "scopes": SCOPE}
        answer = await self._asking.form(f"{server}/api/v1/apps", fields)
        passing(answer, server)
        client, secret = answer.text("client_id"), answer.text("client_secret")
        if answer.status != 200 or not client or not secret:
            raise ShareFailed("instance", f"{server} registers nobody: {answer.status}")
        sealed = await self._sealing.seal(place, msgspec.json.encode([client, secret]).decode())
        await once.keep("client", place, sealed.hex(), KEPT)
        return client, secret

    async def finish(
        self, site: Site, kept: dict[str, str], redirect: str, verifier: str, arguments: dict[str, str]
    ) -> Connected:
        """The account; which it is, is known with its first post: our permission does not say so."""
        server = kept["server"]
        answer = await self._asking.form(f"{server}/oauth/token", {
            "grant_type": "authorization_code", "code": arguments.get("code", ""), "client_id": kept["client"],
            "client_secret": kept["secret"], "redirect_uri": redirect, "code_verifier": verifier, "scope": SCOPE,
        })  # fmt: skip
        found = tokens_of(answer, server)
        if "scope" in answer.said and SCOPE not in answer.text("scope").split():
            raise ShareFailed("broken", f"{server}: permission for {answer.text('scope')[:80]!r}")
        more = {"client": kept["client"], "secret": kept["secret"]}
        return Connected(
            server, server.partition("://")[2], msgspec.structs.replace(found, more=more)
        )

    async def refresh(self, site: Site, server: str, tokens: Tokens) -> Tokens:
        """New tokens, at instances whose tokens run out: Mastodon's do not."""
        if not tokens.refresh:
            raise ShareFailed("lost", f"{server}: the token has run out")
        answer = await self._asking.form(f"{server}/oauth/token", {
            "grant_type": "refresh_token", "refresh_token": tokens.refresh, "client_id": tokens.more["client"],
            "client_secret": tokens.more["secret"],
        })  # fmt: skip
        return tokens_of(answer, server, tokens)

    async def post(self, site: Site, server: str, tokens: Tokens, post: Post) -> Posted:
        """Post it; the key holds for an hour there."""
        fields = {"status": whole(post.html, post.link, MOST, mastodon_count), "visibility": "public"}
        answer = await self._asking.form(
            f"{server}/api/v1/statuses", fields, bearer(tokens.access), (b"Idempotency-Key", post.key.encode("ascii"))
        )
        passing(answer, server)
        if answer.status == 401:
            raise ShareFailed("expired", f"{server}: 401")
        if answer.status == 403:
            raise ShareFailed("lost", f"{server}: 403")
        if answer.status != 200 or not answer.text("id"):
            raise ShareFailed("refused" if answer.status == 422 else "broken", f"{server}: {answer.status}")
        account = answer.said.get("account")
        name = account.get("acct") if isinstance(account, dict) else ""
        host = server.partition("://")[2]
        known = isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable() and "@" not in name
        return Posted(web_address(answer.text("url")), f"@{name}@{host}" if known else "")

    async def revoke(self, site: Site, server: str, tokens: Tokens) -> None:
        """Give the token back."""
        answer = await self._asking.form(f"{server}/oauth/revoke", {
            "client_id": tokens.more["client"], "client_secret": tokens.more["secret"], "token": tokens.access,
        })  # fmt: skip
        passing(answer, server)
