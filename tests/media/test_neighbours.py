"""Slices of files from other nodes: right ones are kept, anything else costs a bounded time, and the origin serves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from cackled.media.edge import EdgeFiles
from cackled.media.neighbours import SliceGiver, asking
from cackled.media.sums import SLICE
from cackled.metrics import Metrics
from tests.media.test_edge import DIGEST, EdgeCase


class NeighboursCase(EdgeCase):
    """Node A, which has the files on its disk, and node B, which has none."""

    async def begun(self) -> None:
        """A has everything."""
        for name in self.known:
            await self.read(name)
        self.assertEqual(self.origin.reads, 4)
        self.asked: list[str] = []
        self.gives: dict[str, Any] = {}
        SliceGiver(self.edge.disk, deferToThread, self.gives.__setitem__).start()

        async def ask(what: str, key: str, checksum: str) -> bytes | None:
            self.asked.append(key)
            found: bytes | None = await self.gives[what](key)
            return found

        self.there = Path(self.mktemp())
        self.folder, self.here = self.there, self.folder
        self.other = self.made(peers=asking(ask))


class GivenTests(NeighboursCase):
    """What A gives."""

    async def test_given(self) -> None:
        """B has all slices from A, asks for each once, and reads the origin never; then it has them itself."""
        await self.begun()
        large = self.origin.files["large.webp"]
        got = await gatherResults(
            [Deferred.fromCoroutine(self.read("large.webp", files=self.other)) for _ in range(50)]
        )
        self.assertTrue(all(one == large for one in got))
        self.assertTrue(await self.read("large.webp", SLICE - 3, SLICE + 3, self.other) == large[SLICE - 3 : SLICE + 4])
        self.assertEqual((self.origin.reads, len(self.asked)), (4, 3))
        self.assertEqual(self.metrics.value("media_cache_slices_total", source="peer"), 3)
        again = self.made()
        self.assertTrue(await self.read("large.webp", files=again) == large)
        self.assertEqual(self.origin.reads, 4)

    async def test_not_there(self) -> None:
        """What A has not, what is damaged there, and what it has no more after a purge come from the origin."""
        await self.begun()
        for path in self.here.glob("??/*small.webp-0"):
            path.write_bytes(path.read_bytes().replace(b"small", b"other"))
        self.assertEqual(await self.read("small.webp", files=self.other), b"small")
        self.assertEqual(self.origin.reads, 5)
        assert self.edge.disk is not None
        await deferToThread(self.edge.disk.purge, 1, DIGEST)
        self.assertTrue(await self.read("large.webp", files=self.other) == self.origin.files["large.webp"])
        self.assertEqual(self.origin.reads, 8)

    async def test_hostile_questions(self) -> None:
        """A question names a slice and nothing else: no path, no other file of the disk, no endless number."""
        await self.begun()
        give = self.gives["slice"]
        digest = DIGEST.hex()
        right = [1, digest, "small.webp", 0, 5]
        self.assertEqual(await give(msgspec.json.encode(right).decode()), b"small")
        (self.here / "secret").write_bytes(b"s" * 29)
        for place, value in (
            (0, -1), (0, 2), (0, "1"), (0, 2**70), (1, ""), (1, "A" * 64), (1, digest + "00"), (1, "../" * 22),
            (2, "../secret"), (2, "a/b.webp"), (2, "small.webp\n"), (2, "small.webp\x00"), (2, "."), (2, "large.webp"),
            (3, -1), (3, 10**9), (3, 1), (4, 0), (4, -5), (4, SLICE + 1), (4, 4), (4, 6), (4, None),
        ):  # fmt: skip
            asked = [*right[:place], value, *right[place + 1 :]]
            self.assertIsNone(await give(msgspec.json.encode(asked).decode()), asked)
        for text in ("", "{", "[" * 100_000, "null", "[]", '"x"', "\ud800", '[1,"\\ud800"]'):
            self.assertIsNone(await give(text))
        self.assertEqual(await give(msgspec.json.encode(right).decode()), b"small")


class FaultTests(NeighboursCase):
    """Other nodes that do not as they should."""

    async def test_lying(self) -> None:
        """A slice that is another, cut short or too long is not served and not kept."""
        await self.begun()
        for data in (b"smalL", b"smal", b"small ", b"", os.urandom(SLICE)):
            async def lie(what: str, key: str, checksum: str, data: bytes = data) -> bytes | None:
                return data

            self.folder = Path(self.mktemp())
            other = self.made(peers=asking(lie))
            before = self.origin.reads
            self.assertEqual([await self.read("small.webp", files=other) for _ in range(2)], [b"small"] * 2)
            self.assertEqual((self.origin.reads - before, self.faults("peer")), (1, 1))
            self.assertEqual(len(other.trouble()), 0)

    async def test_full(self) -> None:
        """A node whose disk is full, and one without a cache, are given slices all the same."""
        await self.begun()

        async def ask(what: str, key: str, checksum: str) -> bytes | None:
            found: bytes | None = await self.gives[what](key)
            return found

        self.free = (0.0, 0.0)
        clock: Any = reactor
        for other in (self.other, EdgeFiles(self.origin, None, clock, deferToThread, Metrics(), asking(ask))):
            self.assertEqual(await self.read("small.webp", files=other), b"small")
        self.assertEqual(self.origin.reads, 4)
        gives: dict[str, Any] = {}
        SliceGiver(None, deferToThread, gives.__setitem__).start()
        self.assertEqual(gives, {})
