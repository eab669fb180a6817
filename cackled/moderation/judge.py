"""Judges what somebody is about to write, by the rules and the filter of the site.

The order: what is not taken at all; what the text is by itself; what is known of its author, asked for only where it
can change something; proof of work; and last the servers that a site wants to be asked. Usually nothing waits for the
database: rules and filter are in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, Forbidden, TooFast, Unprocessable
from cackled.domain.site import Site
from cackled.domain.word_matching import visible
from cackled.moderation.challenge import Challenges
from cackled.moderation.compiled import Compiled, Finding, strongest
from cackled.moderation.features import Features, features, words_of
from cackled.moderation.judged import Judged, Record
from cackled.moderation.near_duplicates import Recent, sketch
from cackled.moderation.rules import Rules
from cackled.moderation.shared_texts import SharedTexts
from cackled.moderation.store import Held, RuleStore
from cackled.moderation.verdict import APPROVED, Draft, State, Verdict

# An author's record is believed for so many seconds; so many are remembered.
RECORD_SECONDS = 60.0
MOST_RECORDS = 20_000
# Drafts that came with a key are judged once in so many seconds; a client that never saw the answer sends them again.
ONCE_SECONDS = 600.0
MOST_ONCE = 10_000
MOST_CHANNELS = 20_000
MOST_WORDS = 16

# What an author is forgiven who is trusted.
FORGIVEN = frozenset(
    {"premoderation", "first", "link", "language", "caps", "repeat", "spam", "burst", "fast", "duplicate"}
)
NO_FEATURES = Features([], [])
_STATES: dict[str, State] = {"hold": "pending", "spam": "spam", "reject": "rejected"}

SELECT_BEGUN = Query(
    "select_begun", "select extract(epoch from created_at)::float8 from channel where site_id = $1 and id = $2",
    ("int", "bigint"),
)  # fmt: skip


class Asked(Protocol):
    """Servers that a site wants to be asked (`cackled.moderation.hooks`)."""

    async def ask(self, site: Site, rules: Rules, draft: Draft, verdict: Verdict) -> list[Finding]:
        """What they found."""


class _Remembered(Struct):
    verdict: Verdict
    until: float


class Judge:
    """Judges for all sites. *kinds* are what products say of their items; *asked* are servers that sites want asked."""

    def __init__(
        self,
        store: RuleStore,
        database: Database,
        clock: IReactorTime,
        wall_time: Callable[[], float],
        kinds: Iterable[Judged],
        challenges: Challenges,
        asked: Asked | None = None,
    ) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._wall_time = wall_time
        self._kinds: Mapping[str, Judged] = {one.kind: one for one in kinds}
        self._challenges = challenges
        self._asked = asked
        self.recent = Recent()
        self._shared = SharedTexts(database, self.recent)
        self._records: OrderedDict[tuple[int, int], tuple[Record, float]] = OrderedDict()
        self._begun: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._once: OrderedDict[tuple[int, int, str], _Remembered] = OrderedDict()
        # When somebody wrote last in this process, for slow mode.
        self._wrote: OrderedDict[tuple[int, int], float] = OrderedDict()

    async def judge(self, site: Site, draft: Draft) -> Verdict:
        """The verdict on *draft*.

        Raises:
            Refused: it is not taken at all; the author may change it.
        """
        held = self._store.find(site.id) or await self._store.get(site)
        if draft.staff:
            return APPROVED
        once = (site.id, draft.visitor, draft.once)
        if draft.once:
            known = self._once.get(once)
            if known is not None and known.until > self._clock.seconds():
                return known.verdict
        noted: list[Callable[[], None]] = []
        try:
            verdict = await self._judge(site, draft, held, noted)
        except BaseException:
            # Nothing was written: what is sent again is no repetition, and not too soon.
            for take_back in noted:
                take_back()
            raise
        if draft.once:
            self._once[once] = _Remembered(verdict, self._clock.seconds() + ONCE_SECONDS)
            if len(self._once) > MOST_ONCE:
                self._once.popitem(last=False)
        return verdict

    async def _judge(
        self, site: Site, draft: Draft, held: Held, noted: list[Callable[[], None]]
    ) -> Verdict:
        rules, compiled = held.compiled.rules, held.compiled
        if draft.edits is None and (rules.close_days or rules.slow_seconds):
            await self._take(site, draft, rules, noted)
        taught = rules.spam.enabled and held.filter is not None and held.filter.ready
        # Of a site without rules for texts, whose filter knows nothing yet, no text is looked at.
        needed = taught or compiled.judges_text or rules.spam.duplicates
        found = features(draft) if needed else NO_FEATURES
        findings = compiled.findings(draft, found.words)
        _refuse(findings)
        made = sketch(found.words, "<a " in draft.html) if rules.spam.duplicates else frozenset()
        if (rules.spam.duplicates or rules.spam.burst) and draft.edits is None:
            shared = await self._shared.exchange(site.id, draft.visitor, made, self._clock.seconds())
            noted.append(lambda: self._unshare(site.id, shared))
        self._suspect(site, draft, rules, made, findings, noted)
        score = None
        if taught and held.filter is not None:
            score = held.filter.score(found.places)
            if score is not None and score >= rules.spam.hold_at:
                findings.append(Finding("spam" if score >= rules.spam.spam_at else "hold", "spam"))
        if rules.moderation == "pre":
            findings.append(Finding("hold", "premoderation"))
        if rules.first or any(one.mark in FORGIVEN for one in findings):
            findings = await self._consider(site, draft, compiled, findings)
        if rules.spam.proof != "never" and strongest(findings) is None:
            await self._prove(site, draft, rules, score, findings)
        verdict = self._verdict(held, found, findings, score)
        if self._asked is not None and verdict.state in ("approved", "pending"):
            more = await self._asked.ask(site, rules, draft, verdict)
            if more:
                _refuse(more)
                verdict = self._verdict(held, found, [*findings, *more], score)
        return verdict

    async def _take(self, site: Site, draft: Draft, rules: Rules, noted: list[Callable[[], None]]) -> None:
        """See that something may be written there, now."""
        if rules.close_days:
            begun = draft.since if draft.since is not None else await self._begun_at(site, draft.channel)
            if begun is not None and self._wall_time() - begun > rules.close_days * 86_400:
                raise Forbidden("This conversation is closed.", slug="locked")
        if rules.slow_seconds:
            key = (site.id, draft.visitor)
            now = self._clock.seconds()
            last = self._wrote.get(key)
            idle = None if last is None else now - last
            if idle is None or idle >= rules.slow_seconds:
                # In another process, perhaps.
                idle = (await self._record(site, draft, fresh=True)).idle
            if idle is not None and idle < rules.slow_seconds:
                raise TooFast(rules.slow_seconds - idle)
            self._wrote[key] = now
            self._wrote.move_to_end(key)
            noted.append(partial(self._restore, key, last))
            if len(self._wrote) > MOST_RECORDS:
                self._wrote.popitem(last=False)

    def _restore(self, key: tuple[int, int], last: float | None) -> None:
        self._wrote.pop(key, None)
        if last is not None:
            self._wrote[key] = last

    async def _begun_at(self, site: Site, channel: int) -> float | None:
        key = (site.id, channel)
        if key not in self._begun:
            rows = await self._database.site(site.id).read(
                SELECT_BEGUN, site.id, channel, preference=ReadPreference.PRIMARY_PREFERRED
            )
            if not rows.rows:
                return None
            self._begun[key] = rows.rows[0][0]
            if len(self._begun) > MOST_CHANNELS:
                self._begun.popitem(last=False)
        return self._begun[key]

    def _suspect(
        self, site: Site, draft: Draft, rules: Rules, made: frozenset[int], findings: list[Finding],
        noted: list[Callable[[], None]],
    ) -> None:
        """What machines do; *made* is the text's sketch."""
        spam = rules.spam
        if draft.trap:
            findings.append(Finding("spam", "trap"))
        if draft.seconds is not None and draft.seconds < spam.least_seconds:
            findings.append(Finding("hold", "fast"))
        now = self._clock.seconds()
        if (spam.duplicates or spam.burst) and draft.edits is None:
            likeness, number = self.recent.note(site.id, draft.visitor, made, now)
            noted.append(partial(self.recent.take_back, site.id, number))
            if spam.duplicates and max(likeness.others, likeness.own) >= spam.duplicates:
                findings.append(Finding("hold", "duplicate"))
        if spam.burst and self.recent.rate(site.id, now) > spam.burst:
            findings.append(Finding("hold", "burst"))

    def _unshare(self, site: int, number: int) -> None:
        if number:
            # Nobody waits for it; what goes wrong is in the log.
            Deferred.fromCoroutine(self._shared.forget(site, number))

    async def _consider(
        self, site: Site, draft: Draft, compiled: Compiled, findings: list[Finding]
    ) -> list[Finding]:
        """*findings* in the light of who wrote it."""
        rules = compiled.rules
        if draft.visitor in compiled.trusted:
            return [one for one in findings if one.mark not in FORGIVEN]
        if not (rules.first or rules.trusted_after):
            return findings
        record = await self._record(site, draft, least=max(rules.first, rules.trusted_after))
        if rules.trusted_after and record.approved >= rules.trusted_after and record.spam == 0:
            return [one for one in findings if one.mark not in FORGIVEN]
        if record.approved < rules.first:
            findings = [*findings, Finding("hold", "first")]
        return findings

    async def _prove(
        self, site: Site, draft: Draft, rules: Rules, score: float | None, findings: list[Finding]
    ) -> None:
        """See that a stranger's browser worked for it, where it has to; without scripts a moderator reads it.

        Raises:
            ProofNeeded: it has not.
        """
        doubtful = score is not None and score >= rules.spam.doubtful_at and score > 0.5
        if draft.known or (rules.spam.proof == "doubtful" and not doubtful) or draft.edits is not None:
            return
        record = await self._record(site, draft, least=1)
        if record.approved == 0 and draft.scriptless:
            findings.append(Finding("hold", "first"))
        elif record.approved == 0:
            await self._challenges.check(site, draft, score)

    async def _record(self, site: Site, draft: Draft, *, least: int = 0, fresh: bool = False) -> Record:
        """What is known of the author; one with *least* approved texts is believed for a while."""
        kind = self._kinds.get(draft.kind)
        if kind is None:
            return Record()
        key, now = (site.id, draft.visitor), self._clock.seconds()
        known = self._records.get(key)
        if known is not None and not fresh and known[1] > now and known[0].approved >= least:
            self._records.move_to_end(key)
            return known[0]
        rows = await self._database.site(site.id).read(
            kind.record, site.id, draft.visitor, preference=ReadPreference.PRIMARY_PREFERRED
        )
        record = Record(*rows.rows[0]) if rows.rows else Record()
        self._records[key] = (record, now + RECORD_SECONDS)
        self._records.move_to_end(key)
        if len(self._records) > MOST_RECORDS:
            self._records.popitem(last=False)
        return record

    @staticmethod
    def _verdict(held: Held, found: Features, findings: list[Finding], score: float | None) -> Verdict:
        action = strongest(findings)
        if action is None:
            return APPROVED if score is None else Verdict("approved", score=score)
        # The score and the words are noted with the first mark: that is the filter's, or of a rule that has a word;
        # among those the weightiest first.
        findings = sorted(findings, key=lambda one: (one.mark != "spam", not one.word, one.action != action))
        words = [one.word for one in findings if one.word]
        if held.filter is not None and any(one.mark == "spam" for one in findings):
            words += held.filter.explain(found, spam=True)
        return Verdict(
            _STATES[action],
            tuple(dict.fromkeys(one.mark for one in findings)),
            score,
            tuple(dict.fromkeys(words))[:MOST_WORDS],
        )

    def forget(self, site: int, visitor: int) -> None:
        """Know nothing of a visitor any more: their texts were decided on, or they are erased."""
        self._records.pop((site, visitor), None)

    def erase(self, visitor: int) -> None:
        """Forget all that a visitor wrote lately."""
        self.recent.forget(visitor)
        for some in (self._records, self._wrote):
            for key in [one for one in some if one[1] == visitor]:
                del some[key]
        for once in [one for one in self._once if one[1] == visitor]:
            del self._once[once]


def _refuse(findings: list[Finding]) -> None:
    for one in findings:
        if one.action == "refuse":
            if one.mark == "name":
                raise BadField("This name belongs to somebody else here.", field="name", slug="name-taken")
            error = Unprocessable("The rules of this site don't take that.", field="text", slug="rule")
            error.extra = {"reason": one.mark}
            raise error


def by_itself(compiled: Compiled, draft: Draft) -> list[Finding]:
    """What a text is by itself: for dry runs, which know nothing of the moment."""
    text = visible(draft.html) if "<" in draft.html else draft.text
    return compiled.findings(draft, words_of(text))
