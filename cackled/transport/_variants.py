"""Content codings: which one a client takes, and the compressed forms of a body."""

from __future__ import annotations

import zlib
from functools import lru_cache

import brotli

IDENTITY, GZIP, BROTLI = b"", b"gzip", b"br"
# Below this, compression saves less than its own header field costs.
SMALLEST = 256
_BROTLI_QUALITY = 5
_GZIP_LEVEL = 6
# A fifth of the time for a tenth more bytes: for what may never be asked for again.
_QUICK_QUALITY = 1
_QUICK_LEVEL = 1
_QUICK_WINDOW = 18
_TEXT = (b"text/", b"application/json", b"application/problem+json", b"application/javascript", b"image/svg+xml")


@lru_cache(maxsize=512)
def encoding_class(accept: bytes) -> bytes:
    """The coding to answer an Accept-Encoding of *accept* with: `BROTLI`, `GZIP` or `IDENTITY`.

    RFC 9110 section 12.5.3, boiled down to three classes so that the cache holds three forms at most.
    """
    weights: dict[bytes, float] = {}
    for part in accept.lower().split(b",", 32):
        name, _, rest = part.partition(b";")
        weight = 1.0
        rest = rest.strip()
        if rest.startswith(b"q="):
            try:
                weight = float(rest[2:])
            except ValueError:
                weight = 0.0
        weights[name.strip()] = weight
    other = weights.get(b"*", 0.0)
    if weights.get(BROTLI, other) > 0:
        return BROTLI
    if weights.get(GZIP, weights.get(b"x-gzip", other)) > 0:
        return GZIP
    return IDENTITY


def compressible(content_type: bytes | None, size: int) -> bool:
    """Whether a body of that type and size is worth compressing."""
    return size >= SMALLEST and content_type is not None and content_type.lower().startswith(_TEXT)


def compress(body: bytes, coding: bytes, *, best: bool = False, quick: bool = False) -> bytes:
    """*body* in *coding*; *best* takes all the time it needs (what is compressed once, at start), *quick* little."""
    if coding == BROTLI:
        if quick:
            return bytes(brotli.compress(body, quality=_QUICK_QUALITY, lgwin=_QUICK_WINDOW))
        return bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=11 if best else _BROTLI_QUALITY, lgwin=20))
    if coding == GZIP:
        packer = zlib.compressobj(9 if best else _QUICK_LEVEL if quick else _GZIP_LEVEL, zlib.DEFLATED, 31)
        return packer.compress(body) + packer.flush()
    return body


def unpacks(packed: bytes, body: bytes) -> bool:
    """Whether *packed* is *body* in brotli."""
    try:
        return bool(brotli.decompress(packed) == body)
    except brotli.error:
        return False


def variant_etag(etag: bytes, coding: bytes, *, quick: bool = False) -> bytes:
    """The entity tag of a coded form: a strong one gets a suffix, for the bytes differ (RFC 9110 section 8.8.3)."""
    if not coding or etag.startswith(b"W/"):
        return etag
    return etag[:-1] + b"-" + (coding[:1] if quick else coding) + b'"'


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether an If-None-Match names *etag* (weak comparison, RFC 9110 section 13.1.2)."""
    if if_none_match.strip() == b"*":
        return True
    bare = etag.removeprefix(b"W/")
    return any(tag.strip().removeprefix(b"W/") == bare for tag in if_none_match.split(b",", 64))
