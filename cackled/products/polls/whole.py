"""A poll as the database has it, and as others may see it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from cackled.products.polls import answers
from cackled.products.polls.runoff import Outcome


class WholeOption(Struct, frozen=True):
    """An option with all that is known of it; ``video``: ``provider:id``; ``state``: 0 proposed, 1 shown, 2 refused."""

    id: str
    text: str
    image: str
    video: str
    value: int | None
    correct: bool
    state: int
    votes: int
    # Of the video, as its site gives it.
    title: str = ""


class Whole(Struct, frozen=True):
    """A poll with all that is known of it, hidden counts too. ``public``: everybody may see the counts now."""

    id: str
    kind: answers.Kind
    question: str
    description: str
    explanation: str
    least: int
    most: int
    results: answers.Results
    identity: Literal["session", "account", "mail", "sso"]
    quota: int
    burst: int
    changeable: bool
    voters_shown: bool
    write_in: bool
    opens_at: str | None
    closes_at: str | None
    closed_at: str | None
    state: Literal["scheduled", "open", "closed"]
    voters: int
    removed: int
    version: int
    public: bool
    options: list[WholeOption]

    @property
    def shown(self) -> list[WholeOption]:
        """The options that there are to choose from."""
        return [one for one in self.options if one.state == 1]


_decoder = msgspec.json.Decoder(Whole)


def decode(text: str) -> Whole:
    """A poll from the database's JSON."""
    return _decoder.decode(text)


def video_of(text: str, title: str = "") -> dict[str, str] | None:
    """A video from how it is stored, with its *title* where that is known."""
    if not text:
        return None
    provider, name, *secret = text.split(":")
    return {"provider": provider, "id": name, "hash": "".join(secret), "title": title}


def option_json(one: WholeOption, votes: bool, answer: bool) -> dict[str, Any]:
    """An option, with its votes and whether it is right where those may be seen."""
    return {
        "id": one.id,
        "text": one.text,
        "image": one.image,
        "video": video_of(one.video, one.title),
        "value": one.value,
        "votes": one.votes if votes else None,
        "correct": one.correct if answer else None,
    }


def public_json(poll: Whole, outcome: Outcome | None) -> dict[str, Any]:
    """A poll as a stranger sees it who has not voted: the only form that is cached, shared and sent to pages."""
    answered = poll.kind == "quiz" and poll.state == "closed"
    return {
        "id": poll.id,
        "kind": poll.kind,
        "question": poll.question,
        "description": poll.description,
        "options": [option_json(one, poll.public, answered) for one in poll.shown],
        "min": poll.least,
        "max": poll.most,
        "results": poll.results,
        "identity": poll.identity,
        "changeable": poll.changeable,
        "voters_shown": poll.voters_shown,
        "write_in": poll.write_in,
        "state": poll.state,
        "opens_at": poll.opens_at,
        "closes_at": poll.closes_at if poll.closed_at is None else poll.closed_at,
        "voters": poll.voters if poll.public else None,
        "removed": poll.removed if poll.public else None,
        "version": poll.version,
        "explanation": poll.explanation if answered else None,
        "outcome": outcome if poll.public else None,
    }
