"""DNS cookies: a client that sends a cookie made by us has proven its address (RFC 7873)."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2s
from hmac import compare_digest
from socket import AF_INET, AF_INET6, inet_pton

# RFC 9018 section 4.3: valid for an hour, renewed after half an hour; clocks may differ by five minutes.
LIFETIME = 3600
RENEW = 1800
SKEW = 300
ROTATION = 24 * 3600.0


class Cookies:
    """Makes and checks server cookies.

    A server cookie is 4 bytes of time and 12 bytes of keyed BLAKE2s over client cookie, time and address. Only we read
    it, so the layout is ours to choose (RFC 7873 section 4.2). The secret is replaced daily; the one before is still
    accepted.

    Args:
        wall: seconds since 1970.
        entropy: gives that many random bytes.
    """

    def __init__(self, wall: Callable[[], float], entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._wall = wall
        self._entropy = entropy
        self._secret = self._previous = entropy(32)

    def rotate(self) -> None:
        """Take a new secret; cookies made with the one before stay good until the next rotation."""
        self._previous, self._secret = self._secret, self._entropy(32)

    def answer(self, cookie: bytes, host: str) -> tuple[bytes, bool]:
        """The cookie for the reply to *cookie* (8, or 16 to 40 bytes), and whether it proves that *host* is real."""
        client, server = cookie[:8], cookie[8:]
        now = int(self._wall())
        address = packed_host(host)
        if len(server) == 16:
            age = (now - int.from_bytes(server[:4], "big") + 2**31) % 2**32 - 2**31
            if -SKEW <= age <= LIFETIME:
                if compare_digest(server[4:], self._hash(self._secret, client, server[:4], address)):
                    return (cookie if age < RENEW else self._make(client, now, address)), True
                if compare_digest(server[4:], self._hash(self._previous, client, server[:4], address)):
                    return self._make(client, now, address), True
        return self._make(client, now, address), False

    def _make(self, client: bytes, now: int, address: bytes) -> bytes:
        stamp = (now & 0xFFFFFFFF).to_bytes(4, "big")
        return client + stamp + self._hash(self._secret, client, stamp, address)

    @staticmethod
    def _hash(secret: bytes, client: bytes, stamp: bytes, address: bytes) -> bytes:
        return blake2s(client + stamp + address, key=secret, digest_size=12).digest()


def packed_host(host: str) -> bytes:
    """The 4 or 16 bytes of an address as sockets give it (a scope id is left out)."""
    if ":" in host:
        return inet_pton(AF_INET6, host.partition("%")[0])
    return inet_pton(AF_INET, host)
