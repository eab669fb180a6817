"""Answers whose body is files, or comes piece by piece: sent as fast as the client reads, and no faster.

Connections of our own take files themselves: plain ones by ``sendfile(2)``, so that the bytes never enter the process,
and TLS through one buffer for all. HTTP/2 and others get them in bounded chunks. Reads that may wait for a disk are
made in a thread: ``preadv2`` with ``RWF_NOWAIT`` tells before whether the kernel has the bytes in memory.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from cackled.transport._socket import TURN_BYTES, Transport

if TYPE_CHECKING:
    from cackled.transport._request import Request

# Bytes in one write where there is no sendfile; a slow client holds so many of a file in memory.
CHUNK = 128 * 1024
# Bytes between two looks at whether a file is in memory; the kernel reads ahead at least so much.
PROBE = 64 * 1024
# For so long what was in memory is taken to be there still: what is asked for time and again is.
SEEN_SECONDS = 0.5
_NOWAIT = getattr(os, "RWF_NOWAIT", None)

log = Logger()


class OpenFile:
    """A descriptor that is closed when the last who refers to this object has let go of it."""

    __slots__ = ("__weakref__", "_seen", "descriptor", "size", "touched")

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        # For whoever keeps it open: when it was last asked for.
        self.touched = float("-inf")
        # What was found in the kernel's memory last (from, to), and until when that is believed.
        self._seen = (0, 0, 0.0)

    def is_in_memory(self, start: int, length: int) -> bool:
        """Whether these bytes can be read without waiting for a disk, as far as the system tells, or told just now."""
        begin, end, until = self._seen
        now = monotonic()
        if begin <= start and start + length <= end and now < until:
            return True
        if not is_in_memory(self.descriptor, start, length):
            return False
        self._seen = start, start + length, now + SEEN_SECONDS
        return True

    def __del__(self) -> None:
        os.close(self.descriptor)


class FilePart(Struct, frozen=True):
    """*length* bytes of a file from *start*; their whole number is there, and never changes."""

    file: OpenFile
    start: int
    length: int


class Pieces(Protocol):
    """Where a body comes from."""

    async def next(self) -> FilePart | bytes | None:
        """The next piece; None after the last.

        Raises:
            OSError: it can't be had. The connection is then cut off, so that no client takes a part for the whole.
        """


class NoPieces:
    """Of a body whose length alone is told."""

    async def next(self) -> None:
        """None."""


class Body(Struct, frozen=True):
    """A body of *length* bytes: what *pieces* gives, one after the other. ``in_thread`` runs a function elsewhere."""

    length: int
    pieces: Pieces
    in_thread: Callable[..., Awaitable[Any]]


class HotAnswer(Struct, frozen=True):
    """Says of an answer that it is one part of a file, and that others who ask for the same may have the same.

    ``find`` is asked each time, with the client's address: it gives the part; None where it is not so any more, or that
    client may not ask now. It is called in the middle of reading: it must be quick. It must not keep the file open: who
    has opened it says how long. ``in_thread`` as in `Body`.
    """

    find: Callable[[str], FilePart | None]
    in_thread: Callable[..., Awaitable[Any]]


class _Rest:
    def __init__(self, part: FilePart) -> None:
        self._part: FilePart | None = part

    async def next(self) -> FilePart | None:
        part, self._part = self._part, None
        return part


def rest_of(part: FilePart, sent: int, in_thread: Callable[..., Awaitable[Any]]) -> Body:
    """What is left of *part* after *sent* bytes."""
    rest = FilePart(part.file, part.start + sent, part.length - sent)
    return Body(rest.length, _Rest(rest), in_thread)


def is_in_memory(descriptor: int, start: int, length: int) -> bool:
    """Whether these bytes of a file can be read without waiting for a disk, as far as the system tells."""
    if _NOWAIT is None:
        return False
    byte = bytearray(1)
    try:
        for place in (*range(start, start + length, PROBE), start + length - 1):
            os.preadv(descriptor, [byte], place, _NOWAIT)
    except OSError:
        # EAGAIN: not there. ENOTSUP: this file system does not tell.
        return False
    return True


def read_fully(descriptor: int, start: int, length: int) -> bytes:
    """Exactly these bytes of a file.

    Raises:
        OSError: they can't be read, or are not there.
    """
    parts, left = [], length
    while left:
        data = os.pread(descriptor, left, start + length - left)
        if not data:
            raise OSError("a file is shorter than it was")
        parts.append(data)
        left -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_now(descriptor: int, start: int, length: int) -> bytes | None:
    """These bytes where that needs no waiting, else None."""
    return read_fully(descriptor, start, length) if is_in_memory(descriptor, start, length) else None


class Sending:
    """Sends one body to one client; a push producer of its connection."""

    def __init__(self, request: Request, body: Body) -> None:
        self._request = request
        self._body = body
        self._left = body.length
        channel = request.channel
        own = channel.transport
        # Whose socket takes files; None for others.
        self._socket: Transport | None = own if isinstance(own, Transport) else None
        self._paused = False
        self._gone = False
        self._waits: Deferred[None] | None = None

    def start(self) -> None:
        """Send; the request is finished at the end of it."""
        request = self._request
        request.notifyFinish().addErrback(lambda _: self.stopProducing())
        request.registerProducer(self, True)
        if self._socket is not None:
            self._socket.file_left = self._body.length
            request.channel.watch(self._body.length)
        Deferred.fromCoroutine(self._run()).addErrback(
            lambda failure: log.failure("a body was not sent", failure)
        )

    # IPushProducer

    def pauseProducing(self) -> None:
        """Much waits for the client."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Nothing waits any more."""
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        """The client has gone."""
        self._gone = True
        self._paused = False
        self._wake()

    def _wake(self) -> None:
        waits, self._waits = self._waits, None
        if waits is not None:
            waits.callback(None)

    async def _ready(self) -> None:
        if self._paused and not self._gone:
            self._waits = Deferred()
            await self._waits

    # The work

    async def _run(self) -> None:
        try:
            while self._left > 0 and not self._gone:
                piece = await self._body.pieces.next()
                if piece is None or self._gone:
                    break
                size = len(piece) if isinstance(piece, bytes) else piece.length
                if not 0 < size <= self._left:
                    raise OSError("the pieces are not as long as was told")
                await (self._write(piece) if isinstance(piece, bytes) else self._part(piece))
        except (OSError, EOFError, CancelledError) as error:
            log.warn("a body broke off: {reason}", reason=str(error)[:200])
        if self._gone:
            return
        if self._socket is not None:
            self._socket.file_left = 0
        self._request.unregisterProducer()
        if self._left:
            # The client sees that the end is missing.
            self._request.channel.abort("source")
        else:
            self._request.finish()

    async def _part(self, part: FilePart) -> None:
        if self._socket is not None:
            await self._send_file(self._socket, part)
            return
        descriptor = part.file.descriptor
        for place in range(part.start, part.start + part.length, CHUNK):
            size = min(CHUNK, part.start + part.length - place)
            data = _read_now(descriptor, place, size)
            if data is None:
                data = await self._body.in_thread(read_fully, descriptor, place, size)
            if self._gone:
                return
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        for place in range(0, len(data), CHUNK):
            self._sent(len(data[place : place + CHUNK]))
            self._request.channel.write(data[place : place + CHUNK])
            if self._left and not self._paused:
                await self._turn()
            await self._ready()
            if self._gone:
                return

    async def _turn(self) -> None:
        """Let others work first."""
        turn: Deferred[None] = Deferred()
        self._request.site.clock.callLater(0, turn.callback, None)
        await turn

    async def _send_file(self, socket: Transport, part: FilePart) -> None:
        descriptor, place, end = part.file.descriptor, part.start, part.start + part.length
        # Up to there it is in memory.
        known = place
        while place < end:
            if place == known:
                size = min(TURN_BYTES, end - place)
                if not part.file.is_in_memory(place, size):
                    await self._body.in_thread(read_fully, descriptor, place, size)
                    if self._gone:
                        return
                known = place + size
            sent = socket.send_file(descriptor, place, known - place)
            if sent < 0:
                # The reactor finds the error, or the connection is ending: it is told of in a moment.
                self._paused = True
            else:
                self._sent(sent)
                place += sent
            await self._ready()
            if self._gone:
                return

    def _sent(self, size: int) -> None:
        self._left -= size
        self._request.sentLength += size
        if self._socket is not None:
            self._socket.file_left -= size
