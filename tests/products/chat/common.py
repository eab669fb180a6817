"""Conversations over the API: a visitor, and operators at their desks."""

from __future__ import annotations

from typing import Any

from tests.api.common import Answer, ApiCase
from tests.support.staff import StaffClient, sign_in

CHATS = "/api/v1/sites/1/chats"


class ChatCase(ApiCase):
    """Site 1 with chat, an operator called Ann and one called Ben."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "chat.enabled", True)
        self.ann = await sign_in(self, "operator", name="Ann")
        self.ben = await sign_in(self, "operator", name="Ben")

    async def online(self, operator: StaffClient, **more: Any) -> None:
        """An operator is ready for conversations."""
        answer = await operator.ask("PUT", f"{CHATS}/desk", {"state": "online", **more})
        self.assertEqual(answer.status, 200, answer)

    async def start(self, auth: str = "", key: str = "k1", text: str = "Hello", **more: Any) -> dict[str, Any]:
        """A new conversation."""
        auth = auth or await self.visitor()
        answer = await self.ask("POST", CHATS, {"key": key, "text": text, "name": "Vi", **more}, authorization=auth)
        self.assertEqual(answer.status, 201, answer)
        return dict(answer.json())

    async def by_visitor(
        self, chat: dict[str, Any], method: str, path: str, body: Any = None, **headers: str
    ) -> Answer:
        """A call with the conversation's token."""
        return await self.ask(
            method, f"{CHATS}/{chat['chat']}{path}", body, authorization=f"Bearer {chat['token']}", **headers
        )

    async def say(self, chat: dict[str, Any], text: str, key: str = "") -> Answer:
        """The visitor says something."""
        return await self.by_visitor(
            chat, "POST", "/messages", {"text": text}, **({"idempotency_key": key} if key else {})
        )

    async def texts(self, chat: dict[str, Any]) -> list[str]:
        """What the visitor reads: texts, and names of events."""
        answer = await self.by_visitor(chat, "GET", "/messages")
        return [one["text"] or one["event"]["name"] for one in answer.json()["messages"]]
