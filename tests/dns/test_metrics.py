"""The collector."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.metrics import DnsCollector
from cackled.dns.udp import UdpReader, bind_udp
from cackled.metrics import Metrics

from .helpers import QUESTION, Rig, header


class DnsCollectorTests(SynchronousTestCase):
    def test_figures(self) -> None:
        """Fast and strict answers are counted together, by rcode; the sockets' figures are there."""
        rig = Rig(self)
        reader = UdpReader(None, bind_udp(socket.AF_INET, ("127.0.0.1", 0)), rig.handle)  # type: ignore[arg-type]
        self.addCleanup(reader._socket.close)
        metrics = Metrics()
        metrics.registry.register(DnsCollector(rig.responder, lambda: ([reader], [])))
        for _ in range(3):
            rig.handle(header(body=QUESTION), "127.0.0.1")
        rig.query("nope.geo.test.")
        rig.query("example.com.")
        rig.query("big.geo.test.", "TXT")
        rig.handle(b"scrap", "127.0.0.1")
        for rcode, count in (("NOERROR", 4), ("NXDOMAIN", 1), ("REFUSED", 1), ("FORMERR", 0)):
            self.assertEqual(metrics.value("dns_answers_total", rcode=rcode), count)
        self.assertEqual(metrics.value("dns_ignored_total"), 1)
        self.assertEqual(metrics.value("dns_truncated_total"), 1)
        self.assertEqual(metrics.value("dns_serial"), 2026112101)
        self.assertGreater(metrics.value("dns_receive_buffer_bytes"), 0)
        self.assertIn(b"cackled_dns_tcp_connections 0.0", metrics.render())
