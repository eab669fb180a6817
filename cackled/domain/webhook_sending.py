"""Sends what the endpoints of sites wait for: in order, one request at a time for each endpoint.

Any process may work on an endpoint: a claim (``FOR UPDATE SKIP LOCKED``) keeps the others away from it for `CLAIM`
seconds, and each try prolongs it. A process that dies is followed by another, so an event is told at least once; the id
of the request says that it is a repetition.

An endpoint that fails rests: seconds at first, twice as long each time, six hours at most, or as long as it asks for
itself. Then the event that failed is tried again, and those behind it wait, so that the order stays. After three days
an event is given up (it can be sent again from the panel). What the server refuses for what it is, a few times over, is
given up as well, so that one request that it can't read does not hold up the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, Unavailable
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.outbox import LONGEST_WAIT, Random, wait_before
from cackled.domain.text import clean_line
from cackled.domain.webhooks import body_of, headers_of
from cackled.metrics import Metrics

log = Logger()

POLL = 1.0
# Endpoints that are worked on at a time, and so many at most of one site.
MOST = 100
PER_SITE = 5
BATCH = 20
# Longer than any try may take.
CLAIM = 30.0
# Requests to one endpoint before others get a turn.
TURN = 200
# The server understood, and won't have this request: after so many tries the next one comes.
REFUSALS = frozenset((400, 409, 413, 415, 422, 431))
REFUSED_TRIES = 8
MOST_RETRY_AFTER = LONGEST_WAIT

CLAIM_ENDPOINTS = Query(
    "claim_webhook_endpoints",
    """
    update webhook_endpoint w set claimed_until = now() + make_interval(secs => $2)
    where (w.site_id, w.id) in (
      select e.site_id, e.id from webhook_endpoint e
      where e.enabled and e.halted = '' and e.next_at <= now() and coalesce(e.claimed_until, '-infinity') < now()
        and e.site_id <> all($3)
        and e.site_id <> all(array(select p.site_id from shard.place p where p.state <> 'here'))
        and exists (select from webhook_delivery d where d.site_id = e.site_id and d.endpoint_id = e.id and d.state = 0)
      order by e.next_at limit $1 for update skip locked
    )
    returning w.site_id, w.id, w.failures
    """,
    ("int", "float8", "int[]"),
)
# The address and the secrets as they are now, and the words as they are now.
NEXT_DELIVERY = Query(
    "next_webhook_delivery",
    """
    select w.url, w.secret, case when w.old_until > now() then w.old_secret end, w.failures, d.event_id, d.tries,
      e.type, concat(e.site_id, '/', e.channel_id, '@', e.seq), extract(epoch from e.created_at)::float8, e.data
    from webhook_endpoint w
    join lateral (
      select x.event_id, x.tries from webhook_delivery x where x.site_id = w.site_id and x.endpoint_id = w.id
        and x.state = 0 order by x.event_id limit 1
    ) d on true
    join webhook_event e on e.site_id = w.site_id and e.id = d.event_id
    where w.site_id = $1 and w.id = $2 and w.enabled and w.halted = ''
    """,
    ("int", "bigint"),
)
SELECT_SECRETS = Query(
    "select_webhook_secrets",
    """
    select url, secret, case when old_until > now() then old_secret end from webhook_endpoint
    where site_id = $1 and id = $2
    """,
    ("int", "bigint"),
)
NOTE_TRY = Query(
    "note_webhook_try", "select note_webhook_try($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "bigint", "text", "int", "int", "text", "float8", "float8"),
)  # fmt: skip
NOTE_TEST = Query(
    "note_webhook_test",
    "insert into webhook_try (site_id, endpoint_id, status, millis, error) values ($1, $2, $3, $4, $5) returning id",
    ("int", "bigint", "int", "int", "text"),
)
RELEASE = Query(
    "release_webhook_endpoint",
    "update webhook_endpoint set claimed_until = null where site_id = $1 and id = $2",
    ("int", "bigint"),
)
COUNT_WAITING = Query(
    "count_webhooks",
    """
    select (select count(*) from (select from webhook_delivery where state = 0 limit 100000) x),
      (select count(*) from (select from webhook_delivery where state = 2 limit 100000) x)
    """,
)

# `cackled.outbound.post.GuardedHttp.ask`.
Ask = Callable[..., Awaitable[Any]]


class Tried(Struct, frozen=True):
    """How a try went: ``outcome`` is done, retry, refused or gone; ``after`` are seconds that the server asked for."""

    outcome: str
    status: int | None
    millis: int
    error: str = ""
    after: float = 0.0


class WebhookSender:
    """Does it for all sites."""

    def __init__(
        self, database: Database, clock: IReactorTime, random: Random, wall_time: Callable[[], float], metrics: Metrics,
        ask: Ask,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._random = random
        self._wall_time = wall_time
        self._ask = ask
        self._outcomes = metrics.counter("webhooks", "Requests to endpoints of sites, by how they ended.", ["outcome"])
        self._job = Periodic(clock, POLL, self.run, "webhooks")
        self._busy: dict[tuple[int, int], Deferred[None]] = {}
        self._stopped = False
        # How often it was looked for work, and how many requests came to an end.
        self.looks = 0
        self.ended = 0

    @property
    def under_way(self) -> int:
        """How many endpoints are being told something."""
        return len(self._busy)

    def start(self) -> None:
        """Look for work every second."""
        self._job.start()

    def stop(self) -> None:
        """Take on no more; what is under way ends, or is done again by another."""
        self._stopped = True
        self._job.stop()

    async def run(self) -> None:
        """Begin with every endpoint that has something to be told."""
        for part in self._database.parts:
            await self._claim(part)
        self.looks += 1

    async def finish(self) -> None:
        """Wait for what is under way."""
        while self._busy:
            await next(iter(self._busy.values()))

    async def _claim(self, part: Database) -> None:
        while not self._stopped and len(self._busy) < MOST:
            crowded = [site for site, count in self._by_site().items() if count >= PER_SITE]
            try:
                rows = await part.system.write(CLAIM_ENDPOINTS, BATCH, CLAIM, crowded)
            except Unavailable:
                return
            except DatabaseError as error:
                # Too slow just now: the next look may do better.
                log.warn("webhooks: work can't be looked for: {reason}", reason=str(error))
                return
            for site, endpoint, _ in rows:
                key = (int(site), int(endpoint))
                if key in self._busy:
                    # The claim ran out while this process was slow: it is under way, and goes on.
                    continue
                done: Deferred[None] = Deferred()
                self._busy[key] = done
                work: Deferred[None] = Deferred.fromCoroutine(self._serve(part, *key))
                work.addBoth(self._over, key, done)
            if len(rows) < BATCH:
                return

    def _by_site(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for site, _ in self._busy:
            found[site] = found.get(site, 0) + 1
        return found

    def _over(self, result: object, key: tuple[int, int], done: Deferred[None]) -> None:
        del self._busy[key]
        if isinstance(result, Failure) and not result.check(DatabaseError):
            log.failure("webhooks: noting a try broke", result)
        done.callback(None)

    async def _serve(self, part: Database, site: int, endpoint: int) -> None:
        """Tell an endpoint what waits for it, until something fails or others have to get a turn."""
        for _ in range(TURN):
            rows = await part.system.read(NEXT_DELIVERY, site, endpoint, preference=ReadPreference.PRIMARY)
            if self._stopped or not rows.rows:
                break
            url, secret, old, failures, event, tries, type_, position, created, data = rows.rows[0]
            body = body_of(event, site, created, type_, position, data)
            tried = await self._try(url, f"msg_{site}_{event}", event, body, [one for one in (secret, old) if one])
            outcome = tried.outcome
            if outcome == "retry" and tried.status in REFUSALS and tries + 1 >= REFUSED_TRIES:
                outcome = "refused"
            wait = max(wait_before(failures + 1, self._random), tried.after) if outcome == "retry" else 0.0
            self.ended += 1
            self._outcomes.labels(outcome).inc()
            await part.system.write(
                NOTE_TRY, site, endpoint, event, outcome, tried.status, tried.millis, tried.error, wait, CLAIM
            )
            if outcome not in ("done", "refused"):
                return
        with suppress(Unavailable):
            await part.system.write(RELEASE, site, endpoint)

    async def test(self, site: int, endpoint: int) -> Tried | None:
        """Send a made-up event of type ``webhook.test`` at once, whether the endpoint is on or not; None: there is no
        such endpoint."""
        part = self._database.of(site)
        rows = await part.system.read(SELECT_SECRETS, site, endpoint, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            return None
        url, secret, old = rows.rows[0]
        now = self._wall_time()
        body = body_of(0, site, now, "webhook.test", "", '{"test":true}').replace(b'"position":""', b'"position":null')
        tried = await self._try(
            url, f"msg_{site}_test_{int(now * 1000)}", 0, body, [one for one in (secret, old) if one]
        )
        await part.system.write(NOTE_TEST, site, endpoint, tried.status, tried.millis, tried.error)
        return tried

    async def _try(self, url: str, message: str, number: int, body: bytes, secrets: list[str]) -> Tried:
        began = self._clock.seconds()
        headers = headers_of(message, number, int(self._wall_time()), body, secrets)

        def made(outcome: str, status: int | None, error: str = "", after: float = 0.0) -> Tried:
            millis = max(0, round((self._clock.seconds() - began) * 1000))
            return Tried(outcome, status, millis, clean_line(error)[:500], after)

        try:
            answer = await self._ask(b"POST", url, headers, body, kept=False)
        except (ValueError, OSError) as error:
            # An address that is not allowed may be another tomorrow: names are looked up each time.
            return made("retry", None, str(error))
        status = int(answer.status)
        if 200 <= status < 300:
            return made("done", status)
        text = f"the server answered {status}"
        if status == 410:
            return made("gone", status, f"{text}: it is gone")
        return made("retry", status, text, _retry_after(answer.headers.get("retry-after", "")))

    async def waiting(self) -> tuple[int, int]:
        """How much waits, and how much was given up."""
        found = [
            (await part.system.read(COUNT_WAITING, preference=ReadPreference.PRIMARY)).rows[0]
            for part in self._database.parts
        ]
        return sum(row[0] for row in found), sum(row[1] for row in found)


def _retry_after(value: str) -> float:
    """Seconds that a server asks for (RFC 9110 section 10.2.3); a date, or what can't be read, counts as none."""
    text = value.strip()
    return min(float(text), MOST_RETRY_AFTER) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


