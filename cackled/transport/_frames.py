"""Where HTTP/2's frames end: so that a few of them can be looked at in one turn, however many came at once.

Each frame says how long it is in its first nine bytes (RFC 9113 section 4.1), after a preface of the client (section
3.4). What they say is h2's business.
"""

from __future__ import annotations

PREFACE_BYTES = 24
HEADER_BYTES = 9
HEADERS = 1
# What one turn takes: a request weighs as much as eight other frames.
BUDGET = 64
REQUEST = 8


class Cutter:
    """Finds where to cut what a client sends."""

    __slots__ = ("_left", "_part")

    def __init__(self) -> None:
        # Bytes until the frame (or the preface) ends that was begun in what is cut off already.
        self._left = PREFACE_BYTES
        # The first bytes of a frame whose header is not whole.
        self._part = b""

    def cut(self, data: bytes) -> int:
        """How much of *data*, which follows what was cut off before, to take now: at least a byte, `BUDGET` at most.

        What is not taken has to be offered again, with what came behind it.
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
