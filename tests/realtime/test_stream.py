"""Tests of the reader that tests of EventSource stand on: the standard's own examples."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.realtime.stream import Dispatched, EventStream


def read(body: bytes, step: int) -> EventStream:
    """Feed *body* in pieces of *step* bytes."""
    stream = EventStream()
    for start in range(0, len(body), step):
        stream.feed(body[start : start + step])
    return stream


class EventStreamTests(SynchronousTestCase):
    """WHATWG HTML 9.2.6, with every kind of line end and cut."""

    def outcome(self, body: bytes) -> list[Dispatched]:
        found = [
            read(body.replace(b"\n", end), step).events for end in (b"\n", b"\r", b"\r\n") for step in (1, 3, 1000)
        ]
        for one in found:
            self.assertEqual(one, found[0])
        return found[0]

    def test_lines_of_data(self) -> None:
        """Several data lines are one event."""
        self.assertEqual(self.outcome(b"data: YHOO\ndata: +2\ndata: 10\n\n"), [("message", "YHOO\n+2\n10", "")])

    def test_ids(self) -> None:
        """An id stays until another comes; an empty one takes it back; the last block is not dispatched."""
        body = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
        body += b"data: lost\n"
        self.assertEqual(
            self.outcome(body),
            [("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")],
        )

    def test_empty(self) -> None:
        """Empty data is an event, none is not."""
        found = self.outcome(b"data\n\ndata\ndata\n\nevent: x\n\ndata:")
        self.assertEqual(found, [("message", "", ""), ("message", "\n", "")])

    def test_space(self) -> None:
        """One space after the colon is left out."""
        self.assertEqual(self.outcome(b"data:test\n\ndata: test\n\n"), [("message", "test", "")] * 2)

    def test_the_rest(self) -> None:
        """One BOM, names, ids with NUL, retry that is no number, fields that nobody knows."""
        fields = b"event: a\nid: 7\nid: 8\x009\nretry: 10x\nretry: 25\nfoo: bar\nDATA: x\ndata: \xef\xbb\xbf\n\n"
        stream = read(b"\xef\xbb\xbf" + fields, 1)
        self.assertEqual(stream.events, [("a", "\ufeff", "7")])
        self.assertEqual(stream.retry, 25)
