"""The demo's conversations: somebody waits for an answer from the first start on."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults

from cackled.products import chat
from tests.products.chat.common import CHATS, ChatCase


class SeedTests(ChatCase):
    """What a newcomer finds."""

    async def fill(self) -> None:
        """As two daemons that start at the same moment."""
        assert chat.PRODUCT.seed is not None
        site = self.application.sites.get(1)
        work = [chat.PRODUCT.seed(self.application.parts, site) for _ in range(2)]
        await gatherResults([Deferred.fromCoroutine(one) for one in work], consumeErrors=True)

    async def test_once(self) -> None:
        """One conversation waits, and goes to the first who is there; one was left; they are made once."""
        for _ in range(2):
            await self.fill()
        self.assertEqual(
            self.sql("select name, state, created_at < now() - interval '5 minutes' from chat order by name"),
            [("Marta", "waiting", True), ("bengt", "offline", True)],
        )
        self.assertEqual(self.sql("select count(*) from chat_message"), [(2,)])
        for state, name in (("waiting", "Marta"), ("offline", "bengt")):
            rows = (await self.ann.ask("GET", f"{CHATS}?state={state}")).json()["chats"]
            self.assertEqual([one["visitor"]["name"] for one in rows], [name])
        await self.online(self.ann)
        rows = (await self.ann.ask("GET", f"{CHATS}?state=mine")).json()["chats"]
        self.assertEqual([one["visitor"]["name"] for one in rows], ["Marta"])

    async def test_refused(self) -> None:
        """A site that takes no chats, or none while nobody is there, starts without them."""
        await self.application.sites.change(1, "chat.offline", False)
        await self.fill()
        self.assertEqual(self.sql("select state from chat"), [("waiting",)])
        self.sql("delete from chat")
        await self.application.sites.change(1, "chat.enabled", False)
        await self.fill()
        self.assertEqual(self.sql("select count(*) from chat"), [(0,)])
