"""The endpoints of a site: servers that its owner wants told of events, what they were told, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict, NotFound, Outdated
from cackled.domain.housekeeping import BATCH
from cackled.domain.setting_table import web_address
from cackled.domain.site import Site
from cackled.domain.text import clean_line
from cackled.domain.webhooks import new_secret

MOST_ENDPOINTS = 20
MOST_NOTE = 200
# Seconds for which the secret before still signs, unless an owner says otherwise.
OVERLAP = 24 * 3600
STATES = ("waiting", "sent", "dead")

_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
_ENDPOINT = f"""
  w.id, w.url, w.types, w.note, w.enabled, w.halted, w.failures,
  to_char(w.failing_since at time zone 'utc', {_TIME}), to_char(w.next_at at time zone 'utc', {_TIME}),
  case when w.old_until > now() then to_char(w.old_until at time zone 'utc', {_TIME}) end,
  w.version, w.created_by, to_char(w.created_at at time zone 'utc', {_TIME}),
  (select count(*) from (select from webhook_delivery d where d.site_id = w.site_id and d.endpoint_id = w.id
   and d.state = 0 limit 10001) x)::int,
  (select count(*) from (select from webhook_delivery d where d.site_id = w.site_id and d.endpoint_id = w.id
   and d.state = 2 limit 10001) x)::int
"""
SELECT_ENDPOINTS = Query(
    "select_webhook_endpoints",
    f"""
    select {_ENDPOINT} from webhook_endpoint w where w.site_id = $1 and ($2::bigint is null or w.id = $2) order by w.id
    """,
    ("int", "bigint"),
)
INSERT_ENDPOINT = Query(
    "insert_webhook_endpoint",
    """
    insert into webhook_endpoint (site_id, url, types, note, secret, created_by)
    select $1, $2, $3, $4, $5, $6
    where (select count(*) from webhook_endpoint where site_id = $1) < $7 returning id
    """,
    ("int", "text", "text[]", "text", "text", "text", "int"),
)
CHANGE_ENDPOINT = Query(
    "change_webhook_endpoint",
    """
    update webhook_endpoint set url = coalesce($4, url), types = coalesce($5, types), note = coalesce($6, note),
      enabled = coalesce($7, enabled), version = version + 1,
      halted = case when $7 or $4 is not null then '' else halted end,
      failures = case when $7 or $4 is not null then 0 else failures end,
      failing_since = case when $7 or $4 is not null then null else failing_since end,
      next_at = case when $7 or $4 is not null then now() else next_at end
    where site_id = $1 and id = $2 and version = $3 returning id
    """,
    ("int", "bigint", "bigint", "text", "text[]", "text", "boolean"),
)
ROTATE_SECRET = Query(
    "rotate_webhook_secret",
    """
    update webhook_endpoint set old_secret = case when $4 > 0 then secret end,
      old_until = case when $4 > 0 then now() + make_interval(secs => $4) end, secret = $3, version = version + 1
    where site_id = $1 and id = $2 returning id
    """,
    ("int", "bigint", "text", "float8"),
)
DELETE_ENDPOINT = Query(
    "delete_webhook_endpoint",
    """
    with one as (delete from webhook_endpoint where site_id = $1 and id = $2 returning id),
    deliveries as (delete from webhook_delivery d using one where d.site_id = $1 and d.endpoint_id = one.id),
    tries as (delete from webhook_try t using one where t.site_id = $1 and t.endpoint_id = one.id)
    select id from one
    """,
    ("int", "bigint"),
)
SELECT_DELIVERIES = Query(
    "select_webhook_deliveries",
    f"""
    select d.event_id, e.type, concat(e.site_id, '/', e.channel_id, '@', e.seq), d.state, d.tries, d.status,
      coalesce(d.error, ''), to_char(e.created_at at time zone 'utc', {_TIME}),
      to_char(d.tried_at at time zone 'utc', {_TIME}), to_char(d.until at time zone 'utc', {_TIME})
    from webhook_delivery d join webhook_event e on e.site_id = d.site_id and e.id = d.event_id
    where d.site_id = $1 and d.endpoint_id = $2 and ($3::smallint is null or d.state = $3)
      and ($4::bigint is null or d.event_id < $4) and ($5 = '' or e.type = $5)
    order by d.event_id desc limit $6
    """,
    ("int", "bigint", "smallint", "bigint", "text", "int"),
)
SELECT_DELIVERY_DATA = Query(
    "select_webhook_delivery_data",
    """
    select e.data from webhook_delivery d join webhook_event e on e.site_id = d.site_id and e.id = d.event_id
    where d.site_id = $1 and d.endpoint_id = $2 and d.event_id = $3
    """,
    ("int", "bigint", "bigint"),
)
SELECT_TRIES = Query(
    "select_webhook_tries",
    f"""
    select id, event_id, to_char(at at time zone 'utc', {_TIME}), status, millis, error from webhook_try
    where site_id = $1 and endpoint_id = $2 and ($3::bigint is null or event_id = $3)
      and ($4::bigint is null or id < $4) order by id desc limit $5
    """,
    ("int", "bigint", "bigint", "bigint", "int"),
)
REPLAY = Query("replay_webhooks", "select replay_webhooks($1, $2, $3)", ("int", "bigint", "bigint"))
EXPIRE_WEBHOOKS = Query("expire_webhooks", f"select expire_webhooks({BATCH})")


class Endpoint(Struct, frozen=True):
    """A webhook endpoint.

    ``types``: the events it receives; empty: all. ``state``: ``on``, ``off``, ``failing`` (requests fail; the next
    one is at ``next``), ``halted`` (the server answered 410 Gone). ``waiting`` and ``dead`` are counted up to
    10,001. ``old_secret_until``: until then two secrets sign.
    """

    id: str
    url: str
    types: list[str]
    note: str
    state: str
    reason: str
    failures: int
    failing_since: str | None
    next: str | None
    old_secret_until: str | None
    version: int
    created_by: str
    created: str
    waiting: int
    dead: int


class Delivery(Struct, frozen=True):
    """An event for an endpoint: ``waiting``, ``sent`` or ``dead`` (given up; it can be replayed)."""

    id: str
    type: str
    position: str
    state: str
    tries: int
    status: int | None
    error: str
    created: str
    tried: str | None
    until: str | None


class Try(Struct, frozen=True):
    """One request: its HTTP status or the error. ``event`` is null for a test."""

    id: str
    event: str | None
    at: str
    status: int | None
    millis: int
    error: str


class EventTypes(Struct, frozen=True):
    """The types of events that there are, as products declare them."""

    names: tuple[str, ...]

    def checked(self, chosen: Iterable[str]) -> list[str]:
        """Those of *chosen*, in their order here.

        Raises:
            BadField: there is no such type.
        """
        wanted = set(chosen)
        unknown = sorted(wanted - set(self.names))
        if unknown:
            raise BadField(f"There is no event {unknown[0][:60]}; there are {', '.join(self.names)}.", field="types")
        return [one for one in self.names if one in wanted]


class Endpoints:
    """The endpoints of one site. *check_url* refuses (ValueError) addresses that nothing is sent to."""

    def __init__(
        self, site: Site, database: Database, types: EventTypes, check_url: Callable[[str], None], random: Any
    ) -> None:
        self._site = site.id
        self._database = database.site(site.id)
        self._types = types
        self._check_url = check_url
        self._random = random

    async def listed(self, number: int | None = None) -> list[Endpoint]:
        """All of them, or that of a number."""
        rows = await self._database.read(SELECT_ENDPOINTS, self._site, number, preference=ReadPreference.PRIMARY)
        return [_endpoint(row) for row in rows.rows]

    async def get(self, number: int) -> Endpoint:
        """One.

        Raises:
            NotFound: there is none of that number.
        """
        found = await self.listed(number)
        if not found:
            raise NotFound("There is no such webhook.")
        return found[0]

    async def add(self, url: str, types: Iterable[str], note: str, by: str) -> tuple[int, str]:
        """A new one: its number and its secret.

        Raises:
            BadField: nothing is sent to that address, or there is no such event.
            Conflict: the site has too many.
        """
        secret = new_secret(self._random)
        rows = await self._database.write(
            INSERT_ENDPOINT, self._site, self._checked(url), self._types.checked(types), _note(note), secret, by,
            MOST_ENDPOINTS,
        )  # fmt: skip
        if not rows:
            raise Conflict(f"A site has at most {MOST_ENDPOINTS} webhooks.", slug="webhooks")
        return int(rows[0][0]), secret

    async def change(
        self, number: int, version: int, *, url: str | None = None, types: Iterable[str] | None = None,
        note: str | None = None, enabled: bool | None = None,
    ) -> Endpoint:
        """Change what is given; one that failed or was halted begins anew when its address changes or it is switched
        on.

        Raises:
            BadField, NotFound
            Outdated: it has another version by now.
        """
        rows = await self._database.write(
            CHANGE_ENDPOINT, self._site, number, version, None if url is None else self._checked(url),
            None if types is None else self._types.checked(types), None if note is None else _note(note), enabled,
        )  # fmt: skip
        found = await self.get(number)
        if not rows:
            raise Outdated
        return found

    async def rotate(self, number: int, overlap: float = OVERLAP) -> str:
        """A new secret; the one before signs as well for *overlap* seconds.

        Raises:
            NotFound
        """
        secret = new_secret(self._random)
        if not await self._database.write(ROTATE_SECRET, self._site, number, secret, float(overlap)):
            raise NotFound("There is no such webhook.")
        return secret

    async def remove(self, number: int) -> None:
        """Tell it nothing more; what waits is dropped.

        Raises:
            NotFound
        """
        if not await self._database.write(DELETE_ENDPOINT, self._site, number):
            raise NotFound("There is no such webhook.")

    async def deliveries(
        self, number: int, *, state: str = "", type_: str = "", before: int | None = None, size: int = 50
    ) -> list[Delivery]:
        """What it was told and is to be told, the newest first."""
        rows = await self._database.read(
            SELECT_DELIVERIES, self._site, number, STATES.index(state) if state else None, before, type_, size,
            preference=ReadPreference.PRIMARY,
        )  # fmt: skip
        return [Delivery(str(row[0]), row[1], row[2], STATES[row[3]], *row[4:]) for row in rows.rows]

    async def data(self, number: int, event: int) -> str:
        """What is told of an event, as it stands now: JSON text.

        Raises:
            NotFound
        """
        rows = await self._database.read(
            SELECT_DELIVERY_DATA, self._site, number, event, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("There is no such delivery.")
        return str(rows.rows[0][0])

    async def tries(
        self, number: int, event: int | None = None, *, before: int | None = None, size: int = 50
    ) -> list[Try]:
        """The tries, the newest first: the last thousand of an endpoint within a month are kept."""
        rows = await self._database.read(
            SELECT_TRIES, self._site, number, event, before, size, preference=ReadPreference.PRIMARY
        )
        return [Try(str(row[0]), None if row[1] is None else str(row[1]), *row[2:]) for row in rows.rows]

    async def replay(self, number: int, event: int | None = None) -> int:
        """Send again: one event that was sent or given up, or all that were given up. Gives how many.

        Raises:
            NotFound: there is no such endpoint, or event.
        """
        await self.get(number)
        rows = await self._database.write(REPLAY, self._site, number, event)
        count = int(rows[0][0])
        if event is not None and not count:
            raise NotFound("There is no such delivery, or it waits already.")
        return count

    def _checked(self, url: str) -> str:
        try:
            web_address(url)
            self._check_url(url)
        except ValueError as error:
            raise BadField(str(error), field="url") from None
        return url


def _note(text: str) -> str:
    made = clean_line(text).strip()
    if len(made) > MOST_NOTE:
        raise BadField(f"A note has at most {MOST_NOTE} characters.", field="note")
    return made


def _endpoint(row: tuple[Any, ...]) -> Endpoint:
    number, url, types, note, enabled, halted, failures, since, next_at, *rest = row
    state = "off" if not enabled else "halted" if halted else "failing" if failures else "on"
    return Endpoint(
        str(number), url, list(types), note, state, halted, failures, since, next_at if failures else None, *rest
    )
