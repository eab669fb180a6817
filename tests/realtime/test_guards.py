"""Private channels: nothing of them comes to who does not prove that they may listen."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import EventType, Position
from cackled.realtime.eventsource import EventSource
from cackled.realtime.longpoll import LongPoll
from cackled.realtime.testing import FakeClient
from cackled.realtime.websocket import WebSocket
from tests.realtime.common import HubRig
from tests.support.peers import Wire, blocks, say, texts

SECRET = EventType(type="secret.said", private=True)


class GuardTests(SynchronousTestCase):
    """Channel 5 is guarded by "key", channel 6 is for everybody."""

    def setUp(self) -> None:
        self.rig = HubRig({"types": (SECRET,)})
        self.rig.log.guards[5] = "key"
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)

    def say(self, channel: int = 5, *, deliver: bool = True) -> None:
        event = self.rig.log.commit(1, channel, SECRET.type)
        if deliver:
            self.rig.hub.deliver(event)

    def listen(self, place: str, *tokens: str) -> FakeClient:
        client = FakeClient(self.rig.hub)
        self.rig.hub.join(client)
        self.rig.gate.subscribe(client, Position.parse(place), tokens)
        self.rig.clock.advance(0)
        return client

    def test_cold_and_warm(self) -> None:
        """Whether the channel is in memory or not, from whatever position; the right one has all of it."""
        for warm in (False, True):
            self.say()
            for place in ("1/5", "1/5@0", "1/5@1", "1/5@99"):
                for tokens in ((), ("other",), ("Name",)):
                    client = self.listen(place, *tokens)
                    self.say()
                    self.rig.seconds(30)
                    self.assertEqual(client.got, [], (warm, place, tokens))
                    self.assertIn("refused", client.closed[0], (warm, place))
                    self.assertEqual(client.subscriptions, [])
            if not warm:
                self.rig.seconds(200)  # nobody is there: it is forgotten
                self.right = self.listen("1/5@0", "key")
        count = self.rig.log.current()
        self.assertEqual(self.right.seqs, list(range(1, count + 1)))
        self.assertEqual(self.listen("1/5@3", "other", "key").seqs, list(range(4, count + 1)))

    def test_no_question_more(self) -> None:
        """What guards a channel comes with where it stands: many in one statement, and none once it is known."""
        clients = []
        for number in range(100, 150):
            self.rig.log.guards[number] = "key"
            self.rig.log.commit(1, number)
        self.rig.log.held = True
        for _ in range(2):
            clients += [self.listen(f"1/{number}@1", "key") for number in range(100, 150)]
        self.rig.log.held = False
        self.rig.log.release()
        self.rig.seconds(2)
        self.assertEqual([one.recoveries for one in clients], [[(True, 1)]] * 100)
        self.assertEqual(sorted(len(channels) for _, channels in self.rig.log.standing), [1, 49])
        self.assertEqual(self.rig.log.asked, [])

    def test_together(self) -> None:
        """Who waits beside one who is refused is served."""
        self.say()
        self.rig.log.held = True
        wrong, right, third = (self.listen("1/5@0", *tokens) for tokens in ((), ("key",), ("x",)))
        self.rig.log.held = False
        self.rig.log.release()
        self.rig.clock.advance(0)
        self.say()
        self.assertEqual((wrong.got, right.seqs, third.got), ([], [1, 2], []))
        self.assertEqual(self.rig.hub.stats().subscriptions, 1)
        self.rig.seconds(300)
        self.say()
        self.assertEqual(right.seqs, [1, 2, 3])

    def test_begins_later(self) -> None:
        """A replica that had no row yet: with the first event everybody is looked at again, and nothing is lost."""
        for first in (0, 2):
            self.setUp()
            wrong, right = self.listen("1/5@0", "x"), self.listen("1/5@0", "key")
            now = self.listen("1/5", "key")
            self.assertEqual(self.rig.hub.guard(1, 5), None)
            for _ in range(first):
                self.say(deliver=False)
            self.say()
            self.say()
            self.rig.seconds(2)
            seqs = list(range(1, first + 3))
            self.assertEqual((wrong.seqs, right.seqs, now.seqs), ([], seqs, seqs))
            self.assertEqual((wrong.subscriptions, self.rig.hub.guard(1, 5)), ([], "key"))
            self.assertTrue(all(whole for whole, _ in right.recoveries))

    def test_begins_while_asked(self) -> None:
        """The answer of the log is older than an event that came meanwhile."""
        self.rig.log.held = True
        wrong, right = self.listen("1/5@0"), self.listen("1/5@0", "key")
        self.say()
        self.rig.log.held = False
        self.rig.log.release()
        self.rig.seconds(2)
        self.assertEqual((wrong.seqs, right.seqs), ([], [1]))

    def test_for_everybody(self) -> None:
        """The first comment of a page is told as ever, without a question more."""
        client = self.listen("1/6@0")
        self.rig.post(2, 6)
        self.assertEqual((client.seqs, len(self.rig.log.standing)), ([1, 2], 1))
        self.assertEqual(self.rig.hub.guard(1, 6), "")

    def test_limit(self) -> None:
        """What holds for a time ends in time, also where that was not known when it was asked."""
        self.say()
        client = self.listen("1/5@0", "60")
        self.assertEqual(client.seqs, [1])
        self.rig.seconds(20)
        self.assertEqual(client.closed, [])
        self.rig.seconds(50)
        self.assertEqual(client.closed, ["expired 1/5@1"])

    def test_taken_back(self) -> None:
        """Who has nothing any more is sent away; others of the channel, and of other channels, are not."""
        self.say()
        ended: set[str] = set()
        self.rig.gate._admits = lambda site, channel, guard, tokens: (
            None if "key" in tokens or not guard else 0.0 if set(tokens) <= ended else 1_000.0
        )
        gone, stays, visitor = (self.listen("1/5@0", token) for token in ("a", "b", "key"))
        public = self.listen("1/6@0", "a")
        ended.add("a")
        self.rig.hub.recheck(2)
        self.assertEqual(gone.closed, [])
        self.rig.hub.recheck(1)
        self.rig.clock.advance(0)
        self.assertEqual([one.closed for one in (gone, stays, visitor, public)], [["expired 1/5@1"], [], [], []])

    def test_websocket(self) -> None:
        """It is told so, and stays open; a newer token keeps what it has, without a break."""
        self.say()

        def left(site: int, channel: int, guard: str, tokens: tuple[str, ...]) -> float | None:
            until = max((float(one) for one in tokens if one.isdigit()), default=0.0)
            return max(0.0, until - self.rig.clock.seconds()) if guard else None

        self.rig.gate._admits = left
        self.rig.gate._left_of = lambda site, channel, tokens: left(site, channel, "key" * (channel == 5), tokens)
        wire = Wire()
        socket = WebSocket(self.rig.gate, None, ("x",))
        socket.makeConnection(wire)
        socket.begin(b"", [Position.parse("1/5@0"), Position.parse("1/6@0")])
        self.rig.clock.advance(0)
        said = texts(wire.value())
        self.assertEqual([one["type"] for one in said], ["hello", "recovered", "error"], said)
        self.assertEqual((said[2]["code"], said[2]["sub"]), ("token", "1/5"))
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/5@0", token="60"))
        socket.dataReceived(say(type="sub", sub="1/6@0", token="120"))
        for _ in range(4):
            self.rig.seconds(20)
            socket.dataReceived(say(type="ping"))
        self.say()
        for _ in range(3):
            self.rig.seconds(20)
            socket.dataReceived(say(type="ping"))
        self.say()
        events = [one for one in texts(wire.value()) if one["type"] not in ("recovered", "pong")]
        self.assertEqual([one["type"] for one in events], ["secret.said", "secret.said", "error"], events)
        self.assertEqual((events[1]["seq"], events[2]["sub"], events[2]["code"]), (2, "1/5", "token"))

    def test_eventsource(self) -> None:
        """It is told so, and ends."""
        self.say()
        wire = Wire()
        source = EventSource(self.rig.gate)
        source.makeConnection(wire)
        source.begin([Position.parse("1/5@0"), Position.parse("1/6@0")], None, ("x",))
        self.rig.clock.advance(0)
        said, _ = blocks(wire.value())
        self.assertEqual([one["type"] for one in said], ["hello", "recovered", "error"], said)
        self.assertTrue(wire.disconnecting)
        self.assertNotIn("secret", json.dumps(said))

    def test_poll(self) -> None:
        """It is refused as one that is known to be wrong."""
        self.say()
        answers: list[Any] = []
        poll = LongPoll(self.rig.gate, answers.append)
        poll.begin([Position.parse("1/6@0"), Position.parse("1/5@0")], 10, ("x",))
        self.rig.clock.advance(0)
        self.assertEqual([one.status for one in answers], [401])
        self.assertEqual(poll.subscriptions, [])
        self.rig.seconds(20)
        self.assertEqual(len(answers), 1)
