"""Tests of `cackled.realtime.channel`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.realtime.channel import FROM_NOW, GONE, LOST, Channel, Subscription
from cackled.realtime.testing import FakeClient


class ChannelTests(SynchronousTestCase):
    """Who is where."""

    def setUp(self) -> None:
        self.channel = Channel(17, 42)

    def subscription(self, seq: int, *, live: bool = True) -> Subscription:
        made = Subscription(FakeClient(), self.channel, seq)
        if live:
            self.channel.enter(made)
        else:
            self.channel.waiting[made] = None
        return made

    def test_snapshot(self) -> None:
        """What was handed out stays as it was; the next one knows of changes; without changes it is the same."""
        one = self.subscription(1)
        before = self.channel.everyone()
        self.assertIs(self.channel.everyone(), before)
        two = self.subscription(1)
        self.assertEqual(before, (one,))
        self.assertEqual(set(self.channel.everyone()), {one, two})

    def test_leave(self) -> None:
        """Live, waiting and twice."""
        live, waiting = self.subscription(1), self.subscription(2, live=False)
        self.assertEqual(self.channel.count, 2)
        for subscription in (live, waiting, live):
            self.channel.leave(subscription)
            self.assertEqual(subscription.seq, GONE)
        self.assertTrue(self.channel.idle)
        self.assertEqual(self.channel.everyone(), ())

    def test_mistrust(self) -> None:
        """Everybody with a place loses it; who asked for now still does."""
        live, waiting, new = self.subscription(5), self.subscription(0, live=False), self.subscription(-1, live=False)
        self.channel.mistrust()
        self.assertEqual([live.seq, waiting.seq, new.seq], [LOST, LOST, FROM_NOW])
        self.assertEqual(set(self.channel.waiting), {live, waiting, new})
        self.assertEqual(self.channel.everyone(), ())

    def test_text(self) -> None:
        """A place as a position; without a number where there is none."""
        self.assertEqual([str(self.subscription(seq)) for seq in (0, 106, FROM_NOW, LOST)],
                         ["17/42@0", "17/42@106", "17/42", "17/42"])
