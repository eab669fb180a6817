"""The body of an upload while it arrives: each byte is kept once, in its place."""

from __future__ import annotations

import random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import Refused
from cackled.media.incoming import PIECE, Incoming


class Target:
    """Keeps a piece when the test says so."""

    id = "upload"

    def __init__(self) -> None:
        self.kept = b""
        self.asked: list[tuple[bytes, Deferred[None]]] = []

    async def keep(self, data: bytes) -> None:
        """Wait for the test."""
        done: Deferred[None] = Deferred()
        self.asked.append((data, done))
        await done
        self.kept += data

    def go_on(self) -> None:
        """The oldest piece is kept."""
        self.asked.pop(0)[1].callback(None)


class Control:
    """A connection that is not told anything in time."""

    def pause_body(self) -> None:
        """It goes on."""

    def resume_body(self) -> None:
        """It goes on."""


class IncomingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.target = Target()
        self.refused: list[Exception] = []

        async def begin() -> Target:
            return self.target

        self.incoming = Incoming(
            begin, Control(), self.refused.append, Clock(), lambda target, one: None, lambda target, one: None
        )

    def test_more_after_the_end(self) -> None:
        """Another request takes over while the rest is kept, and more comes on the old connection: nothing is left
        out between what is kept before and after.
        """
        sent = bytes(range(256)) * 1024 + b"the rest of what was here"
        more = random.Random(1).randbytes(PIECE + 10_000)
        self.incoming.write(sent)
        over = Deferred.fromCoroutine(self.incoming.give_way())
        self.target.go_on()
        self.assertEqual(self.target.kept, sent[:PIECE])
        # While these few bytes are kept, many others come.
        self.incoming.write(more)
        while self.target.asked:
            self.target.go_on()
        self.assertIsNone(self.successResultOf(over))
        self.assertEqual(self.target.kept, (sent + more)[: len(self.target.kept)])
        self.assertGreaterEqual(len(self.target.kept), len(sent))
        self.assertEqual(len(self.refused), 1)
        self.assertIsInstance(self.refused[0], Refused)

    def test_whole(self) -> None:
        """In pieces, while more comes."""
        sent = bytes(range(251)) * 3_000
        for at in range(0, len(sent), 100_000):
            self.incoming.write(sent[at : at + 100_000])
        self.incoming.seek(0)
        whole = Deferred.fromCoroutine(self.incoming.finished())
        while self.target.asked:
            self.target.go_on()
        self.assertIs(self.successResultOf(whole), self.target)
        self.assertEqual(self.target.kept, sent)
        self.assertEqual(self.refused, [])
