"""What waits for clients who don't read is bounded, by network and in all; nobody else is hurt."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport._buffers import Buffers
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import answers, get
from tests.support.sockets import Peer
from tests.transport.test_tls import Site, TlsTestCase

PAGE = 8_000_000
SETTINGS = {"buffer_bytes_per_address": 12_000_000, "buffer_bytes": 60_000_000}


class One:
    """A holder."""

    def __init__(self, network: str | None) -> None:
        self.network = network
        self.ended = 0

    def cut_off(self) -> None:
        self.ended += 1


class BuffersTests(SynchronousTestCase):
    """The accounts."""

    def setUp(self) -> None:
        self.cuts = 0
        self.buffers = Buffers(100, 250, lambda network: network == "proxy", self.cut)

    def cut(self) -> None:
        self.cuts += 1

    def test_of_a_network(self) -> None:
        """Above its bound the one for whom most waits goes, in that network."""
        a, b, other = One("n"), One("n"), One("m")
        self.buffers.change(other, 90)
        self.buffers.change(a, 60)
        self.buffers.change(b, 30)
        self.assertEqual(self.cuts, 0)
        self.buffers.change(b, 20)
        self.assertEqual((a.ended, b.ended, other.ended, self.buffers.total), (1, 0, 0, 140))

    def test_in_all(self) -> None:
        """Above the process's bound the one for whom most waits goes, whoever it is; a proxy has no other."""
        proxied = One("proxy")
        self.buffers.change(proxied, 180)
        self.assertEqual(proxied.ended, 0)
        one = One("n")
        self.buffers.change(one, 80)
        self.assertEqual((proxied.ended, one.ended, self.buffers.total), (1, 0, 80))

    def test_forgotten(self) -> None:
        """Who is gone holds nothing, however often it is said."""
        one = One(None)
        self.buffers.change(one, 50)
        for _ in range(2):
            self.buffers.forget(one)
            self.buffers.change(one, -10)
        self.assertEqual((self.buffers.total, self.buffers._held, self.buffers._networks), (0, {}, {}))

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(-60, 120)), max_size=80))
    def test_sums(self, steps: list[tuple[int, int]]) -> None:
        """The sums are those of what is held, and never above the bounds."""
        buffers = Buffers(100, 250, lambda network: False, lambda: None)
        ones = [One(f"n{number % 3}") for number in range(10)]
        for number, size in steps:
            held = buffers._held.get(ones[number], (0, ""))[0]
            buffers.change(ones[number], max(size, -held))
            sums: dict[str, int] = {}
            for known, network in buffers._held.values():
                sums[network] = sums.get(network, 0) + known
            assert sums == buffers._networks
            assert buffers.total == sum(sums.values()) <= 250
            assert not sums or max(sums.values()) <= 100


class ReadersTests(TlsTestCase):
    """Forty readers who don't read."""

    def reads_nothing(self, site: Site, tls: bool) -> None:
        peers: list[Peer] = []
        most = 0
        for _ in range(40):
            peer = site.client() if tls else site.plain()
            self.addCleanup(peer.close)
            peers.append(peer)
            peer.send(get("/page", host="a.example"))
            site.reactor.turn(2)
            most = max(most, site.metrics.value("http_buffered_bytes"))
        self.assertLessEqual(most, SETTINGS["buffer_bytes_per_address"])
        self.assertGreater(site.metrics.value("http_connections_cut_total", reason="buffers"), 20)
        # Whoever reads is served.
        reader = site.client() if tls else site.plain()
        self.addCleanup(reader.close)
        reader.send(get("/small", host="a.example"))
        self.assertEqual([one.status for one in answers(reader.waiting())], [200])
        for peer in peers:
            peer.close()
        site.reactor.turn(5)
        self.assertEqual(site.metrics.value("http_buffered_bytes"), 0)

    def site(self, folder: str | None = None) -> Site:
        async def page(request: Any) -> Response:
            return Response(body=b"x" * PAGE)

        async def small(request: Any) -> Response:
            return Response(body=b"x")

        routes = {b"page": AsyncResource(page), b"small": AsyncResource(small)}
        return Site(self, folder, routes, settings=SETTINGS)

    def test_plain(self) -> None:
        """Over plain TCP."""
        self.reads_nothing(self.site(), False)

    def test_tls(self) -> None:
        """Over TLS."""
        self.reads_nothing(self.site(self.folder), True)
