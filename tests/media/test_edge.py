"""Files from elsewhere: fetched once, kept, right or not served; with a disk or an origin that fails too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from cackled.media import edge
from cackled.media.disk_cache import DiskCache
from cackled.media.edge import EdgeFiles
from cackled.media.files import Damaged, body_of
from cackled.media.image_workers import File
from cackled.media.service import Known
from cackled.media.sums import SLICE, sums_of
from cackled.metrics import Metrics
from cackled.transport.streaming import FilePart, read_fully

DIGEST = b"d" * 32


class FakeOrigin:
    """Holds files by name; counts reads; fails or waits as a test says."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reads = 0
        self.error: Exception | None = None
        self.wait: Deferred[None] | None = None

    async def put(self, site: int, digest: bytes, files: Sequence[File]) -> None:
        raise NotImplementedError

    async def get(self, site: int, digest: bytes, name: str) -> bytes | None:
        return self.files.get(name)

    async def read(self, site: int, digest: bytes, name: str, start: int, length: int) -> bytes | None:
        self.reads += 1
        if self.wait is not None:
            await self.wait
        if self.error is not None:
            raise self.error
        body = self.files.get(name)
        return None if body is None else body[start : start + length]

    async def remove(self, site: int, digest: bytes) -> None:
        raise NotImplementedError


class EdgeCase(TestCase):
    """An origin with one file of three slices and one of some bytes; processes of a node share a disk."""

    timeout = 60

    def setUp(self) -> None:
        """An empty disk."""
        self.origin = FakeOrigin()
        self.known: dict[str, Known] = {}
        for name, body in (("large.webp", os.urandom(2 * SLICE + 5)), ("small.webp", b"small")):
            self.origin.files[name] = body
            self.known[name] = Known(name, "image/webp", 1, 1, len(body), sums_of(body))
        self.folder = Path(self.mktemp())
        self.free = (1.0, 1.0)
        self.edge = self.made()

    def made(self, most: int = 1 << 30, **more: Any) -> EdgeFiles:
        """A process of the node."""
        disk = DiskCache(self.folder, most, 1_000, free=lambda folder: self.free)
        self.metrics = Metrics()
        clock: Any = reactor
        return EdgeFiles(self.origin, disk, clock, deferToThread, self.metrics, **more)

    async def read(self, name: str, first: int = 0, last: int = -1, files: EdgeFiles | None = None) -> bytes:
        """Bytes of a file as a client gets them."""
        known = self.known[name]
        last = known.bytes - 1 if last < 0 else last
        body = await body_of(files or self.edge, 1, DIGEST, known, first, last, deferToThread)
        got = []
        while (piece := await body.pieces.next()) is not None:
            got.append(
                read_fully(piece.file.descriptor, piece.start, piece.length) if isinstance(piece, FilePart) else piece
            )
        whole = b"".join(got)
        self.assertEqual(len(whole), body.length)
        return whole

    def faults(self, reason: str) -> float:
        """How often that went wrong."""
        return self.metrics.value("media_cache_faults_total", reason=reason)


class FetchingTests(EdgeCase):
    """Where everything works."""

    async def test_ranges(self) -> None:
        """A range of a file that is not here fetches its slices alone, each once; any range is right."""
        large = self.origin.files["large.webp"]
        self.assertEqual(await self.read("large.webp", SLICE + 7, SLICE + 9), large[SLICE + 7 : SLICE + 10])
        self.assertEqual(self.origin.reads, 1)
        for first, last in ((0, 0), (SLICE - 1, SLICE), (5, 2 * SLICE + 4), (2 * SLICE, 2 * SLICE + 4), (0, -1)):
            end = len(large) if last < 0 else last + 1
            self.assertTrue(await self.read("large.webp", first, last) == large[first:end], (first, last))
        self.assertEqual(self.origin.reads, 3)
        self.assertTrue(await self.read("large.webp", files=self.made()) == large)
        self.assertEqual(self.origin.reads, 3)

    async def test_at_once(self) -> None:
        """A thousand clients of four processes at once: one read of the origin."""
        processes = [self.made() for _ in range(4)]
        self.origin.wait = Deferred()
        work: list[Deferred[bytes]] = [
            Deferred.fromCoroutine(self.read("small.webp", files=one)) for one in processes * 250
        ]
        while not self.origin.reads:
            await edge.sleep(reactor, 0.01)  # type: ignore[arg-type]
        self.origin.wait.callback(None)
        self.assertEqual(set(await gatherResults(work)), {b"small"})
        self.assertEqual(self.origin.reads, 1)

    async def test_asked_twice(self) -> None:
        """Where room is short only what is asked for again is kept."""
        self.edge = self.made(40)
        self.edge.disk.begin()  # type: ignore[union-attr]
        (self.folder / "aa").mkdir()
        (self.folder / "aa" / "other").write_bytes(b"x" * 38)
        self.edge.disk.begin()  # type: ignore[union-attr]
        for reads in (1, 2, 2):
            self.assertEqual(await self.read("small.webp"), b"small")
            self.assertEqual(self.origin.reads, reads)

    async def test_peers(self) -> None:
        """Other nodes are asked first, and nothing is asked of the origin where one has it."""
        async def peer(site: int, digest: bytes, known: Known, number: int) -> bytes | None:
            return b"small" if known.name == "small.webp" else None

        self.edge = self.made(peers=peer)
        self.assertEqual((await self.read("small.webp"), self.origin.reads), (b"small", 0))
        self.assertTrue(await self.read("large.webp") == self.origin.files["large.webp"])
        self.assertEqual(self.metrics.value("media_cache_slices_total", source="peer"), 1)


class FailingTests(EdgeCase):
    """Where something does not."""

    async def test_disk_away(self) -> None:
        """A folder that can't be used, none at all, a full disk: served through, and said so."""
        self.folder.write_text("no folder")
        self.assertEqual(await self.read("small.webp"), b"small")
        self.assertEqual((self.faults("folder"), len(self.edge.trouble())), (1, 1))
        self.folder.unlink()
        self.free = (0.0, 1.0)
        self.edge = self.made()
        self.assertEqual([await self.read("small.webp") for _ in range(2)], [b"small"] * 2)
        self.assertEqual((self.faults("full"), self.origin.reads), (2, 3))
        without = EdgeFiles(self.origin, None, reactor, deferToThread, Metrics())
        self.assertEqual(await self.read("small.webp", files=without), b"small")

    async def test_folder_goes(self) -> None:
        """The folder is removed while the process runs: served through, and kept again after a while."""
        await self.read("small.webp")
        shutil.rmtree(self.folder)
        self.edge.forget(1, DIGEST)
        self.assertEqual([await self.read("small.webp") for _ in range(2)], [b"small"] * 2)
        self.assertEqual((self.faults("folder"), self.folder.exists()), (1, False))
        self.patch(self.edge, "_try_at", 0.0)
        await self.read("small.webp")
        self.assertEqual(len(list(self.folder.glob("??/*-0"))), 1)

    async def test_damaged_disk(self) -> None:
        """A slice that changed on disk is fetched again, and the next is right; one that can't be read too."""
        await self.read("small.webp")
        (path,) = self.folder.glob("??/*-small.webp-0")
        path.write_bytes(path.read_bytes().replace(b"small", b"smell"))
        self.edge = self.made()
        self.assertEqual([await self.read("small.webp") for _ in range(2)], [b"small"] * 2)
        self.assertEqual((self.faults("damaged"), self.origin.reads), (1, 2))
        path.unlink()
        path.mkdir()
        self.assertEqual(await self.read("small.webp", files=self.made()), b"small")

    async def test_damaged_origin(self) -> None:
        """What the origin has wrong, short or not at all is not served, nor kept."""
        for body in (b"smell", b"smal", b"", b"smallx", None):
            if body is None:
                del self.origin.files["small.webp"]
            else:
                self.origin.files["small.webp"] = body
            if body != b"smallx":
                await self.assertFailure(Deferred.fromCoroutine(self.read("small.webp")), Damaged)
        self.assertEqual((self.faults("origin"), list(self.folder.glob("??/*"))), (4, []))

    async def test_dead_origin(self) -> None:
        """What is on disk is served; after some failures nobody waits for the origin; when it is back, all is."""
        await self.read("small.webp")
        self.origin.error = OSError("away")
        for _ in range(edge.FAILURES + 2):
            await self.assertFailure(Deferred.fromCoroutine(self.read("large.webp")), OSError)
        self.assertEqual(self.origin.reads, 1 + edge.FAILURES)
        self.assertEqual(await self.read("small.webp", files=self.made()), b"small")
        self.origin.error = None
        self.patch(self.edge, "_away_until", 0.0)
        self.assertTrue(await self.read("large.webp") == self.origin.files["large.webp"])

    async def test_slow_origin(self) -> None:
        """An origin that does not answer is given up, and so is the claim on it."""
        self.patch(edge, "ORIGIN_SECONDS", 0.05)
        self.origin.wait = Deferred()
        await self.assertFailure(Deferred.fromCoroutine(self.read("small.webp")), OSError)
        self.origin.wait = None
        self.assertEqual(await self.read("small.webp", files=self.made()), b"small")
        self.assertEqual(self.faults("origin"), 0)
