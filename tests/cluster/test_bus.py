"""The bus between processes: the same tests on the fake and on a real Valkey server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import Clock, deferLater
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.cluster import bus, redis
from cackled.cluster.bus import Away, Bus, Limit
from cackled.cluster.ca import init_ca, issue
from cackled.cluster.messages import Hint, Signal
from cackled.cluster.redis import Place, RedisBroker
from cackled.cluster.testing import FakeServer
from cackled.config import ConfigError, Redis
from cackled.domain.errors import TooFast
from cackled.domain.limits import Buckets
from cackled.metrics import Metrics
from tests.support.valkey import Valkey

reactor: Any = global_reactor


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until *condition* holds."""
    end = reactor.seconds() + seconds
    while not condition():
        if reactor.seconds() > end:
            raise AssertionError("it never came to that")
        await deferLater(reactor, 0.01)


class Heard:
    """A bus and what came through it."""

    def __init__(self, source: str, broker: Any, clock: Any = reactor) -> None:
        self.metrics = Metrics()
        self.bus = Bus(source, broker, clock, self.metrics)
        self.signals: list[tuple[str, Signal]] = []
        self.hints: list[Hint] = []
        self.came: list[str] = []
        self.bus.deliver_to(
            signal=lambda source, signal: self.signals.append((source, signal)), hint=self.hints.append,
            came=self.came.append, gone=lambda name: None,
        )  # fmt: skip


class BusMixin:
    """What a bus does, whatever carries it."""

    def server_up(self) -> None:
        raise NotImplementedError

    def server_down(self) -> None:
        raise NotImplementedError

    def broker(self) -> Any:
        raise NotImplementedError

    async def pair(self: Any) -> tuple[Heard, Heard]:
        """Two ends, connected."""
        ends = Heard("w0", self.broker()), Heard("w1", self.broker())
        for end in ends:
            self.addCleanup(lambda end=end: Deferred.fromCoroutine(end.bus.stop()))
            end.bus.start()
        await until(lambda: ends[0].bus.connected and ends[1].bus.connected)
        return ends

    async def test_signals(self: Any) -> None:
        """A signal and a hint reach the others, not their sender."""
        one, other = await self.pair()
        one.bus.announce(1, 2, "typing", {"name": "Ann"})
        one.bus.hint(1, 2, 7)
        await until(lambda: other.signals and other.hints)
        self.assertEqual(other.signals, [("w0", Signal(1, 2, "typing", {"name": "Ann"}))])
        self.assertEqual(other.hints, [Hint(1, 2, 7)])
        other.bus.announce(1, 2, "presence", {"count": 3})
        await until(lambda: one.signals)
        self.assertEqual([source for source, _ in one.signals], ["w1"])

    async def test_relay(self: Any) -> None:
        """What is relayed keeps its own source, and does not come back."""
        one, other = await self.pair()
        one.bus.relay("n:far", Signal(1, 2, "presence", {"count": 5}))
        one.bus.relay("n:near", Signal(1, 2, "presence", {"count": 6}))
        await until(lambda: len(other.signals) == 2)
        self.assertEqual({source for source, _ in other.signals}, {"n:far", "n:near"})
        self.assertEqual(one.signals, [])

    async def test_rubbish(self: Any) -> None:
        """What is no parcel is dropped and counted; the bus goes on."""
        one, other = await self.pair()
        broker = self.broker()
        self.addCleanup(lambda: Deferred.fromCoroutine(broker.stop()))
        broker.start(lambda body: None, lambda: None)
        await until(lambda: broker.connected)
        for body in (b"{", b"\xff\xfe", b'["x",[[1,2,"t",{"a":[]}]],[]]', b'["x",1,2]', b"[" * 5000, b"1" * 70_000):
            broker.publish(body)
        one.bus.hint(1, 2, 3)
        await until(lambda: other.hints)
        self.assertEqual(other.signals, [])
        self.assertEqual(other.metrics.value("bus_dropped_total"), 6)

    async def test_away_and_back(self: Any) -> None:
        """While the server is away nothing fails and nothing is kept; back again, it works, and presence is renewed."""
        one, other = await self.pair()
        self.server_down()
        await until(lambda: not one.bus.connected and not other.bus.connected)
        one.bus.announce(1, 2, "typing", {"name": "lost"})
        one.bus.hint(1, 2, 3)
        self.server_up()
        await until(lambda: one.bus.connected and other.bus.connected)
        self.assertEqual(other.came, ["", ""])
        one.bus.announce(1, 2, "typing", {"name": "Ann"})
        await until(lambda: other.signals)
        self.assertEqual([signal.data["name"] for _, signal in other.signals], ["Ann"])
        self.assertEqual(other.hints, [])

    async def test_limits(self: Any) -> None:
        """Tokens spent in one process are gone in the others too; each can be too generous once."""
        one, other = await self.pair()
        limit = Limit("posts", 0.001, 10.0)
        first, second = (Buckets(reactor, limit.rate, limit.burst) for _ in range(2))
        one.bus.share(limit, first)
        other.bus.share(limit, second)
        for _ in range(10):
            first.take("1.2.3.4")
        self.assertRaises(TooFast, first.take, "1.2.3.4")
        await until(lambda: not one.bus._owed and not one.bus._batches)
        second.take("1.2.3.4")
        await until(lambda: not other.bus._owed and not other.bus._batches)
        self.assertRaises(TooFast, second.take, "1.2.3.4")
        second.take("1.2.3.5")
        error = self.assertRaises(TooFast, second.take, "1.2.3.4")
        # One token more than there are was spent: it is paid for.
        self.assertGreater(error.retry_after, 1_500)

    async def test_limits_alone(self: Any) -> None:
        """Without the server each process limits by itself."""
        one, _ = await self.pair()
        limit = Limit("votes", 0.001, 2.0)
        buckets = Buckets(reactor, limit.rate, limit.burst)
        one.bus.share(limit, buckets)
        self.server_down()
        buckets.take("a")
        buckets.take("a")
        self.assertRaises(TooFast, buckets.take, "a")
        await until(lambda: one.metrics.value("bus_limits_alone_total") >= 1)

    async def test_refill(self: Any) -> None:
        """Tokens come back with time, up to the burst, and debt is bounded."""
        broker = self.broker()
        self.addCleanup(lambda: Deferred.fromCoroutine(broker.stop()))
        broker.start(lambda body: None, lambda: None)
        await until(lambda: broker.connected)
        limit = Limit("x", 50.0, 5.0)
        left = await broker.spend(limit, [("a", 5.0), ("b", 1.0), ("a", 100.0)])
        self.assertEqual([round(level) for level in left], [0, 4, -5])
        await deferLater(reactor, 0.3)
        left = await broker.spend(limit, [("a", 1.0)])
        self.assertTrue(3.0 < left[0] <= 4.0, left)


class FakeBusTests(BusMixin, TestCase):
    """On the fake."""

    def setUp(self) -> None:
        self.server = FakeServer(reactor)

    def broker(self) -> Any:
        return self.server.broker()

    def server_up(self) -> None:
        self.server.start()

    def server_down(self) -> None:
        self.server.stop()


class RealBusTests(BusMixin, TestCase):
    """On Valkey, over TCP with a user of its own, held to the keys and channels of its prefix."""

    timeout = 60

    def setUp(self) -> None:
        self.valkey = Valkey()
        self.addCleanup(self.valkey.remove)
        self.server_up()
        self.secret = self.valkey.folder / "secret"
        self.secret.write_text("s3cret\n")

    def server_up(self) -> None:
        self.valkey.start()
        client = self.valkey.server.client()
        rules = ["~cackled:*", "&cackled:*", "+@connection", "+publish", "+subscribe", "+eval", "+hmget", "+hset"]
        client.acl_setuser(
            "cackled", enabled=True, passwords=["+s3cret"], keys=["cackled:*"], channels=["cackled:*"],
            commands=[rule for rule in [*rules, "+pexpire", "+time"] if rule.startswith("+")],
        )  # fmt: skip
        client.close()

    def server_down(self) -> None:
        self.valkey.stop()

    def place(self, **more: str) -> Place:
        """Where the server is."""
        given = {
            "url": f"redis://127.0.0.1:{self.valkey.port}", "username": "cackled", "password_file": str(self.secret)
        }  # fmt: skip
        return Place(Redis(**{**given, **more}))

    def broker(self) -> Any:
        return RedisBroker(reactor, Random(1), self.place(), "cackled:test")

    def run_broker(self, place: Place) -> RedisBroker:
        """A broker that runs until the test is over."""
        broker = RedisBroker(reactor, Random(1), place, "cackled:test")
        self.addCleanup(lambda: Deferred.fromCoroutine(broker.stop()))
        broker.start(lambda body: None, lambda: None)
        return broker

    async def test_unix_socket(self) -> None:
        """A unix socket serves as well."""
        broker = self.run_broker(self.place(url=f"unix://{self.valkey.socket}"))
        await until(lambda: broker.connected)

    async def test_wrong_password(self) -> None:
        """It is tried again and again, and right once the server knows better."""
        wrong = self.valkey.folder / "wrong"
        wrong.write_text("n0t")
        broker = self.run_broker(self.place(password_file=str(wrong)))
        await deferLater(reactor, 0.5)
        self.assertFalse(broker.connected)
        client = self.valkey.server.client()
        client.acl_setuser("cackled", enabled=True, passwords=["+n0t"])
        client.close()
        await until(lambda: broker.connected)

    async def test_dropped_while_it_greets(self) -> None:
        """A server that accepts and closes, as one that is being restarted, is not given up for good."""
        self.server_down()

        class Closer(Protocol):
            def connectionMade(self) -> None:
                self.transport.loseConnection()

        closer = Factory.forProtocol(Closer)
        closer.noisy = False
        port = reactor.listenTCP(self.valkey.port, closer, interface="127.0.0.1")
        broker = self.run_broker(self.place())
        await deferLater(reactor, 0.8)
        self.assertFalse(broker.connected)
        await port.stopListening()
        self.server_up()
        await until(lambda: broker.connected)

    async def test_mute(self) -> None:
        """A server that hangs with its sockets open is noticed."""
        self.patch(redis, "SILENCE", 0.5)
        self.patch(redis, "BEAT", 0.1)
        self.patch(redis, "CONNECT_SECONDS", 0.5)
        broker = self.run_broker(self.place())
        await until(lambda: broker.connected)
        process = self.valkey.server._process
        process.send_signal(19)
        try:
            await until(lambda: not broker.connected)
        finally:
            process.send_signal(18)
        await until(lambda: broker.connected)


class TlsTests(TestCase):
    """TLS to the server: who signed its certificate and whom it names both count."""

    timeout = 60

    def setUp(self) -> None:
        self.valkey = Valkey()
        self.addCleanup(self.valkey.remove)
        own, other = self.valkey.folder / "ca", self.valkey.folder / "other"
        for folder in (own, other):
            folder.mkdir()
            init_ca(folder)
        self.ca, self.other_ca = own / "ca.pem", other / "ca.pem"
        issue(own, "localhost")
        cert, key = own / "localhost.pem", own / "localhost.key"
        # The server of the wheel knows no TLS: something before it does.
        self.valkey.start()
        pair = PrivateCertificate.loadPEM(key.read_bytes() + cert.read_bytes())
        proxy = ProxyFactory("127.0.0.1", self.valkey.port)
        proxy.noisy = False
        port = reactor.listenSSL(0, proxy, pair.options(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.tls_port = port.getHost().port

    async def connects(self, host: str, ca: Path) -> bool:
        """Whether a broker gets through within a while."""
        place = Place(Redis(url=f"rediss://{host}:{self.tls_port}", ca_file=str(ca)))
        broker = RedisBroker(reactor, Random(1), place, "cackled:test")
        broker.start(lambda body: None, lambda: None)
        end = reactor.seconds() + 1.5
        while reactor.seconds() < end and not broker.connected:
            await deferLater(reactor, 0.02)
        found = broker.connected
        await broker.stop()
        return found

    async def test_verified(self) -> None:
        """The right authority and name are let in, another of either is not."""
        self.assertTrue(await self.connects("localhost", self.ca))
        self.assertFalse(await self.connects("localhost", self.other_ca))
        self.assertFalse(await self.connects("127.0.0.1", self.ca))


class PlaceTests(SynchronousTestCase):
    """``[redis]`` that can't be used is told in one line, without secrets."""

    def test_wrong(self) -> None:
        """Each fault by name."""
        folder = Path(self.mktemp())
        folder.mkdir()
        empty = folder / "ca.pem"
        empty.write_text("nothing")
        for settings, word in (
            (Redis(url="http://a"), "redis://host:port"),
            (Redis(url="redis://"), "redis://host:port"),
            (Redis(url="unix://relative"), "redis://host:port"),
            (Redis(url="redis://a:99999"), "parsed"),
            (Redis(url="redis://a/3"), "database"),
            (Redis(url="redis://u:hunter2@a"), "password_file"),
            (Redis(url="redis://a", username="x"), "password_file"),
            (Redis(url="redis://a", password_file="/nowhere/x"), "/nowhere/x"),
            (Redis(url="redis://a", ca_file=str(empty)), "rediss"),
            (Redis(url="rediss://a", ca_file=str(empty)), "no certificate"),
        ):
            error = self.assertRaises(ConfigError, Place, settings)
            self.assertIn(word, str(error))
            self.assertNotIn("hunter2", str(error))
            self.assertNotIn("\n", str(error))

    def test_right(self) -> None:
        """Forms that are understood."""
        for url, text in (
            ("redis://a", "a:6379"), ("valkey://[::1]:7000", "::1:7000"), ("unix:///run/v.sock", "/run/v.sock"),
            ("rediss://a:6380", "a:6380 over TLS"),
        ):  # fmt: skip
            self.assertEqual(str(Place(Redis(url=url))), text)


class BoundsTests(SynchronousTestCase):
    """What a bus holds is bounded."""

    def test_owed(self) -> None:
        """A server that does not answer lets no more pile up than so many keys and batches."""
        clock = Clock()

        class Mute:
            connected = True
            asked = 0

            def start(self, heard: Any, up: Any) -> None: ...

            def spend(self, limit: Limit, costs: Any) -> Deferred[list[float]]:
                self.asked += 1
                return Deferred()

        end = Heard("w", Mute(), clock)
        end.bus.start()
        limit = Limit("x", 1.0, 10.0)
        buckets = Buckets(clock, 1.0, 10.0)
        end.bus.share(limit, buckets)
        for number in range(5_000):
            buckets.take(number)
        self.assertEqual(end.metrics.value("bus_limits_alone_total"), 3_000)
        clock.advance(0.01)
        self.assertEqual(end.bus._broker.asked, 8)  # type: ignore[attr-defined]
        clock.pump([1.0] * 3)
        self.assertEqual(end.bus._owed, {})

    def test_relays(self) -> None:
        """Nodes come and go under new names for years: the newest are relayed, the longest silent are forgotten."""
        clock = Clock()
        server = FakeServer(clock)
        one, other = (Heard(name, server.broker(), clock) for name in ("parent", "w"))
        for end in (one, other):
            end.bus.start()
        count = bus.MOST_RELAYS + 50
        for number in range(count):
            one.bus.relay("n:old", Signal(1, 2, "presence", {"count": number}))
            one.bus.relay(f"n:{number}", Signal(1, 2, "presence", {"count": 1}))
            clock.advance(1)
        self.assertEqual(len(one.bus._relays), bus.MOST_RELAYS)
        self.assertEqual(len({source for source, _ in other.signals}), count + 1)
        self.assertEqual(one.signals, [])

    def test_failing_broker(self) -> None:
        """A broker that refuses costs nothing but the count."""
        clock = Clock()
        server = FakeServer(clock)
        end = Heard("w", server.broker(), clock)
        end.bus.start()
        buckets = Buckets(clock, 1.0, 10.0)
        end.bus.share(Limit("x", 1.0, 10.0), buckets)
        buckets.take("a")
        server.brokers[0].connected = False
        clock.advance(0.01)
        self.assertEqual(end.metrics.value("bus_limits_alone_total"), 1)
        self.assertTrue(issubclass(Away, Exception))
