"""Has pictures decoded and encoded anew by confined processes (`cackled.media.image_worker`): few at a time, each
bounded in memory and time.

A process looks at one file and ends. What it says is checked like anything from outside: whoever breaks into it gains a
picture of their own.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.domain.errors import Refused, TooFast, Unprocessable
from cackled.metrics import Metrics
from cackled.turns import Turns

log = Logger()

WORKER = Path(__file__).with_name("image_worker.py")
# Bytes of addresses (libraries take 300 MB of them before they have done anything), and seconds of CPU.
MEMORY, CPU_SECONDS = 1_400_000_000, 30
# Seconds by the clock: a machine that is busy gives a process little of its time.
SECONDS = 120.0
# Of all that is made of one file.
MOST_MADE = 48 * 1_048_576
MOST_WAITING = 50
# What a person is told, by the child's reason.
REASONS = {
    "type": "That is no picture that can be shown here. Take JPEG, PNG, GIF, WebP or AVIF.",
    "broken": "That picture is damaged.",
    "pixels": "That picture has too many points.",
    "frames": "That picture moves through too many pictures.",
    "memory": "That picture takes too much memory.",
    "time": "That picture takes too long.",
}

# What ends all processes of a service, which says nothing of the file.
_STOPPED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Outcomes that are no refusal of the file: its process was ended from outside, by SIGKILL (the system does that, too,
# where memory runs out), or with the whole service.
_KILLED, _ENDED = "killed", "ended"


class Interrupted(Refused):
    """The process of a picture was ended by somebody; the same file may be sent again."""

    status = 503
    slug = "unavailable"
    title = "Not available right now"


class File(Struct, frozen=True):
    """One file that was made: ``name`` as in its address, its type, size in points, and bytes."""

    name: str
    type: str
    width: int
    height: int
    body: bytes


class Picture(Struct, frozen=True):
    """A picture made anew: its size as shown, how many pictures it moves through, its mean colour, its files.

    ``confined``: the process could open no file and no connection. ``apart``: it was of a user of its own.
    """

    width: int
    height: int
    frames: int
    color: str
    confined: bool
    apart: bool
    files: list[File]


class _Told(Struct, frozen=True):
    name: str
    type: str
    width: int
    height: int
    bytes: int


class _Head(Struct, frozen=True):
    refused: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0
    color: str = ""
    confined: bool = False
    apart: bool = False
    variants: list[_Told] = []


class Workshop:
    """The processes of one daemon; *at_once* of them at the same time."""

    def __init__(self, reactor: Any, metrics: Metrics, at_once: int = 0, seconds: float = SECONDS) -> None:
        self._reactor = reactor
        self._seconds = seconds
        self._turns = Turns(at_once or max(1, (os.cpu_count() or 2) // 2))
        self._made = metrics.counter("media_pictures", "Pictures looked at.", ["outcome"])
        metrics.watch("media_waiting", "Pictures that wait to be made anew.", lambda: float(self._turns.waiting))

    async def remake(self, raw: bytes) -> Picture:
        """*raw* made anew.

        Raises:
            Unprocessable: it can't be shown; the slug is ``media-`` and the reason (`REASONS`).
            TooFast: too many wait.
            Interrupted: its process was ended from outside.
        """
        return await self._make(raw, 0)

    async def square(self, raw: bytes, side: int) -> bytes:
        """*raw* as a still square WebP of *side* points.

        Raises:
            Unprocessable, TooFast, Interrupted: as `remake`.
        """
        return (await self._make(raw, side)).files[0].body

    async def _make(self, raw: bytes, side: int) -> Picture:
        if self._turns.waiting >= MOST_WAITING:
            raise TooFast(10.0)
        async with self._turns:
            reason, answer = await self._run(raw, side)
            if reason == _KILLED:
                # By an operator, or for the system's memory: it may have been another's turn to give some back.
                reason, answer = await self._run(raw, side)
                reason = "memory" if reason == _KILLED else reason
        if reason == _ENDED:
            self._made.labels(reason).inc()
            error = Interrupted("Send the picture again in a moment.")
            error.retry_after = 10.0
            raise error
        picture = reason or _read(answer)
        if isinstance(picture, str):
            self._made.labels(picture).inc()
            raise Unprocessable(REASONS[picture], field="file", slug=f"media-{picture}")
        self._made.labels("made").inc()
        if not picture.confined:
            log.warn("pictures are made anew without a filter of system calls: this system has none")
        return picture

    def _run(self, raw: bytes, side: int) -> Deferred[tuple[str, bytes]]:
        child = _Child(raw)
        path = str(WORKER.parents[2])
        # The packages of this interpreter, and ours; nothing else of our surroundings.
        environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1"}
        self._reactor.spawnProcess(
            child, sys.executable,
            [sys.executable, "-P", "-W", "ignore", str(WORKER), str(MEMORY), str(CPU_SECONDS), str(side)],
            env=environment,
        )  # fmt: skip
        late = self._reactor.callLater(self._seconds, child.kill, "time")

        def done(result: Any) -> Any:
            if late.active():
                late.cancel()
            return result

        return child.done.addBoth(done)


class _Child(ProcessProtocol):
    """Hands a process its file, and takes what it writes."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._got: list[bytes] = []
        self._size = 0
        self._errors = b""
        self._why = ""
        self.done: Deferred[tuple[str, bytes]] = Deferred()

    def connectionMade(self) -> None:
        """Send the file."""
        assert self.transport is not None
        transport: Any = self.transport
        transport.write(self._raw)
        self._raw = b""
        transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """Keep what was made, within bounds."""
        self._size += len(data)
        if self._size > MOST_MADE:
            self.kill("pixels")
            return
        self._got.append(data)

    def errReceived(self, data: bytes) -> None:
        """Keep the beginning, for the log."""
        self._errors = (self._errors + data)[:2_000]

    def kill(self, why: str) -> None:
        """End it."""
        if not self._why:
            self._why = why
            transport: Any = self.transport
            transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        """Give what there is."""
        if not self._why and not reason.check(ProcessDone):
            ended: Any = reason.value
            self._why = _why(ended.signal)
            log.warn("a picture's process ended ({why}): {errors}", why=str(ended)[:200],
                     errors=self._errors.decode("utf-8", "replace")[-500:])  # fmt: skip
        self.done.callback((self._why, b"" if self._why else b"".join(self._got)))


def _why(number: int | None) -> str:
    """What the end of a process by the signal *number* means (None: it ended by itself)."""
    if number == signal.SIGXCPU:
        return "time"
    if number == signal.SIGKILL:
        return _KILLED
    return _ENDED if number in _STOPPED else "broken"


def _read(answer: bytes) -> Picture | str:
    """What a process said; the reason where it took nothing."""
    try:
        (length,) = struct.unpack_from(">I", answer)
        head = msgspec.json.decode(answer[4 : 4 + length], type=_Head)
    except (struct.error, msgspec.MsgspecError):
        return "broken"
    if head.refused or not head.variants:
        return head.refused if head.refused in REASONS else "broken"
    files, place = [], 4 + length
    for one in head.variants:
        body = answer[place : place + one.bytes]
        if len(body) != one.bytes or one.bytes < 1 or not _known(one):
            return "broken"
        files.append(File(one.name, one.type, one.width, one.height, body))
        place += one.bytes
    if place != len(answer) or not (len(head.color) == 7 and head.color[0] == "#" and head.color[1:].isalnum()):
        return "broken"
    return Picture(head.width, head.height, head.frames, head.color, head.confined, head.apart, files)


_TYPES = {"webp": "image/webp", "avif": "image/avif", "jpg": "image/jpeg"}


def _known(one: _Told) -> bool:
    stem, _, end = one.name.partition(".")
    named = stem in ("still", "mail") or (stem.isascii() and stem.isdigit() and len(stem) < 6)
    return named and _TYPES.get(end) == one.type and 0 < one.width <= 16_384 and 0 < one.height <= 16_384
