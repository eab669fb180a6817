"""The stream of rows from one shard to another: what it needs, how it is begun, watched and taken down.

It is PostgreSQL's logical replication: a publication of the rows of some sites, a slot, and a subscription that first
copies the rows and then follows changes. The slot is created separately from the subscription, so that both shards may
be databases of one server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg2
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime

from cackled.clock import sleep
from cackled.database._txpostgres import Connection, first_line
from cackled.database.dsn import ServerSettings, connection_dsn
from cackled.database.errors import DatabaseError, Unavailable

OLDEST = 150000
CONNECT = 10.0
# Ids of comments are made from the clock, so the clocks of two shards may differ by this many seconds at most.
MOST_SKEW = 1.0
# A copy uses its own slot, and one for each table that is being copied: two at a time.
SLOTS = 3
BATCH = 5_000


class MoveError(DatabaseError):
    """The move is not possible, or not now; the message is for the operator."""


class Primary:
    """The primary of a shard, with a connection as the user of its DSN; *peer* is how other servers reach it."""

    def __init__(self, number: int, connection: Connection, peer: str) -> None:
        self.number = number
        self.peer = peer
        self._connection = connection

    async def run(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Send one message.

        Raises:
            MoveError: it was refused.
            Unavailable: the connection was lost.
        """
        try:
            return await self._connection.run(sql, params or None)
        except psycopg2.Error as error:
            if not self._connection.alive:
                raise Unavailable(reason=f"shard {self.number}: the connection was lost") from None
            raise MoveError(f"shard {self.number}: {first_line(error)}") from None
        except Exception as error:
            raise Unavailable(reason=f"shard {self.number}: {first_line(error)}") from None

    async def one(self, sql: str, *params: Any) -> Any:
        """The first column of the first row."""
        return (await self.run(sql, *params))[0][0]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


async def primary_of(number: int, servers: Sequence[ServerSettings], peer: str, clock: IReactorTime) -> Primary:
    """Connect to the primary among *servers*, of several the one that was promoted last.

    Raises:
        Unavailable: none is up.
    """
    found: list[tuple[int, str, Connection]] = []
    reasons = []
    for server in servers:
        connection = Connection(clock)
        try:
            dsn = connection_dsn(server.dsn, application="cackled shard")
            await connection.open(dsn).addTimeout(CONNECT, clock)
            timeline = (
                await connection.run(
                    "select case when pg_is_in_recovery() then 0 "
                    "else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end"
                )
            )[0][0]
        except (psycopg2.Error, OSError, TimedOut) as error:
            connection.close()
            reasons.append(f"{server.name}: {first_line(error)}")
            continue
        if timeline:
            found.append((timeline, server.dsn, connection))
        else:
            connection.close()
            reasons.append(f"{server.name} is a replica")
    if not found:
        raise Unavailable(reason=f"shard {number} has no primary that answers ({'; '.join(reasons)})")
    found.sort(key=lambda one: one[0])
    for _, _, connection in found[:-1]:
        connection.close()
    _, dsn, connection = found[-1]
    return Primary(number, connection, peer or dsn)


async def number_of(primary: Primary) -> int | None:
    """The shard number stored in a database; None if none is stored, or the tables are missing."""
    if not await primary.one("select to_regclass('shard.self') is not null"):
        return None
    rows = await primary.run("select number from shard.self")
    return int(rows[0][0]) if rows else None


_ROLE = """
select current_setting('server_version_num')::int, current_user, r.rolsuper, r.rolreplication, r.rolbypassrls,
  current_setting('wal_level'), has_database_privilege(current_database(), 'create'),
  current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int,
  current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication)::int,
  current_setting('max_logical_replication_workers')::int,
  (select count(*) from pg_roles c where c.rolname = 'pg_create_subscription' and pg_has_role(c.oid, 'usage'))::int
from pg_roles r where r.rolname = current_user
"""
_FOREIGN = """
select t.x from shard.tables() t (x) join pg_class c on c.oid = format('public.%I', t.x)::regclass
where not pg_has_role(c.relowner, 'usage')
"""
_KEYLESS = """
select t.x from shard.tables() t (x) join pg_class c on c.oid = format('public.%I', t.x)::regclass
where c.relreplident <> 'f' and not (c.relreplident = 'd' and exists (
  select from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey::int2[])
  where i.indrelid = c.oid and i.indisprimary and a.attname = 'site_id'))
"""
_VERSIONS = "select coalesce(array_agg(version order by version), '{}') from catalog.schema_version"


async def lacking(source: Primary, target: Primary, clock: IReactorTime) -> list[str]:
    """What is missing for a move from *source* to *target*, one line each; nothing is changed."""
    wrong: list[str] = []
    for one in (source, target):
        if await number_of(one) != one.number:
            wrong.append(f"shard {one.number} was not set up: cackled shard add {source.number or target.number}")
    if wrong:
        return wrong
    ours, theirs = await source.one(_VERSIONS), await target.one(_VERSIONS)
    for one, missing in ((source, set(theirs) - set(ours)), (target, set(ours) - set(theirs))):
        if missing:
            told = ", ".join(f"{version:04d}" for version in sorted(missing))
            wrong.append(f"shard {one.number} lacks migrations {told}: cackled shard add {one.number or target.number}")
    version, user, superuser, streams, bypasses, level, creates, slots, senders, _, _ = (await source.run(_ROLE))[0]
    name = f"shard {source.number} (the source)"
    if version < OLDEST:
        wrong.append(f"{name} is PostgreSQL {version // 10000}; rows are chosen by site from 15 on")
    if level != "logical":
        wrong.append(f"{name} has wal_level = {level}: set it to logical and restart that server")
    if not (superuser or (streams and bypasses)):
        wrong.append(f"{name}: role {user} has to see all rows and stream: alter role {user} replication bypassrls")
    if not creates or await source.run(_FOREIGN):
        wrong.append(f"{name}: role {user} has to own the tables and may create in the database (for a publication)")
    if slots < SLOTS:
        wrong.append(f"{name} has {slots} replication slots free, {SLOTS} are needed: raise max_replication_slots")
    if senders < SLOTS:
        wrong.append(f"{name} has room for {senders} more senders, {SLOTS} are needed: raise max_wal_senders")
    keyless = [row[0] for row in await source.run(_KEYLESS)]
    if keyless:
        wrong.append(f"{name}: the key of {', '.join(keyless)} has no site_id")
    version, user, superuser, _, bypasses, _, creates, _, _, workers, subscribes = (await target.run(_ROLE))[0]
    name = f"shard {target.number} (the target)"
    if version < OLDEST:
        wrong.append(f"{name} is PostgreSQL {version // 10000}; 15 is needed")
    if not superuser and not (bypasses and subscribes and creates):
        wrong.append(f"{name}: role {user} needs bypassrls, create on the database and pg_create_subscription")
    if workers < SLOTS:
        wrong.append(f"{name}: max_logical_replication_workers is {workers}, {SLOTS} are needed")
    began = clock.seconds()
    at_source = await source.one("select extract(epoch from clock_timestamp())::float8")
    at_target = await target.one("select extract(epoch from clock_timestamp())::float8")
    skew = at_target - at_source
    if not -MOST_SKEW < skew < MOST_SKEW + clock.seconds() - began:
        wrong.append(f"the clocks of shards {source.number} and {target.number} differ by {skew:.1f} s: set them right")
    return wrong


async def followers(primary: Primary) -> int:
    """How many processes follow its event log."""
    return int(
        await primary.one(
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and application_name = 'cackled tail'"
        )
    )


def stream_name(move: int) -> str:
    """The name of the publication, the slot and the subscription of a move."""
    return f"cackled_move_{move}"


class Stream:
    """Replicates the rows of *sites* from *source* to *target*, under the name ``cackled_move_N``."""

    def __init__(self, move: int, sites: list[int], source: Primary, target: Primary, clock: IReactorTime) -> None:
        self._move = move
        self._sites = sites
        self._source = source
        self._target = target
        self._clock = clock
        self.name = stream_name(move)
        self._marks = 0

    async def there(self) -> bool:
        """Whether the subscription exists."""
        return bool(
            await self._target.one(
                "select count(*) from pg_subscription s join pg_database d on d.oid = s.subdbid "
                "where d.datname = current_database() and s.subname = %s", self.name,
            )
        )  # fmt: skip

    async def begin(self) -> None:
        """Begin to copy, and to follow changes. The target must have none of the rows."""
        sites = ", ".join(map(str, self._sites))
        tables = [row[0] for row in await self._source.run("select quote_ident(x) from shard.tables() x")]
        chosen = [f"public.{table} where (site_id in ({sites}))" for table in tables]
        await self._source.run(
            f"create publication {self.name} for table {', '.join(chosen)}, shard.mark where (move = {self._move}) "
            "with (publish = 'insert, update, delete', publish_via_partition_root = true)"
        )
        await self._source.run("select pg_create_logical_replication_slot(%s, 'pgoutput')", self.name)
        await self._target.run(
            f"create subscription {self.name} connection %s publication {self.name} "
            f"with (create_slot = false, slot_name = {self.name}, disable_on_error = true)", self._source.peer,
        )  # fmt: skip

    async def end(self) -> None:
        """Remove publication, slots and subscription, as far as they exist."""
        number = await self._detach()
        await release(self._source, self.name, self._clock, number)

    async def _detach(self) -> int:
        rows = await self._target.run(
            "select s.oid::int8 from pg_subscription s join pg_database d on d.oid = s.subdbid "
            "where d.datname = current_database() and s.subname = %s", self.name,
        )  # fmt: skip
        if not rows:
            return 0
        try:
            await self._target.run(f"drop subscription {self.name}")
        except MoveError:
            # The target can't reach the source, or the source has lost the slot.
            await self._target.run(f"alter subscription {self.name} disable")
            await self._target.run(f"alter subscription {self.name} set (slot_name = none)")
            await self._target.run(f"drop subscription {self.name}")
        return int(rows[0][0])

    async def copied(self) -> tuple[int, int, list[str]]:
        """How many tables are copied, how many there are, and the progress of those being copied as text.

        Raises:
            MoveError: the target gave up.
        """
        rows = await self._target.run(
            "select s.subenabled, s.oid, (select count(*) from pg_subscription_rel r where r.srsubid = s.oid), "
            "(select count(*) from pg_subscription_rel r where r.srsubid = s.oid and r.srsubstate = 'r') "
            "from pg_subscription s join pg_database d on d.oid = s.subdbid "
            "where d.datname = current_database() and s.subname = %s", self.name,
        )  # fmt: skip
        if not rows:
            raise MoveError(f"the subscription {self.name} is gone from shard {self._target.number}")
        enabled, _, count, ready = rows[0]
        if not enabled:
            raise MoveError(
                f"shard {self._target.number} could not take a row and stopped, its log says why: cackled shard resume "
                "when that is mended, or cackled shard abort"
            )
        slot = await self._source.run("select wal_status from pg_replication_slots where slot_name = %s", self.name)
        if not slot or slot[0][0] == "lost":
            raise MoveError(f"shard {self._source.number} has lost the slot {self.name}: abort, and begin again")
        under_way = await self._target.run(
            "select p.relid::regclass::text, p.tuples_processed from pg_stat_progress_copy p "
            "where p.datname = current_database() and p.command = 'COPY FROM' order by 1"
        )
        return ready, count, [f"{table} {rows} rows" for table, rows in under_way]

    async def enable(self) -> None:
        """Continue after the target gave up."""
        await self._target.run(f"alter subscription {self.name} enable")

    async def lag(self, patience: float) -> float | None:
        """How many seconds a row takes from source to target now; None if more than *patience*.

        When it returns, all that was committed before the call is at the target too.
        """
        self._marks += 1
        began = self._clock.seconds()
        mark = f"{self._marks} {await self._source.one('select txid_current()')}"
        await self._source.run(
            "insert into shard.mark (move, mark) values (%s, %s) on conflict (move) do update set mark = excluded.mark",
            self._move, mark,
        )  # fmt: skip
        pause = 0.002
        while True:
            if await self._target.run("select 1 from shard.mark where move = %s and mark = %s", self._move, mark):
                return self._clock.seconds() - began
            if self._clock.seconds() - began > patience:
                return None
            await sleep(self._clock, pause)
            pause = min(pause * 1.5, 0.1)


async def release(source: Primary, name: str, clock: IReactorTime, subscription: int = 0) -> None:
    """Remove publication and slots at the source, also the slots of tables that were being copied."""
    await source.run(f"drop publication if exists {name}")
    for _ in range(100):
        slots = await source.run(
            "select slot_name, active_pid from pg_replication_slots where database = current_database() "
            "and (slot_name = %s or slot_name like %s)", name, f"pg\\_{subscription}\\_sync\\_%",
        )  # fmt: skip
        for slot, pid in slots:
            if pid is None:
                await source.run("select pg_drop_replication_slot(%s)", slot)
            else:
                await source.run("select pg_terminate_backend(%s)", pid)
        if not slots:
            return
        await sleep(clock, 0.1)
    raise MoveError(f"the replication slot {name} of shard {source.number} can't be dropped")


async def held(primary: Primary) -> list[str]:
    """The open transactions that have written to tables of sites, or have locked rows in order to write."""
    rows = await primary.run(
        "select distinct l.virtualtransaction from pg_locks l join pg_class c on c.oid = l.relation "
        "where l.locktype = 'relation' and l.mode in ('RowShareLock', 'RowExclusiveLock') "
        "and l.pid <> pg_backend_pid() "
        "and l.database = (select oid from pg_database where datname = current_database()) "
        "and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace"
    )
    return [row[0] for row in rows]


async def ended(primary: Primary, transactions: list[str], patience: float, clock: IReactorTime) -> bool:
    """Wait at most *patience* seconds until *transactions* are over. Returns whether they are."""
    end = clock.seconds() + patience
    while transactions:
        left = await primary.one(
            "select count(*) from pg_locks where locktype = 'virtualxid' and virtualtransaction = any(%s)", transactions
        )
        if not left:
            break
        if clock.seconds() > end:
            return False
        await sleep(clock, 0.005)
    return True


async def purge(primary: Primary, sites: list[int], *, keep_log: bool) -> int:
    """Delete the rows of *sites* in batches. Returns how many. *keep_log*: leave events until they expire."""
    gone = 0
    for (table,) in await primary.run("select quote_ident(x) from shard.tables() x"):
        if table == "event":
            if not keep_log:
                await primary.run("delete from event where site_id = any(%s)", sites)
            continue
        while True:
            count = await primary.one(
                f"with d as (delete from public.{table} where ctid = any(array(select ctid from public.{table} "
                f"where site_id = any(%s) limit {BATCH})) returning 1) select count(*) from d", sites,
            )  # fmt: skip
            gone += count
            if count < BATCH:
                break
    return gone
