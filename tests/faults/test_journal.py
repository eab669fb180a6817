"""The checker itself: it has to notice what the other tests here rely on it to notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.journal import Journal, client_frame

SUB = "1/7"


class CheckTests(SynchronousTestCase):
    """Each kind of broken promise is found; a kept one passes."""

    def setUp(self) -> None:
        """A journal of three acknowledged comments."""
        self.journal = Journal(Path(self.mktemp()))
        self.addCleanup(self.journal.close)
        self.journal.write("reader", reader="r")
        for seq in (1, 2, 3):
            self.journal.write("ack", writer="w", id=f"c{seq}", sub=SUB, seq=seq)

    def events(self, *seqs: int) -> None:
        """What the subscriber got, in that order."""
        for seq in seqs:
            self.journal.write("event", reader="r", sub=SUB, seq=seq, type="comment.created", id=f"c{seq}")

    def check(self, *ids: str, **options: Any) -> dict[str, int]:
        """Check, with these comments served."""
        served = [{"id": one, "html": f"text of {one}"} for one in ids or ("c1", "c2", "c3")]
        return self.journal.check(self, SUB, served, **options)

    def assert_found(self, word: str, *ids: str, **options: Any) -> None:
        """The check fails, and says so."""
        error = self.assertRaises(self.failureException, self.check, *ids, **options)
        self.assertIn(word, str(error))

    def test_kept(self) -> None:
        """All of it, once, in order."""
        self.events(1, 2, 3)
        self.assertEqual(self.check(), {"acknowledged": 3, "lost": 0, "doubled": 0, "events": 3})

    def test_lost(self) -> None:
        """An acknowledged comment that is not there."""
        self.events(1, 2, 3)
        self.assert_found("lost", "c1", "c2")

    def test_written_twice(self) -> None:
        """The same text under two ids."""
        self.events(1, 2, 3)
        served = [{"id": one, "html": "same"} for one in ("c1", "c2", "c3")]
        self.assertRaises(self.failureException, self.journal.check, self, SUB, served)

    def test_one_comment_for_two_requests(self) -> None:
        """Two writes that were told the same id."""
        self.events(1, 2, 3)
        self.journal.write("ack", writer="v", id="c1", sub=SUB, seq=1)
        self.assert_found("two requests")

    def test_events(self) -> None:
        """A gap, a double, disorder, an end that is missing."""
        for number, seqs in enumerate(((1, 3), (1, 2, 2, 3), (2, 1, 3), (1, 2))):
            self.journal.write("reader", reader="r")
            with self.subTest(seqs):
                journal = Journal(Path(self.mktemp()))
                self.addCleanup(journal.close)
                for seq in (1, 2, 3):
                    journal.write("ack", writer="w", id=f"c{seq}", sub=SUB, seq=seq)
                journal.write("reader", reader=f"r{number}")
                for seq in seqs:
                    journal.write("event", reader=f"r{number}", sub=SUB, seq=seq, type="comment.created", id=f"c{seq}")
                served = [{"id": one, "html": one} for one in ("c1", "c2", "c3")]
                self.assertRaises(self.failureException, journal.check, self, SUB, served)

    def test_order_of_a_writer(self) -> None:
        """A later post with an earlier number."""
        self.events(1, 2, 3, 4, 5)
        self.journal.write("ack", writer="w", id="c5", sub=SUB, seq=5)
        self.journal.write("ack", writer="w", id="c4", sub=SUB, seq=4)
        self.assert_found("order", "c1", "c2", "c3", "c4", "c5")

    def test_gaps_of_the_slow(self) -> None:
        """A gap passes for who is slow, if it was told."""
        self.events(1)
        self.journal.write("gap", reader="r", seq=2)
        self.events(3)
        self.check(slow=("r",))
        self.assert_found("recovered")

    def test_silent_gaps_of_the_slow(self) -> None:
        """A gap that was not told fails for everybody."""
        self.events(1, 3)
        self.assert_found("not told", slow=("r",))


class FrameTests(SynchronousTestCase):
    """The clients' own framing."""

    def test_masked(self) -> None:
        """A frame of a client is masked, and short ones only are made (RFC 6455 section 5.2)."""
        frame = client_frame(1, b"hello")
        mask, body = frame[2:6], frame[6:]
        self.assertEqual(frame[:2], b"\x81\x85")
        self.assertEqual(bytes(b ^ mask[i & 3] for i, b in enumerate(body)), b"hello")
