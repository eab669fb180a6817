"""A hub on a fake clock, as most tests of realtime want it."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.task import Clock

from cackled import config
from cackled.events import Position
from cackled.metrics import Metrics
from cackled.realtime.access import Gate, Refusal
from cackled.realtime.hub import Hub
from cackled.realtime.testing import FakeClient, ModelLog


class HubRig:
    """A hub with its model log, clock, metrics and gate; *settings* are those of ``[realtime]``."""

    def __init__(self, hub: dict[str, Any] | None = None, **settings: Any) -> None:
        settings.setdefault("presence", False)
        self.clock = Clock()
        self.log = ModelLog()
        self.metrics = Metrics()
        self.hub = Hub(
            clock=self.clock, random=Random(1), config=config.Realtime(**settings), load=self.log.load,
            seqs=self.log.seqs,
            metrics=self.metrics, **(hub or {}),
        )  # fmt: skip
        self.refusals: dict[int, Refusal] = {}
        self.closed: dict[tuple[int, int], Refusal] = {}
        # By site, or by channel.
        self.gate = Gate(
            self.hub, lambda site, channel, origin, tokens: self.refusals.get(site) or self.closed.get((site, channel)),
            lambda site, channel, tokens: tokens[0] if tokens[0].istitle() else "",
            # A token of digits holds for so many seconds from now on.
            lambda site, channel, tokens: max((float(one) for one in tokens if one.isdigit()), default=None),
            # Where a guard is: a token of its name has no limit, digits hold for so many seconds.
            admits=lambda site, channel, guard, tokens: (
                None if guard in ("", *tokens) else max((float(one) for one in tokens if one.isdigit()), default=0.0)
            ),
        )

    def client(self, position: str | None = None, name: str = "", **more: Any) -> FakeClient:
        """A client, subscribed to *position* under *name*."""
        client = FakeClient(self.hub, **more)
        self.hub.join(client)
        if position is not None:
            self.hub.subscribe(client, Position.parse(position), name)
        return client

    def post(self, count: int = 1, channel: int = 5, *, deliver: bool = True) -> None:
        """Commit events, and let the hub hear of them."""
        for _ in range(count):
            event = self.log.commit(1, channel)
            if deliver:
                self.hub.deliver(event)

    def seconds(self, count: int) -> None:
        """Let so many seconds go by."""
        for _ in range(count):
            self.clock.advance(1.0)
