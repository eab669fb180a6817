"""Connections that are kept busy with next to nothing: each kind is found out, and nobody else is served the worse."""

from __future__ import annotations

import re
import socket
import time

from tests.support.client import call
from tests.support.daemon import PATIENCE
from tests.support.faults import FaultCase

# Of each kind.
MANY = 40
LIMITS = """
[http]
head_timeout = 1.5
body_timeout = 1.5
idle_timeout = 1.5
stall_timeout = 1.5
max_connections_per_address = 100
"""
HEAD = b"GET /demo HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /api/v1/sites/1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n"


class Crawlers:
    """*many* connections of one kind, from an address of their own; `push` sends the next byte on each."""

    def __init__(self, port: int, number: int, first: bytes, more: bytes, many: int = MANY) -> None:
        self.more = more
        self.open: list[socket.socket] = []
        self.ended = 0
        for _ in range(many):
            made = socket.socket()
            # A window that a few packets fill.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            made.bind((f"127.0.2.{number}", 0))
            made.connect(("127.0.0.1", port))
            made.sendall(first)
            made.setblocking(False)
            self.open.append(made)

    def push(self) -> None:
        """Go on as slowly as before; forget those that the server has ended."""
        for one in list(self.open):
            try:
                if self.more:
                    one.send(self.more)
                gone = self.ends(one)
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                self.open.remove(one)
                self.ended += 1
                one.close()

    def ends(self, one: socket.socket) -> bool:
        """Whether the server has hung up: what it says before is read, and is no answer to a page."""
        said = one.recv(4096)
        assert not said.startswith(b"HTTP/1.1 200"), said
        return not said


class Sleepers(Crawlers):
    """They ask, and take nothing of the answer, or a few bytes now and then."""

    taken = 0

    def ends(self, one: socket.socket) -> bool:
        """A reset tells; its end of the stream lies behind what was not taken."""
        if self.taken:
            one.recv(self.taken)
        return one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


class CrawlerTests(FaultCase):
    """As slowhttptest does it, with short limits."""

    def setUp(self) -> None:
        """A daemon, and the address of a script that no kernel buffer of theirs holds."""
        super().setUp()
        daemon = self.run_daemon(LIMITS)
        loader = call(f"{daemon.url}/widget.js").body.decode()
        found = re.search(r"/widget/[^/\"]+/", loader)
        assert found is not None, loader
        self.script = f"{found[0]}comments.js".encode()

    def until_gone(self, kind: str, herd: Crawlers) -> None:
        """The server has none of *herd* any more, while others are served."""
        try:
            end, seen = time.monotonic() + PATIENCE, False
            while (there := self.connections() > 4) or not seen:
                seen = seen or there or self.metric("cackled_http_connections_cut_total") > 0
                self.assertLess(time.monotonic(), end, f"{kind}: {len(herd.open)} are still there")
                herd.push()
                self.assertEqual(call(f"{self.daemon.url}/bootstrap?widget=Comment&site=1&channel=demo").status, 200)
                time.sleep(0.1)
        finally:
            for one in herd.open:
                one.close()
        self.assert_quiet_log()

    def connections(self) -> float:
        return self.sample("cackled_http_connections ")

    def refused(self, reason: str) -> float:
        return self.sample(f'cackled_http_refusals_total{{reason="{reason}"}}')

    def cut(self, reason: str) -> float:
        return self.sample(f'cackled_http_connections_cut_total{{reason="{reason}"}}')

    def sample(self, name: str) -> float:
        lines = call(f"{self.daemon.admin_url}/metrics").body.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    def test_heads(self) -> None:
        """A head that comes letter by letter has its time, whatever comes meanwhile."""
        self.until_gone("heads", Crawlers(self.daemon.port, 1, HEAD, b"X"))
        self.assertEqual(self.refused("head"), MANY)

    def test_bodies(self) -> None:
        """A body that comes letter by letter has the time that its length is good for."""
        self.until_gone("bodies", Crawlers(self.daemon.port, 2, BODY, b"x"))
        self.assertEqual(self.refused("body"), MANY)

    def test_silence(self) -> None:
        """Who says nothing at all is sent home."""
        self.until_gone("idle", Crawlers(self.daemon.port, 3, b"", b""))
        self.assertGreaterEqual(self.cut("idle"), MANY)

    def test_answers(self) -> None:
        """Who takes next to nothing of what it asked for is cut off, by us or by the kernel that has it all."""
        ask = b"GET " + self.script + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for number, asks, taken, many in ((4, 100, 0, 10), (5, 100, 8, 10), (6, 1, 0, MANY)):
            herd = Sleepers(self.daemon.port, number, ask * asks, b"", many)
            herd.taken = taken
            self.until_gone(f"{asks} answers, {taken}", herd)
        self.assertGreaterEqual(self.cut("stall"), 10)

    def test_crowd(self) -> None:
        """Above its cap an address is told so, 503; another one is served."""
        herd = Crawlers(self.daemon.port, 6, b"", b"", many=100)
        self.addCleanup(lambda: [one.close() for one in herd.open])
        extra = Crawlers(self.daemon.port, 6, HEAD + b"\r\n", b"", many=1).open[0]
        extra.settimeout(PATIENCE)
        self.assertTrue(extra.recv(4096).startswith(b"HTTP/1.1 503 "))
        extra.close()
        self.assertEqual(call(f"{self.daemon.url}/healthz").status, 200)
        self.assertEqual(self.refused("address"), 1)
