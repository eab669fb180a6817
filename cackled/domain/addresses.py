"""Addresses of visitors, and networks, as they are stored and compared: IPv4 in IPv6 is IPv4."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

_MAPPED = IPv6Network("::ffff:0:0/96")


@lru_cache(maxsize=4096)
def stored_address(address: str | None) -> str | None:
    """*address* for PostgreSQL, or None where it is no IP address (a unix socket has none).

    A zone ("%eth0") is left out, as PostgreSQL knows none.
    """
    try:
        ip = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def stored_network(value: str) -> str:
    """The network that an operator writes, an address being one of its own.

    Raises:
        ValueError: it is none.
    """
    network = ip_network(value, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        network = IPv4Network((int(mapped or 0), network.prefixlen - 96))
    return str(network)
