"""Token buckets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.token_bucket import TokenBucket, refilled


class TokenBucketTests(SynchronousTestCase):
    def test_take(self) -> None:
        """A burst, then the rate; what was refused costs nothing."""
        bucket = TokenBucket(10, 5, 100.0)
        self.assertEqual([bucket.take(100.0) for _ in range(7)], [True] * 5 + [False] * 2)
        self.assertEqual([bucket.take(100.25) for _ in range(3)], [True, True, False])
        self.assertTrue(bucket.take(200.25, 5))
        self.assertFalse(bucket.take(200.25, 1))

    def test_charge(self) -> None:
        """What is charged may lead into debt, which the rate and gifts work off."""
        bucket = TokenBucket(1, 2, 0.0)
        self.assertTrue(bucket.charge(0.0, 2))
        self.assertFalse(bucket.charge(0.0, 3))
        self.assertFalse(bucket.charge(2.0, 0))
        self.assertTrue(bucket.charge(3.0, 0))
        bucket.give(1)
        self.assertTrue(bucket.take(3.0))

    def test_refilled(self) -> None:
        """Never more than a burst."""
        self.assertEqual(refilled(-1.0, 0.0, 4.0, 0.5, 3.0), 1.0)
        self.assertEqual(refilled(1.0, 0.0, 400.0, 0.5, 3.0), 3.0)
