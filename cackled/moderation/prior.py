"""The shared prior: what the filters of sites that opted in have in common, made anew now and then.

Only probabilities of buckets go into it, no counts of a single site and no words; and only of buckets that at least
`LEAST_SITES` of those sites have seen, whose filters have seen enough themselves. Every site weighs the same, however
much it decides. A site that opts out is not in the next one.
"""

from __future__ import annotations

import struct

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.moderation.bayes import LEAST_SEEN, STRENGTH
from cackled.moderation.features import BUCKETS
from cackled.moderation.slices import sliced

log = Logger()

LEAST_SITES = 5
# Buckets read in one statement.
RANGE = 8_192

SELECT_SHARING = Query(
    "select_sharing",
    """
    select count(*)::int, coalesce(sum(version), 0)::bigint from spam_filter
    where shared and spam >= $1 and ham >= $1
    """,
    ("int",),
)
SELECT_SHARES = Query(
    "select_shares", "select bucket, sites, spam, ham, seen from spam_shares($1, $2, $3)", ("int", "int", "int")
)
KEEP_PRIOR = Query(
    "keep_prior",
    """
    insert into catalog.spam_prior as p (version, sites, pairs) values (1, $1, decode($2, 'hex'))
    on conflict (id) do update set version = p.version + 1, sites = excluded.sites, pairs = excluded.pairs,
      made_at = now()
    where p.pairs <> excluded.pairs or p.sites <> excluded.sites
    """,
    ("int", "text"),
)


class PriorMaker:
    """Makes the prior of a whole installation."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock
        # What it was made of the last time.
        self._made_of: list[tuple[int, int]] = []

    async def run(self) -> None:
        """Make it, if anything changed."""
        try:
            of = [
                (await part.system.read(SELECT_SHARING, LEAST_SEEN, preference=ReadPreference.PRIMARY)).rows[0]
                for part in self._database.parts
            ]
            if of == self._made_of:
                return
            sites = sum(count for count, _ in of)
            pairs = await self._pairs() if sites >= LEAST_SITES else b""
            await self._database.system.write(KEEP_PRIOR, sites if pairs else 0, pairs.hex())
            self._made_of = of
        except DatabaseError as error:
            log.warn("the shared prior could not be made: {reason}", reason=str(error))

    async def _pairs(self) -> bytes:
        packed: list[bytes] = []
        for first in range(0, BUCKETS, RANGE):
            sums: dict[int, tuple[int, float, float, float]] = {}
            for part in self._database.parts:
                rows = await part.system.read(
                    SELECT_SHARES, first, first + RANGE, LEAST_SEEN, preference=ReadPreference.PRIMARY
                )
                for bucket, sites, spam, ham, seen in rows.rows:
                    had = sums.get(bucket, (0, 0.0, 0.0, 0.0))
                    sums[bucket] = (had[0] + sites, had[1] + spam, had[2] + ham, had[3] + seen)
            async for bucket, (sites, spam, ham, seen) in sliced(sorted(sums.items()), self._clock, 1000):
                if sites >= LEAST_SITES and spam + ham > 0.0:
                    estimate = spam / (spam + ham)
                    value = (STRENGTH * 0.5 + seen * estimate) / (STRENGTH + seen)
                    packed.append(struct.pack("!if", bucket, value))
        return b"".join(packed)
