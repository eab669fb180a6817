"""FastComments: its CSV export, and the comments of its API as JSON.

Which names the CSV's columns have is written nowhere; those of the API are taken, whatever their case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, csv_rows, flag_of, looks_like_json, shelf, text_of, time_of
from cackled.importing.values import objects as all_objects
from cackled.products.comments.importing.record import ImportedComment, State


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    rows: Iterator[Any] = all_objects(source, "comments", "data") if looks_like_json(source) else csv_rows(source)
    with shelf() as known:
        first = True
        for raw in rows:
            if not isinstance(raw, dict):
                yield Left(reason="broken")
                continue
            one = {str(name).lower().replace("_", "").replace(" ", ""): value for name, value in raw.items()}
            if first and not ({"id", "commentid"} & one.keys() and {"comment", "commenthtml", "text"} & one.keys()):
                raise BadFile("The file has no columns id and comment.")
            first = False
            url = _said(one, "url", "pageurl", "urlidraw", "urlid")
            page = _said(one, "urlid", "urlidraw", "url", "pageurl")
            if known.get(page) is None:
                known.put(page, True)
                yield Page(id=page, url=url if url.startswith(("http", "/")) else "", key=page,
                           title=_said(one, "pagetitle", "title"))  # fmt: skip
            yield _comment(one, page, source)


def _said(one: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if (value := text_of(one.get(name)).strip())), "")


def _comment(one: Mapping[str, Any], page: str, source: Source) -> Record:
    id = _said(one, "id", "commentid")
    if not id:
        return Left(reason="broken")
    state: State = "approved"
    if flag_of(one.get("isdeleted")):
        state = "deleted"
    elif flag_of(one.get("isspam")):
        state = "spam"
    elif "approved" in one and one["approved"] not in ("", None) and not flag_of(one["approved"]):
        state = "pending"
    if state == "spam" and not source.everything:
        return Left(reason="unwanted", id=id)
    plain = _said(one, "comment", "text")
    up, down = count_of(one.get("votesup")), count_of(one.get("votesdown"))
    if not up and not down:
        up, down = count_of(one.get("votes")), count_of(-float(one["votes"])) if _number(one.get("votes")) else 0
    return ImportedComment(
        id=id, page=page, parent=_said(one, "parentid"), created=time_of(_said(one, "date", "createdat", "created")),
        author=Author(
            id=_said(one, "userid"), name=_said(one, "commentername", "username", "name"),
            email=_said(one, "commenteremail", "email"), url=_said(one, "commenterlink", "link", "websiteurl"),
            avatar=_said(one, "avatarsrc", "avatar"),
        ),
        text=plain or _said(one, "commenthtml"), markup="markdown" if plain else "html", state=state, up=up, down=down,
        pinned=flag_of(one.get("ispinned")), locked=flag_of(one.get("islocked")),
    )  # fmt: skip


def _number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


FORMAT = Format(name="fastcomments", title="FastComments (CSV or JSON)", read=read, endings=(".csv", ".json"))
