"""DNS over UDP, many datagrams to a system call: recvmmsg and sendmmsg by way of ctypes, where the C library has them.

No address tuples are made: the senders' addresses stay where the kernel wrote them and are named again as the receivers
of the replies. Queries with a plan (`dns.prepared_replies`) from clients that were met before are answered in the loop
itself; all others are handed to `Responder.handle`, as `UdpReader` does.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from array import array
from collections.abc import Callable
from random import Random
from struct import Struct
from typing import Any, ClassVar, Protocol

from twisted.internet.interfaces import IReactorFDSet

from .prepared_replies import Plans
from .responder import Peer
from .rrl import SEND, SMALL, TRUNCATE
from .udp import BATCH, MAX_QUERY, Handle, UdpReader
from .wire import TC

# Larger than any reply over UDP (dns.wire.EDNS_SIZE), so that one of them always fits its slot. Slots are some cache
# lines longer than a power of two: the beginnings of all would share a few places in the processor's cache.
REPLY = 2048
_REPLY_STEP = REPLY + 192
_QUERY_STEP = MAX_QUERY + 192
_NAME = 28  # sizeof(struct sockaddr_in6), the larger one
# Queries longer than this are not looked up among the plans.
_KNOWN = 512
# Stands for the size of a reply that there is not.
_NONE = 1 << 16
# So many full batches a turn: the reactor's own turn costs as much as three queries.
ROUNDS = 2
# After so many at once it is likely that more wait.
FEW = 8


class _Iovec(ctypes.Structure):
    _fields_: ClassVar = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class _Msghdr(ctypes.Structure):
    _fields_: ClassVar = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Mmsghdr(ctypes.Structure):
    _fields_: ClassVar = [("hdr", _Msghdr), ("len", ctypes.c_uint)]


_HEADER = ctypes.sizeof(_Mmsghdr)
_POINTER = ctypes.sizeof(ctypes.c_void_p)
# Id, what plans are known by, the subnet as two numbers; by the size of the query.
_CUT: list[Callable[..., tuple[bytes, bytes, int, int]] | None] = [
    Struct(f">2s{size - 5}sHB").unpack_from if 17 <= size <= _KNOWN else None for size in range(MAX_QUERY + 1)
]


def available() -> bool:
    """Whether this system's C library can do it, with structures laid out as ours are."""
    if not sys.platform.startswith("linux") or _POINTER != 8 or _HEADER != 64:
        return False
    try:
        library = ctypes.PyDLL(None)
        return hasattr(library, "recvmmsg") and hasattr(library, "sendmmsg")
    except OSError:
        return False


class Fast(Protocol):
    """What the loop wants of `cackled.dns.responder.Responder`: plans, clients, the rate limit's verdict, figures."""

    plans: Plans
    peers: dict[bytes, Peer]
    hits: int
    unproven: int

    def check(self, host: str, kind: int, /) -> int:
        """The rate limit's verdict."""

    def meet(self, packed: bytes, host: str) -> None:
        """A client was answered that is not among *peers*."""


class _Nobody:
    """Knows no plan and no client."""

    def __init__(self) -> None:
        self.plans = Plans(Random())
        self.peers: dict[bytes, Peer] = {}
        self.hits = self.unproven = 0

    def check(self, host: str, kind: int, /) -> int:
        """Never asked: nobody is known."""
        return SEND

    def meet(self, packed: bytes, host: str) -> None:
        """Forget it."""


class BatchReader(UdpReader):
    """`UdpReader` with one system call for up to `BATCH` queries and one for their replies.

    Use it only where `available`. All memory that the kernel writes to or reads from is allocated once, here, and
    lives as long as the reader. *responder* is whose plans are used; without one everything goes to *handle*.
    """

    turn = BATCH * ROUNDS

    def __init__(
        self, reactor: IReactorFDSet, sock: socket.socket, handle: Handle, responder: Fast | None = None
    ) -> None:
        super().__init__(reactor, sock, handle)
        self._responder: Fast = responder or _Nobody()
        # The calls don't wait, so the interpreter's lock is kept: letting go of it may cost a turn of other threads.
        library: Any = ctypes.PyDLL(None)
        self._receive = library.recvmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._send = library.sendmmsg
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._six = sock.family == socket.AF_INET6
        self._names = bytearray(BATCH * _NAME)
        self._queries = bytearray(BATCH * _QUERY_STEP)
        self._replies = bytearray(BATCH * _REPLY_STEP)
        headers_in, headers_out = (_Mmsghdr * BATCH)(), (_Mmsghdr * BATCH)()
        vectors_in, vectors_out = (_Iovec * BATCH)(), (_Iovec * BATCH)()
        names_at, queries_at, replies_at = map(_address, (self._names, self._queries, self._replies))
        for n in range(BATCH):
            vectors_in[n].base = queries_at + n * _QUERY_STEP
            vectors_in[n].len = MAX_QUERY
            vectors_out[n].base = replies_at + n * _REPLY_STEP
            for header, vectors in ((headers_in[n].hdr, vectors_in), (headers_out[n].hdr, vectors_out)):
                header.name = names_at + n * _NAME
                header.namelen = _NAME if self._six else 16
                header.iov = ctypes.addressof(vectors) + n * ctypes.sizeof(_Iovec)
                header.iovlen = 1
        # Headers of those replies that there are, where some queries have none.
        self._some = (_Mmsghdr * BATCH)()
        self._in_at, self._out_at, self._some_at = map(ctypes.addressof, (headers_in, headers_out, self._some))
        out = bytes(headers_out)
        self._headers = [out[n * _HEADER : (n + 1) * _HEADER] for n in range(BATCH)]
        # ctypes keeps raw addresses only: this keeps the memory.
        self._keep = (headers_in, headers_out, vectors_in, vectors_out)
        # "len" of each header, at byte 56 of 64; and of each vector, at 8 of 16.
        self._lengths = memoryview(headers_in).cast("B").cast("I")[14::16]
        self._sizes = memoryview(vectors_out).cast("B").cast("Q")[1::2]
        # The port and the address, with the scope behind it in IPv6.
        self._senders = Struct("2xH4x20s" if self._six else "2xH4s20x").iter_unpack
        self._starts = [n * _QUERY_STEP for n in range(BATCH)]
        self._places = [n * _REPLY_STEP for n in range(BATCH)]

    def doRead(self) -> None:
        """Answer what has come, `turn` datagrams at most; the reactor comes back for more."""
        left = self.turn
        while left > 0:
            count = self._receive(self._socket.fileno(), self._in_at, min(BATCH, left), socket.MSG_DONTWAIT, None)
            # None: nothing there, or an ICMP error about a reply of ours.
            if count > 0:
                self.queries += count
                self._reply(count)
            if count < FEW:
                return
            # Under load more has come meanwhile, and looking costs less than a turn of the reactor.
            left -= count

    def _reply(self, count: int) -> None:
        responder, queries, replies = self._responder, self._queries, self._replies
        find, meet, check = responder.plans.known.get, responder.peers.get, responder.check
        rows: Any = responder.plans.rows
        sizes: list[int] = []
        add = sizes.append
        hits = 0
        for size, start, place, (port, packed) in zip(
            self._lengths[:count].tolist(), self._starts, self._places, self._senders(self._names), strict=False
        ):
            cut, peer = _CUT[size], meet(packed)
            if cut is not None and peer is not None and port:
                ident, key, high, low = cut(queries, start)
                plan = find(key)
                if plan is not None:
                    tails = plan.tails
                    try:
                        if tails is None:
                            number = rows[high][low] if plan.geo else 0
                        else:
                            plan = tails[high << 8 | low]
                            number = peer[2] if plan.geo else 0
                        if peer[1]:
                            body, put, made = next(plan.full[number])
                        else:
                            verdict = check(peer[0], plan.kind)
                            if verdict == SEND:
                                body, put, made = next(plan.full[number])
                            elif verdict == SMALL:
                                body, put, made = next(plan.short[number])
                                if body[0] & TC:
                                    responder.unproven += 1
                            elif verdict == TRUNCATE:
                                body, put, made = plan.over
                            else:
                                hits += 1
                                add(_NONE)
                                continue
                        if tails is None:
                            put(replies, place, ident, body, high, low)
                        else:
                            put(replies, place, ident, body)
                    except Exception:
                        # A row or a tail that is not there yet; or an error, which comes again there and is logged.
                        pass
                    else:
                        hits += 1
                        add(made)
                        continue
            add(self._other(bytes(queries[start : start + size]), port, packed, place))
        responder.hits += hits
        self._sizes[:count] = array("Q", sizes)
        at, ready = self._out_at, count
        if _NONE in sizes:
            some = b"".join([header for header, size in zip(self._headers, sizes, strict=False) if size != _NONE])
            at, ready = self._some_at, len(some) // _HEADER
            ctypes.memmove(at, some, len(some))
        done = 0
        descriptor = self._socket.fileno()
        while done < ready:
            sent = self._send(descriptor, at + done * _HEADER, ready - done, socket.MSG_DONTWAIT)
            if sent > 0:
                self.replies += sent
                done += sent
            else:
                # The first of them can't be sent: it is left out, the others are tried.
                self.unsent += 1
                done += 1

    def _other(self, data: bytes, port: int, packed: bytes, place: int) -> int:
        """Answer a query without a plan, or of a stranger; returns the size of the reply at *place*, or `_NONE`."""
        if not port:
            # Nobody listens on port 0: such a source is forged.
            return _NONE
        host = self._host(packed)
        reply = self._handle(data, host)
        self._responder.meet(packed, host)
        if reply is None:
            return _NONE
        size = len(reply)
        if size > REPLY:
            self.unsent += 1
            return _NONE
        self._replies[place : place + size] = reply
        return size

    def _host(self, packed: bytes) -> str:
        """The address as text, as `recvfrom` would give it; *packed* has the scope behind an IPv6 address."""
        if not self._six:
            return socket.inet_ntop(socket.AF_INET, packed)
        host = socket.inet_ntop(socket.AF_INET6, packed[:16])
        scope = int.from_bytes(packed[16:], sys.byteorder)
        return f"{host}%{scope}" if scope else host


def _address(memory: bytearray) -> int:
    """Where *memory* is. It is never resized, so it stays there."""
    return ctypes.addressof((ctypes.c_char * len(memory)).from_buffer(memory))
