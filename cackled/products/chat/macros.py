"""Macros: several things that operators do with a conversation, by one name. All of them are done, or none."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.domain import text
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField, NotFound, Outdated, Refused
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.products.chat import refusals
from cackled.products.chat.service import no_chat, write
from cackled.products.chat.settings import ChatSettings

MOST_MACROS = 200
# After these nothing more is done with a conversation.
_LAST = ("transfer", "snooze", "close", "spam")
# Variables of texts, with what stands for what is not known: {visitor.name|there}.
_VARIABLE = re.compile(r"\{(\w{1,20}\.\w{1,20})(?:\|([^{}]*))?\}")
_SPACE = re.compile(r"[ \t]+([,.!?])")
_ONE = ("int", "bigint")

_VERSION = "content_version(row(m.name, m.department_id, m.steps)::text)"
_MACRO = f"""json_build_object('id', m.id::text, 'name', m.name, 'department', m.department_id::text,
      'steps', m.steps::json, 'uses', m.uses, 'version', {_VERSION})::text"""
SELECT_MACROS = Query(
    "select_chat_macros",
    f"""
    select {_MACRO} from chat_macro m where m.site_id = $1 and ($2::bigint is null or m.id = $2)
    order by m.uses desc, m.name, m.id limit {MOST_MACROS}
    """,
    _ONE,
)
ADD_MACRO = Query(
    "add_chat_macro",
    f"""
    insert into chat_macro (site_id, name, department_id, steps)
    select $1, $2, (select d.id from chat_department d where d.site_id = $1 and d.id = $3), $4
    where (select count(*) from chat_macro m where m.site_id = $1) < {MOST_MACROS}
    on conflict do nothing returning id
    """,
    ("int", "text", "bigint", "text"),
)
CHANGE_MACRO = Query(
    "change_chat_macro",
    f"""
    update chat_macro m set name = $3, steps = $5,
      department_id = (select d.id from chat_department d where d.site_id = $1 and d.id = $4)
    where m.site_id = $1 and m.id = $2 and {_VERSION} = $6 and not exists (
      select from chat_macro x where x.site_id = $1 and x.id <> $2 and x.name = $3)
    returning m.id
    """,
    ("int", "bigint", "text", "bigint", "text", "bigint"),
)
REMOVE_MACRO = Query("remove_chat_macro", "delete from chat_macro where site_id = $1 and id = $2 returning id", _ONE)
# What the variables of a macro stand for in a conversation.
SELECT_FACTS = Query(
    "select_chat_facts",
    """
    select c.name, c.mail, coalesce(c.trail::json -> -1 ->> 'title', ''), coalesce(c.trail::json -> -1 ->> 'url', ''),
      coalesce((select d.name from chat_department d where d.site_id = c.site_id and d.id = c.department_id), '')
    from chat c where c.site_id = $1 and c.id = $2
    """,
    _ONE,
)
RUN_MACRO = Query(
    "run_chat_macro", "select run_chat_macro($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "bigint", "bigint", "text", "text", "bigint", "boolean", "text"),
)  # fmt: skip


class Step(Struct, frozen=True, omit_defaults=True):
    """One thing to do: ``text`` of a reply or note, ``labels`` to add, ``member`` or ``department`` of a transfer.

    ``seconds``: for how long to put it aside; ``reason``: why it is closed.
    """

    do: Literal["reply", "note", "label", "take", "transfer", "snooze", "close", "spam"]
    text: Annotated[str, Meta(max_length=4_000)] = ""
    labels: Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=20)] = []
    member: Annotated[str, Meta(max_length=30)] = ""
    department: Annotated[str, Meta(max_length=20)] = ""
    seconds: Annotated[int, Meta(ge=0, le=31_536_000)] = 0
    reason: Annotated[str, Meta(max_length=200)] = ""


class MacroBody(Struct, frozen=True):
    """A macro: its steps in their order. ``department``: whom it is offered to; empty: to all."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    steps: Annotated[list[Step], Meta(min_length=1, max_length=10)]
    department: Annotated[str, Meta(max_length=20)] | None = None


class Macro(Struct, frozen=True):
    """A macro, and how often it was run. ``version``: its ETag."""

    id: str
    name: str
    department: str | None
    steps: list[Step]
    uses: int
    version: int


def filled(words: str, facts: dict[str, str]) -> str:
    """*words* with what their variables stand for, as the console fills ready answers.

    What is no variable stays as it is; what a value holds is never read as one.
    """

    def value(found: re.Match[str]) -> str:
        name, other = found[1], found[2] or ""
        return (facts[name] or other) if name in facts else found[0]

    return _SPACE.sub(r"\1", _VARIABLE.sub(value, words))


def checked(steps: list[Step]) -> list[Step]:
    """The steps as they are kept.

    Raises:
        BadField: one lacks what it needs, or comes after what ends the work on a conversation.
        Unprocessable: a text says nothing.
    """
    made = []
    for n, one in enumerate(steps):
        field = f"steps.{n}"
        if n and steps[n - 1].do in _LAST:
            raise BadField("Nothing comes after a transfer, a snooze or a close.", field=field)
        labels = sorted({text.clean_words(label, 40) for label in one.labels} - {""})
        wants: dict[str, bool] = {
            "reply": bool(one.text.strip()), "note": bool(one.text.strip()), "label": bool(labels),
            "snooze": one.seconds >= 60,
        }  # fmt: skip
        if not wants.get(one.do, True):
            raise BadField("This step says nothing.", field=field)
        if one.member and one.department:
            raise BadField("A transfer is to a person or a department.", field=field)
        if one.do == "transfer":
            for number in filter(None, (one.member.removeprefix("account:"), one.department)):
                parse_id(number, field)
        kept: dict[str, dict[str, Any]] = {
            "reply": {"text": one.text}, "note": {"text": one.text}, "label": {"labels": labels},
            "transfer": {"member": one.member, "department": one.department}, "snooze": {"seconds": one.seconds},
            "close": {"reason": text.clean_words(one.reason, 200)},
        }  # fmt: skip
        if "text" in kept.get(one.do, {}):
            kept[one.do]["text"] = text.clean_text(one.text, 4_000)
        made.append(Step(do=one.do, **kept.get(one.do, {})))
    return made


class Macros:
    """The macros of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._settings = site.product(ChatSettings)
        self._database = parts.database.site(site.id)

    async def listed(self, one: int | None = None) -> list[str]:
        """The macros as JSON, the most used first."""
        found = await self._database.read(
            SELECT_MACROS, self._site.id, one, preference=ReadPreference.PRIMARY_PREFERRED
        )
        return [row[0] for row in found.rows]

    async def add(self, body: MacroBody) -> str:
        """A new macro, as JSON.

        Raises:
            BadField: there is one with that name, or there are two hundred.
        """
        rows = await self._write(ADD_MACRO, *_row(body))
        if not rows:
            raise BadField(f"There is a macro of that name, or there are {MOST_MACROS}.", field="name")
        return (await self.listed(int(rows[0][0])))[0]

    async def change(self, number: int, body: MacroBody, version: int) -> tuple[str, int]:
        """Replace a macro of *version*; gives it as JSON, and its version.

        Raises:
            NotFound: there is none.
            Outdated: it was changed meanwhile.
            BadField: another has that name.
        """
        done = await self._write(CHANGE_MACRO, number, *_row(body), version)
        there = await self.listed(number)
        if not there:
            raise no_macro()
        now = int(msgspec.json.decode(there[0])["version"])
        if not done:
            if now != version:
                raise Outdated
            raise BadField("There is a macro of that name.", field="name")
        return there[0], now

    async def remove(self, number: int) -> None:
        """Remove a macro.

        Raises:
            NotFound: there is none.
        """
        if not await self._write(REMOVE_MACRO, number):
            raise no_macro()

    async def run(self, chat: int, number: int, staff: Staff, key: str, seen: int | None) -> int:
        """Carry out a macro in a conversation, in one transaction; gives the conversation's seq.

        *key*: the same again does nothing; *seen* as of a message. Each step has the rights and limits of the deed that
        it is.

        Raises:
            Refused: a step was; ``extra["step"]`` is its place, from 0. Nothing was done then.
        """
        there = await self.listed(number)
        if not there:
            raise no_macro()
        found = await self._database.read(
            SELECT_FACTS, self._site.id, chat, preference=ReadPreference.PRIMARY_PREFERRED
        )
        if not found.rows:
            raise no_chat()
        name, mail, title, url, department = found.rows[0]
        facts = {
            "visitor.name": name, "visitor.mail": mail, "operator.name": staff.name, "page.title": title,
            "page.url": url, "site.name": self._site.name, "department.name": department,
        }  # fmt: skip
        macro = msgspec.json.decode(there[0], type=Macro)
        steps = [self._ready(n, one, facts) for n, one in enumerate(macro.steps)]
        try:
            rows = await self._database.write(
                RUN_MACRO, self._site.id, chat, number, staff.account, staff.name, key, seen,
                self._settings.assignee_only, msgspec.json.encode(steps).decode(),
            )  # fmt: skip
        except QueryFailed as error:
            refused = refusals.find(error.sqlstate, error.message)
            if refused is None:
                raise
            step = re.match(r"\s*(\d{1,2}) ", error.message)
            raise _at(int(step[1]), refused) if step else refused from None
        return int(rows[0][0])

    def _ready(self, n: int, one: Step, facts: dict[str, str]) -> dict[str, Any]:
        made: dict[str, Any] = {"do": one.do, "labels": one.labels, "seconds": one.seconds, "reason": one.reason}
        if one.do in ("reply", "note"):
            try:
                made["text"] = text.clean_text(filled(one.text, facts), self._settings.max_length)
            except Refused as error:
                raise _at(n, error) from None
            made["html"] = text.render(made["text"]) if one.do == "reply" else ""
        made["member"] = one.member.removeprefix("account:") or None
        made["department"] = one.department or None
        return made

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        return await write(self._database, query, self._site.id, *args)


def no_macro() -> NotFound:
    """There is no such macro."""
    return NotFound("There is no such macro.", slug="macro")


def _at(step: int, error: Refused) -> Refused:
    error.extra = {**error.extra, "step": step}
    return error


def _row(body: MacroBody) -> tuple[str, int | None, str]:
    name = text.clean_words(body.name, 60)
    if not name:
        raise BadField("A macro has a name.", field="name")
    department = parse_id(body.department, "department") if body.department else None
    return name, department, msgspec.json.encode(checked(body.steps)).decode()
