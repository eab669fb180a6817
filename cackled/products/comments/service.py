"""Comments: what may be written, and how it is read and written in one round trip each.

Built with a site, so that no function takes a bare id of nobody's. The database makes the JSON of a comment
(`comment_json`), so that pages, answers and events can't differ; here it is only put together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cackled.cache.soft import SoftCache
from cackled.cache.types import Loaded
from cackled.database.errors import Busy, QueryFailed, Unavailable
from cackled.database.query import Query, Rows
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.addresses import stored_address
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import Forbidden, NotFound, Unprocessable
from cackled.domain.people import Crowd, People
from cackled.domain.pictures import own_pictures
from cackled.domain.read_options import SHARED, Reading, Source
from cackled.domain.sessions import GUEST, Session
from cackled.domain.site import Site
from cackled.domain.word_matching import compared, fold, visible
from cackled.domain.write_batching import BOUND, MOST, WriteQueues
from cackled.events import Position
from cackled.moderation.verdict import NO_SIGNS, Draft, Signs, Verdict
from cackled.products.comments import pages
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.mentions import with_names
from cackled.products.comments.permalink import permalink
from cackled.products.comments.pictures import posted_pictures
from cackled.products.comments.queries import (
    DELETE_COMMENT,
    EDIT_COMMENT,
    POST_COMMENT,
    POST_COMMENT_MAILED,
    POST_COMMENTS,
    POST_COMMENTS_MAILED,
    REACT_COMMENTS,
    SELECT_CHANNEL_OF,
    SELECT_COMMENT,
    SELECT_COUNTS,
    SELECT_EDITABLE,
    SELECT_MINE,
    VOTE_COMMENTS,
    state_of,
    stored_verdict,
    with_pictures,
)
from cackled.products.comments.refusals import from_sqlstate
from cackled.products.comments.settings import CommentSettings

# Marks of what an author may want to change.
NUDGED = frozenset(("word", "pattern", "caps"))
# Seconds that an answer from before the primary went down is shared.
STALE_TTL = 1.0


class Written(Struct, frozen=True):
    """What a write answers with; ``comment`` is JSON text."""

    position: Position
    comment: bytes = b""
    replayed: bool = False


class One(Struct, frozen=True):
    """One comment as JSON text, and where it stands; no ``permalink`` on pages that are none of the site's."""

    json: bytes
    channel: int
    permalink: str


class Voted(Struct, frozen=True):
    """A comment's votes after a vote, and what the voter's own is now (the author's is never counted: 0)."""

    position: Position
    up: int
    down: int
    value: int


class Reacted(Struct, frozen=True):
    """A comment's reactions as their reactor sees them, as JSON text."""

    position: Position
    reactions: bytes


def _refusal(state: str, reason: str) -> Exception:
    return from_sqlstate(state, reason) or ValueError(reason)


def _refused(reason: str) -> Exception | None:
    """The refusal of a vote."""
    return from_sqlstate("CK404" if reason == "comment" else "CK403", reason)


class Comments:
    """The comments of one site.

    ``evict`` is told each position a write led to before the writer is answered; the event log tells everybody else.
    ``queues`` are those of the process; without them this object has its own.
    """

    def __init__(
        self,
        site: Site,
        database: Database,
        cache: SoftCache,
        evict: Callable[[Position], None],
        queues: WriteQueues | None = None,
        crowd: Crowd | None = None,
        judge: Callable[[Site, Draft], Awaitable[Verdict]] | None = None,
        wrote: Callable[[int, str, int, str], None] = lambda site, kind, channel, state: None,
    ) -> None:
        self._site = site
        self._settings = site.product(CommentSettings)
        self._queues = WriteQueues() if queues is None else queues
        self._judge = judge
        self._wrote = wrote
        self._all = database
        self._database = database.site(site.id)
        self._cache = cache
        self._evict = evict
        self._people = People(site, database, crowd)

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

    async def post(
        self,
        session: Session,
        ref: ChannelRef,
        source: str,
        name: str,
        *,
        parent: int | None = None,
        address: str | None = None,
        idempotency_key: str | None = None,
        signs: Signs = NO_SIGNS,
        anyway: bool = False,
        media: Sequence[str] = (),
    ) -> Written:
        """Write a comment; with the same *idempotency_key* again, answer with the first one.

        *anyway*: the author was asked to change it, and did not want to. *media*: ids of pictures of theirs.

        Raises:
            Refused: as the rules say (empty or long text, a parent that is gone or too deep, a ban, a closed channel).
        """
        self._open()
        ref = check_channel(ref)
        name = text.clean_name(name) if session.level == GUEST else ""
        source = text.clean_text(source, self._settings.max_length, bare=bool(media))
        source = await with_names(self._all, self._site, source)
        name = await self._people.author(session, name)
        channel = comment_channel(self._site, ref.key)
        html = self._html(source)
        shown = await posted_pictures(self._all, self._site, session.visitor, channel, media, idempotency_key)
        verdict = await self._judged(
            channel, ref.key, session, name, source, html, address, parent=parent, title=ref.title, url=ref.url,
            once=idempotency_key or "", anyway=anyway, trap=signs.trap, seconds=signs.seconds, proof=signs.proof,
            scriptless=signs.scriptless,
        )  # fmt: skip

        item = (
            ref.url, ref.title, session.visitor, name, stored_address(address), idempotency_key, parent, source, html,
            compared(name, source, visible(html)), fold(ref.title),
        )  # fmt: skip
        if verdict is not None or shown:
            query = POST_COMMENT_MAILED if verdict is None and self._site.settings.mails_comments else POST_COMMENT
            if shown:
                verdict = with_pictures(verdict, shown)
            assert verdict is not None
            how = (self._settings.level, self._hooked, verdict)
            rows = await self._write(query, self._site.id, channel, ref.key, *item, *how)
            json, seq, replayed, source = rows[0]
            if not replayed:
                self._wrote(self._site.id, "comment", channel, state_of(verdict))
            return self._written(channel, seq, pages.with_source(json, source), replayed)
        # Two keys that meet in one channel id don't meet in one batch.
        json, seq, replayed, source = await self._queues.posts.add(
            (self._site.id, channel, ref.key), item, partial(self._post, channel, ref.key)
        )
        if not replayed:
            self._wrote(self._site.id, "comment", channel, "approved")
        return self._written(channel, seq, pages.with_source(json, source), replayed)

    async def _judged(
        self, channel: int, key: str, session: Session, name: str, source: str, html: str, address: str | None,
        *, anyway: bool = True, **more: Any,
    ) -> str | None:  # fmt: skip
        """What becomes of a text, as the database takes it; None: it is shown at once.

        Raises:
            Refused: the site's rules refuse it.
        """
        if self._judge is None:
            return None
        draft = Draft(
            kind="comment", channel=channel, key=key, visitor=session.visitor, name=name, text=source, html=html,
            address=address, known=session.level != GUEST, staff=bool(session.staff), **more,
        )  # fmt: skip
        verdict = await self._judge(self._site, draft)
        if self._settings.nudge and not anyway and verdict.state == "pending" and NUDGED.intersection(verdict.reasons):
            raise Unprocessable(
                "This may hurt somebody. Change it, or send it as it is: then a moderator reads it first.", slug="nudge"
            )
        return stored_verdict(verdict, self._site.settings.digest_seconds)

    def _open(self) -> None:
        """See that comments may be written on this site at all."""
        if not self._settings.posting:
            raise _refusal("CK403", "locked")

    async def _post(self, channel: int, key: str, items: list[tuple[Any, ...]]) -> list[Any]:
        """Write comments of one channel: a row for each, or the error that it is to be answered with."""
        where = (self._site.id, channel, key)
        how = (self._settings.level, self._hooked)
        mailed = self._site.settings.mails_comments
        if len(items) > 1:
            columns = [list(column) for column in zip(*items, strict=True)]
            try:
                query = POST_COMMENTS_MAILED if mailed else POST_COMMENTS
                rows: list[Any] = await self._database.write(query, *where, *columns, *how)
            except QueryFailed:
                pass  # none was written
            else:
                return rows
        answers: list[Any] = []
        for item in items:
            try:
                query = POST_COMMENT_MAILED if mailed else POST_COMMENT
                answers += await self._write(query, *where, *item, *how, None)
            except Exception as error:
                answers.append(error)
        return answers

    def _html(self, source: str) -> str:
        return text.render(source, math=self._settings.math, mentions=True)

    def preview(self, source: str) -> str:
        """The HTML that *source* becomes when it is posted.

        Raises:
            Unprocessable: nothing visible is left, or it is longer than the site allows.
        """
        return self._html(text.clean_text(source, self._settings.max_length))

    async def edit(
        self, session: Session, comment_id: int, source: str, *, address: str | None = None,
        media: Sequence[str] | None = None,
    ) -> Written:  # fmt: skip
        """Change one's own comment within the site's window; its pictures stay where *media* is None.

        Rights come first, then the length, then the work: a stranger's text is not rendered.
        """
        self._open()
        where = (self._site.id, comment_id, session.visitor)
        seconds = self._settings.edit_seconds
        found = await self._database.read(SELECT_EDITABLE, *where, seconds, preference=ReadPreference.PRIMARY)
        if not found.rows:
            raise _refusal("CK404", "comment")
        mine, in_time, channel, key, name, pictures = found.rows[0]
        if not mine:
            raise _refusal("CK403", "author")
        if not in_time:
            raise _refusal("CK409", "window")
        bare = pictures if media is None else bool(media)
        source = text.clean_text(source, self._settings.max_length, bare=bare)
        source = await with_names(self._all, self._site, source)
        html = self._html(source)
        shown = None if media is None else await own_pictures(
            self._all, self._site, session.visitor, f"comment:{comment_id}", list(media)
        )  # fmt: skip
        verdict = await self._judged(channel, key, session, name, source, html, address, edits=comment_id)
        if shown is not None:
            verdict = with_pictures(verdict, shown)
        rows = await self._write(
            EDIT_COMMENT,
            *where, stored_address(address), source, html, compared(source, visible(html)), seconds, self._hooked,
            verdict,
        )  # fmt: skip
        json, seq, channel = rows[0]
        return self._written(channel, seq, pages.with_source(json, source))

    async def delete(self, session: Session, comment_id: int) -> Written:
        """Delete the caller's own comment."""
        how = self._settings.deletion
        if how == "staff" and not session.staff:
            raise Forbidden("Only moderators delete comments here.", slug="staff-only")
        rows = await self._write(DELETE_COMMENT, self._site.id, comment_id, session.visitor, self._hooked, how)
        seq, channel = rows[0]
        return self._written(channel, seq)

    async def vote(
        self, session: Session, comment_id: int, value: int, *, address: str | None = None
    ) -> Voted:
        """Vote 1, -1 or 0 (take the vote back); once per visitor, however often it is said, and never for oneself.

        Votes on one comment that come while others of it are being written are written together, in the order they
        came, with one number and one event: the counts and the position that each is answered with hold all of them.
        """

        async def send(votes: list[tuple[int, int, str | None]]) -> list[Any]:
            visitors, values, addresses = (list(column) for column in zip(*votes, strict=True))
            rows = await self._write(VOTE_COMMENTS, self._site.id, comment_id, visitors, values, addresses)
            self._written(rows[0][3], rows[0][2])
            return [
                (*row[:4], vote[1] if row[5] else 0) if row[4] is None else _refused(row[4])
                for row, vote in zip(rows, votes, strict=True)
            ]

        up, down, seq, channel, counted = await self._queues.votes.add(
            (self._site.id, comment_id), (session.visitor, value, stored_address(address)), send
        )
        return Voted(self._site.position(channel, seq), up, down, counted)

    async def react(
        self, session: Session, comment_id: int, name: str, on: bool, *, address: str | None = None
    ) -> Reacted:
        """React to a comment with *name*, or take that back: once per visitor and name, however often it is said.

        Gathered as votes are.
        """

        async def send(items: list[tuple[int, str, bool, str | None]]) -> list[Any]:
            columns = [list(column) for column in zip(*items, strict=True)]
            rows = await self._write(REACT_COMMENTS, self._site.id, comment_id, *columns)
            self._written(rows[0][2], rows[0][1])
            return [row[:3] if row[3] is None else _refused(row[3]) for row in rows]

        gathered = self._queues.named("reactions", most=MOST, bound=BOUND, pause=0.0)
        made, seq, channel = await gathered.add(
            (self._site.id, comment_id), (session.visitor, name, on, stored_address(address)), send
        )
        return Reacted(self._site.position(channel, seq), made.encode())

    @property
    def _hooked(self) -> bool:
        return bool(self._site.settings.webhook_url)

    def _written(self, channel: int, seq: int, comment: bytes = b"", replayed: bool = False) -> Written:
        position = self._site.position(channel, seq)
        self._evict(position)
        return Written(position, comment, replayed)

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        try:
            return await self._database.write(query, *args)
        except QueryFailed as error:
            refused = from_sqlstate(error.sqlstate, error.message)
            if refused is None:
                raise
            raise refused from None
