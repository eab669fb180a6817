"""Files of pictures under faults: whatever is killed, full, away or damaged, no wrong byte is served.

| fault | what is seen |
|---|---|
| SIGKILL of a process that fills the cache, at each step | what has its name is whole; bounds hold; others go on |
| the disk is full, its inodes are, its folder goes away | served, not kept |
| files of the cache change, are cut, vanish | fetched again |
| the origin is away, answers short or wrong | an error, or from disk |
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.database.errors import DatabaseError
from cackled.media import edge
from cackled.media.disk_cache import DiskCache
from cackled.media.service import Known
from cackled.media.sums import sums_of
from cackled.transport.streaming import read_fully
from tests.faults import media_writer
from tests.faults.media_writer import MOST_BYTES, MOST_FILES, SLICES, content, place
from tests.media.test_edge import EdgeCase

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("count", "begin", "write", "half", "mark", "rename", "done", "evict", "purge")
# Beside each slice, its mark and checksum.
MORE = 24


class KilledTests(SynchronousTestCase):
    """A process is killed while it fills the cache."""

    def looked_at(self, cache: DiskCache) -> int:
        """How many slices are there; each is what it should be."""
        found = 0
        for number in range(SLICES):
            file = cache.find(place(number))
            if file is not None:
                self.assertEqual(read_fully(file.descriptor, 0, file.size), content(number), number)
                found += 1
        return found

    def test_killed(self) -> None:
        """At each step: nothing wrong is found, the count never says too little, and the next goes on at once."""
        folder = Path(self.mktemp())
        found = 0
        for number, step in enumerate(STEPS):
            command = [sys.executable, media_writer.__file__, str(folder), step, str(1 + number * 2 % 5)]
            ended = subprocess.run(
                command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=120, check=False
            )
            self.assertEqual(ended.returncode, -signal.SIGKILL, (step, ended.stderr[-500:]))
            cache = DiskCache(folder, MOST_BYTES, MOST_FILES, free=lambda at: (1.0, 1.0))
            sizes = [one.stat().st_size for one in folder.glob("??/*") if one.is_file()]
            self.assertLessEqual(sum(sizes), cache.used()[0], step)
            self.assertLessEqual(cache.used()[0], MOST_BYTES, step)
            found += self.looked_at(cache)
            # The lock of the dead process is nobody's.
            cache.begin()
            claim = cache.claim(place(1))
            assert claim is not None
            claim.release()
            self.assertLessEqual(len(sizes), MOST_FILES, step)
        self.assertGreater(found, 0)


class ServedTests(EdgeCase):
    """Faults at random while clients read."""

    timeout = 240

    async def test_no_wrong_byte(self) -> None:
        """400 reads of 30 files with some fault at each fifth: each is right, or an error; most are right."""
        rng = random.Random(14)
        journal: dict[str, str] = {}
        for number in range(30):
            name, body = f"{number}.webp", rng.randbytes(rng.randrange(1, 40_000))
            self.origin.files[name] = body
            self.known[name] = Known(name, "image/webp", 1, 1, len(body), sums_of(body))
            journal[name] = sha256(body).hexdigest()
        whole = dict(self.origin.files)
        self.patch(edge, "AWAY_SECONDS", 0.0)
        self.edge = self.made(300_000)
        right = refused = 0
        for turn in range(400):
            if turn % 5 == 0:
                self.origin.error, self.free = None, (1.0, 1.0)
                self.origin.files.update(whole)
                self.fault(rng)
            name = f"{rng.randrange(30)}.webp"
            try:
                body = await self.read(name)
            except (OSError, DatabaseError):
                refused += 1
                continue
            self.assertEqual(sha256(body).hexdigest(), journal[name])
            right += 1
            if turn % 7 == 0:
                # A range of it is a part of the same.
                first = rng.randrange(len(body))
                try:
                    part = await self.read(name, first, rng.randrange(first, len(body)))
                except (OSError, DatabaseError):
                    continue
                self.assertTrue(body[first:].startswith(part))
        self.assertGreater(right, 300)
        self.assertGreater(refused, 0)

    def fault(self, rng: random.Random) -> None:
        """One of the faults of the table; the next reads are of another process, so that nothing is at hand."""
        files = [one for one in self.folder.glob("??/*") if one.is_file()]
        chosen: Any = rng.choice(files) if files else None
        match rng.randrange(9):
            case 0:
                self.origin.error = OSError("away")
            case 1:
                for name, body in self.origin.files.items():
                    self.origin.files[name] = body[:-1] + bytes([body[-1] ^ 1])
            case 2:
                for name, body in self.origin.files.items():
                    self.origin.files[name] = body[: len(body) // 2]
            case 3:
                self.free = (0.0, 1.0)
            case 4:
                self.free = (1.0, 0.0)
            case 5 if chosen:
                raw = bytearray(chosen.read_bytes())
                raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
                chosen.write_bytes(raw)
            case 6 if chosen:
                os.truncate(chosen, rng.randrange(chosen.stat().st_size))
            case 7 if chosen:
                chosen.unlink()
            case 8:
                shutil.rmtree(self.folder, ignore_errors=True)
        self.edge = self.made(300_000)
