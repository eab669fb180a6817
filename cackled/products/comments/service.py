"""Comments as they are written: what may be, and how it is written in one round trip each; reading is in `reader`.

Built with a site, so that no function takes a bare id of nobody's. The database makes the JSON of a comment
(`comment_json`), so that pages, answers and events can't differ; here it is only put together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from cackled.cache.soft import SoftCache
from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.addresses import stored_address
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import Forbidden, Unprocessable
from cackled.domain.people import Crowd, People
from cackled.domain.pictures import check_same_pictures, own_pictures
from cackled.domain.sessions import GUEST, Session
from cackled.domain.site import Site
from cackled.domain.word_matching import compared, fold, visible
from cackled.domain.write_batching import BOUND, MOST, WriteQueues
from cackled.events import Position
from cackled.moderation.verdict import NO_SIGNS, Draft, Signs, Verdict
from cackled.products.comments import pages
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.mentions import with_names
from cackled.products.comments.pictures import posted_pictures
from cackled.products.comments.queries import (
    DELETE_COMMENT,
    EDIT_COMMENT,
    POST_COMMENT,
    POST_COMMENT_MAILED,
    POST_COMMENTS,
    POST_COMMENTS_MAILED,
    REACT_COMMENTS,
    SELECT_EDITABLE,
    VOTE_COMMENTS,
    state_of,
    stored_verdict,
    with_pictures,
)
from cackled.products.comments.reader import CommentReader
from cackled.products.comments.refusals import from_sqlstate

# Marks of what an author may want to change.
NUDGED = frozenset(("word", "pattern", "caps"))


class Written(Struct, frozen=True):
    """What a write answers with; ``comment`` is JSON text."""

    position: Position
    comment: bytes = b""
    replayed: bool = False


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


class Comments(CommentReader):
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
        super().__init__(site, database, cache)
        self._queues = WriteQueues() if queues is None else queues
        self._judge = judge
        self._wrote = wrote
        self._all = database
        self._evict = evict
        self._people = People(site, database, crowd)

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
            if replayed:
                check_same_pictures(json, "media", media)
            else:
                self._wrote(self._site.id, "comment", channel, state_of(verdict))
            return self._written(channel, seq, pages.with_source(json, source), replayed)
        # Two keys that meet in one channel id don't meet in one batch.
        json, seq, replayed, source = await self._queues.posts.add(
            (self._site.id, channel, ref.key), item, partial(self._post, channel, ref.key)
        )
        if replayed:
            check_same_pictures(json, "media", media)
        else:
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
