"""What operator commands need of the daemon: one small protocol per area, gathered in a `Console`.

The composition root hands over the areas that its process has; a command whose area is absent says so. Everything is
plain data (`Data`), so that text and JSON are two views of the same answer. In names, ``_seconds`` and ``_bytes`` say
the unit; the text view makes them readable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Fact = str | int | float | bool | None | Sequence[str]
# Names and values of one thing.
Facts = Mapping[str, Fact]
# Rows of a table; the first row names the columns.
Table = Sequence[Facts]
# A line, facts, a table, or named sections of those.
Data = str | Facts | Table | Mapping[str, "Facts | Table"]

BanKind = Literal["ip", "visitor", "word"]


class CommandError(Exception):
    """A command can't be done; the message is one line for the operator. Areas raise it as well."""


class Verbatim(dict[str, Fact]):
    """Facts whose names can be typed back: the text view leaves them as they are, and numbers without units."""


class ProcessArea(Protocol):
    """This process: `cackled.admin.process.LocalProcess` is the real one."""

    def facts(self) -> Facts:
        """Node, version, uptime, reactor lag, memory."""

    def collect(self) -> Facts:
        """Run a full garbage collection; the daemon stands still meanwhile."""

    async def drain(self) -> Facts:
        """Leave DNS, turn unready and ask clients to move; the process stays up."""

    async def undrain(self) -> Facts:
        """Take visitors again."""

    async def shutdown(self) -> None:
        """Begin an orderly stop and return at once."""


class LiveArea(Protocol):
    """Realtime connections. Like requests and caches they may be those of other processes, who have to be asked."""

    def sessions(self) -> Table | Awaitable[Table]:
        """One row per transport: ``transport``, ``sessions`` and whatever else is known."""

    def channels(self, most: int) -> Table | Awaitable[Table]:
        """At most *most* channels, busiest first: ``channel`` (``site/id``), ``subscribers``, ..."""


class HappeningArea(Protocol):
    """What is going on just now: problems, the latest errors, who keeps this node busy."""

    def problems(self) -> Table:
        """What is wrong now and what to do: ``problem``, ``what``; none: nothing."""

    def disk(self) -> Table:
        """One row per folder: ``disk``, ``folder``, ``free_bytes``, ..."""

    def bus(self) -> Facts | None:
        """The Redis or Valkey beside the workers; None where there is none."""

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
    """The catalog of sites. An unknown site is a `CommandError`."""

    async def sites(self) -> Table:
        """All sites, shortly."""

    async def site(self, site: int) -> Facts:
        """One site with its origins and settings."""

    async def add(self, name: str, origins: Sequence[str], number: int | None = None) -> int:
        """Make a site (of that number, where one is given) and return its id."""

    async def pin(self, site: int, deployment: str) -> None:
        """Note in which deployment a site lives."""

    async def unpin(self, site: int) -> bool:
        """Let its number say so again; False where it was not pinned."""

    async def add_origin(self, site: int, pattern: str) -> None:
        """Let pages of *pattern* (``example.com``, ``*.example.com``, ``localhost:*``) embed the site."""

    async def remove_origin(self, site: int, pattern: str) -> None:
        """Take an origin away."""

    async def set(self, site: int, key: str, value: str) -> Fact:
        """Change one setting; the text is turned into the setting's type, which is returned."""

    async def settings(self, site: int | None) -> Table:
        """Every setting: its value at *site*, default, allowed values, and what it is for."""

    async def rename(self, site: int, name: str) -> None:
        """Call a site otherwise."""

    async def holdings(self, site: int) -> Facts:
        """What would go with a site: its name, and how much it has."""

    async def delete(self, site: int, name: str) -> Facts:
        """Delete a site and all it has, where *name* is its name."""


class BanArea(Protocol):
    """Bans of a site."""

    async def bans(self, site: int) -> Table:
        """Bans in force: ``kind``, ``value``, ``until``."""

    async def ban(self, site: int, kind: BanKind, value: str, seconds: float | None) -> None:
        """Ban for *seconds*, or until it is removed."""

    async def unban(self, site: int, kind: BanKind, value: str) -> bool:
        """Remove a ban; False when there was none."""

    async def lock(self, site: int, channel: int, locked: bool) -> str:
        """Close or open a conversation; gives its position."""

    async def remove(self, site: int, comment: int) -> str:
        """Delete anybody's comment; gives the position."""


class CommentArea(Protocol):
    """The comments of sites, for moderators. Whatever can't be done is a `CommandError`."""

    async def find(self, site: int, criterion: str, value: str, before: int | None) -> Table:
        """The newest that match (all: ""), older than comment *before*."""

    async def show(self, site: int, comment: int) -> Facts:
        """One comment, with all that is known of it."""

    async def remove(
        self, site: int, criterion: str, value: str, hours: float | None, confirmed: int | None, who: str
    ) -> Data:
        """What a removal would take; with *confirmed* (how many that are), the removal itself."""

    async def undo(self, site: int, removal: int) -> int:
        """Bring back what a removal took; gives how many comments."""

    async def removals(self, site: int) -> Table:
        """The removals of a site."""

    async def keys(self, channels: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """The page keys of (site, channel), as far as they are known."""


class PageArea(Protocol):
    """The keys of sites' pages. Whatever can't be done is a `CommandError`."""

    async def normalise(self, site: int, rule: str | None, confirmed: bool) -> Data:
        """What carrying the conversations of whole addresses over would do; with *confirmed*, do it."""


class ClusterArea(Protocol):
    """The nodes of the deployment as this one sees them."""

    def nodes(self) -> Table:
        """One row per node: ``node``, ``state``, and what its heartbeat tells."""

    async def forget(self, node: str) -> bool:
        """Take a node that is no more out of the database; False where it is not there."""


class UsageArea(Protocol):
    """What sites read."""

    async def usage(self, site: int, month: str) -> Table:
        """Reads and credits of *month* ("2026-11"; "": this one) by readPreference, and their sum."""


class WorkersArea(Protocol):
    """The processes that serve, where this one does not serve itself."""

    def workers(self) -> Table:
        """One row per process: ``worker``, ``pid``, ``state``, ..."""

    def restart(self) -> str:
        """Begin to replace each without losing a connection."""

    async def set_level(self, level: str) -> None:
        """Log from *level* on."""

    async def collect(self) -> Table:
        """Run a full garbage collection in each."""


class OutboxArea(Protocol):
    """Work for other servers."""

    async def waiting(self) -> Facts:
        """How much waits, how old it is, and how much was given up."""

    async def dead(self) -> Table:
        """What was given up, and why."""

    async def retry(self, number: int) -> bool:
        """Try a dead letter again; False when there is none of that number."""


class ErasureArea(Protocol):
    """Requests to be forgotten."""

    async def erase(self, site: int, visitor: int) -> int:
        """Scrub what a visitor left; gives how many events told of it."""


@dataclass(frozen=True, slots=True)
class Console:
    """The areas this process has; None where it has not."""

    process: ProcessArea
    live: LiveArea | None = None
    requests: RequestArea | None = None
    cache: CacheArea | None = None
    database: DatabaseArea | None = None
    sites: SiteArea | None = None
    bans: BanArea | None = None
    comments: CommentArea | None = None
    pages: PageArea | None = None
    usage: UsageArea | None = None
    outbox: OutboxArea | None = None
    erasures: ErasureArea | None = None
    cluster: ClusterArea | None = None
    workers: WorkersArea | None = None
    happening: HappeningArea | None = None
