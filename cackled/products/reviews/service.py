"""Reviews: what may be written, and how it is read and written in one round trip each.

Built with a site, so that no function takes a bare id of nobody's. The database makes the JSON of a review
(`review_json`), so that pages, answers and events can't differ; here it is only put together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from cackled.cache.types import Loaded
from cackled.clock import wall_time
from cackled.database.errors import Busy, QueryFailed, Unavailable
from cackled.database.query import Query, ReadPreference, Rows
from cackled.domain import text
from cackled.domain.addresses import stored_address
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import Forbidden, NotFound, Unprocessable
from cackled.domain.parts import ServiceParts
from cackled.domain.people import People
from cackled.domain.read_options import SHARED, Reading, Source
from cackled.domain.sessions import GUEST, Session
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.domain.word_matching import fold
from cackled.events import Position
from cackled.moderation.verdict import NO_SIGNS, Draft, Signs
from cackled.products.reviews import answers, pages, refusals
from cackled.products.reviews.drafts import Checker, compared_words, judged_html, judged_words
from cackled.products.reviews.notices import level_of
from cackled.products.reviews.orders import Orders
from cackled.products.reviews.pictures import check_same_photos, look_up_pictures, look_up_posted
from cackled.products.reviews.queries import (
    DELETE_REVIEW,
    EDIT_REVIEW,
    FLAG_REVIEW,
    HIDE_REPORTED,
    POST_REVIEW,
    REPLY_REVIEW,
    SELECT_CHANNEL_OF,
    SELECT_EDITABLE,
    SELECT_MINE,
    SELECT_PAGE,
    SELECT_RATINGS,
    SELECT_REVIEW,
    SELECT_SUMMARY,
    SELECT_VERSIONS,
    SELECT_WORDS_PAGE,
    VOTE_REVIEWS,
)
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.verdicts import state_of, stored_verdict

PRODUCT_NAME = "reviews"
# Seconds that an answer from before the primary went down is shared.
STALE_TTL = 1.0
MAX_REASON = 500
# Earlier versions of a review that readers are given.
MOST_VERSIONS = 20
# Seconds that the ratings of a list of products are kept: they hold no visitor's own, and sort nothing by themselves.
SEARCH_TTL = 10.0


class Written(Struct, frozen=True):
    """What a write answers with; ``review`` and ``summary`` are JSON text."""

    position: Position
    review: bytes = b""
    summary: bytes = b""
    replayed: bool = False


class One(Struct, frozen=True):
    """One review as JSON text, and where it stands."""

    json: bytes
    channel: int
    key: str
    position: Position


class Voted(Struct, frozen=True):
    """A review's votes after a vote, and what the voter's own is now."""

    position: Position
    up: int
    down: int
    value: int


class Rated(Struct, frozen=True):
    """The stars of a product."""

    count: int = 0
    total: int = 0
    score: float | None = None

    @property
    def mean(self) -> float | None:
        """The mean with two decimals; None of none."""
        return round(self.total / self.count, 2) if self.count else None


def review_channel(site: Site, key: str) -> int:
    """The id of the channel of reviews of a page."""
    return site.channel(PRODUCT_NAME, key)


class Reviews:
    """The reviews of one site."""

    def __init__(self, parts: ServiceParts, site: Site, now: Callable[[], float] = wall_time) -> None:
        self._site = site
        self._settings = site.product(ReviewSettings)
        self._all = parts.database
        self._database = parts.database.site(site.id)
        # Conditions that are no plain comparison use no index below row-level security.
        self._whole = parts.database.of(site.id).system
        self._cache = parts.cache
        self._evict = parts.evict
        self._queues = parts.queues
        self._judge = parts.judge
        self._wrote = parts.wrote
        self._people = People(site, parts.database, parts.crowd)
        self._checker = Checker(site, self._settings, now)
        self._orders = Orders(parts, site, now)

    async def page(self, key: str, wanted: pages.Wanted, reading: Reading) -> Loaded:
        """One page: the JSON members ``channel``, ``position``, ``summary`` and ``page``, without outer braces.

        Never older than the reading's ``after``, unless it is marked stale. The shared bytes hold nothing of any one
        visitor.

        Raises:
            Unavailable: no server that may answer has come so far, or none is up.
        """
        channel = review_channel(self._site, key)
        options = reading.options
        question: tuple[Any, ...] = (SELECT_PAGE, self._site.id, channel, wanted.find)
        database: Any = self._database
        if wanted.words:
            question = (SELECT_WORDS_PAGE, self._site.id, channel, wanted.find, wanted.words)
            database = self._whole

        def build(rows: Rows) -> Loaded:
            made = pages.build(self._site, channel, key, wanted, rows.rows[0])
            value = made.value
            if not self._settings.posting:
                # Every page of the site is shown closed. In a text the quotes would be escaped.
                value = value.replace(b'"locked":false', b'"locked":true', 1)
            return Loaded(value, made.seq, Source(rows.server, self._database.now() - rows.staleness))

        if options.preference not in SHARED or options.max_staleness is not None:
            rows = await reading.rows(database, *question)
            if options.after and not rows.primary and (rows.rows[0][0] or 0) < options.after:
                rows = await reading.again(database, *question) or rows
            reading.found(rows)
            made = build(rows)
            reading.reached(made.seq)
            return made

        async def load(fresh: bool) -> Loaded:
            preference = ReadPreference.PRIMARY if fresh else options.preference
            return build(await database.read(*question, preference=preference))

        async def load_stale(fresh: bool) -> Loaded:
            return build(await database.read(*question, preference=ReadPreference.SECONDARY_PREFERRED))

        group = self._site.group(channel)
        # Two keys that meet in one channel id must not meet in the cache.
        entry = (key, wanted, self._settings.posting)
        stale = False
        try:
            found = await self._cache.get(group, entry, load, after=options.after)
        except Busy:
            raise
        except Unavailable:
            found = await self._cache.get(("stale", *group), entry, load_stale, ttl=STALE_TTL)
            stale = True
        begun, read = self._database.log()
        as_of: float = found.source.as_of
        age = self._database.now() - (max(as_of, read) if as_of >= begun else as_of)
        reading.outcome.note(found.source.server, age, stale or not self._database.writable)
        reading.reached(found.seq)
        return found

    async def mine(self, key: str, session: Session, preference: ReadPreference) -> bytes:
        """The JSON object ``me``: the visitor's own votes and reviews on the page, and whom they block."""
        rows = await self._database.read(
            SELECT_MINE, self._site.id, review_channel(self._site, key), session.visitor, preference=preference
        )
        return pages.mine(rows.rows)

    async def one(self, review: int, session: Session | None, reading: Reading) -> One:
        """One review; its author also gets what is theirs alone.

        Raises:
            NotFound: there is none that can be seen.
        """
        question = (SELECT_REVIEW, self._site.id, review, None if session is None else session.visitor)
        rows = await reading.rows(self._database, *question)
        after = reading.options.after
        if after and not rows.primary and (not rows.rows or rows.rows[0][1] < after):
            rows = await reading.again(self._database, *question) or rows
        if not reading.found(rows):
            raise NotFound("There is no such review.")
        json, seq, channel, key = rows.rows[0]
        reading.reached(seq)
        return One(json.encode(), channel, key, self._site.position(channel, seq))

    async def versions(self, review: int, session: Session | None) -> bytes:
        """Earlier versions that readers have seen, as a JSON array, the latest first.

        Raises:
            NotFound: there is no review that can be seen, or the site does not show them.
        """
        json = None
        if self._settings.history:
            rows = await self._database.read(
                SELECT_VERSIONS, self._site.id, review, None if session is None else session.visitor, MOST_VERSIONS,
                preference=ReadPreference.PRIMARY,
            )  # fmt: skip
            json = rows.rows[0][0] if rows.rows else None
        if json is None:
            raise NotFound("There are no earlier versions to be seen.")
        return str(json).encode()

    async def channel_of(self, review: int) -> int | None:
        """The id of the channel that a review is in, deleted ones too; None where there is none."""
        rows = await self._database.read(
            SELECT_CHANNEL_OF, self._site.id, review, preference=ReadPreference.PRIMARY
        )
        return rows.rows[0][0] if rows.rows else None

    async def summary(self, key: str, reading: Reading) -> tuple[Position, bytes]:
        """What a page has of reviews, as JSON, and where it stands."""
        channel = review_channel(self._site, key)
        question = (SELECT_SUMMARY, self._site.id, channel)
        rows = await reading.rows(self._database, *question)
        if reading.options.after and not rows.primary and rows.rows[0][0] < reading.options.after:
            rows = await reading.again(self._database, *question) or rows
        seq, json = reading.found(rows)[0]
        reading.reached(seq)
        return self._site.position(channel, seq), json.encode()

    async def ratings(self, keys: list[str], reading: Reading) -> dict[str, Rated]:
        """The stars of products; of unknown ones none."""
        rows = await reading.rows(
            self._database, SELECT_RATINGS, self._site.id, [review_channel(self._site, key) for key in keys]
        )
        found = {key: Rated(count, total, score) for key, count, total, score in reading.found(rows)}
        return {key: found.get(key, Rated()) for key in keys}

    async def post(
        self,
        session: Session,
        ref: ChannelRef,
        sent: answers.PostBody,
        *,
        address: str | None = None,
        idempotency_key: str | None = None,
        signs: Signs = NO_SIGNS,
    ) -> Written:
        """Write a review, a question or an answer; with the same *idempotency_key* again, answer with the first one.

        Raises:
            Refused: as the rules say (no stars, a member that can't be used, a second review, a ban, a closed page).
        """
        self._open(session, sent)
        ref = check_channel(ref)
        name = text.clean_name(sent.name) if session.level == GUEST else ""
        kind = pages.KINDS.index(sent.kind)
        parent = None
        if sent.kind == "answer":
            parent = _parent(sent.parent)
        members = (
            self._checker.review(sent, {}) if sent.kind == "review"
            else self._checker.words(sent.text if sent.text is not UNSET else "", needed=True)
        )  # fmt: skip
        channel = review_channel(self._site, ref.key)
        await look_up_posted(self._all, self._site, session.visitor, members, channel, idempotency_key)
        order = await self._order(sent)
        name = await self._people.author(session, name)
        verdict = await self._judged(
            channel, ref.key, session, name, members, address, parent=parent, title=ref.title, url=ref.url,
            once=idempotency_key or "", trap=signs.trap, seconds=signs.seconds, proof=signs.proof,
        )  # fmt: skip
        rows = await self._write(
            POST_REVIEW,
            self._site.id, channel, ref.key, ref.url, ref.title, session.visitor, name, stored_address(address),
            idempotency_key, kind, parent, msgspec.json.encode(members).decode(), compared_words(name, members),
            fold(ref.title), bool(session.staff), order, self._hooked, verdict, level_of(self._site),
        )  # fmt: skip
        json, seq, replayed, summary, state = rows[0][:5]
        if replayed:
            check_same_photos(json, members)
        else:
            self._wrote(self._site.id, "review", channel, state_of(state))
        return self._written(channel, seq, json, summary, replayed)

    def _open(self, session: Session, sent: answers.PostBody) -> None:
        if not self._settings.posting:
            raise Forbidden("Reviews are not taken now.", slug="locked")
        if sent.kind != "review" and not self._settings.questions:
            raise NotFound("There are no questions here.")
        if sent.kind == "review" and self._settings.writers == "signed-in" and session.level == GUEST:
            raise Forbidden("Sign in to write a review.", slug="sign-in")

    async def _order(self, sent: answers.PostBody) -> int | None:
        """The order that a review comes with.

        Raises:
            Refused: the token does not hold, or one is needed.
        """
        if sent.kind != "review":
            return None
        if sent.order:
            return (await self._orders.read(sent.order)).order
        if self._settings.writers == "buyers":
            raise Forbidden("Only buyers write reviews here, by the link of their order.", slug="buyers-only")
        return None

    async def _judged(
        self, channel: int, key: str, session: Session, name: str, members: dict[str, Any], address: str | None,
        **more: Any,
    ) -> str | None:  # fmt: skip
        """What becomes of it, as the database takes it; None: it is shown at once. Stars are nothing that is judged.

        Raises:
            Refused: the site's rules refuse it.
        """
        if self._judge is None:
            return None
        draft = Draft(
            kind="review", channel=channel, key=key, visitor=session.visitor, name=name, text=judged_words(members),
            html=judged_html(members), address=address, known=session.level != GUEST, staff=bool(session.staff), **more,
        )  # fmt: skip
        return stored_verdict(await self._judge(self._site, draft))

    async def edit(
        self, session: Session, review: int, sent: answers.Members, *, address: str | None = None
    ) -> Written:
        """Change one's own. Rights come first, then the length, then the work.

        Raises:
            Refused: as the rules say.
        """
        if not self._settings.posting:
            raise Forbidden("Reviews are not changed now.", slug="locked")
        found = await self._database.read(
            SELECT_EDITABLE, self._site.id, review, session.visitor, preference=ReadPreference.PRIMARY
        )
        if not found.rows:
            raise NotFound("There is no such review.")
        mine, channel, key, kind, name, before, url, title, status = found.rows[0]
        if not mine:
            raise Forbidden("Only its author can do that.", slug="author")
        was = msgspec.json.decode(before)
        if kind == 0:
            made = self._checker.review(sent, was)
        else:
            made = self._checker.words(sent.text, needed=True) if sent.text is not UNSET else {}
        await look_up_pictures(self._all, self._site, session.visitor, made, f"review:{review}")
        whole = was | made
        verdict = await self._judged(
            channel, key, session, name, whole, address, title=title, url=url, edits=review if status == 1 else None
        )
        rows = await self._write(
            EDIT_REVIEW,
            self._site.id, review, session.visitor, stored_address(address), msgspec.json.encode(made).decode(),
            compared_words(name, whole), self._hooked, verdict, level_of(self._site),
        )  # fmt: skip
        json, seq, channel, summary = rows[0][:4]
        return self._written(channel, seq, json, summary)

    async def delete(self, session: Session, review: int) -> Written:
        """Delete one's own, for good.

        Raises:
            Refused: there is none, or it is somebody else's.
        """
        rows = await self._write(DELETE_REVIEW, self._site.id, review, session.visitor, self._hooked)
        seq, channel, summary = rows[0]
        return self._written(channel, seq, summary=summary)

    async def vote(self, session: Session, review: int, value: int, *, address: str | None = None) -> Voted:
        """Say whether it helped: 1, -1 or 0 (take that back); once per visitor, and never for oneself.

        Raises:
            Refused: there is none, or the visitor is banned.
        """
        if not self._settings.votes:
            raise NotFound("This site takes no votes.")
        up, down, seq, channel, counted = await self._queues.votes.add(
            ("review", self._site.id, review), (session.visitor, value, stored_address(address)),
            partial(self._vote, review),
        )  # fmt: skip
        return Voted(self._site.position(channel, seq), up, down, counted)

    async def _vote(self, review: int, votes: list[tuple[int, int, str | None]]) -> list[Any]:
        visitors, values, addresses = (list(column) for column in zip(*votes, strict=True))
        rows = await self._write(VOTE_REVIEWS, self._site.id, review, visitors, values, addresses)
        self._evict(self._site.position(rows[0][3], rows[0][2]))
        return [
            (*row[:4], vote[1] if row[5] else 0) if row[4] is None else _refused(row[4])
            for row, vote in zip(rows, votes, strict=True)
        ]

    async def flag(self, session: Session, review: int, reason: str, *, address: str | None = None) -> int:
        """Report it; each visitor counts once. Gives the number of reports.

        With as many as the site's rules say it is hidden until a moderator decides.
        """
        reason = text.clean_line(reason).strip()
        if len(reason) > MAX_REASON:
            raise Unprocessable(f"At most {MAX_REASON} characters.", field="reason")
        rows = await self._write(
            FLAG_REVIEW, self._site.id, review, session.visitor, stored_address(address), reason
        )
        reports, least = rows[0]
        if least and reports >= least:
            for seq, channel in await self._write(HIDE_REPORTED, self._site.id, review, self._hooked):
                self._evict(self._site.position(channel, seq))
        return int(reports)

    async def reply(self, staff: Staff, review: int, source: str, name: str) -> Written:
        """Answer it for the site, or change that answer.

        Raises:
            Refused: it is not shown, or the answer is empty or too long.
        """
        clean = text.clean_text(source, self._settings.max_length)
        shown = text.clean_words(name, answers.LONGEST_NAME) or self._site.name
        return await self._reply(review, clean, text.render(clean), shown, staff.actor)

    async def unreply(self, staff: Staff, review: int) -> Written:
        """Take the site's answer away.

        Raises:
            Refused: the review is not shown.
        """
        return await self._reply(review, "", "", "", staff.actor)

    async def _reply(self, review: int, source: str, html: str, name: str, who: str) -> Written:
        rows = await self._write(REPLY_REVIEW, self._site.id, review, source, html, name, who, self._hooked)
        json, seq, channel = rows[0]
        return self._written(channel, seq, json)

    @property
    def _hooked(self) -> bool:
        return bool(self._site.settings.webhook_url)

    def _written(self, channel: int, seq: int, json: str = "", summary: str = "", replayed: bool = False) -> Written:
        position = self._site.position(channel, seq)
        self._evict(position)
        return Written(position, json.encode(), summary.encode(), replayed)

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        try:
            return await self._database.write(query, *args)
        except QueryFailed as error:
            refused = refusals.find(error.sqlstate, error.message)
            if refused is None:
                raise
            if refused.slug == "reviewed":
                refused.extra = {"review": error.message.strip().split(" ", 1)[0]}
            raise refused from None


def _parent(given: str | None) -> int:
    found = given or ""
    if not (found.isascii() and found.isdigit() and len(found) < 20 and int(found) < 2**63):
        raise Unprocessable("The question you answer is not there any more.", field="parent", slug="question")
    return int(found)


def _refused(reason: str) -> Exception:
    """The refusal of a vote."""
    return refusals.find("CK404" if reason == "review" else "CK403", reason) or ValueError(reason)
