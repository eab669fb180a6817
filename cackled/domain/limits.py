"""Rate limits: token buckets by key, bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from heapq import nlargest
from ipaddress import ip_address, ip_network
from itertools import islice
from math import ceil
from operator import itemgetter

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from cackled.addresses import RATE_FACTORS, WIDER, network_of, wider
from cackled.domain.errors import TooFast
from cackled.token_bucket import refilled

# Under which key a caller's address is limited, see `AddressBuckets`.
address_key = network_of
# Of so many keys, those used last, the busiest are told.
LOOKED_AT = 20_000


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

    def check(self, key: object, cost: float = 1.0) -> None:
        """Check that `take` would succeed.

        Raises:
            TooFast: it would not.
        """
        now = self._clock.seconds()
        tokens, then = self._state.get(key, (self._burst, now))
        tokens = refilled(tokens, then, now, self._rate, self._burst)
        if tokens < cost:
            raise TooFast((cost - tokens) / self._rate)

    def take(self, key: object, cost: float = 1.0) -> None:
        """Spend *cost* tokens of *key*; no more than all there can ever be.

        Raises:
            TooFast: there are not enough; nothing was spent.
        """
        now = self._clock.seconds()
        cost = min(cost, self._burst)
        tokens, then = self._state.pop(key, (self._burst, now))
        tokens = refilled(tokens, then, now, self._rate, self._burst)
        if tokens < cost:
            self._state[key] = (tokens, now)
            raise TooFast((cost - tokens) / self._rate)
        self._state[key] = (tokens - cost, now)
        if len(self._state) > self._max:
            self._state.popitem(last=False)
        if self.spent is not None:
            self.spent(key, cost)

    def busiest(self, most: int) -> list[tuple[str, float]]:
        """At most *most* keys that have spent most just now, with what they have spent: of those used last."""
        now = self._clock.seconds()
        spent = [
            (self._burst - refilled(tokens, then, now, self._rate, self._burst), key)
            for key, (tokens, then) in islice(reversed(self._state.items()), LOOKED_AT)
        ]
        return [(str(key), used) for used, key in nlargest(most, spent, key=itemgetter(0)) if used >= 1.0]

    def allowance(self, name: str, key: object) -> Allowance:
        """What is left of *key*."""
        now = self._clock.seconds()
        tokens, then = self._state.get(key, (self._burst, now))
        tokens = max(0.0, refilled(tokens, then, now, self._rate, self._burst))
        return Allowance(
            name, int(self._burst), max(1, ceil(self._burst / self._rate)), int(tokens),
            ceil((self._burst - tokens) / self._rate),
        )  # fmt: skip

    def correct(self, key: object, tokens: float) -> None:
        """At most *tokens* of *key* are left (below 0: spent in advance). Higher numbers change nothing."""
        now = self._clock.seconds()
        known = self._state.get(key)
        if known is not None:
            left, then = known
            self._state[key] = (min(tokens, left + (now - then) * self._rate), now)


class Allowance(Struct, frozen=True):
    """How much of a limit is left: of ``quota`` calls in ``window`` seconds ``left``, and all again in ``reset``."""

    name: str
    quota: int
    window: int
    left: int
    reset: int


class AddressBuckets:
    """Buckets by caller, for `address_key`: those of an IPv6 network draw from those of the wider ones, too.

    *make* gives the buckets of a tier: a suffix for its name, and how many times what one caller has it may have.
    """

    def __init__(self, make: Callable[[str, int], Buckets]) -> None:
        self._own = make("", 1)
        self._wider = [make(f"/{bits}", factor) for bits, factor in zip(WIDER, RATE_FACTORS, strict=True)]

    def take(self, key: str, cost: float = 1.0) -> None:
        """Spend *cost* tokens of *key* and of what is around it.

        Raises:
            TooFast: one of them has not enough; nothing was spent.
        """
        around = wider(key)
        if not around:
            self._own.take(key, cost)
            return
        pairs = list(zip(self._wider, around, strict=True))
        for buckets, network in pairs:
            buckets.check(network, cost)
        self._own.take(key, cost)
        for buckets, network in pairs:
            buckets.take(network, cost)

    def allowance(self, name: str, key: str) -> Allowance:
        """What is left of *key*: the least of its own, and of what is around it."""
        pairs = zip(self._wider, wider(key), strict=False)
        found = [self._own.allowance(name, key), *(buckets.allowance(name, network) for buckets, network in pairs)]
        return min(found, key=lambda one: one.left)

    def busiest(self, most: int) -> list[tuple[str, float]]:
        """As `Buckets.busiest`, of the callers themselves."""
        return self._own.busiest(most)


class CallLimits:
    """The rate limits of calls, by name (``comments.post``): by caller's address, by site, or both.

    *exempt* says whose addresses draw from none.
    """

    def __init__(
        self,
        by_address: Mapping[str, AddressBuckets],
        by_site: Mapping[str, Buckets],
        exempt: Callable[[str], bool] = lambda address: False,
    ) -> None:
        self._by_address = by_address
        self._by_site = by_site
        self._exempt = exempt

    def __contains__(self, name: str) -> bool:
        return name in self._by_address or name in self._by_site

    def busiest(self, most: int) -> list[tuple[str, float]]:
        """At most *most* addresses that read most just now, with what they have spent."""
        return self._by_address["reads"].busiest(most)

    def allowances(self, name: str, address: str, site: int) -> list[Allowance]:
        """What is left of the limit *name* for *address* and, where the site has one of its own, for the site."""
        if self._exempt(address):
            return []
        mine, theirs = self._by_address.get(name), self._by_site.get(name)
        found = [] if mine is None else [mine.allowance(name, address_key(address))]
        return found if theirs is None else [*found, theirs.allowance(f"{name}/site", site)]

    def take(self, name: str, address: str, site: int, cost: float = 1.0) -> None:
        """Draw from the limit *name* for a call of *address* about *site*.

        Raises:
            TooFast: there is not enough left; what the address had is spent where only the site's is too little.
        """
        if self._exempt(address):
            return
        mine = self._by_address.get(name)
        if mine is not None:
            mine.take(address_key(address), cost)
        theirs = self._by_site.get(name)
        if theirs is not None:
            theirs.take(site, cost)


class LimitRow(Struct, frozen=True):
    """A rate limit of calls: ``rate`` per second and ``burst`` of one address, ``site_rate`` per second of a site."""

    name: str
    rate: float
    burst: float
    site_rate: float | None


class LimitTable(Struct, frozen=True):
    """The limits of calls as they hold, for owners of sites to read."""

    rows: tuple[LimitRow, ...] = ()
