"""Reports when the reactor is blocked: for how long, and by which request.

Everything in this process runs in one thread, which can't report on itself while something holds it up. So a second
thread checks several times a second how overdue the reactor is. Above `LONG` it notes what the first thread is doing:
which request, from where, and in which functions. That costs nothing while all is well.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from twisted.logger import Logger

from cackled.admin.lag import LagMonitor
from cackled.metrics import Metrics

# Seconds from which a long turn is logged, and seconds between two checks.
LONG = 1.0
LOOK = 0.2
# Seconds for which a long turn is shown to operators as a problem.
SHOWN = 60.0
DEEPEST = 12
MOST_FRAMES = 200

log = Logger()


def describe(frame: FrameType | None) -> str:
    """What a thread in *frame* is doing: the innermost description of the work, and the functions it is in.

    Objects with a method ``doing`` in the frames are asked; the method must not reveal secrets.
    """
    doing, places = "", list[str]()
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        if len(places) < DEEPEST:
            module = frame.f_globals.get("__name__", "?")
            places.append(f"{module}:{frame.f_lineno} {frame.f_code.co_name}")
        if not doing:
            doing = _asked(frame)
        frame = frame.f_back
    return f"{doing or 'no request'}, in {' < '.join(places) or '?'}"


def _asked(frame: FrameType) -> str:
    for value in list(frame.f_locals.values()):
        tell = getattr(type(value), "doing", None)
        if callable(tell):
            try:
                return str(tell(value))[:500]
            except Exception:
                continue
    return ""


class Standstill:
    """Watches *lag* from a thread.

    Args:
        frames: returns the current frame of each thread, by its id; replaced in tests.
    """

    def __init__(
        self, lag: LagMonitor, metrics: Metrics, frames: Callable[[], Mapping[int, Any]] = sys._current_frames
    ) -> None:
        self._lag = lag
        self._frames = frames
        self._watched = threading.get_ident()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        # What was seen during the present standstill.
        self._seen = ""
        self._last: tuple[float, float, str] | None = None
        self._count = metrics.counter("reactor_standstills", f"Turns of the reactor of more than {LONG:g} s.")
        lag.on_turn(self._ended)

    def start(self) -> None:
        """Start watching the calling thread."""
        self._watched = threading.get_ident()
        self._over.clear()
        self._thread = threading.Thread(target=self._run, name="standstill", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(LOOK):
            self.look()

    def look(self) -> None:
        """Check whether the reactor is overdue. Called in the watching thread."""
        overdue = self._lag.overdue()
        if overdue < LONG or self._seen:
            return
        self._seen = describe(self._frames().get(self._watched))
        log.warn("the reactor stands still for {seconds:.1f} s: {what}", seconds=overdue, what=self._seen)

    def _ended(self, lag: float) -> None:
        """A turn came *lag* seconds late. Called in the reactor's thread."""
        if lag < LONG:
            self._seen = ""
            return
        what, self._seen = self._seen or "not seen by whom, perhaps the whole process was stopped", ""
        self._count.inc()
        self._last = (self._lag.seconds(), lag, what)
        log.warn("the reactor stood still for {seconds:.1f} s: {what}", seconds=lag, what=what)

    def wrong(self) -> str:
        """A description of the latest standstill, for a while after it; else ""."""
        if self._last is None:
            return ""
        when, lag, what = self._last
        ago = self._lag.seconds() - when
        if ago > SHOWN:
            return ""
        return f"The reactor stood still for {lag:.1f} s, {ago:.0f} s ago; everybody waited. It was at: {what}"
