"""Nothing that opens a door is in the log, whatever is done with it."""

from __future__ import annotations

from typing import Any

from twisted.logger import eventAsText, globalLogPublisher

from cackled.accounts.links import AccountLinks
from tests.accounts.test_signin import SignInCase, cookies
from tests.support.staff import COOKIE, OWN, PASSWORD, client_of, site_key


class SecretTests(SignInCase):
    """With everything logged."""

    toml = '[limits]\nexempt = ["127.0.0.0/8"]\n[log]\nlevel = "debug"\n[http]\naccess_log = true\n'

    async def test_log(self) -> None:
        """Passwords, sessions, keys, links, codes: used rightly and wrongly, also in an address."""
        said: list[str] = []

        def hear(event: dict[str, Any]) -> None:
            said.append(f"{eventAsText(event)} {event!r}")

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        token = await self.application.shared[AccountLinks].make(self.ann, "welcome")
        key = await site_key(self, ["read", "sso"])
        signed = await self.login()
        session = cookies(signed)[COOKIE]
        ann = await client_of(self, self.ann)
        setup = (await ann.ask("POST", "/api/v1/auth/totp")).json()
        bare = key.headers["authorization"].removeprefix("Bearer ")
        await self.login(password="wrong-horse-canary")
        for path in ("/api/v1/auth/me", f"/api/v1/auth/me?token={token}", f"/api/v1/sites/1/settings?token={bare}"):
            await key.ask("GET", path)
            await ann.ask("GET", path)
        for _ in range(2):
            await self.ask("POST", "/api/v1/auth/link", {"token": token}, **OWN)
        await self.ask("POST", "/api/v1/auth/link", f'{{"token":"{token}","x":'.encode(), **OWN)
        await ann.ask("PUT", "/api/v1/auth/totp", {**setup, "code": "000000"})
        whole = "\n".join(said)
        self.assertGreater(len(said), 5)
        for secret in (PASSWORD, "wrong-horse-canary", token, bare, session, setup["secret"], setup["token"]):
            self.assertNotIn(secret, whole)
