"""Statements of a site's server that did not hold, for its owner to read: counted by form and reason, so that they stay
few whoever sends how many."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.read_options import Reading
from cackled.domain.site import Site

# Those that come within so many seconds of one that was written are written together with the next.
SECONDS = 5.0
MOST_KEPT = 10_000
DETAIL_LENGTH = 300

UPSERT_REFUSAL = Query(
    "upsert_sso_refusal",
    """
    insert into sso_refusal as x (site_id, form, reason, detail, count) values ($1, $2, $3, $4, $5)
    on conflict (site_id, form, reason) do update
    set detail = excluded.detail, count = least(x.count::bigint + excluded.count, 2000000000), last_at = now()
    """,
    ("int", "text", "text", "text", "int"),
)
SELECT_REFUSALS = Query(
    "select_sso_refusals",
    """
    select form, reason, detail, count, iso(first_at), iso(last_at) from sso_refusal
    where site_id = $1 order by last_at desc limit 200
    """,
    ("int",),
)


class SsoRefusal(Struct, frozen=True):
    """What was refused: the last one's ``detail``, how many there were, when the first and the last."""

    form: str
    reason: str
    detail: str
    count: int
    first: str
    last: str


class RefusalBook:
    """Which refusals the process wrote lately, and how many it has not."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._seen: dict[tuple[int, str, str], tuple[float, int]] = {}

    def count(self, site: int, form: str, reason: str) -> int:
        """How many are to be written now, this one among them; 0: none, it is counted with a later one."""
        key, now = (site, form, reason), self._seconds()
        at, kept = self._seen.get(key, (-SECONDS, 0))
        if now - at < SECONDS:
            self._seen[key] = at, kept + 1
            return 0
        if len(self._seen) >= MOST_KEPT:
            self._seen.clear()
        self._seen[key] = now, 0
        return kept + 1


class SsoRefusals:
    """The refusals of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def write(self, form: str, reason: str, detail: str, count: int) -> None:
        """Count *count* more."""
        await self._database.write(
            UPSERT_REFUSAL, self._site.id, form, reason, detail[:DETAIL_LENGTH].replace("\x00", ""), count
        )

    async def list(self, preference: ReadPreference | Reading = ReadPreference.PRIMARY) -> list[SsoRefusal]:
        """All of them, the latest first."""
        reading = Reading.of(preference)
        rows = await reading.rows(self._database, SELECT_REFUSALS, self._site.id)
        return [SsoRefusal(*row) for row in reading.found(rows)]
