"""A broker without a server, for tests of whatever uses the bus.

The suite in ``tests/cluster/test_bus.py`` runs on it as on a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from cackled.cluster.bus import Away, Limit


class FakeServer:
    """What brokers connect to. `stop` and `start`: it goes away, empty, and comes back."""

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.up = True
        self.brokers: list[FakeBroker] = []
        self.levels: dict[tuple[str, str], tuple[float, float]] = {}

    def broker(self) -> FakeBroker:
        """A connection to it."""
        return FakeBroker(self)

    def stop(self) -> None:
        """Go away."""
        self.up = False
        self.levels.clear()
        for broker in self.brokers:
            broker.connected = False

    def start(self) -> None:
        """Come back."""
        self.up = True
        for broker in self.brokers:
            broker.connect()


class FakeBroker:
    """See `cackled.cluster.bus.Broker`."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.connected = False
        self._heard: Callable[[bytes], None] = lambda body: None
        self._up: Callable[[], None] = lambda: None

    def start(self, heard: Callable[[bytes], None], up: Callable[[], None]) -> None:
        """See `Broker`."""
        self._heard, self._up = heard, up
        self._server.brokers.append(self)
        self.connect()

    def connect(self) -> None:
        """As the real one does by itself."""
        if self._server.up and not self.connected:
            self.connected = True
            self._up()

    async def stop(self) -> None:
        """See `Broker`."""
        self.connected = False
        if self in self._server.brokers:
            self._server.brokers.remove(self)

    def publish(self, body: bytes) -> bool:
        """See `Broker`."""
        if self.connected:
            for broker in self._server.brokers:
                self._server.clock.callLater(0, broker.take, body)
        return self.connected

    def take(self, body: bytes) -> None:
        """Something was published."""
        if self.connected:
            self._heard(body)

    def spend(self, limit: Limit, costs: Sequence[tuple[str, float]]) -> Deferred[list[float]]:
        """See `Broker`."""
        if not self.connected:
            return fail(Away("not connected"))
        now = self._server.clock.seconds()
        left = []
        for key, cost in costs:
            level, then = self._server.levels.get((limit.name, key), (limit.burst, now))
            level = max(-limit.burst, min(limit.burst, level + (now - then) * limit.rate) - cost)
            self._server.levels[(limit.name, key)] = (level, now)
            left.append(level)
        return succeed(left)
