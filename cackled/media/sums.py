"""Checksums of files, one for each slice, so that a part is known to be right without reading the whole."""

from __future__ import annotations

from hashlib import blake2b

# Bytes of a slice: what is fetched, kept and checked at once. The last one of a file is shorter.
SLICE = 2 * 1_048_576


def sum_of(data: bytes) -> str:
    """The checksum of a slice: 128 bits of BLAKE2b in hexadecimal."""
    return blake2b(data, digest_size=16).hexdigest()


def sums_of(body: bytes) -> tuple[str, ...]:
    """The checksums of all slices of a file."""
    view = memoryview(body)
    return tuple(sum_of(view[place : place + SLICE]) for place in range(0, len(body), SLICE))  # type: ignore[arg-type]


def slice_length(size: int, number: int) -> int:
    """How long slice *number* of a file of *size* bytes is."""
    return max(0, min(SLICE, size - number * SLICE))
