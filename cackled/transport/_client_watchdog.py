"""Whether a client takes what it is sent: the watchdog of an HTTP connection."""

from __future__ import annotations

from typing import Any

from cackled.transport import _private

# A client that takes fewer bytes than this within the stall time is cut off.
STALL_BYTES = 1024
# A client is cut off if it takes fewer bytes than this from the kernel's buffer in this many seconds.
CRAWL_SECONDS = 6.0
CRAWL_BYTES = 4096


class Watched:
    """The part of an `HttpConnection` that counts the bytes that wait for its client."""

    factory: Any
    transport: Any
    # Our own kind of transport, with `push` and `held`; or the socket below another; None where that is not known.
    own: Any = None
    tcp: Any = None
    deadline = 0.0
    idle_timeout = 0.0
    # Armed, bytes written in all, bytes gone to the kernel at the last progress, when.
    watching = False
    _written = 0
    _flushed = 0
    _progress = 0.0
    # State of `_crawls`: the idle period last checked, and the bytes that the client had not taken then.
    _looked_for = 0.0
    _untaken = 0

    def watch(self, size: int) -> None:
        """So many bytes more wait for the client to take them."""
        self._written += size
        if not self.watching:
            self.watching = True
            self._flushed = self._written - size
            self._progress = self.factory.clock.seconds()

    def _crawls(self, now: float) -> bool:
        """Whether the client takes what the kernel holds for it as slowly as if it did not mean to.

        An answer that fits into the kernel's buffer is none of ours any more, but its connection is: it is looked at
        twice while it idles.
        """
        since = now - (self.deadline - self.idle_timeout)
        if since < CRAWL_SECONDS:
            return False
        if self._looked_for != self.deadline:
            self._looked_for = self.deadline
            self._untaken = _private.unacknowledged(self.own.socket)
            return False
        if self._untaken == 0 or since < 2 * CRAWL_SECONDS:
            return False
        left = _private.unacknowledged(self.own.socket)
        crawls = left > 0 and self._untaken - left < CRAWL_BYTES
        self._untaken = 0
        return crawls

    def _stalled(self, now: float) -> bool:
        """Whether the client has stopped taking bytes; disarms the watchdog when all are taken."""
        if self.own is not None:
            held = self.own.held + self.own.file_left
        elif self.tcp is not None:
            held = _private.unsent(self.tcp) + _private.unsent_tls(self.transport)
        else:
            held = 0
        if held == 0:
            self.watching = False
            return False
        flushed = self._written - held
        if flushed - self._flushed >= STALL_BYTES:
            self._flushed = flushed
            self._progress = now
            return False
        return now - self._progress >= self.factory.settings.stall_timeout
