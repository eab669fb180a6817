"""Sites on their way to another shard, while they are read and written.

A move is a row of ``catalog.move`` and some steps, each of which may be broken off and done again;
docs/internals/shards.md tells why it loses nothing:

    begun      rows that the target may have of these sites are deleted there
    streaming  a copy is made and follows what is written
    leaving    the copy is complete but for a moment; the outbox rests
    handed     the fence was up, all of it is in the target: there is no way back, and anybody may end it
    flipped    the catalog names the target
    ended      nothing is left of the stream, nor of the rows at the source

What stands in ``shard.place`` of the source decides; the step in ``catalog.move`` is for people, and says what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from cackled.clock import sleep
from cackled.database.counted import Counted
from cackled.database.dsn import ServerSettings
from cackled.database.errors import Unavailable
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

# Any number will do as long as all releases agree on it.
LOCK = 0x73686172
# The fence comes down by itself when the mover is gone for so many seconds. Shorter than writers wait.
LEASE = 5.0
# So many seconds the mover itself tries, with the fence up.
MOST_FENCED = 2.0
# The fence goes up when the copy is no further behind than this.
CLOSE = 0.3
FENCES = 10
# Looks at whether all tables came over.
LOOKS = 5
TOLD = 2.0
# The outbox's claims run out after 60 s.
CLAIMS = 75.0


class Servers(Struct, frozen=True):
    """How to reach a shard; *peer* as in the configuration."""

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
        """The sites, as far as a line has room."""
        return ", ".join(map(str, self.sites[:8])) + (", ..." if len(self.sites) > 8 else "")

    def __str__(self) -> str:
        return f"move {self.id} (site {self.names} from shard {self.source} to {self.target}, step {self.step})"


_OPEN = "select id, sites, source, target, step from catalog.move where ended_at is null"


async def open_move(catalog: Primary) -> Plan | None:
    """The move that was begun and not ended, if there is one."""
    rows = await catalog.run(_OPEN)
    return Plan(*rows[0]) if rows else None


class Mover:
    """Moves sites between *shards*; *say* is told each line of progress, *at* each step when it is done.

    Before rows are deleted at the source, those of the *counted* tables that are kept are counted at the target.
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
        # How long the last fence stood, in seconds.
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
        """Let go of all servers."""
        for one in self._open.values():
            one.close()
        self._open.clear()

    async def _alone(self) -> Primary:
        """The catalog, with the lock that keeps other movers away for as long as this one lives."""
        catalog = await self.primary(0)
        if not await catalog.one("select to_regclass('catalog.move') is not null"):
            raise MoveError("shard 0 lacks migrations: start the daemon, or cackled migrate")
        # The server takes a moment to see that a mover was killed.
        for _ in range(20):
            if await catalog.one("select pg_try_advisory_lock(%s)", LOCK):
                return catalog
            await sleep(self._clock, 0.1)
        raise MoveError("another cackled shard is at work")

    async def move(self, sites: Sequence[int], to: int, *, anyway: bool = False) -> None:
        """Begin a move and see it through; one that was begun for the same sites goes on. *anyway*: also where a node
        seems not to know of the target.

        Raises:
            MoveError: it is refused, with all the reasons; or it stopped on the way, and waits.
            Unavailable: a server was lost; it waits.
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
        """Go on with the move that was begun. Raises as `move`."""
        catalog = await self._alone()
        plan = await open_move(catalog)
        if plan is None:
            raise MoveError("no move is under way")
        await self._carry(catalog, plan)

    async def abort(self, *, without_target: bool = False) -> None:
        """Give the move up, leaving everything as it was before. *without_target*: also where that is gone for good.

        Raises:
            MoveError: there is none, or the sites are handed over already.
            Unavailable: a server can't be reached; nothing is lost, repeat it then.
        """
        catalog = await self._alone()
        plan = await open_move(catalog)
        if plan is None:
            raise MoveError("no move is under way")
        source = await self.primary(plan.source)
        if await self._states(source, plan) & {"handed", "gone"}:
            raise MoveError(f"{plan}: too late, they are in shard {plan.target}; cackled shard resume, then move back")
        # Writes first, then the slot that keeps the source's log from being cleared, then the copy.
        await source.run(
            "update shard.place set state = 'here', target = null, until = null where site_id = any(%s)", plan.sites
        )
        await self._step(catalog, plan, "aborting")
        try:
            target = await self.primary(plan.target)
        except Unavailable:
            # Its slot would keep the log of the source for ever.
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
        # Rights that hide rows make a copy empty without an error. What was written just now may still be on its way.
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
        """Hold the writers up until all they wrote is in the target; whether it was handed over."""
        began = self._clock.seconds()
        handed = False
        try:
            handed = await self._behind_fence(plan, stream, source, target, began)
        finally:
            if not handed:
                # Should this fail too, whoever waits takes the fence down when its time is over.
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
        # Numbers are times: none may be given again.
        ahead = await source.one("select extract(epoch from clock_timestamp())::float8")
        ahead -= await target.one("select extract(epoch from clock_timestamp())::float8")
        if ahead > 0:
            await sleep(self._clock, ahead)
        # Not if somebody took the fence down for one of them: then it is down for all.
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
        # Each visible change raised a number of its channel, in its own transaction.
        look = "select count(*), coalesce(sum(seq), 0) from channel where site_id = any(%s)"
        ours, theirs = await source.run(look, plan.sites), await target.run(look, plan.sites)
        if ours != theirs:
            raise MoveError(f"the copy differs ({ours[0]} and {theirs[0]}): nothing was moved; abort, and begin again")

    async def _flip(self, catalog: Primary, plan: Plan, source: Primary, target: Primary) -> None:
        began = self._clock.seconds()
        # Committed at once, also where an administrator has made commits lazy: what was copied is flushed with it.
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
