"""Which addresses a stranger may have us connect to.

May touch: the ground. The address that is checked is the address that is connected to: a name is resolved once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

# Prefixes whose addresses carry another one inside, through which a router may reach what is not global.
_CARRIERS = tuple(ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))
_NOBODY = tuple(ip_network(text) for text in ("fec0::/10", "3fff::/20", "192.88.99.0/24"))
LONGEST_URL = 2_000


class Refused(ValueError):
    """Such an address is never connected to; the message is for the operator."""


class Target(Struct, frozen=True):
    """A web address taken apart."""

    secure: bool
    host: str
    port: int


class Policy(Struct, frozen=True):
    """Which ports are allowed, and which networks beside the public Internet (CIDR)."""

    ports: tuple[int, ...] = (80, 443)
    networks: tuple[str, ...] = ()


def target_of(url: str, policy: Policy) -> Target:
    """Where *url* leads.

    Raises:
        Refused: it is no http address, names a user, or a port that is not allowed.
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
    # Python calls site-local addresses (RFC 3879) and documentation's second block (RFC 9637) global.
    if ip.is_multicast or ip.is_reserved or not ip.is_global or any(ip in network for network in _NOBODY):
        return False
    return not any(ip in network for network in _CARRIERS)


def checked(addresses: Iterable[str], policy: Policy) -> str:
    """The first of *addresses*, all of which have to be allowed.

    Raises:
        Refused: one is not, or there is none.
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
    """The system's resolver, in threads: gives a name's addresses; OSError where it has none just now.

    Who asks for a name that is being looked up waits for that answer: a name whose servers don't answer holds one
    thread, however often it is asked for meanwhile.
    """
    asked: dict[str, list[Deferred[list[str]]]] = {}

    def look(host: str) -> list[str]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    def told(result: list[str] | Failure, host: str) -> None:
        for waiter in asked.pop(host):
            # Some have waited long enough.
            if not waiter.called:
                waiter.callback(result)

    def resolve(host: str) -> Deferred[list[str]]:
        waiter: Deferred[list[str]] = Deferred()
        waiters = asked.setdefault(host, [])
        waiters.append(waiter)
        if len(waiters) == 1:
            in_thread(look, host).addBoth(told, host)
        return waiter

    return resolve
