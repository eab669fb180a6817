"""Which addresses may be connected to when a stranger names the server.

A name is resolved once: the address that was checked is the address that is connected to.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from twisted.internet.defer import Deferred

from cackled.shared_calls import SharedCalls

# IANA's complete registries of special-purpose addresses (RFC 6890 and its updates), and multicast. What Python's
# `ipaddress` says of them differs from version to version. Some count as globally reachable: anycast to the nearest
# router (192.0.0.9), sinks (AS112), relays, and addresses with an IPv4 address inside. They are refused all the same:
# no server that we send to has such an address.
_SPECIAL_4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# Of IPv6 only this range is assigned to anybody (RFC 4291 section 2.4, IANA's registry of global unicast addresses) ...
_UNICAST_6 = ip_network("2000::/3")
# ... except these: IETF protocols with Teredo, benchmarks, AMT and ORCHID; documentation; 6to4; AS112; documentation.
_SPECIAL_6 = tuple(
    ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
LONGEST_URL = 2_000


class Refused(ValueError):
    """The address must not be connected to; the message is for the operator."""


class Target(Struct, frozen=True):
    """The parts of a URL."""

    secure: bool
    host: str
    port: int


class Policy(Struct, frozen=True):
    """Which ports are allowed, and which networks (CIDR) in addition to the public Internet."""

    ports: tuple[int, ...] = (80, 443)
    networks: tuple[str, ...] = ()


def target_of(url: str, policy: Policy) -> Target:
    """The parts of *url*.

    Raises:
        Refused: it is no http or https URL, it names a user, or its port is not allowed.
    """
    if len(url) > LONGEST_URL or not url.isascii() or any(ord(one) <= 32 or ord(one) == 127 for one in url):
        raise Refused("that is no web address")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("that is no web address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("only http and https addresses are sent to")
    if "@" in parts.netloc or "\\" in url:
        raise Refused("a user name in the address")
    secure = parts.scheme == "https"
    port = port if port is not None else 443 if secure else 80
    if port not in policy.ports:
        raise Refused(f"port {port} is not allowed")
    return Target(secure, parts.hostname, port)


def allowed(address: str, policy: Policy) -> bool:
    """Whether *address* may be connected to."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if any(ip in ip_network(text) for text in policy.networks):
        return True
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_4)
    return ip in _UNICAST_6 and not any(ip in network for network in _SPECIAL_6)


def check_literal(url: str, policy: Policy) -> None:
    """Check, without resolving, that requests may be sent to *url*. A host name must not be a name of this machine.

    Raises:
        Refused: requests may not be sent there.
    """
    host = target_of(url, policy).host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        ip_address(host)
    except ValueError:
        return
    checked((host,), policy)


def checked(addresses: Iterable[str], policy: Policy) -> str:
    """The first of *addresses*. All of them must be allowed.

    Raises:
        Refused: one of them is not allowed, or there is none.
    """
    found = list(addresses)
    for one in found:
        if not allowed(one, policy):
            raise Refused(f"{one} is no public address")
    if not found:
        raise Refused("the name has no address")
    return found[0]


Resolve = Callable[[str], "Deferred[list[str]]"]


def resolver(in_thread: Callable[..., Deferred[Any]]) -> Resolve:
    """The system's resolver, run in threads. It gives the addresses of a name, or OSError if there are none now.

    Callers that ask for a name that is being looked up share that look-up. So a name whose servers don't answer uses
    one thread, however often it is asked for.
    """
    calls: SharedCalls[list[str]] = SharedCalls()

    def look(host: str) -> list[str]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    return lambda host: calls.ask(host, lambda: in_thread(look, host))
