"""A console without a daemon behind it, for tests of whatever runs operator commands.

It keeps sites and bans in dictionaries and notes what was done to it in `done`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cackled.admin.console import BanKind, Console
from cackled.domain.commands import Command, CommandError, Data, Fact, Facts, Table, Usage, operator


class FakeProcess:
    """A process of fixed figures."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def facts(self) -> Facts:
        """Fixed facts."""
        return {"node": "n1", "version": "0", "uptime_seconds": 90061.0, "memory_bytes": 123 * 1024 * 1024}

    def collect(self) -> Facts:
        """Note it."""
        self._done.append("collect")
        return {"collected_objects": 7, "pause_seconds": 0.004}

    async def drain(self) -> Facts:
        """Note it."""
        self._done.append("drain")
        return {"clients": 3}

    async def undrain(self) -> Facts:
        """Note it."""
        self._done.append("undrain")
        return {"draining": False}

    async def shutdown(self) -> None:
        """Note it."""
        self._done.append("shutdown")


class FakeLive:
    """Three transports and as many channels as are asked for."""

    def sessions(self) -> Table:
        """Fixed rows."""
        return [{"transport": name, "sessions": count} for name, count in (("ws", 1200), ("sse", 30), ("poll", 4))]

    def channels(self, most: int) -> Table:
        """*most* rows."""
        return [{"channel": f"1/{number}", "subscribers": 1000 - number} for number in range(most)]


class FakeHappening:
    """One problem, and somebody busy."""

    def problems(self) -> Table:
        """Fixed rows."""
        return [{"problem": "no-primary", "what": "No primary can be reached."}]

    def disk(self) -> Table:
        """Fixed rows."""
        return [{"disk": "state", "folder": "/var", "free_bytes": 1 << 30, "size_bytes": 1 << 31}]

    def bus(self) -> Facts | None:
        """None."""
        return None

    def errors(self) -> Table:
        """Fixed rows."""
        return [{"ago_seconds": 3.0, "level": "error", "where": "app", "text": "it broke"}]

    def addresses(self, most: int) -> Table:
        """Fixed rows."""
        rows: Table = [{"address": "192.0.2.1", "connections": 3, "calls": 7}]
        return rows[:most]

    def sites(self, most: int) -> Table:
        """Fixed rows."""
        return [{"site": 1, "reads": 7, "subscribers": 1200}][:most]


class FakeRequests:
    """Fixed figures of the listeners."""

    def requests(self) -> Facts:
        """Fixed facts."""
        return {"connections": 12, "requests": 34567}


class FakeCache:
    """A cache that notes evictions."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def caches(self) -> Table:
        """Fixed rows."""
        return [{"cache": "soft", "entries": 10, "bytes": 4096}, {"cache": "microcache", "entries": 2, "bytes": 512}]

    def evict(self, site: int, channel: int) -> None:
        """Note it."""
        self._done.append(f"evict {site}/{channel}")

    def clear(self) -> None:
        """Note it."""
        self._done.append("clear")


class FakeDatabase:
    """One healthy primary."""

    def servers(self) -> Table:
        """Fixed rows."""
        return [{"server": "main", "role": "primary", "state": "up", "latency_seconds": 0.0004}]

    def shards(self) -> Table:
        """One shard."""
        return []

    def tail(self) -> Facts:
        """Fixed facts."""
        return {"lag_seconds": 0.0, "events": 5}


class FakeSites:
    """A catalog in a dictionary; site 1 is there."""

    def __init__(self) -> None:
        self.origins: dict[int, list[str]] = {1: ["localhost:*"]}
        self.names: dict[int, str] = {1: "demo"}
        self.pins: dict[int, str] = {}

    def _known(self, site: int) -> list[str]:
        if site not in self.origins:
            raise CommandError(f"there is no site {site}")
        return self.origins[site]

    async def sites(self) -> Table:
        """All of them."""
        return [{"site": site, "name": name} for site, name in self.names.items()]

    async def site(self, site: int) -> Facts:
        """One of them."""
        return {"site": site, "name": self.names.get(site), "origins": tuple(self._known(site))}

    async def add(self, name: str, origins: Sequence[str], number: int | None = None) -> int:
        """The next free number, unless one is given."""
        site = number or max(self.origins) + 1
        self.names[site], self.origins[site] = name, list(origins)
        return site

    async def add_origin(self, site: int, pattern: str) -> None:
        """Append it."""
        self._known(site).append(pattern)

    async def remove_origin(self, site: int, pattern: str) -> None:
        """Remove it, if it is there."""
        if pattern not in self._known(site):
            raise CommandError(f"site {site} has no origin {pattern}")
        self._known(site).remove(pattern)

    async def pin(self, site: int, deployment: str) -> None:
        """Note it."""
        self.pins[site] = deployment

    async def unpin(self, site: int) -> bool:
        """Forget it."""
        return self.pins.pop(site, None) is not None

    async def set(self, site: int, key: str, value: str) -> Fact:
        """Only the name can be set."""
        self._known(site)
        if key != "name":
            raise CommandError(f"there is no setting {key}")
        self.names[site] = value
        return value


    async def settings(self, site: int | None) -> Table:
        """One setting."""
        return [{"setting": "name", "allowed": "printable text"}]

    async def rename(self, site: int, name: str) -> None:
        """Another name."""
        self._known(site)
        self.names[site] = name

    async def holdings(self, site: int) -> Facts:
        """Three comments."""
        self._known(site)
        return {"site": site, "name": self.names[site], "comments": 3}

    async def delete(self, site: int, name: str) -> Facts:
        """Forget it, by its name."""
        self._known(site)
        if name != self.names[site]:
            raise CommandError("nothing was deleted")
        del self.origins[site], self.names[site]
        return {"site": site, "deleted_rows": 3}


class FakeBans:
    """Bans in a dictionary."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, str, str], float | None] = {}

    async def bans(self, site: int) -> Table:
        """Those of one site."""
        return [{"kind": k, "value": v, "seconds": left} for (s, k, v), left in self.held.items() if s == site]

    async def ban(self, site: int, kind: BanKind, value: str, seconds: float | None) -> None:
        """Keep it."""
        self.held[site, kind, value] = seconds

    async def unban(self, site: int, kind: BanKind, value: str) -> bool:
        """Forget it."""
        return self.held.pop((site, kind, value), "none") != "none"


class FakePages:
    """One page."""

    async def keys(self, channels: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """Of channel 0 of site 1 alone."""
        return {place: "demo" for place in channels if place == (1, 0)}


class FakeUsage:
    """One read, whoever asks."""

    async def usage(self, site: int, month: str) -> Table:
        """Fixed rows."""
        return [{"preference": "nearest", "reads": 1, "credits": 1}]


class FakeOutbox:
    """One dead letter, number 7."""

    async def waiting(self) -> Facts:
        """Fixed figures."""
        return {"waiting": 2, "oldest_seconds": 1.5, "dead": 1}

    async def dead(self) -> Table:
        """Fixed rows."""
        return [{"id": 7, "site": 1, "kind": "webhook", "tries": 12, "error": "500", "at": "2026-11-21 10:00"}]

    async def retry(self, number: int) -> bool:
        """Only that one."""
        return number == 7


class FakeErasures:
    """Forgets everybody."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    async def erase(self, site: int, visitor: int) -> int:
        """Note it."""
        self._done.append(f"erase {site} {visitor}")
        return 3


class FakeCluster:
    """Two nodes."""

    def nodes(self) -> Table:
        """Fixed rows."""
        return [{"node": "n1 (this)", "state": "live"}, {"node": "n2", "state": "down"}]

    async def forget(self, node: str) -> bool:
        """Only n2 can be forgotten."""
        return node == "n2"


class FakeConsole:
    """All areas faked: `console` is what a `Runner` wants, `done` what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.sites = FakeSites()
        self.bans = FakeBans()
        self.console = Console(
            process=FakeProcess(self.done),
            happening=FakeHappening(),
            live=FakeLive(),
            requests=FakeRequests(),
            cache=FakeCache(self.done),
            database=FakeDatabase(),
            sites=self.sites,
            bans=self.bans,
            pages=FakePages(),
            commands=(Command("greet", "NAME", "a feature's command", self._greet, mutates=True),),
            cluster=FakeCluster(),
            usage=FakeUsage(),
            outbox=FakeOutbox(),
            erasures=FakeErasures(self.done),
        )

    async def _greet(self, console: Console, words: Sequence[str]) -> Data:
        if len(words) != 1:
            raise Usage
        self.done.append(f"greet {words[0]} for {operator.get()}")
        return f"hello {words[0]}"
