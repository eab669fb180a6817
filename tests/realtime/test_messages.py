"""Tests of `cackled.realtime.messages`."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event
from cackled.realtime import messages
from cackled.realtime.messages import Ping, Subscribe, Typing, Unsubscribe, parse_client
from tests.support.peers import blocks, frames


class MessageTests(SynchronousTestCase):
    """Out."""

    def test_forms(self) -> None:
        """One JSON text in a frame and in a block; each form is made once."""
        message = messages.DurableMessages()(Event(17, 42, 106, "comment.created", b'{"a":1}'))
        expected = {"sub": "17/42", "seq": 106, "type": "comment.created", "data": {"a": 1}}
        self.assertEqual(json.loads(message.body), expected)
        self.assertEqual(frames(message.frame), [(1, message.body)])
        self.assertEqual(blocks(message.single("17/42")), ([expected], "17/42@106"))
        self.assertIs(message.frame, message.frame)
        self.assertIs(message.single("17/42"), message.single("17/42"))

    @given(st.recursive(st.none() | st.text() | st.integers(), lambda more: st.lists(more, max_size=3)), st.booleans())
    def test_any_data(self, data: object, pretty: bool) -> None:
        """Any JSON, also with line breaks between its tokens, arrives whole on an event stream."""
        text = json.dumps(data, indent=2 if pretty else None, ensure_ascii=False).encode()
        message = messages.DurableMessages()(Event(1, 2, 3, "t", text.replace(b"\n", b"\r\n") if pretty else text))
        (got,), _ = blocks(message.single("1/2"))
        self.assertEqual(got["data"], data)

    def test_sizes(self) -> None:
        """Frames of every length class."""
        for size in (0, 125, 126, 65_535, 65_536):
            self.assertEqual(frames(messages.text_frame(b"x" * size)), [(1, b"x" * size)])

    def test_control(self) -> None:
        """The control messages as the protocol has them."""
        self.assertEqual(
            [json.loads(message.body) for message in (
                messages.recovered("1/2", 3, True), messages.move("https://b", 2.5), messages.move(None, 1),
                messages.error("limit", "1/2"), messages.PONG, messages.ephemeral("1/2", "presence", {"count": 3}),
            )],
            [
                {"type": "recovered", "sub": "1/2", "recovered": True, "seq": 3},
                {"type": "move", "host": "https://b", "after": 2.5}, {"type": "move", "host": None, "after": 1},
                {"type": "error", "code": "limit", "sub": "1/2"}, {"type": "pong"},
                {"sub": "1/2", "type": "presence", "data": {"count": 3}},
            ],
        )  # fmt: skip


class ClientMessageTests(SynchronousTestCase):
    """In."""

    def test_known(self) -> None:
        """The four that there are."""
        self.assertEqual(parse_client(b'{"type":"sub","sub":"1/2@3"}'), Subscribe("1/2@3"))
        self.assertEqual(parse_client(b'{"type":"unsub","sub":"1/2"}'), Unsubscribe("1/2"))
        self.assertEqual(parse_client(b'{"type":"typing","sub":"1/2","name":"Ann"}'), Typing("1/2", "Ann"))
        self.assertEqual(parse_client(b'{"type":"ping"}'), Ping())

    def test_refused(self) -> None:
        """Anything else is a ValueError: unknown types and members, wrong types, too long, too deep, no JSON."""
        for text in (
            b"", b"x", b"[]", b"{}", b'{"type":"nope"}', b'{"type":"sub"}', b'{"type":"sub","sub":1}',
            b'{"type":"ping","more":1}', b'{"type":"sub","sub":"' + b"1" * 65 + b'"}',
            b'{"type":"typing","sub":"1/2","name":"' + b"n" * 65 + b'"}', b"[" * 1_000, b" " * 1_025,
        ):  # fmt: skip
            self.assertRaises(ValueError, parse_client, text)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """No other exception, whatever comes."""
        try:
            parse_client(data)
        except ValueError:
            pass
