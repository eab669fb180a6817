"""Latest numbers of channels: asks the event log for many channels of a site in one statement.

Pages without comments have channels too, so anybody can name any number of channels that are not in memory. The
database load of that is bounded: one statement at a time per site, with up to `MOST` channels each, and after a burst
no more than `RATE` statements a second, whoever asks. A channel whose subscribers have left meanwhile is dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import sleep
from cackled.realtime.channel import Channel
from cackled.turns import Turns

# (site, channels) -> of those channels that anybody wrote on the current seq, and what guards it ("": nothing, see
# `cackled.realtime.channel.Channel`); the others stand at 0. The answer must be as fresh as the events delivered.
Seqs = Callable[[int, Sequence[int]], Awaitable[Mapping[int, tuple[int, str]]]]
NOTHING = (0, None)

# Channels per statement: all who wait for them are served in one reactor turn.
MOST = 200
# Concurrent statements, over all sites.
PARALLEL = 2
# Statements per second of one site, and the burst after a pause.
RATE = 50.0
BURST = 20.0
TIMEOUT = 10.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

log = Logger()


class LogAway(Exception):
    """The event log can't be asked now because its server is not reachable.

    That is monitored and reported elsewhere.
    """


class _Site:
    """The channels of a site that wait to be asked about, in order, and the site's remaining statements."""

    __slots__ = ("at", "pause", "queue", "tokens")

    def __init__(self, now: float) -> None:
        self.queue: dict[Channel, None] = {}
        self.tokens = BURST
        self.at = now
        self.pause = FIRST_PAUSE

    def wait(self, now: float) -> float:
        """Take one statement from the budget; returns the seconds to wait before sending it."""
        self.tokens = min(BURST, self.tokens + (now - self.at) * RATE) - 1.0
        self.at = now
        return max(0.0, -self.tokens / RATE)

    def idle(self, now: float) -> bool:
        """Whether it can be dropped without losing information."""
        return not self.queue and self.tokens + (now - self.at) * RATE >= BURST


class Standing:
    """Asks for the latest numbers of channels.

    *wanted* says whether anybody still waits for a channel. *told* is called with a channel, its seq and what guards it
    (None: nobody wrote there so far), in the order of asking. *count* is called with the outcome of each statement: ok
    or failed.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        random: Random,
        seqs: Seqs,
        wanted: Callable[[Channel], bool],
        told: Callable[[Channel, int, str | None], None],
        count: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._seqs = seqs
        self._wanted = wanted
        self._told = told
        self._count = count
        self._sites: dict[int, _Site] = {}
        self._busy: set[int] = set()
        self._turns = Turns(PARALLEL)
        self._stopped = False
        # Channels in statements that are under way.
        self._asked = 0
        # Finished statements: answered, or failed because the log is known to be unreachable.
        self.ended = 0

    @property
    def waiting(self) -> int:
        """Number of channels that wait to be asked about, or for the answer."""
        return self._asked + sum(len(site.queue) for site in self._sites.values())

    def stop(self) -> None:
        """Send no more statements."""
        self._stopped = True

    def ask(self, channel: Channel) -> None:
        """Queue a question about *channel*."""
        number = channel.key[0]
        site = self._sites.get(number)
        if site is None:
            site = self._sites[number] = _Site(self._clock.seconds())
        site.queue[channel] = None
        if number not in self._busy:
            self._busy.add(number)
            Deferred.fromCoroutine(self._work(number, site)).addErrback(
                lambda failure: log.failure("asking where channels of site {site} stand broke", failure, site=number)
            )

    def drop(self, channel: Channel) -> bool:
        """Nobody waits for *channel* any more; returns whether it was in the queue."""
        site = self._sites.get(channel.key[0])
        if site is None or channel not in site.queue:
            return False
        del site.queue[channel]
        return True

    def tidy(self) -> None:
        """Forget sites without state. To be called now and then."""
        now = self._clock.seconds()
        for number in [one for one, site in self._sites.items() if one not in self._busy and site.idle(now)]:
            del self._sites[number]

    async def _work(self, number: int, site: _Site) -> None:
        """Ask for the site's channels until none waits."""
        try:
            while site.queue and not self._stopped:
                wait = site.wait(self._clock.seconds())
                if wait:
                    await sleep(self._clock, wait)
                async with self._turns:
                    # Built only now: subscribers may have come or left while other sites had their turn.
                    batch = self._take(site)
                    sound = not batch or await self._ask(number, site, batch)
                if not sound:
                    await sleep(self._clock, site.pause * self._random.uniform(0.5, 1.0))
                    site.pause = min(2 * site.pause, LONGEST_PAUSE)
                else:
                    site.pause = FIRST_PAUSE
        finally:
            self._busy.discard(number)

    def _take(self, site: _Site) -> list[Channel]:
        batch: list[Channel] = []
        while site.queue and len(batch) < MOST:
            channel = next(iter(site.queue))
            del site.queue[channel]
            if self._wanted(channel):
                batch.append(channel)
            else:
                channel.flying = False
        return batch

    async def _ask(self, number: int, site: _Site, batch: list[Channel]) -> bool:
        lives = [channel.history.life for channel in batch]
        self._asked += len(batch)
        try:
            seqs = await self._call(number, [channel.key[1] for channel in batch])
        except Exception as error:
            self._count("failed")
            self.ended += isinstance(error, LogAway)
            log.warn(
                "the event log did not say where {count} channels of site {site} stand: {error}",
                count=len(batch), site=number, error=repr(error),
            )  # fmt: skip
            site.queue = {**dict.fromkeys(batch), **site.queue}
            return False
        finally:
            self._asked -= len(batch)
        self._count("ok")
        self.ended += 1
        sound = True
        for channel, life in zip(batch, lives, strict=True):
            if channel.history.life != life:
                # All knowledge was discarded after the question was sent (perhaps to another database).
                site.queue[channel] = None
                continue
            try:
                self._told(channel, *seqs.get(channel.key[1], NOTHING))
            except Exception:
                log.failure("what {sub} waited for broke", sub=channel.sub)
                site.queue[channel] = None
                sound = False
        return sound

    def _call(self, site: int, channels: list[int]) -> Deferred[Mapping[int, tuple[int, str]]]:
        """The injected question with a time limit. On timeout it is left to finish by itself, not cancelled."""
        answer: Deferred[Mapping[int, tuple[int, str]]] = Deferred()

        async def ask() -> Mapping[int, tuple[int, str]]:
            return await self._seqs(site, channels)

        def pass_on(result: Any) -> None:
            if not answer.called:
                answer.callback(result)

        Deferred.fromCoroutine(ask()).addBoth(pass_on)
        return answer.addTimeout(TIMEOUT, self._clock)
