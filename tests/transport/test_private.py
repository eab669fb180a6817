"""Pins the private names of Twisted that the hot path reads."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from cackled.transport import _private


class PrivateTests(SynchronousTestCase):
    """This Twisted is the one the code was written for."""

    def connection(self) -> tuple[Any, socket.socket]:
        """A TCP transport without a reactor, and its other end."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        transport: Any = tcp.Connection(ours, Protocol(), _private._NoReactor())  # type: ignore[arg-type]
        transport.connected = 1
        return transport, theirs

    def test_supported(self) -> None:
        """The check at start says yes here."""
        self.assertTrue(_private.supported())

    def test_headers(self) -> None:
        """Request headers are filled the short way, which gives what Twisted gives."""
        self.assertIs(_private.add_headers, _private._fill_headers)
        self.patch(_private, "_NAMES", None)
        self.assertFalse(_private.lean_headers())

    def test_not_supported(self) -> None:
        """A transport that keeps its buffer elsewhere is found out."""
        self.patch(tcp.Connection, "write", lambda self, data: None)
        self.assertFalse(_private.supported())

    def test_missing(self) -> None:
        """So is one without any of the attributes, or with others than bytes and lists in them."""
        for name in ("dataBuffer", "offset", "_tempDataBuffer", "_tempDataLen"):
            class Other(tcp.Connection):
                """A Twisted to come."""

                def __getattribute__(self, wanted: str, name: str = name) -> Any:
                    if wanted == name:
                        raise AttributeError(name)
                    return super().__getattribute__(wanted)

            self.patch(tcp, "Connection", Other)
            self.assertFalse(_private.supported(), name)

    def test_one_module(self) -> None:
        """No other module of the hot paths names them."""
        names = ("_tempDataBuffer", "_tempDataLen", "dataBuffer", "_appSendBuffer", "_wrap_socket", "_UnsafeErrorPage")
        package = Path(_private.__file__).parents[1]
        for path in sorted((*package.glob("transport/*.py"), *package.glob("realtime/*.py"))):
            if path.name != "_private.py":
                text = path.read_text()
                self.assertEqual([name for name in names if name in text], [], path.name)

    def test_unsent(self) -> None:
        """Bytes are counted while the transport holds them, wherever it does."""
        transport, theirs = self.connection()
        self.assertEqual(_private.unsent(transport), 0)
        self.assertTrue(_private.idle_for_writing(transport))
        transport.write(b"x" * 4_000_000)
        self.assertEqual(_private.unsent(transport), 4_000_000)
        transport.doWrite()
        left = _private.unsent(transport)
        self.assertTrue(0 < left < 4_000_000)
        self.assertFalse(_private.idle_for_writing(transport))
        got = len(theirs.recv(10_000_000, socket.MSG_DONTWAIT))
        while _private.unsent(transport):
            transport.doWrite()
            got += len(theirs.recv(10_000_000, socket.MSG_DONTWAIT))
        self.assertEqual(got, 4_000_000)

    def test_tcp_of(self) -> None:
        """The connection is found through wrappers, and None where there is none."""
        transport, _ = self.connection()
        wrapper = Protocol()
        wrapper.transport = transport
        self.assertIs(_private.tcp_of(transport), transport)
        self.assertIs(_private.tcp_of(wrapper), transport)
        self.assertIsNone(_private.tcp_of(object()))

    def test_accepting(self) -> None:
        """Accepted sockets come without the standard library's wrapping, and are closed to programs we start."""
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(
            listening.getsockname()
        ) as theirs:
            ours, peer = _private.accepting(listening)()
            self.assertEqual(peer, theirs.getsockname())
            self.assertNotIsInstance(ours, socket.socket)
            self.assertFalse(os.get_inheritable(ours.fileno()))
            ours.send(b"1")
            self.assertEqual(theirs.recv(9), b"1")
            ours.close()
            self.assertEqual(theirs.recv(9), b"")

    def test_accepting_as_documented(self) -> None:
        """Where the standard library keeps its sockets elsewhere, its own accept is used."""
        self.patch(_private, "_LEAN_SOCKETS", False)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.assertEqual(_private.accepting(listening), listening.accept)
        self.patch(_private, "_LeanSocket", object)
        self.assertFalse(_private.lean_sockets())

    def test_error_page(self) -> None:
        """A child that is not there is recognised."""
        page = Resource().getChild(b"x", None)
        self.assertIsInstance(page, _private.ErrorPage)
        self.assertEqual(page.code, 404)
