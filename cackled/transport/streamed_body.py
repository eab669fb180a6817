"""Bodies that are kept while they arrive, so that what came before a connection was cut is not lost.

A factory's `BodySinks` gives, by the head of a request, what its body is written to; most requests have none, and
their body is collected whole. A sink stands where the collected body would: `Request.content`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from cackled.transport._head import Head
from cackled.transport.response import Response


class BodySink(Protocol):
    """Takes a body, as a file would.

    One with a true ``drawn`` has taken its call from the route's limit before the first byte.
    """

    def write(self, data: bytes, /) -> Any:
        """More of it."""

    def seek(self, place: int, /) -> Any:
        """The body is whole."""

    def read(self) -> bytes:
        """Nothing: what was written is elsewhere."""

    def close(self) -> None:
        """The request has ended, whole or not; may be called again."""


class BodyControl(Protocol):
    """The connection that a body comes from. After the body's end all of this does nothing."""

    # The last one is that whose body it is.
    requests: list[Any]

    def pause_body(self) -> None:
        """Read no more for now."""

    def resume_body(self) -> None:
        """Read on."""

    def refuse_body(self, answer: Response, why: str) -> None:
        """Send *answer* before the body has come, and close the connection; *why* is counted."""


BodySinks = Callable[[Head, BodyControl], BodySink | None]
