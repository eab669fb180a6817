"""Subscribers of channels that nobody knows: they cost little, they are limited, and they end nobody's live updates."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from cackled.realtime import latest_numbers
from tests.support.client import call
from tests.support.daemon import Daemon
from tests.support.faults import KEY, SUB, FaultCase

POLLS = 30
CHANNELS = 100


class SubscriberTests(FaultCase):
    """A hostile crowd on one address."""

    def ask(self, target: str) -> socket.socket:
        """A connection that has asked for *target*."""
        made = socket.create_connection(("127.0.0.1", self.daemon.port), timeout=30)
        made.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return made

    def poll(self, number: int) -> socket.socket:
        """A long poll of many channels that nobody has written on."""
        first = 1_000_000 + number * CHANNELS
        return self.ask("/rt/poll?wait=5&" + "&".join(f"sub=1/{one}" for one in range(first, first + CHANNELS)))

    def figure(self, name: str) -> float:
        """The sum of a figure over its labels."""
        text = call(f"{self.daemon.admin_url}/metrics").body.decode()
        return sum(float(value) for value in re.findall(rf"^cackled_{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.M))

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + 60
        while not true():
            if time.monotonic() > end:
                self.fail(what)
            time.sleep(0.05)

    def test_crowd_that_leaves(self) -> None:
        """Thirty polls of a hundred unknown channels, whose clients go away at once, again and again: whoever comes
        afterwards is served as ever, and the database hardly knew."""
        daemon = self.run_daemon()
        before = self.figure("realtime_loads_total")
        began = time.monotonic()
        for _ in range(3):
            for one in [self.poll(number) for number in range(POLLS)]:
                one.close()
        self.until(lambda: self.figure("realtime_sessions") == 0, "polls stay")
        took = time.monotonic() - began
        loads = self.figure("realtime_loads_total") - before
        self.assertLess(loads, latest_numbers.BURST + (took + 1) * latest_numbers.RATE)
        self.assertNotIn("RecursionError", daemon.log())
        self.assertNotIn("Traceback", daemon.log())
        # A channel that is not in memory: the newcomer hears where it stands, and then what comes.
        stream = self.ask(f"/rt/sse?sub={SUB}@0")
        self.addCleanup(stream.close)
        heard = b""
        while b'"recovered"' not in heard:
            heard += stream.recv(65536)
        self.visitor.post(KEY, "after the crowd")
        while b"comment.created" not in heard:
            heard += stream.recv(65536)
        self.assertEqual(call(f"{daemon.url}/readyz").status, 200)

    def test_limited(self) -> None:
        """With the limits as they are by default one address may ask for some hundred unknown channels, then waits."""
        self.daemon = Daemon.for_test(self)
        answers = []
        for number in range(12):
            one = self.poll(number)
            self.addCleanup(one.close)
            one.settimeout(0.5 if number < 4 else 30)
            try:
                answers.append(one.recv(65536).split(b"\r\n", 1)[0])
            except TimeoutError:
                answers.append(b"")
        self.assertIn(b"HTTP/1.1 429 Too Many Requests", answers)
        self.assertLess(self.figure("realtime_channels"), 1_200)
