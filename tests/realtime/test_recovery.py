"""Tests of `cackled.realtime.recovery`, through the hub that it serves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event, Position
from cackled.realtime import recovery
from tests.realtime.common import HubRig


class SubscribeTests(SynchronousTestCase):
    """From a position to live."""

    def test_replays_then_says_so(self) -> None:
        """Events after the position, then `recovered` with the current number, then live."""
        rig = HubRig()
        rig.post(5)
        client = rig.client("1/5@2")
        self.assertEqual(client.seqs, [3, 4, 5])
        self.assertEqual(client.got[-1], {"type": "recovered", "sub": "1/5", "recovered": True, "seq": 5})
        rig.post()
        self.assertEqual(client.seqs, [3, 4, 5, 6])

    def test_from_now(self) -> None:
        """Without a number only what comes is sent; the log is asked for the current number alone."""
        rig = HubRig()
        rig.post(5)
        client = rig.client("1/5")
        self.assertEqual((client.seqs, client.recoveries), ([], [(True, 5)]))
        self.assertEqual((rig.log.standing, rig.log.asked), ([(1, [5])], []))

    def test_up_to_date(self) -> None:
        """Nothing missed is `recovered: true` without events."""
        rig = HubRig()
        rig.post(5)
        self.assertEqual(rig.client("1/5@5").recoveries, [(True, 5)])

    def test_empty_channel(self) -> None:
        """A channel nobody has written to stands at 0."""
        rig = HubRig()
        client = rig.client("1/77@0")
        self.assertEqual(client.recoveries, [(True, 0)])
        rig.post(channel=77)
        self.assertEqual(client.seqs, [1])

    def test_older_than_the_window(self) -> None:
        """More missed than the history holds: `recovered: false` with the current number, then live from there."""
        rig = HubRig(history_events=10)
        rig.post(30)
        client = rig.client("1/5@19")
        self.assertEqual((client.seqs, client.recoveries), ([], [(False, 30)]))
        rig.post()
        self.assertEqual(client.seqs, [31])
        self.assertEqual(rig.client("1/5@21").seqs, list(range(22, 32)))

    def test_older_than_the_log(self) -> None:
        """What the log has dropped can't be recovered; who stands nearer is not hurt by who stands further back."""
        rig = HubRig(history_events=10)
        rig.log.keep = 4
        rig.post(30)
        rig.log.held = True
        old, near = rig.client("1/5@22"), rig.client("1/5@27")
        rig.log.held = False
        rig.log.release()
        self.assertEqual((old.seqs, old.recoveries), ([], [(False, 30)]))
        self.assertEqual((near.seqs, near.recoveries), ([28, 29, 30], [(True, 30)]))

    def test_ahead(self) -> None:
        """A number that was never given: asked for a few times (a replica may be late), then `recovered: false`."""
        rig = HubRig()
        rig.post(3)
        client = rig.client("1/5@9")
        self.assertEqual(client.recoveries, [])
        rig.seconds(2)
        self.assertEqual(client.recoveries, [(False, 3)])
        self.assertEqual((len(rig.log.standing), rig.log.asked), (1 + recovery.AHEAD_TRIES, []))
        rig.post()
        self.assertEqual(client.seqs, [4])

    def test_ahead_of_the_tail(self) -> None:
        """A client may know more than this process has heard: the log is asked, and nobody gets anything twice."""
        rig = HubRig()
        rig.post(3)
        first = rig.client("1/5@3")
        rig.post(2, deliver=False)
        second = rig.client("1/5@5")
        self.assertEqual((second.seqs, second.recoveries), ([], [(True, 5)]))
        self.assertEqual(first.seqs, [4, 5])
        for event in rig.log.events[(1, 5)]:
            rig.hub.deliver(event)
        self.assertEqual((first.seqs, second.seqs), ([4, 5], []))

    def test_the_tail_catches_up(self) -> None:
        """Who waits because the log's answer was old goes live with the event that was missing, not with a timer."""
        rig = HubRig()
        rig.post(3)
        rig.client("1/5@3")
        rig.log.behind = 2
        rig.post(2, deliver=False)
        client = rig.client("1/5@5")
        self.assertEqual(client.got, [])
        for event in rig.log.events[(1, 5)]:
            rig.hub.deliver(event)
        self.assertEqual(client.recoveries, [(True, 5)])

    def test_bytes_after_reaching_back(self) -> None:
        """What is loaded for one client does not stay beyond the bound."""
        rig = HubRig(history_bytes=3_000)
        rig.post(20)
        rig.client("1/5")
        self.assertEqual(rig.client("1/5@2").seqs, list(range(3, 21)))
        self.assertLessEqual(rig.hub.stats().history_bytes, 3_000)

    def test_no_gap_between_load_and_live(self) -> None:
        """Events that come while the log is being read are neither lost nor doubled."""
        rig = HubRig()
        rig.post(3)
        rig.log.held = True
        client = rig.client("1/5@1")
        rig.post(2)
        rig.log.release()
        rig.post(2)
        self.assertEqual((client.got, len(rig.log.asked)), ([], 1))
        rig.log.release()
        self.assertEqual(client.seqs, [2, 3, 4, 5, 6, 7])

    def test_late_comer_reaches_back(self) -> None:
        """The first subscriber came for now only; the next one's older position is loaded in front."""
        rig = HubRig()
        rig.post(8)
        first = rig.client("1/5")
        rig.post(2)
        second = rig.client("1/5@4")
        self.assertEqual(second.seqs, [5, 6, 7, 8, 9, 10])
        self.assertEqual(first.seqs, [9, 10])
        asked = len(rig.log.asked)
        self.assertEqual(rig.client("1/5@5").seqs, [6, 7, 8, 9, 10])
        self.assertEqual(len(rig.log.asked), asked)

    def test_more_than_fits(self) -> None:
        """As much as may be buffered is replayed, then the client is sent off to come back for the rest."""
        rig = HubRig()
        rig.post(5)
        seen: list[int] = []
        position = 0
        for _ in range(10):
            client = rig.client(f"1/5@{position}", space=300)
            seen += client.seqs
            position = max(client.seqs)
            if client.recoveries:
                break
            self.assertEqual(client.got[-1]["type"], "move")
            self.assertEqual(client.closed, ["rest"])
        self.assertEqual(seen, [1, 2, 3, 4, 5])
        self.assertEqual(client.recoveries, [(True, 5)])

    def test_one_too_much_to_replay(self) -> None:
        """An event that alone is more than may be buffered is not replayed: the page is reloaded."""
        rig = HubRig(client_buffer=100)
        rig.post(5)
        client = rig.client("1/5@0", space=10)
        self.assertEqual((client.seqs, client.recoveries), ([], [(False, 5)]))

    def test_full_already(self) -> None:
        """Where nothing fits beside what waits for a client, it comes back for all of it: nothing is missing."""
        rig = HubRig()
        rig.post(5)
        client = rig.client("1/5@0", space=10)
        self.assertEqual((client.recoveries, client.of("move")[0]["host"], client.closed), ([], None, ["rest"]))


class HerdTests(SynchronousTestCase):
    """Many at once."""

    def test_one_load_for_a_herd(self) -> None:
        """A thousand who come back to one channel, each from its own place, cost one load."""
        rig = HubRig()
        rig.post(50)
        rig.log.held = True
        clients = [rig.client(f"1/5@{number % 50}") for number in range(1_000)]
        rig.log.release()
        rig.log.release()
        rig.log.held = False
        self.assertEqual((len(rig.log.standing), rig.log.asked), (1, [(1, 5, 0, 100)]))
        self.assertEqual(rig.metrics.value("realtime_loads_total", result="ok"), 2)
        for number, client in enumerate(clients):
            self.assertEqual(client.seqs, list(range(number % 50 + 1, 51)))

    def test_bounded_parallel_loads(self) -> None:
        """Herds of many channels that have missed something wait for their turn."""
        rig = HubRig()
        for channel in range(1, 101):
            rig.post(2, channel)
        rig.log.held = True
        clients = [rig.client(f"1/{channel}@1") for channel in range(1, 101)]
        rig.log.release()
        rig.log.release()
        # The first was asked for alone, and its load has ended by now.
        self.assertEqual((len(rig.log.standing), len(rig.log.asked)), (2, 1 + recovery.PARALLEL))
        most = 0
        for _ in range(100):
            before = len(rig.log.asked)
            rig.log.release()
            most = max(most, len(rig.log.asked) - before)
        self.assertEqual(most, recovery.PARALLEL)
        self.assertEqual({tuple(client.seqs) for client in clients}, {(2,)})

    def test_nobody_waits_any_more(self) -> None:
        """Who has left before its turn costs no load, and is remembered by nobody."""
        rig = HubRig()
        for channel in range(1, 200):
            rig.post(2, channel)
        rig.log.held = True
        gone = [rig.client(f"1/{channel}@1") for channel in range(1, 200)]
        last = rig.client("1/99@1")
        rig.log.release()
        rig.log.release()
        self.assertEqual(rig.hub.recovery.waiting, 198)
        for client in gone:
            rig.hub.leave(client)
        self.assertEqual(rig.hub.recovery.waiting, recovery.PARALLEL + 1)
        for _ in range(100):
            rig.log.release()
        self.assertEqual((len(rig.log.asked), rig.hub.recovery.waiting), (recovery.PARALLEL + 2, 0))
        self.assertEqual(last.seqs, [2])

    def test_crowd_that_has_left(self) -> None:
        """Thousands of channels whose subscribers have left before their turn: the others are served as ever."""
        rig = HubRig()
        rig.log.held = True
        # Thirty polls of a hundred channels, and as many again of those who stay.
        polls = [rig.client() for _ in range(30)]
        for number, poll in enumerate(polls):
            for channel in range(100):
                rig.hub.subscribe(poll, Position(1, 1_000 + 100 * number + channel, -1))
        stays = [rig.client(f"1/{channel}@0") for channel in range(100, 110)]
        for poll in polls:
            rig.hub.leave(poll)
        rig.log.release()
        rig.log.release()
        self.assertEqual([client.recoveries for client in stays], [[(True, 0)]] * 10)
        self.assertEqual([len(channels) for _, channels in rig.log.standing], [1, 10])
        rig.log.held = False
        self.assertEqual(rig.client("1/99@0").recoveries, [(True, 0)])
        self.assertEqual(rig.log.asked, [])

    def test_log_away_under_a_crowd(self) -> None:
        """Every load of 1,500 channels fails for a while: all are recovered after it."""
        rig = HubRig()
        rig.log.failing = True
        clients = [rig.client(f"1/{channel}@0") for channel in range(1, 1_501)]
        rig.seconds(6)
        self.assertEqual({len(client.got) for client in clients}, {0})
        rig.log.failing = False
        rig.seconds(int(2 * recovery.LONGEST_PAUSE))
        self.assertEqual({tuple(client.recoveries) for client in clients}, {((True, 0),)})
        rig.post(channel=700)
        self.assertEqual(clients[699].seqs, [1])

    def test_newcomers_don_t_look_at_all_who_wait(self) -> None:
        """A herd that waits for a slow log costs each once, not each for every other."""
        rig = HubRig()
        rig.client("1/5")
        rig.post(20)
        rig.hub._store.restart(rig.hub._channels[(1, 5)].history, 20)
        rig.log.held = True
        looked: list[object] = []
        fate = rig.hub.recovery._fate
        self.patch(rig.hub.recovery, "_fate", lambda *which: looked.append(which) or fate(*which))
        clients = [rig.client(f"1/5@{number % 20}") for number in range(400)]
        self.assertEqual(len(looked), 400)
        self.assertEqual(rig.client("1/5@20").recoveries, [(True, 20)])
        rig.log.held = False
        rig.log.release()
        self.assertEqual({client.seqs[-1] for client in clients}, {20})

    def test_answer_from_before(self) -> None:
        """What a database that was given up says afterwards is not believed."""
        rig = HubRig()
        rig.post(50)
        rig.log.held = True
        client = rig.client("1/5@49")
        rig.log.events.clear(), rig.log.first.clear()
        rig.post(30, deliver=False)
        rig.hub.reset()
        rig.log.release()
        rig.log.held = False
        rig.log.release()
        self.assertEqual(client.recoveries, [(False, 30)])
        rig.post()
        self.assertEqual(client.seqs, [31])

    def test_client_leaves_during_load(self) -> None:
        """Nothing is kept of a channel whose only subscriber left before the log answered."""
        rig = HubRig()
        rig.post(3)
        rig.log.held = True
        client = rig.client("1/5@0")
        rig.hub.leave(client)
        rig.log.release()
        self.assertEqual(client.got, [])
        self.assertEqual((rig.hub.stats().channels, rig.hub.stats().history_bytes), (0, 0))


class HoleTests(SynchronousTestCase):
    """Numbers that are missing in the live stream."""

    def test_hole_is_loaded(self) -> None:
        """An event before its turn waits for those between, which are loaded; order is kept."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.post(2)
        rig.post(3, deliver=False)
        rig.post()
        self.assertEqual(client.seqs, [1, 2, 3, 4, 5, 6])
        self.assertEqual(rig.metrics.value("realtime_gaps_total"), 1)

    def test_hole_fills_itself(self) -> None:
        """The missing one comes late, while the log is being asked: no event twice."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.log.held = True
        first, second = rig.log.commit(), rig.log.commit()
        rig.hub.deliver(second)
        self.assertEqual(client.seqs, [])
        rig.hub.deliver(first)
        self.assertEqual(client.seqs, [1, 2])
        rig.log.release()
        self.assertEqual(client.seqs, [1, 2])

    def test_failing_load_is_retried(self) -> None:
        """While the log is down subscribers wait and the pauses grow; then everything arrives."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.log.failing = True
        rig.post(2, deliver=False)
        rig.post()
        rig.seconds(60)
        self.assertEqual(client.seqs, [])
        asked = len(rig.log.asked)
        self.assertLess(asked, 30)
        rig.log.failing = False
        rig.seconds(6)
        self.assertEqual(client.seqs, [1, 2, 3])
        self.assertGreater(rig.metrics.value("realtime_loads_total", result="failed"), 5)

    def test_hanging_load_is_given_up(self) -> None:
        """A load that never answers is asked again; its late answer is ignored."""
        rig = HubRig()
        rig.post(2)
        rig.log.held = True
        client = rig.client("1/5@0")
        rig.log.held = False
        rig.seconds(int(recovery.LOAD_TIMEOUT) + 1)
        self.assertEqual(client.seqs, [1, 2])
        rig.log.release()
        self.assertEqual(client.seqs, [1, 2])

    def test_hole_older_than_the_log(self) -> None:
        """What can't be loaded any more: everybody is told, and goes on from the current number."""
        rig = HubRig(history_events=10)
        client = rig.client("1/5@0")
        rig.post(1)
        rig.post(30, deliver=False)
        rig.log.keep = 3
        rig.post()
        rig.seconds(1)
        self.assertEqual((client.seqs, client.recoveries), ([1], [(True, 0), (False, 32)]))
        rig.post()
        self.assertEqual(client.seqs, [1, 33])

    def test_long_hole_within_the_log(self) -> None:
        """A hole longer than one load is filled by several."""
        rig = HubRig(history_events=10)
        client = rig.client("1/5@0")
        rig.post(35, deliver=False)
        rig.post()
        rig.seconds(1)
        self.assertEqual(client.seqs, list(range(1, 37)))

    def test_a_log_with_a_hole_is_not_believed(self) -> None:
        """An answer that skips a number is refused and asked for again."""
        rig = HubRig()
        broken = True
        good = rig.log.load

        async def load(site: int, channel: int, after: int, limit: int) -> tuple[int, list[Event] | None]:
            current, events = await good(site, channel, after, limit)
            return current, events[1:] if events and broken else events

        rig.hub.recovery._load = load
        rig.post(3)
        client = rig.client("1/5@0")
        self.assertEqual(client.got, [])
        broken = False
        rig.seconds(2)
        self.assertEqual(client.seqs, [1, 2, 3])


class ResetTests(SynchronousTestCase):
    """Nothing is to be trusted any more."""

    def test_everybody_is_told(self) -> None:
        """Live and waiting subscribers get `recovered: false` with the current number, whatever was kept."""
        rig = HubRig()
        rig.post(5)
        clients = [rig.client("1/5@5"), rig.client("1/5"), rig.client("1/6@0")]
        rig.post(1)
        rig.hub.reset()
        self.assertEqual([client.recoveries[-1] for client in clients], [(False, 6), (False, 6), (False, 0)])
        rig.post()
        self.assertEqual([client.seqs[-1:] for client in clients], [[7], [7], []])

    def test_some(self) -> None:
        """Of the channels that are named only; the others go on as if nothing was."""
        rig = HubRig()
        clients = [rig.client("1/5@0"), rig.client("1/6@0")]
        rig.post(2)
        rig.post(2, channel=6)
        rig.hub.reset({(1, 5), (1, 7)})
        self.assertEqual(clients[0].recoveries[-1], (False, 2))
        self.assertEqual(clients[1].recoveries, [(True, 0)])
        rig.post()
        rig.post(1, channel=6)
        self.assertEqual([client.seqs for client in clients], [[1, 2, 3], [1, 2, 3]])

    def test_numbers_went_back(self) -> None:
        """After a failover that lost the newest events their numbers are given again: nobody is deaf to them."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.post(6)
        del rig.log.events[(1, 5)][4:]
        rig.hub.reset()
        self.assertEqual(client.recoveries[-1], (False, 4))
        rig.post(2)
        self.assertEqual(client.seqs, [1, 2, 3, 4, 5, 6, 5, 6])

    def test_waits_for_the_log(self) -> None:
        """While the log is down the answer waits; events meanwhile are not lost."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.log.failing = True
        rig.hub.reset()
        rig.post(2)
        self.assertEqual(client.seqs, [])
        rig.log.failing = False
        rig.seconds(6)
        self.assertEqual(client.recoveries[-1], (False, 2))

    def test_asked_again_during_reset(self) -> None:
        """Who subscribes anew during a reset stands where it says."""
        rig = HubRig()
        rig.post(3)
        client = rig.client("1/5@3")
        rig.log.held = True
        rig.hub.reset()
        rig.hub.subscribe(client, Position.parse("1/5@1"))
        rig.log.held = False
        rig.log.release()
        self.assertEqual(client.seqs, [2, 3])
