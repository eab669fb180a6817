"""Polls over the API, with somebody of the staff who makes them."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from cackled.events import channel_id
from cackled.products.polls.editor import PollEditor
from cackled.products.polls.service import Polls
from tests.api.common import Answer, ApiCase
from tests.support.peers import Listener
from tests.support.staff import StaffClient, sign_in

clock: Any = reactor
OPTIONS = [{"text": "red"}, {"text": "green"}, {"text": "blue"}]


class PollCase(ApiCase):
    """Site 1 with an owner."""

    async def setUp(self) -> None:
        await super().setUp()
        self.owner: StaffClient = await sign_in(self)

    async def make(self, site: int = 1, **more: Any) -> str:
        """A new poll; gives its id."""
        body = {"question": "Which colour?", "options": OPTIONS, "burst": 0, **more}
        answer = await self.owner.ask("POST", f"/api/v1/sites/{site}/polls", body)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()["id"]

    async def change(self, poll: str, version: int, **more: Any) -> Answer:
        """Change a poll."""
        return await self.owner.ask("PATCH", f"/api/v1/sites/1/polls/{poll}", {"version": version, **more})

    async def vote(self, auth: str, poll: str, *options: str, **headers: str) -> Answer:
        """Vote, or take the vote back."""
        path = f"/api/v1/sites/1/polls/{poll}/vote"
        if not options:
            return await self.ask("DELETE", path, authorization=auth, **headers)
        return await self.ask("PUT", path, {"options": list(options)}, authorization=auth, **headers)

    async def poll(self, poll: str, auth: str | None = None, query: str = "") -> Any:
        """A poll as the bearer of *auth* sees it."""
        answer = await self.ask("GET", f"/api/v1/sites/1/polls/{poll}{query}", authorization=auth)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def first(self, poll: str, query: str = "") -> Answer:
        """The first render."""
        return await self.ask("GET", f"/bootstrap?widget=Poll&site=1&poll={poll}{query}")

    async def results(self, poll: str) -> Any:
        """All of a poll, for staff."""
        answer = await self.owner.ask("GET", f"/api/v1/sites/1/polls/{poll}/results")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def listen(self, poll: str) -> Listener:
        """A WebSocket client of a poll that has caught up."""
        protocol = Listener(f"sub=1/{channel_id('polls', poll)}@0")
        made = await connectProtocol(TCP4ClientEndpoint(clock, "127.0.0.1", self.port), protocol)
        self.addCleanup(made.transport.abortConnection)
        await made.has(b'"recovered"')
        return made

    def counts(self, poll: Any) -> list[int | None]:
        """Votes by option."""
        return [one["votes"] for one in poll["options"]]

    @property
    def service(self) -> Polls:
        """The service of site 1."""
        return Polls(self.application.parts, self.site)

    @property
    def editor(self) -> PollEditor:
        """The editor of site 1."""
        return PollEditor(self.application.parts, self.site)

    def events(self, poll: str) -> list[tuple[str, Any]]:
        """What the log has of a poll."""
        channel = channel_id("polls", poll)
        rows = self.sql("select type, data from event where site_id = 1 and channel_id = %s order by seq", channel)
        return [(kind, json.loads(data)) for kind, data in rows]
