"""The channel of a page whose owner names none: a key made of its address, the same in the browser and on the server.

The key is the path and query in RFC 3986 normal form (section 6.2.2), read as a browser reads an address (WHATWG URL):
without scheme, host, fragment, what advertising adds (`TRACKING`), empty parts of the query and slashes at the end.
``/`` is the front page. Escapes of unreserved characters are decoded, others are in upper case; what an address can't
hold is escaped as UTF-8. The key of a normal form is itself.

`key` of ``cackled/web/lib/key.js`` does the same; ``tests/support/page_keys.json`` holds what both must give.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import idna

MOST = 500
# Of a key that is too long: what stays, before "~" and 16 hexadecimal digits of a hash of the rest.
KEPT = 483
# Names of parameters that say how a visitor came, not where to. "*" stands for any end of a name, or for letters before
# it: fbclid, gclid, dclid, yclid, ysclid, ttclid, twclid.
TRACKING = (
    "utm_*", "*clid", "gclsrc", "gbraid", "wbraid", "gad_*", "srsltid", "_openstat", "msclkid", "li_fat_id", "igshid",
    "igsh", "mc_cid", "mc_eid", "mkt_tok", "_hsenc", "_hsmi", "_ga", "_gl", "vero_id", "oly_enc_id", "oly_anon_id",
    "mtm_*", "pk_campaign", "pk_kwd",
)  # fmt: skip

# What browsers leave out wherever it stands, and at the ends.
_LEFT_OUT = re.compile("[\t\n\r]")
_ENDS = "".join(map(chr, range(0x21)))
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE | re.ASCII)
_ABSOLUTE = re.compile(r"https?://[^/?#\\]", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ODD = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9_.~!$&'()*+,;=:@/-]", re.ASCII)
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]", re.ASCII)
_PORTS = {"http": ":80", "https": ":443"}
_FNV_START = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3


def parameter_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """What parameters of these names look like in a normal query."""
    made = "|".join(re.escape(name).replace(r"\*", "[^=]*" if name.endswith("*") else "[a-z0-9_]+") for name in names)
    return re.compile(f"(?:{made})(?:=|$)", re.IGNORECASE | re.ASCII)


_TRACKING = parameter_pattern(TRACKING)


def is_address(key: str) -> bool:
    """Whether *key* is the whole address of a page, as the default was in former releases."""
    return _ABSOLUTE.match(key) is not None


def page_key(address: str, *, host: bool = False, leave_out: re.Pattern[str] | None = None) -> str:
    """The key of the page at *address*, which may be relative to its host, or a key already.

    *host*: with the host before it, ``//example.com/path``, where the address has one: without ``www.`` and the port
    that goes with the scheme. *leave_out*: further parameters of no meaning, by `parameter_pattern`.
    """
    text = _SURROGATE.sub("\ufffd", address)
    text = _LEFT_OUT.sub("", text.strip(_ENDS)).partition("#")[0]
    rest, _, query = text.partition("?")
    scheme = _SCHEME.match(rest)
    name = scheme[1].lower() if scheme else "http"
    rest = rest[scheme.end() :] if scheme else rest
    special = name in ("http", "https", "file")
    if special:
        rest = rest.replace("\\", "/")
    authority = ""
    # After http: a browser takes any number of slashes for two.
    if rest.startswith("//") or (scheme and special and name != "file"):
        authority, slash, rest = (rest.lstrip("/") if special and name != "file" else rest[2:]).partition("/")
        rest = slash + rest
    path = "/".join(_segments(_normal(rest)))
    parts = [part for part in _normal(query, query=True).split("&") if part and _TRACKING.match(part) is None]
    if leave_out is not None:
        parts = [part for part in parts if leave_out.match(part) is None]
    key = fit("/" + path.strip("/") + ("?" + "&".join(parts) if parts else ""))
    where = _host(authority, name if scheme else "") if host else ""
    return fit(f"//{where}{key}") if where else key


def fit(key: str) -> str:
    """*key*; where it is too long, its beginning and a hash of the rest (FNV-1a, 64 bits, RFC 9923; UTF-16 units)."""
    raw = key.encode("utf-16-le", "surrogatepass")
    if len(raw) <= 2 * MOST:
        return key
    units = [raw[n] | raw[n + 1] << 8 for n in range(0, len(raw), 2)]
    kept = KEPT
    if 0xD800 <= units[kept - 1] < 0xDC00:
        kept -= 1
    # No escape is cut in two.
    for back in (1, 2):
        if units[kept - back] == 0x25:
            kept -= back
            break
    hash = _FNV_START
    for unit in units[kept:]:
        hash = (hash ^ unit) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{raw[: 2 * kept].decode('utf-16-le', 'replace')}~{hash:016x}"


def _normal(text: str, query: bool = False) -> str:
    """*text* with every escape as it has to be, and everything escaped that must be."""

    def write(found: re.Match[str]) -> str:
        what = found[0]
        if len(what) == 3:
            letter = chr(int(what[1:], 16))
            return letter if _UNRESERVED.match(letter) else what.upper()
        if query and what == "?":
            return what
        return "".join(f"%{byte:02X}" for byte in what.encode())

    text = _ODD.sub(write, text)
    # Browsers do so, in queries alone.
    return text.replace("'", "%27") if query else text


def _segments(path: str) -> list[str]:
    """The segments of *path* without ``.`` and ``..`` (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for number, segment in enumerate(segments):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
            continue
        if number == len(segments) - 1:
            kept.append("")
    return kept


def _host(authority: str, scheme: str) -> str:
    host = authority.rpartition("@")[2].lower()
    if not host.isascii():
        name, colon, port = host.partition(":")
        try:
            host = idna.encode(name, uts46=True).decode("ascii") + colon + port
        except idna.IDNAError:
            host = _normal(host)
    host = host.removesuffix(_PORTS.get(scheme, "")).removesuffix(":") if _PORTS.get(scheme) else host
    return host.removeprefix("www.")
