"""VK: VK ID (OAuth 2.1, id.vk.com/about/business/go/docs) and the method ``wall.post`` of its API. Tokens hold for an
hour. VK gives the permission ``wall`` to apps that asked for it."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec.structs import replace

from cackled.domain.site import Site
from cackled.sharing.network import (
    Asking,
    Connected,
    Post,
    Posted,
    Reason,
    ShareFailed,
    Tokens,
    passing,
    tokens_of,
)
from cackled.sharing.settings import SharingSettings
from cackled.sharing.texts import whole

SCOPE = "wall"
VERSION = "5.199"
# Characters (UTF-16 units are no fewer); VK takes more.
MOST = 4_000
# Codes of its errors: dev.vk.com/ru/reference/errors.
_REASONS: dict[int, Reason] = {
    1: "down", 5: "expired", 6: "limit", 7: "lost", 9: "limit", 10: "down", 15: "lost", 17: "lost", 29: "limit",
    214: "refused", 219: "limit", 220: "limit", 222: "refused", 224: "limit", 1114: "expired", 1116: "expired",
}  # fmt: skip


class Vk:
    """See `cackled.sharing.network.Network`. *own*, *api* and *pages* are what its addresses begin with."""

    name = "vk"

    def __init__(
        self, asking: Asking, own: str = "https://id.vk.com", api: str = "https://api.vk.com",
        pages: str = "https://vk.com",
    ) -> None:  # fmt: skip
        self._asking = asking
        self.own = own
        self.api = api
        self.pages = pages

    def asks(self, site: Site) -> bool:
        """There is one server."""
        return False

    async def begin(
        self, site: Site, named: str, redirect: str, state: str, challenge: str
    ) -> tuple[str, dict[str, str]]:
        """To VK ID."""
        asked = {
            "response_type": "code", "client_id": site.product(SharingSettings).vk_client, "redirect_uri": redirect,
            "scope": SCOPE, "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.own}/authorize?{urlencode(asked)}", {}

    async def finish(
        self, site: Site, kept: dict[str, str], redirect: str, verifier: str, arguments: dict[str, str]
    ) -> Connected:
        """The account. VK binds tokens to the device that it names."""
        state, device = arguments.get("state", ""), arguments.get("device_id", "")[:500]
        answer = await self._asking.form(f"{self.own}/oauth2/auth", {
            "grant_type": "authorization_code", "code": arguments.get("code", ""), "code_verifier": verifier,
            "client_id": site.product(SharingSettings).vk_client, "device_id": device, "redirect_uri": redirect,
            "state": state,
        })  # fmt: skip
        found = tokens_of(answer, self.name)
        if answer.text("state") not in ("", state):
            raise ShareFailed("broken", "VK: the answer is to another request")
        if answer.text("scope") and SCOPE not in answer.text("scope").split():
            raise ShareFailed("denied", f"VK: permission for {answer.text('scope')[:80]!r}")
        user = answer.text("user_id")
        if not user.isdigit() or len(user) > 20:
            raise ShareFailed("broken", "VK: it does not say who it is")
        return Connected(self.api, f"id{user}", replace(found, more={"device": device, "user": user}))

    async def refresh(self, site: Site, server: str, tokens: Tokens) -> Tokens:
        """New tokens."""
        answer = await self._asking.form(f"{self.own}/oauth2/auth", {
            "grant_type": "refresh_token", "refresh_token": tokens.refresh, "device_id": tokens.more["device"],
            "client_id": site.product(SharingSettings).vk_client, "state": tokens.more["user"],
        })  # fmt: skip
        return tokens_of(answer, self.name, tokens)

    async def post(self, site: Site, server: str, tokens: Tokens, post: Post) -> Posted:
        """Post it; ``guid`` keeps it from being there twice."""
        answer = await self._asking.form(f"{self.api}/method/wall.post", {
            "message": whole(post.html, post.link, MOST, len), "attachments": post.link, "guid": post.key,
            "access_token": tokens.access, "v": VERSION,
        })  # fmt: skip
        passing(answer, self.name)
        error, said = answer.said.get("error"), answer.said.get("response")
        if isinstance(error, dict):
            code = error.get("error_code")
            known = code if isinstance(code, int) else 0
            raise ShareFailed(_REASONS.get(known, "refused"), f"VK: error {known}")
        number = said.get("post_id") if isinstance(said, dict) else None
        if answer.status != 200 or not isinstance(number, int):
            raise ShareFailed("broken", f"VK: {answer.status}")
        return Posted(f"{self.pages}/wall{tokens.more['user']}_{number}")

    async def revoke(self, site: Site, server: str, tokens: Tokens) -> None:
        """Give the tokens back."""
        client = site.product(SharingSettings).vk_client
        fields = {"client_id": client, "access_token": tokens.access}
        passing(await self._asking.form(f"{self.own}/oauth2/revoke", fields), self.name)
