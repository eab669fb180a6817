"""Parses endpoint strings of operator listeners: where they may listen, and how the command line reaches them.

Only the kinds that operator listeners use are known here: tcp, tcp6, unix.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

from cackled.config import ConfigError


class Place(Struct, frozen=True):
    """Where a listener listens: *host* and *port*, or *path* of a unix socket with its *mode*."""

    host: str = ""
    port: int = 0
    path: str = ""
    mode: int = 0o666


def parse(endpoint: str, key: str) -> Place:
    """Parse a server endpoint string; *key* is the configuration key named in error messages.

    Raises:
        ConfigError: it is malformed, or of a kind that operator listeners do not use.
    """
    parts = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", endpoint)]
    kind, words = parts[0], parts[1:]
    values = dict(word.split("=", 1) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    first = plain[0] if plain else ""
    if kind in ("tcp", "tcp6"):
        port = values.get("port", first)
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ConfigError(f"{key}: {endpoint!r} has no port")
        host = values.get("interface") or (plain[1] if len(plain) > 1 else "")
        return Place(host=host, port=int(port))
    if kind == "unix":
        path = values.get("address", first)
        try:
            mode = int(values.get("mode", "666"), 8)
        except ValueError:
            raise ConfigError(f"{key}: mode in {endpoint!r} is an octal number") from None
        if not path:
            raise ConfigError(f"{key}: {endpoint!r} has no path")
        return Place(path=path, mode=mode)
    raise ConfigError(f"{key}: {endpoint!r} is not tcp:, tcp6: or unix:")


def require_local(endpoint: str, key: str, *, private: bool = False) -> Place:
    """Refuse an endpoint that others can reach.

    Allowed are loopback addresses, unix sockets of mode 600, and with *private* the addresses of private networks (a
    mesh, a scraper in the same network).

    Raises:
        ConfigError: it is reachable from elsewhere; one line with a remedy.
    """
    place = parse(endpoint, key)
    if place.path:
        if place.mode & 0o077:
            raise ConfigError(f"{key}: a unix socket must be for its owner alone; add :mode=600 to {endpoint!r}")
        return place
    address: IPv4Address | IPv6Address | None
    try:
        address = ip_address(place.host.split("%")[0])
    except ValueError:
        address = None
    fine = address is not None and (
        address.is_loopback or (private and address.is_private and not address.is_unspecified)
    )
    if not fine:
        where = "a loopback or private address" if private else "loopback"
        raise ConfigError(f"{key}: {endpoint!r} must listen on {where}; add :interface=127.0.0.1")
    return place
