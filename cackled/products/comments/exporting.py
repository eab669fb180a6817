"""The comments of a site, taken out whole: as JSON lines, for WordPress, as Disqus exports, as a table.

Each reads the database in steps and keeps no more than a step in memory. JSON lines hold all that an import needs to
make the same comments again; the others what their readers know.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.importing.exports import Export
from cackled.importing.signed_lines import line_key
from cackled.products.comments.exported_pictures import addresses, images, pictures
from cackled.products.comments.follows_export import write_follows
from cackled.products.comments.mentions import readable

STEP = 500
_STATES = ("pending", "approved", "spam", "rejected", "deleted")
SELECT_PAGES = Query(
    "export_pages",
    """
    select h.id, h.key, h.url, h.title, h.locked, to_char(h.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    from channel h where h.site_id = $1 and h.product = 'comments' and h.id > $2 order by h.id limit $3
    """,
    ("int", "bigint", "int"),
)
SELECT_COMMENTS = Query(
    "export_comments",
    """
    with step as materialized (
      select x.* from comment x where x.site_id = $1 and x.id > $2 and not x.shadow order by x.id limit $3
    ), voted as materialized (
      select v.comment_id, json_agg(json_build_array(v.visitor_id::text, v.value))::text as votes from vote v
      where v.site_id = $1 and v.counted and v.channel_id in (select x.channel_id from step x where x.up + x.down > 0)
        and v.comment_id in (select x.id from step x)
      group by v.comment_id
    )
    select c.id, c.channel_id, c.parent_id, c.visitor_id, c.author_name, coalesce(nullif(p.email, ''), a.email, ''),
      coalesce(nullif(p.url, ''), a.url, ''), coalesce(nullif(p.avatar, ''), a.avatar, ''), coalesce(host(c.ip), ''),
      c.src, c.html, c.status, c.up, c.down,
      to_char(c.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
      to_char(c.edited_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), c.featured, c.locked,
      c.id = any(k.pinned), p.visitor_id is not null, w.votes, c.media,
      case when c.media <> '' then (select json_object_agg(m.id, encode(m.hash, 'hex'))::text from media m
        where m.site_id = $1 and m.id in (select picture_numbers(c.media))) end
    from step c
    left join voted w on w.comment_id = c.id
    left join person p on p.site_id = $1 and p.visitor_id = c.visitor_id
    left join lateral (
      select x.email, x.url, x.avatar from import_author x where x.site_id = $1 and x.visitor_id = c.visitor_id limit 1
    ) a on true
    left join comment_channel k on k.site_id = $1 and k.channel_id = c.channel_id
    order by c.id
    """,
    ("int", "bigint", "int"),
)
_PAGE = ("id", "key", "url", "title", "closed", "created")
_COMMENT = (
    "id", "page", "parent", "visitor", "name", "email", "link", "avatar", "address", "text", "html", "status", "up",
    "down", "created", "edited", "featured", "locked", "pinned", "person", "votes", "media", "hashes",
)  # fmt: skip
Row = Mapping[str, Any]


async def _steps(database: Database, site: Site, query: Query, names: tuple[str, ...]) -> AsyncIterator[list[Row]]:
    own = database.site(site.id)
    last = -1
    while True:
        rows = (await own.read(query, site.id, last, STEP, preference=ReadPreference.SECONDARY_PREFERRED)).rows
        if not rows:
            return
        yield [dict(zip(names, row, strict=True)) for row in rows]
        last = rows[-1][0]


def pages(database: Database, site: Site) -> AsyncIterator[list[Row]]:
    """The pages of a site, some at a time."""
    return _steps(database, site, SELECT_PAGES, _PAGE)


def comments(database: Database, site: Site) -> AsyncIterator[list[Row]]:
    """The comments of a site, the oldest first, some at a time; not those that nobody but their author sees."""
    return _steps(database, site, SELECT_COMMENTS, _COMMENT)


async def write_jsonl(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """All that there is, a JSON object a line, each signed."""
    key = await line_key(database, site.id)

    def line(value: Mapping[str, Any]) -> bytes:
        return key.signed(msgspec.json.encode(value)) + b"\n"

    yield line({"type": "export", "version": 1, "product": "comments", "site": site.id, "name": site.name})
    async for some in pages(database, site):
        yield b"".join(
            line({"type": "page", "id": str(one["id"]), "key": one["key"], "url": one["url"], "title": one["title"],
                  "closed": one["closed"]}) for one in some)  # fmt: skip
    async for some in comments(database, site):
        yield b"".join(line(_comment(one, base)) for one in some)


def _comment(one: Row, base: str) -> dict[str, Any]:
    author = {"id": str(one["visitor"]), "name": one["name"], "email": one["email"], "url": one["link"],
              "avatar": one["avatar"]}  # fmt: skip
    made: dict[str, Any] = {
        "type": "comment", "id": str(one["id"]), "page": str(one["page"]),
        "parent": None if one["parent"] is None else str(one["parent"]), "created": one["created"],
        "edited": one["edited"], "author": author, "address": one["address"], "text": one["text"],
        "state": _STATES[one["status"]], "up": one["up"], "down": one["down"],
        "votes": msgspec.json.decode(one["votes"]) if one["votes"] else [],
    }  # fmt: skip
    if one["media"]:
        made["media"] = pictures(one, base)
    return made | {name: True for name in ("featured", "locked", "pinned") if one[name]}


# A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "id", "page", "url", "title", "parent", "created", "edited", "state", "name", "email", "link", "address", "up",
    "down", "text", "pictures",
)  # fmt: skip


async def write_csv(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """A table: a comment a line, for spreadsheets."""
    with _Pages() as known:
        await known.fill(database, site)
        yield ("\ufeff" + _csv([_COLUMNS])).encode()
        async for some in comments(database, site):
            yield _csv([_cells(one, known.get(one["page"]), base) for one in some]).encode()


def _cells(one: Row, page: Row, base: str) -> list[str]:
    told = {**one, "page": page["key"], "url": page["url"], "title": page["title"], "state": _STATES[one["status"]],
            "text": readable(one["text"]), "pictures": addresses(one, base)}  # fmt: skip
    cells = ["" if told[name] is None else str(told[name]) for name in _COLUMNS]
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]


def _csv(rows: Iterable[Iterable[str]]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\r\n").writerows(rows)
    return made.getvalue()


class _Pages:
    """The pages of a site, and what is to be written below them, in a file: they are asked for out of order."""

    def __enter__(self) -> _Pages:
        self._file = tempfile.NamedTemporaryFile(prefix="cackled-export-")
        self._db = sqlite3.connect(self._file.name, isolation_level=None)
        self._db.executescript(
            "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -8000;"
            "create table page (id integer primary key, told blob);"
            "create table item (page integer, id integer, written text, primary key (page, id)) without rowid; begin;"
        )
        return self

    def __exit__(self, *given: object) -> None:
        self._db.close()
        self._file.close()

    async def fill(self, database: Database, site: Site) -> None:
        async for some in pages(database, site):
            rows = [(one["id"], msgspec.json.encode(one)) for one in some]
            self._db.executemany("insert or replace into page values (?, ?)", rows)

    def get(self, page: int) -> Row:
        row = self._db.execute("select told from page where id = ?", (page,)).fetchone()
        return {"id": page, "key": "", "url": "", "title": "", "closed": False, "created": ""} if row is None else (
            msgspec.json.decode(row[0]))  # fmt: skip

    def put(self, rows: list[tuple[int, int, str]]) -> None:
        self._db.executemany("insert or replace into item values (?, ?, ?)", rows)

    def each(self) -> Iterable[tuple[int, str]]:
        """Page and item, page by page."""
        return self._db.execute("select page, written from item order by page, id")


# What XML can't hold, and what would end a CDATA section.
_XML_BAD = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535))


# What other systems know nothing of.
_MENTION = re.compile(r'<span class="mention-[0-9]+">(@[^<]*)</span>')


def _shared(html: str) -> str:
    """HTML as other systems take it: a mention is the name alone."""
    return _MENTION.sub(r"\1", html)


def _text(value: object) -> str:
    return escape(str(value).translate(_XML_BAD))


def _cdata(value: str) -> str:
    return "<![CDATA[" + value.translate(_XML_BAD).replace("]]>", "]]]]><![CDATA[>") + "]]>"


def _when(iso: str) -> str:
    return f"{iso[:10]} {iso[11:19]}"


_WXR_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wfw="http://wellformedweb.org/CommentAPI/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>{name}</title><wp:wxr_version>1.2</wp:wxr_version>
"""
# Trash keeps its place; WordPress knows nothing that was refused and kept.
_WXR_STATES = ("0", "1", "spam", "trash", "trash")


async def write_wxr(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """As WordPress exports: an item for each page, with its comments."""
    with _Pages() as known:
        await known.fill(database, site)
        async for some in comments(database, site):
            known.put([(one["page"], one["id"], _wxr_comment(one, base)) for one in some])
        yield _WXR_HEAD.format(name=_text(site.name)).encode()
        current, made, size = None, list[str](), 0
        for page, written in known.each():
            if page != current:
                made.append(("" if current is None else "</item>\n") + _wxr_item(known.get(page)))
                current = page
            made.append(written)
            size += len(written)
            if size > 200_000:
                yield "".join(made).encode()
                made, size = [], 0
        made.append(("" if current is None else "</item>\n") + "</channel></rss>\n")
        yield "".join(made).encode()


def _wxr_item(page: Row) -> str:
    return (
        f"<item><title>{_text(page['title'])}</title><link>{_text(page['url'] or page['key'])}</link>"
        f"<wp:post_id>{page['id']}</wp:post_id><wp:comment_status>{'closed' if page['closed'] else 'open'}"
        f"</wp:comment_status><wp:post_name>{_text(page['key'])}</wp:post_name><wp:status>publish</wp:status>"
        "<wp:post_type>post</wp:post_type>\n"
    )


def _wxr_comment(one: Row, base: str) -> str:
    user = one["visitor"] if one["person"] else 0
    return (
        f"<wp:comment><wp:comment_id>{one['id']}</wp:comment_id>"
        f"<wp:comment_author>{_cdata(one['name'])}</wp:comment_author>"
        f"<wp:comment_author_email>{_text(one['email'])}</wp:comment_author_email>"
        f"<wp:comment_author_url>{_text(one['link'])}</wp:comment_author_url>"
        f"<wp:comment_author_IP>{_text(one['address'])}</wp:comment_author_IP>"
        f"<wp:comment_date>{_when(one['created'])}</wp:comment_date>"
        f"<wp:comment_date_gmt>{_when(one['created'])}</wp:comment_date_gmt>"
        f"<wp:comment_content>{_cdata(_shared(one['html']) + images(one, base))}</wp:comment_content>"
        f"<wp:comment_approved>{_WXR_STATES[one['status']]}</wp:comment_approved>"
        f"<wp:comment_type>comment</wp:comment_type><wp:comment_parent>{one['parent'] or 0}</wp:comment_parent>"
        f"<wp:comment_user_id>{user}</wp:comment_user_id></wp:comment>\n"
    )


async def write_disqus(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """As Disqus exports: threads, then posts. What waits has no place there and is left out."""
    yield (
        '<?xml version="1.0" encoding="utf-8"?>\n<disqus xmlns="http://disqus.com" '
        'xmlns:dsq="http://disqus.com/disqus-internals">\n'
        f'<category dsq:id="1"><forum>{site.id}</forum><title>General</title><isDefault>true</isDefault></category>\n'
    ).encode()
    async for some in pages(database, site):
        yield "".join(
            f'<thread dsq:id={quoteattr(str(one["id"]))}><id>{_text(one["key"])}</id><forum>{site.id}</forum>'
            f'<category dsq:id="1"/><link>{_text(one["url"])}</link><title>{_text(one["title"])}</title><message/>'
            f"<createdAt>{one['created']}</createdAt><isClosed>{str(one['closed']).lower()}</isClosed>"
            "<isDeleted>false</isDeleted></thread>\n"
            for one in some
        ).encode()
    async for some in comments(database, site):
        yield "".join(_disqus_post(one, base) for one in some if one["status"] != 0).encode()
    yield b"</disqus>\n"


def _disqus_post(one: Row, base: str) -> str:
    parent = "" if one["parent"] is None else f'<parent dsq:id="{one["parent"]}"/>'
    guest = not one["person"]
    user = "" if guest else f"<username>{one['visitor']}</username>"
    return (
        f'<post dsq:id="{one["id"]}"><id/><message>{_cdata(_shared(one["html"]) + images(one, base))}</message>'
        f"<createdAt>{one['created'][:19]}Z</createdAt><isDeleted>{str(one['status'] in (3, 4)).lower()}</isDeleted>"
        f"<isSpam>{str(one['status'] == 2).lower()}</isSpam><author><email>{_text(one['email'])}</email>"
        f"<name>{_text(one['name'])}</name><isAnonymous>{str(guest).lower()}</isAnonymous>{user}</author>"
        f'<ipAddress>{_text(one["address"])}</ipAddress><thread dsq:id="{one["page"]}"/>{parent}</post>\n'
    )


EXPORTS = (
    Export(name="jsonl", title="JSON lines (complete)", ending=".jsonl", media="text/plain", write=write_jsonl),
    Export(name="wxr", title="WordPress (WXR)", ending=".xml", media="application/xml", write=write_wxr),
    Export(name="disqus", title="Disqus (XML)", ending=".xml", media="application/xml", write=write_disqus),
    Export(
        name="follows", title="Who follows what (JSON lines)", ending=".jsonl", media="text/plain", write=write_follows
    ),
    Export(name="csv", title="Table (CSV)", ending=".csv", media="text/csv", write=write_csv),
)
