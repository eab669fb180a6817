"""What staff writes of a poll, made into what is stored; or refused, with the field at fault."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET, to_builtins

from cackled.domain.errors import BadField
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.domain.videos import canonical
from cackled.products.polls.answers import (
    LONGEST_OPTION,
    LONGEST_QUESTION,
    LONGEST_TEXT,
    MOST_OPTIONS,
    OptionBody,
    PollBody,
    PollChange,
)
from cackled.products.polls.whole import Whole, WholeOption

# A picture that staff added (`addStaffPicture`).
_OWN = re.compile(r"/media/([1-9][0-9]{0,8})-[A-Za-z0-9_-]{22}/[0-9]{1,5}\.webp", re.ASCII)
# How alike two texts are at least (0 to 1) for one to be the other with typing errors put right.
ALIKE = 0.6
# What may change once there are votes, beside texts and further options.
_FREE = frozenset(("closed", "closes_at", "write_in", "quota", "burst"))


def new_poll(site: Site, body: PollBody, now: float) -> dict[str, Any]:
    """All members of a new poll.

    Raises:
        BadField: one can't be used.
    """
    given = to_builtins(body)
    options = _scale(body) if body.kind == "number" else [_option(site, one, n) for n, one in enumerate(body.options)]
    if any(one["id"] is not None for one in options):
        raise BadField("Options of a new poll have no ids yet.", field="options")
    return _checked({**given, "least": body.min, "most": body.max, "options": options}, now)


def changed_poll(site: Site, poll: Whole, change: PollChange, now: float) -> tuple[dict[str, Any], bool]:
    """All members of *poll* with *change*, and whether that is a change for which there must be no votes.

    Raises:
        BadField: a member can't be used.
        Conflict: there are votes, and it is more than a typing error.
    """
    named = {key: value for key in change.__struct_fields__ if (value := getattr(change, key)) is not UNSET}
    named.pop("version", None)
    if poll.kind == "number" and ("options" in named or named.get("kind", "number") != "number"):
        raise BadField("The options of a number poll are made from its bounds. Make another poll.", field="options")
    if named.get("kind") == "number" and poll.kind != "number":
        raise BadField("Make another poll for that.", field="kind")
    members: dict[str, Any] = {
        "kind": poll.kind, "question": poll.question, "description": poll.description,
        "explanation": poll.explanation, "least": poll.least, "most": poll.most, "results": poll.results,
        "identity": poll.identity, "quota": poll.quota, "burst": poll.burst, "changeable": poll.changeable,
        "voters_shown": poll.voters_shown, "write_in": poll.write_in, "opens_at": poll.opens_at,
        "closes_at": poll.closes_at, "closed": poll.closed_at is not None,
        "options": [_stored(one) for one in poll.shown],
    }  # fmt: skip
    before = dict(members)
    for key, value in named.items():
        if key == "options":
            members[key] = [_option(site, one, n, poll) for n, one in enumerate(value)]
        else:
            members[{"min": "least", "max": "most"}.get(key, key)] = value
    if "options" in named and "max" not in named and poll.most == len(poll.shown) > 1:
        # Where all options can be named, further ones can be, too.
        members["most"] = None if members["kind"] in ("multiple", "ranked") else 1
    if "closes_at" in named and "closed" not in named:
        members["closed"] = False
    members = _checked(members, now, poll)
    return members, _needs_no_votes(poll, before, members)


def _needs_no_votes(poll: Whole, before: dict[str, Any], members: dict[str, Any]) -> bool:
    """Whether a change is one that nobody may make once there are votes."""
    for key, value in members.items():
        was = before[key]
        if key in _FREE or value == was:
            continue
        if key in ("question", "description", "explanation"):
            if not _alike(was, value):
                return True
        elif key == "most" and was == len(poll.shown) < value:
            continue
        elif key == "options":
            kept = {one["id"]: one for one in value if one["id"] is not None}
            for old in was:
                new = kept.get(old["id"])
                if new is None or not _alike(old["text"], new["text"]):
                    return True
                if any(new[name] != old[name] for name in ("image", "video", "correct")):
                    return True
        else:
            return True
    return False


def _alike(was: str, now: str) -> bool:
    from difflib import SequenceMatcher

    return not was or SequenceMatcher(None, was.lower(), now.lower(), autojunk=False).ratio() >= ALIKE


def _stored(one: WholeOption) -> dict[str, Any]:
    return {
        "id": one.id, "text": one.text, "image": one.image, "video": one.video, "value": one.value,
        "correct": one.correct,
    }  # fmt: skip


def _option(site: Site, body: OptionBody, number: int, poll: Whole | None = None) -> dict[str, Any]:
    field = f"options[{number}]"
    if body.id is not None and (poll is None or body.id not in {one.id for one in poll.shown}):
        raise BadField("There is no such option.", field=f"{field}.id")
    text = _line(body.text, LONGEST_OPTION, f"{field}.text")
    image = body.image.strip()
    own = _OWN.fullmatch(image)
    if image and (own is None or int(own[1]) != site.id):
        try:
            parts = urlsplit(image)
            fine = parts.scheme == "https" and site.allows_origin(f"https://{parts.netloc}") and parts.username is None
        except ValueError:
            fine = False
        if not fine or len(image) > 1_000 or not image.isascii() or not image.isprintable() or " " in image:
            raise BadField("An image has an https address on a page of the site.", field=f"{field}.image")
    video = ""
    if body.video.strip():
        found = canonical(body.video)
        if found is None:
            raise BadField("That is no address of a video on YouTube or Vimeo.", field=f"{field}.video")
        video = found
    if not (text or image or video):
        raise BadField("An option has a text, an image or a video.", field=f"{field}.text")
    return {"id": body.id, "text": text, "image": image, "video": video, "value": None, "correct": body.correct}


def _scale(body: PollBody) -> list[dict[str, Any]]:
    """The options of a number poll."""
    if body.options:
        raise BadField("The options of a number poll are made from its bounds.", field="options")
    values = range(body.low, body.high + 1, body.step)
    if not 2 <= len(values) <= MOST_OPTIONS:
        raise BadField(f"A scale has 2 to {MOST_OPTIONS} numbers.", field="high")
    return [
        {"id": None, "text": str(value), "image": "", "video": "", "value": value, "correct": False}
        for value in values
    ]  # fmt: skip


def _checked(members: dict[str, Any], now: float, poll: Whole | None = None) -> dict[str, Any]:
    """*members* in the form in which they are stored."""
    kind, options = members["kind"], members["options"]
    question = _line(members["question"], LONGEST_QUESTION, "question")
    if not question:
        raise BadField("A poll has a question.", field="question")
    if not 2 <= len(options) <= MOST_OPTIONS:
        raise BadField(f"A poll has 2 to {MOST_OPTIONS} options.", field="options")
    ids = [one["id"] for one in options if one["id"] is not None]
    if len(set(ids)) != len(ids):
        raise BadField("An option stands twice.", field="options")
    texts = [one["text"].lower() for one in options if one["text"]]
    if len(set(texts)) != len(texts):
        raise BadField("Two options have the same text.", field="options")
    least, most = _bounds(kind, members["least"], members["most"], len(options))
    right = sum(one["correct"] for one in options)
    if kind == "quiz" and right == 0:
        raise BadField("Say which answer of the quiz is right.", field="options")
    if kind != "quiz" and (right or members["explanation"]):
        raise BadField("Only a quiz has a right answer.", field="kind")
    if members["voters_shown"] and members["identity"] == "session":
        raise BadField("Names of voters can be shown where voters sign in.", field="voters_shown")
    if members["write_in"] and kind in ("number", "quiz"):
        raise BadField("Visitors can't add options to such a poll.", field="write_in")
    opens = _time(members["opens_at"], "opens_at")
    closes = _time(members["closes_at"], "closes_at")
    if opens and closes and opens >= closes:
        raise BadField("It would close before it opens.", field="closes_at")
    unchanged = poll is not None and members["closes_at"] == poll.closes_at
    if closes and not unchanged and not members["closed"] and closes <= now:
        raise BadField("That time is over. To close the poll now say closed.", field="closes_at")
    return {
        "kind": kind,
        "question": question,
        "description": _line(members["description"], LONGEST_TEXT, "description"),
        "explanation": _line(members["explanation"], LONGEST_TEXT, "explanation"),
        "least": least,
        "most": most,
        "results": members["results"],
        "identity": members["identity"],
        "quota": members["quota"],
        "burst": members["burst"],
        # Whoever has seen the right answer can't answer anew.
        "changeable": members["changeable"] and kind != "quiz",
        "voters_shown": members["voters_shown"],
        "write_in": members["write_in"],
        "opens_at": members["opens_at"],
        "closes_at": members["closes_at"],
        "closed": members["closed"],
        "options": options,
    }


def _bounds(kind: str, least: int | None, most: int | None, options: int) -> tuple[int, int]:
    """How many options a ballot names."""
    if kind in ("single", "number", "quiz"):
        if (least or 1) != 1 or (most or 1) != 1:
            raise BadField("One option is chosen in such a poll.", field="max")
        return 1, 1
    least, most = least or 1, options if most is None else most
    if not 1 <= least <= most <= options:
        raise BadField(f"min and max are from 1 to the number of options, {options}.", field="max")
    return least, most


def _line(text: str, most: int, field: str) -> str:
    made = clean_words(text, most + 1)
    if len(made) > most:
        raise BadField(f"It has at most {most} characters.", field=field)
    return made


def _time(text: str | None, field: str) -> float | None:
    if text is None:
        return None
    try:
        made = datetime.fromisoformat(text)
        return made.astimezone(UTC).timestamp() if 1970 < made.year < 2200 else 1 / 0
    except (ValueError, OverflowError, ZeroDivisionError):
        raise BadField("A time is written 2027-01-31T12:00:00Z.", field=field) from None


