"""Tests of the direct path: the same bytes as the long way, and bounded memory."""

from __future__ import annotations

import re
import socket
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport import _head
from cackled.transport._fastpath import MEMO_HEAD, Memo, split_after
from cackled.transport._socket import Transport
from cackled.transport.response import Response
from tests.support.answers import Server, Wire, answers, get
from tests.support.sockets import Reactor


def server(fast: bool, **more: Any) -> Server:
    """A server with one microcached route and one that is not."""
    made = Server(fast=fast or None, hosts=("a.example",), trusted_proxies=("10.0.0.0/8",), idle_timeout=60, **more)
    made.calls = 0  # type: ignore[attr-defined]

    async def handler(request: Any) -> Response:
        made.calls += 1  # type: ignore[attr-defined]
        size = int(request.args.get(b"size", [b"600"])[0])
        status = int(request.args.get(b"status", [b"200"])[0])
        etag = [(b"ETag", b'W/"weak"')] if b"weak" in request.args else []
        return Response(
            status, [(b"Content-Type", b"text/plain"), *etag], b"abc" * size, ("t",), 2.5, {"t": 5},
        )  # fmt: skip

    made.cached(b"m", handler)
    return made


TARGETS = (
    "/m", "/m?size=1", "/m?status=404", "/m?after=5", "/m?after=6", "/m?weak", "/m?weak&after=3", "/other",
    "http://a.example/m", "/m?size=60000", "/m#x", "//m",
)  # fmt: skip
FIELDS = (
    "Accept-Encoding: gzip, br", "Accept-Encoding: gzip", "Accept-Encoding: br;q=0", "Cookie: a=1", "Cookie: _mcnc=1",
    "Cookie: b=2", "Cookie: c=3; d", "cookie: _mcnc=1", "Cookie: x=\x01",
    "Authorization: x", 'If-None-Match: "x"', 'If-None-Match: W/"weak"', 'If-None-Match: "weak"', "If-None-Match: *",
    "Connection: close", "Connection: keep-alive", "Upgrade: websocket", "Range: bytes=0-1", "Content-Length: 0",
    "Content-Length: 1", "Expect: 100-continue", "X-Forwarded-Proto: https", "Host: a.example", "Transfer-Encoding: x",
    "Cache-Control: no-cache", " folded", "If-None-Match: ETAG",
)  # fmt: skip
requests = st.builds(
    lambda target, fields, method, host: (target, fields, method, host),
    st.sampled_from(TARGETS),
    st.lists(st.sampled_from(FIELDS), max_size=3),
    st.sampled_from(("GET", "GET", "GET", "GET", "HEAD", "POST")),
    st.sampled_from(("a.example", "A.example:80", "b.example")),
)
steps = st.lists(
    st.one_of(requests, st.floats(0.1, 4), st.just("evict"), st.integers(5, 7), st.just("again")), max_size=25
)


class SameTests(SynchronousTestCase):
    """Both paths are one server."""

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps, st.booleans(), st.sampled_from(("127.0.0.1", "10.0.0.1")))
    def test_same_bytes(self, script: list[Any], keep: bool, peer: str) -> None:
        """Whatever is asked, in whatever order, the bytes are the same with the direct path and without it."""
        pair = [server(True), server(False)]
        wires: list[Wire | None] = [None, None]
        etag = '"-"'
        last: Any = None
        for step in script:
            if isinstance(step, float):
                for each in pair:
                    each.clock.advance(step)
            elif step == "evict":
                for each in pair:
                    each.microcache.evict("t")
            elif isinstance(step, int):
                for each in pair:
                    each.microcache.evict("t", step)
            else:
                step = last if step == "again" else step
                if step is None:
                    continue
                last = step
                target, fields, method, host = step
                raw = get(target, *(f.replace("ETAG", etag) for f in fields), method=method, host=host)
                sent = []
                for number, each in enumerate(pair):
                    wire = wires[number]
                    if wire is None or wire.lost or not keep:
                        wire = wires[number] = each.connect(peer)
                    wire.clear()
                    wire.protocol.dataReceived(raw)
                    # The slow path's Date is that of the day, which may change between the two.
                    sent.append((re.sub(rb"\r\nDate: [^\r]+", b"", wire.value()), wire.lost))
                self.assertEqual(sent[0], sent[1])
                # Not by `answers`: the body that an earlier request still lacked may have been the head of this one.
                if found := re.search(rb"\r\nETag: ([^\r]+)", sent[0][0]):
                    etag = found[1].decode()
        self.assertEqual(pair[0].calls, pair[1].calls)  # type: ignore[attr-defined]

    def test_direct_path_is_taken(self) -> None:
        """A hit makes no request object, from the third one on not even a parsed head."""
        made = server(True)
        raw = get("/m", "Accept-Encoding: br", host="a.example")
        made.ask(raw)
        self.patch(made.factory.buildProtocol(None), "requestFactory", None)
        wire = made.connect()
        wire.protocol.requestFactory = None
        wire.protocol.dataReceived(raw)
        wire.protocol.dataReceived(raw)
        self.patch(wire.protocol, "_feed", None)
        for _ in range(2):
            wire.protocol.dataReceived(raw)
        self.assertEqual(len(answers(wire.value())), 4)
        self.assertEqual(made.factory.fast.take_hits(), 4)
        self.assertEqual(made.metrics.value("microcache_requests_total", result="hit"), 4)

    def test_hit_again(self) -> None:
        """What is hit in a second second is compressed better; what is hit in one only is not."""
        made = server(True)
        better: list[Any] = []
        made.factory.fast._microcache.improve = lambda entry, wanted: better.append(wanted)
        raw = get("/m", "Accept-Encoding: br", host="a.example")
        for _ in range(4):
            made.ask(raw)
        self.assertEqual(better, [])
        made.clock.advance(1.5)
        made.ask(raw)
        self.assertEqual(better, [b"br"])

    def test_pipelined_and_split(self) -> None:
        """Heads that come in pieces or together are answered like whole ones."""
        made = server(True)
        raw = get("/m", host="a.example")
        made.ask(raw)
        wire = made.connect()
        for data in (raw + raw, raw[:20], raw[20:] + raw[:5], raw[5:], b"\r\n" + raw):
            wire.protocol.dataReceived(data)
            made.settle()
        self.assertEqual([answer.status for answer in answers(wire.value())], [200] * 5)

    def test_draining_and_access_log(self) -> None:
        """While every answer must be logged or close its connection, none goes the short way."""
        made = server(True)
        raw = get("/m", host="a.example")
        made.ask(raw)
        wire = made.send(raw)
        made.factory.drain()
        wire.protocol.dataReceived(raw)
        found = answers(wire.value())
        self.assertEqual(found[1].headers["connection"], "close")
        self.assertTrue(wire.lost)


class DirectTests(SynchronousTestCase):
    """Sends on the socket itself."""

    def setUp(self) -> None:
        """A connection over a socket pair, without a reactor."""
        self.server = server(True)
        self.raw = get("/m?size=30000", host="a.example")
        self.server.ask(self.raw)
        ours, self.theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(self.theirs.close)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.setblocking(False)
        self.transport = Transport(ours, ("127.0.0.1", 5000), None, Reactor())
        early = self.server.factory.build(self.transport)
        self.transport.protocol = early
        early.makeConnection(self.transport)

    @property
    def channel(self) -> Any:
        """Whoever is the protocol now."""
        return self.transport.protocol

    def read(self) -> bytes:
        """All that the transport has to send."""
        data = b""
        while True:
            try:
                data += self.theirs.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if not self.transport.held:
                    return data
                self.transport.doWrite()

    def test_tail(self) -> None:
        """What the socket does not take goes out by the transport, in order, watched."""
        self.channel.dataReceived(self.raw)
        self.assertGreater(self.transport.held, 0)
        self.assertTrue(self.channel.watching)
        self.channel.dataReceived(self.raw)
        found = answers(self.read())
        self.assertEqual([len(answer.body) for answer in found], [90000, 90000])

    def test_whole(self) -> None:
        """What fits is sent at once; the transport knows nothing of it."""
        small = get("/m?size=100", host="a.example")
        self.server.ask(small)
        self.channel.dataReceived(small)
        self.assertEqual(len(answers(self.theirs.recv(9999))[0].body), 300)
        self.assertFalse(getattr(self.channel, "watching", False))
        self.assertEqual(self.transport.reactor.writers, set())

    def test_behind_what_waits(self) -> None:
        """What the transport was given before goes out before."""
        small = get("/m?size=100", host="a.example")
        self.server.ask(small)
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.channel.dataReceived(small)
        self.assertEqual([answer.status for answer in answers(self.read())], [204, 200])

    def test_dead_socket(self) -> None:
        """A connection that is gone is left to the reactor to find out."""
        self.theirs.close()
        self.channel.dataReceived(self.raw)
        self.assertEqual(self.transport.held, 0)
        self.assertEqual(self.flushLoggedErrors(), [])


class PartsTests(SynchronousTestCase):
    """A line seen with one head and lines seen behind another make one that is known."""

    def ask(self, site: Any, target: str, agent: str, **more: Any) -> bytes:
        wire = site.send(get(target, f"User-Agent: {agent}", "Cookie: a=1", host="a.example"), **more)
        return bytes(wire.value())

    def warm(self, **settings: Any) -> Any:
        """A server that has seen two addresses and two browsers, but one pair never."""
        site = server(True, **settings)
        for target, agent in (("/m?u=1", "one"), ("/m?u=2", "one"), ("/m?u=1", "two")):
            for _ in range(4):
                self.ask(site, target, agent)
        return site

    def test_known_parts(self) -> None:
        """It is answered as the parser would have it, without the parser."""
        site = self.warm()
        expected = self.ask(server(False), "/m?u=2", "two")
        self.patch(_head, "parse", None)
        answer = self.ask(site, "/m?u=2", "two")
        self.assertEqual(answer.partition(b"\r\n\r\n")[2], self.ask(site, "/m?u=2", "one").partition(b"\r\n\r\n")[2])
        self.assertEqual(len(answers(answer)[0].body), len(answers(expected)[0].body))
        self.assertEqual(answers(answer)[0].status, 200)

    def test_what_is_no_pair(self) -> None:
        """Anything else than exactly the two parts is left to the parser."""
        site = self.warm()
        line, _, rest = get("/m?u=2", "User-Agent: two", "Cookie: a=1", host="a.example").partition(b"\r\n")
        for raw, status in (
            (line + b"\n" + rest, [400]),
            (line + b"\r\n" + rest + rest, [200, 400]),
            (line + b"\r\n\r\n" + rest, [400]),
            (b"\r\n" + line + b"\r\n" + rest, [200]),
        ):
            self.assertEqual([answer.status for answer in answers(site.send(raw).value())], status, raw)

    def test_too_large_together(self) -> None:
        """Two parts that are fine one by one may be too large together."""
        site = server(True, head_bytes=400)
        long, short = "/m?u=" + "1" * 200, "/m?u=1"
        for target, agent in ((long, "x"), (short, "y" * 200)):
            for _ in range(4):
                self.assertIn(b" 200 ", self.ask(site, target, agent)[:20])
        self.assertIn(b" 431 ", self.ask(site, long, "y" * 200)[:20])

    def test_new_cookie(self) -> None:
        """A browser that is known is known with any cookie, wherever that stands; the answer is the parser's."""
        site = server(True)
        for fields in (("Accept: */*", "Cookie: a=1"), ("Accept: */*", "Cookie: a=1", "Accept-Encoding: br")):
            for number in range(4):
                site.send(get("/m", *fields, f"X-Other: {number % 2}", host="a.example"))
        parse, parsed = _head.parse, []
        self.patch(_head, "parse", lambda *how: parsed.append(how) or parse(*how))
        for cookie in ("b=2; session=xyz", "a", "=", "\xe9", "\t"):
            for more in ((), ("Accept-Encoding: br",)):
                raw = get("/m", "Accept: */*", f"Cookie: {cookie}", *more, "X-Other: 1", host="a.example")
                (answer,) = answers(site.send(raw).value())
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers.get("content-encoding"), "br" if more else None)
        self.assertEqual(parsed, [])
        calls = site.calls  # type: ignore[attr-defined]
        for fields, status in (
            (("Cookie: b=2; _mcnc=1", "X-Other: 1"), 200), (("Cookie: b=2", "Cookie: c=3", "X-Other: 1"), 200),
            (("Cookie: b=2\n", "X-Other: 1"), 400), (("Cookie: b=2\0", "X-Other: 1"), 400),
            (("Cookie: b=2", " c=3", "X-Other: 1"), 400), (("Cookie: b=2", "Cookie: _mcnc=1", "X-Other: 1"), 200),
            (("Cookie: b=2\r", "X-Other: 1"), 400), (("Cookie: b=2", "cookie: _mcnc=1", "X-Other: 1"), 200),
        ):  # fmt: skip
            (answer,) = answers(site.send(get("/m", "Accept: */*", *fields, host="a.example")).value())
            self.assertEqual(answer.status, status, fields)
        self.assertEqual(len(parsed), 8)
        self.assertEqual(site.calls - calls, 3)  # type: ignore[attr-defined]

    def test_lanes(self) -> None:
        """What a head means over TLS is not what it means without."""
        site = self.warm()
        site.factory.tls = True
        before = site.metrics.value("microcache_hits_total")
        self.ask(site, "/m?u=2", "two")
        self.assertEqual(site.metrics.value("microcache_hits_total"), before)


class MemoTests(SynchronousTestCase):
    """The memory of raw heads."""

    def test_bounded(self) -> None:
        """However many heads come, the bytes held are bounded by two generations."""
        memo = Memo(10_000)
        known: Any = ((b"", b"", b""), b"", 0, None)
        for number in range(1000):
            memo.put(b"%04d" % number * 25, known)
        self.assertLessEqual(len(memo), 2 * 10_000 // 400)
        self.assertIs(memo.get(b"0999" * 25), known)

    def test_second_sight(self) -> None:
        """A head is kept when it comes for the second time."""
        memo = Memo()
        known: Any = ((b"", b"", b""), b"", 0, None)
        memo.offer(b"a", known)
        self.assertIsNone(memo.get(b"a"))
        memo.offer(b"a", known)
        self.assertIs(memo.get(b"a"), known)

    def test_long_heads(self) -> None:
        """Long heads are not kept."""
        memo = Memo()
        memo.put(b"x" * (MEMO_HEAD + 1), ((b"", b"", b""), b"", 0, None))
        self.assertEqual(len(memo), 0)

    def test_revive(self) -> None:
        """What is used again survives the change of generations."""
        memo = Memo(1000)
        known: Any = ((b"", b"", b""), b"", 0, None)
        memo.put(b"used", known)
        for number in range(100):
            memo.put(b"%d" % number, known)
            if memo.get(b"used") is None:
                self.assertIs(memo.revive(b"used"), known)
        self.assertIsNone(memo.revive(b"0"))


class SplitTests(SynchronousTestCase):
    """``after`` in a target."""

    def test_forms(self) -> None:
        """It is taken out wherever it stands, and left alone where it is not exactly that."""
        for target, expected in (
            (b"/a?after=5", (b"/a", 5)),
            (b"/a?x=1&after=5", (b"/a?x=1", 5)),
            (b"/a?after=5&x=1", (b"/a?x=1", 5)),
            (b"/a?x=1&after=5&y=2", (b"/a?x=1&y=2", 5)),
            (b"/a?x=1", (b"/a?x=1", 0)),
            (b"/after=5", (b"/after=5", 0)),
            (b"/a?thereafter=5", (b"/a?thereafter=5", 0)),
            (b"/a?after=5&after=6", (b"/a?after=5&after=6", 0)),
            (b"/a?after=-1", (b"/a?after=-1", 0)),
            (b"/a?after=", (b"/a?after=", 0)),
            (b"/a?after=" + b"9" * 30, (b"/a?after=" + b"9" * 30, 0)),
        ):
            self.assertEqual(split_after(target), expected)
