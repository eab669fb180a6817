"""The PROXY protocol, versions 1 and 2: a load balancer's word about the client, before the client's first byte.

The specification is haproxy's ``proxy-protocol.txt``; what it leaves to the receiver is refused here.
"""

from __future__ import annotations

import re
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

V2 = b"\r\n\r\n\0\r\nQUIT\n"
V1_BYTES = 107
# The specification allows 64 KiB of extensions; balancers send a few dozen bytes.
V2_BYTES = 16 + 2048
PEEK = V2_BYTES

_V1 = re.compile(
    rb"PROXY (?:(TCP[46]) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) (\d{1,5}) (\d{1,5})|UNKNOWN[^\r\n]*)\r\n"
)
_TLV_SSL = 0x20


class ProxyError(Exception):
    """What came is no PROXY header; the message is a short reason."""


class Told(NamedTuple):
    """A header: its length, the client's address (None: the proxy speaks for itself), whether the client used TLS."""

    size: int
    client: tuple[str, int] | None
    secure: bool


def read(data: bytes) -> Told | None:
    """Read the header at the start of *data*; None when it is not complete.

    Raises:
        ProxyError: it is none, or malformed, or too long.
    """
    if data.startswith(V2):
        return _v2(data)
    if data.startswith(b"PROXY "):
        return _v1(data)
    if V2.startswith(data) or b"PROXY ".startswith(data):
        return None
    raise ProxyError("no-header")


def _v1(data: bytes) -> Told | None:
    line, end, _ = data[:V1_BYTES].partition(b"\n")
    if not end:
        if len(data) >= V1_BYTES:
            raise ProxyError("too-long")
        return None
    match = _V1.fullmatch(line + end)
    if match is None:
        raise ProxyError("malformed")
    size = len(line) + 1
    if match[1] is None:
        return Told(size, None, False)
    kind: type[IPv4Address] | type[IPv6Address] = IPv4Address if match[1] == b"TCP4" else IPv6Address
    try:
        source, _ = (kind(match[number].decode("ascii")) for number in (2, 3))
    except ValueError:
        raise ProxyError("malformed") from None
    ports = [int(match[number]) for number in (4, 5)]
    if max(ports) > 65535 or any(match[number] != b"%d" % int(match[number]) for number in (4, 5)):
        raise ProxyError("malformed")
    return Told(size, (str(source), ports[0]), False)


def _v2(data: bytes) -> Told | None:
    if len(data) < 16:
        return None
    version, family, length = struct.unpack_from("!BBH", data, 12)
    size = 16 + length
    if version not in (0x20, 0x21):
        raise ProxyError("malformed")
    if size > V2_BYTES:
        raise ProxyError("too-long")
    if len(data) < size:
        return None
    body = data[16:size]
    if version == 0x20 or family == 0x00:
        # LOCAL (a health check of the balancer's own), or a client whose address it does not know.
        return Told(size, None, False)
    if family == 0x11:
        address, width = socket.AF_INET, 4
    elif family == 0x21:
        address, width = socket.AF_INET6, 16
    else:
        raise ProxyError("family")
    ends = 2 * width + 4
    if len(body) < ends:
        raise ProxyError("malformed")
    port = struct.unpack_from("!H", body, 2 * width)[0]
    return Told(size, (socket.inet_ntop(address, body[:width]), port), _used_tls(body[ends:]))


def _used_tls(extensions: bytes) -> bool:
    """Whether PP2_TYPE_SSL says that the client connected over TLS."""
    while extensions:
        if len(extensions) < 3:
            raise ProxyError("malformed")
        kind, length = struct.unpack_from("!BH", extensions)
        if len(extensions) < 3 + length:
            raise ProxyError("malformed")
        if kind == _TLV_SSL:
            if length < 5:
                raise ProxyError("malformed")
            return bool(extensions[3] & 1)
        extensions = extensions[3 + length :]
    return False
