"""Bounds the bytes that wait for clients to read them: for each network and for the whole process.

What the kernel does not take at once waits in memory until the client reads. One answer is bounded, and a client that
reads nothing is cut off after a while; but many such clients together could hold gigabytes until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Holder(Protocol):
    """A connection with bytes that wait."""

    network: str | None

    def cut_off(self) -> None:
        """Drop the connection and what waits for it, at once."""


class Buffers:
    """Counts waiting bytes by connection and by network.

    Above a bound, the connection with the most waiting is cut off. *each* bounds a network, *most* all together, in
    bytes. *free* says whether a network belongs to many clients (a trusted proxy) and has only the second bound. *cut*
    is called for each connection that is ended.
    """

    __slots__ = ("_cut", "_each", "_free", "_held", "_most", "_networks", "total")

    def __init__(self, each: int, most: int, free: Callable[[str], bool], cut: Callable[[], None]) -> None:
        self._each = each
        self._most = most
        self._free = free
        self._cut = cut
        self.total = 0
        self._held: dict[Holder, tuple[int, str]] = {}
        self._networks: dict[str, int] = {}

    def change(self, holder: Holder, size: int) -> None:
        """*size* bytes more wait for *holder* (negative: fewer).

        It or another one may be cut off before this returns.
        """
        known = self._held.get(holder)
        if known is None:
            if size <= 0:
                return
            known = (0, holder.network or "")
        held, network = known
        held += size
        self.total += size
        of_network = self._networks.get(network, 0) + size
        if of_network:
            self._networks[network] = of_network
        else:
            self._networks.pop(network, None)
        if held:
            self._held[holder] = (held, network)
        else:
            self._held.pop(holder, None)
        if size > 0:
            if of_network > self._each and not self._free(network):
                self._end_largest(network)
            if self.total > self._most:
                self._end_largest(None)

    def forget(self, holder: Holder) -> None:
        """Nothing waits for *holder* any more."""
        known = self._held.get(holder)
        if known is not None:
            self.change(holder, -known[0])

    def _end_largest(self, network: str | None) -> None:
        largest, most = None, 0
        for holder, (held, of) in self._held.items():
            if held > most and (network is None or of == network):
                largest, most = holder, held
        if largest is not None:
            self.forget(largest)
            self._cut()
            largest.cut_off()
