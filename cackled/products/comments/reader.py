"""Comments as they are read: pages through the cache, one comment, counts, and what is a visitor's own."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from cackled.cache.soft import SoftCache
from cackled.cache.types import Loaded
from cackled.database.errors import Busy, Unavailable
from cackled.database.query import Rows
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import NotFound
from cackled.domain.read_options import SHARED, Reading, Source
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.products.comments import pages
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.permalink import permalink
from cackled.products.comments.queries import SELECT_CHANNEL_OF, SELECT_COMMENT, SELECT_COUNTS, SELECT_MINE
from cackled.products.comments.settings import CommentSettings

# Seconds that an answer from before the primary went down is shared.
STALE_TTL = 1.0


class One(Struct, frozen=True):
    """One comment as JSON text, and where it stands; no ``permalink`` on pages that are none of the site's."""

    json: bytes
    channel: int
    permalink: str


class CommentReader:
    """The comments of one site, as they are read."""

    def __init__(self, site: Site, database: Database, cache: SoftCache) -> None:
        self._site = site
        self._settings = site.product(CommentSettings)
        self._database = database.site(site.id)
        self._cache = cache

    async def page(
        self,
        key: str,
        wanted: pages.Wanted,
        *,
        after: int = 0,
        preference: ReadPreference | Reading = ReadPreference.NEAREST,
    ) -> Loaded:
        """One page of a channel: the JSON members ``channel``, ``position`` and ``page``, without outer braces.

        Never older than seq *after*, unless the reading is marked stale. The shared bytes hold nothing of any one
        visitor.

        Raises:
            Unavailable: no server that may answer has come so far, or none is up.
        """
        reading = Reading.of(preference, after)
        channel = comment_channel(self._site, key)
        open_ = self._settings.posting
        query, args = pages.statement(wanted)
        question = (query, self._site.id, channel, *args)

        def build(rows: Rows) -> Loaded:
            made = pages.build(self._site, channel, key, wanted, rows.rows)
            if not open_:
                # Every conversation of the site is shown closed. In a text the quotes would be escaped.
                made = replace(made, value=made.value.replace(b'"locked":false', b'"locked":true', 1))
            return replace(made, source=Source(rows.server, self._database.now() - rows.staleness))

        if reading.options.preference not in SHARED:
            rows = await reading.rows(self._database, *question)
            made = build(rows)
            if made.seq < reading.options.after and not rows.primary:
                newer = await reading.again(self._database, *question)
                if newer is not None:
                    rows, made = newer, build(newer)
            reading.found(rows)
            reading.reached(made.seq)
            return made

        async def load(fresh: bool) -> Loaded:
            where = ReadPreference.PRIMARY if fresh else reading.options.preference
            bound = None if fresh else reading.options.max_staleness
            return build(await self._database.read(*question, preference=where, max_staleness=bound))

        async def load_stale(fresh: bool) -> Loaded:
            return build(await self._database.read(*question, preference=ReadPreference.SECONDARY_PREFERRED))

        group = self._site.group(channel)
        # Two keys that meet in one channel id must not meet in the cache.
        entry = (key, wanted, open_)
        found = self._cache.peek(group, entry, reading.options.after)
        stale = False
        try:
            if found is None:
                found = await self._cache.get(group, entry, load, after=reading.options.after)
            if reading.options.max_staleness is not None and self._age(found) > reading.options.max_staleness:
                found = await load(False)
                if found.seq < reading.options.after:
                    found = await load(True)
        except Busy:
            raise
        except Unavailable:
            # The primary is down, and no replica is as new as what was announced. What there is does not go among
            # the answers that are kept: the primary may come back and know better.
            found = await self._cache.get(("stale", *group), entry, load_stale, ttl=STALE_TTL)
            stale = True
        age = self._age(found)
        late = reading.options.max_staleness is not None and age > reading.options.max_staleness
        reading.outcome.note(found.source.server, age, stale or late or not self._database.writable)
        reading.reached(found.seq)
        return found

    def _age(self, found: Loaded) -> float:
        """Seconds that something kept may be behind: the event log keeps it as fresh as the log itself is read."""
        begun, read = self._database.log()
        as_of: float = found.source.as_of
        return self._database.now() - (max(as_of, read) if as_of >= begun else as_of)

    async def mine(
        self, key: str, session: Session, preference: ReadPreference | Reading = ReadPreference.NEAREST
    ) -> bytes:
        """The JSON object ``me``: the visitor's own votes on the page, and whom they block."""
        reading = Reading.of(preference)
        rows = await reading.rows(
            self._database, SELECT_MINE, self._site.id, comment_channel(self._site, key), session.visitor
        )
        return pages.mine(reading.found(rows))

    async def one(
        self,
        comment_id: int,
        session: Session | None,
        preference: ReadPreference | Reading = ReadPreference.PRIMARY,
    ) -> One:
        """One comment; its author also gets the source.

        Raises:
            NotFound: there is none that can be seen.
        """
        reading = Reading.of(preference)
        question = (SELECT_COMMENT, self._site.id, comment_id, None if session is None else session.visitor)
        rows = await reading.rows(self._database, *question)
        if reading.options.after and not rows.primary and (not rows.rows or rows.rows[0][3] < reading.options.after):
            rows = await reading.again(self._database, *question) or rows
        if not reading.found(rows):
            raise NotFound("There is no such comment.")
        json, source, visitor, seq, channel, url = rows.rows[0]
        reading.reached(seq)
        mine = session is not None and session.visitor == visitor
        text = pages.with_source(json, source) if mine else json.encode()
        return One(text, channel, permalink(self._site, url, comment_id))

    async def channel_of(self, comment_id: int) -> int | None:
        """The id of the channel that a comment is in, deleted ones too; None where there is none."""
        rows = await self._database.read(
            SELECT_CHANNEL_OF, self._site.id, comment_id, preference=ReadPreference.PRIMARY
        )
        return rows.rows[0][0] if rows.rows else None

    async def counts(
        self,
        keys: list[str],
        preference: ReadPreference | Reading = ReadPreference.NEAREST,
        after: dict[str, int] | None = None,
    ) -> dict[str, int]:
        """How many comments each channel shows; unknown ones 0. *after*: of these channels not before that seq."""
        reading = Reading.of(preference)
        question = (SELECT_COUNTS, self._site.id, [comment_channel(self._site, key) for key in keys])
        rows = await reading.rows(self._database, *question)
        if after and not rows.primary:
            seqs = {key: seq for key, _, seq in rows.rows}
            if any(seqs.get(key, 0) < seq for key, seq in after.items()):
                rows = await reading.again(self._database, *question) or rows
        found = {key: (count, seq) for key, count, seq in reading.found(rows)}
        for key, seq in (after or {}).items():
            reading.reached(found.get(key, (0, 0))[1], seq)
        return {key: found.get(key, (0, 0))[0] for key in keys}
