"""The rate limits of calls, made from what products declare and the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cackled.cluster.bus import Bus, Limit
from cackled.config import ConfigError, Limits
from cackled.domain.limits import AddressBuckets, Buckets, CallLimits, within
from cackled.products.registry import Registry


def bucket_maker(clock: Any, bus: Bus | None) -> Callable[[str, float, float], Buckets]:
    """Makes buckets of a name, rate and burst; over *bus*, where there is one, all processes count together."""

    def make(name: str, rate: float, burst: float) -> Buckets:
        made = Buckets(clock, rate, burst)
        if bus is not None:
            bus.share(Limit(name, rate, burst), made)
        return made

    return make


def exempted(given: Limits) -> Callable[[str], bool]:
    """Whether no limit applies to an address.

    Raises:
        ConfigError: what is exempt is no network.
    """
    try:
        return within(given.exempt)
    except ValueError as error:
        raise ConfigError(f"[limits] exempt: {error}") from None


def call_limits(given: Limits, registry: Registry, clock: Any, bus: Bus | None) -> CallLimits:
    """The limits as *given* in the configuration; over *bus*, where there is one, all processes count together.

    Raises:
        ConfigError: they can't be used.
    """
    exempt = exempted(given)
    buckets = bucket_maker(clock, bus)

    def by_address(name: str, rate: float, burst: float) -> AddressBuckets:
        return AddressBuckets(lambda suffix, times: buckets(name + suffix, rate * times, burst * times))

    mine: dict[str, AddressBuckets] = {}
    theirs: dict[str, Buckets] = {}
    named = registry.limits(given)
    for limit in named:
        rate = limit.rate
        if not limit.like:
            mine[limit.name] = by_address(limit.name, rate.rate, rate.burst)
        if rate.site_rate is not None:
            theirs[limit.name] = buckets(f"{limit.name}/site", rate.site_rate, max(1.0, rate.site_rate * 2))
    mine |= {limit.name: mine[limit.like] for limit in named if limit.like}
    return CallLimits(mine, theirs, exempt)
