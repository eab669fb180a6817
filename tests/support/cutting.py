"""A way to the daemon that breaks off: a proxy on a port of its own that holds and cuts a connection when told to."""

from __future__ import annotations

import socket
import struct
import threading

from tests.support.daemon import free_ports


class Cutting:
    """Carries bytes to *port* of this machine, and back."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._lock = threading.Lock()
        self._left: int | None = None
        self._go_on = threading.Event()
        self.cuts = 0
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, after: int) -> None:
        """Carry *after* bytes more to the daemon, and then nothing on that connection, until it is cut; once."""
        with self._lock:
            self._left = after
        self._go_on.clear()

    def cut(self) -> None:
        """Cut the connection that is held."""
        self._go_on.set()

    def close(self) -> None:
        """Take no more connections."""
        self._go_on.set()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            for source, sink, sent in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._carry, args=(source, sink, sent), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, sent: bool) -> None:
        try:
            while data := source.recv(16_384):
                sink.sendall(data)
                if sent and self._is_held(len(data)):
                    self._go_on.wait(60)
                    # As a network that is gone: nothing is said to either side but a reset.
                    for one in (source, sink):
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        one.shutdown(socket.SHUT_RDWR)
                    break
        except OSError:
            pass
        finally:
            for one in (source, sink):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _is_held(self, count: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            self._left -= count
            if self._left > 0:
                return False
            self._left = None
            self.cuts += 1
            return True
