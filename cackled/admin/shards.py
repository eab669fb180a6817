"""``cackled shard``: list shards, add one, move sites between them, and continue or abandon a move.

Works directly on the databases, with the configuration of the node it runs on; the daemons may run or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cackled.admin.render import as_text
from cackled.config import Config
from cackled.database.dsn import servers_of, shards_of
from cackled.database.errors import DatabaseError
from cackled.database.migrate import migrate_primary
from cackled.database.moving import Mover, Servers, open_move
from cackled.database.row_counts import Counted
from cackled.database.stream import MoveError, Primary, number_of, primary_of

# Maximum number of sites in one move.
MOST_SITES = 10_000


def parse_sites(text: str) -> list[int]:
    """Parse ``3,7,10-20`` into numbers.

    Raises:
        MoveError: it has another form.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise MoveError(f"{part.strip()!r} is no site: write 3,7,10-20") from None
        if not 0 < low <= high < 2**31 or high - low >= MOST_SITES:
            raise MoveError(f"{part.strip()!r} is no range of sites")
        found.update(range(low, high + 1))
    if len(found) > MOST_SITES:
        raise MoveError(f"at most {MOST_SITES} sites at a time")
    return sorted(found)


def shards(config: Config, embedded: str) -> dict[int, Servers]:
    """All shards in the configuration; *embedded* is the DSN of the node's own server, if that is shard 0."""
    made = {0: Servers(servers_of(config.database, embedded), config.database.peer)}
    peers = {shard.number: shard.peer for shard in config.database.shard}
    made |= {number: Servers(given, peers[number]) for number, given in shards_of(config.database).items()}
    return made


async def show(known: dict[int, Servers], clock: Any) -> list[str]:
    """The shards, the number of sites of each, and the move under way."""
    lines: list[str] = []
    rows: list[dict[str, Any]] = []
    places: dict[int, int] = {}
    claims: list[tuple[int, int, str]] = []
    catalog: Primary | None = None
    for number, given in sorted(known.items()):
        row: dict[str, Any] = {"shard": number, "sites": "", "state": "", "wal_level": "", "note": ""}
        rows.append(row)
        try:
            one = await primary_of(number, given.servers, given.peer, clock)
        except DatabaseError as error:
            row["state"], row["note"] = "down", " ".join(str(error).split())[:100]
            continue
        try:
            said = await number_of(one)
            row["state"] = "up"
            row["wal_level"] = await one.one("show wal_level")
            if number == 0 and await one.one("select to_regclass('catalog.move') is not null"):
                catalog = one
                places = dict(await one.run("select id, shard from catalog.site"))
            if said is None:
                row["note"] = "alone" if len(known) == 1 else "not set up: cackled shard add N"
            elif said != number:
                row["note"] = f"says that it is shard {said}"
            else:
                claims += [(number, *row) for row in await one.run("select site_id, state from shard.place")]
            kept = await one.run(
                "select slot_name, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint "
                "from pg_replication_slots where database = current_database() and slot_name like 'cackled_move_%'"
            )
            for slot, size in kept:
                row["note"] = f"{slot} keeps {size / 1e6:.0f} MB of its log"
        finally:
            if catalog is not one:
                one.close()
    for row in rows:
        if catalog is not None:
            row["sites"] = sum(shard == row["shard"] for shard in places.values())
    lines.append(as_text(rows))
    for number in sorted(set(places.values()) - known.keys()):
        lines.append(f"shard {number} has sites, and the configuration does not name it")
    if catalog is not None:
        plan = await open_move(catalog)
        moving = set(plan.sites) if plan is not None else set()
        for number, site, state in sorted(claims):
            if site not in moving and (state == "here") != (places.get(site) == number) and state in ("here", "gone"):
                lines.append(
                    f"site {site}: the catalog says shard {places.get(site, 'none')}, shard {number} says {state!r} "
                    "(was one of them restored from a backup?)"
                )
        if plan is not None:
            lines.append(f"{plan} is not ended: cackled shard resume, or cackled shard abort")
        catalog.close()
    return lines


async def add(
    known: dict[int, Servers], number: int, clock: Any, say: Callable[[str], None], packages: Sequence[str] = ()
) -> None:
    """Make a database shard *number*: migrate it, and restrict it and shard 0 to their own sites. May be repeated.

    Raises:
        MoveError: the database belongs to another shard, or has pages of its own.
        DatabaseError: a server can't be reached, or refused.
    """
    if number not in known or number == 0:
        raise MoveError(f"the configuration names no [[database.shard]] with number = {number}")
    dsns = [server.dsn for server in known[number].servers]
    first = await primary_of(0, known[0].servers, known[0].peer, clock)
    try:
        if not await first.one("select to_regclass('shard.self') is not null"):
            raise MoveError("shard 0 lacks migrations: start the daemon, or cackled migrate")
        one = await primary_of(number, known[number].servers, known[number].peer, clock)
        try:
            identity = (
                "select (select system_identifier from pg_control_system())::text || '/' || oid "
                "from pg_database where datname = current_database()"
            )
            if await first.one(identity) == await one.one(identity):
                raise MoveError(f"shard {number} is the database that shard 0 is")
            said = await number_of(one)
            if said not in (None, number):
                raise MoveError(f"that database is shard {said}")
            there = said is None and await one.one("select to_regclass('catalog.site') is not null")
            if there and await one.one("select exists (select from catalog.site) or exists (select from channel)"):
                raise MoveError("that database has sites of its own")
            await migrate_primary(dsns, clock=clock, progress=say, packages=packages)
            for where, own in ((first, 0), (one, number)):
                await where.run("set lock_timeout = '2s'")
                for attempt in range(10):
                    try:
                        await where.run("select shard.guard(%s)", own)
                        break
                    except MoveError as error:
                        if "lock timeout" not in str(error) or attempt == 9:
                            raise
                        say(f"shard {own}: a table is in use, trying again")
        finally:
            one.close()
    finally:
        first.close()
    say(f"shard {number} is ready; every node needs its [[database.shard]], then sites may be moved there")


async def work(
    options: Any, config: Config, embedded: str, clock: Any, say: Callable[[str], None], counted: Sequence[Counted],
    packages: Sequence[str],
) -> None:  # fmt: skip
    """Do what the command line says; *counted* as for `Mover`, *packages* as for `migrate`.

    Raises:
        DatabaseError: in one line, or several where several things are missing.
    """
    known = shards(config, embedded)
    if options.action == "list":
        for line in await show(known, clock):
            say(line)
        return
    if options.action == "add":
        await add(known, options.number, clock, say, packages)
        return
    mover = Mover(known, clock=clock, say=say, counted=counted)
    try:
        if options.action == "move":
            await mover.move(parse_sites(options.sites), options.to, anyway=options.anyway)
        elif options.action == "resume":
            await mover.resume()
        else:
            await mover.abort(without_target=options.without_target)
    finally:
        mover.close()
