"""A net of nodes in one process: every node has a clock of its own, so that one can hang while time goes on."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from random import Random
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError, TimeoutError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from cackled.cluster.liveness import Load
from cackled.cluster.membership import Membership
from cackled.cluster.mesh import Mesh
from cackled.config import Node
from cackled.metrics import Metrics

LATENCY = 0.01
STEP = 0.05
PORT = 7946


class End:
    """One end of a connection; what is written arrives `LATENCY` later, or when a cut or a hang is over."""

    def __init__(self, net: Net, own: str, peer: str) -> None:
        self.net = net
        self.own = own
        self.peer = peer
        self.protocol: Any = None
        self.other: End
        self.waiting: list[tuple[str, Any]] = []
        self.open = True
        self.producer: Any = None
        net.ends.append(self)

    def send(self, kind: str, what: Any = None) -> None:
        self.net.clock.callLater(LATENCY, self.other.arrive, kind, what)

    def arrive(self, kind: str, what: Any) -> None:
        self.waiting.append((kind, what))
        self.take()

    def take(self) -> None:
        while self.waiting and self.open and self.net.reaches(self.own, self.peer) and self.own not in self.net.hung:
            kind, what = self.waiting.pop(0)
            if kind == "data":
                self.protocol.dataReceived(what)
            else:
                self.gone(what)

    def gone(self, error: Exception) -> None:
        if self.open:
            self.open = False
            self.net.ends.remove(self)
            self.protocol.connectionLost(Failure(error))

    def write(self, data: bytes) -> None:
        if self.open:
            self.send("data", data)

    def writeSequence(self, data: list[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.send("gone", ConnectionDone())
        self.net.nodes[self.own].clock.callLater(0, self.gone, ConnectionDone())

    def abortConnection(self) -> None:
        self.send("gone", ConnectionLost())
        self.net.nodes[self.own].clock.callLater(0, self.gone, ConnectionLost("aborted"))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def getPeer(self) -> str:
        return self.peer

    def getHost(self) -> str:
        return self.own


class Port:
    def __init__(self, net: Net, own: str) -> None:
        self.net = net
        self.own = own

    def stopListening(self) -> None:
        self.net.listening.pop(self.own, None)


class MemoryWire:
    """The wire of one node."""

    def __init__(self, net: Net, own: str) -> None:
        self.net = net
        self.own = own

    def listen(self, host: str, port: int, factory: Any) -> Port:
        self.net.listening[self.own] = factory
        return Port(self.net, self.own)

    def dial(self, name: str, host: str, port: int, factory: Any) -> Deferred[Any]:
        self.net.dials.append((self.own, name))
        done: Deferred[Any] = Deferred(lambda d: None)
        self.net.clock.callLater(LATENCY, self._dialled, done, name, factory)
        return done

    def _dialled(self, done: Deferred[Any], name: str, factory: Any) -> None:
        if done.called or self.own not in self.net.nodes:
            return
        if not self.net.reaches(self.own, name) or name in self.net.hung:
            self.net.clock.callLater(2.0, lambda: done.called or done.errback(TimeoutError()))
            return
        listener = self.net.listening.get(name)
        if listener is None:
            done.errback(ConnectionRefusedError())
            return
        here, there = End(self.net, self.own, name), End(self.net, name, self.own)
        here.other, there.other = there, here
        here.protocol = factory.buildProtocol(None)
        there.protocol = listener.buildProtocol(None)
        if here.protocol is None:
            self.net.ends.remove(here)
            self.net.ends.remove(there)
            done.errback(ConnectionLost())
            return
        here.protocol.makeConnection(here)
        done.callback(here.protocol)
        # As in TLS 1.3, the handshake is over for who dialled before the other end has made up its mind.
        here.protocol.handshakeCompleted()
        if there.protocol is None:
            there.open = False
            self.net.ends.remove(there)
            here.arrive("gone", ConnectionDone())
            return
        there.protocol.makeConnection(there)
        there.protocol.handshakeCompleted()

    def identify(self, transport: Any, allowed: Collection[str]) -> str:
        if transport.peer not in allowed:
            raise ValueError("not listed")
        return str(transport.peer)


class Member:
    """One node: its mesh and membership, and what they told."""

    def __init__(self, net: Net, name: str, nodes: list[Node], **options: Any) -> None:
        self.net = net
        self.name = name
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.metrics = Metrics()
        self.load = Load(connections=0, capacity=100)
        self.turns = 0
        self.weighed = 0
        self.signals: list[Any] = []
        self.hints: list[Any] = []
        self.events: list[str] = []
        self.zones: set[tuple[str, int]] = set()
        self.membership = Membership(nodes, name, self.clock, self.metrics, lambda: None, trusting=False)
        given: dict[str, Any] = {"deployment": "global", "version": "1"}
        given.update(options)
        self.mesh = Mesh(
            nodes=nodes, own=name, listen="", wire=MemoryWire(net, name), clock=self.clock,
            random=Random(next(net.seeds)), membership=self.membership, metrics=self.metrics, load=self._load,
            changed=self._changed, turned=self._turned,
            on_zone=lambda content, serial: self.zones.add((content, serial)), **given,
        )  # fmt: skip
        self.mesh.deliver_to(
            signal=lambda node, signal: self.signals.append((node, signal.channel, signal.type, signal.data)),
            hint=lambda hint: self.hints.append((hint.site, hint.channel, hint.seq)),
            came=lambda node: self.events.append(f"+{node}"), gone=lambda node: self.events.append(f"-{node}"),
        )

    def _load(self) -> Load:
        ready = self.load.ready and not self.mesh.trouble() and not self.mesh.astray()
        return replace(self.load, ready=ready)

    def _changed(self) -> None:
        self.weighed += 1

    def _turned(self) -> None:
        self.turns += 1

    def start(self) -> None:
        self.mesh.start()

    def usable(self) -> str:
        return "".join(sorted(node.name for node in self.membership.usable()))

    def live(self) -> str:
        return "".join(sorted(self.membership.live()))


class Net:
    """Nodes called by single letters, all linked to all, unless told otherwise."""

    def __init__(self, names: str = "abc", **options: Any) -> None:
        self.clock = Clock()
        self.options = options
        self.seeds = itertools.count(7)
        self.cuts: set[frozenset[str]] = set()
        self.hung: dict[str, float] = {}
        self.listening: dict[str, Any] = {}
        self.dials: list[tuple[str, str]] = []
        self.ends: list[End] = []
        self.config = [Node(name=name, mesh=f"{name}:{PORT}") for name in names]
        self.nodes: dict[str, Member] = {}
        for name in names:
            self.add(name)

    def add(self, name: str, **options: Any) -> Member:
        made = self.nodes[name] = Member(self, name, self.config, **{**self.options, **options})
        return made

    def __getitem__(self, name: str) -> Member:
        return self.nodes[name]

    def start(self, seconds: float = 3.0) -> None:
        for node in list(self.nodes.values()):
            node.start()
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            for name, node in list(self.nodes.items()):
                if name not in self.hung:
                    node.clock.advance(STEP)
                else:
                    self.hung[name] += STEP
            self.clock.advance(STEP)

    def until(self, what: Any, limit: float) -> float:
        """Advance until *what*() is true; gives the seconds that took."""
        spent = 0.0
        while not what():
            assert spent < limit, f"not within {limit} s"
            self.advance(STEP)
            spent += STEP
        return spent

    def reaches(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self.cuts

    def cut(self, *pairs: str) -> None:
        self.cuts |= {frozenset(pair) for pair in pairs}

    def heal(self) -> None:
        self.cuts.clear()
        for end in list(self.ends):
            end.take()

    def kill(self, name: str) -> None:
        del self.nodes[name]
        self.listening.pop(name, None)
        for end in [end for end in self.ends if end.own == name]:
            end.open = False
            self.ends.remove(end)
            end.send("gone", ConnectionLost())

    def hang(self, name: str) -> None:
        self.hung[name] = 0.0

    def wake(self, name: str) -> None:
        """Its clock jumps, then its timers run, then it reads."""
        self.nodes[name].clock.advance(self.hung.pop(name))
        for end in [end for end in self.ends if end.own == name]:
            end.take()
