"""Rate limits: token buckets by key, bounded in number.

May touch: ground.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network

from twisted.internet.interfaces import IReactorTime

from cackled.domain.errors import TooFast


@lru_cache(maxsize=4096)
def address_key(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 address (mapped IPv4 as IPv4)."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip) >> 64 << 64, 64)))


def within(networks: Iterable[str]) -> Callable[[str], bool]:
    """Whether an address lies in one of *networks* (CIDR); what is no address lies in none.

    Raises:
        ValueError: one is no network.
    """
    known = [ip_network(text, strict=False) for text in networks]

    def test(address: str) -> bool:
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in known)

    # Asked at every call, mostly for addresses that were just asked for.
    return lru_cache(maxsize=4096)(test) if known else lambda address: False


class Buckets:
    """Token buckets: each key earns *rate* tokens a second up to *burst*.

    At most *max_keys* are remembered; the one unused for longest is forgotten first (and is full again then).
    ``spent(key, cost)`` is called after tokens were spent, for whoever counts over several processes and tells what is
    left by `correct`.
    """

    def __init__(self, clock: IReactorTime, rate: float, burst: float, max_keys: int = 100_000) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._max = max_keys
        self._state: OrderedDict[object, tuple[float, float]] = OrderedDict()
        self.spent: Callable[[object, float], None] | None = None

    def take(self, key: object, cost: float = 1.0) -> None:
        """Spend *cost* tokens of *key*; no more than all there can ever be.

        Raises:
            TooFast: there are not enough; nothing was spent.
        """
        now = self._clock.seconds()
        cost = min(cost, self._burst)
        tokens, then = self._state.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        if tokens < cost:
            self._state[key] = (tokens, now)
            raise TooFast((cost - tokens) / self._rate)
        self._state[key] = (tokens - cost, now)
        if len(self._state) > self._max:
            self._state.popitem(last=False)
        if self.spent is not None:
            self.spent(key, cost)

    def correct(self, key: object, tokens: float) -> None:
        """No more than *tokens* of *key* are left (less than none: spent in advance); more than we think is no news."""
        now = self._clock.seconds()
        known = self._state.get(key)
        if known is not None:
            left, then = known
            self._state[key] = (min(tokens, left + (now - then) * self._rate), now)
