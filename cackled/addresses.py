"""Who counts as one caller: an IPv4 address, the /64 of an IPv6 one, and above it what one holder may have of them.

Base layer: imports the standard library only. A home is given a /56, a company a /48 (RFC 6177): 256 and 65,536 times a
/64. So what is limited by address is limited by these as well, each allowed some times of what a /64 is.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

# Bits of the wider networks, in the order in which `wider` gives them.
WIDER = (56, 48)
# How much they may beside one /64: of things per second, and of connections, of which there are few for all.
RATE_FACTORS = (4, 16)
CONNECTION_FACTORS = (2, 4)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 address (mapped IPv4 as IPv4).

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
        return _prefix(parsed, 64)
    return str(parsed)


@lru_cache(maxsize=4096)
def wider(network: str) -> tuple[str, ...]:
    """The networks around one that `network_of` gave, as wide as `WIDER` says; none around an IPv4 address."""
    text, slash, bits = network.partition("/")
    if not slash or bits != "64":
        return ()
    try:
        parsed = IPv6Address(text)
    except ValueError:
        return ()
    return tuple(_prefix(parsed, one) for one in WIDER)


def _prefix(address: IPv6Address, bits: int) -> str:
    rest = 128 - bits
    return f"{IPv6Address(int(address) >> rest << rest)}/{bits}"


def is_loopback(host: str) -> bool:
    """Whether *host*, as a URL names it (without port), is this machine itself: 127.0.0.0/8, ::1, or localhost."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
