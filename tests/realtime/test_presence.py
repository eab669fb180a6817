"""Tests of `cackled.realtime.presence`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.realtime import presence
from tests.realtime.common import Application


class PresenceTests(SynchronousTestCase):
    """How many are here."""

    def application(self, hub: dict[str, Any] | None = None, **settings: Any) -> Application:
        house = Application(hub, **{"presence": True, **settings})
        house.hub.start()
        self.addCleanup(house.hub.stop)
        return house

    def counts(self, client: Any) -> list[int]:
        return [message["data"]["count"] for message in client.of("presence")]

    def test_once_a_second(self) -> None:
        """Many changes within a second are one message; no change is none."""
        house = self.application()
        first = house.client("1/5@0")
        others = [house.client("1/5@0") for _ in range(9)]
        house.hub.leave(others[0])
        house.seconds(1)
        self.assertEqual(self.counts(first), [9])
        house.seconds(3)
        self.assertEqual(self.counts(first), [9])

    def test_some_in_a_turn(self) -> None:
        """The counts of many channels are told over several turns, each once, and the next second's as well."""
        house = self.application()
        clients = [house.client(f"1/{number}@0") for number in range(1, presence.SLICE * 2 + 11)]
        turns = []
        some = house.hub.presence._some

        def watched(*rest: Any) -> None:
            turns.append(sum(len(self.counts(client)) for client in clients))
            some(*rest)

        self.patch(house.hub.presence, "_some", watched)
        house.clock.advance(1)
        self.assertEqual(turns, [0, presence.SLICE, 2 * presence.SLICE])
        self.assertEqual({tuple(self.counts(client)) for client in clients}, {(1,)})
        house.client("1/1@0")
        house.seconds(1)
        self.assertEqual(self.counts(clients[0]), [1, 2])

    def test_newcomer_is_told(self) -> None:
        """The count that is known goes to who comes, without waiting."""
        house = self.application()
        house.client("1/5@0")
        house.seconds(1)
        self.assertEqual(self.counts(house.client("1/5@0")), [2])

    def test_newcomer_ahead(self) -> None:
        """Who came at a moment with another count learns when it is the old one again before the others heard of it."""
        house = self.application()
        first = house.client("1/5@0")
        house.hub.presence.remote("n2", 1, 5, 2)
        house.seconds(1)
        newcomer = house.client("1/5@0")
        house.hub.presence.remote("n2", 1, 5, 1)
        house.seconds(1)
        self.assertEqual((self.counts(first), self.counts(newcomer)), ([3], [4, 3]))
        gone = house.client("1/5@0")
        house.hub.leave(gone)
        house.seconds(1)
        self.assertEqual((self.counts(first), self.counts(newcomer), self.counts(gone)), ([3], [4, 3], [4]))
        self.assertEqual(house.hub.presence._ahead, {})

    def test_news_that_was_lost(self) -> None:
        """What a process has said no more for a minute is not counted, also where nothing else happens."""
        house = self.application({"announce": lambda *said: None})
        client = house.client("1/5@0")
        house.hub.presence.remote("n2", 1, 5, 2)
        house.seconds(59)
        self.assertEqual(self.counts(client), [3])
        house.seconds(presence.REFRESH_SECONDS + 3)
        self.assertEqual(self.counts(client), [3, 1])
        self.assertEqual(house.hub._channels[(1, 5)].others, {})

    def test_forgotten_and_there_again(self) -> None:
        """A channel that was forgotten and is there again is counted as it is now, here and by the others."""
        said: dict[int, int] = {}

        def announce(site: int, channel: int, type: str, data: Any) -> None:
            said[channel] = data["count"]

        house = self.application({"announce": announce})
        house.log.held = True
        gone = [house.client(f"1/{channel}@0") for channel in range(1, 31)]
        house.seconds(1)
        for client in gone:
            house.hub.leave(client)
        clients = [house.client(f"1/{channel}@0") for channel in range(1, 31)]
        for _ in range(10):
            house.log.release()
        house.seconds(1)
        self.assertEqual({self.counts(client)[-1] for client in clients}, {1})
        self.assertEqual(said, dict.fromkeys(range(1, 31), 1))

    def test_coming_and_going_unnoticed(self) -> None:
        """Who came and left within a second changes nothing."""
        house = self.application()
        first = house.client("1/5@0")
        house.seconds(1)
        house.hub.leave(house.client("1/5@0"))
        house.seconds(1)
        self.assertEqual(self.counts(first), [1])

    def test_crowds_are_told_less_often(self) -> None:
        """In a big channel counts are rarer, in proportion."""
        house = self.application()
        crowd = [house.client("1/5@0") for _ in range(presence.CROWD * 4)]
        house.seconds(5)
        before = len(self.counts(crowd[0]))
        for _ in range(8):
            house.client("1/5@0")
            house.seconds(1)
        self.assertLessEqual(len(self.counts(crowd[0])) - before, 3)

    def test_switches(self) -> None:
        """Off by configuration, or for a site."""
        house = self.application(presence=False)
        client = house.client("1/5@0")
        house.seconds(2)
        self.assertEqual(self.counts(client), [])
        house = self.application({"allows": lambda site, feature: (site, feature) != (1, "presence")})
        mine, theirs = house.client("1/5@0"), house.client("2/5@0")
        house.seconds(2)
        self.assertEqual((self.counts(mine), self.counts(theirs)), ([], [1]))

    def test_names(self) -> None:
        """Who has a name is named, once however many tabs there are, until the last of them is gone."""
        house = self.application()
        first = house.client("1/5@0")
        tabs = [house.client("1/5@0", name="Ann"), house.client("1/5@0", name="Ann")]
        bob = house.client("1/5@0", name="Bob")
        house.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"], {"count": 4, "names": ["Ann", "Bob"]})
        self.assertEqual(
            house.client("1/5@0").of("presence")[0]["data"], {"count": 5, "names": ["Ann", "Bob"]}, "a newcomer"
        )
        house.hub.leave(tabs[0])
        house.hub.leave(bob)
        house.client("1/5@0", name="Cleo")
        house.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"]["names"], ["Ann", "Cleo"])
        house.hub.leave(tabs[1])
        house.client("1/5@0")
        house.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"]["names"], ["Cleo"], "the same count, other names")

    def test_many_names(self) -> None:
        """So many are named, by the alphabet; the others count."""
        house = self.application()
        first = house.client("1/5@0")
        for number in range(presence.NAMES + 9, 9, -1):
            house.client("1/5@0", name=f"name {number}")
        house.client("1/5@0", name="zoe")
        house.seconds(1)
        data = first.of("presence")[-1]["data"]
        self.assertEqual(data["count"], presence.NAMES + 2)
        self.assertEqual(data["names"], [f"name {number}" for number in range(10, presence.NAMES + 10)])

    def test_names_of_other_processes(self) -> None:
        """They are told as one text, and again when they change; what others have comes along with their count."""
        told: list[tuple[Any, ...]] = []
        house = self.application({"announce": lambda *args: told.append(args)})
        first = house.client("1/5@0", name="Ann")
        house.seconds(1)
        self.assertEqual(told[-1], (1, 5, "presence", {"count": 1, "names": "Ann"}))
        house.hub.presence.remote("b", 1, 5, 2, ("Bob", "Ann"))
        house.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"], {"count": 3, "names": ["Ann", "Bob"]})
        house.hub.presence.forget("b")
        house.seconds(1)
        self.assertEqual(first.of("presence")[-1]["data"], {"count": 1, "names": ["Ann"]})
        for number in range(100, 200):
            house.client(f"1/{number}@0")
        house.seconds(2)
        del told[:]
        house.hub.leave(first)
        house.client("1/5@0", name="Cleo")
        house.seconds(1)
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
        house = self.application({"announce": lambda *call: announced.append(call)})
        client = house.client("1/5@0")
        house.hub.presence.remote("b", 1, 5, 4)
        house.hub.presence.remote("b", 1, 99, 4)
        house.seconds(1)
        self.assertEqual(self.counts(client), [5])
        self.assertEqual(announced, [(1, 5, "presence", {"count": 1})])
        house.seconds(int(presence.REMOTE_SECONDS) + 1)
        house.client("1/5@0")
        house.seconds(1)
        self.assertEqual(self.counts(client)[-1], 2)

    def two(self) -> tuple[Application, Application, list[Any]]:
        """Two processes that tell each other their counts; the list holds all that was said."""
        said: list[Any] = []
        houses: dict[str, Application] = {}

        def told_by(name: str, other: str) -> Any:
            def announce(site: int, channel: int, kind: str, data: Any) -> None:
                said.append((name, channel, data["count"]))
                houses[other].hub.presence.remote(name, site, channel, data["count"])

            return announce

        houses["a"] = self.application({"announce": told_by("a", "b")})
        houses["b"] = self.application({"announce": told_by("b", "a")})
        return houses["a"], houses["b"], said

    def both(self, a: Application, b: Application, seconds: int) -> None:
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
        house = self.application({"announce": lambda *call: said.append(call)})
        for number in range(2, 400):
            house.client(f"1/{number}@0")
        house.seconds(1)
        said.clear()
        house.hub.presence.renew()
        house.seconds(1)
        self.assertEqual({call[1] for call in said}, set(range(2, 400)))

    def test_remote_processes_are_bounded(self) -> None:
        """Only so many are believed."""
        house = self.application()
        house.client("1/5@0")
        for number in range(presence.REMOTES + 10):
            house.hub.presence.remote(f"p{number}", 1, 5, 1)
        self.assertEqual(len(house.hub._channels[(1, 5)].others or ()), presence.REMOTES)


class TypingTests(SynchronousTestCase):
    """Who writes."""

    def test_switches_and_limit(self) -> None:
        """Off by configuration or for a site; in one channel not more often than the pause."""
        house = Application(typing=False)
        self.assertFalse(house.hub.presence.typing(house.client("1/5"), 1, 5, "Ann"))
        house = Application({"allows": lambda site, feature: feature != "typing"})
        self.assertFalse(house.hub.presence.typing(house.client("1/5"), 1, 5, "Ann"))
        announced: list[Any] = []
        house = Application({"announce": lambda *call: announced.append(call)})
        client = house.client("1/5")
        house.clock.advance(1)
        self.assertTrue(house.hub.presence.typing(client, 1, 5, "An\u202en\0"))
        self.assertFalse(house.hub.presence.typing(client, 1, 5, "Ann"))
        house.clock.advance(2 * presence.TYPING_PAUSE)
        self.assertTrue(house.hub.presence.typing(client, 1, 5, "Ann"))
        self.assertEqual(announced[0], (1, 5, "typing", {"name": "Ann"}))
        self.assertFalse(house.hub.presence.typing(client, 1, 99, "Ann"))
