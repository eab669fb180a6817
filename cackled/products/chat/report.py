"""How chat goes: the board of this moment, and figures of a span of days.

Times count from and to what is stored of each conversation; a bot's words are no answer.

- first response: from the visitor's first message to the first of an operator.
- reply: from the visitor's first message after an operator's to the operator's next.
- wait: from the start to an operator who has it.
- resolution: from the start to the close. Spam counts nowhere.
- missed: conversations without an answer of an operator, each in one class: ``offline`` (begun while nobody was there),
  ``visitor`` (its visitor closed it), ``timeout`` (an operator had it), ``abandoned`` (nobody had it); those that are
  still going on once they are an hour old.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from twisted.internet.threads import deferToThread

from cackled.database.query import Query, ReadPreference
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.chat.hours import Hours, open_seconds
from cackled.products.chat.invitations import InvitationFigures
from cackled.products.chat.setup import SELECT_SETUP

# Of a span with more, the newest count.
MOST_CHATS = 10_000
MOST_TURNS = 20_000
# Seconds after which a conversation without an answer is missed.
MISSED = 3_600
POSITIVE = 4

SELECT_REPORT = Query(
    "select_chat_report",
    f"""
    select extract(epoch from c.created_at)::float8, (
        select extract(epoch from min(m.created_at))::float8 from chat_message m
        where m.site_id = c.site_id and m.chat_id = c.id and m.sender = 'visitor'),
      extract(epoch from c.accepted_at)::float8, extract(epoch from c.answered_at)::float8,
      extract(epoch from c.closed_at)::float8, c.closed_by, c.offline, c.assignee, coalesce(d.name, ''), c.score,
      c.department_id, coalesce(p.name, '')
    from chat c left join chat_desk d on d.site_id = c.site_id and d.account_id = c.assignee
      left join chat_department p on p.site_id = c.site_id and p.id = c.department_id
    where c.site_id = $1 and c.created_at >= to_timestamp($2) and c.created_at < to_timestamp($3)
      and ($4 = 0 or c.department_id = $4) and c.state <> 'spam' and c.reason <> 'erased'
    order by c.created_at desc limit {MOST_CHATS}
    """,
    ("int", "float8", "float8", "bigint"),
)
SELECT_TURNS = Query(
    "select_chat_turns",
    f"""
    with said as (
      select m.chat_id, m.seq, m.sender, m.created_at,
        lag(m.sender) over (partition by m.chat_id order by m.seq, m.id) as before
      from chat c join chat_message m on m.site_id = c.site_id and m.chat_id = c.id
      where c.site_id = $1 and c.created_at >= to_timestamp($2) and c.created_at < to_timestamp($3)
        and ($4 = 0 or c.department_id = $4) and c.state <> 'spam' and m.kind = 'text'
        and m.sender in ('visitor', 'operator')
    ), turns as (
      select t.chat_id, t.sender, t.created_at,
        lead(t.created_at) over (partition by t.chat_id order by t.seq) as after
      from said t where t.before is distinct from t.sender
    )
    select extract(epoch from t.created_at)::float8, extract(epoch from t.after)::float8
    from turns t where t.sender = 'visitor' and t.after is not null order by t.created_at desc limit {MOST_TURNS}
    """,
    ("int", "float8", "float8", "bigint"),
)
SELECT_BOARD = Query(
    "select_chat_board",
    """
    with there as (
      select c.state, c.assignee, c.department_id, c.said_visitor > c.said_operator as unanswered,
        extract(epoch from now() - coalesce(c.waiting_since, c.modified_at))::int as seconds
      from chat c where c.site_id = $1 and c.state in ('waiting', 'open')
    )
    select json_build_object(
      'waiting', (select count(*) from there t where t.state = 'waiting'),
      'longest', (select max(t.seconds) from there t where t.state = 'waiting'),
      'open', (select count(*) from there t where t.state = 'open'),
      'operators', coalesce((
        select json_agg(json_build_object('id', 'account:' || d.account_id, 'name', d.name, 'state', d.state,
          'avatar', case when d.picture <> '' then '/avatar/staff/' || d.picture else '' end,
          'capacity', d.capacity, 'chats', x.chats, 'waiting', x.unanswered, 'longest', x.longest)
          order by d.name, d.account_id)
        from (select * from chat_desk y where y.site_id = $1 and y.seen_at > now() - interval '1 day'
              order by y.seen_at desc limit 500) d,
          lateral (
            select count(*) as chats, count(*) filter (where t.unanswered) as unanswered,
              max(t.seconds) filter (where t.unanswered) as longest
            from there t where t.state = 'open' and t.assignee = d.account_id) x), '[]'),
      'departments', coalesce((
        select json_agg(json_build_object('id', d.id::text, 'name', d.name, 'waiting', x.waiting, 'longest', x.longest)
          order by d.name, d.id)
        from chat_department d,
          lateral (
            select count(*) as waiting, max(t.seconds) as longest
            from there t where t.state = 'waiting' and t.department_id = d.id) x
        where d.site_id = $1), '[]'))::text
    """,
    ("int",),
)


class Figure(Struct, frozen=True):
    """Seconds of how many (``n``); all null where there are none."""

    median: float | None
    p90: float | None
    mean: float | None
    n: int


class Timed(Figure, frozen=True):
    """In wall time, and within the opening hours alone."""

    business: Figure


class Figures(Struct, frozen=True):
    """Seconds: from the first message to the first answer, to each further one, in the queue, and until the close."""

    first_response: Timed
    reply: Timed
    wait: Timed
    resolution: Timed


class Csat(Struct, frozen=True):
    """Ratings: how many of 4 and 5, how many at all, and how many answered conversations were closed."""

    positive: int
    answers: int
    asked: int


class Missed(Struct, frozen=True):
    """Conversations without an answer, each in one class."""

    offline: int = 0
    timeout: int = 0
    abandoned: int = 0
    visitor: int = 0


class OperatorFigures(Struct, frozen=True):
    """What an operator had: medians in seconds of wall time, and the share of good ratings in percent."""

    id: str
    name: str
    chats: int
    first_response: float | None
    resolution: float | None
    csat: float | None


class DepartmentFigures(Struct, frozen=True):
    """What a department had: medians in seconds of wall time, good ratings in percent; ``id`` null: of none."""

    id: str | None
    name: str
    chats: int
    missed: int
    first_response: float | None
    wait: float | None
    resolution: float | None
    csat: float | None


class Report(Struct, frozen=True):
    """Figures of conversations that began in a span. ``heat``: starts by weekday, Monday first, and hour."""

    from_: str = msgspec.field(name="from")
    to: str
    chats: int
    closed: int
    figures: Figures
    csat: Csat
    missed: Missed
    operators: list[OperatorFigures]
    departments: list[DepartmentFigures]
    heat: list[list[int]]
    invitations: list[InvitationFigures] = []


def figure(values: Iterable[float]) -> Figure:
    """Median, 90th percentile (the nearest rank) and mean."""
    found = sorted(values)
    n = len(found)
    if not n:
        return Figure(None, None, None, 0)
    half = n // 2
    median = found[half] if n % 2 else (found[half - 1] + found[half]) / 2
    return Figure(round(median, 1), round(found[-(-9 * n // 10) - 1], 1), round(fmean(found), 1), n)


def _timed(spans: list[tuple[float, float]], hours: Hours) -> Timed:
    wall = figure(end - begin for begin, end in spans)
    inside = figure(open_seconds(hours, _moment(begin), _moment(end)) for begin, end in spans)
    return Timed(wall.median, wall.p90, wall.mean, wall.n, inside)


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def missed(row: tuple[Any, ...], now: float) -> str:
    """The class of a conversation that nobody answered; ``""``: it was answered, or may still be."""
    created, _, accepted, answered, closed, by, offline, *_ = row
    if answered is not None or (closed is None and created > now - MISSED):
        return ""
    if offline:
        return "offline"
    if by == "visitor":
        return "visitor"
    return "abandoned" if accepted is None else "timeout"


def reckon(
    rows: list[tuple[Any, ...]], turns: list[tuple[float, float]], hours: Hours, span: tuple[float, float], now: float
) -> Report:
    """The report of conversations as `SELECT_REPORT` gives them, and turns as `SELECT_TURNS` does."""
    heat = [[0] * 24 for _ in range(7)]
    zone = ZoneInfo(hours.zone)
    classes = {"offline": 0, "timeout": 0, "abandoned": 0, "visitor": 0}
    first: list[tuple[float, float]] = []
    waits: list[tuple[float, float]] = []
    ends: list[tuple[float, float]] = []
    scores: list[int] = []
    by_operator: dict[int, tuple[str, list[tuple[Any, ...]]]] = {}
    by_department: dict[int | None, tuple[str, list[tuple[Any, ...]]]] = {}
    asked = closed_chats = 0
    for row in rows:
        created, spoke, accepted, answered, closed, _, _, assignee, name, score, department, department_name = row
        local = _moment(created).astimezone(zone)
        heat[local.weekday()][local.hour] += 1
        if spoke is not None and answered is not None and answered >= spoke:
            first.append((spoke, answered))
        if accepted is not None:
            waits.append((created, accepted))
        if closed is not None:
            closed_chats += 1
            asked += answered is not None
            ends.append((created, closed))
        if score is not None:
            scores.append(score)
        kind = missed(row, now)
        if kind:
            classes[kind] += 1
        if assignee is not None:
            by_operator.setdefault(assignee, (name, []))[1].append(row)
        by_department.setdefault(department, (department_name, []))[1].append(row)
    figures = Figures(_timed(first, hours), _timed(turns, hours), _timed(waits, hours), _timed(ends, hours))
    return Report(
        _moment(span[0]).isoformat(), _moment(span[1]).isoformat(), len(rows), closed_chats, figures,
        Csat(sum(one >= POSITIVE for one in scores), len(scores), asked), Missed(**classes),
        sorted((_operator(number, *had) for number, had in by_operator.items()), key=lambda one: (one.name, one.id)),
        sorted(
            (_department(number, *had, now) for number, had in by_department.items()),
            key=lambda one: (one.id is None, one.name),
        ),
        heat,
    )  # fmt: skip


def _answered(rows: list[tuple[Any, ...]]) -> float | None:
    return figure(row[3] - row[1] for row in rows if row[1] is not None and row[3] is not None).median


def _resolved(rows: list[tuple[Any, ...]]) -> float | None:
    return figure(row[4] - row[0] for row in rows if row[4] is not None).median


def _good(rows: list[tuple[Any, ...]]) -> float | None:
    scores = [row[9] for row in rows if row[9] is not None]
    return round(100 * sum(one >= POSITIVE for one in scores) / len(scores), 1) if scores else None


def _operator(number: int, name: str, rows: list[tuple[Any, ...]]) -> OperatorFigures:
    return OperatorFigures(f"account:{number}", name, len(rows), _answered(rows), _resolved(rows), _good(rows))


def _department(number: int | None, name: str, rows: list[tuple[Any, ...]], now: float) -> DepartmentFigures:
    waits = figure(row[2] - row[0] for row in rows if row[2] is not None)
    return DepartmentFigures(
        None if number is None else str(number), name, len(rows), sum(bool(missed(row, now)) for row in rows),
        _answered(rows), waits.median, _resolved(rows), _good(rows),
    )  # fmt: skip


# A spreadsheet takes a field that begins like that for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _plain(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name


def table(report: Report) -> str:
    """The report as CSV: figures first, then operators, departments and invitations."""
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(("figure", "median", "p90", "mean", "n"))
    for name in Figures.__struct_fields__:
        timed: Timed = getattr(report.figures, name)
        for label, one in ((name, timed), (f"{name} (business)", timed.business)):
            lines.writerow((label, one.median, one.p90, one.mean, one.n))
    lines.writerow(())
    lines.writerow(("count", "n"))
    csat = report.csat
    counts = [("chats", report.chats), ("closed", report.closed)]
    counts += [("rated", csat.answers), ("rated well", csat.positive)]
    counts += [(f"missed: {name}", getattr(report.missed, name)) for name in Missed.__struct_fields__]
    lines.writerows(counts)
    lines.writerow(())
    lines.writerow(("operator", "chats", "first response", "resolution", "csat"))
    for had in report.operators:
        lines.writerow((_plain(had.name), had.chats, had.first_response, had.resolution, had.csat))
    lines.writerow(())
    lines.writerow(("department", "chats", "missed", "first response", "wait", "resolution", "csat"))
    for part in report.departments:
        times = (part.first_response, part.wait, part.resolution)
        lines.writerow((_plain(part.name), part.chats, part.missed, *times, part.csat))
    lines.writerow(())
    lines.writerow(("invitation", "variant", "shown", "opened", "started"))
    for of in report.invitations:
        lines.writerow((_plain(of.name or of.text), of.variant, of.shown, of.opened, of.started))
    return file.getvalue()


class Reports:
    """The board and the reports of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._database = parts.database.site(site.id)

    async def board(self) -> str:
        """Who waits and who answers at this moment, as JSON."""
        return str((await self._read(SELECT_BOARD))[0][0])

    async def report(self, begins: float, ends: float, department: int = 0) -> Report:
        """Figures of conversations that began between two moments, in seconds since 1970; 0: of all departments."""
        rows = await self._read(SELECT_REPORT, begins, ends, department)
        turns = await self._read(SELECT_TURNS, begins, ends, department)
        words = (await self._read(SELECT_SETUP))[0][0]
        hours = msgspec.json.decode(words, type=Hours) if words else Hours()
        now = datetime.now(UTC).timestamp()
        made: Report = await deferToThread(reckon, rows, turns, hours, (begins, ends), now)
        return made

    async def _read(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        found = await self._database.read(query, self._site.id, *args, preference=ReadPreference.PRIMARY_PREFERRED)
        return list(found.rows)
