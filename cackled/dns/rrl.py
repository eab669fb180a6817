"""Response rate limiting: keeps attackers from using this server to flood others.

The source address of a UDP query can be forged. So an address that is not proven gets no answer of more than
`AMPLIFICATION` times its query (the responder enforces that), and only a number of equal answers a second per network
(/24, /56), which is counted here. Above the limit, the answer has no records and the TC bit. It is no bigger than the
query, and makes a real client use TCP, which proves its address. Far above the limit, most answers are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .cookies import packed_host

WINDOW = 1.0
AMPLIFICATION = 2
# An address that spoke TCP may have this many times the rate, for this long.
PROVEN_FACTOR = 25
PROVEN_SECONDS = 600.0
MAX_KEYS = 100_000


# What to do with an answer: send it, whatever its size; send it if it is small, as the address is not proven; else.
# Plain numbers: this is asked for every datagram.
SEND, SMALL, TRUNCATE, DROP = 0, 1, 2, 3
KINDS = 5

# The counts of one network in the current window: answers by kind, then these.
_WINDOW, _RATE, _PROVEN = KINDS, KINDS + 1, KINDS + 2
_NOTHING = [0.0] * KINDS


class RateLimit:
    """Counts answers and bytes by network.

    ``exempt`` has the addresses without a limit; the caller looks there first. The addresses of networks given as
    *exempt* are added when they are first seen.

    Args:
        rate: equal answers per second and network; 0 is no limit.
        slip: one in so many answers over the rate is sent truncated, the others are dropped; 0 drops all.

    Raises:
        ValueError: one of *exempt* is no network.
    """

    def __init__(self, clock: IReactorTime, rate: int, slip: int, exempt: Sequence[str] = ()) -> None:
        self._clock = clock
        self._rate = rate or float("inf")
        self._slip = slip
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in exempt]
        self.exempt: set[str] = set()
        # All addresses of a network share one record; a proven address has its own.
        self._hosts: dict[str, list[float]] = {}
        self._records: dict[bytes, list[float]] = {}
        self._proven: dict[str, float] = {}
        # Windows are numbered and ended by a timer, so that the time need not be read for every datagram.
        self._window = 0
        self._timer: IDelayedCall | None = None
        self.truncated = 0
        self.dropped = 0

    def prove(self, host: str) -> None:
        """Note that *host* has completed a TCP handshake: for a while its address counts as proven."""
        now = self._clock.seconds()
        if self._proven.pop(host, 0) <= now:
            self._hosts.pop(host, None)
            if len(self._proven) >= MAX_KEYS:
                # Ordered by the last proof; the oldest is removed.
                del self._proven[next(iter(self._proven))]
        self._proven[host] = now + PROVEN_SECONDS

    def check(self, host: str, kind: int) -> int:
        """Judge an answer of class *kind* to *host*, and count it."""
        record = self._hosts.get(host)
        if record is None:
            record = self._enter(host)
            if record is None:
                return SEND
        if record[_WINDOW] != self._window:
            self._renew(host, record)
            return self.check(host, kind)
        count = record[kind] + 1
        record[kind] = count
        if count > record[_RATE]:
            if self._slip and not (count - record[_RATE]) % self._slip:
                self.truncated += 1
                return TRUNCATE
            self.dropped += 1
            return DROP
        return SEND if record[_PROVEN] else SMALL

    def knows(self, host: str) -> bool:
        """Whether `check` has judged *host* before and remembers it."""
        return host in self.exempt or host in self._hosts

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _renew(self, host: str, record: list[float]) -> None:
        """Reset the record to the current window."""
        self._arm()
        record[:KINDS] = _NOTHING
        record[_WINDOW] = self._window
        if record[_PROVEN] and self._clock.seconds() >= self._proven.get(host, 0):
            # The proof is too old: the address shares the record of its network again.
            self._proven.pop(host, None)
            del self._hosts[host]

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(WINDOW, self._next)

    def _next(self) -> None:
        self._window += 1
        self._timer = None

    def _enter(self, host: str) -> list[float] | None:
        """The record that *host* counts in from now on; None for one that is exempt."""
        address = ip_address(host.partition("%")[0])
        if any(address in network for network in self._networks):
            if len(self.exempt) < MAX_KEYS:
                self.exempt.add(host)
            return None
        self._arm()
        if len(self._hosts) >= MAX_KEYS or len(self._records) >= MAX_KEYS:
            # Too many addresses, probably forged: all records are dropped, and everybody begins a new window.
            self._hosts.clear()
            self._records.clear()
        if self._proven.get(host, 0) > self._clock.seconds():
            record: list[float] = [*_NOTHING, self._window, self._rate * PROVEN_FACTOR, 1]
        else:
            packed = packed_host(host)
            prefix = packed[:3] if len(packed) == 4 else packed[:7]
            found = self._records.get(prefix)
            if found is None:
                found = self._records[prefix] = [*_NOTHING, self._window, self._rate, 0]
            record = found
        self._hosts[host] = record
        return record
