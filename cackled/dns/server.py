"""The authoritative DNS server: sockets, zone, liveness and location put together.

Part of dns; may touch config, metrics, geo and the other modules of dns.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from cackled.clock import Periodic, wall_time
from cackled.config import ConfigError, Deployment, Dns, Node
from cackled.geo.index import Index
from cackled.geo.nearest import Places
from cackled.metrics import Metrics

from .batch import BatchReader, available
from .cookies import ROTATION, Cookies
from .metrics import DnsCollector
from .nearest import NearestAnswers
from .responder import Responder
from .rrl import RateLimit
from .serial import Mark, Serials
from .sign import LOOK_SECONDS, Signer
from .tcp import DnsTcpFactory
from .udp import UdpReader, bind_udp
from .wire import pack_name
from .zone import Zone, load_zone

log = Logger()

BACKLOG = 128


class Geo(Protocol):
    """What the server wants of `cackled.geo.service.GeoService`."""

    index: Index

    def watch(self, changed: Any) -> None:
        """Call *changed* with each new index."""


class CannotBind(CannotListenError):
    """An address of ``dns.listen`` can't be bound; the message names it."""

    def __str__(self) -> str:
        reason = getattr(self.socketError, "strerror", None) or self.socketError
        return f"DNS can't listen at {self.interface}, port {self.port}: {reason}"


class DnsServer:
    """Serves one zone over UDP and TCP.

    `bind` takes the ports (before privileges are dropped), `start` begins to answer. Everything between is in one
    process; `set_live`, `reload_zone` and a new geo index take effect between two queries.

    Args:
        zone: from `load_zone`; None makes it of *settings* and *nodes*.
        geo: gives the geo index and its replacements; None: all clients are in one place.
        nodes: as configured; none stands for one on this machine.
        identity: what NSID tells when ``dns.nsid`` is empty.
        others: deployments that names are delegated to, in a zone made of the nodes.
        state: the directory that keeps the zone's serial number; None: it is not kept.

    Raises:
        ConfigError: zone, node address or one of *settings* can't be used; one line.
    """

    def __init__(
        self,
        reactor: Any,
        zone: Zone | None,
        geo: Geo | None,
        nodes: Sequence[Node],
        settings: Dns,
        clock: Any,
        random: Random,
        metrics: Metrics,
        *,
        identity: str = "",
        others: Sequence[Deployment] = (),
        state: Path | None = None,
    ) -> None:
        given = zone is not None
        self._others = tuple(others)
        self._reactor = reactor
        self._settings = settings
        self._nodes = tuple(nodes) or (Node(name=identity or "local"),)
        self._clock = clock
        try:
            self._transfer_networks = [ip_network(text, strict=False) for text in settings.axfr_from]
            limit = RateLimit(clock, settings.rate, settings.slip, settings.rate_exempt)
        except ValueError as error:
            raise ConfigError(f"dns: {error}") from None
        self._listen = [_parse_address(text) for text in settings.listen]
        self._nearest = NearestAnswers(self._nodes, settings.answers, random)
        self._cookies = Cookies(wall_time)
        index = geo.index if geo is not None else Index.single(Places(self._nodes).unknown)
        nsid = (settings.nsid or identity).encode("utf-8")
        self._signer = self._make_signer(clock)
        if zone is None:
            zone = self._load()
        elif self._signer is not None:
            zone.publish([key.rdata for key in self._signer.keys])
        self.responder = Responder(
            zone, self._nearest, index, self._cookies, limit, nsid, random, self._signer
        )
        self.handle = self.responder.handle
        if geo is not None:
            geo.watch(self.responder.set_index)
        self._readers: list[UdpReader] = []
        self._listeners: list[socket.socket] = []
        self._factories: list[DnsTcpFactory] = []
        self._ports: list[IListeningPort] = []
        self.addresses: list[tuple[str, int]] = []
        # A zone file brings its own number, and a zone that was handed over too.
        self._own_serial = given or bool(settings.zone_file)
        self._serials = Serials(state / "zone-serial" if state is not None else None, wall_time)
        self._rotation = Periodic(clock, ROTATION, self._cookies.rotate, "dns cookie secret")
        self._renewal = Periodic(clock, LOOK_SECONDS, self._look_at_signatures, "dns signatures")
        metrics.registry.register(DnsCollector(self.responder, lambda: (self._readers, self._factories)))

    def bind(self) -> None:
        """Bind every address, UDP and TCP; ``addresses`` has them then. All or none.

        Raises:
            CannotBind: one of them is taken, not ours, or not allowed.
        """
        try:
            for host, port in self._listen:
                self._bind(host, port)
        except BaseException:
            self._close()
            raise

    def _bind(self, host: str, port: int) -> None:
        # Of port 0 the kernel makes a free UDP port, which may be taken for TCP.
        for left in range(0 if port else 20, -1, -1):
            try:
                udp, tcp = _bind_pair(host, port)
            except OSError as error:
                if left:
                    continue
                raise CannotBind(host, port, error) from None
            if self._settings.batch and available():
                self._readers.append(BatchReader(self._reactor, udp, self.handle, self.responder))
            else:
                self._readers.append(UdpReader(self._reactor, udp, self.handle))
            self._listeners.append(tcp)
            self.addresses.append((host, udp.getsockname()[1]))
            return

    def start(self) -> None:
        """Answer. The sockets are bound first, if they are not yet.

        Raises:
            CannotBind: as `bind`.
        """
        if not self._readers:
            self.bind()
        self._serve(self.responder.zone)
        for reader in self._readers:
            reader.start()
        for listener in self._listeners:
            listener.listen(BACKLOG)
            factory = DnsTcpFactory(
                self._clock, self.handle, lambda: self.responder.zone, self._settings.max_tcp,
                self._may_transfer, self.responder.limit.prove,
            )
            self._factories.append(factory)
            self._ports.append(self._reactor.adoptStreamPort(listener.fileno(), listener.family, factory))
            # Adopting duplicates the descriptor; ours is not needed any more.
            listener.close()
        self._listeners.clear()
        self._rotation.start()
        self._renewal.start()
        log.info(
            "DNS answers for {zone} at {addresses}",
            zone=self._settings.origin,
            addresses=", ".join(f"{host}:{port}" for host, port in self.addresses),
        )

    async def stop(self) -> None:
        """Stop answering and close everything."""
        self._rotation.stop()
        self._renewal.stop()
        self.responder.limit.stop()
        stopped: list[Deferred[Any]] = [maybeDeferred(port.stopListening) for port in self._ports]
        for factory in self._factories:
            factory.close()
        self._close()
        for each in stopped:
            await each
        self._ports.clear()

    def _close(self) -> None:
        for reader in self._readers:
            reader.stop()
        for listener in self._listeners:
            listener.close()
        self._readers.clear()
        self._listeners.clear()
        self.addresses.clear()

    def set_nodes(self, nodes: Sequence[Node]) -> None:
        """These are all nodes from now on; a zone that is made of them is made anew.

        Raises:
            ZoneError: a node has a wrong address.
        """
        self._nearest.set_nodes(nodes)
        self._nodes = tuple(nodes)
        if not self._settings.zone_file:
            self.reload_zone()
        self.responder.refresh()

    def set_live(
        self, names: Collection[str], drained: Collection[str] = (), weights: Mapping[str, int] | None = None
    ) -> None:
        """Answer with the live nodes *names*, without *drained* ones while others are there; see `NearestAnswers`."""
        before = self._nearest.usable
        if not self._nearest.set_live(names, drained, weights):
            return
        self.responder.refresh()
        if self._nearest.usable != before:
            log.info("DNS answers with {nodes}", nodes=", ".join(sorted(self._nearest.usable)))

    def _load(self) -> Zone:
        zone = load_zone(self._settings, self._nodes, self._others)
        if self._signer is not None:
            zone.publish([key.rdata for key in self._signer.keys])
        return zone

    def _make_signer(self, clock: Any) -> Signer | None:
        if not self._settings.keys:
            return None
        from .keys import load

        try:
            keys = [load(path) for path in self._settings.keys]
            return Signer(keys, pack_name(self._settings.origin), wall_time, clock.seconds, self._settings.signatures)
        except ConfigError as error:
            raise ConfigError(f"dns.keys: {error}") from None
        except ValueError as error:
            raise ConfigError(f"dns.origin: {error}") from None

    def _look_at_signatures(self) -> None:
        if self._signer is not None and self._signer.stale():
            self._renew_signatures()

    def _renew_signatures(self) -> None:
        if self._signer is not None:
            self._signer.renew()
            self.responder.refresh()

    def reload_zone(self) -> int:
        """Read the zone again and return its serial number; a zone that makes no sense leaves the old one.

        Raises:
            ZoneError: why it makes none; one line.
        """
        zone = self._load()
        self._serve(zone)
        serial = self.responder.zone.serial
        log.info("DNS zone {zone} loaded, serial {serial}", zone=self._settings.origin, serial=serial)
        return serial

    def _serve(self, zone: Zone) -> None:
        """Serve *zone* from now on, with its serial number."""
        if self._own_serial:
            if not self._serials.given(zone):
                log.warn(
                    "DNS zone {zone} has changed, its serial {serial} has not risen: secondaries keep the old one",
                    zone=self._settings.origin, serial=zone.serial,
                )  # fmt: skip
        else:
            zone.renumber(self._serials.number(zone))
        self.responder.set_zone(zone)

    @property
    def mark(self) -> Mark | None:
        """What other nodes are told of the zone, once it is served and its number is ours to give."""
        return None if self._own_serial else self._serials.mark

    def hear(self, mark: Mark) -> None:
        """Another node has the zone as *mark* says: of the same content, the higher number is that of both."""
        number = None if self._own_serial else self._serials.hear(mark)
        if number is not None:
            self.responder.zone.renumber(number)
            self.responder.set_zone(self.responder.zone)
            log.info("DNS zone {zone}: serial {serial}, as other nodes", zone=self._settings.origin, serial=number)

    def _may_transfer(self, host: str) -> bool:
        if not self._transfer_networks:
            return False
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in self._transfer_networks)


def _bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port.

    Raises:
        OSError: one can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = bind_udp(family, (host, port))
    tcp = socket.socket(family, socket.SOCK_STREAM)
    try:
        tcp.setblocking(False)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        tcp.bind((host, udp.getsockname()[1]))
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def _parse_address(text: str) -> tuple[str, int]:
    """``host:port`` or ``[host]:port``.

    Raises:
        ConfigError: it is neither, or the host is no address, or stands for all of them.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        everywhere = ip_address(host.partition("%")[0]).is_unspecified
        if not 0 <= int(port) <= 65535:
            raise ValueError
    except ValueError:
        raise ConfigError(f"dns.listen: {text!r} is no address:port") from None
    if everywhere:
        # A reply must leave from the address that was asked; a socket on all addresses can't promise that.
        raise ConfigError(f"dns.listen: {text!r}: give each address by itself")
    return host, int(port)
