"""Whole meshes over TLS and loopback sockets in one process: what the net in memory can't show."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from cackled.cluster.ca import init_ca, issue
from cackled.cluster.liveness import Load
from cackled.cluster.membership import Membership
from cackled.cluster.mesh import Mesh
from cackled.cluster.tls import Credentials, TlsWire
from cackled.config import Node
from cackled.metrics import Metrics
from tests.support.daemon import free_ports


class Member:
    def __init__(self, nodes: list[Node], name: str, folder: Path) -> None:
        self.metrics = Metrics()
        self.credentials = Credentials(folder, name)
        self.membership = Membership(nodes, name, reactor, self.metrics, lambda: None, trusting=False)  # type: ignore[arg-type]
        self.signals: list[Any] = []
        self.mesh = Mesh(
            nodes=nodes, own=name, deployment="global", version="1", listen="", wire=TlsWire(reactor, self.credentials),
            clock=reactor, random=Random(), membership=self.membership, metrics=self.metrics,  # type: ignore[arg-type]
            load=lambda: Load(ready=not self.mesh.trouble()), changed=lambda: None, turned=lambda: None,
        )  # fmt: skip
        self.mesh.deliver_to(
            signal=lambda node, signal: self.signals.append((node, signal.data)), hint=lambda hint: None,
            came=lambda node: None, gone=lambda node: None,
        )  # fmt: skip

    def linked(self) -> set[str]:
        own = self.membership.own
        return {name for name, state in self.mesh.states().items() if state.linked and name != own}

    def links(self) -> list[Any]:
        return [peer.link for peer in self.mesh._peers.values()]


class MeshCase(TestCase):
    """Nodes n1, n2 and n3, none of them started."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        init_ca(self.folder)
        self.nodes = [Node(name=f"n{n}", mesh=f"127.0.0.1:{port}") for n, port in enumerate(free_ports(3), 1)]
        for node in self.nodes:
            issue(self.folder, node.name)

    def start(self, name: str, folder: Path | None = None) -> Member:
        member = Member(self.nodes, name, folder or self.folder)
        member.mesh.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.stop(member)))
        return member

    async def stop(self, member: Member) -> None:
        await member.mesh.stop()
        while member.mesh._links:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    @inlineCallbacks
    def until(self, what: Callable[[], object]) -> Any:
        while not what():
            yield deferLater(reactor, 0.01)  # type: ignore[arg-type]


class MeshOverTls(MeshCase):
    @inlineCallbacks
    def test_together(self) -> Any:
        """All link, signals cross each link both ways, all are in use."""
        members = [self.start(node.name) for node in self.nodes]
        yield self.until(lambda: all(len(member.linked()) == 2 for member in members))
        for member in members:
            member.mesh.announce(1, 5, "typing", {"name": member.membership.own})
        yield self.until(lambda: all(len(member.signals) == 2 for member in members))
        yield self.until(lambda: all(len(member.membership.live()) == 3 for member in members))
        self.assertEqual(sorted(members[1].signals), [("n1", {"name": "n1"}), ("n3", {"name": "n3"})])

    @inlineCallbacks
    def test_renewed(self) -> Any:
        """New certificates come into use link by link; at no moment is a node without, and no link counts as lost."""
        members = [self.start(node.name) for node in self.nodes]
        yield self.until(lambda: all(len(member.linked()) == 2 for member in members))
        first = members[0]
        old = first.links()
        for file in ("n1.pem", "n1.key"):
            os.unlink(self.folder / file)
        issue(self.folder, "n1", days=3)
        self.assertTrue(first.credentials.reload())
        first.mesh.renew()
        while any(link in old for link in first.links()):
            self.assertEqual([len(member.linked()) for member in members], [2, 2, 2])
            yield deferLater(reactor, 0.01)  # type: ignore[arg-type]
        yield self.until(lambda: all(len(member.linked()) == 2 for member in members))
        for member in members[1:]:
            link = member.mesh._peers["n1"].link
            assert link is not None
            shown = link.transport.getPeerCertificate().to_cryptography()
            self.assertLess(shown.not_valid_after_utc - datetime.now(UTC), timedelta(days=4))
        self.assertEqual([m.metrics.value("mesh_links_lost_total") for m in members], [0, 0, 0])

    @inlineCallbacks
    def test_impostor(self) -> Any:
        """A node of another authority dials and is dialled, for nothing; the others don't mind."""
        other = Path(self.mktemp())
        init_ca(other)
        issue(other, "n2")
        first, third, impostor = self.start("n1"), self.start("n3"), self.start("n2", other)
        yield self.until(lambda: impostor.metrics.value("mesh_refused_total") > 3)
        yield self.until(lambda: first.membership.live() == third.membership.live() == {"n1", "n3"})
        self.assertEqual((impostor.linked(), impostor.membership.live()), (set(), set()))
        self.assertEqual(first.linked(), {"n3"})
        self.assertTrue(first.mesh.states()["n2"].trouble)
        self.assertEqual(self.flushLoggedErrors(), [])
