"""Hits answered straight from the bytes of a request, before any request object exists.

A raw head seen before is looked up as a whole (`answer`); a new one has been parsed strictly before (`answer_new`).
Only what the slow path would answer with the same bytes is answered here; everything else is left to it.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Generic, TypeVar

from cackled.transport._entries import Key
from cackled.transport._variants import encoding_class

if TYPE_CHECKING:
    from cackled.transport._connection import HttpConnection
    from cackled.transport._early import EarlyConnection
    from cackled.transport._head import Head
    from cackled.transport._hotfiles import HotFiles
    from cackled.transport.microcache import Microcache

# Longer heads are not remembered: browsers' are about 500 bytes.
MEMO_HEAD = 2048
# Bytes of heads per generation of a memo. There are two generations, and one memo per lane in use.
MEMO_BYTES = 8 << 20
# Hashes of heads seen once. A head is stored the second time: most heads of a flood never come again.
SEEN_SLOTS = 1 << 16
# Memory of a remembered head beside its bytes.
_OVERHEAD = 300

_COOKIE = b"\r\nCookie: "
_COOKIE_LINE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+\r\n")
_AFTER = re.compile(rb"[?&]after=([0-9]{1,18})(?=&|\Z)")
# Key, encoding class, after, If-None-Match, whether the connection closes afterwards.
Known = tuple[Key, bytes, int, bytes | None, bool]
# Of a request line: the target without ``after``, after.
Asked = tuple[bytes, int]
# Of the lines behind it: scheme, host, encoding class, If-None-Match, whether the connection closes afterwards.
Asking = tuple[bytes, bytes, bytes, bytes | None, bool]
T = TypeVar("T")


def split_after(target: bytes) -> tuple[bytes, int]:
    """Take ``after=SEQ`` out of a target: it says how recent an answer must be, not which one is asked for.

    If it stands twice or is malformed, the target is returned unchanged, with 0.
    """
    if b"after=" not in target or target.count(b"after=") != 1:
        return target, 0
    match = _AFTER.search(target)
    if match is None:
        return target, 0
    path, _, query = target.partition(b"?")
    rest = b"&".join(part for part in query.split(b"&") if not part.startswith(b"after="))
    return (path + b"?" + rest if rest else path), int(match[1])


class Memo(Generic[T]):
    """Maps raw bytes to their parsed meaning. Bounded: when the young generation is full, the old one is dropped."""

    __slots__ = ("_old", "_room", "_seen", "_size", "_young", "get")

    def __init__(self, room: int = MEMO_BYTES) -> None:
        self._room = room
        self._size = 0
        self._young: dict[bytes, T] = {}
        self._old: dict[bytes, T] = {}
        self._seen: array[int] = array("q", bytes(0))
        self.get = self._young.get

    def find(self, raw: bytes) -> T | None:
        """The meaning of *raw*, or None if it is not remembered."""
        known = self.get(raw)
        return self.revive(raw) if known is None and self._old else known

    def revive(self, raw: bytes) -> T | None:
        """Look in the old generation; what is found there moves to the young one."""
        known = self._old.pop(raw, None)
        if known is not None:
            self.put(raw, known)
        return known

    def offer(self, raw: bytes, known: T) -> None:
        """Remember *raw* if it was offered before, not too long ago."""
        seen = self._seen
        if not seen:
            seen.frombytes(bytes(8 * SEEN_SLOTS))
        mark = hash(raw)
        slot = mark & (SEEN_SLOTS - 1)
        if seen[slot] == mark:
            self.put(raw, known)
        else:
            seen[slot] = mark

    def put(self, raw: bytes, known: T) -> None:
        """Remember *raw*, unless it is too long."""
        if len(raw) > MEMO_HEAD:
            return
        self._size += len(raw) + _OVERHEAD
        if self._size > self._room:
            self._old = self._young
            self._young = {}
            self.get = self._young.get
            self._size = len(raw) + _OVERHEAD
        self._young[raw] = known

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


class FastPath:
    """Answers requests of an `HttpFactory` for which *microcache* has an answer, or that ask for one of *files*."""

    def __init__(self, microcache: Microcache, files: HotFiles) -> None:
        self.files = files
        self._microcache = microcache
        self._entries = microcache.entries
        self._now = microcache.clock.seconds
        self.hits = 0
        # One for each lane: TLS or not, behind a trusted proxy or not.
        self.memos: list[Memo[Known]] = [Memo() for _ in range(4)]
        # Heads of one browser differ between addresses only in the first line, and many browsers ask for one address.
        # So the two parts are remembered separately.
        self.lines: Memo[Asked] = Memo()
        self.rests: list[Memo[Asking]] = [Memo() for _ in range(4)]
        # The same without the one cookie line in it: visitors with the same browser differ only in that. Any such line
        # may stand there without effect for us, unless it contains our own marker.
        self.bare: list[Memo[Asking]] = [Memo() for _ in range(4)]

    def answer(self, channel: HttpConnection | EarlyConnection, data: bytes) -> bool:
        """Answer if *data* is exactly one head that was answered from the cache before, and can be again.

        Returns whether.
        """
        lane = channel.lane
        memo = self.memos[lane]
        known = memo.get(data)
        if known is not None:
            return self._hit(channel, known)
        if memo._old:
            known = memo.revive(data)
            if known is not None:
                return self._hit(channel, known)
        end = data.find(b"\r\n") + 2
        first = data[:end]
        line = self.lines.get(first) or self.lines.revive(first)
        if line is None:
            return self.files.answer(channel, data)
        behind = data[end:]
        rest = self.rests[lane].get(behind) or self.rests[lane].revive(behind) or self._without_cookie(lane, behind)
        if rest is None or len(data) > channel.factory.settings.head_bytes:
            return False
        known = ((rest[0], rest[1], line[0]), rest[2], line[1], rest[3], rest[4])
        if not self._hit(channel, known):
            return False
        memo.offer(data, known)
        return True

    def _without_cookie(self, lane: int, rest: bytes) -> Asking | None:
        """The meaning of *rest* if it is known with another cookie, and neither cookie contains our marker."""
        start = rest.find(_COOKIE) + 2
        if start < 2:
            return None
        end = rest.find(b"\r\n", start) + 2
        line = rest[start:end]
        if b"_mcnc=" in line or _COOKIE_LINE.fullmatch(line) is None:
            return None
        return self.bare[lane].find(rest[:start] + rest[end:])

    def answer_new(self, channel: HttpConnection | EarlyConnection, raw: bytes, head: Head) -> bool:
        """Answer a newly parsed head if the cache has its answer. Returns whether."""
        named = head.named
        if (
            head.method != b"GET"
            or head.length != 0
            or head.no_cache
            or b"upgrade" in named
        ):
            return False
        target, after = split_after(head.target)
        key = (channel.factory.scheme(channel.lane, head), head.host, target)
        if key not in self._entries:
            return self.files.answer_new(channel, raw, head)
        match = named.get(b"if-none-match")
        known = (key, encoding_class(head.joined(b"accept-encoding")), after, match, not head.persistent)
        if match is not None and (not head.persistent or not _simple(match)):
            return False
        if not self._hit(channel, known):
            return False
        self.memos[channel.lane].offer(raw, known)
        if raw.startswith(b"GET /") and head.version == b"HTTP/1.1":
            # Any such line before any such rest is a valid head again, and means what the two mean.
            end = raw.find(b"\r\n") + 2
            self.lines.offer(raw[:end], (target, after))
            rest, asking = raw[end:], (key[0], head.host, known[1], match, known[4])
            self.rests[channel.lane].offer(rest, asking)
            start = rest.find(_COOKIE) + 2
            if start >= 2 and not head.repeats:
                self.bare[channel.lane].offer(rest[:start] + rest[rest.find(b"\r\n", start) + 2 :], asking)
        return True

    def _hit(self, channel: HttpConnection | EarlyConnection, known: Known) -> bool:
        key, wanted, after, match, last = known
        entry = self._entries.get(key)
        if entry is None or channel.factory.plain_answers_only:
            return False
        variant = entry.variants.get(wanted if entry.coded else b"")
        if variant is None or (after > entry.seq and after > entry.asked):
            return False
        now = self._now()
        if now >= variant.wire_until:
            if now >= entry.fresh_until:
                return False
            if variant.quick and variant.wire_until:
                self._microcache.improve(entry, wanted)
            entry.rebuild(variant, now, self._microcache.wall())
        if last:
            wire = variant.wire_last or entry.last(variant, now, self._microcache.wall())
        elif match is not None and match == variant.etag and entry.status == 200:
            wire = variant.wire304
        else:
            wire = variant.wire
            if not wire or (match is not None and variant.etag.startswith(b"W/")):
                return False
        entry.visited = True
        self.hits += 1
        channel.deadline = now + channel.idle_timeout
        own = channel.own
        if own is not None and not own.held:
            # One system call; nothing else to do.
            kept = own.push(wire)
            if kept > 0:
                channel.watch(kept)
        else:
            channel.write(wire)
        if last:
            channel.close()
        return True

    def take_hits(self) -> int:
        """Hits since the last call; they are added to the microcache's metrics here."""
        hits, self.hits = self.hits, 0
        self._microcache.hits += hits
        self._microcache.flush()
        return hits


def _simple(if_none_match: bytes) -> bool:
    """Whether it is one strong tag, which can be compared byte by byte."""
    return if_none_match.startswith(b'"') and if_none_match.endswith(b'"') and b"," not in if_none_match
