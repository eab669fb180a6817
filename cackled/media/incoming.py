"""The body of an upload while it arrives: it is kept in pieces, so that a cut connection loses little of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.domain.errors import Conflict, Refused

log = Logger()

# Bytes of a piece; twice as many wait in memory before the connection is read no more, and at most so many where it
# can't be told to wait (HTTP/2).
PIECE = 256 * 1024
MOST_WAITING = 16 * PIECE
# Seconds without a byte after which a connection is given up.
IDLE = 30.0


class TooSlow(Refused):
    """Nothing came for a while."""

    status = 408
    slug = "upload-idle"
    title = "The connection was silent for too long"


class Waits(Refused):
    """More came than can be kept at this speed."""

    status = 503
    slug = "unavailable"
    title = "Not available right now"


class Target(Protocol):
    """Where the bytes go: one writer of one upload."""

    id: str

    async def keep(self, data: bytes) -> None:
        """Keep the next piece.

        Raises:
            Refused: another request has taken over, or it does not fit.
            DatabaseError: it can't be kept now.
        """


class Control(Protocol):
    """The connection."""

    def pause_body(self) -> None:
        """Read no more for now."""

    def resume_body(self) -> None:
        """Read on."""


class Incoming:
    """Writes a body to what *begin* gives.

    *begin* draws from the route's limit. *refuse* ends the request before its body is whole. *opened* and *closed* are
    told of its life with the target.
    """

    drawn = True

    def __init__(
        self, begin: Callable[[], Awaitable[Any]], control: Control, refuse: Callable[[Exception], None], clock: Any,
        opened: Callable[[Any, Incoming], None], closed: Callable[[Any, Incoming], None],
    ) -> None:  # fmt: skip
        self._begin = begin
        self._control = control
        self._refuse = refuse
        self._clock = clock
        self._opened = opened
        self._closed = closed
        self._held = bytearray()
        self._paused = False
        self._ended = False
        self._failure: Exception | None = None
        self._idle = clock.callLater(IDLE, self._silent)
        self.target: Any = None
        # Fires when nothing is under way any more.
        self._quiet: list[Deferred[None]] = []
        self._work: Deferred[None] | None = None
        self._run(self._start)

    # As a file

    def write(self, data: bytes) -> int:
        """Take more of the body."""
        if self._failure is not None:
            # It came before the connection could be told.
            self._refuse(self._failure)
            return len(data)
        if self._idle.active():
            self._idle.reset(IDLE)
        self._held += data
        if len(self._held) > MOST_WAITING:
            self._fail(Waits("Send the rest in a moment."))
        elif len(self._held) >= 2 * PIECE and not self._paused:
            self._paused = True
            self._control.pause_body()
        self._pump()
        return len(data)

    def seek(self, place: int) -> int:
        """The body is whole."""
        self._end()
        return place

    def read(self) -> bytes:
        """Nothing."""
        return b""

    def close(self) -> None:
        """The request has ended; what came is kept."""
        self._end()

    # For its request, and for the next

    async def finished(self) -> Any:
        """Wait until all that came is kept; gives the target.

        Raises:
            Refused, DatabaseError: it is not.
        """
        await self._settled()
        if self._failure is not None:
            raise self._failure
        return self.target

    async def give_way(self) -> None:
        """Another request takes over: keep what came, read no more, and end the connection."""
        self._end()
        await self._settled()
        if self._failure is None:
            self._failure = evicted()
        self._refuse(self._failure)

    async def _settled(self) -> None:
        while self._work is not None:
            done: Deferred[None] = Deferred()
            self._quiet.append(done)
            await done

    # Work

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = Deferred()
        running: Deferred[None] = Deferred.fromCoroutine(self._guarded(work))
        running.addErrback(lambda failure: log.failure("an upload could not be kept", failure))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (Refused, DatabaseError) as error:
            self._fail(error)
        except Exception as error:
            self._fail(error)
            raise
        finally:
            self._work = None
            if self._ended and self.target is not None and (self._failure is not None or not self._held):
                self._closed(self.target, self)
            waiting, self._quiet = self._quiet, []
            for one in waiting:
                one.callback(None)

    async def _start(self) -> None:
        self.target = await self._begin()
        self._opened(self.target, self)
        await self._keep()

    def _pump(self) -> None:
        if self._work is None and self._failure is None and (len(self._held) >= PIECE or (self._ended and self._held)):
            self._run(self._keep)

    async def _keep(self) -> None:
        while len(self._held) >= PIECE or (self._ended and self._held):
            piece = bytes(self._held[:PIECE])
            await self.target.keep(piece)
            # More may have come meanwhile, also after the end: only what was kept goes.
            del self._held[: len(piece)]
            if self._failure is not None:
                return
            if self._paused and len(self._held) < PIECE:
                self._paused = False
                if self._idle.active():
                    self._idle.reset(IDLE)
                self._control.resume_body()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._idle.active():
            self._idle.cancel()
        if self._work is None:
            if self._held and self._failure is None:
                self._run(self._keep)
            elif self.target is not None:
                self._closed(self.target, self)

    def _silent(self) -> None:
        if self._paused:
            # We are the ones who wait.
            self._idle = self._clock.callLater(IDLE, self._silent)
            return
        self._end()
        self._refuse(TooSlow("Ask how much is here, and send the rest."))

    def _fail(self, error: Exception) -> None:
        if self._failure is not None:
            return
        self._failure = error
        self._held.clear()
        if self._idle.active():
            self._idle.cancel()
        if not self._ended:
            self._refuse(error)


def evicted() -> Conflict:
    """Another request has taken this upload over."""
    return Conflict("Another request goes on with this upload.", slug="upload-taken")
