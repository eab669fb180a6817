"""Following a channel: what is shown, where it resumes, and one real connection."""

from __future__ import annotations

import json
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny
from twisted.internet.defer import Deferred
from twisted.internet.tcp import Connection
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.admin.tail import Follower, Refused, follow
from cackled.config import ConfigError
from cackled.events import Position


class FollowerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.shown: list[str] = []
        self.noted: list[str] = []
        self.follower = Follower(Position(1, 5), show=self.shown.append, note=self.noted.append, draw=lambda: 1.0)

    def tell(self, **message: Any) -> None:
        self.follower.message(json.dumps(message).encode())

    def test_events_are_shown_and_remembered(self) -> None:
        """An event is printed as it came, and the next connection begins after it."""
        self.tell(type="hello", data={})
        self.tell(type="recovered", sub="1/5", recovered=True, seq=6)
        self.tell(sub="1/5", seq=7, type="comment.created", data={"x": 1})
        self.tell(sub="1/5", type="typing", data={"name": "Ann"})
        self.assertEqual([json.loads(line)["type"] for line in self.shown], ["comment.created", "typing"])
        self.assertEqual(str(self.follower.position), "1/5@7")
        self.assertEqual(self.noted, [])

    def test_control(self) -> None:
        """What the server says about the connection is a remark, not an event."""
        self.tell(sub="1/5", seq=7, type="comment.created", data={})
        self.tell(type="recovered", sub="1/5", recovered=False, seq=90)
        self.tell(type="error", sub="1/5", code="limit")
        self.tell(type="move", host="b.example", after=1)
        self.assertEqual(len(self.shown), 1)
        self.assertEqual(len(self.noted), 3)
        self.assertEqual(self.follower.position.seq, 90)

    def test_nonsense(self) -> None:
        """What is no message is remarked on and changes nothing."""
        for text in (b"", b"[]", b"5", b"\xff", b"{"):
            self.follower.message(text)
        self.assertEqual((self.shown, len(self.noted)), ([], 5))

    def test_delay(self) -> None:
        """The range doubles up to half a minute, and a message makes it short again."""
        self.assertEqual([self.follower.delay() for _ in range(8)], [0.5, 1, 2, 4, 8, 16, 30, 30])
        self.tell(type="hello", data={})
        self.assertEqual(self.follower.delay(), 0.5)


class Server(WebSocketServerProtocol):
    factory: Any

    def onConnect(self, request: Any) -> str:
        self.factory.asked.append(request)
        if self.factory.refuse:
            raise ConnectionDeny(self.factory.refuse)
        return "cackle.v1"

    def onOpen(self) -> None:
        seq = len(self.factory.asked)
        self.sendMessage(json.dumps({"sub": "1/5", "seq": seq, "type": "comment.created", "data": {}}).encode())
        self.sendClose(3000)


class FollowTests(TestCase):
    async def serve(self, refuse: int = 0) -> tuple[Any, str]:
        from twisted.internet import reactor

        real: Any = reactor
        factory = WebSocketServerFactory(protocols=["cackle.v1"], reactor=real)
        factory.protocol, factory.asked, factory.refuse = Server, [], refuse
        port = real.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return factory, f"ws://127.0.0.1:{port.getHost().port}"

    async def test_resumes(self) -> None:
        """After a lost connection it asks for what comes after the last event seen."""
        from twisted.internet import reactor

        factory, url = await self.serve()
        enough: Deferred[None] = Deferred()
        shown: list[str] = []

        def show(line: str) -> None:
            shown.append(line)
            if len(shown) == 2:
                enough.callback(None)

        follower = Follower(Position(1, 5), show=show, note=lambda line: None, draw=lambda: 0.0)
        work = Deferred.fromCoroutine(
            follow(reactor, follower, url, token="t", origin="https://a.example", note=lambda line: None)
        )
        work.addErrback(lambda failure: None)
        await enough
        work.cancel()
        await self.settle()
        self.assertEqual([request.params["sub"] for request in factory.asked[:2]], [["1/5"], ["1/5@1"]])
        self.assertEqual(factory.asked[0].path, "/rt/ws")
        self.assertEqual((factory.asked[0].params["token"], factory.asked[0].origin), (["t"], "https://a.example"))

    async def test_refused(self) -> None:
        """A refusal of what was asked ends it; it is not asked again."""
        from twisted.internet import reactor

        factory, url = await self.serve(refuse=403)
        follower = Follower(Position(1, 5), show=print, note=print)
        with self.assertRaises(Refused):
            await follow(reactor, follower, url, note=lambda line: None)
        self.assertEqual(len(factory.asked), 1)
        await self.settle()

    async def test_wrong_url(self) -> None:
        """Only WebSocket addresses are followed."""
        for url in ("http://x", "ws://", "x"):
            with self.assertRaises(ConfigError):
                await follow(None, Follower(Position(1, 5), show=print, note=print), url, note=print)

    async def settle(self) -> None:
        # Both ends of the last connection are to be gone before the test is.
        from twisted.internet import reactor
        from twisted.internet.task import deferLater

        real: Any = reactor
        for _ in range(100):
            if not any(isinstance(one, Connection) for one in real.getReaders()):
                break
            await deferLater(real, 0.02)
        for call in real.getDelayedCalls():
            if "autobahn" in repr(call) or "txaio" in repr(call):
                call.cancel()
