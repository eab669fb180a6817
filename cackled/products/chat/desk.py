"""Conversations as operators see and answer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cackled.database.query import Query, ReadPreference
from cackled.domain import text
from cackled.domain.activity import Doings, doings
from cackled.domain.bans import Bans
from cackled.domain.errors import BadField, Conflict, Unprocessable
from cackled.domain.locks import locks_of
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.events import Position
from cackled.products.chat import queries
from cackled.products.chat.service import Written, no_chat, status_channel, write
from cackled.products.chat.staff_answers import ListQuery

# Waiting conversations that are handed out at one go.
MOST_ROUTED = 50
# Characters of a note.
MOST_NOTE = 4_000
STATES = ("waiting", "mine", "open", "offline", "closed", "snoozed", "spam", "all")


class Desks:
    """The operators of one site; *number* makes random numbers of 62 bits."""

    def __init__(self, parts: ServiceParts, site: Site, number: Callable[[], int]) -> None:
        self._site = site
        self._database = parts.database.site(site.id)
        self._evict = parts.evict
        self._number = number
        self._bans = Bans(site, parts.database)
        self._all, self._activity = parts.database, parts.activity
        self._channel = status_channel(site)

    async def listed(self, me: int, asked: ListQuery) -> tuple[list[str], str]:
        """Conversations as JSON rows, and the cursor of the next page (``""``: there is none).

        Raises:
            BadField: the cursor is none of ours.
        """
        at, number = _cursor(asked.cursor)
        state, size = asked.state, asked.size
        if asked.department and not _is_number(asked.department):
            raise BadField("department is an id.", field="department")
        words = asked.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").strip()
        like = f"%{words}%" if words else ""
        label = text.clean_words(asked.label, 40)
        args: tuple[Any, ...] = (self._site.id, size + 1, like, at, number, int(asked.department or 0), label)
        query = queries.LIST_WAITING if state == "waiting" else queries.LIST_CHATS
        if state != "waiting":
            args = (*args, state, me)
        rows = (await self._database.read(query, *args, preference=ReadPreference.PRIMARY_PREFERRED)).rows
        after = f"{rows[size - 1][1]}_{rows[size - 1][2]}" if len(rows) > size else ""
        return [row[0] for row in rows[:size]], after

    async def counts(self, me: int) -> tuple[int, int, int]:
        """How many wait, how many open ones the caller has, and how many are open."""
        rows = await self._database.read(
            queries.COUNT_CHATS, self._site.id, me, preference=ReadPreference.PRIMARY_PREFERRED
        )
        waiting, mine, there = rows.rows[0]
        return int(waiting), int(mine), int(there)

    async def card(self, chat: int, address: bool) -> tuple[str, str, str]:
        """What is known of the visitor, which operators look at the conversation, and its row, as JSON.

        *address*: with the network address.
        """
        rows = await self._database.read(
            queries.SELECT_CARD, self._site.id, chat, address, preference=ReadPreference.PRIMARY_PREFERRED
        )
        if not rows.rows:
            raise no_chat()
        return rows.rows[0]

    async def activity(self, chat: int, staff: Staff) -> list[Doings]:
        """What the conversation's visitor did elsewhere on the site.

        Where not everybody may read everything, or the visitor keeps it private, only who moderates the whole site is
        given words.
        """
        rows = await self._database.read(
            queries.SELECT_WHOSE, self._site.id, chat, preference=ReadPreference.PRIMARY_PREFERRED
        )
        if not rows.rows:
            raise no_chat()
        visitor, hidden = rows.rows[0]
        settings = self._site.settings
        if settings.private or locks_of(settings).any:
            hidden = True
        words = not hidden or (staff.may("moderator") and not staff.sections)
        return await doings(self._all, self._site, visitor, self._activity, words=words)

    async def take(self, chat: int, staff: Staff, over: bool) -> int:
        """Take a conversation; from a colleague only with *over*.

        Raises:
            Refused: it is closed, or a colleague has it.
        """
        await self.beat(staff, None, look=False)
        return await self._told(queries.TAKE_CHAT, chat, staff.account, over)

    async def hand_over(self, chat: int, member: str, department: str) -> int:
        """Hand a conversation to an operator, or to a department's queue (neither: to everybody's).

        Raises:
            Refused: there is no such operator or department.
        """
        account = _account(member) if member else None
        if department and not _is_number(department):
            raise BadField("department is an id.", field="department")
        seq = await self._told(
            queries.HAND_OVER_CHAT, chat, account, int(department) if department else None, "transferred"
        )
        if account is None:
            await self.route()
        return seq

    async def invite(self, chat: int, member: str) -> int:
        """Ask a colleague to help.

        Raises:
            Refused: there is no such operator.
        """
        return await self._told(queries.INVITE_TO_CHAT, chat, _account(member))

    async def leave(self, chat: int, staff: Staff) -> int:
        """Help no longer, or give a conversation back to the queue."""
        seq = await self._told(queries.LEAVE_CHAT, chat, staff.account)
        await self.route()
        return seq

    async def block(self, chat: int, kinds: list[str], until: float | None, who: str) -> list[str]:
        """Ban whoever wrote a conversation, by each of *kinds* that is known of them; gives those.

        *kinds*: ``visitor``, ``address``, ``mail``; *until*: seconds since 1970.

        Raises:
            Unprocessable: nothing of that is known.
        """
        rows = await self._database.read(
            queries.SELECT_BLOCKABLE, self._site.id, chat, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise no_chat()
        known = dict(zip(("visitor", "address", "mail"), rows.rows[0], strict=True))
        done = [kind for kind in dict.fromkeys(kinds) if known[kind]]
        if not done:
            raise Unprocessable("That is not known of this visitor.", slug="not-known", field="kinds")
        for kind in done:
            await self._bans.ban(kind, known[kind], until, note="chat", who=who)
        return done

    async def reopen(self, chat: int) -> int:
        """Open a closed conversation again."""
        seq = await self._told(queries.REOPEN_CHAT, chat)
        await self.route()
        return seq

    async def snooze(self, chat: int, seconds: int) -> int:
        """Put a conversation aside for so many seconds, or until its visitor writes."""
        return await self._told(queries.SNOOZE_CHAT, chat, seconds)

    async def label(self, chat: int, labels: list[str]) -> int:
        """Give a conversation these labels."""
        clean = sorted({text.clean_words(one, 40) for one in labels} - {""})
        return await self._told(queries.LABEL_CHAT, chat, clean)

    async def note(self, chat: int, staff: Staff, words: str) -> Written:
        """Write a note for colleagues; the visitor never sees it."""
        clean = text.clean_text(words, MOST_NOTE)
        rows = await self._write(queries.NOTE_IN_CHAT, chat, staff.account or None, staff.name, clean)
        return Written(*rows[0])

    async def beat(self, staff: Staff, viewing: int | None, *, look: bool = True) -> tuple[str, int, int]:
        """Note that an operator is there and (*look*) what they look at.

        Gives their state, where the operators' channel stood before, and its number (both 0 where there is none).

        Operators are online from their first look on. Who else may answer, such as an owner, is away until they choose.
        """
        first = "online" if look and staff.role == "operator" else "away"
        rows = await self._write(
            queries.BEAT_DESK, staff.account, staff.name, viewing if look else None, first, self._channel, staff.picture
        )
        if rows[0][0] == "online" and look:
            await self.route()
        return str(rows[0][0]), int(rows[0][1]), int(rows[0][2])

    async def change(
        self, staff: Staff, state: str | None, capacity: int | None, departments: list[str] | None,
        languages: list[str] | None, skills: list[str] | None = None,
    ) -> str:
        """Change an operator's own desk; gives it as JSON."""
        numbers = None if departments is None else [int(one) for one in departments if _is_number(one)]
        words = None if languages is None else [text.clean_words(one, 20) for one in languages]
        able = None if skills is None else _clean(skills)
        rows = await self._write(
            queries.SET_DESK, staff.account, staff.name, state, capacity, numbers, words, able, self._channel
        )
        # First renders say at once whether somebody is there.
        told = await self._database.write(queries.SELECT_SEQ, self._site.id, self._channel)
        if told:
            self._evict(self._site.position(self._channel, int(told[0][0])))
        await self.route()
        return str(rows[0][0])

    async def desks(self, me: int) -> list[str]:
        """The desks of operators as JSON, the caller's first if there is one."""
        rows = await self._database.read(
            queries.SELECT_DESKS, self._site.id, me, preference=ReadPreference.PRIMARY_PREFERRED
        )
        return [row[0] for row in rows.rows]

    async def route(self) -> int:
        """Hand out waiting conversations while somebody has room; gives how many."""
        for done in range(MOST_ROUTED):
            rows = await self._database.write(queries.ROUTE_CHAT, self._site.id)
            if not rows:
                return done
            self._evict(self._site.position(rows[0][2], rows[0][3]))
        return MOST_ROUTED

    async def place(self) -> Position:
        """Where the operators' live channel stands; made where there is none."""
        args = (self._site.id, self._number())
        rows = await self._database.write(queries.OPERATORS_CHANNEL, *args)
        if not rows:  # made by this very statement: what it made it does not see
            rows = await self._database.write(queries.OPERATORS_CHANNEL, *args)
        return self._site.position(rows[0][0], rows[0][1])

    async def add_department(self, name: str, hours: str = "", skills: Sequence[str] = ()) -> tuple[int, int]:
        """Add a department with *hours* as JSON (``""``: those of the site); gives its id and version.

        Raises:
            Conflict: there are 200.
        """
        rows = await self._write(queries.ADD_DEPARTMENT, _name(name), hours, _clean(skills))
        if not rows:
            raise Conflict("A site has at most 200 departments.", slug="departments")
        return int(rows[0][0]), int(rows[0][1])

    async def change_department(
        self, number: int, name: str, hours: str | None, skills: list[str] | None, version: int
    ) -> tuple[str, str, list[str], int] | None:
        """Change a department of *version* (None: as it is); gives name, hours, skills and the new version, None where
        there is none of that version."""
        able = None if skills is None else _clean(skills)
        rows = await self._write(queries.RENAME_DEPARTMENT, number, _name(name), hours, able, version)
        return (rows[0][1], rows[0][2], list(rows[0][3]), rows[0][4]) if rows else None

    async def remove_department(self, number: int) -> bool:
        """Remove a department; False where there is none. Its conversations wait for anybody."""
        return bool(await self._write(queries.REMOVE_DEPARTMENT, number))

    async def _told(self, query: Query, *args: Any) -> int:
        return int((await self._write(query, *args))[0][0])

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        return await write(self._database, query, self._site.id, *args)


def _name(words: str) -> str:
    clean = text.clean_words(words, 60)
    if not clean:
        raise BadField("A department has a name.", field="name")
    return clean


def _clean(skills: Sequence[str]) -> list[str]:
    return sorted({text.clean_words(one, 40) for one in skills} - {""})


def _account(member: str) -> int:
    number = member.removeprefix("account:")
    if not _is_number(number):
        raise BadField("member is an operator's id.", field="member")
    return int(number)


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 18


def _cursor(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "0", 0
    at, _, number = cursor.partition("_")
    if not (_is_number(at.replace(".", "", 1)) and number.isascii() and number.isdigit() and len(number) <= 19):
        raise BadField("That cursor is none of ours.", field="cursor")
    return at, int(number)
