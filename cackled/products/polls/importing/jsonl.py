"""Our own export of polls, a JSON object a line.

Polls come whatever file they are in. Ballots come only as this server wrote them, for this site: who could make them up
could make up results.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Left, Page, Record
from cackled.importing.signed_lines import own_lines
from cackled.importing.source import Source
from cackled.importing.values import is_number, text_of, time_of
from cackled.products.polls.answers import MOST_OPTIONS
from cackled.products.polls.importing.record import ImportedBallot, ImportedPoll

STATES = {"counted": 1, "held": 2, "struck": 3}
MOST_SEALED = 2_000


def read(source: Source) -> Iterator[Record]:
    """The polls and ballots of an export.

    Raises:
        BadFile: it is none.
    """
    lines = own_lines(source, "polls")
    next(lines)
    for one, own in lines:
        kind = one.get("type") if isinstance(one, dict) else None
        if kind == "poll":
            id = text_of(one.get("id"))
            if not is_number(id):
                yield Left(reason="broken", id=id[:100])
                continue
            # The channel of a poll is called as its number.
            yield Page(id=id, key=id, exact=True)
            yield ImportedPoll(
                id=id, page=id, created=time_of(one.get("created")), number=int(id), line=one, own=own
            )
        elif kind == "ballot":
            yield _ballot(one, own)
        else:
            yield Left(reason="broken" if kind is None else "kind")


def _ballot(one: dict[str, Any], own: bool) -> Record:
    poll, sealed, options = text_of(one.get("poll")), text_of(one.get("voter")), one.get("options")
    state = STATES.get(text_of(one.get("state")))
    if not own:
        return Left(reason="unsigned", id=poll[:100])
    if (
        not is_number(poll) or state is None or not 0 < len(sealed) <= MOST_SEALED or not isinstance(options, list)
        or not 0 < len(options) <= MOST_OPTIONS or len(set(map(str, options))) < len(options)
        or not all(type(number) is int and 0 < number < 1_000_000 for number in options)
    ):  # fmt: skip
        return Left(reason="broken", id=poll[:100])
    told = blake2b(sealed.encode(), digest_size=15).hexdigest()
    visitor = text_of(one.get("visitor"))
    return ImportedBallot(
        id=f"{poll} {told}", page=poll, parent=poll, created=time_of(one.get("created")), options=tuple(options),
        sealed=sealed, visitor=visitor if is_number(visitor) else "", state=state,
        modified=time_of(one.get("modified")),
    )  # fmt: skip


FORMAT = Format(
    name="polls-jsonl", title="cackled's polls (JSON lines)", read=read, endings=(".jsonl", ".jsonl.gz"), signed=True
)
