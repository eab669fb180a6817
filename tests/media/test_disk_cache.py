"""The disk cache: what is found is what was stored, whole; bounds hold; nothing that a process left does harm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.media import disk_cache
from cackled.media.disk_cache import Claim, DiskCache, NotKept, Place
from cackled.transport.streaming import OpenFile, read_fully

MORE = 24


def place(number: int, length: int, digest: bytes = b"d" * 32) -> Place:
    """A slice of a file."""
    return Place(1, digest, "800.webp", number, length)


def data_of(file: OpenFile | None) -> bytes | None:
    """What an open slice holds."""
    return None if file is None else read_fully(file.descriptor, 0, file.size)


class DiskCase(SynchronousTestCase):
    """A cache of 1,000 bytes and 5 files."""

    def setUp(self) -> None:
        """An empty folder."""
        self.folder = Path(self.mktemp())
        self.free = (1.0, 1.0)
        self.cache = self.made()
        self.cache.begin()

    def made(self, **more: Any) -> DiskCache:
        """Another process's view of it."""
        return DiskCache(self.folder, 1_000, 5, free=lambda folder: self.free, **more)

    def files(self) -> list[Path]:
        """All that is on disk."""
        return [one for one in self.folder.glob("??/*") if one.is_file()]

    def refused(self, *given: Any) -> str:
        """Why something is not kept."""
        return str(self.assertRaises(NotKept, self.cache.store, *given))


class DiskTests(DiskCase):
    """Storing and finding."""

    def test_kept(self) -> None:
        """Found by every process, and after a new start; each slice is its own."""
        self.assertIsNone(self.cache.find(place(0, 3)))
        self.assertEqual(data_of(self.cache.store(place(0, 3), b"abc")), b"abc")
        self.cache.store(place(1, 2), b"de")
        other = self.made()
        other.begin()
        self.assertEqual([data_of(other.find(place(n, size))) for n, size in ((0, 3), (1, 2))], [b"abc", b"de"])
        self.assertIsNone(other.find(place(2, 2)))
        self.assertIsNone(other.find(place(0, 3, b"e" * 32)))
        self.assertEqual(other.used(), (5 + 2 * MORE, 2))

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, 30), st.integers(0, 255), st.booleans())
    def test_damaged(self, at: int, byte: int, cut: bool) -> None:
        """Cut short or changed anywhere: never given out, removed, and counted no more."""
        self.cache.store(place(0, 7), b"content")
        (path,) = self.files()
        raw = path.read_bytes()
        wrong = raw[:at] if cut else raw[:at] + bytes([byte]) + raw[at + 1 :]
        path.write_bytes(wrong)
        if wrong == raw:
            self.assertEqual(data_of(self.cache.find(place(0, 7))), b"content")
            path.unlink()
        else:
            self.assertRaises(ValueError, self.cache.find, place(0, 7))
        self.assertEqual((self.files(), self.cache.find(place(0, 7))), ([], None))
        self.cache.begin()

    def test_bounds(self) -> None:
        """Never more bytes or files than may be; what is asked for stays; one that is too large is not kept."""
        self.cache.store(place(0, 100), b"x" * 100)
        self.cache.find(place(0, 100))
        for number in range(1, 40):
            self.cache.store(place(number, 100), b"x" * 100)
            # Asked for each time: it stays.
            self.assertIsNotNone(self.cache.find(place(0, 100)), number)
            self.assertLessEqual(sum(one.stat().st_size for one in self.files()), 1_000)
            self.assertLessEqual(len(self.files()), 5)
        self.assertEqual(self.refused(place(50, 1_000), b"x" * 1_000), "room")
        count = (sum(one.stat().st_size for one in self.files()), len(self.files()))
        self.assertEqual(self.made().used(), count)

    def test_full(self) -> None:
        """Where bytes or inodes run out nothing is added, and what is there is given out."""
        self.cache.store(place(0, 3), b"abc")
        for free in ((0.01, 1.0), (1.0, 0.001)):
            self.free = free
            self.assertEqual(self.refused(place(1, 3), b"abc"), "full")
        self.assertEqual(data_of(self.cache.find(place(0, 3))), b"abc")

    def test_write_fails(self) -> None:
        """A write that fails leaves nothing, and takes no room."""
        def fail(*given: object) -> int:
            raise OSError(28, "No space left on device")

        before = self.cache.used()
        self.patch(disk_cache, "_write_fully", fail)
        self.assertEqual(self.refused(place(1, 3), b"abc"), "write")
        self.assertEqual((self.files(), self.cache.used()), ([], before))

    def test_busy(self) -> None:
        """While another process counts for long, nothing is kept, and nobody waits for long."""
        self.patch(disk_cache, "TRIES", 2)
        with self.made()._locked():
            self.assertEqual(self.refused(place(1, 3), b"abc"), "busy")

    def test_abandoned(self) -> None:
        """What a process began and never ended is counted whole, and goes after a while."""
        self.cache.store(place(0, 3), b"abc")
        early = self.files()[0].parent / ".0123456789abcdef.500"
        early.write_bytes(b"x")
        self.cache.begin()
        self.assertEqual(self.cache.used(), (3 + MORE + 500, 2))
        os.utime(early, (1, 1))
        self.cache.begin()
        self.assertEqual((self.cache.used(), early.exists()), ((3 + MORE, 1), False))

    def test_purged(self) -> None:
        """All slices of contents go; others stay."""
        for number in (0, 1):
            self.cache.store(place(number, 3), b"abc")
        self.cache.store(place(0, 3, b"e" * 32), b"abc")
        self.assertEqual((self.cache.purge(1, b"d" * 32), self.cache.purge(2, b"e" * 32)), (2, 0))
        self.assertEqual(([len(self.files())], self.cache.used()), ([1], (3 + MORE, 1)))

    def test_claims(self) -> None:
        """One process fetches; it learns that others wait, and its end, however it comes, is the end of the claim."""
        claim = self.cache.claim(place(0, 3))
        assert isinstance(claim, Claim)
        self.assertFalse(claim.wanted())
        self.assertIsNone(self.made().claim(place(0, 3)))
        self.assertTrue(claim.wanted())
        claim.release()
        claim.release()
        again = self.made().claim(place(0, 3))
        assert again is not None
        self.assertFalse(again.wanted())
        again.release()
