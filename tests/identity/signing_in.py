"""Sites that offer to sign in with a provider on this machine, for tests of each way."""

from __future__ import annotations

import html
import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from twisted.internet.threads import deferToThread

from cackled.identity.flow import SignIn
from cackled.identity.providers import Provider
from cackled.identity.return_codes import challenge_of
from tests.api.common import ORIGIN, Answer
from tests.identity.common import IdentityCase
from tests.support import provider as local

VERIFIER = "v" * 43
PAGE = f"{ORIGIN}/article?id=1#top"

class SignInCase(IdentityCase):
    """Site 1 offers to sign in with a provider on this machine."""

    toml = IdentityCase.toml + '[outbound]\nnetworks = ["127.0.0.0/8"]\nports = [{}]\n'
    settings = {"identity.sign_in": True}

    async def setUp(self) -> None:
        self.provider = local.LocalProvider()
        self.addCleanup(self.provider.close)
        self.toml = self.toml.replace("{}", str(self.provider.port))
        await super().setUp()
        self.cookie = ""
        self.host = f"127.0.0.1:{self.port}"
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

    async def visit(
        self, path: str, body: dict[str, str] | None = None, cookie: str | None = None, **more: Any
    ) -> Answer:
        """What a browser gets of us at *path*, an address of ours; its cookies are kept."""
        path = path.removeprefix(f"http://{self.host}")
        sent = None if body is None else urlencode(body).encode()
        kind = {} if sent is None else {"content_type": "application/x-www-form-urlencoded",
                                        "origin": f"http://{self.host}"}  # fmt: skip
        answer = await self.ask(
            "GET" if sent is None else "POST", path, sent, host=self.host,
            cookie=(self.cookie if cookie is None else cookie) or None, **{**kind, **more},
        )  # fmt: skip
        kept = answer.headers.get("set-cookie", "")
        if kept and cookie is None:
            self.cookie = kept.partition(";")[0]
        return answer

    async def out(self, address: str) -> str:
        """Where the provider sends the browser that comes to *address*."""

        def ask() -> tuple[int, str | None, bytes]:
            parts = urlsplit(address)
            there = HTTPConnection(parts.netloc, timeout=30)
            there.request("GET", f"{parts.path}?{parts.query}")
            answer = there.getresponse()
            found = answer.status, answer.getheader("location"), answer.read()
            there.close()
            return found

        status, location, body = await deferToThread(ask)
        assert status == 302 and location is not None, (status, body)
        return location

    def start(self, name: str = "acme", site: int = 1, **more: str) -> str:
        """The address that a page opens."""
        given = {"return": PAGE, "challenge": challenge_of(VERIFIER), "mode": "popup", **more}
        return f"/auth/{site}/{name}?{urlencode(given)}"

    async def there_and_back(self, name: str = "acme", **more: str) -> Answer:
        """All of the way; gives the last page."""
        first = await self.visit(self.start(name, **more))
        self.assertEqual(first.status, 302, first)
        return await self.visit(await self.out(first.headers["location"]))

    def code(self, answer: Answer) -> str:
        """The code of the last page."""
        self.assertEqual(answer.status, 200, answer)
        found = re.search(r'data-code="([^"]+)"', answer.body.decode())
        assert found is not None, answer
        return found[1]

    def told(self, answer: Answer, status: int, words: str) -> None:
        """*answer* is a page that says so, and runs nothing."""
        self.assertEqual(answer.status, status, answer)
        self.assertIn(html.escape(words), answer.body.decode())
        self.assertNotIn("<script", answer.body.decode())
        self.assertIn("frame-ancestors 'none'", answer.headers["content-security-policy"])
