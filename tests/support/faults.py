"""What tests of faults stand on: a daemon without rate limits, a journal, and figures that are printed at the end."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import channel_id
from tests.support.client import Visitor, call
from tests.support.daemon import Daemon
from tests.support.journal import READERS, Journal, Reader, Writer, comments

CONFIG = '[limits]\nexempt = ["127.0.0.0/8"]\n'
KEY = "page"
SUB = f"1/{channel_id('comments', KEY)}"


class FaultCase(SynchronousTestCase):
    """A daemon, and clients that keep a journal."""

    def setUp(self) -> None:
        """Nothing runs yet."""
        self.readers: list[Reader] = []

    def run_daemon(self, extra: str = "", kind: type[Daemon] = Daemon) -> Daemon:
        """Start one, with a journal."""
        self.daemon = kind.for_test(self, CONFIG + extra)
        self.journal = Journal(self.daemon.folder / "journal")
        self.addCleanup(self.journal.close)
        self.addCleanup(self.stop_readers)
        self.visitor = Visitor(self.daemon.url)
        return self.daemon

    def follow(self, *kinds: type[Reader]) -> None:
        """A subscriber on every transport, from the channel's beginning."""
        for kind in kinds or READERS:
            self.readers.append(kind(self.journal, self.daemon.port, f"{SUB}@0"))

    def stop_readers(self) -> None:
        """End them."""
        for reader in self.readers:
            reader.stop()

    def writers(self, number: int, count: int) -> list[Writer]:
        """So many writers, started."""
        made = [
            Writer(self.journal, self.daemon.url, KEY, f"w{n}", count, self.visitor.token) for n in range(number)
        ]  # fmt: skip
        for one in made:
            one.start()
        return made

    def wait_acks(self, count: int, timeout: float = 60.0) -> None:
        """Wait until so many comments are acknowledged in all."""
        end = time.monotonic() + timeout
        while len(self.journal.lines("ack")) < count:
            if time.monotonic() > end:
                self.fail(f"no {count} acknowledgements:\n{self.daemon.log()[-3000:]}")
            time.sleep(0.02)

    def finish(self, writers: list[Writer], slow: tuple[str, ...] = ()) -> dict[str, int]:
        """Wait for the writers and the subscribers, and check the promise."""
        for one in writers:
            one.join(90)
            self.assertFalse(one.is_alive(), f"{one.name} does not end")
            self.assertEqual(one.wrong, [])
        acks = self.journal.lines("ack")
        last = max(line["seq"] for line in acks)
        if self.readers:
            self.journal.wait_readers(self, SUB, last)
        figures = self.journal.check(self, SUB, comments(self.daemon.url, KEY), slow=slow)
        figures["replayed"] = sum(line["replayed"] for line in acks)
        figures["refused"] = len(self.journal.lines("refused"))
        figures["cut"] = len(self.journal.lines("cut"))
        self.assert_quiet_log()
        return figures

    def recovery(self, since: float, timeout: float = 60.0) -> float:
        """Wait for an acknowledgement of a request that was sent after *since*; the seconds from then to it."""
        while True:
            acks = [line["at"] for line in self.journal.lines("ack") if line["began"] > since]
            if acks:
                return min(acks) - since
            if time.monotonic() > since + timeout:
                self.fail(f"nothing was acknowledged afterwards:\n{self.daemon.log()[-3000:]}")
            time.sleep(0.02)

    def assert_quiet_log(self, most: int = 64 * 1024) -> None:
        """The log has no traceback and stays small."""
        text = self.daemon.log()
        at = text.find("Traceback")
        self.assertEqual(at, -1, text[max(0, at - 500) : at + 3000])
        self.assertLess(len(text), most, text[-2000:])

    def tell(self, **figures: Any) -> None:
        """Print the figures where CACKLED_FIGURES is set."""
        if os.environ.get("CACKLED_FIGURES"):
            words = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items())
            print(f"{self.id().rpartition('.')[2]}: {words}", file=sys.__stderr__, flush=True)

    def metric(self, name: str) -> float:
        """The sum of one metric's samples, from the admin listener."""
        lines = call(f"{self.daemon.admin_url}/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)
