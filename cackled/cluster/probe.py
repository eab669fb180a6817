"""Heartbeats over HTTP: asks each other node's ``/readyz`` once a second.

Answers that are slow count as missed, so a node that hangs with its sockets open is noticed too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from cackled.clock import Periodic
from cackled.cluster.membership import Membership
from cackled.config import Node

if TYPE_CHECKING:
    from cackled.cluster.probe_client import Client

INTERVAL = 1.0
DEADLINE = 0.9


class Ready(Struct):
    """The part of a ``/readyz`` answer that matters here."""

    checks: dict[str, str] = {}
    deployment: str = ""


def _read(body: bytes) -> Ready:
    try:
        return msgspec.json.decode(body, type=Ready)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Ready()


class Prober:
    """Asks, and tells the membership what it heard.

    A node whose check ``draining`` failed is draining; any other answer but 200 is a miss, and so is one of another
    deployment than *deployment*.
    """

    def __init__(
        self, reactor: Any, membership: Membership, clock: IReactorTime | None = None, *, deployment: str
    ) -> None:
        self._deployment = deployment
        self._clock: IReactorTime = clock or reactor
        self._membership = membership
        self._reactor = reactor
        self._client: Client | None = None
        self._asking: dict[str, Deferred[None]] = {}
        self._job = Periodic(self._clock, INTERVAL, self._round, "cluster probe")

    def start(self, *, always: bool = False) -> None:
        """Begin to ask; nothing happens where there are no other nodes with an address, unless *always*."""
        if always or any(node.url for node in self._membership.others()):
            # Not before: a node that is alone asks nobody.
            from cackled.cluster.probe_client import Client

            self._client = Client(self._reactor, self._clock, DEADLINE)
            self._job.start(now=True)

    def stop(self) -> Deferred[None]:
        """Stop asking; fires when the connections are closed."""
        self._job.stop()
        for asked in list(self._asking.values()):
            asked.cancel()
        return self._client.close() if self._client is not None else succeed(None)

    def _round(self) -> None:
        for node in self._membership.others():
            if node.url and node.name not in self._asking:
                self._asking[node.name] = asked = Deferred.fromCoroutine(self._ask(node))
                asked.addBoth(self._asked, node.name)

    def _asked(self, result: Any, name: str) -> None:
        self._asking.pop(name, None)

    async def _ask(self, node: Node) -> None:
        assert self._client is not None
        try:
            code, body = await self._client.get(f"{node.url.rstrip('/')}/readyz")
        except Exception:
            self._membership.missed(node.name)
            return
        told = _read(body)
        draining = told.checks.get("draining", "ok") != "ok"
        if told.deployment not in ("", self._deployment):
            self._membership.missed(node.name)
        elif code == 200 or draining:
            self._membership.heard(node.name, draining=draining)
        else:
            self._membership.missed(node.name)
