"""Reviews and polls keep the promise that comments keep: the daemon is killed in the middle of writes."""

from __future__ import annotations

from cackled.events import channel_id
from tests.support.client import call
from tests.support.faults import FaultCase
from tests.support.journal import READERS
from tests.support.product_writers import Voters, review_writers

KEY = "product"
# Fewer than a network may have in an hour.
VOTERS = 12


class ProductTests(FaultCase):
    """What was acknowledged is there once, with all that is counted of it; subscribers miss nothing."""

    def test_reviews(self) -> None:
        """Three writers, a SIGKILL: no review lost or doubled, events complete and in order, the summary exact."""
        daemon = self.run_daemon()
        sub = f"1/{channel_id('reviews', KEY)}"
        for kind in READERS:
            self.readers.append(kind(self.journal, daemon.port, f"{sub}@0"))
        count = 15
        writers = review_writers(self, KEY, 3, count)
        self.wait_acks(10)
        daemon.kill()
        daemon.start()
        for one in writers:
            one.join(90)
            self.assertEqual((one.is_alive(), one.wrong), (False, []))
        acks = self.journal.lines("ack")
        self.journal.wait_readers(self, sub, max(line["seq"] for line in acks))
        page = call(f"{daemon.url}/api/v1/sites/1/reviews?channel={KEY}&sort=old&size=100").json()
        self.journal.check(self, sub, page["page"]["reviews"], created="review.created")
        self.assertEqual(page["summary"]["histogram"], [3 * count // 5] * 5)
        self.assertEqual((page["summary"]["count"], len(acks)), (3 * count, 3 * count))
        self.assert_quiet_log()

    def test_polls(self) -> None:
        """Voters who try until they are told, over a SIGKILL: each counts once, in the last thing they said."""
        daemon = self.run_daemon()
        voters = Voters(daemon.url, VOTERS)
        voters.wait(VOTERS // 2)
        daemon.kill()
        daemon.start()
        voters.check(self)
        self.assert_quiet_log()
