"""The API's description, OpenAPI 3.1, served at ``/api/v1/openapi.json``.

Written by hand beside the routes; a test compares the two.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from cackled import __version__

_ID = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "A 64-bit number, as a string."}
_TEXT = {"type": "string"}
_POSITION = {"type": "string", "pattern": "^[0-9]+/[0-9]+@[0-9]+$", "examples": ["17/42@106"]}
_TIME = {"type": "string", "format": "date-time"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _json(schema: dict[str, Any], text: str = "Done.") -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _answers(status: int, schema: dict[str, Any] | None, *problems: int) -> dict[str, Any]:
    done = {"description": "Done."} if schema is None else _json(schema)
    answers: dict[str, Any] = {str(status): done}
    # 401: of private sites, to whoever has no grant, whatever the call. 414: an address over [http] head_bytes.
    for code in sorted({*problems, 400, 401, 403, 404, 414, 421, 429, 503}):
        answers[str(code)] = {"$ref": "#/components/responses/Problem"}
    return answers


def _query(name: str, schema: dict[str, Any], text: str = "", required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": text, "schema": schema}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_READ = _query(
    "readPreference",
    {"enum": ["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"], "default": "primary"},
    "Which copy of the database may answer.",
)
_FRESH = [
    _READ,
    _query("maxStaleness", {"type": "integer", "minimum": 0, "maximum": 604_800}, "Seconds that a copy may be behind."),
]
_AFTER = _query("after", {"type": "integer", "minimum": 0}, "Never answer from anything older than this seq.")
_SITE = _path("site", {"type": "integer", "minimum": 1})
_GRANT = _query("token", {"type": "string", "maxLength": 2048}, "A grant of the site: a private one asks for it.")
_PAGING = [
    _query("sort", {"enum": ["best", "new", "old"], "default": "best"}),
    _query("size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 25}),
    _query("cursor", _TEXT, "From the page before."),
    _AFTER,
]


def _schemas() -> dict[str, Any]:
    author = _object({"id": _ID, "name": _TEXT, "avatar": _nullable(_TEXT)})
    comment = _object(
        {
            "id": _ID,
            "parent": _nullable(_ID),
            "root": _ID,
            "depth": {"type": "integer"},
            "author": _nullable(author),
            "html": _TEXT,
            "created": _TIME,
            "edited": _nullable(_TIME),
            "up": {"type": "integer"},
            "down": {"type": "integer"},
            "score": {"type": "integer"},
            "deleted": {"type": "boolean"},
        },
        {
            "replies": {"type": "array", "items": _ref("Comment")},
            "more": {"type": "integer", "description": "Replies below this root that are not in the page."},
            "source": {"type": "string", "description": "Markdown; for its author only."},
        },
    )
    channel = _object(
        {
            "id": _ID,
            "key": _TEXT,
            "seq": {"type": "integer"},
            "url": _TEXT,
            "title": _TEXT,
            "comments": {"type": "integer"},
            "locked": {"type": "boolean"},
        }
    )
    page = _object({"sort": _TEXT, "comments": {"type": "array", "items": _ref("Comment")}, "cursor": _nullable(_TEXT)})
    return {
        "Comment": comment,
        "Channel": channel,
        "Page": _object({"channel": _ref("Channel"), "position": _POSITION, "page": page}),
        "Written": _object({"comment": _ref("Comment"), "position": _POSITION}),
        "Session": _object({"token": _TEXT, "visitor": _ID, "view": _TEXT, "expires": {"type": "integer"}}),
        "NewComment": _object(
            {
                "channel": _object({"key": {"type": "string", "minLength": 1, "maxLength": 500}},
                                   {"url": _TEXT, "title": _TEXT}),
                "text": {"type": "string", "minLength": 1, "maxLength": 10_000},
                "name": {"type": "string", "minLength": 1, "maxLength": 60},
            },
            {"parent": _nullable(_ID)},
        ),
        "Problem": _object(
            {"type": {"type": "string", "format": "uri"}, "title": _TEXT, "status": {"type": "integer"}},
            # The last two with 421: the site lives in another deployment, which is there.
            {"detail": _TEXT, "field": _TEXT, "deployment": _TEXT, "url": _TEXT},
        ),
    }  # fmt: skip


def _operation(name: str, text: str, parameters: list[Any], responses: dict[str, Any], *,
               body: dict[str, Any] | None = None, session: bool = False) -> dict[str, Any]:  # fmt: skip
    made: dict[str, Any] = {
        "operationId": name, "summary": text, "parameters": [*parameters, _GRANT], "responses": responses,
    }  # fmt: skip
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if session:
        made["security"] = [{"session": []}]
        responses["401"] = {"$ref": "#/components/responses/Problem"}
    return made


def _paths() -> dict[str, Any]:
    one = [_SITE, _path("comment_id", _ID)]
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
        "description": "The same key again answers with the first comment.",
    }
    voted = _object({"id": _ID, "up": {"type": "integer"}, "down": {"type": "integer"}, "score": {"type": "integer"},
                     "value": {"enum": [1, 0, -1]}, "position": _POSITION})  # fmt: skip
    written = _ref("Written")
    author = [_SITE, _path("author_id", _ID)]
    return {
        "/sites/{site}/sessions": {
            "post": _operation(
                "openSession", "An anonymous session; with an old token, the same visitor's.", [_SITE],
                _answers(201, _ref("Session"), 401),
            )
        },
        "/sites/{site}/comments": {
            "get": _operation(
                "listComments", "A page of a channel's comments, or of the replies below a root.",
                [_SITE, _query("channel", _TEXT, "The channel's key.", True), *_PAGING,
                 _query("parent", _ID, "A root whose replies are wanted."), *_FRESH],
                _answers(200, _ref("Page")),
            ),
            "post": _operation(
                "postComment", "Write a comment.", [_SITE, key], _answers(201, written, 409, 413, 422),
                body=_ref("NewComment"), session=True,
            ),
        },
        "/sites/{site}/comments/{comment_id}": {
            "get": _operation("getComment", "One comment.", [*one, _AFTER, *_FRESH],
                              _answers(200, _object({"comment": _ref("Comment")}), 401)),
            "patch": _operation("editComment", "Change one's own comment.", one, _answers(200, written, 409, 413, 422),
                                body=_object({"text": _TEXT}), session=True),
            "delete": _operation("deleteComment", "Take one's own comment away.", one,
                                 _answers(200, _object({"position": _POSITION})), session=True),
        },
        "/sites/{site}/comments/{comment_id}/vote": {
            "put": _operation("voteComment", "Vote; 0 takes the vote back.", one, _answers(200, voted),
                              body=_object({"value": {"enum": [1, 0, -1]}}), session=True)
        },
        "/sites/{site}/comments/{comment_id}/flags": {
            "post": _operation("flagComment", "Report a comment.", one, _answers(201, {"type": "object"}, 422),
                               body=_object({}, {"reason": {"type": "string", "maxLength": 500}}), session=True)
        },
        "/sites/{site}/blocks": {
            "get": _operation("listBlocks", "Whom this visitor blocks.", [_SITE, *_FRESH],
                              _answers(200, _object({"blocked": {"type": "array", "items": _ID}})), session=True)
        },
        "/sites/{site}/blocks/{author_id}": {
            "put": _operation("blockAuthor", "Stop showing an author to this visitor.", author,
                              _answers(204, None, 422), session=True),
            "delete": _operation("unblockAuthor", "Show the author again.", author, _answers(204, None), session=True),
        },
        "/sites/{site}/counts": {
            "get": _operation(
                "countComments", "How many comments each channel shows.",
                [_SITE, {**_query("channel", {"type": "array", "items": _TEXT, "maxItems": 100}, "", True),
                         "explode": True},
                 {**_query("after", {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 100},
                           "One for each channel, in their order: not older than this seq."), "explode": True},
                 *_FRESH],
                _answers(200, _object({"counts": {"type": "object", "additionalProperties": {"type": "integer"}}})),
            )
        },
    }  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "cackled", "version": __version__, "description": "Comments, live."},
        "servers": [{"url": "/api/v1"}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457).",
                    "content": {"application/problem+json": {"schema": _ref("Problem")}},
                }
            },
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
    }
