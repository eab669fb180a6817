"""Buffers signals and hints to the other nodes for a moment: only the newest count per channel, bounded.

Signals may be lost, so they are dropped above a rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from cackled.cluster.messages import MAX_SIGNAL, Hint, Signal, chunks
from cackled.token_bucket import TokenBucket

# Seconds for which signals are collected before they are sent.
GATHER = 0.05
# Limit per second, and burst after a pause.
RATE = 2_000.0
BURST = 4_000.0


class SignalBuffer:
    """Gathers signals and hints, and hands them on as bodies: ``send(signal bodies, hint bodies)``.

    A count that is not yet sent is replaced by a newer one of its channel, a hint by one with a higher seq.
    ``dropped`` is called for each thing that will not be sent: too many, or too large.
    """

    def __init__(
        self, clock: IReactorTime, send: Callable[[list[bytes], list[bytes]], None], dropped: Callable[[], object]
    ) -> None:
        self._clock = clock
        self._send = send
        self._dropped = dropped
        self._bucket = TokenBucket(RATE, BURST, clock.seconds())
        self._signals: dict[object, Signal] = {}
        self._hints: dict[tuple[int, int], int] = {}
        self._later: IDelayedCall | None = None

    def signal(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Add an ephemeral signal of a channel."""
        key: object = (site, channel) if type == "presence" else object()
        if key not in self._signals and not self._bucket.take(self._clock.seconds()):
            self._dropped()
            return
        self._signals[key] = Signal(site, channel, type, dict(data))
        self._gather()

    def hint(self, site: int, channel: int, seq: int) -> None:
        """Add a hint that a channel is at *seq*."""
        key = (site, channel)
        if key not in self._hints and not self._bucket.take(self._clock.seconds()):
            self._dropped()
            return
        self._hints[key] = max(seq, self._hints.get(key, 0))
        self._gather()

    def _gather(self) -> None:
        if self._later is None:
            self._later = self._clock.callLater(GATHER, self.flush)

    def flush(self) -> None:
        """Send what is buffered."""
        self.clear_timer()
        signals, self._signals = self._signals, {}
        hints, self._hints = self._hints, {}
        encoded = []
        for signal in signals.values():
            item = msgspec.json.encode(signal)
            if len(item) > MAX_SIGNAL:
                self._dropped()
            else:
                encoded.append(item)
        told = [msgspec.json.encode(Hint(site, channel, seq)) for (site, channel), seq in hints.items()]
        if encoded or told:
            self._send(chunks(encoded), chunks(told))

    def clear_timer(self) -> None:
        """Cancel the timer."""
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
