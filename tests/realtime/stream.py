"""A browser's reader of event streams, written from the WHATWG text (HTML, sections 9.2.5 and 9.2.6) and from nothing
of ours: bytes in any pieces; one BOM at the beginning, lines that end with CR, LF or both, every field.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple


class Dispatched(NamedTuple):
    """One event as the page gets it."""

    type: str
    data: str
    last_event_id: str


class EventStream:
    """Feed it the body of an answer; ``events`` are what a page would have got so far."""

    def __init__(self) -> None:
        self.events: list[Dispatched] = []
        # Milliseconds, where the stream has said so.
        self.retry: int | None = None
        self.last_event_id = ""
        self.comments = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._first = True
        self._after_cr = False
        self._line = ""
        self._type = ""
        self._data = ""
        self._id = ""

    def feed(self, data: bytes) -> None:
        """Some more bytes."""
        for letter in self._decoder.decode(data):
            if self._first:
                self._first = False
                if letter == "\ufeff":
                    continue
            if letter == "\n" and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = letter == "\r"
            if letter in "\r\n":
                line, self._line = self._line, ""
                self._process(line)
            else:
                self._line += letter

    def _process(self, line: str) -> None:
        if line == "":
            self._dispatch()
        elif line.startswith(":"):
            self.comments += 1
        else:
            name, colon, value = line.partition(":")
            if colon and value.startswith(" "):
                value = value[1:]
            self._field(name, value)

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._type = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value and all(digit in "0123456789" for digit in value):
            self.retry = int(value)

    def _dispatch(self) -> None:
        self.last_event_id = self._id
        data, self._data = self._data, ""
        type, self._type = self._type, ""
        if data:
            self.events.append(Dispatched(type or "message", data.removesuffix("\n"), self.last_event_id))
