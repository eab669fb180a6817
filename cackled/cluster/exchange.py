"""Nodes ask each other for contents: on connections of their own, so that heartbeats never wait behind a large answer.

They are made to the port of the mesh and under its certificates, so only listed nodes ask and answer. Whatever a node
says is compared with a checksum that is known already. A node that is slow, away or wrong costs a bounded time once,
and is left alone for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from hashlib import blake2b
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.cluster.link import Link
from cackled.cluster.messages import Absent, Part, WantContents, Wanted, Whole
from cackled.cluster.peer import Peer
from cackled.metrics import Metrics

# Bytes of an answer, at most.
MOST_BYTES = 2 * 1_048_576
# Seconds for one question to all nodes that are asked, and how many those are.
ASK_SECONDS = 2.0
MOST_ASKED = 2
# Connections to one node at the same time. One that nothing was asked on for so long is closed.
MOST_CONNECTIONS, IDLE_SECONDS = 4, 20.0
# A connection is used for so many seconds: certificates are looked at when it is made.
AGE_SECONDS = 600.0
# Seconds for which a node is not asked, after it failed, and after it gave something else than was asked for.
AWAY_SECONDS, WRONG_SECONDS = 10.0, 300.0
# Answers that are made at the same time, at most.
MOST_ANSWERS = 16

# Gives contents by their key; None: they are not here.
Give = Callable[[str], Awaitable[bytes | None]]
# As `Exchange.ask` and `Exchange.give`.
AskNodes = Callable[[str, str, str], Awaitable[bytes | None]]
GiveNodes = Callable[[str, Give], None]

log = Logger()


def sum_of(data: bytes) -> str:
    """What contents are compared by: 128 bits of BLAKE2b in hexadecimal."""
    return blake2b(data, digest_size=16).hexdigest()


async def no_nodes(what: str, key: str, checksum: str) -> bytes | None:
    """There are no other nodes."""
    return None


class Lost(Exception):
    """The other node did not answer as it should."""


@implementer(IHandshakeListener)
class Asking(amp.AMP):
    """A connection on which this node asks, one question at a time."""

    transport: Any

    def __init__(self, identify: Callable[[Asking], object], now: float) -> None:
        super().__init__()
        self.ready: Deferred[Asking] = Deferred(lambda _: self.drop())
        self.made_at = now
        self.over = False
        self.idle: IDelayedCall | None = None
        self._identify = identify
        self._answer: Deferred[bytes | None] | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def makeConnection(self, transport: Any) -> None:
        """As AMP does it, without its log lines."""
        amp.BinaryBoxProtocol.makeConnection(self, transport)

    def handshakeCompleted(self) -> None:
        """TLS is established: see that the other end is who was dialled."""
        try:
            self._identify(self)
        except Exception:
            self.drop()
            return
        if not self.ready.called:
            self.ready.callback(self)

    def ask(self, wanted: Wanted) -> Deferred[bytes | None]:
        """Ask; fires with the contents, or with None: they are not there. Fails with `Lost`."""
        self._parts, self._size = [], 0
        self._answer = Deferred(lambda _: self.drop())
        self.callRemote(WantContents, body=msgspec.json.encode(wanted))
        return self._answer

    def drop(self) -> None:
        """End the connection at once."""
        if not self.over:
            self.over = True
            if self.transport is not None:
                self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """What is no AMP ends the connection."""
        if self.over:
            return
        try:
            super().dataReceived(data)
        except Exception:
            self.drop()

    def ampBoxReceived(self, box: Any) -> None:
        """A part of the answer. What else the other end says on a new connection, its hello, is passed over."""
        command, body = box.get(amp.COMMAND), box.get(b"body") or b""
        if command not in (Part.commandName, Whole.commandName, Absent.commandName):
            return
        if self._answer is None:
            self.drop()
        elif command == Part.commandName:
            self._size += len(body)
            self._parts.append(body)
            if self._size > MOST_BYTES or len(self._parts) > MOST_BYTES // 1024:
                self.drop()
        else:
            answer, self._answer = self._answer, None
            whole = b"".join(self._parts) if command == Whole.commandName else None
            self._parts = []
            answer.callback(whole)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whoever waits hears of it."""
        self.over = True
        amp.BinaryBoxProtocol.connectionLost(self, reason)
        self._parts = []
        for waiting in (self.ready, self._answer):
            if waiting is not None and not waiting.called:
                waiting.errback(Lost("the connection ended"))
        self._answer = None


class _AskingFactory(Factory):
    noisy = False

    def __init__(self, made: Asking) -> None:
        self._made = made

    def buildProtocol(self, addr: Any) -> Asking:
        return self._made


class Exchange:
    """Both sides of this node. *peers* gives the other nodes, *dial* connects to one of a name."""

    def __init__(
        self, *, clock: IReactorTime, peers: Callable[[], Iterable[Peer]],
        dial: Callable[[str, Factory], Deferred[Any]], identify: Callable[[Any, str], object], metrics: Metrics,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._peers = peers
        self._dial = dial
        self._identify = identify
        self._gives: dict[str, Give] = {}
        self._answering = 0
        self._open: set[Asking] = set()
        self._idle: dict[str, list[Asking]] = {}
        self._busy: Counter[str] = Counter()
        self._left_alone: dict[str, float] = {}
        self._asked = metrics.counter(
            "mesh_contents_asked", "Contents asked of other nodes, by what came of it.", ["outcome"]
        )
        self._given = metrics.counter(
            "mesh_contents_given", "Contents that other nodes asked for, by outcome.", ["outcome"]
        )
        for outcome in ("given", "absent", "failed", "wrong", "busy"):
            self._asked.labels(outcome)

    # Giving

    def give(self, what: str, give: Give) -> None:
        """Answer other nodes that ask for *what*."""
        self._gives[what] = give

    def wanted(self, link: Link, wanted: Wanted) -> None:
        """Another node asks, on *link*."""
        give = self._gives.get(wanted.what)
        if give is None or self._answering >= MOST_ANSWERS:
            self._given.labels("absent" if give is None else "busy").inc()
            link.answer(None)
            return
        self._answering += 1

        def done(data: bytes | None) -> None:
            fits = data is not None and len(data) <= MOST_BYTES
            self._given.labels("given" if fits else "absent").inc()
            link.answer(data if fits else None)

        def failed(failure: Failure) -> None:
            log.failure("contents for another node", failure)
            link.answer(None)

        def over(_: object) -> None:
            self._answering -= 1

        Deferred.fromCoroutine(_awaited(give, wanted.key)).addCallbacks(done, failed).addBoth(over)

    # Asking

    async def ask(self, what: str, key: str, checksum: str) -> bytes | None:
        """Contents from the nearest nodes that are well; None: none of them has it. Takes `ASK_SECONDS` at most."""
        until = self._clock.seconds() + ASK_SECONDS
        for name in self._nearest()[:MOST_ASKED]:
            left = until - self._clock.seconds()
            if left <= 0:
                break
            try:
                data = await Deferred.fromCoroutine(self._ask(name, Wanted(what, key))).addTimeout(left, self._clock)
            except Exception as error:
                self._leave_alone(name, AWAY_SECONDS, "failed")
                log.debug(
                    "node {name} gave no contents: {reason}", name=name, reason=str(error) or type(error).__name__
                )
                continue
            if data is None:
                self._asked.labels("absent").inc()
            elif sum_of(data) == checksum:
                self._asked.labels("given").inc()
                return data
            else:
                self._leave_alone(name, WRONG_SECONDS, "wrong")
                log.error("node {name} gave other contents than were asked for", name=name)
        return None

    def _nearest(self) -> list[str]:
        """The nodes that may be asked, by how long a heartbeat takes there and back."""
        now = self._clock.seconds()
        well = [
            peer for peer in self._peers()
            if peer.link is not None and peer.is_heard and not peer.silent
            and self._left_alone.get(peer.name, 0.0) <= now
        ]  # fmt: skip
        free = [peer for peer in well if self._busy[peer.name] < MOST_CONNECTIONS]
        if len(free) < len(well):
            self._asked.labels("busy").inc()
        return [peer.name for peer in sorted(free, key=lambda one: (one.round_trip is None, one.round_trip, one.name))]

    def _leave_alone(self, name: str, seconds: float, why: str) -> None:
        self._asked.labels(why).inc()
        self._left_alone[name] = self._clock.seconds() + seconds
        self._close(name)

    async def _ask(self, name: str, wanted: Wanted) -> bytes | None:
        self._busy[name] += 1
        connection: Asking | None = None
        try:
            connection = await self._connection(name)
            data = await connection.ask(wanted)
        except BaseException:
            if connection is not None:
                connection.drop()
            raise
        finally:
            self._busy[name] -= 1
        self._rest(name, connection)
        return data

    async def _connection(self, name: str) -> Asking:
        """One that is at rest, else a new one."""
        while resting := self._idle.get(name):
            kept = resting.pop()
            if kept.idle is not None and kept.idle.active():
                kept.idle.cancel()
            if not kept.over and self._clock.seconds() < kept.made_at + AGE_SECONDS:
                return kept
            kept.drop()
        self._open = {one for one in self._open if not one.over}
        made = Asking(lambda asking: self._identify(asking.transport, name), self._clock.seconds())
        self._open.add(made)
        try:
            await self._dial(name, _AskingFactory(made))
        except BaseException:
            made.ready.addErrback(lambda _: None)
            made.drop()
            raise
        return await made.ready

    def _rest(self, name: str, connection: Asking) -> None:
        if not connection.over:
            connection.idle = self._clock.callLater(IDLE_SECONDS, connection.drop)
            resting = [one for one in self._idle.get(name, ()) if not one.over]
            self._idle[name] = [*resting, connection]

    def _close(self, name: str) -> None:
        for one in self._idle.pop(name, []):
            if one.idle is not None and one.idle.active():
                one.idle.cancel()
            one.drop()

    def stop(self) -> None:
        """Close all connections."""
        for name in list(self._idle):
            self._close(name)
        for one in self._open:
            one.drop()


async def _awaited(give: Give, key: str) -> bytes | None:
    return await give(key)
