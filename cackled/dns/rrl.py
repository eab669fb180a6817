"""Response rate limiting: nobody becomes a flood's victim through us.

Part of dns; may touch the standard library and dns.cookies. UDP sources can be forged. Two bounds hold for whoever has
not proven to be there: a number of equal answers a second to a network (/24, /56), and bytes sent at most twice the
bytes received from it beyond a small allowance. What is over them is answered without records and with TC, which is no
bigger than the query and sends a real client to TCP, where it proves its address; of what is far over, most is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twisted.internet.interfaces import IReactorTime

from .cookies import packed_host

WINDOW = 1.0
AMPLIFICATION = 2
# Bytes per window and network that may be sent beyond AMPLIFICATION: ordinary questions never meet the bound.
ALLOWANCE = 2048
# An address that spoke TCP may have this many times the rate, for this long.
PROVEN_FACTOR = 25
PROVEN_SECONDS = 600.0
MAX_KEYS = 100_000


class Verdict(IntEnum):
    """What to do with an answer."""

    SEND = 0
    TRUNCATE = 1
    DROP = 2


class RateLimit:
    """Counts answers and bytes by network.

    ``exempt`` holds addresses that no limit applies to; the caller looks there first. Networks given as *exempt* are
    entered address by address as they are seen.

    Args:
        rate: equal answers per second and network; 0 turns the whole limit off.
        slip: of answers over the rate, one in this many is sent truncated, the others are dropped; 0 drops all.
    """

    def __init__(self, clock: IReactorTime, rate: int, slip: int = 2, exempt: Sequence[str] = ()) -> None:
        self._clock = clock
        self.rate = rate
        self._slip = slip
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in exempt]
        self.exempt: set[str] = set()
        self._prefixes: dict[str, bytes | None] = {}
        self._counts: dict[tuple[bytes, int], int] = {}
        self._spent: dict[bytes, int] = {}
        self._proven: dict[str, float] = {}
        self._until = 0.0
        self.truncated = 0
        self.dropped = 0

    def prove(self, host: str) -> None:
        """*host* has completed a TCP handshake: for a while it is known not to be forged by everybody."""
        if len(self._proven) >= MAX_KEYS:
            now = self._clock.seconds()
            self._proven = {key: end for key, end in self._proven.items() if end > now}
        if len(self._proven) < MAX_KEYS:
            self._proven[host] = self._clock.seconds() + PROVEN_SECONDS

    def check(self, host: str, kind: int, received: int, size: int) -> Verdict:
        """Judge an answer of *size* bytes of class *kind* to a query of *received* bytes from *host*, and count it."""
        if not self.rate:
            return Verdict.SEND
        now = self._clock.seconds()
        if now >= self._until:
            self._until = now + WINDOW
            self._counts.clear()
            self._spent.clear()
        prefix = self._prefixes.get(host)
        if prefix is None:
            prefix = self._prefix(host)
            if prefix is None:
                return Verdict.SEND
        rate = self.rate
        proven = self._proven.get(host)
        if proven is not None:
            if proven > now:
                prefix, rate = host.encode("ascii"), rate * PROVEN_FACTOR
            else:
                del self._proven[host]
                proven = None
        key = (prefix, kind)
        count = self._counts.get(key, 0) + 1
        if count > rate:
            self._counts[key] = count
            if self._slip and not (count - rate) % self._slip:
                self.truncated += 1
                return Verdict.TRUNCATE
            self.dropped += 1
            return Verdict.DROP
        if count > 1 or len(self._counts) < MAX_KEYS:
            self._counts[key] = count
        if proven is None:
            spent = self._spent.get(prefix, 0) + size - AMPLIFICATION * received
            # With the table full there is no allowance for newcomers.
            if spent > (ALLOWANCE if len(self._spent) < MAX_KEYS or prefix in self._spent else 0):
                self.truncated += 1
                return Verdict.TRUNCATE
            # Credit from small answers is not saved up: it would pay for one burst of big ones.
            if spent > 0:
                self._spent[prefix] = spent
            else:
                self._spent.pop(prefix, None)
        return Verdict.SEND

    def _prefix(self, host: str) -> bytes | None:
        address = ip_address(host.partition("%")[0])
        if any(address in network for network in self._networks):
            if len(self.exempt) < MAX_KEYS:
                self.exempt.add(host)
            return None
        packed = packed_host(host)
        prefix = packed[:3] if len(packed) == 4 else packed[:7]
        if len(self._prefixes) >= MAX_KEYS:
            self._prefixes.clear()
        self._prefixes[host] = prefix
        return prefix
