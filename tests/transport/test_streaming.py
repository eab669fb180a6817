"""Bodies that are files: whole and in order over each kind of connection, as fast as the client reads, never a part."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from typing import Any
from weakref import ref

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource

from cackled import config
from cackled.metrics import Metrics
from cackled.transport import _socket, streaming
from cackled.transport._limits import TrustedProxies
from cackled.transport.endpoints import PublicEndpoint
from cackled.transport.http import HttpFactory
from cackled.transport.microcache import Microcache
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from cackled.transport.streaming import Body, FilePart, HotAnswer, OpenFile, read_fully
from tests.support.answers import answers, get
from tests.transport.test_tls import pem

SIZE = 5_000_003


class Given:
    """Pieces as a test lists them; an exception among them is raised."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = list(pieces)

    async def next(self) -> Any:
        piece = self._pieces.pop(0) if self._pieces else None
        if isinstance(piece, Exception):
            raise piece
        return piece


class StreamingCase(TestCase):
    """A server of one file at /file, on a listener of our own."""

    timeout = 120
    certs: str | None = None

    def setUp(self) -> None:
        """Listen on any port."""
        self.path = self.mktemp()
        self.whole = os.urandom(SIZE)
        with open(self.path, "wb") as file:
            file.write(self.whole)
        self.metrics = Metrics()
        self.body: Callable[[], Body] = lambda: self.made(FilePart(self.opened(), 0, SIZE))
        self.reads = self.asked = 0
        root = Resource()

        async def answer(request: Any) -> Response:
            self.asked += 1
            return self.answer(request)

        root.putChild(b"file", AsyncResource(answer, (b"GET", b"HEAD")))
        clock: Any = reactor
        self.factory = HttpFactory(root, config.Http(stall_timeout=2.0), clock, self.metrics, fast=self.fast())
        endpoint = PublicEndpoint(clock, 0, "127.0.0.1", certs=self.certs)
        self.port: Any = endpoint.listen_on(endpoint.bind(), self.factory)
        self.addCleanup(endpoint.close)
        self.addCleanup(self.finish)

    def fast(self) -> Any:
        """What answers before there is a request."""

    def answer(self, request: Any) -> Response:
        """The answer of the handler."""
        return Response(200, [(b"Content-Type", b"image/png")], stream=self.body())

    async def finish(self) -> None:
        """Close everything, and wait until the reactor is clean."""
        await self.port.stopListening()
        self.factory.abort_all()
        while self.factory.limits.total:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    def opened(self) -> OpenFile:
        """The file."""
        return OpenFile(os.open(self.path, os.O_RDONLY), SIZE)

    def in_thread(self, function: Any, *given: Any) -> Deferred[Any]:
        """Read elsewhere, and count that."""
        self.reads += 1
        return deferToThread(function, *given)

    def made(self, *pieces: Any, length: int = SIZE) -> Body:
        """A body of these pieces."""
        return Body(length, Given(*pieces), self.in_thread)

    def connect(self) -> socket.socket:
        """A blocking client."""
        client = socket.socket()
        # Small buffers, so that the server has to wait for the client.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(60)
        client.connect(("127.0.0.1", self.port.getHost().port))
        if self.certs is None:
            return client
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(client, server_hostname="a.example", suppress_ragged_eofs=True)

    def fetch(self, *extra: str, method: str = "GET", size: int = 65536) -> bytes:
        """All that comes of one request, read in pieces of *size*."""
        with self.connect() as client:
            client.sendall(get("/file", "Connection: close", *extra, method=method))
            data = []
            while chunk := self.receive(client, size):
                data.append(chunk)
            return b"".join(data)

    @staticmethod
    def receive(client: socket.socket, size: int) -> bytes:
        """What comes next; empty at the end, however it ends."""
        try:
            return client.recv(size)
        except OSError:
            return b""


class PlainTests(StreamingCase):
    """Over plain TCP: by sendfile."""

    async def test_whole(self) -> None:
        """Every byte, once; the head tells the length; HEAD has the same head."""
        (answer,) = answers(await deferToThread(self.fetch))
        self.assertEqual((answer.status, answer.body == self.whole), (200, True))
        self.assertEqual(answer.headers["content-length"], str(SIZE))
        head = await deferToThread(self.fetch, method="HEAD")
        self.assertTrue(head.endswith(b"\r\n\r\n") and b"Content-Length: %d" % SIZE in head, head)

    async def test_pieces(self) -> None:
        """Parts of files and bytes, in their order."""
        file = self.opened()
        self.body = lambda: self.made(
            FilePart(file, 0, 1_000_000), self.whole[1_000_000:2_000_000], FilePart(file, 2_000_000, 1),
            self.whole[2_000_001:2_000_002], FilePart(file, 2_000_002, SIZE - 2_000_002),
        )  # fmt: skip
        (answer,) = answers(await deferToThread(self.fetch))
        self.assertTrue(answer.body == self.whole)

    async def test_keeps_the_connection(self) -> None:
        """Three requests at once on a connection are answered one after the other."""

        def fetch() -> bytes:
            with self.connect() as client:
                client.sendall(get("/file") * 2 + get("/file", "Connection: close"))
                data = []
                while chunk := client.recv(65536):
                    data.append(chunk)
                return b"".join(data)

        got = answers(await deferToThread(fetch))
        self.assertEqual([one.body == self.whole for one in got], [True] * 3)

    async def test_slow_file(self) -> None:
        """What the kernel has not in memory is read in a thread, and nothing is read twice."""
        self.patch(streaming, "is_in_memory", lambda *place: False)
        (answer,) = answers(await deferToThread(self.fetch))
        self.assertTrue(answer.body == self.whole)
        self.assertLessEqual(self.reads, SIZE // (streaming.CHUNK if self.certs else _socket.TURN_BYTES) + 1)
        self.assertGreaterEqual(self.reads, SIZE // _socket.TURN_BYTES)

    async def test_client_leaves(self) -> None:
        """A client that leaves in the middle ends the work; its file is closed."""
        file = self.opened()
        descriptor = file.descriptor
        given = [file]
        del file
        self.body = lambda: self.made(FilePart(given.pop(), 0, SIZE))

        def leave() -> None:
            with self.connect() as client:
                client.sendall(get("/file"))
                client.recv(1000)

        await deferToThread(leave)
        # The number may be another file's by now.
        while self.factory.limits.total or self.open_at(descriptor):
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    def open_at(self, descriptor: int) -> bool:
        """Whether this descriptor is the file's."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            return False

    async def test_breaks_off(self) -> None:
        """A source that fails, ends early or has too much: the client sees that the end is missing."""
        file = self.opened()
        for pieces in (
            (FilePart(file, 0, 3_000_000), OSError("gone")), (FilePart(file, 0, 3_000_000),),
            (FilePart(file, 0, 3_000_000), b"x" * SIZE),
            (FilePart(file, 0, 3_000_000), FilePart(file, SIZE, 2_000_003)),
        ):  # fmt: skip
            self.body = lambda pieces=pieces: self.made(*pieces)  # type: ignore[misc]
            body = (await deferToThread(self.fetch)).partition(b"\r\n\r\n")[2]
            self.assertLess(len(body), SIZE)
            self.assertTrue(self.whole.startswith(body))

    async def test_reads_no_more(self) -> None:
        """A client that stops reading is cut off by the watchdog."""
        done: Deferred[None] = Deferred()

        def stop_reading() -> socket.socket:
            client = self.connect()
            client.sendall(get("/file"))
            client.recv(1000)
            return client

        client = await deferToThread(stop_reading)
        while self.factory.limits.total:
            await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        client.close()
        done.callback(None)
        self.assertIn(b'http_connections_cut_total{reason="stall"} 1', self.metrics.render())


class TlsTests(PlainTests):
    """Over TLS: through one buffer for all connections."""

    def setUp(self) -> None:
        """With a certificate."""
        self.certs = self.mktemp()
        os.makedirs(self.certs)
        with open(os.path.join(self.certs, "a.pem"), "wb") as file:
            file.write(pem("a.example"))
        super().setUp()


class HotTests(PlainTests):
    """Where the handler says that others may have the same: without it, from the second time on."""

    def setUp(self) -> None:
        """Whoever asks is allowed to."""
        self.addresses: list[str] = []
        self.allowed = True
        super().setUp()
        # Somebody has it open.
        self.file = self.opened()
        self.body = lambda: self.made(FilePart(self.file, 0, SIZE))

    def fast(self) -> Any:
        """As in the daemon."""
        clock: Any = reactor
        return Microcache(clock, config.Microcache(), self.metrics).fast_path()


    def answer(self, request: Any) -> Response:
        """The whole file, or what the test says."""
        answer = super().answer(request)
        piece = answer.stream.pieces._pieces[0]
        if isinstance(piece, FilePart) and piece.length == answer.stream.length:
            opened, length = ref(piece.file), piece.length

            def find(address: str) -> FilePart | None:
                self.addresses.append(address)
                file = opened()
                return FilePart(file, 0, length) if file is not None and self.allowed else None

            answer.hot = HotAnswer(find, self.in_thread)
        return answer

    async def ask(self, *more: str, method: str = "GET", size: int = 65536) -> tuple[dict[str, str], bool]:
        """Ask on a connection that stays open; gives the head's fields, and whether the file came whole."""

        def ask() -> tuple[dict[str, str], bool]:
            with self.connect() as client:
                client.sendall(get("/file", *more, method=method))
                data = b""
                while b"\r\n\r\n" not in data:
                    data += client.recv(1000)
                head, _, body = data.partition(b"\r\n\r\n")
                parts = [body]
                lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
                fields = {name.lower(): value for name, _, value in lines}
                length = int(fields["content-length"]) if method == "GET" else 0
                left = length - len(body)
                while left:
                    parts.append(client.recv(size))
                    left -= len(parts[-1])
                # The connection goes on.
                client.sendall(get("/none", "Connection: close"))
                rest = client.recv(1000)
                self.assertIn(b" 404 ", rest)
                return fields, b"".join(parts) == self.whole[:length]

        found: tuple[dict[str, str], bool] = await deferToThread(ask)
        return found

    async def test_without_the_handler(self) -> None:
        """The same answer, however slowly it is read; the handler is asked once."""
        first, whole = await self.ask()
        self.assertTrue(whole)
        for size in (65536, 10_000_000, 3_000):
            again, whole = await self.ask(size=size)
            self.assertTrue(whole)
            self.assertEqual({**again, "date": ""}, {**first, "date": ""})
        self.assertEqual(self.asked, 1)
        self.assertEqual(self.addresses, ["127.0.0.1"] * 3)
        self.factory._flush()
        self.assertIn(b'http_requests_total{status="2xx"} 4', self.metrics.render())

    async def test_at_once(self) -> None:
        """What the kernel takes at once is answered without a request of ours."""
        self.body = lambda: self.made(FilePart(self.file, 0, 20_000), length=20_000)
        for _ in range(3):
            fields, whole = await self.ask()
            self.assertEqual((fields["content-length"], whole), ("20000", True))
        self.assertEqual((self.asked, self.factory.fast.files.take_hits()), (1, 2))

    async def test_more_is_asked(self) -> None:
        """With a range, a condition, another method or one request alone, the handler is asked."""
        await self.ask()
        await self.ask("If-None-Match: x")
        await self.ask("Range: bytes=0-")
        await self.ask(method="HEAD")
        await deferToThread(self.fetch)
        self.assertEqual((self.asked, self.addresses), (5, []))

    async def test_not_allowed(self) -> None:
        """Where it is not so any more, or that client asks too often, the handler is asked."""
        await self.ask()
        self.allowed = False
        await self.ask()
        self.assertEqual((self.asked, len(self.addresses)), (2, 1))

    async def test_draining(self) -> None:
        """While answers are to close their connections, the handler is asked."""
        await self.ask()
        self.factory.plain_answers_only = True
        await self.ask()
        self.assertEqual(self.asked, 2)


class HotTlsTests(HotTests, TlsTests):
    """The same over TLS."""


class HotProxyTests(HotTests):
    """Behind a proxy the client may be anybody: the handler is asked each time."""

    async def test_without_the_handler(self) -> None:
        """None is answered without it."""
        self.factory.proxies = TrustedProxies(["127.0.0.0/8"])
        for _ in range(3):
            await self.ask("X-Forwarded-For: 192.0.2.1")
        self.assertEqual((self.asked, self.addresses), (3, []))

    test_not_allowed = test_at_once = test_without_the_handler


class MemoryTests(TestCase):
    """Looking whether a file is in memory."""

    def test_in_memory(self) -> None:
        """Whether what was just written is, the system tells or not; reading tells of a short file."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"x" * 300_000)
        opened = OpenFile(os.open(path, os.O_RDONLY), 300_000)
        self.assertEqual(read_fully(opened.descriptor, 299_999, 1), b"x")
        self.assertRaises(OSError, read_fully, opened.descriptor, 299_999, 2)
        self.assertIn(streaming.is_in_memory(opened.descriptor, 0, 300_000), (True, False))
        self.patch(streaming, "_NOWAIT", None)
        self.assertFalse(streaming.is_in_memory(opened.descriptor, 0, 300_000))
