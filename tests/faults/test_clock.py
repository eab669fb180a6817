"""The wall clock is stepped under a running daemon (libfaketime; without it these tests are skipped)."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tests.support.client import call
from tests.support.daemon import Daemon
from tests.support.faults import FaultCase
from tests.support.journal import WebSocketReader

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


# The library makes every clock_nanosleep an error (EINVAL), and Python sleeps with nothing else. The daemon does not
# sleep, but the standard library does now and then: while it waits for a child that has not ended at once.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


class Stepped(Daemon):
    """A daemon whose wall clock is this machine's plus what `step` says."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.offset = self.folder / "offset"

    def command(self) -> list[str]:
        """With the library before it."""
        self.step(0)
        (self.folder / "sitecustomize.py").write_text(SLEEP)
        path = f"PYTHONPATH={self.folder}{os.pathsep}{self.pythonpath}"
        preload = f"LD_PRELOAD={LIBRARY}"
        switches = ("FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", f"FAKETIME_TIMESTAMP_FILE={self.offset}")
        return ["/usr/bin/env", preload, path, *switches, *super().command()]

    def step(self, seconds: int) -> None:
        """Set the clock's offset."""
        new = self.offset.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, self.offset)


class ClockTests(FaultCase):
    """Timers run on the monotonic clock; tokens outlive a step."""

    if LIBRARY is None:
        skip = "libfaketime is not installed"

    def test_stepped_back_and_forward_by_an_hour(self) -> None:
        """After each step timers fire, the lag stays small, the old token writes, and subscribers get the events."""
        daemon = self.run_daemon('[realtime]\nheartbeat = 1.0\ndrain_seconds = 0.5\n', Stepped)
        assert isinstance(daemon, Stepped)
        self.follow()
        beats = Beats(self.journal, daemon.port, self.readers[0].sub + "@0")
        self.readers.append(beats)
        lags = []
        for number, offset in enumerate((0, -3600, 3600, 0)):
            daemon.step(offset)
            time.sleep(0.3)
            answer = self.visitor.post("page", f"written at {offset} number {number}")
            self.assertEqual(answer.status, 201, answer.body)
            told = answer.json()
            self.journal.write("ack", writer="one", id=told["comment"]["id"], sub=self.readers[0].sub, replayed=False,
                               seq=int(told["position"].partition("@")[2]))  # fmt: skip
            date = parsedate_to_datetime(call(daemon.url + "/healthz").headers["Date"]).timestamp()
            self.assertLess(abs(date - time.time() - offset), 60, "the clock was not stepped")
            # The heartbeat is a timer: two more of them, and it is alive.
            seen = beats.count
            end = time.monotonic() + 20
            while beats.count < seen + 2:
                self.assertLess(time.monotonic(), end, f"timers stand still at {offset}")
                time.sleep(0.05)
            lags.append(self.metric("cackled_reactor_lag_max_seconds"))
        figures = self.finish([])
        self.assertLess(max(lags), 3.0)
        self.assertEqual([reader.sessions for reader in self.readers], [1] * len(self.readers), "cut off by a step")
        self.tell(**figures, reactor_lag=max(lags), heartbeats=beats.count)


class Beats(WebSocketReader):
    """Counts the server's heartbeats."""

    kind = "beats"
    count = 0

    def beat(self) -> None:
        """One came."""
        self.count += 1
