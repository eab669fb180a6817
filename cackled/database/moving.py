"""Moves sites to another shard while they are read and written.

A move is a row of ``catalog.move``. It has these steps; each can be interrupted and repeated. docs/internals/shards.md
explains why no data is lost:

    begun      rows that the target may have of these sites are deleted there
    streaming  a copy is made and follows what is written
    leaving    the copy is complete except for the last moment; the outbox is paused
    handed     writers were held up and all rows are in the target: no way back, and any daemon may finish it
    flipped    the catalog names the target
    ended      the stream, and the rows at the source, are removed

``shard.place`` of the source decides where a site is. The step in ``catalog.move`` only tells operators what is done.
The *fence* makes the source refuse writes to the sites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from cackled.clock import sleep
from cackled.database.dsn import ServerSettings
from cackled.database.errors import Unavailable
from cackled.database.row_counts import Counted
from cackled.database.stream import (
    MoveError,
    Primary,
    Stream,
    ended,
    followers,
    held,
    lacking,
    primary_of,
    purge,
    release,
    stream_name,
)

# An arbitrary number, the same in all releases.
LOCK = 0x73686172
# The fence ends by itself when the mover is gone for so many seconds: less than writers are willing to wait.
LEASE = 5.0
# For so many seconds the mover tries to finish while the fence is up.
MOST_FENCED = 2.0
# The fence is put up when the copy is at most so many seconds behind.
CLOSE = 0.3
FENCES = 10
# Looks at whether all tables came over.
LOOKS = 5
TOLD = 2.0
# The outbox's claims run out after 60 s.
CLAIMS = 75.0


class Servers(Struct, frozen=True):
    """How to reach the servers of a shard; *peer* as in the configuration."""

    servers: Sequence[ServerSettings]
    peer: str = ""


class Plan(Struct, frozen=True):
    """A row of ``catalog.move``."""

    id: int
    sites: list[int]
    source: int
    target: int
    step: str

    @property
    def names(self) -> str:
        """The sites as text, shortened to fit a line."""
        return ", ".join(map(str, self.sites[:8])) + (", ..." if len(self.sites) > 8 else "")

    def __str__(self) -> str:
        return f"move {self.id} (site {self.names} from shard {self.source} to {self.target}, step {self.step})"


_OPEN = "select id, sites, source, target, step from catalog.move where ended_at is null"


async def open_move(catalog: Primary) -> Plan | None:
    """The move that has begun and not ended; None if there is none."""
    rows = await catalog.run(_OPEN)
    return Plan(*rows[0]) if rows else None


class Mover:
    """Moves sites between *shards*. *say* is called with each line of progress, *at* with each step when it is done.

    Before rows are deleted at the source, the rows of those *counted* tables that are ``kept`` are counted at the
    target.
    """

    def __init__(
        self,
        shards: Mapping[int, Servers],
        *,
        clock: IReactorTime,
        say: Callable[[str], None],
        at: Callable[[str], None] = lambda step: None,
        counted: Iterable[Counted] = (),
    ) -> None:
        self._kept = [one for one in counted if one.kept]
        self._shards = shards
        self._clock = clock
        self._say = say
        self._at = at
        self._open: dict[int, Primary] = {}
        # For how many seconds the last fence was up.
        self.fenced = 0.0

    async def primary(self, number: int) -> Primary:
        """The primary of a shard.

        Raises:
            MoveError: the configuration does not name it.
            Unavailable: it is not up.
        """
        if number not in self._open:
            given = self._shards.get(number)
            if given is None:
                raise MoveError(f"there is no shard {number}: add [[database.shard]] number = {number}")
            self._open[number] = await primary_of(number, given.servers, given.peer, self._clock)
        return self._open[number]

    def close(self) -> None:
        """Close the connections to all servers."""
        for one in self._open.values():
            one.close()
        self._open.clear()

    async def _alone(self) -> Primary:
        """The catalog, with a lock that excludes other movers until this one ends."""
        catalog = await self.primary(0)
        if not await catalog.one("select to_regclass('catalog.move') is not null"):
            raise MoveError("shard 0 lacks migrations: start the daemon, or cackled migrate")
        # When a mover was killed, the server needs a moment to notice and release the lock.
        for _ in range(20):
            if await catalog.one("select pg_try_advisory_lock(%s)", LOCK):
                return catalog
            await sleep(self._clock, 0.1)
        raise MoveError("another cackled shard is at work")

    async def move(self, sites: Sequence[int], to: int, *, anyway: bool = False) -> None:
        """Begin a move and finish it. A move that has begun for the same sites is continued.

        *anyway*: also if a node seems not to have the target in its configuration.

        Raises:
            MoveError: the move is refused (the message has all reasons), or it stopped and can be resumed.
            Unavailable: the connection to a server was lost; the move can be resumed.
        """
        catalog = await self._alone()
        chosen = sorted(set(sites))
        plan = await open_move(catalog)
        if plan is not None:
            if (sorted(plan.sites), plan.target) != (chosen, to):
                raise MoveError(f"{plan} is not ended: cackled shard resume, or cackled shard abort")
            await self._carry(catalog, plan)
            return
        source = await self._whence(catalog, chosen, to)
        wrong = await lacking(await self.primary(source), await self.primary(to), self._clock)
        deaf = await followers(await self.primary(source)) - await followers(await self.primary(to))
        if deaf > 0 and not anyway:
            wrong.append(
                f"{deaf} processes follow shard {source} and not shard {to}: nodes without its [[database.shard]] "
                "would refuse the sites (--anyway moves them all the same)"
            )
        if wrong:
            raise MoveError("\n".join(wrong))
        number = await catalog.one(
            "insert into catalog.move (sites, source, target) values (%s, %s, %s) returning id", chosen, source, to
        )
        self._at("begun")
        await self._carry(catalog, Plan(number, chosen, source, to, "begun"))

    async def _whence(self, catalog: Primary, sites: list[int], to: int) -> int:
        found = dict(await catalog.run("select id, shard from catalog.site where id = any(%s)", sites))
        missing = [str(site) for site in sites if site not in found]
        if missing:
            raise MoveError(f"there is no site {', '.join(missing)}")
        there = [str(site) for site in sites if found[site] == to]
        if there:
            raise MoveError(f"site {', '.join(there)} is in shard {to} already")
        shards = sorted(set(found.values()))
        if len(shards) > 1:
            told = "; ".join(f"{', '.join(str(s) for s in sites if found[s] == one)} in shard {one}" for one in shards)
            raise MoveError(f"the sites are in several shards ({told}): move them a shard at a time")
        return int(shards[0])

    async def resume(self) -> None:
        """Continue the move that has begun. Raises as `move`."""
        catalog = await self._alone()
        plan = await open_move(catalog)
        if plan is None:
            raise MoveError("no move is under way")
        await self._carry(catalog, plan)

    async def abort(self, *, without_target: bool = False) -> None:
        """Cancel the move and restore the state before it. *without_target*: also if the target is gone for good.

        Raises:
            MoveError: there is no move, or the sites are handed over already.
            Unavailable: a server can't be reached; no data is lost, repeat it later.
        """
        catalog = await self._alone()
        plan = await open_move(catalog)
        if plan is None:
            raise MoveError("no move is under way")
        source = await self.primary(plan.source)
        if await self._states(source, plan) & {"handed", "gone"}:
            raise MoveError(f"{plan}: too late, they are in shard {plan.target}; cackled shard resume, then move back")
        # First allow writes again, then drop the slot that makes the source keep its log, then delete the copy.
        await source.run(
            "update shard.place set state = 'here', target = null, until = null where site_id = any(%s)", plan.sites
        )
        await self._step(catalog, plan, "aborting")
        try:
            target = await self.primary(plan.target)
        except Unavailable:
            # With its slot, the source would keep its log for ever.
            await release(source, stream_name(plan.id), self._clock)
            if not without_target:
                raise
            await self._end(catalog, source, None, plan, "aborted")
            self._say(f"given up; should shard {plan.target} come back: drop subscription {stream_name(plan.id)}")
            return
        stream = Stream(plan.id, plan.sites, source, target, self._clock)
        await stream.end()
        await self._settle_place(target, plan.sites, "gone")
        await purge(target, plan.sites, keep_log=False)
        await self._end(catalog, source, target, plan, "aborted")
        self._say(f"given up: the sites are in shard {plan.source} as before")

    # The steps

    async def _carry(self, catalog: Primary, plan: Plan) -> None:
        source, target = await self.primary(plan.source), await self.primary(plan.target)
        stream = Stream(plan.id, plan.sites, source, target, self._clock)
        if plan.step == "aborting":
            raise MoveError(f"{plan} was being given up: cackled shard abort")
        if plan.step not in ("flipped", "cleaned"):
            if not await self._states(source, plan) & {"handed", "gone"}:
                await self._hand_over(catalog, plan, stream, source, target)
            await self._flip(catalog, plan, source, target)
        await stream.end()
        await self._step(catalog, plan, "cleaned")
        await self._clear_source(plan, source, target)
        await self._end(catalog, source, target, plan, "ended")
        self._say(f"done: site {plan.names} is in shard {plan.target}")

    async def _hand_over(
        self, catalog: Primary, plan: Plan, stream: Stream, source: Primary, target: Primary
    ) -> None:
        wrong = await lacking(source, target, self._clock) if plan.step != "begun" else []
        if wrong and not await stream.there():
            raise MoveError("\n".join(wrong))
        if await stream.there():
            await stream.enable()
        else:
            await stream.end()
            await self._settle_place(target, plan.sites, "arriving")
            gone = await purge(target, plan.sites, keep_log=False)
            if gone:
                self._say(f"shard {plan.target}: {gone} rows left from another time deleted")
            await stream.begin()
        await self._step(catalog, plan, "streaming")
        await self._copy(stream)
        await self._see_copy(plan, source, target)
        await source.run(
            "insert into shard.place (site_id, state, target) select x, 'leaving', %s from unnest(%s) x "
            "on conflict (site_id) do update set state = 'leaving', target = excluded.target, until = null",
            plan.target, plan.sites,
        )  # fmt: skip
        await self._step(catalog, plan, "leaving")
        await self._rest_outbox(plan, source)
        for _ in range(FENCES):
            await self._come_close(stream)
            if await self._fence(plan, stream, source, target):
                return
            self._say("the fence stood too long and is down again; trying once more")
            await sleep(self._clock, 1.0)
        raise MoveError("writers did not come to rest behind the fence; the sites are where they were: try again later")

    async def _copy(self, stream: Stream) -> None:
        told = -TOLD
        while True:
            ready, count, under_way = await stream.copied()
            if count and ready == count:
                self._say(f"copied: {count} tables")
                return
            now = self._clock.seconds()
            if now - told >= TOLD:
                told = now
                self._say("; ".join([f"copying: {ready} of {count} tables", *under_way]))
            await sleep(self._clock, 0.1)

    async def _see_copy(self, plan: Plan, source: Primary, target: Primary) -> None:
        # Checked, because missing rights hide rows and make a copy empty without an error. New rows may be missing.
        tables = [row[0] for row in await source.run("select shard.tables()::text")]
        for attempt in range(LOOKS):
            for table in list(tables):
                look = f'select exists (select from public."{table}" where site_id = any(%s))'
                if not await source.one(look, plan.sites) or await target.one(look, plan.sites):
                    tables.remove(table)
            if not tables:
                return
            if attempt < LOOKS - 1:
                await sleep(self._clock, 0.5)
        raise MoveError(
            f"no row of {', '.join(tables)} came over: abort, and see who may read the tables of both shards"
        )

    async def _rest_outbox(self, plan: Plan, source: Primary) -> None:
        await ended(source, await held(source), CLAIMS, self._clock)
        end = self._clock.seconds() + CLAIMS
        told = False
        while await source.one(
            "select count(*) from outbox where site_id = any(%s) and done_at is null and dead_at is null "
            "and tries > 0 and error is null and next_at > now()", plan.sites,
        ):  # fmt: skip
            if self._clock.seconds() > end:
                raise MoveError("the outbox does not come to rest")
            if not told:
                told = True
                self._say("waiting for webhooks that are under way")
            await sleep(self._clock, 0.2)

    async def _come_close(self, stream: Stream) -> None:
        while True:
            await stream.copied()
            lag = await stream.lag(30.0)
            if lag is not None and lag < CLOSE:
                return
            self._say("the copy is " + ("more than 30 s" if lag is None else f"{lag:.1f} s") + " behind")

    async def _fence(self, plan: Plan, stream: Stream, source: Primary, target: Primary) -> bool:
        """Put the fence up until all that was written is in the target. Returns whether the sites were handed over."""
        began = self._clock.seconds()
        handed = False
        try:
            handed = await self._behind_fence(plan, stream, source, target, began)
        finally:
            if not handed:
                # If this fails too, a waiting writer removes the fence when its time is over.
                await source.run(
                    "update shard.place set state = 'leaving', until = null "
                    "where site_id = any(%s) and state = 'fenced'", plan.sites,
                )  # fmt: skip
        self.fenced = self._clock.seconds() - began
        return handed

    async def _behind_fence(
        self, plan: Plan, stream: Stream, source: Primary, target: Primary, began: float
    ) -> bool:
        await source.run(
            "update shard.place set state = 'fenced', until = now() + make_interval(secs => %s) "
            "where site_id = any(%s)", LEASE, plan.sites,
        )  # fmt: skip
        self._at("fenced")
        if not await ended(source, await held(source), MOST_FENCED, self._clock):
            return False
        if await stream.lag(max(0.1, began + MOST_FENCED - self._clock.seconds())) is None:
            return False
        await self._compare(plan, source, target)
        # Numbers are made from the time: none may be given twice.
        ahead = await source.one("select extract(epoch from clock_timestamp())::float8")
        ahead -= await target.one("select extract(epoch from clock_timestamp())::float8")
        if ahead > 0:
            await sleep(self._clock, ahead)
        # Not if the fence was removed for one of the sites: then it counts as removed for all.
        if not await source.run(
            "with f as (select site_id from shard.place where site_id = any(%s) and state = 'fenced' for update) "
            "update shard.place p set state = 'handed', until = null from f "
            "where p.site_id = f.site_id and (select count(*) from f) = %s returning p.site_id",
            plan.sites, len(plan.sites),
        ):  # fmt: skip
            return False
        self._at("handed")
        return True

    async def _compare(self, plan: Plan, source: Primary, target: Primary) -> None:
        # Each visible change has raised the seq of its channel in the same transaction.
        look = "select count(*), coalesce(sum(seq), 0) from channel where site_id = any(%s)"
        ours, theirs = await source.run(look, plan.sites), await target.run(look, plan.sites)
        if ours != theirs:
            raise MoveError(f"the copy differs ({ours[0]} and {theirs[0]}): nothing was moved; abort, and begin again")

    async def _flip(self, catalog: Primary, plan: Plan, source: Primary, target: Primary) -> None:
        began = self._clock.seconds()
        # Committed synchronously, even if synchronous_commit is off on the server: this flushes the copied rows too.
        here = (
            "set local synchronous_commit = on; update shard.place set state = 'here', target = null "
            "where site_id = any(%s) and state = 'arriving'", (plan.sites,),
        )  # fmt: skip
        told = ("update catalog.site set shard = %s where id = any(%s)", (plan.target, plan.sites))
        gone = (
            "update shard.place set state = 'gone', until = null where site_id = any(%s) and state = 'handed'",
            (plan.sites,),
        )
        # One transaction where it is one database.
        orders: list[tuple[Primary, list[Any]]] = [(target, [here]), (catalog, [told]), (source, [gone])]
        if plan.target == 0:
            orders = [(catalog, [here, told]), (source, [gone])]
        elif plan.source == 0:
            orders = [(target, [here]), (catalog, [told, gone])]
        for primary, parts in orders:
            values = [value for _, given in parts for value in given]
            await primary.run("; ".join(sql for sql, _ in parts), *values)
            self._at(f"flip {primary.number}")
        self.fenced += self._clock.seconds() - began
        await self._step(catalog, plan, "flipped")
        self._say(f"writers were held up for {self.fenced * 1000:.0f} ms")

    async def _clear_source(self, plan: Plan, source: Primary, target: Primary) -> None:
        for one in self._kept:
            look = f"select count(*), coalesce(max(id), 0) from {one.table} where site_id = any(%s)"
            count, last = (await source.run(look, plan.sites))[0]
            look = f"select count(*) from {one.table} where site_id = any(%s) and id <= %s"
            there = await target.one(look, plan.sites, last)
            if there < count:
                raise MoveError(
                    f"shard {plan.target} has {there} of the {count} {one.word}: "
                    f"nothing is deleted from shard {plan.source}"
                )
        gone = await purge(source, plan.sites, keep_log=True)
        self._say(f"shard {plan.source}: {gone} rows deleted; the events stay as long as all do")

    async def _states(self, source: Primary, plan: Plan) -> set[str]:
        rows = await source.run("select state from shard.place where site_id = any(%s)", plan.sites)
        return {row[0] for row in rows}

    @staticmethod
    async def _settle_place(primary: Primary, sites: list[int], state: str) -> None:
        await primary.run(
            "insert into shard.place (site_id, state) select x, %s from unnest(%s) x "
            "on conflict (site_id) do update set state = excluded.state, target = null, until = null", state, sites,
        )  # fmt: skip

    async def _step(self, catalog: Primary, plan: Plan, step: str) -> None:
        await catalog.run("update catalog.move set step = %s, changed_at = now() where id = %s", step, plan.id)
        self._at(step)

    async def _end(self, catalog: Primary, source: Primary, target: Primary | None, plan: Plan, step: str) -> None:
        for one in (source, target):
            if one is not None:
                await one.run("delete from shard.mark where move = %s", plan.id)
        await catalog.run(
            "update catalog.move set step = %s, changed_at = now(), ended_at = now() where id = %s", step, plan.id
        )
        self._at(step)
