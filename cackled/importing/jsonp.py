"""JSON that stands in a call (``jQuery(...);``), as an answer for an old browser, taken out of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cackled.importing.source import MOST_VALUE, Source

_OPENS = re.compile(rb"\s*[A-Za-z_$][\w$.]{0,100}\s*\(\s*(?=[\[{])")
_CLOSES = re.compile(rb"\)\s*;?\s*\Z")


@contextmanager
def unwrapped(source: Source) -> Iterator[Source]:
    """*source*, or a copy without the calls: each stands on lines of its own."""
    with source.open() as file:
        head = file.read(200)
    if _OPENS.match(head) is None:
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix="cackled-plain-") as plain:
        with source.open() as file:
            while line := file.readline(16 * MOST_VALUE):
                plain.write(_CLOSES.sub(b"", _OPENS.sub(b"", line, count=1)) + b"\n" if _OPENS.match(line) or
                            _CLOSES.search(line) else line)  # fmt: skip
        plain.flush()
        yield Source(Path(plain.name), host=source.host, zone=source.zone, everything=source.everything)
