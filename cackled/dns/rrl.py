"""Response rate limiting: nobody becomes a flood's victim through us.

UDP sources can be forged. Whoever has not proven to be there gets no answer of more than `AMPLIFICATION` times its
query, which is the responder's to see to, and a number of equal answers a second to a network (/24, /56), which is
counted here. What is over it is answered without records and with TC, which is no bigger than the query and sends a
real client to TCP, where it proves its address; of what is far over, most is dropped.
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

# One network's figures in the present window: answers by kind, then these.
_WINDOW, _RATE, _PROVEN = KINDS, KINDS + 1, KINDS + 2
_NOTHING = [0.0] * KINDS


class RateLimit:
    """Counts answers and bytes by network.

    ``exempt`` holds addresses that no limit applies to; the caller looks there first. Networks given as *exempt* are
    entered address by address as they are seen.

    Args:
        rate: equal answers per second and network; 0 is no limit.
        slip: of answers over the rate, one in this many is sent truncated, the others are dropped; 0 drops all.

    Raises:
        ValueError: one of *exempt* is no network.
    """

    def __init__(self, clock: IReactorTime, rate: int, slip: int = 2, exempt: Sequence[str] = ()) -> None:
        self._clock = clock
        self._rate = rate or float("inf")
        self._slip = slip
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in exempt]
        self.exempt: set[str] = set()
        # Addresses of one network share its record; an address that is proven has its own.
        self._hosts: dict[str, list[float]] = {}
        self._records: dict[bytes, list[float]] = {}
        self._proven: dict[str, float] = {}
        # Windows are numbered; a timer ends each, so that nobody asks for the time at every datagram.
        self._window = 0
        self._timer: IDelayedCall | None = None
        self.truncated = 0
        self.dropped = 0

    def prove(self, host: str) -> None:
        """*host* has completed a TCP handshake: for a while it is known not to be forged by everybody."""
        now = self._clock.seconds()
        if self._proven.pop(host, 0) <= now:
            self._hosts.pop(host, None)
            if len(self._proven) >= MAX_KEYS:
                # In the order of their last proof: the oldest goes, whoever made the others.
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
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _renew(self, host: str, record: list[float]) -> None:
        """Begin to count anew, in the present window."""
        self._arm()
        record[:KINDS] = _NOTHING
        record[_WINDOW] = self._window
        if record[_PROVEN] and self._clock.seconds() >= self._proven.get(host, 0):
            # The proof is too old: back to the neighbours.
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
            # Forged addresses without end: everybody begins a new window.
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
