"""Drain: send the connections of a stopping process to other servers, in batches.

Clients that are all sent away at once also arrive at once (100,000 TLS handshakes take 45 s of a core), so each
client is given its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cackled.clock import sleep
from cackled.realtime.channel import Client
from cackled.realtime.messages import move

BATCHES = 20
# Seconds that clients have to close after the last batch was told.
GRACE = 1.0
# Clients that are told or closed in one reactor turn.
SLICE = 100


One = TypeVar("One")


def drain(
    clock: IReactorTime,
    random: Random,
    clients: Callable[[], list[Client]],
    seconds: float,
    host: Callable[[], str | None],
) -> Deferred[None]:
    """Tell every client ``move`` over *seconds*, close it at its time, and abort the rest `GRACE` seconds later.

    *host* is asked once per client. The Deferred never fails; it fires when no client is left or the grace has passed.
    """
    return Deferred.fromCoroutine(_drain(clock, random, clients, seconds, host))


async def _drain(
    clock: IReactorTime,
    random: Random,
    clients: Callable[[], list[Client]],
    seconds: float,
    host: Callable[[], str | None],
) -> None:
    everyone = clients()
    # The application's secure random source makes a system call per number, which would block the reactor here.
    Random(random.getrandbits(64)).shuffle(everyone)
    end = clock.seconds() + seconds
    size = -(-len(everyone) // BATCHES) or 1
    # The first half of the time is for telling all clients; the second lets the last ones leave before they are closed.
    pause = seconds / 2 / max(1, -(-len(everyone) // size))
    for start in range(0, len(everyone), size):
        if not clients():
            return  # gone by themselves, or the drain was called off
        batch = everyone[start:start + size]
        await each(
            clock, batch, lambda one: one.move(move(host(), random.uniform(0, max(0.0, (end - clock.seconds()) * 0.8))))
        )
        if pause > 0:
            await sleep(clock, pause)
    left = end - clock.seconds()
    if left > 0 and clients():
        await _until_gone(clock, clients, left)
    await each(clock, clients(), lambda one: one.close("moved"))
    await _until_gone(clock, clients, GRACE)
    await each(clock, clients(), lambda one: one.abort())


async def each(clock: IReactorTime, clients: Sequence[One], act: Callable[[One], None]) -> None:
    """Call *act* for each of *clients*, a few in each reactor turn."""
    for number, client in enumerate(clients, 1):
        act(client)
        if number % SLICE == 0:
            await sleep(clock, 0)


async def _until_gone(clock: IReactorTime, clients: Callable[[], list[Client]], seconds: float) -> None:
    end = clock.seconds() + seconds
    while clients() and clock.seconds() < end:
        await sleep(clock, min(0.1, max(0.01, end - clock.seconds())))
