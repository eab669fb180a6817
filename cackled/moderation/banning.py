"""Bans with what goes with them: how much they are about before they are made, what they take along, and its return."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.audit import Audit
from cackled.domain.bans import Bans, banned
from cackled.domain.errors import Conflict, Forbidden, NotFound
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.moderation.items import Found, Hushing
from cackled.moderation.queue import MOST_ITEMS, Queue

MOST_NAMES = 20
MOST_COUNTED = 10_000

INSERT_BAN_ACTION = Query(
    "insert_ban_action", "insert into ban_action (site_id, ban_id, action_id) values ($1, $2, $3)",
    ("int", "bigint", "bigint"),
)  # fmt: skip
TAKE_BAN_ACTIONS = Query(
    "take_ban_actions", "delete from ban_action where site_id = $1 and ban_id = $2 returning action_id",
    ("int", "bigint"),
)  # fmt: skip
SELECT_BAN_ACTIONS = Query(
    "select_ban_actions", "select action_id from ban_action where site_id = $1 and ban_id = $2", ("int", "bigint")
)


class Preview(Struct, frozen=True):
    """What a ban would be about: so many items (at most `MOST_COUNTED` are counted), under these names."""

    count: int
    days: int
    names: list[str]


class Taken(Struct, frozen=True):
    """A ban that was made, the action that takes along what they wrote, and how many items that is for."""

    ban: int
    action: int | None
    total: int


class Banning:
    """Bans of one site, together with its queue."""

    def __init__(self, site: Site, database: Database, queue: Queue) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._bans = Bans(site, database)
        self._audit = Audit(site, database)
        self._queue = queue

    @staticmethod
    def _found(kind: str, value: str, days: int) -> Found:
        about = banned(kind, value)
        return Found(state="all", ban=(about.kind, about.value), days=days)

    async def preview(self, kind: str, value: str, days: int) -> Preview:
        """How much those wrote in the last *days* whom a ban would be about, and under which names.

        Only what is to be seen, or waits, is counted.

        Raises:
            BadField: there is no such ban.
        """
        found = self._found(kind, value, days)
        count, names = 0, []
        for state in ("approved", "pending"):
            some = replace(found, state=state)
            count += await self._queue.count(some, most=MOST_COUNTED)
            listed = await self._queue.items(some, size=100)
            names += [item.author.name for item in listed.items]
        return Preview(min(count, MOST_COUNTED), days, list(dict.fromkeys(names))[:MOST_NAMES])

    async def ban(
        self, staff: Staff, kind: str, value: str, until: float | None = None, *, shadow: bool = False, note: str = "",
        take: str = "", days: int = 30,
    ) -> Taken:  # fmt: skip
        """Ban; and do *take* (an action of the queue) to what they wrote in the last *days*.

        Raises:
            BadField: there is no such ban.
        """
        about = banned(kind, value)
        number = await self._bans.ban(kind, value, until, shadow=shadow, note=note, who=staff.name)
        # Words and names of visitors are not for the audit log.
        await self._audit.record(staff, "ban.added", f"ban:{number}", kind=about.kind, shadow=shadow)
        if shadow:
            await self._hush(number)
        else:
            # One that was unnoticed before is that no more.
            await self._unhush(number)
        found = replace(self._found(kind, value, days), state="approved", sections=staff.sections)
        if not take or not await self._queue.count(found, most=1):
            return Taken(number, None, 0)
        # Nobody notices: its authors go on seeing what is taken along.
        row = await self._queue.begin(staff, "hush" if shadow else take, found, why=note)
        await self._database.write(INSERT_BAN_ACTION, self._site.id, number, int(row.id))
        return Taken(number, int(row.id), row.total)

    async def _hush(self, number: int) -> None:
        for one in self._queue.kinds.values():
            if isinstance(one, Hushing):
                self._queue.moved(await one.hush(number))

    async def _unhush(self, number: int) -> None:
        for one in self._queue.kinds.values():
            if isinstance(one, Hushing):
                self._queue.moved(await one.unhush(number))

    async def lift(self, staff: Staff, number: int, *, restore: bool = False) -> tuple[list[str], bool]:
        """Lift a ban; with *restore* what it took along comes back: which items, and whether more follow.

        Raises:
            NotFound: there is no such ban.
            Conflict: what it takes along is still under way; the ban stays.
            Forbidden: it may have taken along what is in sections of others; the ban stays.
        """
        rows = await self._database.read(
            SELECT_BAN_ACTIONS, self._site.id, number, preference=ReadPreference.PRIMARY
        )
        actions = [row[0] for row in rows.rows]
        if restore:
            for action in actions:
                row = await self._queue.action(action)
                if row.state == "running":
                    raise Conflict("What it takes along is still under way.", slug="state")
                if staff.sections and row.who != staff.actor:
                    raise Forbidden("A colleague decided that, perhaps in another section.", slug="section")
        if await self._bans.lift(number) is None:
            raise NotFound("There is no such ban.")
        await self._unhush(number)
        await self._audit.record(staff, "ban.lifted", f"ban:{number}", restored=restore)
        await self._database.write(TAKE_BAN_ACTIONS, self._site.id, number)
        done: list[str] = []
        more = False
        for action in actions if restore else ():
            row = await self._queue.action(action)
            if row.state in ("done", "stopped", "paused"):
                done += (await self._queue.undo(staff, action)).done
                more = more or row.done > MOST_ITEMS
        return done, more
