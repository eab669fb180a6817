"""Long work of the processor in slices, so that nothing else waits for more than a few milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

_T = TypeVar("_T")


async def sliced(some: Iterable[_T], clock: IReactorTime, size: int = 20) -> AsyncIterator[_T]:
    """*some*, one after the other; after each *size* of them others have their turn."""
    for number, one in enumerate(some, 1):
        yield one
        if number % size == 0:
            await deferLater(clock, 0, lambda: None)
