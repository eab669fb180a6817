"""Our own export of who follows what, a JSON object a line, and who writes it.

An address of mail comes only as this server wrote it, for this site: nobody is written to because a file says that they
wanted it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from secrets import randbits
from typing import Any

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.domain.page_facts import page_url
from cackled.domain.page_keys import fit
from cackled.domain.site import Site
from cackled.events import Position
from cackled.importing.formats import Format, Parts, Ready, Spooled, Target, Written
from cackled.importing.records import Item, Left, Page, Record
from cackled.importing.signed_lines import own_lines
from cackled.importing.source import Source
from cackled.importing.values import flag_of, is_number, text_of, time_of
from cackled.languages import LANGUAGES
from cackled.products.comments.channels import comment_channel

# What one person follows.
MOST_FOLLOWS = 5_000
DIGESTS = ("off", "soon", "hourly", "daily")
# They are of no page; the writer needs one to put them in order by.
_PAGE = "follows"
_MAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,190}")
IMPORT_FOLLOWS = Query(
    "import_follows", "select added, present from import_follows($1, $2, $3, $4)", ("int", "bigint", "text", "text")
)
UNDO_FOLLOWS = Query("undo_import_of_follows", "select undo_import_of_follows($1, $2, $3)", ("int", "bigint", "int"))
COUNT_PRESENT = Query(
    "count_followers_present",
    """
    select count(*)::int from unnest($2::text[]) e (id) where exists (
      select from follower f where f.site_id = $1
        and f.visitor_id = case when e.id ~ '^[0-9]{1,19}$' then e.id::bigint end)
    """,
    ("int", "text[]"),
)
_ENCODER = msgspec.json.Encoder()


class ImportedFollower(Item, frozen=True, kw_only=True):
    """Somebody who follows something; ``line`` is what the export says of them. ``own``: as this server wrote it."""

    line: dict[str, Any]
    own: bool = False


def read(source: Source) -> Iterator[Record]:
    """The followers of an export.

    Raises:
        BadFile: it is none.
    """
    lines = own_lines(source, "follows")
    next(lines)
    yield Page(id=_PAGE, key=_PAGE, exact=True)
    for one, own in lines:
        who = text_of(one.get("visitor")) if isinstance(one, dict) else ""
        if not isinstance(one, dict) or one.get("type") != "follower" or not is_number(who):
            yield Left(reason="broken", id=who[:100])
            continue
        yield ImportedFollower(id=who, page=_PAGE, created=time_of(one.get("created")), line=one, own=own)


class FollowWriter:
    """The `cackled.importing.formats.Writer` of who follows what."""

    def __init__(self, parts: Parts, site: Site) -> None:
        self._site = site
        self._source = parts.source
        self._database = parts.database.site(site.id)

    def channel(self, key: str) -> int:
        """A number to put them in order by."""
        return comment_channel(self._site, key)

    def prepare(self, item: Item) -> Ready | Left:
        """A follower as it is stored."""
        assert isinstance(item, ImportedFollower)
        line = item.line
        email, state = text_of(line.get("email")).strip(), text_of(line.get("state"))
        if not item.own or state not in ("confirmed", "bounced", "complained"):
            state = "none"
        if state == "confirmed" and not _MAIL.fullmatch(email):
            state = "none"
        quiet = line.get("quiet")
        hours = quiet if isinstance(quiet, list) and len(quiet) == 2 else [0, 0]
        language, digest = text_of(line.get("language")), text_of(line.get("digest"))
        given = line.get("follows")
        follows = [self._follow(one) for one in (given if isinstance(given, list) else [])[:MOST_FOLLOWS]]
        return Ready(_ENCODER.encode({
            "v": item.id, "email": email if state == "confirmed" else "", "state": state,
            "language": language if language in LANGUAGES else self._site.settings.language,
            "digest": digest if digest in DIGESTS else "off", "replies": flag_of(line.get("replies")),
            "zone": text_of(line.get("zone"))[:60],
            "quiet": [hour if type(hour) is int and 0 <= hour <= 23 else 0 for hour in hours],
            "listens": str(randbits(62) | 1), "follows": [one for one in follows if one is not None],
        }))  # fmt: skip

    def _follow(self, one: Any) -> dict[str, Any] | None:
        if not isinstance(one, dict):
            return None
        key, who, created = fit(text_of(one.get("page"))), text_of(one.get("visitor")), time_of(one.get("created"))
        if key:
            return {"kind": 1, "target": str(comment_channel(self._site, key)), "key": key, "t": created,
                    "url": page_url(text_of(one.get("url")))}  # fmt: skip
        return {"kind": 2, "target": who, "t": created} if is_number(who) else None

    def missing(self, id: str, page: str, created: float) -> Ready | None:
        """Nothing: no follower answers another."""
        return None

    async def present(self, ids: Sequence[str]) -> int:
        """How many of these are here."""
        rows = await self._database.read(
            COUNT_PRESENT, self._site.id, list(ids), preference=ReadPreference.PRIMARY
        )
        return int(rows.rows[0][0])

    async def write(self, run: int, pages: Sequence[Target], items: Sequence[Spooled]) -> Written:
        """Store *items* in one transaction; whoever is here stays as they are."""
        told = b",".join(
            _ENCODER.encode({
                "id": one.id, "c": str(one.channel), "d": one.depth, "n": str(one.number), "t": one.created,
            })[:-1] + b"," + one.stored[1:] for one in items
        )  # fmt: skip
        rows = await self._database.write(
            IMPORT_FOLLOWS, self._site.id, run, self._source, f"[{told.decode()}]"
        )
        return Written(*rows[0])

    async def settle(self, run: int, channels: Sequence[int]) -> Sequence[Position]:
        """Nobody is told."""
        return ()

    async def undo(self, run: int, most: int) -> tuple[Sequence[Position], bool]:
        """Take some of a run back. What somebody chose to follow since stays."""
        rows = await self._database.write(UNDO_FOLLOWS, self._site.id, run, most)
        return (), bool(rows[0][0])


FORMAT = Format(
    name="follows-jsonl", title="cackled's followers (JSON lines)", read=read, endings=(".jsonl", ".jsonl.gz"),
    signed=True, writer=FollowWriter,
)  # fmt: skip
