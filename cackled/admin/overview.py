"""The command ``status``: the problems first, then an overview of everything.

Areas that other processes (workers) must be asked for are all asked at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred

from cackled.admin.console import Console, HappeningArea
from cackled.domain.commands import CommandError, Data, Facts, Table

# Number of addresses and sites shown.
BUSIEST = 5

_T = TypeVar("_T")


async def have(value: _T | Awaitable[_T]) -> _T:
    """The answer of an area, which may be a value or an awaitable."""
    return await value if isinstance(value, Awaitable) else value


def _begin(value: _T | Awaitable[_T]) -> Deferred[_T]:
    return Deferred.fromCoroutine(have(value))


async def status(console: Console) -> Data:
    """Sections, the problems first."""
    sections: dict[str, Facts | Table] = {}
    now = console.happening
    later: dict[str, Deferred[Facts] | Deferred[Table]] = {}
    if console.live is not None:
        later["sessions"] = _begin(console.live.sessions())
    if console.requests is not None:
        later["requests"] = _begin(console.requests.requests())
    if console.cache is not None:
        later["cache"] = _begin(console.cache.caches())
    last: dict[str, Deferred[Table]] = {}
    if now is not None:
        last["busiest addresses"] = _begin(now.addresses(BUSIEST))
        last["busiest sites"] = _begin(now.sites(BUSIEST))
        last["last errors"] = _begin(now.errors())
    if now is not None:
        sections["problems"] = now.problems()
    sections["process"] = console.process.facts()
    if now is not None:
        sections["disk"] = now.disk()
    if console.cluster is not None:
        sections["cluster"] = console.cluster.nodes()
    if console.workers is not None:
        sections["workers"] = console.workers.workers()
    bus = now.bus() if now is not None else None
    if bus is not None:
        sections["bus"] = bus
    for name, answer in later.items():
        sections[name] = await answer
    if console.database is not None:
        sections["database"] = console.database.servers()
        shards = console.database.shards()
        if shards:
            sections["shards"] = shards
        sections["tail"] = console.database.tail()
    for name, table in last.items():
        sections[name] = await table
    return sections


async def problems(console: Console, words: Sequence[str]) -> Data:
    """The current problems."""
    return _happening(console, "problems", words).problems()


async def errors(console: Console, words: Sequence[str]) -> Data:
    """The latest warnings and errors."""
    return await have(_happening(console, "errors", words).errors())


def _happening(console: Console, name: str, words: Sequence[str]) -> HappeningArea:
    if words:
        raise CommandError(f"usage: {name}")
    if console.happening is None:
        raise CommandError("this process does not know what goes on")
    return console.happening


async def busiest(now: HappeningArea, most: int) -> Data:
    """At most *most* addresses and sites."""
    return {"addresses": await have(now.addresses(most)), "sites": await have(now.sites(most))}
