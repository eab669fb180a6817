"""Tests of HTTP/2, where h2 is installed: requests and answers, and what a hostile client can do."""

from __future__ import annotations

import contextlib
import ssl
from importlib.util import find_spec
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol

from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.sockets import Peer, client_context
from tests.transport.test_http import Upgrade
from tests.transport.test_tls import Site, TlsTestCase

if find_spec("h2") is not None:
    from h2.connection import H2Connection
    from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
    from h2.settings import SettingCodes


class Client:
    """A client of HTTP/2 on a TLS connection to *site*."""

    def __init__(self, site: Site) -> None:
        context = client_context()
        context.set_alpn_protocols(["h2"])
        self.site = site
        self.peer = Peer(site.listener, context, server_hostname="a.example").handshake()
        self.h2 = H2Connection()
        self.h2.initiate_connection()
        self.status: dict[int, int] = {}
        self.fields: dict[int, dict[bytes, bytes]] = {}
        self.body: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.events: list[Any] = []
        self.turn()

    def turn(self, times: int = 3, *, acknowledge: bool = True) -> None:
        """Carry bytes both ways."""
        for _ in range(times):
            data = self.h2.data_to_send()
            if data:
                self.peer.send(data)
            self.site.reactor.turn(2)
            try:
                found = self.peer.waiting()
            except OSError:
                return
            for event in self.h2.receive_data(found) if found else []:
                self.events.append(event)
                if isinstance(event, ResponseReceived):
                    fields = {bytes(k): bytes(v) for k, v in event.headers}
                    self.fields[event.stream_id] = fields
                    self.status[event.stream_id] = int(fields[b":status"])
                elif isinstance(event, DataReceived):
                    self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
                    if acknowledge:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    self.ended.add(event.stream_id)

    def ask(self, path: str, *fields: tuple[str, str], method: str = "GET", end: bool = True) -> int:
        number = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "a.example"), *fields]
        self.h2.send_headers(number, head, end_stream=end)
        return number


class Http2Tests(TlsTestCase):
    """A site with HTTP/2 on."""

    if find_spec("h2") is None:
        skip = "h2 is not installed"

    def setUp(self) -> None:
        """A client."""
        super().setUp()

        async def big(request: Any) -> Response:
            return Response(200, [(b"Content-Type", b"image/png")], b"x" * 500_000)

        async def quick(request: Any) -> Response:
            return Response(200, [(b"Content-Type", b"text/plain")], b"quick", ttl=60.0)

        self.up = Upgrade()
        self.site = Site(
            self, self.folder, routes={b"big": AsyncResource(big), b"up": self.up}, http2=True,
            settings={"http2": True, "fast": True},
        )  # fmt: skip
        self.site.server.cached(b"m", quick)
        self.client = Client(self.site)

    def test_requests(self) -> None:
        """Several at once, with and without bodies, each gets its own answer; hits come from the microcache."""
        one = self.client.ask("/a?b=1", ("cookie", "a=1"), ("cookie", "b=2"))
        two = self.client.ask("/b", method="POST", end=False)
        self.client.h2.send_data(two, b"hello ")
        self.client.h2.send_data(two, b"world", end_stream=True)
        three = self.client.ask("/c", ("content-length", "3"), method="POST", end=False)
        self.client.h2.send_data(three, b"abc", end_stream=True)
        self.client.turn()
        self.assertEqual(self.client.status, {one: 200, two: 200, three: 200})
        self.assertIn(b'"/a?b=1"', self.client.body[one])
        self.assertIn(b"hello world", self.client.body[two])
        self.assertIn(b"abc", self.client.body[three])
        self.assertEqual(self.client.ended, {one, two, three})
        self.assertEqual(self.site.server.seen[0].scheme, b"https")
        self.assertEqual(self.site.server.seen[0].getCookie(b"b"), b"2")
        self.assertNotIn(b"connection", self.client.fields[one])
        for _ in range(3):
            number = self.client.ask("/m")
            self.client.turn()
            self.assertEqual(self.client.body[number], b"quick")
        self.assertEqual(self.site.server.factory.channels, {self.connection()})

    def connection(self) -> Any:
        (found,) = [one for one in self.site.server.factory.channels if type(one).__name__ == "Http2"]
        return found

    def test_large(self) -> None:
        """A body larger than the windows goes out as they open, two at once, without starving a small one."""
        numbers = [self.client.ask("/big") for _ in range(2)]
        small = self.client.ask("/a")
        self.client.turn(60)
        self.assertEqual([len(self.client.body[number]) for number in numbers], [500_000] * 2)
        self.assertEqual(self.client.ended, {*numbers, small})

    def test_negative_window(self) -> None:
        """A client that shrinks its windows below what is on its way is no error; it goes on when they open."""
        number = self.client.ask("/big")
        self.client.turn(2, acknowledge=False)
        self.client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.client.turn(4, acknowledge=False)
        got = len(self.client.body[number])
        self.assertTrue(0 < got < 500_000)
        self.client.h2.increment_flow_control_window(600_000)
        self.client.h2.increment_flow_control_window(600_000, number)
        self.client.turn(60, acknowledge=False)
        self.assertEqual(len(self.client.body[number]), 500_000)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_after_an_error(self) -> None:
        """GOAWAY, then nothing is read any more, and a second later the connection is gone."""
        self.client.peer.send(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")
        self.client.turn()
        self.assertTrue(any(isinstance(event, ConnectionTerminated) for event in self.client.events))
        self.assertTrue(self.connection()._ending)
        self.site.reactor.advance(1.1)
        self.site.reactor.turn(2)
        self.assertEqual(self.site.server.factory.limits.total, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_continuation_flood(self) -> None:
        """Header blocks without end are cut off early."""
        frame = b"\x00\x40\x00\x09\x00\x00\x00\x00\x01" + b"\x00" * 16384
        sent = 0
        try:
            self.client.peer.send(b"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82")
            for _ in range(200):
                self.client.peer.socket.send(frame)
                self.site.reactor.turn()
                sent += 1
        except OSError:
            pass
        self.assertTrue(self.connection()._ending)
        self.site.reactor.advance(1.1)
        self.site.reactor.turn(2)
        self.assertEqual(self.site.server.factory.limits.total, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_rapid_reset(self) -> None:
        """Streams opened and reset without end end the connection."""
        try:
            for _ in range(600):
                number = self.client.ask("/a")
                self.client.h2.reset_stream(number)
                self.client.turn(1)
        except Exception:
            pass
        self.site.reactor.advance(1.1)
        self.site.reactor.turn(2)
        self.assertEqual(self.site.server.factory.limits.total, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cheap_frames(self) -> None:
        """So do empty frames of a body, and windows opened by a byte; a download with many windows does not."""
        floods = 0
        for frame in (b"\x00\x00\x00\x00\x00\x00\x00\x00\x01", b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01"):
            client = Client(self.site)
            client.ask("/a", method="POST", end=False)
            client.turn()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                for _ in range(20):
                    client.peer.send(frame * 100)
            self.assertEqual(self.site.metrics.value("http_refusals_total", reason="http2-flood"), floods := floods + 1)
            self.site.reactor.pump([1.1, 0])
            self.site.reactor.turn(2)
            self.assertEqual(self.site.server.factory.limits.total, 1)
        for _ in range(3):
            number = self.client.ask("/big")
            while number not in self.client.ended:
                self.client.turn(acknowledge=False)
                self.client.h2.increment_flow_control_window(2_000)
                if number not in self.client.ended:
                    self.client.h2.increment_flow_control_window(2_000, number)

    def test_rules(self) -> None:
        """The rules of the HTTP/1.1 server hold: hosts, sizes, methods, line ends."""
        long = self.client.ask("/a", ("content-length", "9999999"), method="POST", end=False)
        trace = self.client.ask("/a", method="TRACE")
        self.client.turn()
        self.assertEqual((self.client.status[long], self.client.status[trace]), (413, 405))
        self.client.h2.config.validate_outbound_headers = False
        self.client.h2.config.normalize_outbound_headers = False
        split = self.client.ask("/a", ("x", "y\r\nhost: evil"))
        self.client.turn()
        self.assertNotIn(split, self.client.status)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_takeover(self) -> None:
        """A stream taken over (EventSource) goes on for itself, and ends with the client's reset."""
        number = self.client.ask("/up")
        self.client.turn()
        self.assertIsInstance(self.up.protocol, Protocol)
        transport: Any = self.up.protocol.transport
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        self.client.turn()
        self.assertEqual((self.client.status[number], self.client.body[number]), (200, b"data: 1\n\n"))
        transport.write(b"data: 2\n\n")
        self.client.turn()
        self.assertEqual(self.client.body[number], b"data: 1\n\ndata: 2\n\n")
        self.client.h2.reset_stream(number)
        self.client.turn()
        self.assertTrue(self.up.protocol.ended)
        self.assertFalse(any(isinstance(event, StreamReset) for event in self.client.events))

    def test_idle(self) -> None:
        """A connection without streams is closed after a while, in order."""
        for _ in range(62):
            self.site.reactor.advance(0.5)
        self.client.turn()
        self.assertEqual(self.site.server.factory.limits.total, 0)
        self.assertTrue(any(isinstance(event, ConnectionTerminated) for event in self.client.events))

    def test_stall(self) -> None:
        """A client that opens no window is cut off, however lively it is; one that takes its time is not."""
        for taking in (False, True):
            client = Client(self.site)
            number = client.ask("/big")
            for second in range(20):
                with contextlib.suppress(ssl.SSLError, ConnectionError):
                    if not taking or second % 5 == 0:
                        client.turn(acknowledge=taking)
                    client.h2.ping(b"12345678")
                self.site.reactor.pump([0.5, 0.5])
            self.assertEqual(len(client.body[number]) > 70_000, taking)
            self.assertEqual(self.site.metrics.value("http_connections_cut_total", reason="stall"), 1)
            client.peer.close()

    def test_drain(self) -> None:
        """Draining ends a connection when its streams have ended."""
        done: Deferred[Response] = Deferred()
        self.site.server.root.putChild(b"late", AsyncResource(lambda request: done))
        number = self.client.ask("/late")
        self.client.turn()
        drained = self.site.server.factory.drain(10)
        self.site.reactor.pump([0.5] * 4)
        done.callback(Response(200, [], b"late"))
        self.client.turn()
        self.assertEqual(self.client.body[number], b"late")
        self.site.reactor.pump([0.5] * 2)
        self.client.turn()
        self.assertTrue(self.successResultOf(drained))

    def test_off(self) -> None:
        """It is off by default."""
        context = client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        site = Site(self, self.folder)
        peer = Peer(site.listener, context, server_hostname="a.example").handshake()
        self.assertEqual(peer.socket.selected_alpn_protocol(), "http/1.1")
