"""What operator commands need from the daemon: one small protocol per area, collected in a `Console`.

The composition root passes the areas that its process has; a command whose area is missing says so. Areas give plain
data (`cackled.domain.commands.Data`), and raise `cackled.domain.commands.CommandError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cackled.domain.commands import Command, Fact, Facts, Table

BanKind = Literal["ip", "visitor", "word"]


class Verbatim(dict[str, Fact]):
    """Facts whose names can be typed in commands: the text view shows them unchanged, and numbers without units."""


class ProcessArea(Protocol):
    """This process; implemented by `cackled.admin.process.LocalProcess`."""

    def facts(self) -> Facts:
        """Node, version, uptime, reactor lag, memory."""

    def collect(self) -> Facts:
        """Run a full garbage collection. The daemon does nothing else meanwhile."""

    async def drain(self) -> Facts:
        """Leave DNS, become unready and tell clients to reconnect elsewhere. The process keeps running."""

    async def undrain(self) -> Facts:
        """End a drain: take visitors again."""

    async def shutdown(self) -> None:
        """Begin an orderly stop and return at once."""


class LiveArea(Protocol):
    """Realtime connections. Like requests and caches they may belong to other processes, whose answers are awaited."""

    def sessions(self) -> Table | Awaitable[Table]:
        """One row per transport: ``transport``, ``sessions`` and whatever else is known."""

    def channels(self, most: int) -> Table | Awaitable[Table]:
        """At most *most* channels, busiest first: ``channel`` (``site/id``), ``subscribers``, ..."""


class HappeningArea(Protocol):
    """Current problems, latest errors, and the busiest addresses and sites."""

    def problems(self) -> Table:
        """Current problems and their remedies: ``problem``, ``what``. No rows if there are none."""

    def disk(self) -> Table:
        """One row per folder: ``disk``, ``folder``, ``free_bytes``, ..."""

    def bus(self) -> Facts | None:
        """The Redis or Valkey that connects the workers; None where none is configured."""

    def errors(self) -> Table | Awaitable[Table]:
        """The latest warnings and errors in the log, newest first."""

    def addresses(self, most: int) -> Table | Awaitable[Table]:
        """At most *most* addresses, busiest first: ``address``, ``connections``, ``calls``."""

    def sites(self, most: int) -> Table | Awaitable[Table]:
        """At most *most* sites, busiest first: ``site``, ``reads``, ``subscribers``."""


class RequestArea(Protocol):
    """The public HTTP listeners."""

    def requests(self) -> Facts | Awaitable[Facts]:
        """Open connections, requests so far, answers by class."""


class CacheArea(Protocol):
    """The soft cache and the microcache of this process."""

    def caches(self) -> Table | Awaitable[Table]:
        """One row per cache: ``cache``, entries, bytes, hits, misses, ..."""

    def evict(self, site: int, channel: int) -> Awaitable[None] | None:
        """Drop all that was built from one channel."""

    def clear(self) -> Awaitable[None] | None:
        """Drop everything."""


class DatabaseArea(Protocol):
    """PostgreSQL as this process sees it."""

    def servers(self) -> Table:
        """One row per server: ``server``, role, state, latency, lag, connections."""

    def shards(self) -> Table:
        """One row per shard: ``shard``, sites, writable, lag; none where there is one."""

    def tail(self) -> Facts:
        """How far the tail of the event log is behind."""


class SiteArea(Protocol):
    """The directory of sites. An unknown site is a `CommandError`."""

    async def sites(self) -> Table:
        """All sites, one line each."""

    async def site(self, site: int) -> Facts:
        """One site with its origins and settings."""

    async def add(self, name: str, origins: Sequence[str], number: int | None = None) -> int:
        """Create a site (with that number, if given) and return its id."""

    async def pin(self, site: int, deployment: str) -> None:
        """Record the deployment to which a site belongs."""

    async def unpin(self, site: int) -> bool:
        """Remove the record, so that the deployment follows from the site's number. False if there was none."""

    async def add_origin(self, site: int, pattern: str) -> None:
        """Let pages of *pattern* (``example.com``, ``*.example.com``, ``localhost:*``) embed the site."""

    async def remove_origin(self, site: int, pattern: str) -> None:
        """Take an origin away."""

    async def set(self, site: int, key: str, value: str) -> Fact:
        """Change one setting; the text is turned into the setting's type, which is returned."""

    async def settings(self, site: int | None) -> Table:
        """Every setting: its value at *site*, default, allowed values, and what it is for."""

    async def rename(self, site: int, name: str) -> None:
        """Rename a site."""

    async def holdings(self, site: int) -> Facts:
        """What would be deleted with a site: its name and counts of its data."""

    async def delete(self, site: int, name: str) -> Facts:
        """Delete a site and all its data, if *name* is its name."""


class BanArea(Protocol):
    """Bans of a site."""

    async def bans(self, site: int) -> Table:
        """Bans in force: ``kind``, ``value``, ``until``."""

    async def ban(self, site: int, kind: BanKind, value: str, seconds: float | None) -> None:
        """Ban for *seconds*, or until it is removed."""

    async def unban(self, site: int, kind: BanKind, value: str) -> bool:
        """Remove a ban; returns False if there was none."""


class PageArea(Protocol):
    """The pages that channels belong to."""

    async def keys(self, channels: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """The page keys of (site, channel), where known."""


class ClusterArea(Protocol):
    """The nodes of the deployment as this one sees them."""

    def nodes(self) -> Table:
        """One row per node: ``node``, ``state``, and what its heartbeat tells."""

    async def forget(self, node: str) -> bool:
        """Remove a dead node from the database; returns False if it is not there."""


class UsageArea(Protocol):
    """How much sites read."""

    async def usage(self, site: int, month: str) -> Table:
        """Reads and credits of *month* ("2026-11"; "" for this month) by readPreference, and their sum."""


class WorkersArea(Protocol):
    """The worker processes, where visitors are served by workers."""

    def workers(self) -> Table:
        """One row per process: ``worker``, ``pid``, ``state``, ..."""

    def restart(self) -> str:
        """Start replacing the workers one by one without losing a connection; returns a message."""

    async def set_level(self, level: str) -> None:
        """Set the log level."""

    async def collect(self) -> Table:
        """Run a full garbage collection in each worker."""


class OutboxArea(Protocol):
    """Deliveries to other servers (mail, webhooks)."""

    async def waiting(self) -> Facts:
        """How many wait, the oldest one's age, and how many were given up."""

    async def dead(self) -> Table:
        """Deliveries that were given up, and why."""

    async def retry(self, number: int) -> bool:
        """Retry a dead letter; returns False if there is none with that number."""


class ErasureArea(Protocol):
    """Requests to erase a visitor's data."""

    async def erase(self, site: int, visitor: int) -> int:
        """Erase what a visitor left; returns the number of events written about it."""


class AccountArea(Protocol):
    """Accounts of staff. Every failure is a `CommandError`."""

    async def accounts(self) -> Table:
        """One row per account."""

    async def add(self, email: str, role: str, site: int) -> Facts:
        """An account with that role on a site (``""``: with none), and a link that signs its owner in, once."""

    async def link(self, email: str) -> Facts:
        """Another such link."""

    async def remove(self, email: str) -> str:
        """Delete the account; returns what was done."""


@dataclass(frozen=True, slots=True)
class Console:
    """The areas that this process has; None for those it lacks. ``commands`` are those of features, ready to run."""

    process: ProcessArea
    live: LiveArea | None = None
    requests: RequestArea | None = None
    cache: CacheArea | None = None
    database: DatabaseArea | None = None
    sites: SiteArea | None = None
    bans: BanArea | None = None
    pages: PageArea | None = None
    usage: UsageArea | None = None
    outbox: OutboxArea | None = None
    erasures: ErasureArea | None = None
    cluster: ClusterArea | None = None
    workers: WorkersArea | None = None
    happening: HappeningArea | None = None
    accounts: AccountArea | None = None
    commands: tuple[Command, ...] = ()
