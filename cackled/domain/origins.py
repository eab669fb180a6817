"""Origins as operators type them, made into the patterns that browsers' ``Origin`` headers are compared with.

A browser sends names in punycode, lower case, without a path (RFC 6454 section 6.2, WHATWG URL).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from unicodedata import category
from urllib.parse import urlsplit

import idna
from msgspec import Struct

LONGEST = 255
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[0-9]{1,5}|\*")
_PATTERN = re.compile(
    r"(?:(https?)://)?((?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:]+\])(?::([0-9]{1,5}|\*))?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginError(ValueError):
    """That can't be an origin; the message says why, and what to write."""


def normalise(text: str) -> str:
    """*text* as a pattern ``[scheme://][*.]host[:port|:*]``: punycode, lower case, nothing behind it.

    Raises:
        OriginError: it is none.
    """
    given = text.strip()
    shown = given[:100]
    if not given:
        raise OriginError("an origin is a host: example.com, *.example.com or localhost:*")
    if given.lower() == "null":
        raise OriginError(
            "null can't be allowed: any page can have that origin (sandboxed frames, files); "
            "serve the page from a host, or give the frame allow-same-origin"
        )
    if given in ("*", "*.*", "*:*"):
        raise OriginError("every page of the web can't be allowed; name hosts: example.com, *.example.com")
    scheme, slashes, rest = given.partition("://")
    if not slashes:
        scheme, rest = "", given
    scheme = scheme.lower()
    if slashes and scheme not in ("http", "https"):
        raise OriginError(f"{shown!r}: an origin begins with https://, http:// or the host itself")
    rest, path = re.match(r"([^/?#\\]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if path not in ("", "/"):
        raise OriginError(f"{shown!r}: an origin has no path; write {given[: len(given) - len(path)][:100]}")
    if "@" in rest:
        raise OriginError(f"{shown!r}: an origin has no user")
    host, port = _split(rest, shown)
    if port == "0" or (port not in ("", "*") and int(port) > 65_535):
        raise OriginError(f"{shown!r}: there is no port {port}")
    made = (f"{scheme}://" if scheme else "") + _host(host, shown) + (f":{port}" if port else "")
    if len(made) > LONGEST:
        raise OriginError(f"{shown!r} is too long")
    return made


def readable(pattern: str) -> str:
    """A pattern with its names in their own script."""
    return re.sub(r"xn--[a-z0-9-]+", lambda match: _decoded(match[0]), pattern)


class OriginPattern(Struct, frozen=True):
    """``[scheme://][*.]host[:port|:*]``; without a scheme both, without a port the scheme's own."""

    scheme: str | None
    host: str
    port: str | None

    @classmethod
    def parse(cls, text: str) -> OriginPattern:
        """Read a pattern.

        Raises:
            ValueError: it is none.
        """
        match = _PATTERN.fullmatch(text.lower())
        if match is None:
            raise ValueError(f"{text!r} is no origin pattern: write example.com, *.example.com or localhost:*")
        return cls(match[1], match[2], match[3])

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether an origin taken apart fits."""
        if self.scheme is not None and self.scheme != scheme:
            return False
        if self.host.startswith("*."):
            if not host.endswith(self.host[1:]) or len(host) < len(self.host):
                return False
        elif host != self.host:
            return False
        if self.port == "*":
            return True
        return port == (int(self.port) if self.port else _DEFAULT_PORTS[scheme])


@lru_cache(maxsize=1024)
def split_origin(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an ``Origin`` header, or None where it is not one of a web page (``null`` too)."""
    if len(origin) > 300:
        return None
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path or parts.query or parts.fragment:
        return None
    if parts.username is not None or parts.password is not None:
        return None
    host = parts.hostname.lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.netloc.lower() not in (host, f"{host}:{port}"):
        return None  # something around the host that a browser would not write
    return parts.scheme, host, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def _split(rest: str, shown: str) -> tuple[str, str]:
    if rest.startswith("["):
        host, bracket, port = rest.partition("]")
        if not bracket:
            raise OriginError(f"{shown!r}: a bracket is not closed")
        host += "]"
        if port[:1] not in ("", ":"):
            raise OriginError(f"{shown!r} is no origin")
        colon, port = port[:1], port[1:]
    else:
        host, colon, port = rest.partition(":")
        if ":" in port:
            raise OriginError(f"{shown!r}: an IPv6 address stands in brackets, [::1]:8080")
    if colon and not (port.isascii() and _PORT.fullmatch(port)):
        raise OriginError(f"{shown!r}: a port is a number, or * for all")
    return host, port.lstrip("0") or port[:1]


def _host(host: str, shown: str) -> str:
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            raise OriginError(f"{shown!r}: that is no IPv6 address") from None
    star, host = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    host = host.rstrip(".").lower() if not host.endswith("..") else host
    if not host:
        raise OriginError(f"{shown!r} names no host")
    if "*" in host:
        raise OriginError(f"{shown!r}: a star stands for what is in front of a host, *.example.com")
    labels = re.split("[.\u3002\uff0e\uff61]", host)
    return star + ".".join(_label(label, shown) for label in labels)


def _label(label: str, shown: str) -> str:
    if not label.isascii():
        try:
            label = _punycode(label)
        except (idna.IDNAError, UnicodeError) as error:
            raise OriginError(f"{shown!r}: {label!r} can't be part of a host name ({error})") from None
    if _LABEL.fullmatch(label) is None:
        why = "is too long" if len(label) > 63 else "is empty" if not label else "is no part of a host name"
        raise OriginError(f"{shown!r}: {label[:70]!r} {why}; write example.com, *.example.com or localhost:*")
    return label


def _punycode(label: str) -> str:
    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.InvalidCodepoint:
        # Symbols and emoji, which browsers let pass (UTS 46) and registries of old gave out.
        mapped = idna.uts46_remap(label, std3_rules=True)
        if any(category(one)[0] not in "SLNM" for one in mapped if one != "-"):
            raise
        return "xn--" + mapped.encode("punycode").decode("ascii")


def _decoded(label: str) -> str:
    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return label
