"""The country of a visitor: on the card, in the list, and for invitations."""

from __future__ import annotations

from tests.products.chat.common import CHATS, ChatCase
from tests.support.geo import write_mmdb


class PlaceTests(ChatCase):
    """A daemon with a geo file, that believes the proxy before it."""

    async def setUp(self) -> None:
        path = write_mmdb(self.mktemp(), {"127.0.0.0/8": {"country": {"iso_code": "DE"}}})
        self.toml += f'[geo]\nfiles = ["{path}"]\n'
        await super().setUp()

    async def test_country(self) -> None:
        """Operators see it, and a page is told its own; no shared answer has it."""
        chat = await self.start()
        found = (await self.ann.ask("GET", f"{CHATS}/{chat['chat']}")).json()
        self.assertEqual((found["card"]["country"], found["chat"]["visitor"]["country"]), ("DE", "DE"))
        answer = await self.ask("GET", f"{CHATS}/place")
        self.assertEqual((answer.status, answer.json()), (200, {"country": "DE"}))
        self.assertIn("no-store", answer.headers["cache-control"])
        page = await self.ask("GET", "/bootstrap?widget=Chat&site=1")
        self.assertNotIn(b"DE", page.body)
