"""Who follows the live line of a page of reviews, or of a poll, has in the end what somebody sees who opens it anew."""

from __future__ import annotations

import random
from typing import Any

from cackled.events import channel_id
from tests.products.polls.common import PollCase
from tests.products.reviews.common import REVIEWS, ReviewCase

STEPS = 120
DEEDS = ("post", "post", "post", "edit", "delete", "state", "state", "vote", "vote", "reply")


def events_after(case: Any, product: str, key: str, seq: int) -> list[tuple[int, str, Any]]:
    """What the log has of a page after a number; there is no gap in it."""
    rows = case.sql(
        "select seq, type, data::jsonb from event where site_id = 1 and channel_id = %s and seq > %s order by seq",
        channel_id(product, key), seq,
    )  # fmt: skip
    case.assertEqual([row[0] for row in rows], list(range(seq + 1, seq + 1 + len(rows))))
    return list(rows)


class ReviewFollower:
    """What a page of reviews makes of its events, as the widget does."""

    def __init__(self) -> None:
        self.seq = 0
        self.summary: Any = None
        self.shown: dict[str, Any] = {}

    def take(self, seq: int, kind: str, data: Any) -> None:
        """One event."""
        self.seq = seq
        self.summary = data.get("summary") or self.summary
        if kind == "review.deleted":
            self.shown.pop(data["id"], None)
        elif kind == "review.voted":
            if data["id"] in self.shown:
                self.shown[data["id"]] |= {"up": data["up"], "down": data["down"]}
        elif kind in ("review.created", "review.updated"):
            review = data["review"]
            self.shown[review["id"]] = review
            if review.get("deleted"):
                del self.shown[review["id"]]


class ReviewFollowerTests(ReviewCase):
    """Reviews."""

    async def test_history(self) -> None:
        """Written, changed, voted on, hidden, answered, deleted, at random: the follower agrees after each burst."""
        source = random.Random(20270113)
        visitors = [await self.visitor() for _ in range(6)]
        made: dict[str, str] = {}
        follower, most = ReviewFollower(), 0
        for step in range(STEPS):
            who = source.choice(visitors)
            deed = source.choice(DEEDS)
            if deed == "post" or not made:
                answer = await self.post(who, source.randint(1, 5), text=f"Words {step}")
                self.assertIn(answer.status, (201, 409), answer)
                if answer.status == 201:
                    made[answer.json()["review"]["id"]] = who
                continue
            review = source.choice(sorted(made))
            one = f"{REVIEWS}/{review}"
            if deed == "edit":
                body = {"star": source.randint(1, 5), "text": f"Changed {step}"}
                await self.ask("PATCH", one, body, authorization=made[review])
            elif deed == "delete":
                await self.ask("DELETE", one, authorization=made.pop(review))
            elif deed == "vote":
                await self.ask("PUT", f"{one}/vote", {"value": source.choice((1, 0, -1))}, authorization=who)
            elif deed == "reply":
                await self.owner.ask("PUT", f"{one}/reply", {"text": f"Thank you {step}"})
            else:
                state = source.choice((1, 1, 2))
                self.sql("select set_review_status(1, %s, %s, 'offtopic', false)", int(review), state)
            if source.random() < 0.3:
                await self.agrees(follower)
                most = max(most, len(follower.shown))
        await self.agrees(follower)
        self.assertGreater(most, 3)

    async def agrees(self, follower: ReviewFollower) -> None:
        """The page that is read now is what the follower has."""
        for event in events_after(self, "reviews", "mug", follower.seq):
            follower.take(*event)
        page = await self.page(query="&sort=old&size=100&readPreference=primary")
        read = {one["id"]: one for one in page["page"]["reviews"]}
        names = ("star", "html", "up", "down", "reply", "edited")

        def told(reviews: dict[str, Any]) -> Any:
            return {key: {name: one.get(name) for name in names} for key, one in reviews.items()}

        self.assertEqual(told(follower.shown), told(read))
        if follower.summary is not None:
            self.assertEqual(follower.summary["histogram"], page["summary"]["histogram"])
            self.assertEqual(follower.summary["count"], page["summary"]["count"])


class PollFollower:
    """What a poll makes of its events, as the widget does."""

    def __init__(self) -> None:
        self.seq = -1
        self.poll: Any = None

    def take(self, seq: int, kind: str, data: Any) -> bool:
        """One event; whether the poll has to be read again."""
        if seq <= self.seq:
            return False
        self.seq = seq
        if kind != "poll.voted" or data["voters"] is None:
            return kind != "poll.voted"
        self.poll["voters"] = data["voters"]
        counts = {one["id"]: one["votes"] for one in data["options"]}
        for option in self.poll["options"]:
            option["votes"] = counts.get(option["id"], option["votes"])
        return False


class PollFollowerTests(PollCase):
    """Polls."""

    async def test_history(self) -> None:
        """Votes, changed and withdrawn ones, struck bursts, new options and closing, at random."""
        source = random.Random(20270114)
        poll = await self.make(kind="multiple", quota=0, burst=0, min=1, max=2)
        visitors = [await self.visitor() for _ in range(8)]
        follower = PollFollower()
        version, options, closed = 1, 3, False
        for step in range(STEPS):
            deed = source.choice(("vote", "vote", "vote", "withdraw", "option", "close", "fix"))
            who = source.choice(visitors)
            if deed == "vote":
                chosen = source.sample(range(1, options + 1), source.randint(1, 2))
                await self.vote(who, poll, *map(str, chosen))
            elif deed == "withdraw":
                await self.ask("DELETE", f"/api/v1/sites/1/polls/{poll}/vote", authorization=who)
            else:
                body: dict[str, Any] = {}
                if deed == "close":
                    closed = body["closed"] = not closed
                elif deed == "option" and options < 8:
                    found = (await self.poll(poll))["poll"]["options"]
                    body["options"] = [*({"id": one["id"], "text": one["text"]} for one in found), {"text": f"n{step}"}]
                    options += 1
                if body:
                    changed = await self.change(poll, version, **body)
                    self.assertEqual(changed.status, 200, changed)
                    version = changed.json()["version"]
            if source.random() < 0.3:
                await self.agrees(follower, poll)
        await self.agrees(follower, poll)

    async def agrees(self, follower: PollFollower, poll: str) -> None:
        """The poll that is read now is what the follower has."""
        read = await self.poll(poll)
        again = follower.poll is None
        if again:
            follower.seq = int(read["position"].rpartition("@")[2])
        for event in events_after(self, "polls", poll, max(0, follower.seq)):
            again = follower.take(*event) or again
        if again:
            follower.poll = read["poll"]
            follower.seq = int(read["position"].rpartition("@")[2])
        kept = {one["id"]: one["votes"] for one in follower.poll["options"]}
        self.assertEqual(kept, {one["id"]: one["votes"] for one in read["poll"]["options"]})
        self.assertEqual((follower.poll["voters"], follower.seq),
                         (read["poll"]["voters"], int(read["position"].rpartition("@")[2])))  # fmt: skip
