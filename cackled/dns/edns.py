"""EDNS: the OPT record, client subnet and the options that we know; cookies are in cookies.py.

RFC 6891 (EDNS), 7871 (client subnet), 5001 (NSID), 7873 (cookies), 8914 (extended errors).
"""

from __future__ import annotations

from .wire import EDNS_SIZE, PLAIN_SIZE

NSID_OPTION, SUBNET_OPTION, COOKIE_OPTION, ERROR_OPTION = 3, 8, 10, 15
NOT_AUTHORITATIVE, INVALID_TYPE = 20, 30
_ADDRESS_BITS = {1: 32, 2: 128}


class FormatError(Exception):
    """A message breaks the rules; the answer is FORMERR."""


class Subnet:
    """A client subnet of a query (RFC 7871 section 6): family 0, 1, 2; source bits; the address bytes as sent."""

    __slots__ = ("address", "bits", "family")

    def __init__(self, family: int, bits: int, address: bytes) -> None:
        self.family = family
        self.bits = bits
        self.address = address

    def option(self, scope: int) -> bytes:
        """The option for the reply: as it came, with the *scope* for which the answer holds."""
        size = len(self.address)
        return b"\0\x08%c%c%c%c%c%c" % (0, size + 4, 0, self.family, self.bits, scope) + self.address


class Edns:
    """The OPT record of a query. ``cookie`` is the option's bytes, ``subnet`` a `Subnet`."""

    __slots__ = ("cookie", "do", "nsid", "size", "subnet", "version")

    def __init__(self, size: int, version: int, do: bool) -> None:
        self.size = min(max(size, PLAIN_SIZE), EDNS_SIZE)
        self.version = version
        self.do = do
        self.nsid = False
        self.cookie: bytes | None = None
        self.subnet: Subnet | None = None


def parse_options(edns: Edns, rdata: bytes) -> None:
    """Read the options of a query's OPT record into *edns*; unknown ones are ignored.

    Raises:
        FormatError: an option overruns the record, or one that we know is malformed.
    """
    at, end = 0, len(rdata)
    while at < end:
        if end - at < 4:
            raise FormatError("option header cut short")
        code = rdata[at] << 8 | rdata[at + 1]
        stop = at + 4 + (rdata[at + 2] << 8 | rdata[at + 3])
        if stop > end:
            raise FormatError("option overruns the OPT record")
        value = rdata[at + 4 : stop]
        at = stop
        if code == SUBNET_OPTION:
            if edns.subnet is not None:
                raise FormatError("two client subnets")
            edns.subnet = parse_subnet(value)
        elif code == COOKIE_OPTION:
            # RFC 7873 section 5.2.2: 8 bytes, or 8 and a server cookie of 8 to 32. Only the first one counts.
            if len(value) != 8 and not 16 <= len(value) <= 40:
                raise FormatError("cookie of wrong length")
            if edns.cookie is None:
                edns.cookie = value
        elif code == NSID_OPTION:
            edns.nsid = True


def parse_subnet(value: bytes) -> Subnet:
    """Read a client subnet option strictly (RFC 7871 section 6).

    Raises:
        FormatError: wrong family, more bits than the family has, address of another length than the bits need,
            a scope in a query, or bits set beyond the source length.
    """
    if len(value) < 4:
        raise FormatError("client subnet cut short")
    family = value[0] << 8 | value[1]
    bits, scope, address = value[2], value[3], value[4:]
    # Family 0 is what clients send for "no subnet, please": /0 and nothing more.
    if family not in (0, 1, 2) or bits > _ADDRESS_BITS.get(family, 0):
        raise FormatError("client subnet of unknown family or too many bits")
    if scope or len(address) != (bits + 7) // 8:
        raise FormatError("client subnet with a scope or of wrong length")
    if bits % 8 and address[-1] & (0xFF >> bits % 8):
        raise FormatError("client subnet with bits beyond its length")
    return Subnet(family, bits, address)


def option(code: int, value: bytes) -> bytes:
    """One option on the wire."""
    return code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def extended_error(code: int) -> bytes:
    """An extended DNS error without text (RFC 8914)."""
    return option(ERROR_OPTION, code.to_bytes(2, "big"))


def opt_record(options: bytes = b"", *, do: bool = False, rcode: int = 0) -> bytes:
    """The OPT record of a reply: version 0, our size, no flag but DO, upper bits of *rcode*."""
    return b"\0\0\x29%c%c%c\0%c\0" % (EDNS_SIZE >> 8, EDNS_SIZE & 0xFF, rcode >> 4, 0x80 if do else 0) + (
        len(options).to_bytes(2, "big") + options
    )
