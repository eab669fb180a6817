"""What a site's owner says about chat beyond its settings: hours, forms, greeting, invitations, and ready answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from cackled.cache.types import Loaded
from cackled.database.query import Query, ReadPreference
from cackled.domain import text
from cackled.domain.errors import BadField, NotFound, Outdated
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.chat.forms import Setup
from cackled.products.chat.hours import Hours, opening
from cackled.products.chat.queries import TELL_STATUS
from cackled.products.chat.service import STATUS_TTL, Status, status_channel, write

MOST_REPLIES = 1_000

_REPLY_VERSION = "content_version(row(r.short, r.text, r.language, r.department_id)::text)"
SELECT_SETUP = Query(
    "select_chat_setup",
    """
    select coalesce(max(s.hours), ''), coalesce(max(s.setup), ''), content_version(coalesce(max(s.hours), '')),
      content_version(coalesce(max(s.setup), ''))
    from chat_setup s where s.site_id = $1
    """,
    ("int",),
)
SELECT_LATELY = Query(
    "select_chat_setup_lately",
    """
    select coalesce(max(s.hours), ''), coalesce(max(s.setup), ''),
      coalesce((select h.seq from channel h where h.site_id = $1 and h.id = $2), 0)
    from chat_setup s where s.site_id = $1
    """,
    ("int", "bigint"),
)
SAVE_HOURS = Query(
    "save_chat_hours",
    """
    insert into chat_setup as x (site_id, hours)
    select $1, $2 where $3 = content_version('') or exists (select from chat_setup o where o.site_id = $1)
    on conflict (site_id) do update set hours = excluded.hours where content_version(x.hours) = $3
    returning content_version(x.hours)
    """,
    ("int", "text", "bigint"),
)
SAVE_SETUP = Query(
    "save_chat_setup",
    """
    insert into chat_setup as x (site_id, setup)
    select $1, $2 where $3 = content_version('') or exists (select from chat_setup o where o.site_id = $1)
    on conflict (site_id) do update set setup = excluded.setup where content_version(x.setup) = $3
    returning content_version(x.setup)
    """,
    ("int", "text", "bigint"),
)
SELECT_REPLIES = Query(
    "select_chat_replies",
    f"""
    select json_build_object('id', r.id::text, 'short', r.short, 'text', r.text, 'language', r.language,
      'department', r.department_id::text, 'uses', r.uses, 'version', {_REPLY_VERSION})::text
    from chat_reply r where r.site_id = $1 and ($2::bigint is null or r.id = $2)
    order by r.uses desc, r.short, r.id limit 1000
    """,
    ("int", "bigint"),
)
ADD_REPLY = Query(
    "add_chat_reply",
    """
    insert into chat_reply (site_id, short, text, language, department_id)
    select $1, $2, $3, $4, (select d.id from chat_department d where d.site_id = $1 and d.id = $5)
    where (select count(*) from chat_reply r where r.site_id = $1) < 1000
    on conflict do nothing returning id
    """,
    ("int", "text", "text", "text", "bigint"),
)
CHANGE_REPLY = Query(
    "change_chat_reply",
    f"""
    update chat_reply r set short = $3, text = $4, language = $5,
      department_id = (select d.id from chat_department d where d.site_id = $1 and d.id = $6)
    where r.site_id = $1 and r.id = $2 and {_REPLY_VERSION} = $7 and not exists (
      select from chat_reply x where x.site_id = $1 and x.id <> $2 and x.short = $3 and x.language = $5
        and x.department_id is not distinct from
          (select d.id from chat_department d where d.site_id = $1 and d.id = $6))
    returning r.id
    """,
    ("int", "bigint", "text", "text", "text", "bigint", "bigint"),
)
REMOVE_REPLY = Query(
    "remove_chat_reply", "delete from chat_reply where site_id = $1 and id = $2 returning id", ("int", "bigint")
)
COUNT_REPLY = Query(
    "count_chat_reply", "update chat_reply set uses = uses + 1 where site_id = $1 and id = $2 returning id",
    ("int", "bigint"),
)  # fmt: skip


class Setups:
    """Hours, forms and ready answers of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._database = parts.database.site(site.id)
        self._cache = parts.cache
        self._evict = parts.evict
        self._channel = status_channel(site)

    async def lately(self) -> tuple[Hours, Setup]:
        """As some seconds ago, for first renders."""

        async def load(fresh: bool) -> Loaded:
            preference = ReadPreference.PRIMARY if fresh else ReadPreference.PRIMARY_PREFERRED
            rows = (await self._database.read(SELECT_LATELY, self._site.id, self._channel, preference=preference)).rows
            return Loaded(msgspec.json.encode(list(rows[0][:2])), int(rows[0][2]))

        group = self._site.group(self._channel)
        found = await self._cache.get(group, "setup", load, ttl=STATUS_TTL)
        return _decoded(*msgspec.json.decode(found.value))

    async def now(self) -> tuple[tuple[Hours, int], tuple[Setup, int]]:
        """As the primary has it: the hours and the rest, each with its version."""
        hours, setup, of_hours, of_setup = (await self._read(SELECT_SETUP))[0]
        there, rest = _decoded(hours, setup)
        return (there, of_hours), (rest, of_setup)

    async def open(self) -> tuple[bool, str | None]:
        """Whether it is open at this moment, and when it opens next (as an ISO time)."""
        hours, _ = await self.lately()
        there, following = opening(hours, datetime.now(UTC))
        return there, None if following is None else following.strftime("%Y-%m-%dT%H:%M:%SZ")

    async def states(self, status: Status) -> dict[str, int]:
        """Whether somebody is there at this moment, within the hours, by department; ``""``: of the site."""
        hours, _ = await self.lately()
        now = datetime.now(UTC)
        there, _ = opening(hours, now)
        found = {"": status.state if there else 0}
        for one in status.departments:
            if one.hours:
                own, _ = opening(msgspec.json.decode(one.hours, type=Hours), now)
            else:
                own = there
            found[one.id] = one.state if own else 0
        return found

    async def save_hours(self, hours: Hours, version: int) -> int:
        """Replace the hours of *version*; gives the new one.

        Raises:
            BadField: they mean nothing.
            Outdated: there are others by now.
        """
        hours.check()
        return await self._replace(SAVE_HOURS, hours, version)

    async def save(self, setup: Setup, version: int) -> tuple[Setup, int]:
        """Replace the rest of *version*; gives what was stored, and its version.

        Raises:
            Outdated: it was changed meanwhile.
            BadField: two fields or rules have the same name, a choice has no options, the picture is no https address.
        """
        for field, names in (
            ("before", [one.name for one in setup.before]), ("offline", [one.name for one in setup.offline]),
            ("invitations", [one.id for one in setup.invitations]),
        ):  # fmt: skip
            if len(set(names)) < len(names):
                raise BadField("Each name is there once.", field=field)
        for one in (*setup.before, *setup.offline):
            if one.kind == "choice" and not one.options:
                raise BadField("A choice has options.", field=one.name)
        avatar = setup.greeting.avatar
        if avatar and not avatar.startswith("https://"):
            raise BadField("The address of a picture begins with https://.", field="greeting.avatar")
        clean: Setup = _cleaned(setup)
        return clean, await self._replace(SAVE_SETUP, clean, version)

    async def _replace(self, query: Query, value: Struct, version: int) -> int:
        rows = await self._write(query, msgspec.json.encode(value).decode(), version)
        if not rows:
            raise Outdated
        await self.told()
        return int(rows[0][0])

    async def told(self) -> None:
        """First renders of before are out of date, on all nodes."""
        rows = await self._write(TELL_STATUS, self._channel)
        self._evict(self._site.position(self._channel, int(rows[0][0])))

    async def replies(self, one: int | None = None) -> list[str]:
        """The ready answers as JSON, the most used first."""
        return [row[0] for row in await self._read(SELECT_REPLIES, one)]

    async def add_reply(self, short: str, words: str, language: str, department: int | None) -> str:
        """A new ready answer, as JSON.

        Raises:
            BadField: there is one with that name, or there are a thousand.
        """
        rows = await self._write(ADD_REPLY, *_reply(short, words, language), department)
        if not rows:
            raise BadField(f"There is a reply of that name, or there are {MOST_REPLIES}.", field="short")
        return (await self.replies(int(rows[0][0])))[0]

    async def change_reply(
        self, number: int, short: str, words: str, language: str, department: int | None, version: int
    ) -> str:
        """Change a ready answer of *version*; gives it as JSON.

        Raises:
            NotFound: there is none.
            Outdated: it was changed meanwhile.
            BadField: another has that name.
        """
        done = await self._write(CHANGE_REPLY, number, *_reply(short, words, language), department, version)
        there = await self.replies(number)
        if not there:
            raise no_reply()
        if not done:
            if msgspec.json.decode(there[0])["version"] != version:
                raise Outdated
            raise BadField("There is a reply of that name.", field="short")
        return there[0]

    async def remove_reply(self, number: int) -> None:
        """Remove a ready answer.

        Raises:
            NotFound: there is none.
        """
        if not await self._write(REMOVE_REPLY, number):
            raise no_reply()

    async def used_reply(self, number: int) -> None:
        """Count that a ready answer was sent.

        Raises:
            NotFound: there is none.
        """
        if not await self._write(COUNT_REPLY, number):
            raise no_reply()

    async def _read(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        found = await self._database.read(query, self._site.id, *args, preference=ReadPreference.PRIMARY_PREFERRED)
        return list(found.rows)

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        return await write(self._database, query, self._site.id, *args)


def no_reply() -> NotFound:
    """There is no such ready answer."""
    return NotFound("There is no such reply.", slug="reply")


def _reply(short: str, words: str, language: str) -> tuple[str, str, str]:
    name = text.clean_words(short, 60).strip()
    if not name:
        raise BadField("A reply has a name.", field="short")
    return name, text.clean_text(words, 4_000), text.clean_words(language, 20)


def _decoded(hours: str, setup: str) -> tuple[Hours, Setup]:
    return (
        msgspec.json.decode(hours, type=Hours) if hours else Hours(),
        msgspec.json.decode(setup, type=Setup) if setup else Setup(),
    )


def _cleaned(value: Any) -> Any:
    """*value* with clean texts, however deep."""
    if isinstance(value, str):
        return text.clean_words(value, 2_000)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, Struct):
        fields = value.__struct_fields__
        return type(value)(**{name: _cleaned(getattr(value, name)) for name in fields})
    return value
