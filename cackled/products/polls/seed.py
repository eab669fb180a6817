"""The demo's polls, one of each kind, with some votes."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.database.query import ReadPreference
from cackled.domain.errors import Refused
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.polls.answers import OptionBody, PollBody
from cackled.products.polls.drafts import new_poll
from cackled.products.polls.editor import PollEditor
from cackled.products.polls.queries import NEXT_POLL, SELECT_POLL
from cackled.products.polls.service import Polls


class Demo(Struct, frozen=True):
    """A poll of the demo, and how often each ballot was cast."""

    body: PollBody
    ballots: dict[str, int]


def _options(*texts: str, right: int = -1) -> list[OptionBody]:
    return [OptionBody(text, correct=number == right) for number, text in enumerate(texts)]


# In the order of their ids, from 1 on.
POLLS = (
    Demo(
        PollBody(
            question="What should be in the middle of the long table?",
            options=_options("Bread, still warm", "A bowl of plums", "Candles", "Nothing. Elbows need room."),
        ),
        {"1": 41, "2": 17, "3": 9, "4": 23},
    ),
    Demo(
        PollBody(
            kind="multiple", question="Which evenings suit you?", max=3, write_in=True,
            options=_options("Tuesday", "Thursday", "Friday", "Sunday"),
        ),
        {"1,2": 12, "3": 8, "3,4": 15, "2,3,4": 4},
    ),
    Demo(
        PollBody(
            kind="ranked", question="Where do we eat in July?",
            options=_options("In the yard", "By the river", "On the roof", "In the old tram depot"),
        ),
        {"1,2,3": 14, "2,1": 11, "3,2,4": 9, "4,3,2": 6, "3,1": 3},
    ),
    Demo(
        PollBody(kind="number", question="How hungry are you, from 1 to 10?", low=1, high=10, results="voted"),
        {"3": 4, "5": 9, "7": 14, "8": 11, "10": 6},
    ),
    Demo(
        PollBody(
            kind="quiz", question="Which planet has the shortest day?", results="voted",
            options=_options("Earth", "Jupiter", "Mars", right=1),
            explanation="Jupiter turns once in less than ten hours, though it is the largest of all.",
        ),
        {"1": 7, "2": 19, "3": 5},
    ),
)  # fmt: skip


async def fill(parts: ServiceParts, site: Site) -> None:
    """Make the demo's polls where they are missing, under the ids from 1 on."""
    editor, polls = PollEditor(parts, site, lambda: 0.0), Polls(parts, site)
    database = parts.database.site(site.id)
    for number, demo in enumerate(POLLS, 1):
        there = await database.read(SELECT_POLL, site.id, number, preference=ReadPreference.PRIMARY)
        if there.rows:
            continue
        try:
            await editor.save(number, 0, False, new_poll(site, demo.body, 0.0), "demo")
        except Refused as error:
            if error.slug != "version":
                raise
            # Another node made it at this moment, and casts the votes.
            continue
        ballots = [ballot for ballot, count in demo.ballots.items() for _ in range(count)]
        voter = site.channel("polls", f"demo voter {number}") >> 12
        items: list[tuple[Any, ...]] = [(voter + n, 0, None, "", ballot) for n, ballot in enumerate(ballots)]
        await polls.send(number, items)
    # Polls that are made from now on get ids beyond these.
    for _ in POLLS:
        if int((await database.write(NEXT_POLL, site.id))[0][0]) >= len(POLLS):
            break
