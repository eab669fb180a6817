"""Polls as visitors see them and vote in them. Built with a site, like all services.

What is cached and sent to pages is what a stranger may see who has not voted. What a voter sees beside that is read for
them alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from cackled.cache.types import Loaded
from cackled.clock import wall_time
from cackled.database.errors import Busy, QueryFailed, Unavailable
from cackled.database.query import ReadPreference, Rows
from cackled.domain.addresses import stored_address
from cackled.domain.errors import Forbidden, NotFound, Unprocessable
from cackled.domain.parts import ServiceParts
from cackled.domain.people import People
from cackled.domain.read_options import SHARED, Reading, Source
from cackled.domain.sessions import GUEST, Session
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.domain.word_matching import compared
from cackled.events import Position
from cackled.moderation.verdict import Draft
from cackled.products.polls import answers, proposals, refusals
from cackled.products.polls.queries import (
    PROPOSE_OPTION,
    SELECT_BALLOTS,
    SELECT_MY_BALLOT,
    SELECT_POLL,
    SELECT_VOTERS,
    VOTE_POLL,
)
from cackled.products.polls.runoff import Outcome, run_off
from cackled.products.polls.settings import PollSettings
from cackled.products.polls.whole import Whole, decode, public_json

PRODUCT_NAME = "polls"
# Seconds for which the rounds of a ranked poll are kept while it is open.
OUTCOME_SECONDS = 5.0
# Seconds that an answer from before the primary went down is shared.
STALE_TTL = 1.0
# Votes of one poll that go in one statement and are told in one event; seconds from the start of one to the next.
MOST_VOTES = 500
VOTE_PAUSE = 0.2
VOTES_WAITING = 5_000
VOTERS_PAGE = 100


class Ballot(Struct, frozen=True):
    """What a vote led to; ``me`` is JSON text."""

    position: Position
    me: bytes


def poll_channel(site: Site, poll: int) -> int:
    """The id of the channel of a poll."""
    return site.channel(PRODUCT_NAME, str(poll))


def outcome_of(poll: Whole, rows: list[tuple[Any, ...]]) -> Outcome:
    """The outcome of a ranked poll from its ballots."""
    seed = poll.id + (poll.closed_at or poll.closes_at or "" if poll.state == "closed" else "")
    return run_off([(options, count) for options, count in rows], [int(one.id) for one in poll.shown], seed)


class Polls:
    """The polls of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._settings = site.product(PollSettings)
        self._database = parts.database.site(site.id)
        self._cache = parts.cache
        self._evict = parts.evict
        self._queue = parts.queues.named(
            "polls.vote", most=MOST_VOTES, bound=VOTES_WAITING, pause=VOTE_PAUSE
        )
        self._judge = parts.judge
        self._wrote = parts.wrote
        self._people = People(site, parts.database, parts.crowd)

    async def page(self, poll: int, reading: Reading) -> Loaded:
        """The JSON members ``position`` and ``poll``, without outer braces, as a stranger sees them.

        Raises:
            NotFound: there is no such poll.
            Unavailable: no server that may answer is there.
        """
        question = (SELECT_POLL, self._site.id, poll)
        options = reading.options
        if options.preference not in SHARED or options.max_staleness is not None:
            rows = await reading.rows(self._database, *question)
            if options.after and not rows.primary and (not rows.rows or rows.rows[0][0] < options.after):
                rows = await reading.again(self._database, *question) or rows
            reading.found(rows)
            made = _there(await self._build(poll, rows))
            reading.reached(made.seq)
            return made

        async def load(fresh: bool) -> Loaded:
            preference = ReadPreference.PRIMARY if fresh else options.preference
            return await self._build(poll, await self._database.read(*question, preference=preference))

        async def load_stale(fresh: bool) -> Loaded:
            preference = ReadPreference.SECONDARY_PREFERRED
            return await self._build(poll, await self._database.read(*question, preference=preference))

        group = self._site.group(poll_channel(self._site, poll))
        stale = False
        try:
            found = await self._cache.get(group, poll, load, after=options.after)
        except Busy:
            raise
        except Unavailable:
            found = await self._cache.get(("stale", *group), poll, load_stale, ttl=STALE_TTL)
            stale = True
        begun, read = self._database.log()
        as_of: float = found.source.as_of
        age = self._database.now() - (max(as_of, read) if as_of >= begun else as_of)
        reading.outcome.note(found.source.server, age, stale or not self._database.writable)
        reading.reached(found.seq)
        return _there(found)

    async def _build(self, poll: int, rows: Rows) -> Loaded:
        source = Source(rows.server, self._database.now() - rows.staleness)
        if not rows.rows:
            return Loaded(b"", 0, source)
        seq, channel, text = rows.rows[0]
        whole = decode(text)
        outcome = await self.outcome(whole, seq) if whole.public else None
        position = str(self._site.position(channel, seq))
        made = msgspec.json.encode({"position": position, "poll": public_json(whole, outcome)})
        return Loaded(made[1:-1], seq, source)

    async def whole(self, poll: int) -> tuple[Whole, int]:
        """All of a poll, as the primary has it now, and the number of its channel.

        Raises:
            NotFound: there is no such poll.
        """
        rows = await self._database.read(SELECT_POLL, self._site.id, poll, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise _no_poll()
        return decode(rows.rows[0][2]), rows.rows[0][0]

    async def outcome(self, poll: Whole, seq: int) -> Outcome | None:
        """The rounds of a ranked poll: exact when it is closed, up to `OUTCOME_SECONDS` old before; else None."""
        if poll.kind != "ranked":
            return None
        site, number = self._site.id, int(poll.id)

        async def load(fresh: bool) -> Loaded:
            rows = await self._database.read(SELECT_BALLOTS, site, number, preference=ReadPreference.PRIMARY)
            return Loaded(msgspec.json.encode(outcome_of(poll, rows.rows)), 0)

        # A group of its own: votes don't evict it.
        final = poll.state == "closed"
        key = (seq, poll.version) if final else ("open", poll.version)
        found = await self._cache.get(("outcome", site, number), key, load, ttl=None if final else OUTCOME_SECONDS)
        return msgspec.json.decode(found.value, type=Outcome)

    async def mine(self, poll: int, session: Session, preference: ReadPreference) -> bytes:
        """What a visitor sees beside the page, as JSON: their ballot, and what it lets them see."""
        rows = await self._database.read(
            SELECT_MY_BALLOT, self._site.id, poll, session.visitor, preference=preference
        )
        if not rows.rows:
            raise _no_poll()
        return await self._with_outcome(poll, rows.rows[0][0])

    async def _with_outcome(self, poll: int, me: str) -> bytes:
        """*me* with the rounds of a ranked poll, where they may be seen."""
        rest, told, _ = me.rpartition('"outcome":true')
        if not told:
            return me.encode()
        whole, seq = await self.whole(poll)
        return rest.encode() + b'"outcome":' + msgspec.json.encode(await self.outcome(whole, seq)) + b"}"

    async def vote(
        self, session: Session, poll: int, options: list[str], address: str | None, origin: str
    ) -> Ballot:
        """Vote, or with no options take the vote back. Votes that come together share a statement and an event.

        Raises:
            Refused: the poll is closed, asks for somebody else, or has no such options; the network has had its votes.
        """
        if not self._settings.voting:
            raise Forbidden("This site takes no votes now.", slug="voting-off")
        if len(set(options)) != len(options):
            raise Unprocessable("An option can be chosen once.", slug="choices", field="options")
        if not all(one.isascii() and one.isdigit() and len(one) <= 9 for one in options):
            raise refusals.find("CK422", "option") or ValueError("option")
        item = (session.visitor, session.level, stored_address(address), origin[:200], ",".join(options))
        try:
            seq, channel, refused, me = await self._queue.add(
                (self._site.id, poll), item, partial(self.send, poll)
            )
        except QueryFailed as error:
            raise refusals.find(error.sqlstate, error.message) or error from None
        if refused is not None:
            raise refused_by(refused)
        return Ballot(self._site.position(channel, seq), await self._with_outcome(poll, me))

    async def send(self, poll: int, items: list[tuple[Any, ...]]) -> list[Any]:
        """Cast votes of one poll: visitor, level, address, page and options of each, in one statement."""
        columns = [list(column) for column in zip(*items, strict=True)]
        hooked = bool(self._site.settings.webhook_url)
        rows = await self._database.write(VOTE_POLL, self._site.id, poll, *columns, hooked)
        seq, channel = rows[0][:2]
        self._evict(self._site.position(channel, seq))
        return rows

    async def propose(self, session: Session, poll: int, text: str, address: str | None) -> int:
        """Propose an option, which is shown when the owner takes it; gives its number.

        Raises:
            Refused: the poll takes none, or no more, of this visitor; the site's rules refuse it.
        """
        text = clean_words(text, answers.LONGEST_OPTION)
        if not text:
            raise Unprocessable("An option has letters.", slug="option", field="text")
        state, verdict = await self._judged(session, poll, text, address)
        try:
            rows = await self._database.write(
                PROPOSE_OPTION, self._site.id, poll, session.visitor, session.level, stored_address(address), text,
                compared(text), answers.MOST_OPTIONS, verdict,
            )  # fmt: skip
        except QueryFailed as error:
            raise refusals.find(error.sqlstate, error.message) or error from None
        number, made = rows[0]
        if made:
            self._wrote(self._site.id, proposals.KIND, poll_channel(self._site, poll), state)
        return int(number)

    async def _judged(self, session: Session, poll: int, text: str, address: str | None) -> tuple[str, str | None]:
        """What the rules of the site make of a proposal. There is a form with scripts, but no challenge in it: where
        one is wanted a moderator reads it, as with all proposals."""
        if self._judge is None:
            return "pending", None
        name = "" if session.level == GUEST else await self._people.author(session, "")
        draft = Draft(
            kind=proposals.KIND, channel=poll_channel(self._site, poll), key=str(poll), visitor=session.visitor,
            name=name, text=text, html=proposals.judged_html(text), address=address,
            known=session.level != GUEST, staff=bool(session.staff), scriptless=True,
            # A poll closes by its own clock, however old it is.
            since=wall_time(),
        )  # fmt: skip
        return proposals.stored_verdict(await self._judge(self._site, draft))

    async def voters(self, poll: int, option: int, after: int, session: Session | None) -> list[tuple[int, str, str]]:
        """Who voted for an option: id, name and picture; where the poll shows that, and the caller may see its counts.

        Raises:
            Refused: there is no such poll, or its voters are secret.
        """
        whole, _ = await self.whole(poll)
        allowed = whole.public
        if not allowed and session is not None:
            allowed = b'"results":null' not in await self.mine(poll, session, ReadPreference.PRIMARY)
        if not whole.voters_shown or not allowed:
            raise Forbidden("Who voted is not shown.", slug="secret-voters")
        rows = await self._database.read(
            SELECT_VOTERS, self._site.id, poll, option, after, VOTERS_PAGE, preference=ReadPreference.NEAREST
        )
        return rows.rows


def refused_by(reason: str) -> Exception:
    """The refusal of a single vote."""
    state = {"banned": "CK403", "sign-in": "CK403", "option": "CK422", "choices": "CK422"}.get(reason, "CK409")
    return refusals.find(state, reason) or ValueError(reason)


def _no_poll() -> NotFound:
    return NotFound("There is no such poll.")


def _there(found: Loaded) -> Loaded:
    if not found.value:
        raise _no_poll()
    return found
