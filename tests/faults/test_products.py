"""Reviews and polls keep the promise that comments keep: the daemon is killed in the middle of writes."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from cackled.events import channel_id
from tests.support.client import Visitor, call
from tests.support.faults import FaultCase
from tests.support.journal import READERS, Writer, attempt

KEY = "product"
# Fewer than a network may have in an hour.
VOTERS = 12


class ReviewWriter(Writer):
    """Writes each review as somebody else: a person has one for a page."""

    place, member = "reviews", "review"

    def __init__(self, *args: Any, tokens: list[str]) -> None:
        super().__init__(*args)
        self._tokens = tokens

    def body(self, text: str) -> dict[str, Any]:
        """With one to five stars, and the visitor of that number."""
        number = int(text.rpartition(" ")[2])
        self._token = self._tokens[number]
        return {**super().body(text), "star": number % 5 + 1}


class ProductTests(FaultCase):
    """What was acknowledged is there once, with all that is counted of it; subscribers miss nothing."""

    def test_reviews(self) -> None:
        """Three writers, a SIGKILL: no review lost or doubled, events complete and in order, the summary exact."""
        daemon = self.run_daemon()
        sub = f"1/{channel_id('reviews', KEY)}"
        for kind in READERS:
            self.readers.append(kind(self.journal, daemon.port, f"{sub}@0"))
        count = 15
        writers = []
        for n in range(3):
            tokens = [Visitor(daemon.url).token for _ in range(count)]
            writers.append(
                ReviewWriter(self.journal, daemon.url, KEY, f"w{n}", count, self.visitor.token, tokens=tokens)
            )
        for one in writers:
            one.start()
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
        demo = call(f"{daemon.url}/bootstrap?widget=Poll&site=1&poll=1").json()
        poll = demo["poll"]
        path = f"{daemon.url}/api/v1/sites/1/polls/{poll['id']}"
        options = [one["id"] for one in poll["options"]]
        before = poll["voters"] or 0
        voters = [Visitor(daemon.url).token for _ in range(VOTERS)]
        told: list[Any] = []

        def vote(mine: list[str]) -> None:
            for number, token in enumerate(mine):
                for choice in (options[0], options[number % 2]):
                    for _ in range(600):
                        answer = attempt(
                            f"{path}/vote", "PUT", {"options": [choice]}, Authorization=f"Bearer {token}",
                            Idempotency_Key=str(uuid.uuid4()),
                        )  # fmt: skip
                        if answer is not None and answer.status != 503:
                            break
                        time.sleep(0.05)
                    told.append(answer and answer.status)

        threads = [threading.Thread(target=vote, args=(voters[n::3],), daemon=True) for n in range(3)]
        for one in threads:
            one.start()
        while len(told) < VOTERS // 2 and any(one.is_alive() for one in threads):
            threads[0].join(0.02)
        daemon.kill()
        daemon.start()
        for one in threads:
            one.join(120)
        self.assertEqual(told, [200] * 2 * VOTERS)
        after = call(f"{daemon.url}/bootstrap?widget=Poll&site=1&poll={poll['id']}").json()["poll"]
        votes = {one["id"]: one["votes"] for one in after["options"]}
        was = {one["id"]: one["votes"] for one in poll["options"]}
        self.assertEqual(after["voters"], before + VOTERS)
        self.assertEqual([votes[one] - was[one] for one in options[:2]], [VOTERS // 2] * 2)
        self.assert_quiet_log()
