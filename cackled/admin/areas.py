"""The areas of the operator's console, implemented on the daemon's parts.

`cackled.admin.console` documents what each method promises.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from cackled.admin.console import BanKind, Verbatim
from cackled.cache.soft import SoftCache
from cackled.clock import wall_time
from cackled.cluster.membership import Membership, NodeState
from cackled.cluster.mesh import Mesh
from cackled.database.routing import Database
from cackled.database.server import UNKNOWN_LAG
from cackled.database.shards import ShardedDatabase
from cackled.database.tail import Tail
from cackled.domain.bans import Bans as SiteBans
from cackled.domain.channels import page_keys
from cackled.domain.commands import CommandError, Fact, Facts, Table, known_site
from cackled.domain.deletion import Deletions
from cackled.domain.erasure import Erasures
from cackled.domain.errors import Refused
from cackled.domain.origins import readable
from cackled.domain.outbox import Outbox
from cackled.domain.setting_table import SettingTable, as_text
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.domain.usage import Usage
from cackled.metrics import Metrics
from cackled.realtime.hub import Hub

# Age in seconds from which a node's heartbeat is too old to be shown as current.
SILENT = 5.0


class Live:
    """Realtime connections: `cackled.admin.console.LiveArea`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def sessions(self) -> Table:
        """One row per transport."""
        sessions = self._hub.stats().sessions
        return [{"transport": kind, "sessions": sessions[kind]} for kind in sorted(sessions)]

    def channels(self, most: int) -> Table:
        """The busiest channels."""
        return [{"channel": sub, "subscribers": count, "seq": seq} for sub, count, seq in self._hub.busiest(most)]


class Caches:
    """The soft cache and the microcache: `cackled.admin.console.CacheArea`."""

    def __init__(
        self, cache: SoftCache, microcache: Any, evict: Callable[[tuple[int, int]], None], clear: Callable[[], None]
    ) -> None:
        self._cache = cache
        self._microcache = microcache
        self._evict = evict
        self._clear = clear

    def caches(self) -> Table:
        """One row per cache."""
        rows = []
        for name, stats in (("soft", self._cache.stats()), ("microcache", self._microcache.stats())):
            facts = msgspec.to_builtins(stats) if isinstance(stats, msgspec.Struct) else dict(stats)
            rows.append({"cache": name, **{key: value for key, value in facts.items() if not isinstance(value, dict)}})
        return rows

    def evict(self, site: int, channel: int) -> None:
        """Drop the entries of one channel."""
        self._evict((site, channel))

    def clear(self) -> None:
        """Drop all entries."""
        self._clear()


class Servers:
    """PostgreSQL: `cackled.admin.console.DatabaseArea`."""

    def __init__(self, database: Database, tail: Tail, metrics: Metrics) -> None:
        self._database = database
        self._tail = tail
        self._metrics = metrics

    def servers(self) -> Table:
        """One row per server."""
        return [
            {
                "server": server.name,
                "role": ("" if server.alive else "was ") + ("primary" if server.primary else "replica"),
                "state": "up" if server.alive else "down",
                "latency_seconds": round(server.latency, 6) if server.alive else None,
                "lag_seconds": round(server.staleness, 3) if server.alive and server.staleness < UNKNOWN_LAG else None,
                "used": server is part.primary or (server.alive and not server.primary),
                "trouble": part.trouble(server),
            }
            for part in self._database.parts
            for server in part.servers
        ]

    def shards(self) -> Table:
        """One row per shard, where there are several."""
        database = self._database
        if not isinstance(database, ShardedDatabase):
            return []
        return [
            {
                "shard": number,
                "sites": database.sites_in(number) if number else "the others",
                "writable": part.writable,
                "tail_lag_seconds": round(max(0.0, database.now() - part.log()[1]), 3),
            }
            for number, part in database.shards.items()
        ]

    def tail(self) -> Facts:
        """The tail of the event log."""
        return {
            "connected": bool(self._tail.connected),
            "through": "the primary" if self._tail.connected else "a replica" if self._tail.copying else "nothing",
            "events": int(self._metrics.value("tail_events_total")),
            "lag_seconds": round(self._tail.lag, 3),
        }


class Sites:
    """The directory of sites: `cackled.admin.console.SiteArea`."""

    def __init__(
        self,
        directory: SiteDirectory,
        deletions: Deletions | None = None,
        check_url: Callable[[str], None] | None = None,
        demo: int | None = None,
    ) -> None:
        self._directory = directory
        self._deletions = deletions
        self._check_url = check_url
        self._table = SettingTable(directory.shape)
        # The site that the next start would create again.
        self._demo = demo

    def _values(self, site: Site) -> dict[str, Any]:
        return self._directory.shape.values(site.settings, site.products)

    async def sites(self) -> Table:
        """All sites of this deployment, and those pinned to others."""
        residency = self._directory.residency
        rows: list[Facts] = [
            {
                "site": site.id, "name": site.name, "origins": ", ".join(site.patterns), "deployment": residency.own,
            }
            for site in self._directory.all()
        ]  # fmt: skip
        away = {site: home for site, home in residency.pins.items() if home != residency.own}
        rows += [{"site": site, "name": "", "origins": "", "deployment": away[site]} for site in sorted(away)]
        return rows

    async def site(self, site: int) -> Facts:
        """One site."""
        found = known_site(self._directory, site)
        chosen = {key: value for key, value in self._values(found).items() if "secret" not in key}
        foreign = [f"{one} = {readable(one)}" for one in found.patterns if readable(one) != one]
        return Verbatim(
            site=found.id, name=found.name, deployment=self._directory.residency.own, origins=list(found.patterns),
            **({"origins_read": foreign} if foreign else {}), **chosen,
        )  # fmt: skip

    async def add(self, name: str, origins: Sequence[str], number: int | None = None) -> int:
        """Create a site."""
        try:
            made = await self._directory.add(name, origins, site_id=number)
        except Refused as error:
            raise CommandError(error.detail) from None
        if made is None and number is not None:
            raise CommandError(f"there is a site {number} already")
        if made is None:
            raise CommandError("another node made a site at the same moment; try again")
        return made.id

    async def pin(self, site: int, deployment: str) -> None:
        """Record the site's deployment."""
        try:
            await self._directory.pin(site, deployment)
        except Refused as error:
            raise CommandError(error.detail) from None

    async def unpin(self, site: int) -> bool:
        """Remove the record of the site's deployment."""
        return await self._directory.unpin(site)

    async def add_origin(self, site: int, pattern: str) -> None:
        """Add an origin."""
        try:
            await self._directory.add_origin(site, pattern)
        except Refused as error:
            raise CommandError(error.detail) from None

    async def remove_origin(self, site: int, pattern: str) -> None:
        """Remove an origin."""
        try:
            await self._directory.remove_origin(site, pattern)
        except Refused as error:
            raise CommandError(error.detail) from None

    async def set(self, site: int, key: str, value: str) -> Fact:
        """Change a setting."""
        known_site(self._directory, site)
        try:
            name = self._table.whole_name(key)
            made = await self._directory.change(site, name, self._table.read(key, value, self._check_url))
        except Refused as error:
            raise CommandError(error.detail) from None
        changed: Fact = self._values(made)[name]
        return "(set)" if "secret" in name and changed else changed

    async def settings(self, site: int | None) -> Table:
        """All settings."""
        values = None if site is None else self._values(known_site(self._directory, site))
        rows: list[Facts] = []
        for one in self._table.settings.values():
            row: dict[str, Fact] = {"setting": one.name}
            if values is not None:
                value = as_text(values[one.name])
                row["value"] = "(none)" if not value else "(set)" if one.secret else value
            row |= {"default": one.default, "allowed": one.allowed, "what": one.help}
            rows.append(row)
        return rows

    async def rename(self, site: int, name: str) -> None:
        """Rename the site."""
        known_site(self._directory, site)
        try:
            await self._directory.rename(site, name)
        except Refused as error:
            raise CommandError(error.detail) from None

    async def holdings(self, site: int) -> Facts:
        """What deleting the site would remove."""
        found, deletions = self._deletable(site)
        return {"site": site, "name": found.name, **await deletions.holdings(site)}

    async def delete(self, site: int, name: str) -> Facts:
        """Delete the site and all its data."""
        found, deletions = self._deletable(site)
        if name != found.name:
            raise CommandError(f"nothing was deleted: the name of site {site} is {found.name!r}")
        return {"site": site, "name": name, "deleted_rows": await deletions.delete(site)}

    def _deletable(self, site: int) -> tuple[Site, Deletions]:
        found = known_site(self._directory, site)
        if self._deletions is None:
            raise CommandError("this process deletes no sites")
        if site == self._demo:
            raise CommandError(f"site {site} is the demo's, which every start makes: set [demo] enabled = false first")
        return found, self._deletions


class Bans:
    """Bans: `cackled.admin.console.BanArea`."""

    def __init__(
        self,
        directory: SiteDirectory,
        bans: Callable[[Site], SiteBans],
    ) -> None:
        self._directory = directory
        self._bans = bans

    async def bans(self, site: int) -> Table:
        """Bans in force."""
        bans = await self._bans(known_site(self._directory, site)).bans()
        return [{"kind": ban.kind, "value": ban.value, "until": ban.until} for ban in bans]

    async def ban(self, site: int, kind: BanKind, value: str, seconds: float | None) -> None:
        """Add a ban."""
        until = None if seconds is None else wall_time() + seconds
        try:
            await self._bans(known_site(self._directory, site)).ban(kind, value, until)
        except Refused as error:
            raise CommandError(error.detail) from None

    async def unban(self, site: int, kind: BanKind, value: str) -> bool:
        """Remove a ban."""
        return await self._bans(known_site(self._directory, site)).unban(kind, value)


class Pages:
    """The pages of channels: `cackled.admin.console.PageArea`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self, channels: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """The page keys of channels, where known."""
        by_site: dict[int, list[int]] = {}
        for site, channel in channels:
            by_site.setdefault(site, []).append(channel)
        found: dict[tuple[int, int], str] = {}
        for site, wanted in by_site.items():
            found |= {(site, channel): key for channel, key in (await page_keys(self._database, site, wanted)).items()}
        return found


class Cluster:
    """All nodes: `cackled.admin.console.ClusterArea`. Without a mesh only their liveness is known."""

    def __init__(
        self, membership: Membership, mesh: Mesh | None, forget: Callable[[str], Awaitable[bool]] | None = None
    ) -> None:
        self._membership = membership
        self._mesh = mesh
        self._forget = forget

    async def forget(self, node: str) -> bool:
        """Remove a node from the database's list of nodes."""
        return self._forget is not None and await self._forget(node)

    def nodes(self) -> Table:
        """One row per node, this one first."""
        own = self._membership.own
        seen = self._mesh.states() if self._mesh is not None else {}
        rows = []
        for node in sorted(self._membership.states(), key=lambda node: (node.name != own, node.name)):
            row: dict[str, Fact] = {
                "node": f"{node.name} (this)" if node.name == own else node.name,
                "state": _state(node),
                "since_seconds": round(node.since, 1),
            }
            told = seen.get(node.name)
            if told is not None:
                # Figures last sent by a node that is not heard now are out of date.
                now = node.name == own or (told.heard is not None and told.heard < SILENT)
                row["ready"] = told.ready if now else None
                row["writes"] = told.writes if now else None
                row["linked"] = told.linked
                row["connections"] = told.connections if now else None
                row["free"] = f"{told.free:.0%}" if now else None
                row["round_trip_seconds"] = None if told.round_trip is None or not now else round(told.round_trip, 5)
                row["db_lag_seconds"] = None if told.lag is None or not now else round(told.lag, 3)
                row["version"] = told.version
                row["heard_seconds"] = None if told.heard is None else round(told.heard, 1)
                row["trouble"] = told.trouble
            rows.append(row)
        return rows


def _state(node: NodeState) -> str:
    if node.live:
        return "draining" if node.draining else "live"
    return "down" if node.returns_in is None else f"down, back in {node.returns_in:.0f} s"


class Usages:
    """Usage: `cackled.admin.console.UsageArea`."""

    def __init__(self, directory: SiteDirectory, usage: Usage) -> None:
        self._directory = directory
        self._usage = usage

    async def usage(self, site: int, month: str) -> Table:
        """The usage of a site in one month."""
        try:
            found = await self._usage.month(known_site(self._directory, site).id, month)
        except ValueError:
            raise CommandError("a month is written 2026-11") from None
        rows: list[Facts] = [
            {"preference": one.value, "reads": reads, "credits": credits} for one, reads, credits in found
        ]
        total: Facts = {
            "preference": "total",
            "reads": sum(reads for _, reads, _ in found),
            "credits": sum(credits for _, _, credits in found),
        }
        return [*rows, total]


class OutboxCommands:
    """The outbox: `cackled.admin.console.OutboxArea`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def waiting(self) -> Facts:
        """Number waiting, oldest age, and number given up."""
        waits, dead, age = await self._outbox.waiting()
        return {"waiting": waits, "oldest_seconds": age, "dead": dead}

    async def dead(self) -> Table:
        """Dead letters, the latest first."""
        return [msgspec.structs.asdict(one) for one in await self._outbox.dead()]

    async def retry(self, number: int) -> bool:
        """Retry a dead letter, with all its attempts."""
        return await self._outbox.requeue(number)


class ErasureCommands:
    """Erasures: `cackled.admin.console.ErasureArea`."""

    def __init__(self, directory: SiteDirectory, erasures: Erasures) -> None:
        self._directory = directory
        self._erasures = erasures

    async def erase(self, site: int, visitor: int) -> int:
        """Erase a visitor's data; checks that the site exists."""
        return await self._erasures.erase(known_site(self._directory, site).id, visitor)
