"""Pages of reviews: which one is wanted, where the next one begins, and the JSON put together from what is read."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from cackled.cache.types import Loaded
from cackled.domain.errors import BadField
from cackled.domain.site import Site
from cackled.products.reviews import answers

KINDS = ("review", "question", "answer")
# What a page holds at most in bytes; one review comes at least.
MOST_BYTES = 256 * 1024
_CURSOR = re.compile(r"(-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e-?[0-9]{1,2})?)_([0-9]{1,19})", re.ASCII)


class Wanted(Struct, frozen=True):
    """Which reviews, in which order; ``value`` and ``id``: where the page before ended."""

    kind: answers.Kind
    sort: answers.Sort
    size: int
    stars: tuple[int, ...] = ()
    media: bool = False
    verified: bool = False
    words: str = ""
    parent: int | None = None
    value: float | None = None
    id: int | None = None

    @property
    def find(self) -> str:
        """What `review_page` takes. One more is asked for than is given: it says whether there is a next page."""
        made: dict[str, Any] = {"kind": KINDS.index(self.kind), "sort": self.sort, "size": self.size + 1}
        if self.stars:
            made["stars"] = self.stars
        if self.media:
            made["media"] = True
        if self.verified:
            made["verified"] = True
        if self.parent is not None:
            made["parent"] = self.parent
        if self.value is not None:
            made |= {"value": self.value, "id": self.id}
        return msgspec.json.encode(made).decode()


def parse_cursor(text: str) -> tuple[float | None, int | None]:
    """Where the page before ended.

    Raises:
        BadField: it is none of ours.
    """
    if not text:
        return None, None
    match = _CURSOR.fullmatch(text)
    if match is None or int(match[2]) >= 2**63:
        raise BadField("A cursor comes from the page before.", field="cursor")
    return float(match[1]), int(match[2])


def build(site: Site, channel: int, key: str, wanted: Wanted, row: tuple[Any, ...]) -> Loaded:
    """The JSON members ``channel``, ``position``, ``summary`` and ``page``, without outer braces."""
    seq, stored, rest, summary, reviews, values, ids = row
    if seq is None or stored != key:
        # Nobody has written there, or another key has the same id.
        seq, rest = 0, '"url":"","title":"","locked":false'
        if stored is not None:
            reviews = []
            summary = NONE
    bytes_, count = 0, 0
    for one in reviews[: wanted.size]:
        bytes_ += len(one)
        if count and bytes_ > MOST_BYTES:
            break
        count += 1
    cursor = f"{float(values[count - 1])!r}_{ids[count - 1]}" if count < len(reviews) else None
    members = msgspec.json.encode(
        {
            "channel": msgspec.Raw(
                f'{{"id":"{channel}","key":{msgspec.json.encode(key).decode()},"seq":{seq},{rest}}}'.encode()
            ),
            "position": str(site.position(channel, seq)),
            "summary": msgspec.Raw(summary.encode()),
            "page": {
                "kind": wanted.kind,
                "sort": wanted.sort,
                "reviews": [msgspec.Raw(one.encode()) for one in reviews[:count]],
                "cursor": cursor,
            },
        }
    )
    return Loaded(members[1:-1], seq)


NONE = (
    '{"count":0,"average":null,"sum":0,"histogram":[0,0,0,0,0],"recommend":0,"recommend_of":0,"criteria":{},'
    '"verified":0,"with_media":0,"unrated":0,"questions":0,"own":{"count":0,"average":null}}'
)


def mine(rows: list[tuple[Any, ...]]) -> bytes:
    """The object ``me`` from rows of (kind, id, value, JSON)."""
    return msgspec.json.encode(
        {
            "votes": {str(row[1]): row[2] for row in rows if row[0] == "v"},
            "blocked": [str(row[1]) for row in rows if row[0] == "b"],
            "own": [msgspec.Raw(row[3].encode()) for row in rows if row[0] == "o"],
        }
    )


NOBODY = mine([])
