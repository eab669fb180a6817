"""Tests of `cackled.realtime.history`."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event, EventType, Subject
from cackled.products.comments.events import EVENTS
from cackled.realtime.history import UNKNOWN, History, HistoryStore
from cackled.realtime.messages import DurableMessages, Message

durable = DurableMessages(EVENTS)


def message(seq: int, at: float = 0.0, size: int = 50) -> Message:
    return Message(b"x" * size, seq, at)


class HistoryTests(SynchronousTestCase):
    """Rings and their bounds."""

    def test_after(self) -> None:
        """Gives what follows a number, and refuses a number outside."""
        store, history = HistoryStore(10, 60, 1 << 20), History()
        self.assertFalse(history.known)
        store.restart(history, 5)
        for seq in (6, 7, 8):
            store.append(history, message(seq))
        self.assertEqual([m.seq for m in history.after(6)], [7, 8])
        self.assertEqual(history.after(8), [])
        for outside in (4, 9, UNKNOWN):
            self.assertRaises(ValueError, history.after, outside)

    def test_only_the_next(self) -> None:
        """A ring has no holes: another number is refused."""
        store, history = HistoryStore(10, 60, 1 << 20), History()
        self.assertRaises(ValueError, store.append, history, message(0))
        store.restart(history, 5)
        self.assertRaises(ValueError, store.append, history, message(7))
        self.assertRaises(ValueError, store.prepend, history, [message(4)])

    def test_bounds(self) -> None:
        """Number, age and bytes."""
        store, history = HistoryStore(3, 60, 1 << 20), History()
        store.restart(history, 0)
        for seq in range(1, 6):
            store.append(history, message(seq))
        self.assertEqual((history.floor, len(history.ring)), (2, 3))
        store.append(history, message(6, at=100))
        self.assertEqual((history.floor, len(history.ring)), (5, 1))
        store.expire(161)
        self.assertEqual((history.floor, history.seq, store.bytes), (6, 6, 0))

    def test_deleted(self) -> None:
        """A comment's words leave with it, wherever they stand; the numbers stay, and the bytes are right."""

        def event(seq: int, kind: str, data: str) -> Message:
            return durable(Event(1, 5, seq, kind, data.encode()), 0.0)

        def said(comment: int) -> str:
            return f'{{"comment":{{"id":"{comment}","parent":null,"html":"secret {comment}"}},"comments":2}}'

        gone = '{"id":"7","tombstone":true,"removed":[],"comments":1}'
        events = [
            event(1, "comment.created", said(7)), event(2, "comment.created", said(77)),
            event(3, "comment.updated", said(7)), event(4, "comment.deleted", gone),
            event(5, "comment.created", said(8)),
        ]  # fmt: skip
        for early in range(5):
            store, history = HistoryStore(10, 60, 1 << 20), History()
            store.restart(history, early)
            for one in events[early:]:
                store.append(history, one)
            if early:
                store.prepend(history, events[:early])
            bodies = [message.body for message in history.after(0)]
            self.assertEqual([message.seq for message in history.ring], [1, 2, 3, 4, 5])
            self.assertNotIn(b"secret 7\"", b"".join(bodies))
            left = json.loads(bodies[2])
            self.assertEqual((left["seq"], left["type"]), (3, "comment.updated"))
            # What was not told of it is not added, as in the log.
            nothing = {"id": "7", "parent": None, "html": ""}
            self.assertEqual(left["data"], {"comment": nothing, "comments": 2})
            self.assertEqual([bodies[n] for n in (1, 3, 4)], [events[n].body for n in (1, 3, 4)])
            self.assertEqual(store.bytes, sum(message.cost for message in history.ring))

    def test_edited(self) -> None:
        """What a comment said before leaves with the edit; who was away gets the new words, at the old places."""

        def event(seq: int, kind: str, words: str, after: str) -> Message:
            data = f'{{"comment":{{"id":"7","html":{json.dumps(words)}}}{after}'
            return durable(Event(1, 5, seq, kind, data.encode()), 0.0)

        tricky = 'x"},"comments":9}} ,"comments":8}}'
        other = durable(Event(1, 5, 2, "comment.created", b'{"comment":{"id":"77","html":"secret"},"comments":2}'), 0.0)
        # The first is of a release that did not tell how many comments there are.
        events = [
            event(1, "comment.created", "secret", "}"), other, event(3, "comment.updated", tricky, ',"comments":3}'),
            event(4, "comment.updated", "new", ',"comments":4}'),
        ]  # fmt: skip
        for early in range(4):
            store, history = HistoryStore(10, 60, 1 << 20), History()
            store.restart(history, early)
            for one in events[early:]:
                store.append(history, one)
            if early:
                store.prepend(history, events[:early])
            told = [json.loads(message.body) for message in history.after(0)]
            self.assertEqual([one["seq"] for one in told], [1, 2, 3, 4])
            self.assertEqual([one["data"]["comment"]["html"] for one in told], ["new", "secret", "new", "new"])
            self.assertEqual([one["data"].get("comments") for one in told], [None, 2, 3, 4])
            self.assertEqual(store.bytes, sum(message.cost for message in history.ring))

    def test_of_another_product(self) -> None:
        """Subjects of one id are told apart by their kind; types that nobody declared change nothing."""
        brick = Subject(name="brick", scrubbed={"text": "", "by": None})
        declared = DurableMessages((
            *EVENTS,
            EventType(type="brick.put", subject=brick, words=True, rewrites=True),
            EventType(type="brick.gone", subject=brick, removes=True),
        ))  # fmt: skip

        def event(seq: int, kind: str, data: str) -> Message:
            return declared(Event(1, 5, seq, kind, data.encode()), 0.0)

        events = [
            event(1, "brick.put", '{"brick":{"id":"7","text":"secret","x":[1, 2.50],"by":{"id":"5"}},"n":1}'),
            event(2, "comment.created", '{"comment":{"id":"7","html":"kept"},"comments":1}'),
            event(3, "brick.put", '{"brick":{"id":"7","text":"new"},"n":2}'),
            event(4, "other.deleted", '{"id":"7"}'), event(5, "brick.gone", '{"id":"7","n":0}'),
        ]  # fmt: skip
        store, history = HistoryStore(10, 60, 1 << 20), History()
        store.restart(history, 0)
        for one in events[:4]:
            store.append(history, one)
        self.assertEqual(history.ring[0].body, events[0].body.replace(
            b'{"id":"7","text":"secret","x":[1, 2.50],"by":{"id":"5"}}', b'{"id":"7","text":"new"}'
        ))  # fmt: skip
        # What an edit changed is changed once more by what comes later.
        store.append(history, events[4])
        gone = b'{"sub":"1/5","seq":1,"type":"brick.put","data":{"brick":{"id":"7","text":""},"n":1}}'
        self.assertEqual([history.ring[0].body, history.ring[1].body], [gone, events[1].body])
        self.assertEqual(store.bytes, sum(one.cost for one in history.ring))

    def test_ended(self) -> None:
        """Of a channel that has ended nothing is left but its numbers, whatever its events were about."""
        durable = DurableMessages((*EVENTS, EventType(type="x.ended", ends=True)))
        store, history = HistoryStore(100, 1000.0, 10**6), History()
        store.restart(history, 0)
        for seq, type in ((1, "comment.created"), (2, "x.more"), (3, "x.ended")):
            store.append(history, durable(Event(1, 2, seq, type, b'{"comment":{"id":"7","text":"secret"}}')))
        first, second, last = (json.loads(one.body) for one in history.after(0))
        for seq, one in ((1, first), (2, second)):
            self.assertEqual(one, {"sub": "1/2", "seq": seq, "type": "channel.updated", "data": {}})
        self.assertEqual((last["seq"], last["type"]), (3, "x.ended"))
        self.assertEqual(store.bytes, sum(one.cost for one in history.ring))
        with self.assertRaises(ValueError):
            EventType(type="x.ended", ends=True, subject=Subject(name="brick", scrubbed={}))

    def test_declarations(self) -> None:
        """Contradictions are refused."""
        brick = Subject(name="brick", scrubbed={})
        for wrong in (
            {"words": True}, {"removes": True}, {"subject": brick, "rewrites": True},
            {"subject": brick, "words": True, "removes": True},
        ):  # fmt: skip
            self.assertRaises(ValueError, EventType, type="brick.put", **wrong)

    def test_forgotten_by_an_older_release(self) -> None:
        """What an older release left of an event is no deletion of nothing."""
        old = durable(Event(1, 5, 3, "comment.deleted", b'{"id":"0","tombstone":false,"removed":[]}'), 0.0)
        self.assertEqual(old.body, b'{"sub":"1/5","seq":3,"type":"channel.updated","data":{}}')
        self.assertEqual(old.change, None)

    def test_least_recently_written_goes_first(self) -> None:
        """When the bytes are used up, the ring that was written longest ago is emptied."""
        store = HistoryStore(100, 60, 3 * message(1).cost)
        old, new = History(), History()
        for history in (old, new):
            store.restart(history, 0)
        store.append(old, message(1))
        store.append(new, message(1))
        store.append(old, message(2))
        store.append(old, message(3))
        self.assertEqual((len(new.ring), new.floor, len(old.ring)), (0, 1, 3))
        # Alone, a ring loses its oldest messages, not all.
        store.append(old, message(4))
        self.assertEqual((old.floor, len(old.ring)), (1, 3))
        store.append(old, message(5, size=10_000))
        self.assertLessEqual(store.bytes, store.max_bytes)
        self.assertEqual(old.seq, 5)

    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 400)), max_size=60))
    def test_books_are_right(self, steps: list[tuple[int, int, int]]) -> None:
        """After any sequence of calls: the bound holds, the sums are right, rings have no holes."""
        store, rings = HistoryStore(5, 10, 4_000), [History(), History(), History()]
        for number, (which, what, size) in enumerate(steps):
            history = rings[which]
            if what == 0 or not history.known:
                store.restart(history, size)
            elif what == 1:
                store.append(history, message(history.seq + 1, number, size))
            elif what == 2 and history.floor > 2:
                store.prepend(history, [message(history.floor - 1, number), message(history.floor, number)])
                store.settle()
            else:
                store.expire(number)
            self.assertLessEqual(store.bytes, store.max_bytes)
            self.assertEqual(store.bytes, sum(m.cost for ring in rings for m in ring.ring))
            for ring in rings:
                if ring.known:
                    self.assertEqual([m.seq for m in ring.ring], list(range(ring.floor + 1, ring.seq + 1)))
                    self.assertLessEqual(len(ring.ring), 5)
