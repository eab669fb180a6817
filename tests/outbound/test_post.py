"""Posting over real loopback sockets: what arrives, what is refused before a byte is sent, and the bounds."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from cackled.outbound import post
from cackled.outbound.guard import Policy, Refused
from cackled.outbound.post import GuardedHttp, NotSent

clock: Any = reactor
BODY = b'{"a":1}'


class Receiver(Protocol):
    def connectionMade(self) -> None:
        self.factory.connections.append(self)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        factory: Any = self.factory
        factory.got += data
        assert self.transport is not None
        if factory.got.endswith(BODY) and factory.answer:
            self.transport.write(factory.answer)

    def connectionLost(self, reason: Any = None) -> None:
        factory: Any = self.factory
        factory.lost += 1
        if factory.waiting is not None:
            waiting, factory.waiting = factory.waiting, None
            waiting.callback(None)


class PostTests(TestCase):
    def setUp(self) -> None:
        self.receiver: Any = Factory.forProtocol(Receiver)
        self.receiver.got = b""
        self.receiver.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.receiver.connections = []
        self.receiver.lost = 0
        self.receiver.waiting = None
        self.listening = clock.listenTCP(0, self.receiver, interface="127.0.0.1")
        self.addCleanup(self.listening.stopListening)
        self.port = self.listening.getHost().port
        self.asked: list[str] = []
        self.addresses = ["127.0.0.1"]
        self.addCleanup(self.closed)

    def closed(self) -> Deferred[None] | None:
        """Until the receiver's connections are gone."""
        if self.receiver.lost == len(self.receiver.connections):
            return None
        for one in self.receiver.connections:
            one.transport.loseConnection()
        self.receiver.waiting = Deferred()
        return self.receiver.waiting

    def poster(self, networks: tuple[str, ...] = ("127.0.0.0/8",), timer: Any = clock) -> GuardedHttp:
        def resolve(host: str) -> Deferred[list[str]]:
            self.asked.append(host)
            return succeed(self.addresses)

        return GuardedHttp(timer, resolve, Policy(ports=(self.port,), networks=networks))

    async def post(self, **more: Any) -> int:
        url = f"http://hooks.example:{self.port}/x?y=1"
        return await self.poster(**more).post(url, [(b"X-Cackle-Event-Id", b"7")], BODY)

    async def test_arrives(self) -> None:
        """The request is whole, names the host that was asked for, and goes to the address that was checked."""
        self.assertEqual(await self.post(), 204)
        head = self.receiver.got.decode()
        self.assertTrue(head.startswith("POST /x?y=1 HTTP/1.1\r\n"), head)
        self.assertIn(f"Host: hooks.example:{self.port}\r\n", head)
        self.assertIn("X-Cackle-Event-Id: 7\r\n", head)
        self.assertIn("User-Agent: cackled/", head)
        self.assertTrue(head.endswith('\r\n\r\n{"a":1}'))
        self.assertEqual(self.asked, ["hooks.example"])

    async def test_refused(self) -> None:
        """A name that leads to our own machine, alone or beside a public address: nothing is sent."""
        for addresses in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]):
            self.addresses = addresses
            with self.assertRaises(Refused):
                await self.post(networks=())
        with self.assertRaises(Refused):
            await self.poster().post("http://hooks.example:1/", [], BODY)
        self.assertEqual(self.receiver.connections, [])

    async def test_redirect(self) -> None:
        """A redirect is an answer; nobody goes there."""
        self.receiver.answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(await self.post(), 302)
        self.assertEqual(len(self.asked), 1)

    async def test_endless_answer(self) -> None:
        """An answer without end is cut off, in its head or its body."""
        self.receiver.answer = b"HTTP/1.1 200 OK\r\n" + b"X-Y: " + b"z" * 8000 + b"\r\n"
        self.receiver.answer += b"X-Y: zzzzzzzz\r\n" * 20_000
        with self.assertRaises(NotSent):
            await self.post()
        self.receiver.got = b""
        self.receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 300_000
        self.assertEqual(await self.post(), 200)

    async def test_broken(self) -> None:
        """What is no HTTP, and nobody there, is told in one line and tried again by others."""
        self.receiver.answer = b"SSH-2.0-OpenSSH_9.2\r\n"
        with self.assertRaises(NotSent) as caught:
            await self.post()
        self.assertNotIn("\n", str(caught.exception))
        self.addresses = ["127.0.0.2"]
        await self.listening.stopListening()
        with self.assertRaises(NotSent):
            await self.post()

    async def test_body(self) -> None:
        """An answer's body and headers are kept where they are asked for; one that is too long, or cut off, is not."""
        http = self.poster()
        url = f"http://a.example:{self.port}/x"
        self.receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
        answer = await http.ask(b"POST", url, [], BODY, most=5)
        self.assertEqual((answer.status, answer.headers["content-type"], answer.body), (200, "text/plain", b"hello"))
        for head, most in ((b"Content-Length: 5", 4), (b"Content-Length: 9", 9)):
            self.receiver.answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nhello"
            work = Deferred.fromCoroutine(http.ask(b"POST", url, [], BODY, most=most))
            if most == 9:
                clock.callLater(0.05, lambda: [one.transport.loseConnection() for one in self.receiver.connections])
            await self.assertFailure(work, NotSent)

    async def test_silence(self) -> None:
        """A receiver that never answers is not waited for."""
        self.patch(post, "SECONDS", 0.05)
        self.receiver.answer = b""
        with self.assertRaises(NotSent) as caught:
            await self.post()
        self.assertIn("no answer", str(caught.exception))

    def test_slow_resolver(self) -> None:
        """The deadline holds for looking the name up too."""
        timer = Clock()
        poster = GuardedHttp(timer, lambda host: Deferred(), Policy())
        work = Deferred.fromCoroutine(poster.post("http://a.example/", [], BODY))
        timer.advance(post.SECONDS + 0.1)
        self.failureResultOf(work, NotSent)
