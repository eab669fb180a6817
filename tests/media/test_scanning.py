"""Files are shown to clamd first: a stand-in speaks its protocol on a real socket."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from cackled.config_people import Media
from cackled.domain.errors import Unprocessable
from cackled.media.scanning import Scanner, ScannerAway
from cackled.media.service import Media as Pictures
from cackled.media.store import MediaStore
from cackled.metrics import Metrics
from tests.media import corpus
from tests.media.test_media import MediaCase

HARMFUL = b"X5O!P%@AP-STAND-IN"


class Clamd(Protocol):
    """Takes one file, and says whether it holds `HARMFUL`; *says* answers instead, b"" hangs up."""

    says: ClassVar[bytes | None] = None
    seen: ClassVar[list[bytes]] = []

    def __init__(self) -> None:
        self.got = b""

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if not self.got.startswith(b"zINSTREAM\0"):
            return
        body, place = b"", 10
        while len(self.got) >= place + 4:
            (length,) = struct.unpack_from(">I", self.got, place)
            if not length:
                self.answer(body)
                return
            if len(self.got) < place + 4 + length:
                return
            body += self.got[place + 4 : place + 4 + length]
            place += 4 + length

    def answer(self, body: bytes) -> None:
        Clamd.seen.append(body)
        verdict = b"stream: Stand-In FOUND\0" if HARMFUL in body else b"stream: OK\0"
        transport: Any = self.transport
        transport.write(verdict if Clamd.says is None else Clamd.says)
        transport.loseConnection()


class ScannerTests(TestCase):
    """The protocol."""

    async def setUp(self) -> None:
        Clamd.says, Clamd.seen = None, []
        self.port = reactor.listenTCP(0, Factory.forProtocol(Clamd), interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        self.scanner = Scanner(f"127.0.0.1:{self.port.getHost().port}", reactor, Metrics())

    async def test_asked(self) -> None:
        """A clean file passes whole, many at once too; a harmful one does not, wherever the harm is."""
        files = [b"", b"x", bytes(range(256)) * 3_000, b"y" * 65_536]
        work = [Deferred.fromCoroutine(self.scanner.check(one)) for one in files]
        await gatherResults(work)
        self.assertEqual(sorted(Clamd.seen), sorted(files))
        for one in (HARMFUL, b"a" * 65_530 + HARMFUL):
            error = await self.assertFailure(Deferred.fromCoroutine(self.scanner.check(one)), Unprocessable)
            self.assertEqual(error.slug, "media-harmful")

    async def test_away(self) -> None:
        """An answer that is none, half of one, or nobody there: no file is taken."""
        for said in (b"", b"stream: OK", b"INSTREAM size limit exceeded. ERROR\0", b"\xff\0", b"y" * 9_000, b"\0",
                     b"stream: OK\nstream: X FOUND\0"):  # fmt: skip
            Clamd.says = said
            if said.endswith(b"FOUND\0"):
                await self.assertFailure(Deferred.fromCoroutine(self.scanner.check(b"x")), Unprocessable)
                continue
            error = await self.assertFailure(Deferred.fromCoroutine(self.scanner.check(b"x")), ScannerAway)
            self.assertEqual((error.status, error.slug), (503, "unavailable"), said)
        await self.port.stopListening()
        await self.assertFailure(Deferred.fromCoroutine(self.scanner.check(b"x")), ScannerAway)
        nowhere = Scanner("unix:/nowhere/clamd.sock", reactor, Metrics())
        await self.assertFailure(Deferred.fromCoroutine(nowhere.check(b"x")), ScannerAway)


class TakingTests(MediaCase):
    """With a scanner, over the API."""

    async def test_pictures(self) -> None:
        """A harmful picture is refused before it is looked at, and leaves nothing; without a scanner none is."""
        Clamd.says, Clamd.seen = None, []
        port = reactor.listenTCP(0, Factory.forProtocol(Clamd), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        store = self.application.shared[MediaStore]
        store.scanner = Scanner(f"127.0.0.1:{port.getHost().port}", reactor, Metrics())
        await self.added(corpus.picture())
        self.assertEqual((await self.add(corpus.picture(color="blue") + HARMFUL)).slug, "media-harmful")
        Clamd.says = b""
        away = await self.add(corpus.picture(color="green"))
        self.assertEqual((away.status, away.slug), (503, "unavailable"))
        self.assertIn("retry-after", away.headers)
        self.assertEqual((self.sql("select count(*) from media"), self.files()), ([(1,)], 5))
        self.assertIsInstance(store.of(self.application.sites.get(1)), Pictures)


class SettingTests(TestCase):
    """``[media] clamd``."""

    async def test_addresses(self) -> None:
        """What can't be asked is refused when the configuration is read."""


        for good in ("", "unix:/run/clamd.sock", "127.0.0.1:3310", "scanner.example:65535", "[::1]:3310"):
            self.assertEqual(msgspec.convert({"clamd": good}, Media).clamd, good)
        for bad in ("unix:", "host", "host:0", "host:65536", "host:x", ":3310", "tcp://host:3310", "a b:3310"):
            with self.assertRaises(msgspec.ValidationError, msg=bad):
                msgspec.convert({"clamd": bad}, Media)
