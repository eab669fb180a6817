"""The moderators' queue of one site: what waits in all products, and what is decided on it.

Each decision on an item is a transaction of its own, in the product. What is decided together is one action of the log
(table ``moderation_action``), with a step for each item that holds what undoing it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, Conflict, NotFound
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.events import Position
from cackled.moderation.collisions import Collision, colleagues, collision, happened, named
from cackled.moderation.items import (
    ACTIONS,
    Claim,
    Deed,
    Detail,
    Found,
    Item,
    Moderated,
    Outcome,
    check_reason,
    item_id,
    one_of,
)

# Items of one request; more are decided on by what they match.
MOST_ITEMS = 500
# So many are counted; more are "more than".
MOST_COUNTED = 10_000
# Before all that matches is decided on: how much that is.
MOST_DECIDED = 100_000
# Seconds that a claim holds without being prolonged.
CLAIM = 120

INSERT_ACTION = Query(
    "insert_moderation_action",
    """
    with made as (
      insert into moderation_action (site_id, who, name, action, why, filter, state, total)
      values ($1, $2, $3, $4, $5, $6, case when $6 = '' then 'done' else 'running' end, $7) returning id
    ), work as (
      insert into outbox (site_id, kind, body) select $1, 'moderation', concat('{"action":', id, '}') from made
      where $6 <> ''
    )
    select made.id, record_audit(
      $1, $2, $3, 'moderation.' || $4, $8, jsonb_build_object('action', made.id, 'items', $7))
    from made
    """,
    ("int", "text", "text", "text", "text", "text", "int", "text"),
)
COUNT_ACTION = Query(
    "count_moderation_action",
    """
    update moderation_action set done = done + $3, failed = failed + $4, last_item = coalesce($5, last_item)
    where site_id = $1 and id = $2 returning state, done, failed, total
    """,
    ("int", "bigint", "int", "int", "bigint"),
)
_COLUMNS = """
    id, who, name, action, why, filter, state, total, done, failed,
    to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
"""
SELECT_ACTION = Query(
    "select_moderation_action", f"select {_COLUMNS}, last_item from moderation_action where site_id = $1 and id = $2",
    ("int", "bigint"),
)  # fmt: skip
SELECT_ACTIONS = Query(
    "select_moderation_actions",
    f"""
    select {_COLUMNS} from moderation_action
    where site_id = $1 and ($2::bigint is null or id < $2) and ($3 = '' or who = $3) order by id desc limit $4
    """,
    ("int", "bigint", "text", "int"),
)
SELECT_STEPS = Query(
    "select_moderation_steps",
    """
    select item from moderation_step where site_id = $1 and action_id = $2 and not undone and item > $3
    order by item limit $4
    """,
    ("int", "bigint", "text", "int"),
)
STEER_ACTION = Query(
    "steer_moderation_action",
    """
    with steered as (
      update moderation_action set state = $3, ended_at = case when $3 in ('stopped', 'done', 'undone') then now() end
      where site_id = $1 and id = $2 and state = any($4) returning id
    ), work as (
      insert into outbox (site_id, kind, body) select $1, 'moderation', concat('{"action":', id, '}') from steered
      where $3 in ('running', 'undoing')
    )
    select id from steered
    """,
    ("int", "bigint", "text", "text[]"),
)
SELECT_STAFF_SEQ = Query(
    "select_staff_seq",
    """
    select max(x.seq) from channel x where x.site_id = $1 and x.id in (
      select s.channel_id from staff_channel s where s.site_id = $1 and cardinality($2) = 0
      union all select s.channel_id from staff_section_channel s where s.site_id = $1 and cardinality($2) > 0
        and s.sections = array(select distinct y from unnest($2) y order by y))
    """,
    ("int", "text[]"),
)
CLAIM_ITEM = Query(
    "claim_item",
    """
    select who, name, to_char(until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    from claim_item($1, $2, $3, $4, $5)
    """,
    ("int", "text", "text", "text", "int"),
)


class ActionRow(Struct, frozen=True):
    """An action of the log. ``filter`` is given for bulk actions."""

    id: str
    who: str
    name: str
    action: str
    why: str
    filter: dict[str, Any] | None
    state: str
    total: int
    done: int
    failed: int
    at: str


class Decided(Struct, frozen=True):
    """What an action did: ``done`` items, and those that it could not be done to."""

    id: str
    done: tuple[str, ...]
    failed: tuple[Collision, ...] = ()


class Listed(Struct, frozen=True):
    """A page of items; ``cursor`` leads to the next."""

    items: tuple[Item, ...]
    cursor: str | None


class Queue:
    """The queue of one site; *kinds* make what products have, *evict* is told where decisions led."""

    def __init__(
        self,
        site: Site,
        database: Database,
        kinds: Mapping[str, Callable[[Database, Site], Moderated]],
        evict: Callable[[Position], None] = lambda position: None,
    ) -> None:
        self._site = site
        self._whole = database
        self._database = database.site(site.id)
        self.kinds: dict[str, Moderated] = {kind: make(database, site) for kind, make in kinds.items()}
        self._evict = evict

    @property
    def site(self) -> int:
        """The id of the site."""
        return self._site.id

    def _of(self, product: str) -> list[tuple[str, Moderated]]:
        found = [(kind, one) for kind, one in self.kinds.items() if product in ("", one.product)]
        if not found:
            raise BadField("There is no such product with a queue.", field="product")
        return found

    async def _where(self, given: ReadPreference | Reading, sections: tuple[str, ...]) -> ReadPreference:
        """Which servers are good enough: those that have come as far as the caller has heard of the staff's channel.

        Where the primary itself has not, the answer is marked as stale.

        Raises:
            Unavailable: no server is good enough for this caller.
        """
        reading = Reading.of(given)
        options = reading.options
        if not options.after:
            return options.preference
        args = (self._site.id, list(sections))
        seq = reading.found(await reading.rows(self._database, SELECT_STAFF_SEQ, *args))[0][0] or 0
        if seq >= options.after:
            return options.preference
        if options.preference is not ReadPreference.PRIMARY:
            newer = await reading.again(self._database, SELECT_STAFF_SEQ, *args)
            if newer is None:
                return options.preference
            seq = reading.found(newer)[0][0] or 0
        reading.reached(seq)
        strict = options.preference is ReadPreference.PRIMARY
        return ReadPreference.PRIMARY if strict else ReadPreference.PRIMARY_PREFERRED

    async def items(
        self, found: Found, product: str = "", cursor: str = "", size: int = 50,
        preference: ReadPreference | Reading = ReadPreference.PRIMARY,
    ) -> Listed:  # fmt: skip
        """A page of what matches, the newest first. A Reading's ``after`` is a number of the staff's channel.

        Raises:
            BadField: there is no such product, or the cursor is not one of ours.
        """
        before, where = _cursor(cursor), await self._where(preference, found.sections)
        numbers: list[tuple[int, str, Moderated]] = []
        for kind, one in self._of(product):
            numbers += [(id, kind, one) for id in await one.ids(found, before=before, size=size + 1, preference=where)]
        numbers.sort(key=lambda entry: -entry[0])
        chosen = numbers[:size]
        items: dict[str, Item] = {}
        for kind, one in self._of(product):
            for item in await one.items([id for id, of, _ in chosen if of == kind], where):
                items[item.id] = item
        listed = tuple(items[f"{kind}:{id}"] for id, kind, _ in chosen if f"{kind}:{id}" in items)
        return Listed(listed, str(chosen[-1][0]) if len(numbers) > size else None)

    async def count(
        self, found: Found, product: str = "", most: int = MOST_COUNTED,
        preference: ReadPreference | Reading = ReadPreference.PRIMARY,
    ) -> int:  # fmt: skip
        """How many match, at most *most*."""
        count, where = 0, await self._where(preference, found.sections)
        for _, one in self._of(product):
            count += await one.count(found, most, where)
        return min(count, most)

    async def detail(self, item: str) -> Detail:
        """An item with all that is around it.

        Raises:
            NotFound: there is none.
        """
        kind, number = item_id(item)
        found = await one_of(self.kinds, kind).detail(number)
        names = await colleagues(self._whole, self._site.id, (one.who for one in found.history))
        return replace(found, history=tuple(replace(one, name=names.get(one.who, "")) for one in found.history))

    async def decide(
        self, staff: Staff, action: str, items: Iterable[str], versions: Mapping[str, int] | None = None, why: str = "",
    ) -> Decided:  # fmt: skip
        """Do *action* to *items*, each if it has the version of *versions* still (without one: whatever it has).

        Raises:
            BadField: an item or the action is none that there is.
            Conflict: nothing could be done, as the items were changed since; it says by whom.
        """
        wanted = list(dict.fromkeys(items))
        if not 1 <= len(wanted) <= MOST_ITEMS:
            raise BadField(f"Name 1 to {MOST_ITEMS} items.", field="items")
        ids = [(one, *item_id(one)) for one in wanted]
        for _, kind, _ in ids:
            if action not in ACTIONS or action not in one_of(self.kinds, kind).actions:
                raise BadField(f"There is no action {action[:20]} for that.", field="action")
            check_reason(one_of(self.kinds, kind), action, why)
        number = await self._begin(staff, action, why, "", len(wanted), wanted[0] if len(wanted) == 1 else "")
        deed = Deed(action=action, number=number, who=staff.actor, name=staff.name, why=why)
        done: list[str] = []
        failed: list[Collision] = []
        for item, kind, id in ids:
            version = (versions or {}).get(item)
            more, outcome = await self.apply(one_of(self.kinds, kind), kind, id, version, deed)
            done += more
            if outcome.outcome in ("done", "same"):
                done.append(item)
            else:
                failed.append(collision(item, outcome))
        await self._database.write(COUNT_ACTION, self._site.id, number, len(done), len(failed), None)
        if not done and failed:
            raise happened(await named(self._whole, self._site.id, failed))
        failed = await named(self._whole, self._site.id, failed)
        return Decided(str(number), tuple(dict.fromkeys(done)), tuple(failed))

    async def apply(
        self, kinds: Moderated, kind: str, id: int, version: int | None, deed: Deed
    ) -> tuple[list[str], Outcome]:
        """Do a deed to one item, and before that to what hangs on it where the deed is for all of that; gives those."""
        below: list[str] = []
        if deed.action == "thread":
            deed = msgspec.structs.replace(deed, action="delete")
            for one in await kinds.below(id):
                outcome = await kinds.decide(one, None, deed)
                self._moved(outcome)
                if outcome.outcome == "done":
                    below.append(f"{kind}:{one}")
        outcome = await kinds.decide(id, version, deed)
        self._moved(outcome)
        return below, outcome

    def moved(self, positions: Iterable[Position]) -> None:
        """Channels stand elsewhere now."""
        for position in positions:
            self._evict(position)

    def _moved(self, outcome: Outcome) -> None:
        if outcome.position is not None and outcome.outcome == "done":
            self._evict(outcome.position)

    async def _begin(self, staff: Staff, action: str, why: str, filter: str, total: int, target: str = "") -> int:
        rows = await self._database.write(
            INSERT_ACTION, self._site.id, staff.actor, staff.name, action, why, filter, total, target
        )
        return int(rows[0][0])

    async def begin(self, staff: Staff, action: str, found: Found, product: str = "", why: str = "") -> ActionRow:
        """Begin to do *action* to all that matches now, in the background.

        Raises:
            BadField: there is no such action, or nothing matches.
        """
        for _, one in self._of(product):
            # What has nothing that matches has no say.
            if (action not in one.actions or one.reasons) and await one.count(found, 1):
                if action not in one.actions:
                    raise BadField(f"There is no action {action[:20]} for that.", field="action")
                check_reason(one, action, why)
        total = await self.count(found, product, MOST_DECIDED)
        if not total:
            raise BadField("Nothing matches.", field="filter")
        told = msgspec.json.encode({"found": found, "product": product}).decode()
        number = await self._begin(staff, action, why, told, total)
        return await self.action(number)

    async def action(self, number: int) -> ActionRow:
        """An action of the log.

        Raises:
            NotFound: there is none.
        """
        rows = await self._database.read(
            SELECT_ACTION, self._site.id, number, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("There is no such action.")
        return _action(rows.rows[0][:-1])

    async def actions(self, *, before: int | None = None, who: str = "", size: int = 50) -> list[ActionRow]:
        """The newest actions, those before *before*."""
        rows = await self._database.read(
            SELECT_ACTIONS, self._site.id, before, who, size, preference=ReadPreference.PRIMARY
        )
        return [_action(row) for row in rows.rows]

    async def steer(self, number: int, to: Literal["paused", "running", "stopped"]) -> ActionRow:
        """Pause an action that is under way, let it go on, or end it.

        Raises:
            NotFound: there is none; Conflict: it is not under way.
        """
        before = {"paused": ["running"], "running": ["paused"], "stopped": ["running", "paused"]}[to]
        if not await self._database.write(STEER_ACTION, self._site.id, number, to, before):
            now = await self.action(number)
            raise Conflict(f"It is {now.state}.", slug="state")
        return await self.action(number)

    async def undo(self, staff: Staff, number: int) -> Decided:
        """Undo an action: each item that nothing was done to since. What is large goes on in the background.

        Raises:
            NotFound: there is no such action.
            Conflict: it was undone before, or is still under way.
        """
        now = await self.action(number)
        if now.filter is not None and now.done > MOST_ITEMS:
            if not await self._database.write(
                STEER_ACTION, self._site.id, number, "undoing", ["done", "stopped", "paused"]
            ):
                raise Conflict(f"It is {now.state}.", slug="state")
            return Decided(str(number), ())
        if not await self._database.write(
            STEER_ACTION, self._site.id, number, "undone", ["done", "stopped", "paused"]
        ):
            raise Conflict("It was undone before." if now.state == "undone" else f"It is {now.state}.", slug="state")
        done, failed = await self.undo_steps(number, staff.actor, staff.name)
        return Decided(str(number), tuple(done), tuple(await named(self._whole, self._site.id, failed)))

    async def undo_steps(
        self, number: int, who: str, name: str, most: int = MOST_ITEMS * 4
    ) -> tuple[list[str], list[Collision]]:
        """Undo steps of an action that are not undone; gives those that were, and those that could not be.

        Parents were decided on after what hangs on them: they come back first, as their numbers are lower.
        """
        rows = await self._database.read(
            SELECT_STEPS, self._site.id, number, "", most, preference=ReadPreference.PRIMARY
        )
        deed = Deed(action="undo", number=number, who=who, name=name)
        done: list[str] = []
        failed: list[Collision] = []
        for item in sorted((row[0] for row in rows.rows), key=item_id):
            kind, id = item_id(item)
            outcome = await one_of(self.kinds, kind).undo(id, deed)
            self._moved(outcome)
            if outcome.outcome in ("done", "same"):
                done.append(item)
            else:
                failed.append(collision(item, outcome))
        return done, failed

    async def claim(self, staff: Staff, item: str, seconds: int = CLAIM) -> Claim | None:
        """Say that one is at an item, for *seconds* (0: no more); gives who is.

        Raises:
            BadField, NotFound: there are no such items.
            Conflict: a colleague is at it.
        """
        kind, number = item_id(item)
        one_of(self.kinds, kind)
        rows = await self._database.write(
            CLAIM_ITEM, self._site.id, f"{kind}:{number}", staff.actor, staff.name, seconds
        )
        if not rows:
            return None
        claim = Claim(*rows[0])
        if claim.by != staff.actor:
            made = Conflict(f"{claim.name or 'A colleague'} is at it.", slug="claimed")
            made.extra = {"by": claim.name, "until": claim.until}
            raise made
        return claim

    async def author(self, visitor: int, sections: tuple[str, ...] = ()) -> dict[str, Any]:
        """What products know of an author, from what they wrote in *sections* alone where there are some.

        Raises:
            NotFound: nobody of that number wrote here.
        """
        known: dict[str, Any] = {}
        for one in self.kinds.values():
            known |= await one.author(visitor, sections)
        if not known:
            raise NotFound("Nobody of that number wrote here.")
        return known


def _cursor(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63):
        raise BadField("That cursor is not one of ours.", field="cursor")
    return int(text)


def _action(row: tuple[Any, ...]) -> ActionRow:
    id_, who, name, action, why, filter_, *rest = row
    return ActionRow(str(id_), who, name, action, why, msgspec.json.decode(filter_) if filter_ else None, *rest)
