"""Writes trees of comments as other systems have them; each takes what it has no place for as the nearest it has."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from html import escape
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from cackled.importing.values import time_of

State = Literal["approved", "pending", "spam", "rejected", "deleted"]
# Of the first comment; each later one is a minute younger.
FIRST = 1_600_000_000
HOST = "https://trees.example"


class Comment(Struct, frozen=True):
    """A comment: ``number`` in the order of writing, page, what it answers (-1: nothing), words, votes."""

    number: int
    page: str
    parent: int
    name: str
    text: str
    state: State
    up: int = 0
    down: int = 0

    @property
    def created(self) -> int:
        """Seconds since 1970."""
        return FIRST + 60 * self.number

    @property
    def above(self) -> str:
        """The number of what it answers; ``""``: nothing."""
        return "" if self.parent < 0 else str(self.parent)


class TreeFormat(Struct, frozen=True):
    """A format: how comments in any order are written, the states that it knows, and whether it has votes."""

    name: str
    write: Callable[[list[Comment]], bytes]
    states: frozenset[str]
    votes: Literal["none", "up", "both", "score"] = "none"

    def known(self, one: Comment) -> Comment:
        """What is left of a comment in this format."""
        up, down = {
            "none": (0, 0), "up": (one.up, 0), "both": (one.up, one.down),
            "score": (max(one.up - one.down, 0), max(one.down - one.up, 0)),
        }[self.votes]  # fmt: skip
        state: State = one.state if one.state in self.states else "approved"
        return replace(one, state=state, up=up, down=down)


def markdown(text: str) -> str:
    """Words as they stand in Markdown."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def ours(text: str) -> str:
    """Words as they stand in our own Markdown."""
    return re.sub(r"(?m)([*_~`\[\]<]|^ *[>-])", lambda one: re.sub(r"(\S)", r"\\\1", one[0]), text)


def when(one: Comment) -> str:
    """As RFC 3339 has it."""
    days, rest = divmod(one.created, 86_400)
    # The days of the trees: from 13 September 2020 on.
    assert time_of("2020-09-13T00:00:00Z") == 18_518 * 86_400
    return f"2020-09-{days - 18_518 + 13:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def pages(comments: list[Comment]) -> dict[str, list[Comment]]:
    """The comments of each page."""
    found: dict[str, list[Comment]] = {}
    for one in comments:
        found.setdefault(one.page, []).append(one)
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def disqus(comments: list[Comment]) -> bytes:
    """Threads first, then posts."""
    made = ['<?xml version="1.0"?><disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">']
    numbers = {page: n for n, page in enumerate(pages(comments), 1)}
    made += [
        f'<thread dsq:id="{n}"><id/><link>{HOST}{page}</link><title>T</title></thread>' for page, n in numbers.items()
    ]
    for one in comments:
        parent = f'<parent dsq:id="{one.parent}"/>' if one.above else ""
        made.append(
            f'<post dsq:id="{one.number}"><message>{_cdata(f"<p>{escape(one.text)}</p>")}</message>'
            f"<createdAt>{when(one)}</createdAt><isDeleted>{str(one.state == 'deleted').lower()}</isDeleted>"
            f"<isSpam>{str(one.state == 'spam').lower()}</isSpam><author><name>{escape(one.name)}</name>"
            f'<isAnonymous>true</isAnonymous></author><thread dsq:id="{numbers[one.page]}"/>{parent}</post>'
        )
    return "".join((*made, "</disqus>")).encode()


def wxr(comments: list[Comment]) -> bytes:
    """Comments in the posts that they are on; their numbers begin at 1."""
    made = [f'<?xml version="1.0"?><rss xmlns:wp="http://wordpress.org/export/1.2/"><channel><link>{HOST}</link>']
    states = {"approved": "1", "pending": "0", "spam": "spam", "deleted": "trash"}
    for n, (page, here) in enumerate(pages(comments).items(), 1):
        made.append(f"<item><title>T</title><link>{HOST}{page}</link><wp:post_id>{n}</wp:post_id>"
                    "<wp:status>publish</wp:status>")  # fmt: skip
        for one in here:
            date = when(one).replace("T", " ")[:-1]
            made.append(
                f"<wp:comment><wp:comment_id>{one.number + 1}</wp:comment_id><wp:comment_author>{_cdata(one.name)}"
                f"</wp:comment_author><wp:comment_date_gmt>{date}</wp:comment_date_gmt><wp:comment_content>"
                f"{_cdata(escape(one.text, quote=False))}</wp:comment_content><wp:comment_approved>{states[one.state]}"
                f"</wp:comment_approved><wp:comment_type>comment</wp:comment_type><wp:comment_parent>{one.parent + 1}"
                "</wp:comment_parent><wp:comment_user_id>0</wp:comment_user_id></wp:comment>"
            )
        made.append("</item>")
    return "".join((*made, "</channel></rss>")).encode()


def isso(comments: list[Comment]) -> bytes:
    """Its database."""
    db = sqlite3.connect(":memory:")
    db.executescript(
        "create table threads(id integer primary key, uri, title);"
        "create table comments(tid, id integer primary key, parent, created, modified, mode, remote_addr, text, author,"
        "email, website, likes, dislikes, voters, notification);"
    )
    numbers = {page: n for n, page in enumerate(pages(comments), 1)}
    db.executemany("insert into threads values (?, ?, 'T')", [(n, page) for page, n in numbers.items()])
    modes = {"approved": 1, "pending": 2, "deleted": 4}
    db.executemany(
        "insert into comments values (?, ?, ?, ?, null, ?, '192.0.2.0', ?, ?, null, null, ?, ?, zeroblob(256), 0)",
        [(numbers[one.page], one.number + 1, one.parent + 1 or None, float(one.created), modes[one.state],
          "" if one.state == "deleted" else markdown(one.text), one.name, one.up, one.down) for one in comments],
    )  # fmt: skip
    db.commit()
    return db.serialize()


def cusdis_database(comments: list[Comment]) -> bytes:
    """Its database."""
    db = sqlite3.connect(":memory:")
    db.executescript(
        "create table pages(id, slug, url, title, projectId);"
        "create table comments(id, pageId, created_at, deletedAt, moderatorId, by_nickname, content, approved,"
        "parentId);"
    )
    db.executemany("insert into pages values (?, ?, ?, 'T', 'p')",
                   [(page, page, f"{HOST}{page}") for page in pages(comments)])  # fmt: skip
    db.executemany(
        "insert into comments values (?, ?, ?, ?, null, ?, ?, ?, ?)",
        [(f"u{one.number}", one.page, when(one), when(one) if one.state == "deleted" else None, one.name,
          markdown(one.text), int(one.state == "approved"), f"u{one.parent}" if one.above else None)
         for one in comments],
    )  # fmt: skip
    db.commit()
    return db.serialize()


def cusdis(comments: list[Comment]) -> bytes:
    """JSON: answers lie in what they answer."""

    def made(one: Comment) -> dict[str, Any]:
        return {
            "id": f"u{one.number}", "createdAt": when(one), "deletedAt": when(one) if one.state == "deleted" else None,
            "by_nickname": one.name, "content": markdown(one.text), "approved": one.state == "approved",
            "replies": {"data": [made(other) for other in comments if other.parent == one.number]},
        }  # fmt: skip

    return _json({"projects": [{"id": "p", "pages": [
        {"id": page, "slug": page, "url": f"{HOST}{page}", "comments": [made(one) for one in here if not one.above]}
        for page, here in pages(comments).items()
    ]}]})  # fmt: skip


def remark42(comments: list[Comment]) -> bytes:
    """Packed: users and pages in the first line, then a comment a line."""
    lines: list[Any] = [{"version": 1, "users": [], "posts": [{"url": HOST + page} for page in pages(comments)]}]
    for one in comments:
        gone = one.state == "deleted"
        lines.append({
            "id": f"r{one.number}", "pid": f"r{one.parent}" if one.above else "", "text": "",
            "orig": "" if gone else markdown(one.text), "user": {"name": one.name, "id": f"anonymous_{one.number}"},
            "locator": {"site": "t", "url": HOST + one.page}, "score": one.up - one.down, "votes": {},
            "time": when(one), "delete": gone,
        })  # fmt: skip
    return gzip.compress(b"\n".join(map(_json, lines)))


def commento(comments: list[Comment]) -> bytes:
    """Version 1; everybody is a commenter."""
    states = {"approved": "approved", "pending": "unapproved", "spam": "flagged"}
    return gzip.compress(_json({
        "version": 1,
        "comments": [
            {"commentHex": f"c{one.number}", "domain": "trees.example", "url": one.page,
             "commenterHex": f"u{one.number}", "markdown": markdown(one.text), "html": "",
             "parentHex": f"c{one.parent}" if one.above else "root",
             "score": one.up - one.down, "state": states.get(one.state, "approved"), "creationDate": when(one),
             "deleted": one.state == "deleted"} for one in comments
        ],
        "commenters": [{"commenterHex": f"u{one.number}", "email": "", "name": one.name, "link": "undefined",
                        "photo": "undefined"} for one in comments],
    }))  # fmt: skip


def comentario(comments: list[Comment]) -> bytes:
    """Version 3: what is false is left out."""
    return _json({
        "version": 3, "pages": [{"id": f"p{page}", "path": page, "title": "T"} for page in pages(comments)],
        "comments": [
            {"id": f"c{one.number}", "pageId": f"p{one.page}", "markdown": markdown(one.text), "authorName": one.name,
             "createdTime": when(one), "userCreated": "00000000-0000-0000-0000-000000000000",
             "score": one.up - one.down, **({"parentId": f"c{one.parent}"} if one.above else {}),
             **{"approved": {"isApproved": True}, "pending": {"isPending": True},
                "deleted": {"isDeleted": True}}.get(one.state, {})} for one in comments
        ],
        "commenters": [],
    })  # fmt: skip


def _fastcomments(comments: list[Comment]) -> list[dict[str, Any]]:
    return [
        {"id": f"f{one.number}", "urlId": HOST + one.page, "url": HOST + one.page, "commenterName": one.name,
         "comment": markdown(one.text), "parentId": f"f{one.parent}" if one.above else None, "date": when(one),
         "votesUp": one.up, "votesDown": one.down, "approved": one.state in ("approved", "deleted"),
         "isSpam": one.state == "spam", "isDeleted": one.state == "deleted"} for one in comments
    ]  # fmt: skip


def fastcomments(comments: list[Comment]) -> bytes:
    """As its API has them."""
    return _json({"status": "success", "comments": _fastcomments(comments)})


def fastcomments_table(comments: list[Comment]) -> bytes:
    """CSV."""
    file = io.StringIO()
    rows = _fastcomments(comments)
    table = csv.DictWriter(file, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return file.getvalue().encode()


def hyvor(comments: list[Comment]) -> bytes:
    """Pages beside comments, whose texts are ProseMirror's."""
    states = {"approved": "published"}
    return _json({
        "pages": [{"id": f"p{page}", "identifier": page, "url": HOST + page} for page in pages(comments)],
        "comments": [
            {"id": one.number + 1, "page_id": f"p{one.page}", "parent_id": one.parent + 1 or None,
             "created_at": one.created, "status": states.get(one.state, one.state), "upvotes": one.up,
             "downvotes": one.down, "user": {"type": "guest", "name": one.name},
             "body": json.dumps({"type": "doc", "content": [
                 {"type": "paragraph", "content": [{"type": "text", "text": one.text}]}]})} for one in comments
        ],
    })  # fmt: skip


def artalk(comments: list[Comment]) -> bytes:
    """Artrans: every value is a text."""
    return _json([
        {"id": str(one.number + 1), "rid": str(one.parent + 1), "content": markdown(one.text), "nick": one.name,
         "created_at": when(one).replace("T", " ").replace("Z", " +0000"),
         "is_pending": str(one.state == "pending").lower(), "vote_up": str(one.up), "vote_down": str(one.down),
         "page_key": one.page, "site_urls": f"{HOST}/"}
        for one in comments
    ])  # fmt: skip


def waline(comments: list[Comment]) -> bytes:
    """Its export."""
    states = {"pending": "waiting"}
    return _json({"type": "waline", "version": 1, "data": {"Comment": [
        {"objectId": f"w{one.number}", "comment": markdown(one.text), "nick": one.name, "url": one.page,
         "insertedAt": one.created * 1000, "status": states.get(one.state, one.state), "like": one.up,
         **({"pid": f"w{one.parent}", "rid": f"w{one.parent}"} if one.above else {})} for one in comments
    ]}})  # fmt: skip


def valine(comments: list[Comment]) -> bytes:
    """LeanCloud's lines."""
    lines = [
        {"objectId": f"v{one.number}", "comment": f"<p>{escape(one.text)}</p>", "nick": one.name, "url": one.page,
         "insertedAt": {"__type": "Date", "iso": when(one)}, "isSpam": one.state == "spam",
         **({"pid": f"v{one.parent}"} if one.above else {})} for one in comments
    ]  # fmt: skip
    return b'#filetype:JSON-streaming {"type":"Class","class":"Comment"}\n' + b"\n".join(map(_json, lines))


def cackle(comments: list[Comment]) -> bytes:
    """Two answers of the API, one after the other, each in a callback."""
    made = [
        {"id": one.number + 1, "parentId": one.parent + 1 or None, "created": one.created * 1000, "status": one.state,
         "message": escape(one.text), "anonym": {"name": one.name}, "up": one.up, "down": one.down,
         "chan": {"id": one.page, "channel": one.page, "url": HOST + one.page}} for one in comments
    ]  # fmt: skip
    half = len(made) // 2
    return b"cb(" + _json({"comments": made[:half]}) + b");cb (" + _json({"comments": made[half:]}) + b")"


def own(comments: list[Comment]) -> bytes:
    """Our lines, as somebody else writes them: nothing of them is signed."""
    numbers = {page: str(n) for n, page in enumerate(pages(comments), 1)}
    lines: list[Any] = [{"type": "export"}]
    lines += [{"type": "page", "id": n, "key": page, "url": HOST + page} for page, n in numbers.items()]
    lines += [
        {"type": "comment", "id": str(one.number + 1), "page": numbers[one.page], "created": when(one),
         "state": one.state, "parent": str(one.parent + 1) if one.above else "",
         "author": {"id": str(one.number + 9), "name": "" if one.state == "deleted" else one.name},
         "text": "" if one.state == "deleted" else ours(one.text), "up": one.up, "down": one.down}
        for one in comments
    ]  # fmt: skip
    return b"\n".join(map(_json, lines))


_ALL = frozenset(("approved", "pending", "spam", "rejected", "deleted"))
_MOST = _ALL - {"rejected"}


def formats() -> Iterator[TreeFormat]:
    """All of them."""
    yield TreeFormat("disqus", disqus, _MOST - {"pending"})
    yield TreeFormat("wxr", wxr, _MOST)
    yield TreeFormat("isso", isso, _MOST - {"spam"}, "both")
    yield TreeFormat("remark42", remark42, frozenset(("approved", "deleted")), "score")
    yield TreeFormat("commento", commento, _MOST, "score")
    yield TreeFormat("comentario", comentario, _ALL - {"spam"}, "score")
    yield TreeFormat("fastcomments", fastcomments, _MOST, "both")
    yield TreeFormat("fastcomments", fastcomments_table, _MOST, "both")
    yield TreeFormat("hyvor", hyvor, _MOST, "both")
    yield TreeFormat("cusdis", cusdis, _MOST - {"spam"})
    yield TreeFormat("cusdis", cusdis_database, _MOST - {"spam"})
    yield TreeFormat("artalk", artalk, frozenset(("approved", "pending")), "both")
    yield TreeFormat("waline", waline, _MOST - {"deleted"}, "up")
    yield TreeFormat("valine", valine, frozenset(("approved", "spam")))
    yield TreeFormat("cackle", cackle, _ALL, "both")
    yield TreeFormat("jsonl", own, _ALL, "both")
