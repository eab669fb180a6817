"""The server's figures, read at scrape time: the hot path only adds integers.

Part of dns; may touch prometheus_client and the other modules of dns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .responder import Responder
from .tcp import DnsTcpFactory
from .udp import UdpReader

_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}


class DnsCollector(Collector):
    """Collects from *responder* and from what *parts* gives now: the UDP readers and TCP factories."""

    def __init__(
        self, responder: Responder, parts: Callable[[], tuple[list[UdpReader], list[DnsTcpFactory]]]
    ) -> None:
        self._responder = responder
        self._parts = parts

    def describe(self) -> list[Metric]:
        """Nothing: collecting is cheap, and there is nothing to collect before the start."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        responder = self._responder
        signer = responder.signer
        readers, factories = self._parts()
        queries = CounterMetricFamily("cackled_dns_queries", "Messages received.", labels=["transport"])
        queries.add_metric(["udp"], sum(reader.queries for reader in readers))
        queries.add_metric(["tcp"], sum(factory.queries for factory in factories))
        yield queries
        answers = CounterMetricFamily("cackled_dns_answers", "Answers made, before rate limiting.", labels=["rcode"])
        for rcode, name in _RCODES.items():
            answers.add_metric([name], responder.rcodes[rcode] + (responder.hits if rcode == 0 else 0))
        yield answers
        for name, text, value in (
            ("ignored", "Messages left without any answer: responses and scraps.", responder.ignored),
            ("failures", "Messages that met an error of ours.", responder.failures),
            ("truncated", "Answers too big for UDP, sent with TC.", responder.truncated),
            ("unproven_truncated", "Answers over twice the query, sent with TC: no proof.", responder.unproven),
            ("limited_truncated", "Answers that rate limiting sent with TC.", responder.limit.truncated),
            ("limited_dropped", "Answers that rate limiting dropped.", responder.limit.dropped),
            ("udp_unsent", "Answers that the kernel did not take.", sum(reader.unsent for reader in readers)),
            (
                "udp_kernel_drops",
                "Queries the kernel dropped as the receive buffer was full.",
                sum(reader.kernel_drops() for reader in readers),
            ),
            ("signatures", "Signatures made.", signer.made if signer is not None else 0),
            ("signatures_refused", "Signatures over the rate: SERVFAIL.", signer.refused if signer is not None else 0),
            ("tcp_refused", "TCP connections over one address's share.", sum(f.refused for f in factories)),
            ("tcp_evicted", "Idle TCP connections closed for new ones.", sum(f.evicted for f in factories)),
        ):
            yield CounterMetricFamily(f"cackled_dns_{name}", text, value=value)
        yield GaugeMetricFamily(
            "cackled_dns_tcp_connections", "Open TCP connections.", value=sum(f.connections for f in factories)
        )
        yield GaugeMetricFamily(
            "cackled_dns_receive_buffer_bytes",
            "The smallest receive buffer the kernel gave a UDP socket.",
            value=min((reader.receive_buffer for reader in readers), default=0),
        )
        yield GaugeMetricFamily("cackled_dns_serial", "Serial number of the zone.", value=responder.zone.serial)
