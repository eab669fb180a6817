"""JSON that stands in a call (``jQuery(...);``), as an answer for an old browser, taken out of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cackled.importing.source import Source

_OPENS = re.compile(rb"\s*[A-Za-z_$][\w$.]{0,100}\s*\(\s*(?=[\[{])")
_MARK = re.compile(rb'["\\{}\[\]]')
_PIECE = 1 << 16


@contextmanager
def unwrapped(source: Source) -> Iterator[Source]:
    """*source*, or a copy without the calls that its values stand in."""
    with source.open() as file:
        head = file.read(200)
    if _OPENS.match(head) is None:
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix="cackled-plain-") as plain:
        with source.open() as file:
            for piece in _values(file):
                plain.write(piece)
        plain.flush()
        yield Source(
            Path(plain.name), host=source.host, zone=source.zone, everything=source.everything, stop=source.check
        )


def _values(file: BinaryIO) -> Iterator[bytes]:
    """What lies in braces and brackets, each value on lines of its own; nothing of what is around them."""
    depth, in_text, escaped = 0, False, -1
    while piece := file.read(_PIECE):
        begin = 0
        for found in _MARK.finditer(piece):
            at, mark = found.start(), found[0]
            if in_text:
                if at == escaped:
                    continue
                if mark == b"\\":
                    escaped = at + 1
                elif mark == b'"':
                    in_text = False
            elif mark == b'"':
                in_text = depth > 0
            elif mark in b"{[":
                begin = begin if depth else at
                depth += 1
            elif depth and mark in b"}]":
                depth -= 1
                if not depth:
                    yield piece[begin : at + 1] + b"\n"
        if depth:
            yield piece[begin:]
        # What is escaped may be the first byte of the next piece.
        escaped = 0 if in_text and escaped == len(piece) else -1
