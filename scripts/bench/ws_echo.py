#!/usr/bin/env python
"""Serve a WebSocket echo on our listener and framing, for conformance suites: ``scripts/bench/ws_echo.py PORT``.

Limits are those of the Autobahn suite's largest cases. Prints one line when it listens; ends with SIGTERM.
"""
# ruff: noqa: E402

import sys
from pathlib import Path
from random import Random
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])

from cackled.clock import install_monotonic_reactor

install_monotonic_reactor()

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled import config
from cackled.metrics import Metrics
from cackled.realtime import framing
from cackled.realtime.hub import Hub
from cackled.realtime.websocket import HandshakeError, WebSocketConnection, handshake
from cackled.transport.http import HttpFactory, attach, takeover
from cackled.transport.listener import Listener, bind
from cackled.transport.problems import problem

LIMITS = framing.Limits(64 << 20, 64 << 20, 1 << 20)


class Echo(WebSocketConnection):
    __slots__ = ()
    frames_per_second = 1 << 30
    bytes_per_second = 1 << 40

    def said(self, opcode, payload):
        self.send(framing.frame(opcode, payload))


class EchoResource(Resource):
    isLeaf = True

    def __init__(self, hub):
        super().__init__()
        self.hub = hub

    def render_GET(self, request):
        try:
            answer = handshake(request)
        except HandshakeError as error:
            request.respond(problem(error.status, detail=error.detail, headers=error.headers))
            return NOT_DONE_YET
        transport, rest = takeover(request)
        echo: Any = Echo(self.hub, LIMITS)
        attach(transport, echo)
        echo.send(answer)
        if rest:
            echo.dataReceived(rest)
        return NOT_DONE_YET


async def no_log(site, channel, after, limit):
    return 0, []


async def no_channels(site, channels):
    return {}


def main():
    metrics = Metrics()
    settings = config.Realtime(client_buffer=256 << 20)
    hub = Hub(clock=reactor, random=Random(), config=settings, load=no_log, seqs=no_channels, metrics=metrics)
    hub.start()
    factory = HttpFactory(EchoResource(hub), config.Http(), reactor, metrics)
    sock = bind(int(sys.argv[1]) if len(sys.argv) > 1 else 0, "127.0.0.1")
    listener = Listener(reactor, sock, factory, metrics=metrics)
    listener.startListening()
    print(f"ws://127.0.0.1:{listener.getHost().port}/", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
