"""The echo for conformance suites."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.support.answers import get
from tests.support.daemon import PATIENCE, ROOT
from tests.support.peers import frames, masked

HANDSHAKE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


class EchoTests(SynchronousTestCase):
    def test_echo(self) -> None:
        """It says where it is, repeats what it is told, in pieces, binary and large too, and closes as it is told."""
        script = ROOT / "scripts" / "bench" / "ws_echo.py"
        child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.communicate)
        self.addCleanup(child.terminate)
        assert child.stdout is not None
        where = re.fullmatch(r"ws://127\.0\.0\.1:(\d+)/\n", child.stdout.readline())
        assert where is not None
        self.socket = socket.create_connection(("127.0.0.1", int(where[1])), timeout=PATIENCE)
        self.addCleanup(self.socket.close)
        self.socket.sendall(get("/", *HANDSHAKE))
        self.assertTrue(self.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 "))
        large = b"y" * 300_000
        self.socket.sendall(
            masked(1, b"one") + masked(1, b"tw", fin=False) + masked(9, b"p") + masked(0, b"o") + masked(2, large)
            + masked(8, b"\x03\xe8bye")
        )  # fmt: skip
        told = b""
        while data := self.socket.recv(65536):
            told += data
        self.assertEqual(frames(told), [(1, b"one"), (10, b"p"), (1, b"two"), (2, large), (8, b"\x03\xe8")])

    def until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += self.socket.recv(1)
        return data
