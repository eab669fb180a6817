"""X by its API 2 (docs.x.com): OAuth 2.0 with PKCE, tokens of two hours, refresh tokens that are good once.

X knows no key of repetition. It refuses the same text a second time, and each of our texts has the address of its
comment: so a second try of what is there already is known by that.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote, urlencode

from cackled.domain.site import Site
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
)
from cackled.sharing.settings import SharingSettings
from cackled.sharing.texts import whole, x_count

# The first three belong to posting.
SCOPE = "tweet.read tweet.write users.read offline.access"
MOST = 280


class X:
    """See `cackled.sharing.network.Network`. *own* and *api* are what its addresses begin with."""

    name = "x"

    def __init__(self, asking: Asking, own: str = "https://x.com", api: str = "https://api.x.com") -> None:
        self._asking = asking
        self.own = own
        self.api = api

    def asks(self, site: Site) -> bool:
        """There is one server."""
        return False

    async def begin(
        self, site: Site, named: str, redirect: str, state: str, challenge: str
    ) -> tuple[str, dict[str, str]]:
        """To X."""
        asked = {
            "response_type": "code", "client_id": site.product(SharingSettings).x_client, "redirect_uri": redirect,
            "scope": SCOPE, "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.own}/i/oauth2/authorize?{urlencode(asked, quote_via=quote)}", {}

    def _client(self, site: Site, fields: dict[str, str]) -> tuple[dict[str, str], list[tuple[bytes, bytes]]]:
        settings = site.product(SharingSettings)
        if not settings.x_secret:
            return {**fields, "client_id": settings.x_client}, []
        pair = f"{quote(settings.x_client, safe='')}:{quote(settings.x_secret, safe='')}"
        return fields, [(b"Authorization", b"Basic " + b64encode(pair.encode()))]

    async def finish(
        self, site: Site, kept: dict[str, str], redirect: str, verifier: str, arguments: dict[str, str]
    ) -> Connected:
        """The account, whose name is known at once."""
        fields, headers = self._client(site, {
            "grant_type": "authorization_code", "code": arguments.get("code", ""), "redirect_uri": redirect,
            "code_verifier": verifier,
        })  # fmt: skip
        answer = await self._asking.form(f"{self.api}/2/oauth2/token", fields, *headers)
        found = tokens_of(answer, self.name)
        if "tweet.write" not in answer.text("scope").split():
            raise ShareFailed("denied", f"X: permission for {answer.text('scope')[:80]!r}")
        who = await self._asking.get(f"{self.api}/2/users/me", bearer(found.access))
        data = who.said.get("data")
        name = data.get("username") if who.status == 200 and isinstance(data, dict) else ""
        known = isinstance(name, str) and name.isascii() and name.replace("_", "").isalnum() and len(name) <= 50
        return Connected(self.api, f"@{name}" if known else "X", found)

    async def refresh(self, site: Site, server: str, tokens: Tokens) -> Tokens:
        """New tokens."""
        if not tokens.refresh:
            raise ShareFailed("lost", "X: no refresh token")
        fields, headers = self._client(site, {"grant_type": "refresh_token", "refresh_token": tokens.refresh})
        answer = await self._asking.form(f"{self.api}/2/oauth2/token", fields, *headers)
        return tokens_of(answer, self.name, tokens)

    async def post(self, site: Site, server: str, tokens: Tokens, post: Post) -> Posted:
        """Post it."""
        text = whole(post.html, post.link, MOST, x_count)
        answer = await self._asking.json(f"{self.api}/2/tweets", {"text": text}, bearer(tokens.access))
        passing(answer, self.name)
        if answer.status == 401:
            raise ShareFailed("expired", "X: 401")
        if answer.status == 403 and "duplicate" in answer.text("detail").lower():
            return Posted("")
        data = answer.said.get("data")
        number = data.get("id") if isinstance(data, dict) else None
        if answer.status not in (200, 201) or not isinstance(number, str) or not number.isdigit():
            refused = answer.status in (400, 403, 422)
            raise ShareFailed("refused" if refused else "broken", f"X: {answer.status}")
        return Posted(f"{self.own}/i/web/status/{number[:25]}")

    async def revoke(self, site: Site, server: str, tokens: Tokens) -> None:
        """Give the tokens back: of both, the one that lasts."""
        fields, headers = self._client(site, {"token": tokens.refresh or tokens.access})
        passing(await self._asking.form(f"{self.api}/2/oauth2/revoke", fields, *headers), self.name)
