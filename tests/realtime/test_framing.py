"""Tests of `cackled.realtime.framing`: RFC 6455 section 5, after the Autobahn suite's cases 1 to 7."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.realtime import framing
from cackled.realtime.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FAILED,
    PING,
    PONG,
    TEXT,
    FrameReader,
    Limits,
    close_payload,
    frame,
    unmask,
    valid_close_code,
)
from tests.support.peers import frames, masked

BIG = Limits(1 << 20, 1 << 20, 10_000)


def read(data: bytes, limits: Limits = BIG, chop: int = 0) -> list[tuple[int, bytes]]:
    """What a new reader makes of *data*, fed whole or in pieces of *chop* bytes."""
    reader = FrameReader(limits)
    if not chop:
        return reader.feed(data)
    return [item for start in range(0, len(data), chop) for item in reader.feed(data[start:start + chop])]


def code(items: list[tuple[int, bytes]]) -> int:
    """The close code that the reader failed with; 0 where it did not fail."""
    return int.from_bytes(items[-1][1][:2], "big") if items and items[-1][0] == FAILED else 0


class FramingTests(SynchronousTestCase):
    """Case 1: text and binary of every length class."""

    def test_lengths(self) -> None:
        """Payloads of 0 to 65,536 bytes arrive as sent, whole or octet-wise."""
        for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536):
            for opcode, payload in ((TEXT, b"*" * size), (BINARY, b"\xfe" * size)):
                for chop in (0, 997) if size > 1_000 else (0, 1, 3):
                    self.assertEqual(read(masked(opcode, payload), chop=chop), [(opcode, payload)])

    def test_many_in_one_segment(self) -> None:
        """Frames that come together are all read, in order."""
        data = masked(TEXT, b"a") + masked(PING, b"p") + masked(BINARY, b"b")
        self.assertEqual(read(data), [(TEXT, b"a"), (PING, b"p"), (BINARY, b"b")])

    def test_server_frames(self) -> None:
        """What the server sends is unmasked, final, and reads back for every length class."""
        for size in (0, 125, 126, 65_535, 65_536):
            self.assertEqual(frames(frame(TEXT, b"x" * size)), [(TEXT, b"x" * size)])

    def test_unmask(self) -> None:
        """Unmasking is the xor of RFC 6455 5.3 at any length and phase."""
        mask = b"\x37\xfa\x21\x3d"
        self.assertEqual(unmask(b"\x7f\x9f\x4d\x51\x58", mask), b"Hello")
        data = os.urandom(framing.STEP * 2 + 5)
        for phase in range(4):
            expected = bytes(byte ^ mask[(place + phase) % 4] for place, byte in enumerate(data))
            self.assertEqual(unmask(data, mask, phase), expected)

    @given(
        st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.text(max_size=60)), max_size=6),
        st.data(),
    )
    @settings(deadline=None)
    def test_any_split(self, wishes: list[tuple[int, str]], data: st.DataObject) -> None:
        """Fragmented anywhere, with control frames between, and cut into segments anywhere: the same messages."""
        wire, expected = b"", []
        for opcode, text in wishes:
            payload = text.encode()[:125] if opcode >= CLOSE else text.encode()
            if opcode >= CLOSE:
                wire += masked(opcode, payload, mask=data.draw(st.binary(min_size=4, max_size=4)))
                expected.append((opcode, payload))
                continue
            cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=3)))
            pieces = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
            for place, piece in enumerate(pieces):
                last = place == len(pieces) - 1
                wire += masked(CONTINUATION if place else opcode, piece, fin=last)
                if not last and data.draw(st.booleans()):
                    wire += masked(PING, b"between")
                    expected.append((PING, b"between"))
            expected.append((opcode, payload))
        reader, found = FrameReader(BIG), []
        while wire:
            size = data.draw(st.integers(1, len(wire)))
            found += reader.feed(wire[:size])
            wire = wire[size:]
        self.assertEqual(found, expected)
        self.assertEqual(reader.held, 0)

    @given(st.binary(max_size=300), st.integers(1, 300))
    @settings(deadline=None)
    def test_garbage(self, data: bytes, chop: int) -> None:
        """Any bytes at all: no exception, bounded memory, one failure at most, and it is the last item."""
        reader = FrameReader(Limits(64, 64, 4))
        found = [item for start in range(0, len(data), chop) for item in reader.feed(data[start:start + chop])]
        self.assertLessEqual(reader.held, 64 + 125 + 14)
        self.assertNotIn(FAILED, [opcode for opcode, _ in found[:-1]])
        if found and found[-1][0] == FAILED:
            self.assertIn(code(found), (1002, 1007, 1008, 1009))

    @given(st.binary(max_size=12), st.integers(0, 12), st.integers(1, 5))
    @settings(deadline=None, max_examples=300)
    def test_utf8_like_python(self, payload: bytes, cut: int, chop: int) -> None:
        """A text message is taken exactly when Python calls its bytes UTF-8, however it is cut."""
        wire = masked(TEXT, payload[:cut], fin=False) + masked(CONTINUATION, payload[cut:])
        try:
            payload.decode("utf-8")
            expected = [(TEXT, payload)]
        except UnicodeDecodeError:
            expected = []
        found = read(wire, chop=chop)
        self.assertEqual([item for item in found if item[0] != FAILED], expected)
        self.assertEqual(code(found), 0 if expected else 1007)


class ControlTests(SynchronousTestCase):
    """Case 2: pings and pongs."""

    def test_ping(self) -> None:
        """Any payload up to 125 bytes, also octet-wise and among others."""
        for payload in (b"", b"Hello", bytes(range(125))):
            self.assertEqual(read(masked(PING, payload)), [(PING, payload)])
            self.assertEqual(read(masked(PING, payload), chop=1), [(PING, payload)])
        self.assertEqual(len(read(masked(PING, b"x") * 10)), 10)

    def test_too_long(self) -> None:
        """126 bytes are a protocol error (2.5)."""
        self.assertEqual(code(read(masked(PING, b"x" * 126))), 1002)

    def test_unsolicited_pong(self) -> None:
        """Is read like any (2.7, 2.8)."""
        self.assertEqual(read(masked(PONG, b"") + masked(PING, b"a")), [(PONG, b""), (PING, b"a")])

    def test_fragmented(self) -> None:
        """A control frame without FIN is a protocol error (5.1, 5.2)."""
        for opcode in (PING, PONG, CLOSE):
            self.assertEqual(code(read(masked(opcode, b"a", fin=False))), 1002)


class ReservedTests(SynchronousTestCase):
    """Cases 3 and 4: reserved bits and opcodes."""

    def test_bits(self) -> None:
        """Every reserved bit, on every kind of frame, fails at the first byte; what came before counts."""
        for rsv in range(1, 8):
            for opcode in (TEXT, PING, CLOSE):
                found = read(masked(TEXT, b"ok") + masked(opcode, b"", rsv=rsv), chop=1)
                self.assertEqual((found[0], code(found)), ((TEXT, b"ok"), 1002))

    def test_first_byte(self) -> None:
        """What the first byte gives away is not waited on."""
        for first in (b"\xf1", b"\x83", b"\x80", b"\x09"):
            self.assertEqual(code(read(first)), 1002)

    def test_opcodes(self) -> None:
        """Opcodes 3 to 7 and 11 to 15 are protocol errors."""
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            self.assertEqual(code(read(masked(opcode, b""))), 1002)

    def test_unmasked(self) -> None:
        """A client's frame without a mask is a protocol error (5.1)."""
        self.assertEqual(code(read(frame(TEXT, b"hi"))), 1002)

    def test_length_forms(self) -> None:
        """A length is in its shortest form and below 2**63 (5.2)."""
        for head in (b"\x81\xfe\x00\x7d", b"\x81\xff" + (65_535).to_bytes(8, "big"), b"\x81\xff\x80" + bytes(7)):
            self.assertEqual(code(read(head + bytes(4))), 1002)


class FragmentTests(SynchronousTestCase):
    """Case 5: fragmentation."""

    def test_two_and_three(self) -> None:
        """Fragments make one message, empty ones too (5.3 to 5.8, 6.1)."""
        for pieces in ((b"frag", b"ment"), (b"", b"", b""), (b"", b"middle", b"")):
            wire = b"".join(
                masked(TEXT if place == 0 else CONTINUATION, piece, fin=place == len(pieces) - 1)
                for place, piece in enumerate(pieces)
            )
            for chop in (0, 1):
                self.assertEqual(read(wire, chop=chop), [(TEXT, b"".join(pieces))])

    def test_interleaved_control(self) -> None:
        """A ping between two fragments is given at once (5.6 to 5.8)."""
        reader = FrameReader(BIG)
        self.assertEqual(reader.feed(masked(TEXT, b"a", fin=False) + masked(PING, b"p")), [(PING, b"p")])
        self.assertEqual(reader.feed(masked(CONTINUATION, b"b")), [(TEXT, b"ab")])

    def test_continuation_of_nothing(self) -> None:
        """At the start, and after a whole message (5.9 to 5.17)."""
        for fin in (True, False):
            self.assertEqual(code(read(masked(CONTINUATION, b"x", fin=fin))), 1002)
            self.assertEqual(code(read(masked(TEXT, b"a") + masked(CONTINUATION, b"x", fin=fin))), 1002)

    def test_message_in_message(self) -> None:
        """A second text before the first has ended (5.18)."""
        self.assertEqual(code(read(masked(TEXT, b"a", fin=False) + masked(TEXT, b"b"))), 1002)


class Utf8Tests(SynchronousTestCase):
    """Case 6: text is UTF-8, and what is not fails as early as it can."""

    VALID = ("κόσμε", "\u0000", "\u0080", "\u0800", "\U00010000", "\u007f", "\u07ff", "\uffff", "\U0010ffff", "\ufffd")
    INVALID = (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\x80", b"\xbf", b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf", b"\xf8\x88\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xfe",
        b"\xff", b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xce\xba\xe1",
    )  # fmt: skip

    def test_valid(self) -> None:
        """Every boundary of every length, in one frame and in one-byte fragments."""
        for text in self.VALID:
            payload = text.encode()
            self.assertEqual(read(masked(TEXT, payload)), [(TEXT, payload)])
            wire = masked(TEXT, b"", fin=False)
            wire += b"".join(masked(CONTINUATION, payload[i:i + 1], fin=False) for i in range(len(payload)))
            self.assertEqual(read(wire + masked(CONTINUATION, b"")), [(TEXT, payload)])

    def test_invalid(self) -> None:
        """Overlong forms, surrogates, beyond U+10FFFF, stray and missing bytes: 1007, in one frame and in two."""
        for payload in self.INVALID:
            self.assertEqual(code(read(masked(TEXT, payload))), 1007, payload)
            wire = masked(TEXT, payload[:1], fin=False) + masked(CONTINUATION, payload[1:])
            self.assertEqual(code(read(wire, chop=2)), 1007, payload)

    def test_fail_fast(self) -> None:
        """6.4: the fragment that can't be UTF-8 any more fails, in the middle of a frame that is not complete."""
        bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited"
        reader = FrameReader(BIG)
        wire = masked(TEXT, bad)
        self.assertEqual(reader.feed(wire[:6 + 12]), [])
        self.assertEqual(code(reader.feed(wire[6 + 12:6 + 13])), 1007)
        reader = FrameReader(BIG)
        self.assertEqual(reader.feed(masked(TEXT, bad[:11], fin=False)), [])
        self.assertEqual(code(reader.feed(masked(CONTINUATION, bad[11:15], fin=False))), 1007)

    def test_binary_is_free(self) -> None:
        """Binary messages are any bytes."""
        self.assertEqual(read(masked(BINARY, b"\xff\xfe")), [(BINARY, b"\xff\xfe")])


class CloseTests(SynchronousTestCase):
    """Case 7: the closing handshake."""

    def test_after_close(self) -> None:
        """What comes after a close frame is ignored (7.1)."""
        found = read(masked(CLOSE, b"\x03\xe8") + masked(TEXT, b"late") + masked(PING, b""))
        self.assertEqual(found, [(CLOSE, b"\x03\xe8")])

    def test_payloads(self) -> None:
        """None, a code, a code with a reason of up to 123 bytes (7.3)."""
        for payload in (b"", b"\x03\xe8", b"\x03\xe8" + b"*" * 123):
            self.assertEqual(read(masked(CLOSE, payload)), [(CLOSE, payload)])
        self.assertEqual(code(read(masked(CLOSE, b"\x03"))), 1002)
        self.assertEqual(code(read(masked(CLOSE, b"\x03\xe8" + b"*" * 124))), 1002)

    def test_reason_is_utf8(self) -> None:
        """7.5: 1007."""
        self.assertEqual(code(read(masked(CLOSE, b"\x03\xe8\xce\xba\xe1"))), 1007)

    def test_codes(self) -> None:
        """7.7 and 7.9: which codes may be sent."""
        for good in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
            self.assertTrue(valid_close_code(good))
            payload = good.to_bytes(2, "big")
            self.assertEqual(read(masked(CLOSE, payload)), [(CLOSE, payload)])
        for bad in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
            self.assertEqual(code(read(masked(CLOSE, bad.to_bytes(2, "big")))), 1002, bad)

    def test_close_payload(self) -> None:
        """A reason too long is cut at a character."""
        payload = close_payload(1000, "é" * 80)
        self.assertLessEqual(len(payload), 125)
        payload[2:].decode("utf-8")


class LimitTests(SynchronousTestCase):
    """What a client may make us hold."""

    def test_frame(self) -> None:
        """A frame over the limit is refused by its header: 1009."""
        limits = Limits(100, 1_000, 10)
        self.assertEqual(code(read(masked(TEXT, b"x" * 101)[:4], limits)), 1009)
        self.assertEqual(code(read(b"\x81\xff" + (1 << 40).to_bytes(8, "big"), limits)), 1009)
        self.assertEqual(read(masked(TEXT, b"x" * 100), limits), [(TEXT, b"x" * 100)])

    def test_message(self) -> None:
        """So is a message whose frames sum up to too much; the next message starts anew."""
        limits = Limits(100, 150, 10)
        two = masked(TEXT, b"x" * 100, fin=False) + masked(CONTINUATION, b"x" * 51)
        self.assertEqual(code(read(two, limits)), 1009)
        fine = (masked(TEXT, b"x" * 100, fin=False) + masked(CONTINUATION, b"x" * 50)) * 2
        self.assertEqual(len(read(fine, limits)), 2)

    def test_fragments(self) -> None:
        """A message in too many pieces is refused: 1008."""
        limits = Limits(100, 100, 3)
        wire = masked(TEXT, b"", fin=False) + masked(CONTINUATION, b"", fin=False) * 3
        self.assertEqual(code(read(wire, limits)), 1008)

    def test_ignored_after_failure(self) -> None:
        """A failed reader holds nothing and says nothing."""
        reader = FrameReader(BIG)
        reader.feed(frame(TEXT, b"hi"))
        self.assertEqual(reader.feed(masked(TEXT, b"x")), [])
        self.assertEqual(reader.held, 0)
