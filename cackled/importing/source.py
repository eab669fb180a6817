"""A file that is read: opened once or several times, unpacked as it goes, and bounded."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from zlib import error as ZlibError

from cackled.importing.records import BadFile

if TYPE_CHECKING:
    from cackled.importing.signed_lines import LineKey

# Of what comes out of a packed file; a file that unpacks to more is a bomb.
MOST_UNPACKED = 64 * 1024**3
# Of one line, one text, one value.
MOST_VALUE = 4 * 1024**2
_GZIP = b"\x1f\x8b"


class _Counted(io.RawIOBase):
    """Reads of *file*, told to *seen*, and no more than *most* bytes."""

    def __init__(self, file: BinaryIO, seen: Callable[[int], None], most: int | None = None) -> None:
        self._file = file
        self._seen = seen
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._file.read(len(view))
        except (EOFError, ZlibError, gzip.BadGzipFile) as error:
            raise BadFile(f"The packed file is damaged: {error}.") from None
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise BadFile("The packed file holds more than can be read.")
        view[: len(data)] = data
        self._seen(len(data))
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class Source:
    """The file at *path*, for a reader.

    *host* is what paths are on where the source knows no addresses, like ``https://example.com``. *zone*: seconds east
    of Greenwich of times that say none. *everything*: with spam and trash, for their states.
    *key* tells lines of our own exports from others; *trusted*: whoever imports it vouches that all are.
    ``done`` counts the bytes of the file that were read, and *stop* is called now and then: it raises where the work is
    to end.
    """

    def __init__(
        self,
        path: Path,
        *,
        host: str = "",
        zone: int = 0,
        everything: bool = True,
        stop: Callable[[], None] = lambda: None,
        key: LineKey | None = None,
        trusted: bool = False,
        most: int = MOST_UNPACKED,
    ) -> None:
        self.path = path
        self.host = host.rstrip("/")
        self.zone = zone
        self.everything = everything
        self.key = key
        self.trusted = trusted
        self.done = 0
        self._stop = stop
        self._most = most

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """The file from its beginning, unpacked where it is packed (gzip), without a byte order mark.

        Raises:
            BadFile: there is none.
        """
        self.done = 0
        try:
            raw = open(self.path, "rb")  # noqa: SIM115 - the reader closes it
        except OSError as error:
            raise BadFile(f"{self.path.name}: {error.strerror}.") from None
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        plain: BinaryIO = io.BufferedReader(_Counted(raw, self._seen), 1 << 16)
        if packed:
            unpacked: BinaryIO = gzip.GzipFile(fileobj=plain)  # type: ignore[assignment]
            plain = io.BufferedReader(_Counted(unpacked, lambda count: None, self._most), 1 << 16)
        return plain

    def check(self) -> None:
        """Raises where the work is to end."""
        self._stop()

    def _seen(self, count: int) -> None:
        self.done += count
        self._stop()
