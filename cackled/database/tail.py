"""Follows the event log: gives every event of the primary once, in channel order, also after lost connections.

Notifications bring the events; the table of the log decides. If a notification skips a seq, or comes without its event
because the event is too large, it only tells the newest seq of the channel, and the events are read from the table.
Events that were never announced are found by the sweep. It reads everything written at or after the last *horizon*:
the oldest transaction that was still open when the log was last read to its end (``pg_snapshot_xmin``). The same sweep
catches up after a lost connection.

While no primary can be reached (it is down, or this node is cut off from it), the log is read from a replica, if there
is one. Replicas send no notifications, so they are polled and events come later, but pages stay live. `Tail.lag` grows
meanwhile, and `Tail.copying` is true.

The log is replicated like all tables, so it continues when a replica is promoted. Events that the old primary had
announced but not replicated are lost then. `recent` has the newest events that were delivered; a channel of which the
new primary lacks one, or has another one in its place, is reported as a gap. Replication keeps a prefix of the log, so
all older events are there.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from random import Random
from typing import Any

import msgspec
import psycopg2
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from cackled.database._tail import BIGGEST, FETCH, FIND, IDENTITY, Note, Want, decode
from cackled.database._tail_line import Line, Lost
from cackled.database._txpostgres import first_line
from cackled.database.recent_events import FIND_RECENT, STANDING, Recent
from cackled.events import Event, EventHandler
from cackled.metrics import Metrics

log = Logger()

Key = tuple[int, int]

SWEEP = 5.0
# Seconds between two queries to a replica, which sends no notifications.
COPY_SWEEP = 0.5
BACKOFF_FIRST = 0.1
BACKOFF_MOST = 5.0
# At most so many seconds are spent on events in one turn of the reactor.
SLICE = 0.004
FETCH_CHANNELS = 100
FETCH_ROWS = 200
# A new primary continues the transaction numbers from where replication stood: its sweep begins at a horizon this old.
HORIZONS_SECONDS = 600.0
# How often an announced event that is not in the table is looked for. The pauses grow from the first one.
TRIES = 4
TRY_PAUSE = 0.05


class Tail:
    """Follows the log of the server that *dsn* gives, as ``cackled_system``.

    *on_event* gets each event once, in the order of its channel. *on_gap* is called when events may be missing: with
    the channels concerned, or with None for all channels, when the log no longer reaches back or is another log.
    *on_catalog*, if given, is called after each connect and whenever the catalog changed. *on_batch* is called with
    True before a series of events and with False after it, in the same turn. *on_hidden* is told pictures (``17-ID``)
    that not everybody may see any more. *standby* gives the DSN of a replica to read while there is no primary, or "".

    The last seq of at most *channels* channels is remembered. A forgotten channel continues with its next event,
    without a check for a gap.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        random: Random,
        dsn: Callable[[], str],
        on_event: EventHandler,
        on_gap: Callable[[Collection[Key] | None], None],
        metrics: Metrics,
        on_catalog: Callable[[], None] | None = None,
        on_batch: Callable[[bool], None] = lambda more: None,
        on_hidden: Callable[[str], None] = lambda picture: None,
        standby: Callable[[], str] = lambda: "",
        retention: float = 48 * 3600.0,
        channels: int = 100_000,
        sweep: float = SWEEP,
    ) -> None:
        self._clock = clock
        self._random = random
        self._dsn = dsn
        self._on_event = on_event
        self._on_gap = on_gap
        self._on_catalog = on_catalog
        self._on_batch = on_batch
        self._on_hidden = on_hidden
        self._standby = standby
        self._retention = retention
        self._channels = channels
        self._interval = sweep
        self._line = Line(clock)
        self._loop: Deferred[None] | None = None
        self._first: list[Deferred[None]] = []
        self._last: OrderedDict[Key, int] = OrderedDict()
        self._wanted: OrderedDict[Key, Want] = OrderedDict()
        self._arrived: deque[Note] = deque()
        self._draining: IDelayedCall | None = None
        self._identity: tuple[Any, ...] = ()
        self._timeline = ""
        self._recent = Recent()
        self._horizon = ""
        # Earlier horizons, oldest first, with the time at which each was read.
        self._horizons: deque[tuple[float, str]] = deque()
        self._read = clock.seconds()
        # When the log was last read, from the primary or from a replica.
        self._swept = self._read
        self._begun = self._read
        self._running = False
        self.connected = False
        # Whether the log is read from a replica now.
        self.copying = False
        self._events = metrics.counter("tail_events", "Events of the log handed on")
        self._gaps = metrics.counter("tail_gaps", "Times when events could not be told any more")
        self._reconnects = metrics.counter("tail_reconnects", "Connections of the tail made again")
        self._fetches = metrics.counter("tail_fetches", "Readings of the table for events not announced whole")
        metrics.watch("tail_lag_seconds", "Since the log was last read to its end", lambda: self.lag)
        metrics.watch("tail_connected", "Whether the log is being followed", lambda: float(self.connected))
        metrics.watch("tail_copying", "Whether the log is followed through a replica", lambda: float(self.copying))

    @property
    def lag(self) -> float:
        """Seconds since the log was last read to its end. Up to the interval of the sweep is normal."""
        return self._clock.seconds() - self._read

    def followed(self) -> tuple[float, float]:
        """Since when, and until when, every event was delivered: two times on the clock."""
        return self._begun, self._read

    async def start(self, timeout: float = 10.0) -> None:
        """Begin to follow. Returns when connected, or after *timeout* seconds; the attempts go on then."""
        if self._loop is not None:
            return
        self._running = True
        self._loop = Deferred.fromCoroutine(self._follow())
        self._loop.addErrback(lambda f: None if f.check(CancelledError) else log.failure("the tail ended", f))
        if self.connected:
            return
        ready: Deferred[None] = Deferred()
        self._first.append(ready)
        try:
            await ready.addTimeout(timeout, self._clock)
        except TimedOut:
            log.warn("the event log is not followed yet")
        finally:
            if ready in self._first:
                self._first.remove(ready)

    async def stop(self) -> None:
        """Stop following."""
        self._running = False
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None
        self._disconnect()

    def moved(self) -> None:
        """Call it when the primary changed or is gone: the new primary, or a replica, is followed at once."""
        self._line.cut()

    def forget(self, site: int) -> None:
        """Forget the channels of a site that was moved away. If it comes back, they continue from their state then."""
        for key in [key for key in self._last if key[0] == site and key not in self._wanted]:
            del self._last[key]

    # The connection.

    async def _follow(self) -> None:
        backoff = BACKOFF_FIRST
        while self._running:
            # Without earlier state a replica can't be followed: the first connection must be to the primary.
            copy = self._standby() if self._identity else ""
            try:
                if copy:
                    await self._shadow(copy)
                else:
                    await self._connect()
                    backoff = BACKOFF_FIRST
                    await self._stay()
            except (Lost, TimedOut, OSError, ConnectionClosed, psycopg2.Error) as error:
                if self.connected:
                    log.warn("the event log's connection was lost: {reason}", reason=first_line(error))
                else:
                    log.debug("the event log can't be followed: {reason}", reason=first_line(error))
            except CancelledError:
                raise
            except Exception:
                log.failure("the event log's connection failed")
            self._disconnect()
            if not self._running:
                return
            await self._line.rest(backoff * (0.5 + self._random.random()))
            backoff = min(backoff * 2, BACKOFF_MOST)

    def _disconnect(self) -> None:
        self.connected = self.copying = False
        self._line.close()

    async def _connect(self) -> None:
        await self._line.open(self._dsn(), self._notified)
        # LISTEN first: what is committed later is announced, what was committed before is found by the sweep.
        await self._line.run("listen cackled_event; listen cackled_catalog; listen cackled_media")
        recovering, *identity, timeline = (await self._line.run(IDENTITY))[0]
        if recovering:
            raise Lost("the server is a replica")
        if not self._identity:
            await self._sweep(known=True)
        elif tuple(identity) != self._identity:
            await self._gap("the database is another one, or was restored")
        elif self._clock.seconds() - self._swept > self._retention:
            await self._gap("the log does not reach back so far")
        elif timeline != self._timeline:
            await self._promoted()
        else:
            self._reconnects.inc()
            await self._sweep()
        self._identity = tuple(identity)
        self._timeline = timeline
        self.connected = True
        self._catalog()
        waiting, self._first = self._first, []
        for one in waiting:
            one.callback(None)

    async def _shadow(self, dsn: str) -> None:
        """Read the log from a replica, until there is a primary again or another replica is chosen."""
        await self._line.open(dsn, lambda *announced: None)
        recovering, *identity, _ = (await self._line.run(IDENTITY))[0]
        if not recovering or tuple(identity) != self._identity:
            raise Lost("the server is no replica of the primary that was followed")
        if self._clock.seconds() - self._swept > self._retention:
            raise Lost("a replica can't tell what was dropped meanwhile")
        self.copying = True
        log.warn("no primary can be reached: the event log is followed through a replica")
        while self._standby() == dsn:
            await self._sweep()
            await self._line.pause(COPY_SWEEP)

    async def _promoted(self) -> None:
        """The server was a replica until now: find out what it lacks, then catch up."""
        self._reconnects.inc()
        lacking = self._recent.lacking(await self._line.run(FIND_RECENT, self._recent.question()))
        if lacking is None:
            await self._gap("a replica was promoted that has none of the last events")
            return
        if self._horizons:
            self._horizon = self._horizons[0][1]
        if lacking:
            await self._mistrust(lacking, "a replica was promoted that lacks their last events")
        await self._sweep()
        if not lacking:
            log.info("the event log goes on without loss on the server that was promoted")

    async def _stay(self) -> None:
        sweep = self._clock.seconds() + self._interval
        while True:
            if not self._line.alive:
                raise Lost("closed by the server")
            now = self._clock.seconds()
            if now >= sweep:
                await self._sweep()
                sweep = self._clock.seconds() + self._interval
            elif self._wanted:
                await self._fetch()
            else:
                await self._line.pause(sweep - now)

    # Events that arrive.

    def _notified(self, channel: str, payload: str) -> None:
        if channel != "cackled_event":
            return self._catalog() if channel == "cackled_catalog" else self._on_hidden(payload)
        try:
            note = decode(payload)
        except msgspec.MsgspecError:
            note = None
        if note is None or int(note.c) > BIGGEST:
            log.warn("a notification that is no event")
            return
        self._arrived.append(note)
        if self._draining is None:
            self._draining = self._clock.callLater(0, self._drain)

    def _catalog(self) -> None:
        if self._on_catalog is not None:
            try:
                self._on_catalog()
            except Exception:
                log.failure("telling of a change of the catalog failed")

    def _drain(self) -> None:
        self._draining = None
        end = self._clock.seconds() + SLICE
        self._on_batch(True)
        try:
            while self._arrived:
                self._take(self._arrived.popleft())
                if self._clock.seconds() > end and self._arrived:
                    self._draining = self._clock.callLater(0, self._drain)
                    return
        finally:
            self._on_batch(False)

    def _take(self, note: Note) -> None:
        key = (note.s, int(note.c))
        last = self._last.get(key)
        if last is not None and note.q <= last:
            return
        whole = bytes(note.d)
        if key not in self._wanted and whole and (last is None or note.q == last + 1):
            self._deliver(Event(note.s, key[1], note.q, note.t, whole))
        else:
            self._want(key, note.q, note.q - 1)

    def _want(self, key: Key, target: int, base: int) -> None:
        want = self._wanted.get(key)
        if want is None:
            self._wanted[key] = Want(target)
            self._last.setdefault(key, base)
            self._line.rouse()
        elif target > want.target:
            want.target = target

    def _deliver(self, event: Event) -> None:
        key = (event.site, event.channel)
        self._last[key] = event.seq
        self._last.move_to_end(key)
        if len(self._last) > self._channels:
            oldest = next(iter(self._last))
            if oldest in self._wanted:
                self._last.move_to_end(oldest)
            else:
                del self._last[oldest]
        self._recent.add(event)
        self._events.inc()
        try:
            self._on_event(event)
        except Exception:
            log.failure("handing an event on failed")

    # Reading the table.

    async def _sweep(self, *, known: bool = False) -> None:
        """Read what was written since the last horizon. With *known*, it counts as seen and is not delivered."""
        began = self._clock.seconds()
        if known:
            self._horizon = (await self._line.run("select pg_snapshot_xmin(pg_current_snapshot())::text"))[0][0]
        rows = await self._line.run(FIND, (self._horizon,))
        for _, site, channel, first, last in rows:
            if site is None:
                continue
            key = (site, channel)
            if known:
                self._last[key] = last
            elif last > self._last.get(key, first - 1):
                self._want(key, last, first - 1)
        self._horizon = rows[0][0]
        if known:
            self._begun = self._clock.seconds()
        while self._wanted and not known and not (self.copying and self._none_due()):
            # The sweep ends only when all was read: if the connection is lost, the next one begins here again.
            await self._fetch()
        self._swept = began
        if not self.copying:
            self._read = began
        while self._horizons and self._horizons[0][0] < began - HORIZONS_SECONDS:
            self._horizons.popleft()
        self._horizons.append((began, self._horizon))

    def _none_due(self) -> bool:
        now = self._clock.seconds()
        return all(want.not_before > now for want in self._wanted.values())

    async def _fetch(self) -> None:
        """Read the wanted events that are due, or wait until some are due."""
        now = self._clock.seconds()
        keys = [key for key, want in self._wanted.items() if want.not_before <= now][:FETCH_CHANNELS]
        if not keys:
            soon = min((want.not_before for want in self._wanted.values()), default=now)
            await self._line.pause(max(0.001, soon - now))
            return
        after = [self._last[key] for key in keys]
        self._fetches.inc()
        rows = await self._line.run(FETCH, ([key[0] for key in keys], [key[1] for key in keys], after, FETCH_ROWS))
        self._on_batch(True)
        for site, channel, seq, kind, data in rows:
            if seq == self._last[site, channel] + 1:
                self._deliver(Event(site, channel, seq, kind, data.encode()))
        self._on_batch(False)
        # A full answer may end within a channel, and may lack the channels that sort after it.
        cut = (rows[-1][0], rows[-1][1]) if len(rows) == FETCH_ROWS else None
        for key in keys:
            want = self._wanted[key]
            if self._last[key] >= want.target:
                del self._wanted[key]
            elif cut is None or key < cut:
                # The replica does not have what the primary announced yet. It will come, or the next primary decides.
                want.tries += 0 if self.copying else 1
                if want.tries >= TRIES:
                    await self._mistrust((key,), f"the log lacks {self._last[key] + 1}")
                    return
                want.not_before = self._clock.seconds() + (COPY_SWEEP if self.copying else TRY_PAUSE * 2**want.tries)

    async def _mistrust(self, keys: Collection[Key], reason: str) -> None:
        """Report a gap in *keys*, of which events may be missing. They continue from their state now."""
        rows = await self._line.run(STANDING, ([key[0] for key in keys], [key[1] for key in keys]))
        some = ", ".join(f"{site}/{channel}" for site, channel in sorted(keys)[:10])
        log.error("events can't be told of {n} channels ({some}): {reason}", n=len(keys), some=some, reason=reason)
        self._gaps.inc()
        self._recent.drop(keys)
        for site, channel, seq in rows:
            self._last[site, channel] = seq
            self._wanted.pop((site, channel), None)
        self._on_gap(keys)

    async def _gap(self, reason: str) -> None:
        log.error("events can't be told any more: {reason}", reason=reason)
        self._gaps.inc()
        self._wanted.clear()
        self._last.clear()
        self._recent.clear()
        self._horizons.clear()
        self._arrived.clear()
        try:
            await self._sweep(known=True)
        finally:
            # Reported also if the connection is lost now, because the state of these channels is forgotten already.
            self._on_gap(None)
