"""Reviews and votes over the death of the primary and the promotion of its replica."""

from __future__ import annotations

from cackled.events import channel_id
from tests.replicas.case import ReplicaCase
from tests.support.client import call
from tests.support.journal import EventSourceReader, WebSocketReader, attempt
from tests.support.product_writers import Voters, review_writers

KEY = "product"
# Fewer than a network may have in an hour.
VOTERS = 12
FIRST = ("Review&site=1&channel=" + KEY, "Poll&site=1&poll=1")


class ProductReplicaTests(ReplicaCase):
    """What comments promise, kept by the other products."""

    def test_promotion(self) -> None:
        """The primary dies under writers of reviews and voters: pages are still shown, marked as old; what was
        acknowledged is on the promoted replica once, with its counts; subscribers miss nothing and go on."""
        daemon = self.run_pair(synchronous=True)
        sub = f"1/{channel_id('reviews', KEY)}"
        for kind in (WebSocketReader, EventSourceReader):
            self.readers.append(kind(self.journal, daemon.port, f"{sub}@0"))
        count = 15
        writers = review_writers(self, KEY, 3, count)
        voters = Voters(daemon.url, VOTERS)
        self.wait_acks(10)
        voters.wait(VOTERS // 2)
        self.one.kill()
        for page in FIRST:
            self.until(f"{page} is shown", lambda page=page: self.shown(page) == (200, "1"))
        self.two.execute("alter system set synchronous_standby_names = ''")
        self.two.promote()
        daemon.wait_log("database two is the primary now")
        daemon.wait_log("the event log goes on without loss")
        for one in writers:
            one.join(120)
            self.assertEqual((one.is_alive(), one.wrong), (False, []))
        voters.check(self)
        acks = self.journal.lines("ack")
        self.journal.wait_readers(self, sub, max(line["seq"] for line in acks))
        found = call(f"{daemon.url}/api/v1/sites/1/reviews?channel={KEY}&sort=old&size=100").json()
        self.journal.check(self, sub, found["page"]["reviews"], created="review.created")
        self.assertEqual(found["summary"]["histogram"], [3 * count // 5] * 5)
        self.assertEqual((found["summary"]["count"], len(acks)), (3 * count, 3 * count))
        self.assertEqual(self.metric("cackled_tail_gaps_total"), 0)
        self.assert_quiet_log()

    def shown(self, page: str) -> tuple[int, str | None]:
        """The status of a first render, and whether it says that it may be old."""
        answer = attempt(f"{self.daemon.url}/bootstrap?widget={page}")
        return (answer.status, answer.headers.get("X-Cackled-Stale")) if answer else (0, None)
