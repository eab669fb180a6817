"""The conversations of a site, taken out whole: JSON lines with all that is known, or a table of messages.

Each reads the database in steps and keeps no more than a step in memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.importing.exports import Export

STEP = 500
SELECT_CHATS = Query(
    "export_chats",
    """
    select c.id, json_build_object('type', 'chat', 'id', c.id::text, 'state', c.state, 'visitor', c.visitor_id::text,
      'name', c.name, 'email', c.mail, 'person', c.person, 'address', coalesce(host(c.address), ''),
      'country', c.country, 'language', c.language, 'agent', c.agent, 'referrer', c.referrer, 'pages', c.trail::json,
      'fields', c.fields::json, 'attributes', c.attributes::json, 'tags', c.tags,
      'labels', c.labels, 'consent', c.consent,
      'department', (select d.name from chat_department d where d.site_id = c.site_id and d.id = c.department_id),
      'operator', case when c.assignee is not null then 'account:' || c.assignee end,
      'created', chat_time(c.created_at), 'accepted', chat_time(c.accepted_at), 'answered', chat_time(c.answered_at),
      'closed', chat_time(c.closed_at), 'closed_by', c.closed_by, 'reason', c.reason, 'rating', c.score,
      'opinion', c.opinion)::text
    from chat c where c.site_id = $1 and c.id > $2 order by c.id limit $3
    """,
    ("int", "bigint", "int"),
)
SELECT_WORDS = Query(
    "export_chat_messages",
    """
    select m.id, json_build_object('type', 'message', 'id', m.id::text, 'chat', m.chat_id::text, 'seq', m.seq,
      'kind', m.kind, 'from', m.sender,
      'author', coalesce(m.visitor_id::text, 'account:' || m.account_id, ''), 'name', m.author_name, 'text', m.text,
      'files', m.files::json, 'event', case when m.event <> '' then m.event::json end, 'quick', m.quick,
      'created', chat_time(m.created_at), 'edited', chat_time(m.edited_at), 'deleted', m.deleted)::text
    from chat_message m where m.site_id = $1 and m.id > $2 order by m.id limit $3
    """,
    ("int", "bigint", "int"),
)
# What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("chat", "id", "created", "from", "kind", "name", "text", "event", "files")


async def _steps(database: Database, site: Site, query: Query) -> AsyncIterator[list[str]]:
    own, last = database.site(site.id), -1
    while True:
        rows = (await own.read(query, site.id, last, STEP, preference=ReadPreference.SECONDARY_PREFERRED)).rows
        if not rows:
            return
        yield [row[1] for row in rows]
        last = rows[-1][0]


async def write_jsonl(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """All that there is, a JSON object a line: conversations, then what was said, notes too."""
    head = {"type": "export", "version": 1, "product": "chat", "site": site.id, "name": site.name}
    yield msgspec.json.encode(head) + b"\n"
    for query in (SELECT_CHATS, SELECT_WORDS):
        async for some in _steps(database, site, query):
            yield b"".join(msgspec.json.format(one.encode(), indent=-1) + b"\n" for one in some)


async def write_csv(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """What was said, a line each, for tables."""
    yield "\N{ZERO WIDTH NO-BREAK SPACE}".encode() + _rows([list(COLUMNS)])
    async for some in _steps(database, site, SELECT_WORDS):
        yield _rows([_row(msgspec.json.decode(one)) for one in some])


def _row(one: dict[str, Any]) -> list[str]:
    event = (one["event"] or {}).get("name", "")
    cells = [str(one[name]) for name in COLUMNS[:-2]]
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells] + [event, str(len(one["files"]))]


def _rows(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


EXPORTS = (
    Export(name="jsonl", title="JSON lines (complete)", ending=".jsonl", media="text/plain", write=write_jsonl),
    Export(name="csv", title="Table (CSV)", ending=".csv", media="text/csv", write=write_csv),
)
