"""Heartbeats: one timer for all connections instead of one per connection.

Connections are divided into as many groups as the interval has seconds. Each second one group is visited, in slices.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime

from cackled.clock import Periodic
from cackled.realtime.channel import Client

SLICE = 128


class Heartbeat:
    """Calls ``beat()`` of every client once every *interval* seconds."""

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        rings = max(1, round(interval))
        self._clock = clock
        self._rings: list[set[Client]] = [set() for _ in range(rings)]
        self._home: dict[Client, set[Client]] = {}
        self._next = 0
        self._dealt = 0
        self._job = Periodic(clock, interval / rings, self._sweep, "heartbeat sweep")

    def start(self) -> None:
        """Start the timer."""
        self._job.start()

    def stop(self) -> None:
        """Stop the timer."""
        self._job.stop()

    def add(self, client: Client) -> None:
        """Start beats for *client*."""
        self._dealt = (self._dealt + 1) % len(self._rings)
        ring = self._rings[self._dealt]
        ring.add(client)
        self._home[client] = ring

    def discard(self, client: Client) -> None:
        """Stop beats for *client*."""
        ring = self._home.pop(client, None)
        if ring is not None:
            ring.discard(client)

    def _sweep(self) -> None:
        ring = self._rings[self._next]
        self._next = (self._next + 1) % len(self._rings)
        self._visit(ring, iter(tuple(ring)))

    def _visit(self, ring: set[Client], clients: Iterator[Client]) -> None:
        for visited, client in enumerate(clients, 1):
            if client in ring:
                client.beat()
            if visited == SLICE:
                self._clock.callLater(0, self._visit, ring, clients)
                return
