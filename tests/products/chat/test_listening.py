"""Who hears a conversation: its number alone gives nothing, on any transport; who leaves the staff hears no more."""

from __future__ import annotations

from time import time
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from cackled.daemon import application
from cackled.daemon.event_router import EventLog
from cackled.domain.staff_tickets import StaffTickets
from tests.products.chat.common import CHATS, ChatCase
from tests.support.peers import UPGRADE, Peer, blocks, say, texts
from tests.support.staff import StaffClient, sign_in, site_key

CANARY = "canary-of-vi"


class Ear(Peer):
    """A connection that listens, and keeps all that it is told."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def connectionMade(self) -> None:
        assert self.transport is not None
        more = UPGRADE if "/ws?" in self.path else ""
        self.transport.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())

    def tell(self, **message: Any) -> None:
        """Say something over the WebSocket."""
        assert self.transport is not None
        self.transport.write(say(**message))

    @property
    def said(self) -> list[dict[str, Any]]:
        """The messages so far."""
        if not self.data.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")):
            return []
        if "/ws?" in self.path:
            return texts(self.data.partition(b"\r\n\r\n")[2])
        return blocks(self.data)[0]

    def seqs(self, sub: str) -> list[int]:
        """The numbers of the events of a channel, as they came."""
        here = [one for one in self.said if one.get("sub") == sub and one["type"] != "recovered"]
        return [one["seq"] for one in here if "seq" in one]

    def refused(self, sub: str) -> bool:
        """Whether it was told that it may not listen there: before all else, or later."""
        if self.data.startswith((b"HTTP/1.1 401", b"HTTP/1.1 403")):
            return True
        return any(one["type"] == "error" and one["code"] == "token" and one["sub"] == sub for one in self.said)

    def caught_up(self, sub: str) -> bool:
        """Whether it listens there."""
        return any(one["type"] == "recovered" and one["sub"] == sub for one in self.said)


class ListeningTests(ChatCase):
    """Site 1 with a conversation of Vi's and one of another visitor's."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        self.ears: list[Ear] = []
        self.chat = await self.start(text=CANARY)
        self.other = await self.start(await self.visitor(), key="k2", text="Another")
        self.sub = f"1/{self.chat['channel']}"

    async def close(self) -> None:
        for ear in self.ears:
            if not ear.closed:
                assert ear.transport is not None
                ear.transport.loseConnection()
                await ear.until(lambda ear=ear: ear.closed)
        await super().close()

    async def hear(self, kind: str, subs: list[str], *tokens: str) -> Ear:
        """Listen; a poll is answered."""
        pairs = [("sub", one) for one in subs] + [("token", one) for one in tokens]
        ear = Ear(f"/rt/{kind}?{urlencode([*pairs, *([('wait', '0')] if kind == 'poll' else [])])}")
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port), ear)
        self.ears.append(ear)
        return ear

    async def place(self, who: StaffClient, path: str = f"{CHATS}/live") -> tuple[str, str]:
        """The room of somebody of the staff, and their ticket."""
        answer = await who.ask("GET", path)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["position"].partition("@")[0], answer.json()["token"]

    async def refused(self, sub: str, *tokens: str) -> None:
        """Nothing is told, on any transport, from any position."""
        for kind in ("ws", "sse"):
            for position in (sub, f"{sub}@0", f"{sub}@1"):
                ear = await self.hear(kind, [position], *tokens)
                await ear.until(lambda ear=ear: ear.refused(sub) or ear.closed)
                self.assertTrue(ear.refused(sub), (kind, position, tokens, ear.data))
                self.assertEqual(ear.seqs(sub), [], (kind, position, tokens))
                self.assertFalse(ear.caught_up(sub), (kind, position, tokens))
        for position in (sub, f"{sub}@0", f"{sub}@1"):
            query = urlencode([("sub", position), *(("token", one) for one in tokens), ("wait", "5")])
            answer = await self.ask("GET", f"/rt/poll?{query}")
            self.assertIn(answer.status, (401, 403), (position, tokens, answer))
            self.assertNotIn(CANARY.encode(), answer.body)

    async def heard(self, sub: str, *tokens: str) -> None:
        """All of it is told, on each transport."""
        for kind in ("ws", "sse"):
            ear = await self.hear(kind, [f"{sub}@0"], *tokens)
            await ear.until(lambda ear=ear: ear.caught_up(sub) or ear.refused(sub))
            self.assertIn(CANARY.encode(), ear.data, (kind, tokens, ear.data))
        query = urlencode([("sub", f"{sub}@0"), *(("token", one) for one in tokens)])
        answer = await self.ask("GET", f"/rt/poll?{query}&wait=5")
        self.assertEqual((answer.status, CANARY.encode() in answer.body), (200, True), answer)

    async def test_number_alone(self) -> None:
        """Of a visitor of the site, of another conversation, of another site; with words that once opened it."""
        session = (await self.visitor()).partition(" ")[2]
        await self.application.sites.change(2, "chat.enabled", True)
        foreign = await self.ask(
            "POST", CHATS.replace("/1/", "/2/"), {"key": "k", "text": "x"}, authorization=await self.visitor(2),
            origin="https://two.example",
        )  # fmt: skip
        self.assertEqual(foreign.status, 201, foreign)
        token = self.chat["token"]
        wrong = ["staff", session, self.other["token"], foreign.json()["token"], "chat.", "chat.x", "staff.x.y.z"]
        wrong += [token[:-1], token.replace("chat.", "chat.1."), "chat.²", "staff.²"]
        # Not in memory, and in memory because its visitor listens.
        for _ in range(2):
            await self.refused(self.sub)
            for token in wrong:
                await self.refused(self.sub, token)
            await self.refused(self.sub, *wrong)
            await self.heard(self.sub, self.chat["token"])
            await self.heard(self.sub, *wrong[:6], self.chat["token"])
        # Its token is for nothing else.
        await self.refused(f"1/{self.other['channel']}", self.chat["token"])
        # Whether somebody is there is told to everybody.
        render = await self.ask("GET", "/bootstrap?widget=Chat&site=1")
        public = render.json()["chat"]["position"]
        self.assertEqual((await self.ask("GET", f"/rt/poll?sub={public}&wait=0")).status, 200)

    async def test_staff(self) -> None:
        """A ticket is of one site and one room, and says whether conversations are for it; and it runs out."""
        eve = await sign_in(self, "moderator")
        room, ticket = await self.place(self.ann)
        queue, of_queue = await self.place(eve, "/api/v1/sites/1/moderation/live")
        abroad = await sign_in(self, "operator", site=2)
        _, foreign = await self.place(abroad, f"{CHATS.replace('/1/', '/2/')}/live")
        await self.heard(self.sub, ticket)
        for where, tokens in (
            (room, ()), (room, (of_queue,)), (room, (foreign,)), (room, (self.chat["token"],)), (room, ("staff",)),
            (queue, ()), (queue, (ticket,)), (queue, (foreign,)), (queue, ("staff",)),
            (self.sub, (of_queue,)), (self.sub, (foreign,)), (self.sub, (ticket[:-2],)),
            (self.sub, (ticket.replace(".chat.", ".chat.x"),)), (self.sub, (of_queue.replace("..", ".chat."),)),
        ):  # fmt: skip
            await self.refused(where, *tokens)
        for where, token in ((room, ticket), (queue, of_queue)):
            ear = await self.hear("ws", [where], token)
            await ear.until(lambda ear=ear, where=where: ear.caught_up(where))
        with patch.object(self.application.shared[StaffTickets], "_wall_time", lambda: time() + 600):
            await self.refused(self.sub, ticket)
            await self.refused(room, ticket)
        # On a site that is closed to readers it opens what it is for, and no page.
        await self.application.sites.change(1, "channel_secret", "a-secret-of-the-site-that-is-long-enough")
        await self.application.sites.change(1, "private", True)
        await self.heard(self.sub, ticket)
        page = (await self.ask("GET", f"/rt/poll?sub=1/77@0&wait=5&token={ticket}")).status
        self.assertEqual(page, 401)
        answer = await self.ask("GET", f"/rt/poll?sub=1/77@0&sub={self.sub}@99&wait=5&token={ticket}")
        self.assertEqual(answer.status, 401)

    async def test_who_leaves(self) -> None:
        """Whatever takes somebody's power away ends what they hear; who stays goes on, with all there is, once."""
        self.patch(application, "MOVING_SECONDS", 3_600.0)
        owner = await sign_in(self, "owner")
        members = "/api/v1/sites/1/members"
        sessions = await self.ben.ask("GET", "/api/v1/auth/sessions")
        own = sessions.json()["sessions"][0]["id"]

        async def gone(deed: Any, who: StaffClient) -> None:
            (room, ticket), (_, kept) = await self.place(who), await self.place(self.ann)
            leaves, stays = [await self.hear("ws", [f"{room}", f"{self.sub}@0"], one) for one in (ticket, kept)]
            stream = await self.hear("sse", [f"{self.sub}@0"], ticket)
            guest = await self.hear("sse", [f"{self.sub}@0"], self.chat["token"])
            for ear in (leaves, stays, stream, guest):
                await ear.until(lambda ear=ear: ear.caught_up(self.sub))
            answer = await deed()
            self.assertIn(answer.status, (200, 204), answer)
            # Who may, comes with another ticket.
            await stays.until(lambda: any(one["type"] == "staff.moved" for one in stays.said))
            room, kept = await self.place(self.ann)
            stays.tell(type="sub", sub=room, token=kept)
            await stays.until(lambda: stays.caught_up(room))
            self.assertFalse(leaves.refused(self.sub))
            self.application.hub.recheck(1)
            await leaves.until(lambda: leaves.refused(self.sub))
            await stream.until(lambda: stream.closed)
            await self.refused(self.sub, ticket)
            secret = f"after {len(self.ears)}"
            said = (await self.say(self.chat, secret)).json()["seq"]
            for ear in (stays, guest):
                await ear.until(lambda ear=ear: said in ear.seqs(self.sub))
                self.assertEqual(ear.seqs(self.sub), list(range(1, said + 1)))
                self.assertFalse(ear.refused(self.sub))
            self.assertNotIn(secret.encode(), leaves.data + stream.data)

        await gone(lambda: owner.change("PATCH", f"{members}/{self.ben.account}", {"role": "analyst"}), self.ben)
        back = await owner.change("PATCH", f"{members}/{self.ben.account}", {"role": "operator"})
        self.assertEqual(back.status, 204, back)
        await gone(lambda: self.ben.ask("DELETE", f"/api/v1/auth/sessions/{own}"), self.ben)
        cem, dan = await sign_in(self, "operator"), await sign_in(self, "operator")
        await gone(lambda: owner.ask("DELETE", f"{members}/{cem.account}"), cem)
        await gone(lambda: dan.ask("DELETE", f"{members}/{dan.account}"), dan)

    async def test_signed_out(self) -> None:
        """The secret from before a visitor signed out does not open where operators go on."""
        self.assertIn((await self.by_visitor(self.chat, "POST", "/logout")).status, (200, 204))
        there = self.sql("select channel_id from chat where id = %s", int(self.chat["chat"]))[0][0]
        self.assertNotEqual(str(there), self.chat["channel"])
        await self.refused(f"1/{there}", self.chat["token"])
        _, ticket = await self.place(self.ann)
        ear = await self.hear("ws", [f"1/{there}"], ticket)
        await ear.until(lambda: ear.caught_up(f"1/{there}"))

    async def test_key(self) -> None:
        """A server hears the queue by a ticket, and no conversation; it ends with its key."""
        self.patch(application, "MOVING_SECONDS", 0.3)
        owner, key = await sign_in(self, "owner"), await site_key(self, ["moderate", "chat"])
        self.assertEqual((await key.ask("GET", f"{CHATS}/live")).status, 403)
        room, ticket = await self.place(key, "/api/v1/sites/1/moderation/live")
        await self.refused(self.sub, ticket)
        ear = await self.hear("ws", [room], ticket)
        await ear.until(lambda: ear.caught_up(room))
        number = (await owner.ask("GET", "/api/v1/sites/1/keys")).json()["keys"][0]["id"]
        self.assertEqual((await owner.ask("DELETE", f"/api/v1/sites/1/keys/{number}")).status, 204)
        await ear.until(lambda: ear.refused(room))

    async def test_cost(self) -> None:
        """A console with fifty rows: one question where the channels stand, and none where they are in memory."""
        self.sql("insert into channel (site_id, id, product, key) select 1, 1000 + n, 'chat', n::text"
                 " from generate_series(1, 50) n")  # fmt: skip
        asked: list[int] = []
        seqs = EventLog.seqs

        async def counted(log: EventLog, site: int, channels: Any) -> Any:
            asked.append(len(channels))
            return await seqs(log, site, channels)

        _, ticket = await self.place(self.ann)
        subs = [f"1/{1000 + number}" for number in range(1, 51)]
        self.patch(self.application.hub.recovery._standing, "_seqs", lambda *asks: counted(self.log, *asks))
        self.log = EventLog(
            self.application.database, self.application.sites, self.application.signed_media,
            self.application.registry.private,
        )  # fmt: skip
        reads: list[str] = []
        part = type(self.application.database.site(1))
        read = part.read

        async def noted(here: Any, query: Any, *args: Any, **more: Any) -> Any:
            reads.append(query.name)
            return await read(here, query, *args, **more)

        self.patch(part, "read", noted)
        for round_ in range(3):
            ear = await self.hear("ws", [f"{one}@0" for one in subs], ticket)
            await ear.until(lambda ear=ear: all(map(ear.caught_up, subs)))
            self.assertLessEqual(len(asked), 2, asked)
            self.assertEqual((sum(asked), reads), (50, []), round_)
