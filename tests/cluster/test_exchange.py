"""Nodes that ask each other for contents, over TLS and loopback sockets."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.task import deferLater
from twisted.protocols import amp
from zope.interface import implementer

from cackled.cluster import exchange, link
from cackled.cluster.ca import init_ca, issue
from cackled.cluster.exchange import MOST_ANSWERS, MOST_BYTES, MOST_CONNECTIONS, sum_of
from cackled.cluster.messages import Beat, Wanted
from cackled.cluster.peer import Peer
from cackled.cluster.tls import Credentials, TlsWire
from tests.cluster.test_mesh_tls import Member, MeshCase

HERE = b"contents " * 100_000


class ExchangeCase(MeshCase):
    """Three nodes that hear each other; n2 and n3 answer."""

    async def begun(self) -> list[Member]:
        """The nodes."""
        self.asked: dict[str, list[str]] = {}
        self.members = [self.start(node.name) for node in self.nodes]
        await self.soon(lambda: all(len(one.membership.live()) == 3 for one in self.members))
        # n2 is nearer.
        for name, seconds in (("n2", 0.001), ("n3", 9.0)):
            peer = self.members[0].mesh._peers[name]
            peer.round_trip = seconds
            self.patch(peer, "heard", partial(_heard, peer, seconds))
        return self.members

    async def soon(self, what: Callable[[], object]) -> None:
        while not what():
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    def answers(self, name: str, give: Callable[[str], Awaitable[bytes | None]]) -> None:
        """Node *name* answers so; what it was asked is noted."""
        asked = self.asked.setdefault(name, [])

        async def noted(key: str) -> bytes | None:
            asked.append(key)
            return await give(key)

        self.members[int(name[1]) - 1].mesh.exchange.give("thing", noted)

    def holding(self, data: bytes | None) -> Callable[[str], Awaitable[bytes | None]]:
        async def give(key: str) -> bytes | None:
            return data

        return give

    async def ask(self, key: str = "a", what: str = "thing", checksum: str = sum_of(HERE)) -> bytes | None:
        """What n1 gets."""
        return await self.members[0].mesh.exchange.ask(what, key, checksum)

    def outcome(self, name: str) -> float:
        return self.members[0].metrics.value("mesh_contents_asked_total", outcome=name)


def _heard(peer: Peer, seconds: float, beat: Beat) -> None:
    Peer.heard(peer, beat)
    peer.round_trip = seconds


class AskTests(ExchangeCase):
    """Who is well."""

    async def test_nearest(self) -> None:
        """The nearest is asked first, the next one where that has nothing; connections are used again; links stay."""
        await self.begun()
        self.answers("n2", self.holding(HERE))
        self.answers("n3", self.holding(HERE))
        for _ in range(3):
            self.assertTrue(await self.ask() == HERE)
        self.assertEqual(self.asked, {"n2": ["a"] * 3, "n3": []})
        self.assertEqual(sum(one.asks for one in self.members[1].mesh._links), 1)
        self.answers("n2", self.holding(None))
        self.assertTrue(await self.ask("b") == HERE)
        self.assertEqual((self.asked["n2"][-1], self.asked["n3"]), ("b", ["b"]))
        self.answers("n3", self.holding(None))
        self.assertIsNone(await self.ask())
        self.assertIsNone(await self.ask(what="unknown"))
        self.assertEqual([one.metrics.value("mesh_links_lost_total") for one in self.members], [0, 0, 0])
        self.assertEqual([len(one.linked()) for one in self.members], [2, 2, 2])

    async def test_largest(self) -> None:
        """As much as a slice has; a byte more is not sent, and not an empty answer mistaken for none."""
        await self.begun()
        whole = os.urandom(MOST_BYTES)
        for data, right in ((whole, whole), (whole + b"x", None), (b"", b"")):
            self.answers("n2", self.holding(data))
            self.assertTrue(await self.ask(checksum=sum_of(data)) == right)

    async def test_at_once(self) -> None:
        """Many questions at once share few connections; those that would wait go to the next node, or to none."""
        await self.begun()
        wait: Deferred[None] = Deferred()

        async def give(key: str) -> bytes | None:
            await wait
            return HERE

        self.answers("n2", give)
        asked = [Deferred.fromCoroutine(self.ask()) for _ in range(50)]
        await self.soon(lambda: len(self.asked["n2"]) == MOST_CONNECTIONS)
        wait.callback(None)
        got = await gatherResults(asked)
        self.assertEqual(sum(one == HERE for one in got), MOST_CONNECTIONS)
        self.assertEqual(len(self.asked["n2"]), MOST_CONNECTIONS)


class FaultTests(ExchangeCase):
    """Who is not."""

    async def test_wrong(self) -> None:
        """A node that gives something else is not believed, and not asked again for a while."""
        await self.begun()
        self.answers("n2", self.holding(HERE[:-1] + b"X"))
        self.answers("n3", self.holding(HERE))
        for _ in range(3):
            self.assertTrue(await self.ask() == HERE)
        self.assertEqual((self.asked["n2"], len(self.asked["n3"]), self.outcome("wrong")), (["a"], 3, 1))

    async def test_silent(self) -> None:
        """A node that does not answer costs a bounded time once; its connection is closed."""
        await self.begun()
        self.patch(exchange, "ASK_SECONDS", 0.3)

        async def never(key: str) -> bytes | None:
            await Deferred()
            return None

        self.answers("n2", never)
        self.answers("n3", self.holding(HERE))
        self.assertIsNone(await self.ask())
        self.patch(exchange, "ASK_SECONDS", 30.0)
        self.assertTrue(await self.ask() == HERE)
        self.assertEqual((self.asked["n2"], self.outcome("failed")), (["a"], 1))
        await self.soon(lambda: not any(one.asks for one in self.members[1].mesh._links))

    async def test_broken(self) -> None:
        """A node whose answer breaks off, and one that fails inside, are passed over."""
        await self.begun()

        async def cut(key: str) -> bytes | None:
            for one in list(self.members[1].mesh._links):
                if one.asks:
                    one.callRemote(exchange.Part, body=b"half")
                    one.close("cut")
            return HERE

        async def fails(key: str) -> bytes | None:
            raise ValueError("a bug")

        self.answers("n2", cut)
        self.answers("n3", fails)
        self.assertIsNone(await self.ask())
        self.assertEqual((self.outcome("failed"), self.outcome("absent")), (1, 1))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_gone(self) -> None:
        """A node that has ended is not asked."""
        await self.begun()
        self.answers("n2", self.holding(HERE))
        self.answers("n3", self.holding(HERE))
        self.assertTrue(await self.ask() == HERE)
        await self.members[1].mesh.stop()
        await self.soon(lambda: self.members[0].mesh._peers["n2"].link is None)
        self.assertTrue(await self.ask() == HERE)
        self.assertEqual((len(self.asked["n2"]), len(self.asked["n3"])), (1, 1))

    async def test_too_many_answers(self) -> None:
        """More answers than are made at once: the rest is told that there is none."""
        await self.begun()
        second = self.members[1].mesh.exchange
        second._answering = MOST_ANSWERS
        self.answers("n2", self.holding(HERE))
        self.assertIsNone(await self.ask())
        self.assertEqual(self.asked["n2"], [])
        second._answering = 0
        self.assertTrue(await self.ask() == HERE)


class StrangerTests(ExchangeCase):
    """Who may ask, and how."""

    async def dialled(self, folder: Path, sent: list[tuple[bytes, bytes]]) -> list[Any]:
        """The boxes that n2 answers to somebody with the certificates of a folder, until it ends the connection."""
        got: list[Any] = []
        ended: Deferred[None] = Deferred()

        @implementer(IHandshakeListener)
        class Speaker(amp.AMP):
            def makeConnection(self, transport: Any) -> None:
                amp.BinaryBoxProtocol.makeConnection(self, transport)

            def handshakeCompleted(self) -> None:
                for command, body in sent:
                    self.sendBox(amp.Box({amp.COMMAND: command, b"body": body}))

            def ampBoxReceived(self, box: Any) -> None:
                got.append((box[amp.COMMAND], box[b"body"]))

            def connectionLost(self, reason: Any = None) -> None:
                ended.callback(None)

        wire = TlsWire(reactor, Credentials(folder, "n1"))
        host, _, port = self.nodes[1].mesh.rpartition(":")
        await wire.dial("n2", host, int(port), exchange._AskingFactory(Speaker()))  # type: ignore[arg-type]
        await ended
        return [one for one in got if one[0] != b"Hello"]

    async def test_other_authority(self) -> None:
        """Another authority's certificate gets no answer."""
        await self.begun()
        self.answers("n2", self.holding(HERE))
        other = Path(self.mktemp())
        init_ca(other)
        for name in ("n1", "n2"):
            issue(other, name)
        # It has to take n2's certificate, else its own end refuses.
        (other / "ca.pem").write_bytes((other / "ca.pem").read_bytes() + (self.folder / "ca.pem").read_bytes())
        want = (b"Want", msgspec.json.encode(Wanted("thing", "a")))
        self.assertEqual(await self.dialled(other, [want]), [])
        self.assertEqual(self.asked["n2"], [])

    async def test_not_as_agreed(self) -> None:
        """What is no question, two at once, and a hello after one end the connection; silence does too."""
        await self.begun()
        self.patch(link, "HELLO_TIMEOUT", 600.0)
        self.answers("n2", self.holding(b"x"))
        want = (b"Want", msgspec.json.encode(Wanted("thing", "a")))
        hello = (b"Hello", msgspec.json.encode(self.members[0].mesh.hello()))
        long = b'{"what":"thing","key":"%s"}' % (b"a" * 501)
        for sent in ([(b"Want", b"no JSON")], [(b"Want", long)], [hello, want], [want, hello]):
            await self.dialled(self.folder, sent)
        self.assertEqual(self.asked["n2"], ["a"])

        async def never(key: str) -> bytes | None:
            await Deferred()
            return None

        self.answers("n2", never)
        self.assertEqual(await self.dialled(self.folder, [want, want]), [])
        self.patch(link, "WANT_TIMEOUT", 0.2)
        self.answers("n2", self.holding(b"x"))
        self.assertEqual(await self.dialled(self.folder, [want]), [(b"Part", b"x"), (b"Whole", b"")])
