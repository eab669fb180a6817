"""The bus between the processes of one node: ephemeral signals, hints, and rate limits that count over all of them.

A `Broker` transports it (`cackled.cluster.redis`, and `cackled.cluster.testing` for tests). While the broker is
unreachable every process works on its own; nothing ever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.cluster.messages import MAX_BODY, Hint, Hints, Name, Signal, Signals
from cackled.cluster.signal_buffer import SignalBuffer
from cackled.metrics import Metrics

# Seconds for which spending is collected, and for how many keys; more than that counts only in its own process.
GATHER = 0.005
MOST_KEYS = 2_000
BATCH = 200
MOST_BATCHES = 8
SPEND_SECONDS = 1.0
# Number of nodes whose relays are remembered; beyond that the one silent for longest is forgotten.
MOST_RELAYS = 1_024

log = Logger()


class Away(Exception):
    """The broker can't be reached at present."""


class Limit(Struct, frozen=True):
    """A kind of token bucket: so many tokens a second, at most *burst*."""

    name: str
    rate: float
    burst: float


class Broker(Protocol):
    """The transport of a bus."""

    connected: bool

    def start(self, heard: Callable[[bytes], None], up: Callable[[], None]) -> None:
        """Connect, and reconnect after losses; *up* is called on each connection."""

    async def stop(self) -> None:
        """Disconnect."""

    def publish(self, body: bytes) -> bool:
        """Send *body* to every process on the bus, including this one.

        False: the broker is unreachable and *body* is lost.
        """

    def spend(self, limit: Limit, costs: Sequence[tuple[str, float]]) -> Deferred[list[float]]:
        """Take tokens of keys; fires with what remains of each, which may be negative. Fails with `Away`."""


class Sharable(Protocol):
    """Token buckets of this process: `cackled.domain.limits.Buckets`."""

    spent: Callable[[object, float], None] | None

    def correct(self, key: object, tokens: float) -> None:
        """Lower the tokens of *key* to *tokens*, the number left over all processes."""


class Parcel(Struct, frozen=True, array_like=True):
    """What is published: the sender's name, and signals or hints."""

    source: Name
    signals: Signals
    hints: Hints


class Bus:
    """One process's connection to the bus. *source* is its name, by which it ignores its own messages.

    `announce` and `hint` are as the mesh's; `deliver_to` sets the callbacks for what arrives.
    """

    def __init__(self, source: str, broker: Broker, clock: IReactorTime, metrics: Metrics) -> None:
        self.source = source
        self._broker = broker
        self._clock = clock
        self._running = False
        self._dropped = metrics.counter("bus_dropped", "Signals and hints between processes thrown away.")
        self._sent = metrics.counter("bus_messages_sent", "Bodies of signals and hints sent to other processes.")
        self._taken = metrics.counter("bus_signals_received", "Signals and hints that came from other processes.")
        self._unshared = metrics.counter("bus_limits_alone", "Spending of rate limits that only its process counted.")
        metrics.watch("bus_connected", "Whether the other processes of this node can be reached.", self._is_up)
        self._outbox = self._box(source)
        self._relays: dict[str, SignalBuffer] = {}
        self._on_signal: Callable[[str, Signal], None] = _ignore
        self._on_hint: Callable[[Hint], None] = _ignore
        self.came: Callable[[str], None] = _ignore
        self.gone: Callable[[str], None] = _ignore
        self._decoder = msgspec.json.Decoder(Parcel)
        self._limits: dict[str, tuple[Limit, Sharable]] = {}
        self._owed: dict[tuple[str, str], tuple[object, float]] = {}
        self._later: IDelayedCall | None = None
        self._batches = 0

    def _box(self, source: str) -> SignalBuffer:
        return SignalBuffer(self._clock, partial(self._send, source), lambda: self._dropped.inc())

    def _is_up(self) -> float:
        return float(self.connected)

    @property
    def connected(self) -> bool:
        """Whether the broker is connected."""
        return self._running and self._broker.connected

    def deliver_to(
        self,
        *,
        signal: Callable[[str, Signal], None],
        hint: Callable[[Hint], None],
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        """Set the callbacks, as `cackled.cluster.mesh.Mesh.deliver_to`.

        ``came("")`` means that the bus is back, and messages may have been missed meanwhile. The bus can't know which
        other processes came or went: whoever knows calls `came` and `gone`.
        """
        self._on_signal, self._on_hint, self.came, self.gone = signal, hint, came, gone

    def start(self) -> None:
        """Connect, and stay connected."""
        self._running = True
        self._broker.start(self._heard, lambda: self.came(""))

    async def stop(self) -> None:
        """Disconnect."""
        self._running = False
        for box in (self._outbox, *self._relays.values()):
            box.clear_timer()
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        await self._broker.stop()

    # Signals

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Send an ephemeral signal that began here to the other processes. May be lost."""
        if self.connected:
            self._outbox.signal(site, channel, type, data)

    def hint(self, site: int, channel: int, seq: int) -> None:
        """A write of this process led to *seq*: caches of the channel elsewhere are out of date. May be lost."""
        if self.connected:
            self._outbox.hint(site, channel, seq)

    def relay(self, source: str, signal: Signal) -> None:
        """Pass on a signal of *source*, another node, under its name."""
        if not self.connected:
            return
        box = self._relays.pop(source, None) or self._box(source)
        self._relays[source] = box
        if len(self._relays) > MOST_RELAYS:
            self._relays.pop(next(iter(self._relays))).clear_timer()
        box.signal(signal.site, signal.channel, signal.type, signal.data)

    def _send(self, source: str, signals: list[bytes], hints: list[bytes]) -> None:
        name = msgspec.json.encode(source)
        bodies = [b"[" + name + b"," + body + b",[]]" for body in signals]
        bodies += [b"[" + name + b",[]," + body + b"]" for body in hints]
        for body in bodies:
            (self._sent if self._broker.publish(body) else self._dropped).inc()

    def _heard(self, body: bytes) -> None:
        if len(body) > MAX_BODY + 1_000:
            self._dropped.inc()
            return
        try:
            parcel = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # Anyone with write access to the server can send anything, so it is checked.
            self._dropped.inc()
            return
        if parcel.source == self.source or parcel.source in self._relays:
            return
        self._taken.inc(len(parcel.signals) + len(parcel.hints))
        for signal in parcel.signals:
            self._on_signal(parcel.source, signal)
        for hint in parcel.hints:
            self._on_hint(hint)

    # Limits

    def share(self, limit: Limit, buckets: Sharable) -> None:
        """Let what is spent of *buckets* count in all processes.

        Each process decides at once by what it knows, and learns what the others spent right after: so for a moment
        one can spend too much, at most once per process, and pays for it later.
        """
        self._limits[limit.name] = (limit, buckets)
        buckets.spent = partial(self._spent, limit.name)

    def _spent(self, name: str, key: object, cost: float) -> None:
        if not self.connected or (len(self._owed) >= MOST_KEYS and (name, str(key)) not in self._owed):
            self._unshared.inc()
            return
        _, before = self._owed.get((name, str(key)), (key, 0.0))
        self._owed[(name, str(key))] = (key, before + cost)
        if self._later is None:
            self._later = self._clock.callLater(GATHER, self._settle)

    def _settle(self) -> None:
        self._later = None
        by_limit: dict[str, list[tuple[str, object, float]]] = {}
        while self._owed and self._batches < MOST_BATCHES:
            taken = list(self._owed.items())[:BATCH]
            by_limit.clear()
            for (name, text), (key, cost) in taken:
                del self._owed[(name, text)]
                by_limit.setdefault(name, []).append((text, key, cost))
            for name, items in by_limit.items():
                self._spend(name, items)

    def _spend(self, name: str, items: list[tuple[str, object, float]]) -> None:
        limit, buckets = self._limits[name]
        self._batches += 1
        left = self._broker.spend(limit, [(text, cost) for text, _, cost in items])
        left.addTimeout(SPEND_SECONDS, self._clock)

        def known(levels: list[float]) -> None:
            for (_, key, _), level in zip(items, levels, strict=True):
                buckets.correct(key, level)

        def unknown(failure: Failure) -> None:
            self._unshared.inc(len(items))
            log.debug("rate limits not shared: {reason}", reason=failure.getErrorMessage())

        def over(result: object) -> None:
            self._batches -= 1
            if self._owed and self._later is None and self._running:
                self._later = self._clock.callLater(0, self._settle)

        left.addCallbacks(known, unknown).addErrback(unknown).addBoth(over)


def _ignore(*anything: object) -> None:
    """Default callback: does nothing."""
