"""Endpoints of the public listeners, from text: plain, TLS, on a bound descriptor, behind a balancer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from cackled import config
from cackled.clock import Periodic
from cackled.metrics import Metrics
from cackled.transport.listener import BACKLOG, Listener, adopt, bind
from cackled.transport.tls import CertificateFolder, quiet_names

TLS = "cackletls"
PLAIN = "tcp"
RELOAD_SECONDS = 60.0
_KEYS = ("port", "interface", "backlog", "fd", "certs")


@implementer(IStreamServerEndpoint)
class PublicEndpoint:
    """Listens with our own transports; with *certs*, by TLS, looking for changed certificates once a minute.

    ``listen(factory)`` binds and begins; a process that gets its socket from elsewhere uses `listen_on`, and one that
    hands sockets out uses `bind`.

    Raises:
        CertificateError: the folder has no usable certificate.
        ValueError: one of *proxies* is no network.
    """

    def __init__(
        self,
        reactor: Any,
        port: int,
        interface: str = "",
        *,
        backlog: int = BACKLOG,
        certs: str | Path | None = None,
        proxies: tuple[str, ...] = (),
        redirect: bool = False,
        http2: bool = False,
        descriptor: int | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._reactor = reactor
        self._where = (port, interface, backlog)
        self._proxies = proxies
        self._redirect = redirect
        self._descriptor = descriptor
        self._metrics = metrics
        self.certificates: CertificateFolder | None = None
        self._watch: Periodic | None = None
        if certs is not None:
            protocols = ("h2", "http/1.1") if http2 else ("http/1.1",)
            self.certificates = CertificateFolder(certs, metrics, protocols)
            self._watch = Periodic(reactor, RELOAD_SECONDS, self.reload, "certificates")
            quiet_names()

    def bind(self, *, reuse_port: bool = False, port: int = 0) -> socket.socket:
        """A listening socket of this endpoint's address (or the descriptor it was given), for `listen_on`.

        *port* replaces a port 0: with several sockets, it is the port that the first one got.

        Raises:
            CannotListenError: the address is taken or not ours.
            ValueError: the descriptor is no listening socket.
        """
        if self._descriptor is not None:
            return adopt(self._descriptor)
        wanted, interface, backlog = self._where
        return bind(wanted or port, interface, backlog=backlog, reuse_port=reuse_port)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Bind and listen."""
        return execute(lambda: self.listen_on(self.bind(), protocolFactory))

    def listen_on(self, sock: socket.socket | int, factory: IProtocolFactory) -> Listener:
        """Listen on a socket that is bound and listening already, ours from then on; or on the number of a descriptor,
        which stays the caller's. The same for plain and TLS.

        Raises:
            ValueError: the descriptor is no listening socket.
        """
        listener = Listener(
            self._reactor,
            adopt(sock) if isinstance(sock, int) else sock,
            factory,
            contexts=None if self.certificates is None else self.certificates.context,
            proxies=self._proxies,
            redirect=self._redirect,
            metrics=self._metrics,
        )
        known = getattr(factory, "certificates", None)
        if self.certificates is not None and known is not None and self.certificates not in known:
            known.append(self.certificates)
        if self._watch is not None:
            self._watch.start()
        listener.startListening()
        return listener

    def reload(self) -> None:
        """Look for changed certificates now."""
        if self.certificates is not None:
            self.certificates.reload()

    def close(self) -> None:
        """Stop looking for changed certificates."""
        if self._watch is not None:
            self._watch.stop()


def maker(
    listen: config.Listen, http: config.Http, metrics: Metrics | None = None
) -> Callable[[Any, str], IStreamServerEndpoint]:
    """A function that makes the endpoint of a ``[[listen]]``, given a reactor and the text (see `public_endpoint`)."""
    return partial(
        public_endpoint, metrics=metrics, proxies=listen.proxy, redirect=listen.redirect, http2=http.http2
    )


def public_endpoint(
    reactor: Any,
    description: str,
    metrics: Metrics | None = None,
    *,
    proxies: tuple[str, ...] = (),
    redirect: bool = False,
    http2: bool = False,
) -> IStreamServerEndpoint:
    """An endpoint from text.

    ``tcp:8080[:interface=..][:backlog=..]`` and ``cackletls:port=8443:certs=/folder[:..]`` are ours; each takes
    ``fd=N`` instead of a port, the number of a descriptor that listens already. Everything else is Twisted's, and has
    none of the options. A colon within a value is written ``\\:``.

    Raises:
        ValueError: the text is malformed, or an option does not fit.
        CertificateError: the folder has no usable certificate.
    """
    if http2 and find_spec("h2") is None:
        raise ValueError('[http] http2 needs the extra "http2": pip install cackled[http2]')
    kind, _, rest = description.partition(":")
    if kind not in (PLAIN, TLS):
        if proxies or redirect:
            raise ValueError(f"endpoint {description!r}: proxy and redirect need tcp: or {TLS}:")
        from twisted.internet.endpoints import serverFromString

        return serverFromString(reactor, description)
    values: dict[str, str] = {}
    for number, part in enumerate(rest.replace("\\:", "\0").split(":")):
        key, equals, value = part.replace("\0", ":").partition("=")
        if not equals and number == 0:
            key, value = "port", key
        elif not equals or key not in _KEYS or key in values or (key == "certs" and kind != TLS):
            raise ValueError(f"endpoint {description!r}: {key!r} is not understood")
        values[key] = value
    numbers = {key: values.get(key, "") for key in ("port", "fd", "backlog")}
    wrong = [key for key, value in numbers.items() if value and not (value.isascii() and value.isdigit())]
    if wrong or (not numbers["port"] and not numbers["fd"]) or int(numbers["port"] or 0) > 65535:
        raise ValueError(f"endpoint {description!r} needs a port (or fd=) and numbers where numbers belong")
    if kind == TLS and not values.get("certs"):
        raise ValueError(f"endpoint {description!r} needs certs=")
    return PublicEndpoint(
        reactor,
        int(numbers["port"] or 0),
        values.get("interface", ""),
        backlog=int(numbers["backlog"] or BACKLOG),
        certs=values.get("certs"),
        proxies=proxies,
        redirect=redirect,
        http2=http2,
        descriptor=int(numbers["fd"]) if numbers["fd"] else None,
        metrics=metrics,
    )
