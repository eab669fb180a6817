"""Files that are often asked for: the answer is found by the raw bytes of a request, as hits of the microcache are.

A request handler marks an answer that others may have, too (`HotAnswer`). Only plain requests are answered here: GET on
a connection that stays open, without a condition or a range, and not behind a proxy (whose client may be anybody).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from cackled.clock import wall_time
from cackled.transport import _head
from cackled.transport._fastpath import Memo
from cackled.transport._head import LANE_PROXY
from cackled.transport._request import http_date
from cackled.transport.streaming import HotAnswer, rest_of

if TYPE_CHECKING:
    from cackled.transport._connection import HttpConnection
    from cackled.transport._early import EarlyConnection
    from cackled.transport._head import Head

# How many answers are known here, and bytes of request heads that are remembered.
MOST, HEAD_BYTES = 256, 2 << 20
# With one of these, more than the file is asked for.
_MORE = frozenset((b"range", b"if-range", b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since",
                   b"upgrade", b"authorization"))  # fmt: skip


class _Kept(Struct, frozen=True):
    """An answer: its head before and after the date, and what the handler said."""

    before: bytes
    after: bytes
    answer: HotAnswer


class HotFiles:
    """The files that handlers gave lately, by lane and target."""

    def __init__(self, clock: IReactorTime) -> None:
        self._now = clock.seconds
        self._kept: OrderedDict[tuple[int, bytes], _Kept] = OrderedDict()
        # Heads that were parsed, and their targets.
        self._memo: Memo[bytes] = Memo(HEAD_BYTES)
        self._hits = 0

    def put(self, lane: int, target: bytes, head: bytes, answer: HotAnswer) -> None:
        """Remember what a *target* is answered with in a *lane*: *head*, which has a Date, and the file of *answer*."""
        if lane & LANE_PROXY:
            return
        before, name, rest = head.partition(b"\r\nDate: ")
        kept = _Kept(before + name, rest[rest.index(b"\r\n") :], answer)
        self._kept[lane, target] = kept
        self._kept.move_to_end((lane, target))
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def answer(self, channel: HttpConnection | EarlyConnection, data: bytes) -> bool:
        """Answer if *data* is exactly one head that was answered here before and can be again; else False."""
        target = self._memo.find(data)
        return target is not None and self._send(channel, target, data)

    def answer_new(self, channel: HttpConnection | EarlyConnection, raw: bytes, head: Head) -> bool:
        """Answer a newly parsed head of a GET without a body if its file is here; else False."""
        if not head.persistent or not _MORE.isdisjoint(head.named) or (channel.lane, head.target) not in self._kept:
            return False
        if not self._send(channel, head.target, raw):
            return False
        self._memo.offer(raw, head.target)
        return True

    def _send(self, channel: HttpConnection | EarlyConnection, target: bytes, raw: bytes) -> bool:
        place = channel.lane, target
        kept, own, factory = self._kept.get(place), channel.own, channel.factory
        if kept is None or own is None or own.held or factory.plain_answers_only:
            return False
        part = kept.answer.find(own.peer[0])
        if part is None:
            del self._kept[place]
            return False
        if not part.file.is_in_memory(part.start, part.length):
            return False
        now = self._now()
        channel.deadline = now + channel.idle_timeout
        waits = own.push(b"%b%b%b" % (kept.before, http_date(wall_time()), kept.after))
        sent = 0 if waits else own.send_at_once(part.file.descriptor, part.start, part.length)
        if sent == part.length:
            self._hits += 1
        elif sent >= 0 and waits >= 0:
            settings = factory.settings
            head = _head.parse(raw, settings.head_fields, factory.hosts)
            channel.send_rest(head, rest_of(part, sent, kept.answer.in_thread))
        return True

    def take_hits(self) -> int:
        """Whole answers since the last call."""
        hits, self._hits = self._hits, 0
        return hits
