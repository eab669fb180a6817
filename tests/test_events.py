"""Positions, events and channel ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event, Position, channel_id

positions = st.builds(Position, st.integers(1, 9_999_999_999), st.integers(0, 2**63 - 1), st.integers(-1, 10**18 - 1))


class PositionTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """With seq and without; the short form is what one subscribes to."""
        self.assertEqual(Position.parse("17/42@106"), Position(17, 42, 106))
        self.assertEqual(Position.parse("17/42"), Position(17, 42, -1))
        self.assertEqual((str(Position(17, 42, 106)), str(Position(17, 42)), Position(17, 42, 106).sub),
                         ("17/42@106", "17/42", "17/42"))

    @given(positions)
    def test_round_trip(self, position: Position) -> None:
        """What is written is read back."""
        self.assertEqual(Position.parse(str(position)), position)

    def test_refused(self) -> None:
        """Anything else is a ValueError: other digits, spaces, signs, numbers that do not fit."""
        for text in (
            "", "17", "17/", "/42", "0/42", "017/42", "17/42@", "17/42@-1", "17/42@1 ", " 17/42", "17/42\n", "+17/42",
            "١٧/42", "17/٤", "17/9223372036854775808", "17/42@1234567890123456789", "12345678901/1", "17/42@1@2", "a/b",
        ):
            self.assertRaises(ValueError, Position.parse, text)

    @given(st.text(max_size=30))
    def test_any_text(self, text: str) -> None:
        """Any text is a position that writes itself the same way but for zeros ahead, or a ValueError."""
        try:
            position = Position.parse(text)
        except ValueError:
            return
        self.assertEqual(Position.parse(str(position)), position)

    def test_order(self) -> None:
        """Positions of one channel are ordered by seq, and can be keys."""
        self.assertLess(Position(1, 2, 3), Position(1, 2, 4))
        self.assertLess(Position(1, 2), Position(1, 2, 0))
        self.assertEqual(len({Position(1, 2, 3), Position(1, 2, 3)}), 1)

    def test_event_position(self) -> None:
        """An event stands where its numbers say."""
        self.assertEqual(str(Event(17, 42, 106, "comment.created", b"{}").position), "17/42@106")


class ChannelIdTests(SynchronousTestCase):
    def test_fixed(self) -> None:
        """The function is part of the wire format: its values never change."""
        self.assertEqual(channel_id("comments", "demo"), 8132522414315733592)
        self.assertEqual(channel_id("comments", ""), 359228984596433032)
        # Of other products by the product too.
        ids = {channel_id(product, key) for product in ("comments", "reviews", "polls") for key in ("demo", "")}
        self.assertEqual(len(ids), 6)

    @given(st.text(max_size=200))
    def test_range(self, key: str) -> None:
        """Any key gives a number that PostgreSQL's bigint and a position can hold."""
        if any(0xD800 <= ord(c) <= 0xDFFF for c in key):
            return
        number = channel_id("comments", key)
        self.assertTrue(0 <= number < 2**63)
        self.assertEqual(Position.parse(f"1/{number}").channel, number)
