"""Who is connected: caps on connections, and whose word about the client's address counts.

May touch: the standard library and the ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# X-Forwarded-For entries looked at, from the right.
MAX_HOPS = 16


def network_of(address: str) -> str:
    """What connections of one client are counted under: the IPv4 address, or the /64 of an IPv6 one.

    Anything that is no IP address (a UNIX socket) is its own network.
    """
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)


class ConnectionLimits:
    """Counts open connections, all and by network; `admit` says no above the caps."""

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
        count = self._by_network.get(network, 0)
        if counted and count >= self._each:
            return "address"
        self._by_network[network] = count + 1
        self.total += 1
        return None

    def release(self, network: str) -> None:
        """Take back one `admit`."""
        count = self._by_network.get(network, 0)
        if count <= 1:
            self._by_network.pop(network, None)
        else:
            self._by_network[network] = count - 1
        self.total -= 1

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
