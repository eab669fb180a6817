"""A file that is read: opened once or several times, unpacked and recoded as it goes, and bounded."""

from __future__ import annotations

import codecs
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
# The same as a multiple of the packed file; a small one may hold so many bytes whatever its size.
MOST_RATIO, ALWAYS_UNPACKED = 400, 256 * 1024**2
# Of one line, one text, one value.
MOST_VALUE = 4 * 1024**2
_GZIP = b"\x1f\x8b"
_ARCHIVES = ((b"PK\x03\x04", "a ZIP archive"), (b"BZh", "packed with bzip2"), (b"\xfd7zXZ", "packed with xz"),
             (b"7z\xbc\xaf", "a 7z archive"), (b"Rar!", "a RAR archive"))  # fmt: skip
# What a text in UTF-16 without a byte order mark begins with: XML and JSON begin in ASCII.
_WIDE = {
    **{bytes((one, 0)): "utf-16-le" for one in b"<[{"}, **{bytes((0, one)): "utf-16-be" for one in b"<[{"},
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


def wide(head: bytes) -> str | None:
    """The encoding of a text that begins with *head*, where that is UTF-16."""
    return _WIDE.get(head[:2])


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


class _Recoded(io.RawIOBase):
    """A text in another encoding, as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._held:
            data = self._file.read(1 << 15)
            self._held = self._decoder.decode(data, not data).encode("utf-8", "replace")
            if not data and not self._held:
                return 0
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

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
        """The file from its beginning, unpacked where it is packed (gzip), and in UTF-8 where it is UTF-16.

        Raises:
            BadFile: there is none.
        """
        self.done = 0
        try:
            raw = open(self.path, "rb")  # noqa: SIM115 - the reader closes it
        except OSError as error:
            raise BadFile(f"{self.path.name}: {error.strerror}.") from None
        head = raw.read(8)
        packed = head.startswith(_GZIP)
        raw.seek(0)
        for mark, what in _ARCHIVES:
            if head.startswith(mark):
                raw.close()
                raise BadFile(f"The file is {what}: unpack it first (what is packed with gzip is read as it is).")
        plain: BinaryIO = io.BufferedReader(_Counted(raw, self._seen), 1 << 16)
        if packed:
            unpacked: BinaryIO = gzip.GzipFile(fileobj=plain)  # type: ignore[assignment]
            most = min(self._most, max(ALWAYS_UNPACKED, self.size * MOST_RATIO))
            plain = io.BufferedReader(_Counted(unpacked, lambda count: None, most), 1 << 16)
        encoding = wide(plain.peek(2))  # type: ignore[attr-defined]
        return plain if encoding is None else io.BufferedReader(_Recoded(plain, encoding), 1 << 16)

    @property
    def packed(self) -> bool:
        """Whether it is packed."""
        with open(self.path, "rb") as file:
            return file.read(2) == _GZIP

    def check(self) -> None:
        """Raises where the work is to end."""
        self._stop()

    def _seen(self, count: int) -> None:
        self.done += count
        self._stop()
