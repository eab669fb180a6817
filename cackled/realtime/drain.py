"""Drain: send the connections of a stopping process elsewhere, a batch at a time.

May touch: Twisted, the ground, realtime.channel, realtime.messages. A herd that is sent away at once is a herd that
arrives at once (100,000 TLS handshakes are 45 s of a core), so each client is told its own moment.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cackled.clock import sleep
from cackled.realtime.channel import Client
from cackled.realtime.messages import move

BATCHES = 20
# After the last batch, clients that were told to close get this long to do so.
GRACE = 1.0


def drain(
    clock: IReactorTime,
    random: Random,
    clients: Callable[[], list[Client]],
    seconds: float,
    host: Callable[[], str | None],
) -> Deferred[None]:
    """Tell every client ``move`` over *seconds*, close it when its time is over, abort who is left `GRACE` later.

    *host* is asked once per client. Never fails; fires when nobody is left or the grace is over.
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
    random.shuffle(everyone)
    end = clock.seconds() + seconds
    told: list[Client] = []
    size = -(-len(everyone) // BATCHES) or 1
    # Half of the time is for telling, half for the last ones to go before they are closed.
    pause = seconds / 2 / max(1, -(-len(everyone) // size))
    for start in range(0, len(everyone), size):
        batch = everyone[start:start + size]
        for client in batch:
            client.move(move(host(), random.uniform(0, max(0.0, (end - clock.seconds()) * 0.8))))
        told += batch
        if pause > 0:
            await sleep(clock, pause)
    left = end - clock.seconds()
    if left > 0 and clients():
        await _until_gone(clock, clients, left)
    for client in clients():
        client.close("moved")
    await _until_gone(clock, clients, GRACE)
    for client in clients():
        client.abort()


async def _until_gone(clock: IReactorTime, clients: Callable[[], list[Client]], seconds: float) -> None:
    end = clock.seconds() + seconds
    while clients() and clock.seconds() < end:
        await sleep(clock, min(0.1, max(0.01, end - clock.seconds())))
