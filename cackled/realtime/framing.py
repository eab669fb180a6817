"""WebSocket frames as a server reads and writes them (RFC 6455 section 5): strict, without extensions.

`FrameReader` is fed bytes and returns messages. A broken rule or limit ends reading with the status code to close
with. The reader never holds more than ``max_message`` bytes and one control frame.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

CONTINUATION, TEXT, BINARY = 0, 1, 2
CLOSE, PING, PONG = 8, 9, 10
# Not an opcode: reading has failed, and the payload is that of the close frame to send.
FAILED = -1

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
NO_STATUS, INVALID_DATA, POLICY, TOO_BIG, RESTART = 1005, 1007, 1008, 1009, 1012

# Refuses a byte that can't continue the text at once, not only at the end of the message (RFC 6455 section 8.1).
_text_decoder = codecs.getincrementaldecoder("utf-8")

# Unmasking goes in steps of this many bytes: one integer xor each.
STEP = 16 * 1024


class Limits(NamedTuple):
    """Limits for one client: payload bytes of a frame, bytes of a message, and frames per message."""

    frame: int = 16 * 1024
    message: int = 16 * 1024
    fragments: int = 64


def unmask(data: bytes, mask: bytes, phase: int = 0) -> bytes:
    """*data* xor *mask* (4 bytes), the first byte of data at place *phase* of the mask (RFC 6455 section 5.3)."""
    if phase:
        mask = mask[phase:] + mask[:phase]
    size = len(data)
    if size <= STEP:
        pad = (mask * ((size + 3) >> 2))[:size]
        return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")
    # STEP is a multiple of four: the phase is the same at every step.
    return b"".join(unmask(data[start:start + STEP], mask) for start in range(0, size, STEP))


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A whole, unmasked frame with FIN set."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close frame; *reason* is cut to what fits (123 bytes)."""
    return code.to_bytes(2, "big") + reason.encode("utf-8")[:123].decode("utf-8", "ignore").encode("utf-8")


def valid_close_code(code: int) -> bool:
    """Whether a peer may send *code* in a close frame (RFC 6455 section 7.4 and the IANA registry)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


class FramingError(Exception):
    """The client broke a rule; the connection must be failed with *code*."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Reads the client's side of one connection.

    `feed` gives ``(opcode, payload)`` for whole text and binary messages and for control frames in the order in which
    they came, text as checked UTF-8 bytes. After a close frame or an error, which is the last item given, input is
    ignored. ``frames`` counts frames for whoever limits rates.
    """

    __slots__ = (
        "_buffer", "_count", "_fin", "_got", "_left", "_limits", "_mask", "_opcode", "_parts", "_phase", "_size",
        "_validator", "ended", "frames",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Bytes not read yet: less than a header, between two frames.
        self._buffer = b""
        # The message being put together: its opcode (0: none), fragments, size and pieces.
        self._opcode = 0
        self._count = 0
        self._size = 0
        self._parts: list[bytes] | None = None
        self._validator: codecs.IncrementalDecoder | None = None
        # The frame being read, where its payload is not complete: bytes left (-1: no frame), opcode, mask.
        self._left = -1
        self._got = 0
        self._fin = 0
        self._mask = b""
        self._phase: list[bytes] | None = None
        self.ended = False
        self.frames = 0

    @property
    def idle(self) -> bool:
        """Whether nothing has begun and nothing has failed, so that the reader can be used for any client."""
        return self._left < 0 and not self._opcode and not self._buffer and not self.ended

    def serve(self, limits: Limits) -> None:
        """Reuse the reader for another client with *limits*. Only while `idle`."""
        self._limits = limits
        self.frames = 0

    @property
    def held(self) -> int:
        """Bytes held for incomplete frames and messages."""
        return len(self._buffer) + sum(map(len, self._parts or ())) + sum(map(len, self._phase or ()))

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Read *data*; returns the messages and control frames that it completes."""
        found: list[tuple[int, bytes]] = []
        if self.ended:
            return found
        try:
            self._read(data, found)
        except FramingError as error:
            self.ended = True
            found.append((FAILED, close_payload(error.code, error.reason)))
        if self.ended:
            self._buffer, self._parts, self._validator, self._phase = b"", None, None, None
        return found

    def _read(self, data: bytes, found: list[tuple[int, bytes]]) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        place, end = 0, len(data)
        while not self.ended:
            if self._left >= 0:
                if place == end and self._left:
                    return
                place = self._payload(data, place, found)
                continue
            start = place
            if end - start < 2:
                # Refuse what is wrong in the first byte before the rest of the header arrives.
                if end > start:
                    self._check_first(data[start])
                break
            first, second = data[start], data[start + 1]
            self._check_first(first)
            if not second & 0x80:
                raise FramingError(PROTOCOL_ERROR, "a client's frames are masked")
            size = second & 0x7F
            place = start + 2
            if first & 0x08 and size > 125:
                raise FramingError(PROTOCOL_ERROR, "a control frame is too long")
            if size >= 126:
                width = 2 if size == 126 else 8
                if end - place < width:
                    place = start
                    break
                size = int.from_bytes(data[place:place + width], "big")
                if size >> 63:
                    raise FramingError(PROTOCOL_ERROR, "a frame's length has its highest bit set")
                if size < (126 if width == 2 else 65_536):
                    raise FramingError(PROTOCOL_ERROR, "a frame's length is not in its shortest form")
                place += width
            if not first & 0x08:
                self._check_size(size)
            if end - place < 4:
                place = start
                break
            self._begin(first)
            self._mask = data[place:place + 4]
            place += 4
            self._fin = first
            self._left = size
            self._got = 0
        self._buffer = data[place:] if not self.ended else b""

    def _check_first(self, first: int) -> None:
        if first & 0x70:
            raise FramingError(PROTOCOL_ERROR, "a reserved bit is set")
        opcode = first & 0x0F
        if opcode & 0x08:
            if opcode > PONG:
                raise FramingError(PROTOCOL_ERROR, "unknown control opcode")
            if not first & 0x80:
                raise FramingError(PROTOCOL_ERROR, "a control frame is fragmented")
        elif opcode > BINARY:
            raise FramingError(PROTOCOL_ERROR, "unknown opcode")
        elif opcode == CONTINUATION:
            if not self._opcode:
                raise FramingError(PROTOCOL_ERROR, "a continuation of nothing")
        elif self._opcode:
            raise FramingError(PROTOCOL_ERROR, "a new message inside a fragmented one")

    def _check_size(self, size: int) -> None:
        if size > self._limits.frame or self._size + size > self._limits.message:
            raise FramingError(TOO_BIG, "message is too big")

    def _begin(self, first: int) -> None:
        """A data frame's header is complete: it opens or continues a message."""
        self.frames += 1
        opcode = first & 0x0F
        if opcode & 0x08:
            return
        if opcode:
            self._opcode = opcode
            self._count = 0
            self._size = 0
        self._count += 1
        if self._count > self._limits.fragments:
            raise FramingError(POLICY, "too many fragments")

    def _payload(self, data: bytes, place: int, found: list[tuple[int, bytes]]) -> int:
        """Consume the available part of the current frame's payload; returns the offset after it."""
        left, first = self._left, self._fin
        chunk = data[place:place + left] if place or len(data) != left else data
        size = len(chunk)
        plain = unmask(chunk, self._mask, self._got & 3) if size else b""
        self._got += size
        self._left = left - size
        if first & 0x08:
            if self._phase is not None:
                self._phase.append(plain)
                plain = b"".join(self._phase)
            if self._left:
                self._phase = [plain]
            else:
                self._phase = None
                self._left = -1
                self._control(first & 0x0F, plain, found)
            return place + size
        self._size += size
        whole = first & 0x80 and not self._left and self._parts is None and self._validator is None
        if self._opcode == TEXT:
            self._check_text(plain, last=bool(first & 0x80 and not self._left), alone=bool(whole))
        if whole:
            found.append((self._opcode, plain))
            self._end()
            return place + size
        if self._parts is None:
            self._parts = []
        if plain:
            self._parts.append(plain)
            if len(self._parts) > 1_024:
                self._parts = [b"".join(self._parts)]
        if not self._left:
            self._left = -1
            if first & 0x80:
                found.append((self._opcode, b"".join(self._parts)))
                self._end()
        return place + size

    def _end(self) -> None:
        """The message is complete."""
        self._left = -1
        self._opcode = 0
        self._size = 0
        self._parts = None
        self._validator = None

    def _check_text(self, plain: bytes, *, last: bool, alone: bool) -> None:
        if alone:
            try:
                plain.decode("utf-8")
            except UnicodeDecodeError:
                raise FramingError(INVALID_DATA, "text is not UTF-8") from None
            return
        if self._validator is None:
            self._validator = _text_decoder()
        try:
            self._validator.decode(plain, last)
        except UnicodeDecodeError:
            raise FramingError(INVALID_DATA, "text is not UTF-8") from None

    def _control(self, opcode: int, payload: bytes, found: list[tuple[int, bytes]]) -> None:
        if opcode == CLOSE:
            if len(payload) == 1:
                raise FramingError(PROTOCOL_ERROR, "a close code is two bytes")
            if payload:
                if not valid_close_code(int.from_bytes(payload[:2], "big")):
                    raise FramingError(PROTOCOL_ERROR, "not a close code")
                try:
                    payload[2:].decode("utf-8")
                except UnicodeDecodeError:
                    raise FramingError(INVALID_DATA, "a close reason is not UTF-8") from None
            self.ended = True
        found.append((opcode, payload))
