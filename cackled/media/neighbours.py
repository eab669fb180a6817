"""Slices of files go from node to node: what a node has on its disk it gives to others that ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from cackled.media.disk_cache import DiskCache, Place
from cackled.media.service import Known
from cackled.media.sums import SLICE, slice_length
from cackled.transport.streaming import read_fully

# What nodes ask each other for.
WHAT = "slice"


class _Key(Struct, frozen=True, array_like=True):
    """A `Place`, as another node names it. Its name becomes a part of a path, so it has no more than names have."""

    site: Annotated[int, Meta(ge=0, le=2**31)]
    digest: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    name: Annotated[str, Meta(pattern=r"\A[a-z0-9]{1,16}\.[a-z0-9]{1,8}\Z")]
    number: Annotated[int, Meta(ge=0, le=10_000)]
    length: Annotated[int, Meta(ge=1, le=SLICE)]


def asking(
    ask: Callable[[str, str, str], Awaitable[bytes | None]],
) -> Callable[[int, bytes, Known, int], Awaitable[bytes | None]]:
    """What asks other nodes for a slice; *ask* is `cackled.cluster.exchange.Exchange.ask`."""

    async def asked(site: int, digest: bytes, known: Known, number: int) -> bytes | None:
        if number >= len(known.sums):
            return None
        key = _Key(site, digest.hex(), known.name, number, slice_length(known.bytes, number))
        return await ask(WHAT, msgspec.json.encode(key).decode(), known.sums[number])

    return asked


class SliceGiver:
    """Gives other nodes what is on this node's disk; it fetches nothing for them."""

    def __init__(
        self, disk: DiskCache | None, in_thread: Callable[..., Awaitable[Any]],
        give: Callable[[str, Callable[[str], Awaitable[bytes | None]]], None],
    ) -> None:  # fmt: skip
        self._disk = disk
        self._in_thread = in_thread
        self._give = give

    def start(self) -> None:
        """Answer."""
        if self._disk is not None:
            self._give(WHAT, self.slice)

    def stop(self) -> None:
        """The links to other nodes end by themselves."""

    async def slice(self, key: str) -> bytes | None:
        """The slice that *key* names, whole; None: it is not here, or *key* is none."""
        try:
            wanted = msgspec.json.decode(key, type=_Key)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return None
        assert self._disk is not None
        place = Place(wanted.site, bytes.fromhex(wanted.digest), wanted.name, wanted.number, wanted.length)
        found: bytes | None = await self._in_thread(_read, self._disk, place)
        return found


def _read(disk: DiskCache, place: Place) -> bytes | None:
    try:
        # Another node may have the length wrong, which makes nothing here damaged.
        found = disk.find(place) if disk.has(place) else None
        return None if found is None else read_fully(found.descriptor, 0, place.length)
    except (OSError, ValueError):
        return None
