"""Rules and filters of sites: kept in the database, held in memory by every process that judges.

A process asks every `POLL` seconds what changed anywhere, with one statement a shard; what it holds is used until the
new is there. So judging waits for the database only where a site is judged for the first time.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, Conflict, from_sqlstate
from cackled.domain.site import Site
from cackled.moderation.bayes import NO_PRIOR, Filter, Prior
from cackled.moderation.compiled import Compiled
from cackled.moderation.rules import HIDDEN, NO_RULES, Rules, check, encode, parse
from cackled.shared_calls import SharedCalls

log = Logger()

POLL = 2.0
# Clocks and transactions differ: what changed so many seconds before the last known change is looked at again.
OVERLAP = 60.0
# Sites whose rules are held, and whose filters are (1 MB each).
MOST_SITES = 5_000
MOST_FILTERS = 48

SELECT_RULES = Query(
    "select_rules",
    """
    select coalesce(r.version, 0), coalesce(r.rules, '{}'), coalesce(r.changed_by, ''),
      coalesce(extract(epoch from r.changed_at), 0)::float8
    from (select $1::int as site) s left join moderation_rules r on r.site_id = s.site
    """,
    ("int",),
)
SELECT_FILTER = Query(
    "select_filter",
    """
    select f.version, f.spam, f.ham, spam_counts(f.site_id, $2) from spam_filter f where f.site_id = $1
    """,
    ("int", "bigint"),
)
KEEP_RULES = Query(
    "keep_rules", "select keep_rules($1, $2, $3, $4, $5)", ("int", "bigint", "text", "text", "boolean")
)
SELECT_CHANGED_RULES = Query(
    "select_changed_rules",
    """
    select site_id, version, -1::bigint, extract(epoch from changed_at)::float8 from moderation_rules
    where changed_at > to_timestamp($1)
    union all
    select site_id, -1::bigint, version, extract(epoch from changed_at)::float8 from spam_filter
    where changed_at > to_timestamp($1)
    """,
    ("float8",),
)
SELECT_NOW = Query("select_now", "select extract(epoch from now())::float8")
SELECT_PRIOR_VERSION = Query("select_prior_version", "select version from catalog.spam_prior")
SELECT_PRIOR = Query("select_prior", "select version, pairs from catalog.spam_prior")


class Kept(Struct, frozen=True):
    """Rules as they are kept; ``at`` is in seconds since 1970."""

    version: int
    rules: Rules
    by: str = ""
    at: float = 0.0


class Held:
    """What is held of one site."""

    __slots__ = ("compiled", "filter", "kept", "stale")

    def __init__(self, kept: Kept, compiled: Compiled) -> None:
        self.kept = kept
        self.compiled = compiled
        # None: it was never needed, or others pushed it out.
        self.filter: Filter | None = None
        self.stale = False


class RuleStore:
    """The rules and filters of all sites, as one process holds them."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._held: OrderedDict[int, Held] = OrderedDict()
        self._filters: OrderedDict[int, Filter] = OrderedDict()
        self._loads: SharedCalls[Held] = SharedCalls()
        self._prior = NO_PRIOR
        # The newest change known, by the number of the shard.
        self._seen: dict[int, float] = {}
        self._job = Periodic(clock, POLL, self.look, "rules")
        # How often rules or a filter were read for somebody who waited, and how often because they had changed.
        self.waited = 0
        self.refreshed = 0

    def start(self) -> None:
        """Follow changes."""
        self._job.start()

    def stop(self) -> None:
        """Follow them no more."""
        self._job.stop()

    def find(self, site: int) -> Held | None:
        """What is held of a site; None where nothing is yet."""
        held = self._held.get(site)
        if held is None or (held.filter is None and held.kept.rules.spam.enabled):
            return None
        self._held.move_to_end(site)
        if site in self._filters:
            self._filters.move_to_end(site)
        return held

    async def get(self, site: Site) -> Held:
        """What is held of a site; read where nothing is yet, once for all who ask meanwhile."""
        held = self.find(site.id)
        if held is not None:
            return held
        self.waited += 1
        return await self._loads.ask(str(site.id), lambda: Deferred.fromCoroutine(self._load(site.id)))

    async def _load(self, site: int, preference: ReadPreference = ReadPreference.PRIMARY_PREFERRED) -> Held:
        database = self._database.site(site)
        rows = await database.read(SELECT_RULES, site, preference=preference)
        version, text, by, at = rows.rows[0]
        before = self._held.get(site)
        if before is not None and before.kept.version >= version:
            held = before  # a copy that is behind has nothing new
        else:
            held = Held(*_made(site, version, text, by, at))
        if held.kept.rules.spam.enabled:
            held.filter = await self._load_filter(site, preference)
            held.filter.use(self._prior if held.kept.rules.spam.share else NO_PRIOR)
            self._filters[site] = held.filter
            self._filters.move_to_end(site)
        held.stale = False
        self._held[site] = held
        self._held.move_to_end(site)
        self._shrink()
        return held

    async def _load_filter(self, site: int, preference: ReadPreference) -> Filter:
        known = self._filters.get(site)
        made = Filter() if known is None else known
        rows = await self._database.site(site).read(SELECT_FILTER, site, made.version, preference=preference)
        for version, spam, ham, packed in rows.rows:
            if version > made.version:
                made.set(counts(bytes(packed)), spam, ham, version)
        return made

    def _shrink(self) -> None:
        while len(self._held) > MOST_SITES:
            gone, _ = self._held.popitem(last=False)
            self._filters.pop(gone, None)
        # A filter that has learnt nothing takes no room.
        while sum(1 for one in self._filters.values() if one.size) > MOST_FILTERS:
            gone = next(site for site, one in self._filters.items() if one.size)
            del self._filters[gone]
            if gone in self._held:
                self._held[gone].filter = None

    async def look(self) -> None:
        """Read again what changed since the last time."""
        try:
            await self._look_at_prior()
            for number, part in enumerate(self._database.parts):
                seen = self._seen.get(number)
                if seen is None:
                    # What changed before anything was held is of no interest.
                    rows = await part.system.read(SELECT_NOW, preference=ReadPreference.NEAREST)
                    seen = rows.rows[0][0] - OVERLAP
                rows = await part.system.read(
                    SELECT_CHANGED_RULES, seen - OVERLAP, preference=ReadPreference.NEAREST
                )
                for site, rules, learnt, at in rows.rows:
                    seen = max(seen, at)
                    held = self._held.get(site)
                    if held is None:
                        continue
                    version = -1 if held.filter is None else held.filter.version
                    if rules > held.kept.version or (held.filter is not None and learnt > version):
                        self.refreshed += 1
                        await self._load(site, ReadPreference.NEAREST)
                self._seen[number] = seen
        except DatabaseError as error:
            log.debug("changed rules could not be read: {reason}", reason=str(error))

    async def _look_at_prior(self) -> None:
        rows = await self._database.system.read(SELECT_PRIOR_VERSION, preference=ReadPreference.NEAREST)
        if not rows.rows or rows.rows[0][0] <= self._prior.version:
            return
        rows = await self._database.system.read(SELECT_PRIOR, preference=ReadPreference.NEAREST)
        version, packed = rows.rows[0]
        self._prior = Prior(struct.iter_unpack("!if", bytes(packed)), version)
        for held in self._held.values():
            if held.filter is not None and held.kept.rules.spam.share:
                held.filter.use(self._prior)

    # Reading and changing rules

    async def kept(self, site: Site, preference: ReadPreference = ReadPreference.PRIMARY) -> Kept:
        """The rules as they are kept."""
        rows = await self._database.site(site.id).read(SELECT_RULES, site.id, preference=preference)
        version, text, by, at = rows.rows[0]
        return _made(site.id, version, text, by, at)[0]

    async def change(self, site: Site, rules: Rules, version: int, by: str) -> Kept:
        """Keep *rules* in place of those of *version*.

        Raises:
            BadField: a word or pattern can't be used.
            Conflict: others changed them since.
        """
        before = await self.kept(site)
        rules = check(rules.kept(before.rules))
        if HIDDEN in (rules.webhook.secret, rules.akismet.key):
            raise BadField("There is no secret yet that could stay as it is.", field="webhook.secret")
        Compiled(rules)
        try:
            await self._database.site(site.id).write(
                KEEP_RULES, site.id, version, encode(rules), by, rules.spam.share
            )
        except QueryFailed as error:
            if error.sqlstate == "CK409":
                raise Conflict("Others changed the rules meanwhile. Look at theirs first.", slug="changed") from None
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        held = await self._load(site.id, ReadPreference.PRIMARY)
        return held.kept


def _made(site: int, version: int, text: str, by: str, at: float) -> tuple[Kept, Compiled]:
    try:
        rules = parse(text)
        return Kept(version, rules, by, at), Compiled(rules)
    except BadField as error:
        # Kept by another release: what can't be understood must not stop anybody from writing.
        log.error("the rules of site {site} can't be used: {reason}", site=site, reason=error.detail)
        return Kept(version, NO_RULES, by, at), Compiled(NO_RULES)


def counts(packed: bytes) -> Iterator[tuple[int, int, int]]:
    """Counts as the database packs them: (bucket, spam, ham)."""
    return struct.iter_unpack("!iii", packed)
