"""When a site's operators work: a week in a time zone, and days that differ from it. Pure: the moment is given."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Meta, Struct

from cackled.domain.errors import BadField

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
# Days within which the next opening is looked for.
HORIZON = 400

Clock = Annotated[str, Meta(max_length=5)]
Range = tuple[Clock, Clock]
Ranges = Annotated[list[Range], Meta(max_length=12)]


class OtherDay(Struct, frozen=True):
    """A day with ranges of its own; without any it is closed."""

    date: Annotated[str, Meta(max_length=10)]
    ranges: Ranges = []


class Hours(Struct, frozen=True):
    """Opening hours. ``week``: ranges by ``mon`` to ``sun``; a week without any day is always open.

    A range is a first and a last time on the clock, such as ``["09:00", "17:00"]``; its end is outside of it and may be
    ``24:00``. One that ends before it begins goes on into the next day.
    """

    zone: Annotated[str, Meta(max_length=60)] = "UTC"
    week: Annotated[dict[str, Ranges], Meta(max_length=7)] = {}
    exceptions: Annotated[list[OtherDay], Meta(max_length=400)] = []

    def check(self) -> None:
        """Refuse what means nothing.

        Raises:
            BadField: the zone, a day, a date or a time is unknown, or the same date is there twice.
        """
        # Asked of the list and never of the file system: the name comes from a form.
        if self.zone not in available_timezones():
            raise BadField("That time zone is unknown. Write one such as Europe/Berlin.", field="zone")
        for name, ranges in self.week.items():
            if name not in DAYS:
                raise BadField(f"A day is one of {', '.join(DAYS)}.", field="week")
            _check_ranges(ranges, "week")
        for one in self.exceptions:
            if _date(one.date) is None:
                raise BadField("A date is written such as 2026-12-25.", field="exceptions")
            _check_ranges(one.ranges, "exceptions")
        if len({one.date for one in self.exceptions}) < len(self.exceptions):
            raise BadField("A date is there once.", field="exceptions")

    @property
    def always(self) -> bool:
        """Whether no hours were said at all."""
        return not self.week and not self.exceptions


def _date(words: str) -> date | None:
    try:
        found = date.fromisoformat(words)
    except ValueError:
        return None
    return found if found.isoformat() == words else None


def _minutes(clock: str) -> int | None:
    hours, _, minutes = clock.partition(":")
    if not (len(clock) == 5 and len(hours) == 2 and clock.isascii() and hours.isdigit() and minutes.isdigit()):
        return None
    total = int(hours) * 60 + int(minutes)
    return total if int(minutes) < 60 and total <= DAY else None


def _check_ranges(ranges: Ranges, field: str) -> None:
    for first, last in ranges:
        begins, ends = _minutes(first), _minutes(last)
        if begins is None or ends is None or begins in (ends, DAY):
            raise BadField("A range is two times such as 09:00 and 17:00.", field=field)


def _instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    # A time that the clock skips in spring is the moment of the jump's length later; one that it has twice in autumn is
    # the first of them (PEP 495, fold 0).
    day, minutes = (day + timedelta(1), 0) if minutes == DAY else (day, minutes)
    local = datetime.combine(day, time(minutes // 60, minutes % 60), zone)
    return local.astimezone(UTC)


def _spans(hours: Hours, day: date, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """The ranges of a day as moments, the earliest first."""
    other = next((one for one in hours.exceptions if one.date == day.isoformat()), None)
    if other is not None:
        ranges = other.ranges
    elif hours.week:
        ranges = hours.week.get(DAYS[day.weekday()], [])
    else:
        ranges = [("00:00", "24:00")]
    found = []
    for first, last in ranges:
        begins, ends = _minutes(first) or 0, _minutes(last) or 0
        end = _instant(day, ends, zone) if ends > begins else _instant(day + timedelta(1), ends, zone)
        found.append((_instant(day, begins, zone), end))
    return sorted(found)


def opening(hours: Hours, moment: datetime) -> tuple[bool, datetime | None]:
    """Whether it is open at *moment* (with a zone), and, where it is not, when it opens next in UTC.

    None: it is open, or does not open within the next 400 days.
    """
    if hours.always:
        return True, None
    zone = ZoneInfo(hours.zone)
    now = moment.astimezone(UTC)
    today = now.astimezone(zone).date()
    # A range of the day before may go on into today.
    near = [span for day in (-1, 0) for span in _spans(hours, today + timedelta(day), zone)]
    if any(begins <= now < ends for begins, ends in near):
        return True, None
    for day in range(HORIZON):
        for begins, ends in _spans(hours, today + timedelta(day), zone):
            if now < begins < ends:
                return False, begins
    return False, None


def open_seconds(hours: Hours, begins: datetime, ends: datetime) -> float:
    """How many seconds between two moments are within the hours: business time. Spans of over 400 days are cut."""
    if ends <= begins:
        return 0.0
    if hours.always:
        return (ends - begins).total_seconds()
    zone = ZoneInfo(hours.zone)
    first = begins.astimezone(zone).date() - timedelta(1)
    days = min((ends.astimezone(zone).date() - first).days + 1, HORIZON)
    total = 0.0
    covered = begins
    # Ranges may overlap: what was counted once is not counted again.
    for begin, end in sorted(span for n in range(days) for span in _spans(hours, first + timedelta(n), zone)):
        start, stop = max(begin, covered), min(end, ends)
        if stop > start:
            total += (stop - start).total_seconds()
            covered = stop
    return total
