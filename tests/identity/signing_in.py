"""Sites that offer to sign in with a provider on this machine, for tests of each way."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlencode

from cackled.identity.flow import SignIn
from cackled.identity.providers import Provider
from cackled.identity.return_codes import challenge_of
from tests.api.common import ORIGIN, Answer
from tests.identity.common import IdentityCase
from tests.support import provider as local
from tests.support.windows import VERIFIER, Windows

PAGE = f"{ORIGIN}/article?id=1#top"


class SignInCase(Windows, IdentityCase):
    """Site 1 offers to sign in with a provider on this machine."""

    toml = IdentityCase.toml + '[outbound]\nnetworks = ["127.0.0.0/8"]\nports = [{}]\n'
    settings = {"identity.sign_in": True}

    async def setUp(self) -> None:
        self.provider = local.LocalProvider()
        self.addCleanup(self.provider.close)
        self.toml = self.toml.replace("{}", str(self.provider.port))
        await super().setUp()
        self.ways = self.application.shared[SignIn]
        await self.add("acme", "oidc", issuer=self.provider.url)

    async def add(self, name: str, kind: Any, site: int = 1, **more: Any) -> None:
        """Offer a way to sign in."""
        client = "" if kind in ("mastodon", "mail", "commento") else local.CLIENT
        given = {"client_id": client, **more}
        self.provider.clients[local.CLIENT].redirects.add(f"http://{self.host}/auth/{site}/{name}/callback")
        await self.ways.providers(self.application.sites.get(site)).put(
            Provider(name=name, kind=kind, **given), local.SECRET
        )

    def start(self, name: str = "acme", site: int = 1, **more: str) -> str:
        """The address that a page opens."""
        given = {"return": PAGE, "challenge": challenge_of(VERIFIER), "mode": "popup", **more}
        return f"/auth/{site}/{name}?{urlencode(given)}"

    async def there_and_back(self, name: str = "acme", **more: str) -> Answer:
        """All of the way; gives the last page."""
        first = await self.visit(self.start(name, **more))
        self.assertEqual(first.status, 302, first)
        return await self.visit(await self.out(first.headers["location"]))

    def told(self, answer: Answer, status: int, words: str) -> None:
        """*answer* is a page that says so, and runs nothing."""
        self.assertEqual(answer.status, status, answer)
        self.assertIn(html.escape(words), answer.body.decode())
        self.assertNotIn("<script", answer.body.decode())
        self.assertIn("frame-ancestors 'none'", answer.headers["content-security-policy"])
