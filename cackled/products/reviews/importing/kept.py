"""What only a line that this server signed can say of a review: its history, votes, marks, pictures."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cackled.importing.values import count_of, flag_of, is_number, text_of, time_of

_PATH = re.compile(r"/media/([1-9][0-9]{0,8}-[A-Za-z0-9_-]{22})/[0-9a-z]{1,20}\.webp\Z", re.ASCII)
# Of one review.
MOST_VOTES, MOST_STEPS, MOST_MEDIA = 5_000, 500, 20


def kept_rest(rest: dict[str, Any]) -> dict[str, Any]:
    """*rest* as the database takes it; what has another shape is left out, also where somebody only vouched for it."""
    found = rest.get("answer")
    answer: dict[str, Any] = found if isinstance(found, dict) else {}
    revision = rest.get("revision")
    waits = _is_row(revision, str, str) and _object(revision[0]) and time_of(revision[1])  # type: ignore[index]
    return {
        "verified": text_of(rest.get("verified")) if rest.get("verified") in ("order", "source") else "",
        "origin": text_of(rest.get("source")), "media": _media(rest.get("media")), "extra": _extra(rest.get("extra")),
        "reason": text_of(rest.get("reason")), "staff": flag_of(rest.get("staff")),
        "featured": flag_of(rest.get("featured")), "wiped": flag_of(rest.get("wiped")),
        "seen": flag_of(rest.get("seen")), "reported": min(count_of(rest.get("reported")), MOST_VOTES),
        "reply_name": text_of(answer.get("name")), "reply_who": text_of(answer.get("who")),
        "reply_edited": time_of(answer.get("edited")),
        "votes": [
            row for row in _list(rest.get("votes"), MOST_VOTES)
            if _is_row(row, str, int) and is_number(row[0]) and row[1] in (1, -1)
        ],
        "flags": [
            [row[0], row[1], time_of(row[2])] for row in _list(rest.get("flags"), MOST_VOTES)
            if _is_row(row, str, str, str) and is_number(row[0]) and time_of(row[2])
        ],
        "marks": [
            row for row in _list(rest.get("marks"), MOST_STEPS)
            if _is_row(row, str, (int, float, type(None)), list) and all(isinstance(word, str) for word in row[2])
        ],
        "changes": [
            [*row[:5], time_of(row[5])] for row in _list(rest.get("changes"), MOST_STEPS)
            if _is_row(row, str, str, str, str, str, str) and time_of(row[5])
            and all(not text or _object(text) for text in row[3:5])
        ],
        "revision": [revision[0], time_of(revision[1])] if waits else None,  # type: ignore[index]
    }  # fmt: skip


def _list(value: object, most: int) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _is_row(value: object, *kinds: Any) -> bool:
    return isinstance(value, list) and len(value) == len(kinds) and all(map(isinstance, value, kinds))


def _object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _media(value: object) -> list[dict[str, Any]]:
    return [
        one | _placed(one) for one in _list(value, MOST_MEDIA)
        if isinstance(one, dict) and isinstance(one.get("url"), str) and isinstance(one.get("alt", ""), str)
    ]  # fmt: skip


def _placed(one: dict[str, Any]) -> dict[str, str]:
    """The address of a picture of ours as reviews keep it; exports have it whole."""
    found = _PATH.search(one["url"])
    return {"url": found[0]} if found is not None and found[1] == one.get("id") else {}


def _extra(value: object) -> str:
    """The members of an author's JSON that stand behind the name, or nothing."""
    text = text_of(value)
    return text if text.startswith(',"avatar":') and _object('{"id":""' + text + "}") else ""
