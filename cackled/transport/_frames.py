"""Finds the ends of HTTP/2 frames, so that only a few frames are processed per turn, however many arrived at once.

The first nine bytes of each frame hold its length (RFC 9113 section 4.1); the client first sends a preface (section
3.4). The contents are parsed by h2.
"""

from __future__ import annotations

PREFACE_BYTES = 24
HEADER_BYTES = 9
HEADERS = 1
# Budget of one turn: a request weighs as much as eight other frames.
BUDGET = 64
REQUEST = 8


class Cutter:
    """Finds where to cut what a client sends."""

    __slots__ = ("_left", "_part")

    def __init__(self) -> None:
        # Remaining bytes of the frame (or preface) that began in the part already taken.
        self._left = PREFACE_BYTES
        # The first bytes of a frame whose header is incomplete.
        self._part = b""

    def cut(self, data: bytes) -> int:
        """Bytes of *data* to take now: at least one, at most a turn's `BUDGET`. *data* follows what was taken before.

        What is not taken has to be offered again, together with what arrived after it.
        """
        size = len(data)
        at = min(self._left, size)
        self._left -= at
        budget = BUDGET
        while at < size and budget > 0:
            head = self._part + data[at : at + HEADER_BYTES - len(self._part)]
            at += len(head) - len(self._part)
            if len(head) < HEADER_BYTES:
                self._part = head
                return at
            self._part = b""
            budget -= REQUEST if head[3] == HEADERS else 1
            length = int.from_bytes(head[:3], "big")
            taken = min(length, size - at)
            at += taken
            self._left = length - taken
        return at
