"""Tickets of staff: for some minutes, whoever has one listens in their room and in what it opens of the site.

A room is a channel of staff (`cackled.domain.staff_channels`), which ends whenever somebody stops being one of them;
with it end its tickets, in each process as soon as it hears of that. A process that never hears lets them run out. None
is stored: each is signed with a key that all nodes share.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

from msgspec import Struct

PREFIX = "staff."
# Whoever asks within one minute gets the same ticket. Seconds: what is left of that minute, and so many more.
MINUTE = 60
LIFETIME = 180
# Clocks of nodes may differ by this much, in seconds.
LEEWAY = 30
# Ended rooms that are remembered: each for as long as a ticket of it could hold.
MOST_ENDED = 10_000
LONGEST = 200


class Ticket(Struct, frozen=True):
    """``room`` is a channel; ``opens`` the product whose private channels it opens too (``""``: none).

    ``who``: ``account:7`` or ``key:3``; ``expires`` in seconds since 1970.
    """

    room: int
    opens: str
    who: str
    expires: int


class StaffTickets:
    """Makes and reads tickets, once it has the secret that all nodes share (`use`)."""

    def __init__(self, wall_time: Callable[[], float]) -> None:
        self._wall_time = wall_time
        self._key = b""
        # (site, room) -> until when it is remembered.
        self._ended: OrderedDict[tuple[int, int], float] = OrderedDict()

    def use(self, secret: bytes) -> None:
        """Sign with a key made of *secret*."""
        self._key = blake2b(secret, person=b"cackled.staff").digest()

    def make(self, site: int, room: int, who: str, opens: str = "") -> str:
        """A ticket for *who* (``account:7``); the caller has checked that they may."""
        if not self._key:
            raise ValueError("there is no secret yet")
        expires = (int(self._wall_time()) // MINUTE + 1) * MINUTE + LIFETIME
        words = f"{room}.{opens}.{who}.{expires}"
        return f"{PREFIX}{words}.{self._mark(site, words)}"

    def _mark(self, site: int, words: str) -> str:
        mac = blake2b(f"{site} {words}".encode(), key=self._key, digest_size=24).digest()
        return urlsafe_b64encode(mac).decode("ascii")

    def read(self, site: int, token: str) -> Ticket | None:
        """What a ticket of *site* says; None where it is none, has run out, or its room has ended."""
        if not self._key or len(token) > LONGEST or not token.startswith(PREFIX) or not token.isascii():
            return None
        words, _, mark = token[len(PREFIX) :].rpartition(".")
        if not compare_digest(self._mark(site, words), mark):
            return None
        room, opens, who, expires = words.split(".")
        ticket = Ticket(int(room), opens, who, int(expires))
        return None if self.seconds_left(ticket) <= 0 or (site, ticket.room) in self._ended else ticket

    def seconds_left(self, ticket: Ticket) -> float:
        """For how long a ticket holds."""
        return max(0.0, ticket.expires + LEEWAY - self._wall_time())

    def end(self, site: int, room: int) -> None:
        """A room has ended: its tickets hold no more."""
        now = self._wall_time()
        self._ended[site, room] = now + MINUTE + LIFETIME + 2 * LEEWAY
        while self._ended and (len(self._ended) > MOST_ENDED or next(iter(self._ended.values())) < now):
            self._ended.popitem(last=False)
