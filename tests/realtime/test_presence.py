"""Tests of `cackled.realtime.presence`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.realtime import presence
from tests.realtime.common import HubRig


class PresenceTests(SynchronousTestCase):
    """How many are here."""

    def rig(self, hub: dict[str, Any] | None = None, **settings: Any) -> HubRig:
        rig = HubRig(hub, **{"presence": True, **settings})
        rig.hub.start()
        self.addCleanup(rig.hub.stop)
        return rig

    def counts(self, client: Any) -> list[int]:
        return [message["data"]["count"] for message in client.of("presence")]

    def test_once_a_second(self) -> None:
        """Many changes within a second are one message; no change is none."""
        rig = self.rig()
        first = rig.client("1/5@0")
        others = [rig.client("1/5@0") for _ in range(9)]
        rig.hub.leave(others[0])
        rig.seconds(1)
        self.assertEqual(self.counts(first), [9])
        rig.seconds(3)
        self.assertEqual(self.counts(first), [9])

    def test_some_in_a_turn(self) -> None:
        """The counts of many channels are told over several turns, each once, and the next second's as well."""
        rig = self.rig()
        clients = [rig.client(f"1/{number}@0") for number in range(1, presence.SLICE * 2 + 11)]
        turns = []
        some = rig.hub.presence._some

        def watched(*rest: Any) -> None:
            turns.append(sum(len(self.counts(client)) for client in clients))
            some(*rest)

        self.patch(rig.hub.presence, "_some", watched)
        rig.clock.advance(1)
        self.assertEqual(turns, [0, presence.SLICE, 2 * presence.SLICE])
        self.assertEqual({tuple(self.counts(client)) for client in clients}, {(1,)})
        rig.client("1/1@0")
        rig.seconds(1)
        self.assertEqual(self.counts(clients[0]), [1, 2])

    def test_newcomer_is_told(self) -> None:
        """The count that is known goes to who comes, without waiting."""
        rig = self.rig()
        rig.client("1/5@0")
        rig.seconds(1)
        self.assertEqual(self.counts(rig.client("1/5@0")), [2])

    def test_newcomer_ahead(self) -> None:
        """Who came at a moment with another count learns when it is the old one again before the others heard of it."""
        rig = self.rig()
        first = rig.client("1/5@0")
        rig.hub.presence.remote("n2", 1, 5, 2)
        rig.seconds(1)
        newcomer = rig.client("1/5@0")
        rig.hub.presence.remote("n2", 1, 5, 1)
        rig.seconds(1)
        self.assertEqual((self.counts(first), self.counts(newcomer)), ([3], [4, 3]))
        gone = rig.client("1/5@0")
        rig.hub.leave(gone)
        rig.seconds(1)
        self.assertEqual((self.counts(first), self.counts(newcomer), self.counts(gone)), ([3], [4, 3], [4]))
        self.assertEqual(rig.hub.presence._ahead, {})

    def test_news_that_was_lost(self) -> None:
        """What a process has said no more for a minute is not counted, also where nothing else happens."""
        rig = self.rig({"announce": lambda *said: None})
        client = rig.client("1/5@0")
        rig.hub.presence.remote("n2", 1, 5, 2)
        rig.seconds(59)
        self.assertEqual(self.counts(client), [3])
        rig.seconds(presence.REFRESH_SECONDS + 3)
        self.assertEqual(self.counts(client), [3, 1])
        self.assertEqual(rig.hub._channels[(1, 5)].others, {})

    def test_forgotten_and_there_again(self) -> None:
        """A channel that was forgotten and is there again is counted as it is now, here and by the others."""
        said: dict[int, int] = {}

        def announce(site: int, channel: int, type: str, data: Any) -> None:
            said[channel] = data["count"]

        rig = self.rig({"announce": announce})
        rig.log.held = True
        gone = [rig.client(f"1/{channel}@0") for channel in range(1, 31)]
        rig.seconds(1)
        for client in gone:
            rig.hub.leave(client)
        clients = [rig.client(f"1/{channel}@0") for channel in range(1, 31)]
        for _ in range(10):
            rig.log.release()
        rig.seconds(1)
        self.assertEqual({self.counts(client)[-1] for client in clients}, {1})
        self.assertEqual(said, dict.fromkeys(range(1, 31), 1))

    def test_coming_and_going_unnoticed(self) -> None:
        """Who came and left within a second changes nothing."""
        rig = self.rig()
        first = rig.client("1/5@0")
        rig.seconds(1)
        rig.hub.leave(rig.client("1/5@0"))
        rig.seconds(1)
        self.assertEqual(self.counts(first), [1])

    def test_crowds_are_told_less_often(self) -> None:
        """In a big channel counts are rarer, in proportion."""
        rig = self.rig()
        crowd = [rig.client("1/5@0") for _ in range(presence.CROWD * 4)]
        rig.seconds(5)
        before = len(self.counts(crowd[0]))
        for _ in range(8):
            rig.client("1/5@0")
            rig.seconds(1)
        self.assertLessEqual(len(self.counts(crowd[0])) - before, 3)

    def test_switches(self) -> None:
        """Off by configuration, or for a site."""
        rig = self.rig(presence=False)
        client = rig.client("1/5@0")
        rig.seconds(2)
        self.assertEqual(self.counts(client), [])
        rig = self.rig({"allows": lambda site, feature: (site, feature) != (1, "presence")})
        mine, theirs = rig.client("1/5@0"), rig.client("2/5@0")
        rig.seconds(2)
        self.assertEqual((self.counts(mine), self.counts(theirs)), ([], [1]))

    def test_names(self) -> None:
        """Who has a name is named, once however many tabs there are, until the last of them is gone."""
        rig = self.rig()
        first = rig.client("1/5@0")
        tabs = [rig.client("1/5@0", name="Ann"), rig.client("1/5@0", name="Ann")]
        bob = rig.client("1/5@0", name="Bob")
        rig.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"], {"count": 4, "names": ["Ann", "Bob"]})
        self.assertEqual(
            rig.client("1/5@0").of("presence")[0]["data"], {"count": 5, "names": ["Ann", "Bob"]}, "a newcomer"
        )
        rig.hub.leave(tabs[0])
        rig.hub.leave(bob)
        rig.client("1/5@0", name="Cleo")
        rig.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"]["names"], ["Ann", "Cleo"])
        rig.hub.leave(tabs[1])
        rig.client("1/5@0")
        rig.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"]["names"], ["Cleo"], "the same count, other names")

    def test_many_names(self) -> None:
        """So many are named, by the alphabet; the others count."""
        rig = self.rig()
        first = rig.client("1/5@0")
        for number in range(presence.NAMES + 9, 9, -1):
            rig.client("1/5@0", name=f"name {number}")
        rig.client("1/5@0", name="zoe")
        rig.seconds(1)
        data = first.of("presence")[-1]["data"]
        self.assertEqual(data["count"], presence.NAMES + 2)
        self.assertEqual(data["names"], [f"name {number}" for number in range(10, presence.NAMES + 10)])

    def test_names_of_other_processes(self) -> None:
        """They are told as one text, and again when they change; what others have comes along with their count."""
        told: list[tuple[Any, ...]] = []
        rig = self.rig({"announce": lambda *args: told.append(args)})
        first = rig.client("1/5@0", name="Ann")
        rig.seconds(1)
        self.assertEqual(told[-1], (1, 5, "presence", {"count": 1, "names": "Ann"}))
        rig.hub.presence.remote("b", 1, 5, 2, ("Bob", "Ann"))
        rig.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"], {"count": 3, "names": ["Ann", "Bob"]})
        rig.hub.presence.forget("b")
        rig.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"], {"count": 1, "names": ["Ann"]})
        for number in range(100, 200):
            rig.client(f"1/{number}@0")
        rig.seconds(2)
        del told[:]
        rig.hub.leave(first)
        rig.client("1/5@0", name="Cleo")
        rig.seconds(1)
        self.assertIn((1, 5, "presence", {"count": 1, "names": "Cleo"}), told)
        self.assertLess(len(told), 50)

    def test_names_as_text(self) -> None:
        """As many whole names as fit; of what comes, no more and nothing unprintable."""
        many = [f"{number:03} {'x' * 60}" for number in range(40)]
        text = presence.write_names(many)
        self.assertEqual(presence.read_names(text), tuple(many[:7]))
        self.assertEqual(presence.write_names(()), {})
        for wrong in ({}, {"names": 7}, {"names": ""}, {"names": ["Ann"]}):
            self.assertEqual(presence.read_names(wrong), ())
        self.assertEqual(presence.read_names({"names": "Ann\n\x00\nBob"}), ("Ann", "Bob"))
        self.assertLessEqual(len(presence.read_names({"names": "a\n" * 5000})), presence.NAMES)

    def test_other_processes(self) -> None:
        """Their counts are added for a while; our own is announced to them."""
        announced: list[Any] = []
        rig = self.rig({"announce": lambda *call: announced.append(call)})
        client = rig.client("1/5@0")
        rig.hub.presence.remote("b", 1, 5, 4)
        rig.hub.presence.remote("b", 1, 99, 4)
        rig.seconds(1)
        self.assertEqual(self.counts(client), [5])
        self.assertEqual(announced, [(1, 5, "presence", {"count": 1})])
        rig.seconds(int(presence.REMOTE_SECONDS) + 1)
        rig.client("1/5@0")
        rig.seconds(1)
        self.assertEqual(self.counts(client)[-1], 2)

    def two(self) -> tuple[HubRig, HubRig, list[Any]]:
        """Two processes that tell each other their counts; the list holds all that was said."""
        said: list[Any] = []
        houses: dict[str, HubRig] = {}

        def told_by(name: str, other: str) -> Any:
            def announce(site: int, channel: int, kind: str, data: Any) -> None:
                said.append((name, channel, data["count"]))
                houses[other].hub.presence.remote(name, site, channel, data["count"])

            return announce

        houses["a"] = self.rig({"announce": told_by("a", "b")})
        houses["b"] = self.rig({"announce": told_by("b", "a")})
        return houses["a"], houses["b"], said

    def both(self, a: HubRig, b: HubRig, seconds: int) -> None:
        for _ in range(seconds):
            a.seconds(1)
            b.seconds(1)

    def test_two_processes_agree(self) -> None:
        """Each has the sum, whoever came first; an exchange of one here for one there is told too."""
        a, b, said = self.two()
        first = a.client("1/5@0")
        self.both(a, b, 3)
        second = b.client("1/5@0")
        self.both(a, b, 3)
        self.assertEqual((self.counts(first)[-1], self.counts(second)[-1]), (2, 2))
        third = a.client("1/5@0")
        b.hub.leave(second)
        self.both(a, b, 3)
        self.assertEqual((self.counts(first)[-1], self.counts(third)[-1]), (2, 2))
        self.assertIn(("b", 5, 0), said)
        self.assertEqual(self.counts(b.client("1/5@0")), [3])

    def test_counts_are_told_again(self) -> None:
        """What was told holds for a while, and is told again before; nobody is told of empty channels."""
        a, b, said = self.two()
        first, second = a.client("1/5@0"), b.client("1/5@0")
        a.hub.leave(a.client("1/6@0"))
        self.both(a, b, int(presence.REMOTE_SECONDS * 3))
        self.assertEqual((self.counts(first)[-1], self.counts(second)[-1]), (2, 2))
        self.assertNotIn(6, {channel for name, channel, count in said})

    def test_a_process_goes(self) -> None:
        """Its subscribers are not counted any more."""
        a, b, _ = self.two()
        first = a.client("1/5@0")
        b.client("1/5@0")
        self.both(a, b, 2)
        a.hub.presence.forget("b")
        a.seconds(1)
        self.assertEqual(self.counts(first), [1, 2, 1])

    def test_a_process_comes(self) -> None:
        """It is told of every channel within seconds."""
        said: list[Any] = []
        rig = self.rig({"announce": lambda *call: said.append(call)})
        for number in range(2, 400):
            rig.client(f"1/{number}@0")
        rig.seconds(1)
        said.clear()
        rig.hub.presence.renew()
        rig.seconds(1)
        self.assertEqual({call[1] for call in said}, set(range(2, 400)))

    def test_remote_processes_are_bounded(self) -> None:
        """Only so many are believed."""
        rig = self.rig()
        rig.client("1/5@0")
        for number in range(presence.REMOTES + 10):
            rig.hub.presence.remote(f"p{number}", 1, 5, 1)
        self.assertEqual(len(rig.hub._channels[(1, 5)].others or ()), presence.REMOTES)


class TypingTests(SynchronousTestCase):
    """Who writes."""

    def test_switches_and_limit(self) -> None:
        """Off by configuration or for a site; in one channel not more often than the pause."""
        rig = HubRig(typing=False)
        self.assertFalse(rig.hub.presence.typing(rig.client("1/5"), 1, 5, "Ann"))
        rig = HubRig({"allows": lambda site, feature: feature != "typing"})
        self.assertFalse(rig.hub.presence.typing(rig.client("1/5"), 1, 5, "Ann"))
        announced: list[Any] = []
        rig = HubRig({"announce": lambda *call: announced.append(call)})
        client = rig.client("1/5")
        rig.clock.advance(1)
        self.assertTrue(rig.hub.presence.typing(client, 1, 5, "An\u202en\0"))
        self.assertFalse(rig.hub.presence.typing(client, 1, 5, "Ann"))
        rig.clock.advance(2 * presence.TYPING_PAUSE)
        self.assertTrue(rig.hub.presence.typing(client, 1, 5, "Ann"))
        self.assertEqual(announced[0], (1, 5, "typing", {"name": "Ann"}))
        self.assertFalse(rig.hub.presence.typing(client, 1, 99, "Ann"))
