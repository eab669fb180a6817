"""Heartbeats over HTTP: asks each other node's ``/readyz`` once a second.

May touch: the ground, twisted.web.client. Answers that are slow count as missed, so a node that hangs with its
sockets open is noticed too.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers

from cackled.clock import Periodic
from cackled.cluster.membership import Membership
from cackled.config import Node

INTERVAL = 1.0
DEADLINE = 0.9
# A longer answer is not a /readyz.
MAX_BODY = 64 * 1024


class Ready(Struct):
    """The part of a ``/readyz`` answer that matters here."""

    checks: dict[str, str] = {}


def _is_draining(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=Ready).checks.get("draining", "ok") != "ok"
    except msgspec.MsgspecError:
        return False


class Prober:
    """Asks, and tells the membership what it heard.

    A node whose check ``draining`` failed is draining; any other answer but 200 is a miss.
    """

    def __init__(self, reactor: Any, membership: Membership, clock: IReactorTime | None = None) -> None:
        self._clock: IReactorTime = clock or reactor
        self._membership = membership
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.retryAutomatically = False
        self._agent = Agent(reactor, connectTimeout=DEADLINE, pool=self._pool)
        self._asking: set[str] = set()
        self._job = Periodic(self._clock, INTERVAL, self._round, "cluster probe")

    def start(self) -> None:
        """Begin to ask; nothing happens where there are no other nodes with an address."""
        if any(node.url for node in self._membership.others()):
            self._job.start(now=True)

    def stop(self) -> Deferred[None]:
        """Stop asking; fires when the connections are closed."""
        self._job.stop()
        return self._pool.closeCachedConnections()

    def _round(self) -> None:
        for node in self._membership.others():
            if node.url and node.name not in self._asking:
                self._asking.add(node.name)
                Deferred.fromCoroutine(self._ask(node)).addBoth(self._asked, node.name)

    def _asked(self, result: Any, name: str) -> None:
        self._asking.discard(name)

    async def _ask(self, node: Node) -> None:
        asked = self._agent.request(b"GET", f"{node.url.rstrip('/')}/readyz".encode(), Headers({b"Accept": [b"*/*"]}))
        try:
            response = await asked.addTimeout(DEADLINE, self._clock)
            if not isinstance(response.length, int) or response.length > MAX_BODY:
                raise ValueError("that is no /readyz")
            body = await readBody(response).addTimeout(DEADLINE, self._clock)
        except Exception:
            self._membership.missed(node.name)
            return
        draining = _is_draining(body)
        if response.code == 200 or draining:
            self._membership.heard(node.name, draining=draining)
        else:
            self._membership.missed(node.name)
