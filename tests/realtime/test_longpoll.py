"""Tests of `cackled.realtime.longpoll`."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime.longpoll import LongPoll
from cackled.transport.response import Response
from tests.realtime.common import HubRig


class LongPollTests(SynchronousTestCase):
    """One answer per request."""

    def setUp(self) -> None:
        self.rig = HubRig()
        self.answers: list[Response] = []

    def poll(self, *positions: str, wait: float | None = None) -> LongPoll:
        poll = LongPoll(self.rig.gate, self.answers.append)
        poll.begin([Position.parse(text) for text in positions], wait)
        return poll

    def answer(self) -> Any:
        self.assertEqual(len(self.answers), 1)
        return json.loads(self.answers.pop().body)

    def test_at_once(self) -> None:
        """What was missed is answered at once, with the cursor behind it."""
        self.rig.post(3)
        self.poll("1/5@1")
        self.rig.clock.advance(0)
        answer = self.answer()
        self.assertEqual([m["seq"] for m in answer["events"]], [2, 3])
        self.assertEqual(answer["cursor"], ["1/5@3"])
        self.assertEqual(self.rig.hub.stats().sessions, {})

    def test_waits_for_an_event(self) -> None:
        """Nothing missed: the next event answers, with all that came in its turn."""
        self.poll("1/5@0", "1/6@0")
        self.rig.clock.advance(5)
        self.assertEqual(self.answers, [])
        self.rig.post(2)
        self.rig.post(1, channel=6)
        self.rig.clock.advance(0)
        answer = self.answer()
        self.assertEqual([(m["sub"], m["seq"]) for m in answer["events"]], [("1/5", 1), ("1/5", 2), ("1/6", 1)])
        self.assertEqual(answer["cursor"], ["1/5@2", "1/6@1"])

    def test_several_at_once(self) -> None:
        """Events that come together are each a member of the answer."""
        self.poll("1/5@0")
        self.rig.hub.hold(True)
        self.rig.post(3)
        self.rig.hub.hold(False)
        self.rig.clock.advance(0)
        self.assertEqual([m["seq"] for m in self.answer()["events"]], [1, 2, 3])

    def test_between_polls(self) -> None:
        """Events between two polls come with the next: none lost, none doubled."""
        self.poll("1/5@0")
        self.rig.post(1)
        self.rig.clock.advance(0)
        cursor = self.answer()["cursor"]
        self.rig.post(2)
        self.poll(*cursor)
        self.rig.clock.advance(0)
        self.assertEqual([m["seq"] for m in self.answer()["events"]], [2, 3])

    def test_wait_is_bounded_and_jittered(self) -> None:
        """An empty answer after the wait, at most the configured one, not all in the same moment."""
        waits = set()
        for wait in (2.0, 2.0, 2.0, 9_999.0, None):
            began = self.rig.clock.seconds()
            self.poll("1/5@0", wait=wait)
            while not self.answers:
                self.rig.clock.advance(0.01)
            took = self.rig.clock.seconds() - began
            self.assertLessEqual(took, 25.1)
            if wait == 2.0:
                self.assertTrue(1.5 < took < 2.1)
                waits.add(round(took, 2))
            self.assertEqual(self.answer(), {"events": [], "cursor": ["1/5@0"]})
        self.assertEqual(len(waits), 3)

    def test_first_poll_learns_its_place(self) -> None:
        """Without a number the answer comes at once and says where now is."""
        self.rig.post(7)
        self.poll("1/5")
        self.rig.clock.advance(0)
        answer = self.answer()
        self.assertEqual(answer["events"], [{"type": "recovered", "sub": "1/5", "recovered": True, "seq": 7}])
        self.assertEqual(answer["cursor"], ["1/5@7"])

    def test_not_recovered(self) -> None:
        """A position outside the window is answered at once."""
        self.rig.post(300)
        self.poll("1/5@3")
        self.rig.clock.advance(0)
        self.assertEqual(self.answer()["events"][0]["recovered"], False)

    def test_signals_come_along(self) -> None:
        """They don't answer by themselves; the latest of a channel goes with the next answer."""
        self.poll("1/5@0")
        for name in ("Ann", "Bob"):
            self.rig.hub.signal(1, 5, "typing", {"name": name})
        self.rig.clock.advance(1)
        self.assertEqual(self.answers, [])
        self.rig.post()
        self.rig.clock.advance(0)
        self.assertEqual([m["type"] for m in self.answer()["events"]], ["comment.created", "typing"])

    def test_bounded_answer(self) -> None:
        """What an answer may hold is bounded; its room shrinks with what it holds."""
        self.rig = HubRig(client_buffer=400)
        poll = self.poll("1/5@0")
        before = poll.room()
        self.rig.post()
        self.assertLess(poll.room(), before)
        self.rig.clock.advance(0)
        self.answer()
        self.rig.post(20)
        seen, cursor = [], "1/5@1"
        while "1/5@21" not in cursor:
            self.poll(cursor)
            self.rig.clock.advance(0)
            answer = self.answer()
            seen += [m["seq"] for m in answer["events"]]
            (cursor,) = answer["cursor"]
        self.assertEqual(seen, list(range(2, 22)))

    def test_every_place_in_the_cursor(self) -> None:
        """An answer that is full before all channels were looked at still has a place for each, and none is lost."""
        self.rig = HubRig(client_buffer=400)
        self.rig.client("1/5"), self.rig.client("1/6")
        for channel in (5, 6):
            self.rig.post(20, channel=channel)
        seen: dict[str, list[int]] = {"1/5": [], "1/6": []}
        cursor = ["1/5@0", "1/6@0"]
        while cursor != ["1/5@20", "1/6@20"]:
            self.poll(*cursor)
            self.rig.clock.advance(0)
            answer = self.answer()
            self.assertNotIn(False, [m.get("recovered") for m in answer["events"]])
            for message in answer["events"]:
                if "seq" in message:
                    seen[message["sub"]].append(message["seq"])
            cursor = answer["cursor"]
            self.assertEqual([place.split("@")[0] for place in cursor], ["1/5", "1/6"])
        self.assertEqual(seen, {"1/5": list(range(1, 21)), "1/6": list(range(1, 21))})

    def test_client_leaves(self) -> None:
        """Nothing is answered, and nothing is left behind."""
        poll = self.poll("1/5@0")
        poll.abort()
        self.rig.post()
        self.rig.clock.advance(60)
        self.assertEqual(self.answers, [])
        self.assertEqual(self.rig.hub.stats().subscriptions, 0)
        self.assertEqual(self.rig.clock.getDelayedCalls(), [])

    def test_log_is_down(self) -> None:
        """The position comes back as it was; a place in doubt is a 503."""
        self.rig.log.failing = True
        self.poll("1/5@4", wait=2)
        self.rig.clock.advance(2)
        self.assertEqual(self.answer()["cursor"], ["1/5@4"])
        self.rig.log.failing = False
        self.poll("1/5@0", wait=2)
        self.rig.log.failing = True
        self.rig.hub.reset()
        self.rig.clock.advance(2)
        self.assertEqual(self.answers[0].status, 503)

    def test_drained(self) -> None:
        """`move` answers."""
        self.poll("1/5@0")
        self.rig.hub.drain(1.0, lambda: "https://b")
        self.rig.clock.advance(0)
        self.assertEqual(self.answer()["events"][0]["type"], "move")

    def test_answered_before_its_turn(self) -> None:
        """A poll that ended while others were being sent away is left alone, and the others are told all the same."""
        self.poll("1/5@0", wait=1)
        others = [self.rig.client("1/5") for _ in range(60)]
        done = self.rig.hub.drain(20.0, lambda: "https://b")
        self.rig.clock.pump([0.25] * 100)
        self.successResultOf(done)
        self.assertEqual({len(client.of("move")) for client in others}, {1})

    def test_grant_runs_out(self) -> None:
        """A poll ends with the grant that it came with; the next one has to bring another."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        LongPoll(self.rig.gate, self.answers.append).begin([Position.parse("1/5@0")], None, ("5",))
        self.rig.seconds(10)
        self.assertEqual(self.answer(), {"events": [], "cursor": ["1/5@0"]})
