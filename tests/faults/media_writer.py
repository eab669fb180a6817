"""A process that fills a disk cache, and ends itself by SIGKILL at a step that it is told: FOLDER STEP COUNT."""

from __future__ import annotations

import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

from cackled.media import disk_cache
from cackled.media.disk_cache import DiskCache, NotKept, Place

MOST_BYTES, MOST_FILES, SLICES = 40_000, 12, 40


def content(number: int) -> bytes:
    """What slice *number* holds."""
    return sha256(b"%d" % number).digest() * (20 + number * 3)


def place(number: int) -> Place:
    """Where it is."""
    return Place(1, b"d" * 31 + bytes([number % 5]), "800.webp", number, len(content(number)))


def main(folder: str, step: str, count: int) -> None:
    """Store and purge until the step has come *count* times."""
    left = count

    def reached(name: str) -> None:
        nonlocal left
        if name == step:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    if step == "half":
        whole = disk_cache._write_fully

        def half(descriptor: int, data: bytes) -> None:
            nonlocal left
            left -= 1
            whole(descriptor, data if left else data[: len(data) // 2])
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        disk_cache._write_fully = half
    cache = DiskCache(Path(folder), MOST_BYTES, MOST_FILES, free=lambda at: (1.0, 1.0), step=reached)
    cache.begin()
    for turn in range(3):
        for number in range(SLICES):
            try:
                cache.store(place(number), content(number))
            except NotKept as why:
                assert str(why) == "busy", why
            cache.find(place(number // 2))
        cache.purge(1, place(turn).digest)
    sys.exit(3)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
