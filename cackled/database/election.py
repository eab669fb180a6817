"""Which server is the primary: the one that says so; if several do, the one that was promoted last.

Each promotion begins a new timeline. Of two running primaries, the one with the higher timeline was promoted later, and
replicas follow it. The highest timeline seen is remembered, also over restarts: while its primary is down, an older
primary that comes back gets neither writes nor reads. A node that never saw the promotion can't know of it, so whoever
promotes a server must keep the old primary from coming back (fencing).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from cackled.database.timelines import Timelines
from cackled.metrics import Metrics

if TYPE_CHECKING:
    from cackled.database.server import Server

log = Logger()


class Election:
    """``primary`` is the server that writes go to, or None. *changed* is called when it changes or comes back."""

    def __init__(self, servers: Sequence[Server], metrics: Metrics, changed: Callable[[], None]) -> None:
        self._servers = servers
        self._changed = changed
        self._cluster = 0
        self._timeline = 0
        self.timelines = Timelines()
        self._alarm = ""
        self._last: Server | None = None
        self.primary: Server | None = None
        self._claims = metrics.gauge("database_primaries", "Servers that are up and call themselves primary")
        self._changes = metrics.counter("database_primary_changes", "Times when another server became the primary")

    @property
    def timeline(self) -> int:
        """The highest timeline seen; 0 if none was seen yet."""
        return self._timeline

    def continues(self, cluster: int, timeline: int) -> bool:
        """Whether a replica of *cluster* on *timeline* (0: it follows no server now) has the history of the primary."""
        return self._timeline != 0 and cluster == self._cluster and timeline in (0, self._timeline)

    @property
    def alarm(self) -> str:
        """What is wrong with the servers that say they are the primary; empty if nothing is."""
        return self._alarm

    def hold(self) -> None:
        """Choose the primary by the last heartbeat of each server."""
        claims = [server for server in self._servers if server.alive and server.primary]
        if not self._cluster and claims:
            self._cluster = claims[0].cluster
            self._timeline = self.timelines.of(self._cluster)
        ours = [server for server in claims if server.cluster == self._cluster]
        self._timeline = max([self._timeline, *(server.timeline for server in ours)])
        if ours:
            self.timelines.saw(self._cluster, self._timeline)
        lawful = sorted(
            (server for server in ours if server.timeline == self._timeline), key=lambda server: server.name
        )
        self._watch(claims, lawful)
        before, self.primary = self.primary, lawful[0] if lawful else None
        if self.primary is None or self.primary is before:
            return
        last, self._last = self._last, self.primary
        if last is None:
            return
        if last is not self.primary:
            self._changes.inc()
            log.warn("database {server} is the primary now", server=self.primary.name)
        self._changed()

    def _watch(self, claims: list[Server], lawful: list[Server]) -> None:
        self._claims.set(len(claims))
        alarm = ""
        if len(claims) > 1 or len(lawful) < len(claims):
            told = ", ".join(f"{server.name} (timeline {server.timeline})" for server in claims)
            foreign = [server.name for server in claims if server.cluster != self._cluster]
            alarm = f"primaries that are up: {told}; "
            if foreign:
                alarm += f"{', '.join(foreign)} holds another database; "
            used = lawful[0].name if lawful else "none of them"
            alarm += f"{used} is used (timeline {self._timeline}); "
            alarm += "stop the others" if lawful else f"bring the newer one back, or delete {self.timelines}"
        if alarm and alarm != self._alarm:
            log.error("{alarm}", alarm=alarm)
        self._alarm = alarm
