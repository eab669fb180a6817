#!/usr/bin/env python3
"""What our own code takes of an operation, in one process: sockets, OpenSSL and PostgreSQL are stand-ins.

    .venv/bin/python scripts/bench/parts.py [--seconds 3] [--only TEXT]

The shortest of thousands of runs counts, which a busy machine hardly changes: for comparing two versions, and for how
much of a figure of the other benchmarks Python can be blamed for. In place, with caches that the kernel's work has
emptied, the same code takes two to three times as long.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

# A file beside this one is called dns.py.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from twisted.internet.address import IPv4Address  # noqa: E402
from twisted.internet.protocol import connectionDone  # noqa: E402
from twisted.internet.task import Clock  # noqa: E402
from twisted.web.resource import Resource  # noqa: E402

from cackled import config  # noqa: E402
from cackled.api.public_root import PublicRoot  # noqa: E402
from cackled.domain import text, word_matching  # noqa: E402
from cackled.metrics import Metrics  # noqa: E402
from cackled.products.comments import pages  # noqa: E402
from cackled.realtime import channel, fanout, messages  # noqa: E402
from cackled.realtime.hub import Hub  # noqa: E402
from cackled.realtime.resource import RealtimeResource  # noqa: E402
from cackled.transport._socket import Transport  # noqa: E402
from cackled.transport._tlssocket import RECORD, TlsTransport  # noqa: E402
from cackled.transport.http import HttpFactory  # noqa: E402
from cackled.transport.microcache import Microcache, MicrocachedResource  # noqa: E402
from cackled.transport.resources import AsyncResource  # noqa: E402
from cackled.transport.response import CONFIGURED_TTL, Response, json_response  # noqa: E402

Part = tuple[str, int, Callable[[], Any]]
BROWSER = (
    b"Host: localhost\r\nOrigin: http://localhost:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
    b"Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br\r\n"
)
HIT = b"GET /page?x=1 HTTP/1.1\r\n" + BROWSER + b"\r\n"
HOST = IPv4Address("TCP", "127.0.0.1", 80)
clock = Clock()
metrics = Metrics()


class Socket:
    """Takes everything at once."""

    send = staticmethod(len)
    write = staticmethod(len)
    # What a TLS connection reads: always one request.
    read = staticmethod({RECORD: HIT}.__getitem__)

    def fileno(self) -> int:
        return 3

    def setsockopt(self, *option: Any) -> None: ...

    def close(self) -> None: ...


class Reactor:
    """Watches nothing."""

    callLater = clock.callLater
    seconds = clock.seconds

    def addReader(self, one: Any) -> None: ...

    addWriter = removeReader = removeWriter = addReader


class Plain(Transport):
    __slots__ = ()

    def getHost(self) -> IPv4Address:
        return HOST


class Tls(TlsTransport):
    __slots__ = ()

    def getHost(self) -> IPv4Address:
        return HOST


def opened(factory: HttpFactory, kind: type[Transport] = Plain) -> Any:
    """A transport with a new connection on it."""
    made: Any = kind(Socket(), ("127.0.0.1", 1), None, Reactor())  # type: ignore[arg-type]
    made.stage, made._reading = 0, True
    if kind is Tls:
        made.tls = made.socket
    made.protocol = factory.build(made)
    made.protocol.makeConnection(made)
    return made


def http_parts() -> list[Part]:
    """Hits, the glue around a first render, and that around a call."""
    cache = Microcache(clock, config.Microcache(), metrics)
    body = b"".join(b"%x" % (n * 2654435761 % 2**32) for n in range(6000))[:45000]
    headers = [
        (b"content-type", b"application/json"), (b"cache-control", b"public, max-age=0"),
        (b"x-cackled-server", b"primary"), (b"x-cackled-staleness", b"0.000"),
        (b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"date"),
    ]  # fmt: skip

    async def page(request: Any) -> Response:
        return Response(200, list(headers), b"".join((b'{"a":"', body, b'"}')), (("x", 1),), CONFIGURED_TTL)

    async def call(request: Any) -> Response:
        return json_response(request.content.read(), 201)

    root = Resource()
    root.putChild(b"page", MicrocachedResource(cache, page))
    root.putChild(b"call", AsyncResource(call, (b"POST",)))
    factory = HttpFactory(root, config.Http(), clock, metrics, fast=cache.fast_path())
    tls, transport = opened(factory, Tls), opened(factory)
    sent = b'{"channel":{"key":"a"},"text":"Something *short* to say.","name":"Ann"}'
    post = b"POST /call HTTP/1.1\r\n%bAuthorization: Bearer abc\r\nContent-Length: %d\r\n\r\n%b" % (
        BROWSER, len(sent), sent,
    )  # fmt: skip
    number = iter(range(1 << 60))

    def miss(more: bytes) -> Callable[[], None]:
        def run() -> None:
            cache.clear()
            head = b"GET /page?widget=Comment&site=1&channel=%d&sort=best&size=25 HTTP/1.1\r\n%b\r\n"
            transport.protocol.dataReceived(head % (next(number), more))

        return run

    for _ in range(3):
        tls.doRead()
    return [
        ("a microcache hit over TLS", 1, tls.doRead),
        ("45 KB answered and kept, plain", 1, miss(b"Host: localhost\r\n")),
        ("45 KB answered and kept, brotli", 1, miss(BROWSER)),
        ("a call with a body", 1, lambda: transport.protocol.dataReceived(post)),
    ]


def realtime_parts() -> list[Part]:
    """Deliveries and connects."""

    async def load(site: int, channel: int, after: int, limit: int) -> Any:
        return 0, None

    async def stand(site: int, channels: Any) -> dict[int, tuple[int, str]]:
        return {}

    hub = Hub(clock=clock, random=Random(), config=config.Realtime(), load=load, seqs=stand, metrics=metrics)
    hub.start()
    root = PublicRoot({b"rt": RealtimeResource(hub, lambda *asked: None)}, Resource())
    settings = config.Http(max_connections=1_000_000, max_connections_per_address=1_000_000)
    cache = Microcache(clock, config.Microcache(), metrics)
    factory = HttpFactory(root, settings, clock, metrics, fast=cache.fast_path())
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    number = iter(range(1, 1 << 60))

    def connect(kind: bytes, more: bytes, where: int) -> Any:
        transport = opened(factory)
        head = b"GET /rt/%b?sub=1/%d HTTP/1.1\r\nHost: b\r\nOrigin: http://b\r\n%b\r\n" % (kind, where, more)
        transport.protocol.dataReceived(head)
        clock.advance(0)
        return transport

    def come_and_go(kind: bytes, more: bytes, sparse: bool) -> Callable[[], None]:
        def run() -> None:
            transport = connect(kind, more, next(number) // 10 + 10 if sparse else 7)
            protocol, transport.connected, transport.socket = transport.protocol, False, None
            protocol.connectionLost(connectionDone)

        return run

    def deliver(kind: bytes, more: bytes, where: int) -> Callable[[], None]:
        clients = [connect(kind, more, where).protocol for _ in range(1000)]
        for client in clients:
            client.state = 0
        to = tuple(client.subscriptions[0] for client in clients)

        def run() -> None:
            message = messages.Message(b'{"a":1}', next(number) + 1_000_000, 0.0)
            fanout.FanOut._chunk(channel.Job(message, to, None), len(to))

        return run

    return [
        ("a delivery, EventSource", 1000, deliver(b"sse", b"", 1)),
        ("a delivery, WebSocket", 1000, deliver(b"ws", upgrade, 2)),
        ("a connect, WebSocket, one channel", 1, come_and_go(b"ws", upgrade, False)),
        ("a connect, WebSocket, ten to a channel", 1, come_and_go(b"ws", upgrade, True)),
        ("a connect, EventSource, one channel", 1, come_and_go(b"sse", b"", False)),
    ]


def comment_parts() -> list[Part]:
    """A page put together, and what is done with a text before it is stored."""
    words_of = "I have been reading this for a while, and I think that the second part is much better than the first."
    roots = range(1000, 3500, 100)
    shape = (
        '{"id":"%d","parent":null,"root":"1","depth":1,"author":{"id":"12345678","name":"Visitor 123","avatar":null},'
        f'"html":"<p>{words_of}</p>","created":"2026-11-29T21:00:00.000Z","edited":null,"up":3,"down":1,"score":2,'
        '"deleted":false'
    )

    def row(replies: list[tuple[int, int]]) -> tuple[Any, ...]:
        return (
            5, "k", '"url":""', ",".join(map(str, roots)), ",".join("3" for _ in roots), None,
            "\x1f".join(shape % one for one in roots), ",".join(str(one) for one, _ in replies),
            ",".join(str(parent) for _, parent in replies), "\x1f".join(shape % one for one, _ in replies),
        )  # fmt: skip

    site: Any = SimpleNamespace(position=lambda channel, seq: "1/2@3")
    flat = row([(one + n, one) for one in roots for n in (1, 2, 3)])
    deep = row([(one + n, one if n < 3 else one + 2) for one in roots for n in (1, 2, 3)])
    wanted = pages.Wanted()

    def write(source: str) -> Callable[[], None]:
        def run() -> None:
            html = text.render(text.clean_text(source, 8000))
            word_matching.compared(text.clean_name("Ann"), source, word_matching.visible(html))

        return run

    return [
        ("a page of 25 roots, 75 replies to them", 1, lambda: pages.build(site, 1, "k", wanted, [flat])),
        ("a page, a third of them replies to replies", 1, lambda: pages.build(site, 1, "k", wanted, [deep])),
        ("a text of 101 characters, plain", 1, write(words_of)),
        ("a text with a word between stars", 1, write("Something *short* to say.")),
        ("a text with a link", 1, write("See https://example.com/x?y=1 for more.")),
    ]


def shortest(run: Callable[[], Any], seconds: float) -> float:
    """Seconds of the shortest of the runs that *seconds* have room for."""
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(3):
            began = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="for each row")
    parser.add_argument("--only", default="", help="rows that have this in their name")
    args = parser.parse_args()
    for name, count, run in (*http_parts(), *realtime_parts(), *comment_parts()):
        if args.only in name:
            run()
            print(f"{name:46}{shortest(run, args.seconds) / count * 1e6:9.2f} us", flush=True)


if __name__ == "__main__":
    main()
