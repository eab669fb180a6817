"""The live connections of the stand-in for the daemon (`tests.browser.mock`): long polls, EventSource, WebSocket."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet import reactor
from twisted.web.server import NOT_DONE_YET

from tests.browser.world import Channel, World


class Client:
    def join(self, positions: list[str]) -> None:
        self.world.live.add(self)
        for position in positions:
            sub, _, seq = position.rpartition("@")
            channel = self.world.by_sub(sub)
            if channel is None:
                continue
            events = channel.since(int(seq or 0))
            for event in events or []:
                self.tell(event)
            channel.clients.add(self)
            self.tell({"type": "recovered", "sub": sub, "recovered": events is not None, "seq": channel.seq})
            self.presence(channel)

    def leave(self) -> None:
        self.world.live.discard(self)
        for channel in self.world.channels.values():
            if self in channel.clients:
                channel.clients.discard(self)
                self.presence(channel)

    @staticmethod
    def presence(channel: Channel) -> None:
        for client in list(channel.clients):
            client.tell({"sub": channel.sub, "type": "presence", "data": {"count": len(channel.clients)}})


class Poll(Client):
    def __init__(self, world: World, request) -> None:
        self.world, self.request, self.out, self.timer = world, request, [], None
        self.query = parse_qs(request.uri.decode().partition("?")[2])

    def start(self):
        if "poll" in self.world.block:
            self.request.transport.abortConnection()
            return NOT_DONE_YET
        self.request.notifyFinish().addErrback(lambda _: self.close())
        self.request.setHeader("content-type", "application/json")
        before = list(self.query["sub"])
        self.join(before)
        self.out = [
            m
            for m in self.out
            if m["type"] in ("presence",) or (m.get("seq") and (m["type"] != "recovered" or not m["recovered"]))
        ]
        if not any(m.get("seq") for m in self.out):
            self.timer = reactor.callLater(min(25.0, float(self.query["wait"][0])), self.end)
        else:
            self.end()
        return NOT_DONE_YET

    def tell(self, message) -> None:
        self.out.append(message)
        if self.timer and self.timer.active() and message.get("seq"):
            self.timer.reset(0)

    def close(self):
        if self.timer and self.timer.active():
            self.timer.cancel()
        self.request = None
        self.leave()

    def end(self):
        if self.request is None:
            return
        request, subs = self.request, [p.rpartition("@")[0] for p in self.query["sub"]]
        cursor = [self.world.by_sub(s).position if self.world.by_sub(s) else s + "@0" for s in subs]
        self.close()
        request.write(json.dumps({"events": self.out, "cursor": cursor}).encode())
        request.finish()


class Sse(Client):
    def __init__(self, world: World, request) -> None:
        self.world, self.request = world, request
        self.query = parse_qs(request.uri.decode().partition("?")[2])

    def start(self):
        if "sse" in self.world.block:
            self.request.transport.abortConnection()
            return NOT_DONE_YET
        self.request.notifyFinish().addBoth(lambda _: self.leave())
        self.request.setHeader("content-type", "text/event-stream")
        self.request.write(b"retry: 1000\n\n")
        self.tell({"type": "hello", "data": {"heartbeat": 25}})
        self.join(self.query["sub"])
        return NOT_DONE_YET

    def tell(self, message) -> None:
        self.request.write(b"data: " + json.dumps(message).encode() + b"\n\n")

    def end(self):
        self.request.transport.abortConnection()


class Ws(WebSocketServerProtocol, Client):
    def onConnect(self, request):
        self.world = self.factory.world
        if "ws" in self.world.block:
            self.transport.abortConnection()
        self.query = request.params
        return "cackle.v1"

    def onOpen(self):
        self.tell({"type": "hello", "data": {"heartbeat": 25}})
        self.join(self.query.get("sub", []))

    def onMessage(self, payload, isBinary):
        message = json.loads(payload)
        if message["type"] == "sub":
            self.join([message["sub"]])
        elif message["type"] == "unsub":
            channel = self.world.by_sub(message["sub"])
            if channel:
                channel.clients.discard(self)
        elif message["type"] == "typing":
            channel = self.world.by_sub(message["sub"])
            for client in list(channel.clients):
                if client is not self:
                    client.tell({"sub": channel.sub, "type": "typing", "data": {"name": message["name"]}})
        elif message["type"] == "ping":
            self.tell({"type": "pong"})

    def onClose(self, clean, code, reason):
        if hasattr(self, "world"):
            self.leave()

    def tell(self, message) -> None:
        if self.state == self.STATE_OPEN:
            self.sendMessage(json.dumps(message).encode())

    def end(self):
        self.transport.abortConnection()

    def __hash__(self):
        return id(self)

    def __eq__(self, other):
        return self is other
