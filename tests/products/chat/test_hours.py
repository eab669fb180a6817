"""Opening hours: one table of moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import BadField
from cackled.products.chat.hours import DAYS, Hours, OtherDay, open_seconds, opening

WORK = {day: [("09:00", "12:00"), ("13:00", "17:00")] for day in DAYS[:5]}
BERLIN = Hours("Europe/Berlin", WORK, [OtherDay("2026-12-25"), OtherDay("2026-12-26", [("10:00", "12:00")])])


def at(words: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(words + "+00:00")


class HourTests(SynchronousTestCase):
    """Hours, moments and what becomes of them."""

    def test_table(self) -> None:
        """Open or not, and the next opening: summer and winter time, lunch, exceptions, midnight, none at all."""
        night = Hours("UTC", {"fri": [("22:00", "02:00")], "sun": [("00:00", "24:00")]})
        for hours, moment, expected in (
            (Hours(), "2026-01-01T00:00", (True, None)),
            (Hours("UTC", {"mon": []}), "2026-01-01T00:00", (False, None)),
            # Friday in winter: 09:00 in Berlin is 08:00 UTC; in summer it is 07:00.
            (BERLIN, "2026-11-27T08:00", (True, None)),
            (BERLIN, "2026-11-27T07:59", (False, "2026-11-27T08:00")),
            (BERLIN, "2026-07-03T07:00", (True, None)),
            (BERLIN, "2026-11-27T11:00", (False, "2026-11-27T12:00")),
            (BERLIN, "2026-11-27T16:00", (False, "2026-11-30T08:00")),
            # Over a change of the clock: Friday evening in summer time, Monday morning in winter time.
            (BERLIN, "2026-10-23T18:00", (False, "2026-10-26T08:00")),
            # Christmas is closed, and the Saturday after it is open for once.
            (BERLIN, "2026-12-25T10:00", (False, "2026-12-26T09:00")),
            (BERLIN, "2026-12-26T09:30", (True, None)),
            (night, "2026-11-27T23:00", (True, None)),
            (night, "2026-11-28T01:59", (True, None)),
            (night, "2026-11-28T02:00", (False, "2026-11-29T00:00")),
            (night, "2026-11-29T23:59", (True, None)),
            (night, "2026-11-30T00:00", (False, "2026-12-04T22:00")),
            (Hours("UTC", {}, [OtherDay("2026-12-25")]), "2026-12-25T12:00", (False, "2026-12-26T00:00")),
            # 02:30 is not there on that day: it is open from when the clock goes on.
            (Hours("Europe/Berlin", {"sun": [("02:30", "10:00")]}), "2026-03-29T01:30", (True, None)),
        ):
            following = None if expected[1] is None else at(expected[1])
            self.assertEqual(opening(hours, at(moment)), (expected[0], following), (hours, moment))

    def test_business_time(self) -> None:
        """Only what is within the hours counts, and once."""
        for hours, begin, end, seconds in (
            (BERLIN, "2026-11-27T07:00", "2026-11-27T09:00", 3600),
            (BERLIN, "2026-11-27T15:30", "2026-11-30T08:30", 3600),
            (BERLIN, "2026-11-27T10:30", "2026-11-27T12:30", 3600),
            (BERLIN, "2026-11-27T10:30", "2026-11-27T10:00", 0),
            (Hours(), "2026-11-27T10:00", "2026-11-27T11:00", 3600),
            (Hours("UTC", {"fri": [("09:00", "12:00"), ("10:00", "13:00")]}), "2026-11-27T00:00", "2026-11-28T00:00",
             4 * 3600),
        ):  # fmt: skip
            self.assertEqual(open_seconds(hours, at(begin), at(end)), seconds, (begin, end))

    @given(st.integers(0, 365 * 24 * 60), st.integers(0, 60 * 24 * 9))
    def test_opening_is_first(self, start: int, length: int) -> None:
        """Between a moment and the next opening nothing is open; at the opening it is."""
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
        there, following = opening(BERLIN, moment)
        if not there:
            assert following is not None
            self.assertEqual(open_seconds(BERLIN, moment, following), 0)
            self.assertTrue(opening(BERLIN, following)[0])
        self.assertLessEqual(open_seconds(BERLIN, moment, moment + timedelta(minutes=length)), length * 60)

    def test_refused(self) -> None:
        """What means nothing is refused: zones that are files, days, dates, times."""
        for hours in (
            Hours("Mars/Olympus"), Hours("../etc/passwd"), Hours(""), Hours("UTC", {"funday": []}),
            Hours("UTC", {"mon": [("9:00", "10:00")]}), Hours("UTC", {"mon": [("09:00", "09:00")]}),
            Hours("UTC", {"mon": [("09:60", "10:00")]}), Hours("UTC", {"mon": [("24:00", "10:00")]}),
            Hours("UTC", {"mon": [("09:00", "24:01")]}), Hours("UTC", {"mon": [("٠٩:٠٠", "10:00")]}),
            Hours("UTC", {}, [OtherDay("2026-02-30")]), Hours("UTC", {}, [OtherDay("20260228")]),
            Hours("UTC", {}, [OtherDay("2026-02-28"), OtherDay("2026-02-28")]),
        ):  # fmt: skip
            self.assertRaises(BadField, hours.check)
        BERLIN.check()
