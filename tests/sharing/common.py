"""A daemon's parts where visitors of site 1 share what they write, with networks on this machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from cackled.domain.outbox import Retry, Work
from cackled.features import registry
from cackled.identity.return_codes import challenge_of
from cackled.sharing.connecting import Sharing
from cackled.sharing.sending import Sending
from tests.api.common import ORIGIN, Answer, ApiCase
from tests.support.windows import VERIFIER, Windows

PAGE = f"{ORIGIN}/article?id=1"
ACCOUNTS, SHARES = "/api/v1/sites/1/share/accounts", "/api/v1/sites/1/shares"


class SharingCase(Windows, ApiCase):
    """*ports* may be asked; *settings* of site 1 are changed before each test."""

    ports: tuple[int, ...] = ()
    settings: dict[str, Any] = {}

    async def setUp(self) -> None:
        self.toml += f'[outbound]\nnetworks = ["127.0.0.0/8"]\nports = {list(self.ports)}\n'
        await super().setUp()
        for name, value in self.settings.items():
            await self.application.sites.change(1, name, value)
        self.application.outbox.stop()
        self.sharing = self.application.shared[Sharing]
        kinds = {one.kind: one for one in (p.shareable for p in registry().products) if one is not None}
        self.sending = Sending(
            self.application.sites, self.application.database, self.sharing.sealing, self.sharing.networks, kinds
        )
        self.auth = await self.visitor()

    async def call(self, method: str, path: str, body: Any = None, auth: str | None = None, **more: Any) -> Answer:
        """A call of the visitor."""
        return await self.ask(
            method, path, body, origin=more.pop("origin", ORIGIN), authorization=auth or self.auth, **more
        )

    def start(self, network: str, site: int = 1, **more: str) -> str:
        """The address that a page opens."""
        given = {"return": PAGE, "challenge": challenge_of(VERIFIER), **more}
        return f"/share/{site}/{network}?{urlencode(given)}"

    async def code(self, network: str, **more: str) -> str:
        """What the page is told by the window."""
        first = await self.visit(self.start(network, **more))
        self.assertEqual(first.status, 302, first)
        last = await self.visit(await self.out(first.headers["location"]))
        self.assertIn(f'data-origin="{ORIGIN}"', last.body.decode())
        return self.code_in(last)

    async def connect(self, network: str, auth: str | None = None, **more: str) -> dict[str, Any]:
        """Connect an account; gives what the page is told then."""
        body = {"code": await self.code(network, **more), "verifier": VERIFIER}
        answer = await self.call("POST", ACCOUNTS, body, auth)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def write(self, text: str = "hello there", auth: str | None = None) -> str:
        """A comment; gives its name."""
        return "comment:" + (await self.post(auth or self.auth, text))["comment"]["id"]

    async def share(self, item: str, *networks: str, auth: str | None = None) -> list[dict[str, Any]]:
        """Share it."""
        answer = await self.call("POST", SHARES, {"item": item, "networks": list(networks)}, auth)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["shares"]

    async def shared(self, item: str = "") -> list[tuple[str, str, str]]:
        """State, reason and address of what was shared."""
        answer = await self.call("GET", f"{SHARES}?item={item}" if item else SHARES)
        return [(one["state"], one["reason"], one["url"]) for one in answer.json()["shares"]]

    async def work(self, tries: int = 1) -> list[str]:
        """Do what the outbox has; gives why things are tried again later."""
        later = []
        rows = self.sql(
            "update outbox set done_at = now() where kind like 'share%' and done_at is null "
            "returning id, site_id, kind, body"
        )
        for number, site, kind, body in rows:
            handler = self.sending.share if kind == "share" else self.sending.revoke
            try:
                await handler(Work(number, site, kind, body, tries, 0.0))
            except Retry as error:
                later.append(str(error))
                self.sql("update outbox set done_at = null where id = %s", number)
        return later
