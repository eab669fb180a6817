"""What tests of replica faults stand on: a primary, a replica, a daemon on both, and readers that never look back."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from cackled.database.instance import Instance
from cackled.database.testing import TestServer
from tests.support.daemon import Daemon
from tests.support.faults import KEY, FaultCase
from tests.support.journal import EventSourceReader, Reader, WebSocketReader, attempt

PREFERENCES = ("nearest", "secondaryPreferred", "primaryPreferred", "primary", "secondary")
# What answers while no primary is up.
YIELDING = PREFERENCES[:3]


class Look:
    """One read, as it came back."""

    def __init__(self, preference: str, after: int, began: float, answer: Any, acknowledged: int = 0) -> None:
        self.preference = preference
        self.after = after
        # The highest seq that a writer had been answered with before.
        self.acknowledged = acknowledged
        self.began = began
        self.took = time.monotonic() - began
        self.status = answer.status if answer else 0
        self.seq = -1
        self.server = self.staleness = ""
        self.stale = False
        self.retry = answer.headers.get("Retry-After") if answer else None
        if self.status == 200:
            self.seq = answer.json()["channel"]["seq"]
            self.server = answer.headers["X-Cackled-Server"]
            self.staleness = answer.headers["X-Cackled-Staleness"]
            self.stale = answer.headers.get("X-Cackled-Stale") == "1"

    def __repr__(self) -> str:
        return (f"<{self.preference} {self.status} seq {self.seq} after {self.after} by {self.server} "
                f"{'stale ' if self.stale else ''}{self.took:.2f} s>")  # fmt: skip


class Looker(threading.Thread):
    """One client that reads with every preference in turn, and never wants less than it or a writer has seen."""

    def __init__(self, case: ReplicaCase) -> None:
        super().__init__(daemon=True)
        self._case = case
        self.over = False
        self.looks: list[Look] = []
        self.seen = 0
        self.start()

    def run(self) -> None:
        """Until told to stop."""
        while not self.over:
            for preference in PREFERENCES:
                acknowledged = max((line["seq"] for line in self._case.journal.lines("ack")), default=0)
                self.seen = max(self.seen, acknowledged)
                self.looks.append(self._case.look(preference, self.seen, acknowledged))
                self.seen = max(self.seen, self.looks[-1].seq)
            time.sleep(0.02)

    def stop(self) -> None:
        """End."""
        self.over = True
        self.join(60)


class ReplicaCase(FaultCase):
    """Servers "one" (the primary) and "two" (its replica, the daemon's own)."""

    def setUp(self) -> None:
        """Nothing runs yet."""
        super().setUp()
        self.lookers: list[Looker] = []

    def run_pair(self, *, synchronous: bool = False, folder: Path | None = None, extra: str = "") -> Daemon:
        """Start the servers, the daemon, and its journal."""
        self.one = TestServer()
        self.addCleanup(self.one.stop)
        self.one.execute("create database cackled")
        self.two = TestServer(replica_of=self.one, slot="two", folder=folder)
        self.addCleanup(self.two.stop)
        if synchronous:
            self.one.execute("alter system set synchronous_standby_names = 'FIRST 1 (two)'")
            self.one.execute("select pg_reload_conf()")
        places = "".join(
            f'[[database.server]]\nname = "{name}"\ndsn = "{server.dsn("cackled")}"\nlocal = {local}\n'
            for name, server, local in (("one", self.one, "false"), ("two", self.two, "true"))
        )
        daemon = self.run_daemon(places + extra)
        self.addCleanup(self.stop_lookers)
        return daemon

    def watch(self, *kinds: type[Reader]) -> Looker:
        """Subscribers and a looker."""
        self.follow(*(kinds or (WebSocketReader, EventSourceReader)))
        made = Looker(self)
        self.lookers.append(made)
        return made

    def stop_lookers(self) -> None:
        """End them."""
        for one in self.lookers:
            one.stop()

    def look(self, preference: str, after: int = 0, acknowledged: int = 0) -> Look:
        """One read through the API, or through the first render for ``nearest``."""
        query = f"channel={KEY}&readPreference={preference}&after={after}"
        path = f"/bootstrap?widget=Comment&site=1&{query}" if preference == "nearest" else (
            f"/api/v1/sites/1/comments?{query}")  # fmt: skip
        began = time.monotonic()
        return Look(preference, after, began, attempt(self.daemon.url + path), acknowledged)

    def until(self, what: str, check: Any, timeout: float = 30.0) -> float:
        """Wait until *check* gives something true; the seconds it took."""
        began = time.monotonic()
        while not check():
            if time.monotonic() > began + timeout:
                self.fail(f"{what}: not within {timeout:.0f} s\n{self.daemon.log()[-3000:]}")
            time.sleep(0.02)
        return time.monotonic() - began

    def caught_up(self, server: Instance, origin: Instance) -> bool:
        """Whether *server* shows all that *origin* has written."""
        (position,) = origin.execute("select pg_current_wal_flush_lsn()")[0]
        return bool(server.execute("select pg_last_wal_replay_lsn() >= %s", position)[0][0])

    def check_looks(self, looker: Looker, *, failing: tuple[str, ...] = ()) -> list[Look]:
        """No answer went back behind what its client had seen, unless it said so; failures are 503 and of *failing*."""
        looker.stop()
        looks = looker.looks
        self.assertGreaterEqual(len(looks), 10)
        self.assertEqual([one for one in looks if one.status == 200 and one.seq < one.after and not one.stale], [])
        # What a replica showed first the primary may not show yet, and says so. What was acknowledged it always shows.
        behind = [one for one in looks if one.preference == "primary" and 0 <= one.seq < one.acknowledged]
        self.assertEqual(behind, [])
        wrong = [one for one in looks if one.status != 200 and (one.status != 503 or not one.retry)]
        self.assertEqual(wrong, [])
        # `secondary` insists on a replica: it may have to wait for one that has come so far.
        failed = {one.preference for one in looks if one.status == 503} - {"secondary"}
        self.assertLessEqual(failed, set(failing), [one for one in looks if one.status == 503][:5])
        return looks
