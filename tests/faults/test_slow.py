"""A subscriber that stops reading."""

from __future__ import annotations

import socket
import threading
import time

from tests.support.faults import SUB, FaultCase
from tests.support.journal import WebSocketReader

TEXT = "slow words " * 400


class Sleeper(WebSocketReader):
    """Reads nothing until it is woken, with the smallest buffer the kernel gives."""

    kind = "sleeper"

    def __init__(self, *args: object) -> None:
        self.awake = threading.Event()
        super().__init__(*args)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        """The first connection has next to no buffer."""
        if self.awake.is_set():
            return super().connect()
        made = self._socket = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        made.settimeout(20)
        made.connect(("127.0.0.1", self.port))
        return made

    def take(self, text: bytes) -> None:
        """Fall asleep over the first message."""
        self.awake.wait(60)
        super().take(text)


class SlowTests(FaultCase):
    """Who does not read is dropped and comes back by position; the others notice nothing."""

    def test_a_sleeping_subscriber(self) -> None:
        """It is dropped once its buffer is full, is told what it missed or that it missed something, and is live again;
        the others were never cut off.
        """
        daemon = self.run_daemon("[realtime]\nclient_buffer = 16384\n")
        self.follow()
        sleeper = Sleeper(self.journal, daemon.port, f"{SUB}@0")
        self.readers.append(sleeper)
        self.addCleanup(sleeper.awake.set)
        number = 0
        end = time.monotonic() + 60
        while self.dropped() == 0:
            self.assertLess(time.monotonic(), end, "it is never dropped")
            self.post(number)
            number += 1
        resident = self.metric("process_resident_memory_bytes")
        sleeper.awake.set()
        while sleeper.sessions < 2:
            self.assertLess(time.monotonic(), end, "it does not come back")
            time.sleep(0.02)
        for more in range(number, number + 5):
            self.post(more)
        figures = self.finish([], slow=(sleeper.kind,))
        others = [reader for reader in self.readers if reader is not sleeper]
        # A poll makes one connection for many polls.
        self.assertEqual([reader.sessions for reader in others], [1] * 3, "the others were cut off")
        told = len(self.journal.lines("gap"))
        self.tell(**figures, posts=number, told_gaps=told, resident_mib=resident / 2**20)

    def post(self, number: int) -> None:
        """One long comment."""
        answer = self.visitor.post("page", f"{number} {TEXT}")
        self.assertEqual(answer.status, 201, answer.body)
        told = answer.json()
        self.journal.write("ack", writer="one", id=told["comment"]["id"], sub=SUB, replayed=False,
                           seq=int(told["position"].partition("@")[2]))  # fmt: skip

    def dropped(self) -> float:
        """How many subscribers were dropped."""
        return self.metric("cackled_realtime_dropped_total")
