"""Limits on connections, and which proxies are trusted to name the client's address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import nlargest
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from operator import itemgetter

from cackled.addresses import CONNECTION_FACTORS, network_of, wider

__all__ = ["ConnectionLimits", "TrustedProxies", "network_of"]

# X-Forwarded-For entries looked at, from the right.
MAX_HOPS = 16


class ConnectionLimits:
    """Counts open connections, in total and by network; `admit` refuses above the limits.

    Networks are as `network_of` returns them; the wider networks around them have limits too, several times as high.
    """

    __slots__ = ("_by_network", "_each", "_most", "total")

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._by_network: dict[str, int] = {}
        self.total = 0

    def admit(self, network: str, *, counted: bool = True) -> str | None:
        """Count a connection; returns None, or the reason of refusal (then nothing is counted).

        A *network* that is not *counted* (a trusted proxy) has the global cap only.
        """
        if self.total >= self._most:
            return "connections"
        held, each = self._by_network, self._each
        around = wider(network)
        if counted:
            if held.get(network, 0) >= each:
                return "address"
            for one, factor in zip(around, CONNECTION_FACTORS, strict=False):
                if held.get(one, 0) >= each * factor:
                    return "address"
        for one in (network, *around):
            held[one] = held.get(one, 0) + 1
        self.total += 1
        return None

    def release(self, network: str) -> None:
        """Take back one `admit`."""
        for one in (network, *wider(network)):
            count = self._by_network.get(one, 0)
            if count <= 1:
                self._by_network.pop(one, None)
            else:
                self._by_network[one] = count - 1
        self.total -= 1

    def busiest(self, most: int) -> list[tuple[str, int]]:
        """At most *most* networks with the most connections."""
        return nlargest(most, self._by_network.items(), key=itemgetter(1))

    def of(self, network: str) -> int:
        """Connections open from *network*."""
        return self._by_network.get(network, 0)


class TrustedProxies:
    """The networks whose X-Forwarded-* fields are believed.

    Raises:
        ValueError: if one of *networks* is no CIDR network.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(n, strict=False) for n in networks)
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[bytes]) -> str:
        """The client's address: the right-most hop that is no trusted proxy.

        *forwarded* are the X-Forwarded-For lines as received. An entry that is no address ends the search at the hop
        that named it.
        """
        if not self._networks or not self.trusts(peer):
            return peer
        known = peer
        for entry in b",".join(forwarded).split(b",")[: -MAX_HOPS - 1 : -1]:
            hop = _address(entry)
            if hop is None:
                return known
            if not self.trusts(hop):
                return hop
            known = hop
        return known


def _address(entry: bytes) -> str | None:
    text = entry.strip().decode("ascii", "replace")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
