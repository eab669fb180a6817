"""Where channels stand: the current seq of many channels of a site, asked of the event log in one statement.

Nobody knows a page that was never written on, so anybody can name channels that are not in memory, as many as he
likes. What that costs the database is bounded here: a site has one statement under way, up to `MOST` channels go in
it, and after a burst there are no more than `RATE` a second, whoever asks for what. A channel whose subscribers have
left meanwhile is dropped.
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

# (site, channels) -> the current seq of those channels that anybody wrote on; the others stand at 0. The answer must be
# as fresh as the primary.
Seqs = Callable[[int, Sequence[int]], Awaitable[Mapping[int, int]]]

# Channels of one statement: whoever waits for them is served in one turn of the reactor.
MOST = 200
# Statements under way at once, of all sites.
PARALLEL = 2
# Statements of one site, a second and at once after a pause.
RATE = 50.0
BURST = 20.0
TIMEOUT = 10.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

log = Logger()


class LogAway(Exception):
    """The event log can't be asked at the moment: its server is not reached, which others see and tell of."""


class _Site:
    """The channels of a site that wait to be asked for, in order, and how many statements it may still send."""

    __slots__ = ("at", "pause", "queue", "tokens")

    def __init__(self, now: float) -> None:
        self.queue: dict[Channel, None] = {}
        self.tokens = BURST
        self.at = now
        self.pause = FIRST_PAUSE

    def wait(self, now: float) -> float:
        """Spend a statement; gives the seconds to wait before it."""
        self.tokens = min(BURST, self.tokens + (now - self.at) * RATE) - 1.0
        self.at = now
        return max(0.0, -self.tokens / RATE)

    def idle(self, now: float) -> bool:
        """Whether nothing is lost with it."""
        return not self.queue and self.tokens + (now - self.at) * RATE >= BURST


class Standing:
    """Asks where channels stand.

    *wanted* says whether somebody still waits for a channel; *told* is called with the channel and its seq, in the
    order of asking. *count* is called with a statement's outcome: ok or failed.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        random: Random,
        seqs: Seqs,
        wanted: Callable[[Channel], bool],
        told: Callable[[Channel, int], None],
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
        # Statements that came to an end, with an answer or because the log is known to be away.
        self.ended = 0

    @property
    def waiting(self) -> int:
        """How many channels wait to be asked for, or for the answer."""
        return self._asked + sum(len(site.queue) for site in self._sites.values())

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True

    def ask(self, channel: Channel) -> None:
        """Ask for *channel*, in its turn."""
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
        """Nobody waits for *channel* any more; tells whether it was in the queue."""
        site = self._sites.get(channel.key[0])
        if site is None or channel not in site.queue:
            return False
        del site.queue[channel]
        return True

    def tidy(self) -> None:
        """Forget sites of which nothing is to be remembered. To be called now and then."""
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
                    # Not before: who came, and who left, while it was others' turn.
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
                # It was asked before everything known was given up: of another database, perhaps.
                site.queue[channel] = None
                continue
            try:
                self._told(channel, seqs.get(channel.key[1], 0))
            except Exception:
                log.failure("what {sub} waited for broke", sub=channel.sub)
                site.queue[channel] = None
                sound = False
        return sound

    def _call(self, site: int, channels: list[int]) -> Deferred[Mapping[int, int]]:
        """The injected question with a time limit; one that is given up is left to end by itself, not cancelled."""
        answer: Deferred[Mapping[int, int]] = Deferred()

        async def ask() -> Mapping[int, int]:
            return await self._seqs(site, channels)

        def pass_on(result: Any) -> None:
            if not answer.called:
                answer.callback(result)

        Deferred.fromCoroutine(ask()).addBoth(pass_on)
        return answer.addTimeout(TIMEOUT, self._clock)
