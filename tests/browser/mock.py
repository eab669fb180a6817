"""A small stand-in for the daemon, in memory, for tests of the browser side alone: the same addresses and formats.

Run as ``python -m tests.browser.mock PORT [prod|devel]``; it prints the port. Steered by POST /_mock with JSON:
``fail`` [{"method","path","status","times","retry","delay","slug"}], ``seed`` {"channel": [comment..]}, ``drop`` (ends
all live connections), ``forget`` (history lost), ``block`` ["ws","sse","poll"], ``lock``,
``tell`` {"channel": [type, data]}, ``presence``, ``reset``.

What it answers and tells is held to what the server declares (tests/support/shapes.py); the order's answer says under
``drift`` what is not so, which fails the test. Seeds, and what an order makes it tell, may be anything.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet import reactor
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from cackled.domain.formulas import mathml
from cackled.domain.page_keys import page_key
from tests.browser.bundles import WEB, Built
from tests.browser.mock_chat import Chats
from tests.browser.mock_live import Poll, Sse, Ws
from tests.browser.world import DESCRIBED, World, page, render, stamp


def channel_of(query):
    """The key of the channel that a query names, or of the page whose address it has."""
    return query.get("channel", [""])[0] or page_key(query["url"][0], host="host" in query)


TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Api(Resource):
    isLeaf = True

    def __init__(self, world: World, built: Built, port: int) -> None:
        super().__init__()
        self.world, self.built, self.port = world, built, port
        self.chats = Chats(world)

    def render(self, request):
        world = self.world
        path, method = request.path.decode(), request.method.decode()
        # As behind a proxy that has put the server below a path.
        path = path.removeprefix("/below/a/path") if path.startswith("/below/a/path/") else path
        request.setHeader("access-control-allow-origin", request.getHeader("origin") or "*")
        request.setHeader("access-control-expose-headers", "date, retry-after, idempotent-replayed")
        if method == "OPTIONS":
            request.setHeader("access-control-allow-headers", "authorization, content-type, idempotency-key")
            request.setHeader("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE")
            request.setHeader("access-control-max-age", "7200")
            return b""
        if path.startswith(("/bootstrap", "/api")):
            world.log.append(f"{method} {request.uri.decode()}")
        for rule in world.fail:
            if (
                rule.get("method", method) == method
                and rule["path"] in request.uri.decode()
                and rule.get("times", 1) > 0
            ):
                rule["times"] = rule.get("times", 1) - 1
                if rule.get("delay"):
                    # Done at once, answered later.
                    reactor.callLater(rule["delay"], self.finish, request, *self.answer(request, method, path))
                    return NOT_DONE_YET
                if rule["status"] == 0:
                    request.transport.abortConnection()
                    return NOT_DONE_YET
                if rule.get("commit"):
                    self.answer(request, method, path)
                    request.transport.abortConnection()
                    return NOT_DONE_YET
                if rule.get("retry"):
                    request.setHeader("retry-after", str(rule["retry"]))
                return self.finish(
                    request,
                    rule["status"],
                    {
                        "type": f"/problems/{rule.get('slug', 'made-up')}", "status": rule["status"],
                        "title": "x", "detail": rule.get("detail", ""),
                    },
                    False,
                )
        if path == "/rt/poll":
            return Poll(world, request).start()
        if path == "/rt/sse":
            return Sse(world, request).start()
        return self.finish(request, *self.answer(request, method, path), False)

    def finish(self, request, status, data, late=True):
        if isinstance(data, bytes):
            body = data
        else:
            body = json.dumps(data).encode()
            request.setHeader("content-type", "application/json" if status < 400 else "application/problem+json")
        request.setResponseCode(status)
        if late and request.channel is None:
            return NOT_DONE_YET
        if late:
            request.write(body)
            request.finish()
            return NOT_DONE_YET
        return body

    def answer(self, request, method, path):
        status, data = self.made(request, method, path)
        if status < 400 and path == "/bootstrap":
            widget = "Chat" if b"widget=Chat" in request.uri else "Comment"
            self.world.drift += DESCRIBED.first_page(widget, data)
        elif status < 400 and path.startswith("/api/v1/"):
            self.world.drift += DESCRIBED.answer(method, path, status, data)
        return status, data

    def made(self, request, method, path):
        world = self.world
        query = parse_qs(request.uri.decode().partition("?")[2], keep_blank_values=True)
        if path == "/_mock":
            return 200, self.steer(json.loads(request.content.read() or b"{}"))
        if path == "/widget.js":
            request.setHeader("content-type", "text/javascript")
            return 200, self.built.loader
        if found := self.built.find(path):
            request.setHeader("content-type", found[0])
            return 200, found[1]
        if path == "/demo" or path.startswith("/demo/"):
            file = WEB / "demo" / (path[6:] or "index.html")
            if file.is_file():
                request.setHeader("content-type", TYPES[file.suffix])
                return 200, file.read_bytes()
        if path.startswith("/pages/"):
            file = Path(__file__).parent / "pages" / path[7:]
            if file.is_file():
                request.setHeader("content-type", TYPES[file.suffix])
                if query.get("csp"):
                    request.setHeader("content-security-policy", query["csp"][0])
                return 200, file.read_bytes()
        if path == "/bootstrap" and query.get("widget") == ["Chat"]:
            return 200, {"site": {"id": "1", "settings": world.settings}, "me": None, "chat": self.chats.status}
        if path == "/bootstrap":
            channel = world.channel(channel_of(query))
            me = (query.get("me", [""])[0]).partition(".")[0]
            return 200, {
                "site": {"id": "1", "name": "Mock", "settings": {"level": 5, "edit_seconds": 900, "max_length": 8000,
                         "votes": True, "typing": True, "presence": True, **world.settings}},
                **page(world, channel, query),
                "me": {"votes": world.votes[me] if me else {}, "blocked": sorted(world.blocks[me]) if me else [],
                       **({"reactions": world.reactions[me]} if me and world.reactions[me] else {})},
            }  # fmt: skip
        parts = path.split("/")
        if path.startswith("/api/v1/sites/1/") and len(parts) > 5:
            return self.api(request, method, parts[5], parts[6:], query)
        return 404, {"status": 404, "title": "Not found"}

    def api(self, request, method, what, rest, query):
        world = self.world
        token = (request.getHeader("authorization") or "").removeprefix("Bearer ")
        me = token.removeprefix("token-") if token.startswith("token-") else None
        raw = request.content.read() if method in ("POST", "PUT", "PATCH") else b""
        body = json.loads(raw or b"{}") if not (request.getHeader("content-type") or "").startswith("image/") else {}
        if what == "sessions":
            if me is None:
                world.visitors += 1
                me = str(900_000 + world.visitors)
            return 201, {"token": f"token-{me}", "visitor": me, "view": "view", "expires": int(time.time()) + 900}
        if what == "chats":
            return self.chats.answer(method, rest, query, body, token, request.getHeader("idempotency-key") or "")
        if what == "comments" and rest == ["lately"]:
            found = [(k, c) for k, channel in world.channels.items() for c in channel.comments.values() if c["author"]]
            days = query.get("days", ["0"])[0] != "0"
            found.sort(key=lambda one: -(one[1]["score"] if days else int(one[1]["id"])))
            return 200, {"comments": [
                {"comment": c, "key": k, "title": "A <b>page</b>", "permalink": f"https://x.example/{k}#mc-{c['id']}"}
                for k, c in found[: int(query["size"][0])]
            ]}  # fmt: skip
        if what == "comments" and rest == ["filtered"]:
            staff = query["by"] == ["staff"]
            found = [c for c in world.channel(channel_of(query)).comments.values() if c["author"] and (
                "staff" in c["author"].get("badges", []) if staff else c["author"]["id"] == me)]  # fmt: skip
            return 200, {"comments": found[::-1], "cursor": None}
        if what == "mentions":
            return 200, {"people": [{"id": str(7 + n), "name": name} for n, name in enumerate(world.people)]}
        if what == "counts":
            made = {url: channel_of({**query, "channel": [""], "url": [url]}) for url in query.get("url", [])}
            asked = {**made, **{key: key for key in query.get("channel", [])}}
            return 200, {"counts": {one: world.channel(key).count() for one, key in asked.items()}, "keys": made}
        if what == "comments" and method == "GET" and not rest:
            return 200, page(world, world.channel(channel_of(query)), query)
        if what == "formulas":
            return 200, {kind: [mathml(one, block=kind == "block") for one in query.get(kind, [])]
                         for kind in ("inline", "block")}  # fmt: skip
        if what == "comments" and rest == ["preview"]:
            return 200, {"html": render(body["text"])}
        channel, comment = world.find(rest[0]) if what == "comments" and rest else (None, None)
        if what == "comments" and rest and comment is None:
            return 404, {"status": 404, "title": "Not found"}
        if what == "comments" and method == "GET":
            mine = comment["author"] and comment["author"]["id"] == me
            return 200, {
                "comment": {**comment, "source": world.sources[rest[0]]} if mine else comment,
                "channel": channel.id,
                "permalink": f"{channel.url}#mc-{rest[0]}" if channel.url else "",
            }
        if me is None:
            return 401, {"status": 401, "title": "A session is needed"}
        if what == "gifs" and method == "GET":
            own = f"http://{request.getHeader('host')}"
            found = [{"preview": f"{own}/s.gif", "url": f"{own}/l{n}.gif", "alt": f"Cat {n}"} for n in range(3)]
            return 200, {"gifs": [] if query.get("q") == ["none"] else found}
        if what == "gifs":
            id = "1-" + "a" * 22
            file = {"src": f"/media/{id}/320.webp", "type": "image/webp", "width": 320, "height": 240}
            return 201, {"id": id, "width": 320, "height": 240, "frames": 2, "color": "#aa3311",
                         "alt": body["alt"], "files": [file]}  # fmt: skip
        if what == "blocks":
            (world.blocks[me].add if method == "PUT" else world.blocks[me].discard)(rest[0])
            return 204, b""
        if what == "comments" and not rest:
            named = request.getHeader("idempotency-key")
            key = f"{me}/{named}"
            if named and key in world.keys:
                return 201, world.keys[key]
            channel = world.channel(body["channel"]["key"])
            if not body["text"].strip():
                return 422, {"status": 422, "title": "x", "detail": "Write something first.", "field": "text"}
            made = world.add(channel, {"id": me, "name": body["name"], "avatar": None}, body["text"], body["parent"])
            channel.event("comment.created", {"comment": made, "comments": channel.count()})
            world.keys[key] = {"comment": {**made, "source": body["text"]}, "position": channel.position}
            return 201, world.keys[key]
        if rest[1:] == ["vote"]:
            old = world.votes[me].get(comment["id"], 0)
            new = body["value"]
            world.votes[me][comment["id"]] = new
            comment["up"] += (new == 1) - (old == 1)
            comment["down"] += (new == -1) - (old == -1)
            comment["score"] = comment["up"] - comment["down"]
            data = {k: comment[k] for k in ("id", "up", "down", "score")}
            channel.event("comment.voted", data)
            return 200, {**data, "value": new, "position": channel.position}
        if rest[1:2] == ["reactions"]:
            name, on = unquote(rest[2]), method == "PUT"
            mine = world.reactions[me].setdefault(comment["id"], [])
            counts = comment.setdefault("reactions", {})
            if on != (name in mine):
                (mine.append if on else mine.remove)(name)
                counts[name] = counts.get(name, 0) + (1 if on else -1)
                if not counts[name]:
                    del counts[name]
                channel.event("comment.reacted", {"id": comment["id"], "reactions": dict(counts)})
            return 200, {"id": comment["id"], "reactions": dict(counts), "name": name, "on": on,
                         "position": channel.position}  # fmt: skip
        if rest[1:] == ["flags"]:
            return 201, {}
        if comment["author"]["id"] != me:
            return 403, {"status": 403, "title": "That is not allowed"}
        if method == "PATCH":
            comment.update(html=render(body["text"]), edited=stamp(time.time()))
            world.sources[comment["id"]] = body["text"]
            channel.event("comment.updated", {"comment": comment})
            return 200, {"comment": {**comment, "source": body["text"]}, "position": channel.position}
        if method == "DELETE":
            tombstone = any(c["parent"] == comment["id"] for c in channel.comments.values())
            if tombstone:
                comment.update(deleted=True, author=None, html="")
            else:
                del channel.comments[comment["id"]]
            removed, parent = [], comment["parent"]
            while not tombstone and parent and channel.comments[parent]["deleted"]:
                if any(c["parent"] == parent for c in channel.comments.values()):
                    break
                removed.append(parent)
                parent = channel.comments.pop(parent)["parent"]
            data = {"id": rest[0], "tombstone": tombstone, "removed": removed, "root": comment["root"]}
            channel.event("comment.deleted", {**data, "comments": channel.count()})
            return 200, {"position": channel.position}
        return 405, {"status": 405, "title": "No"}

    def steer(self, order: dict):
        world = self.world
        if order.get("reset"):
            for client in list(world.live):
                client.end()
            world.__init__()
            self.chats = Chats(world)
        chats = self.chats.steer(order)
        world.fail += order.get("fail", [])
        if "clear" in order:
            world.fail.clear()
        if "block" in order:
            world.block = order["block"]
        made = []
        for key, rows in order.get("seed", {}).items():
            channel = world.channel(key)
            for row in rows:
                row = dict(row)
                parent = row.pop("parent", None)
                name = row.pop("name", "Ann")
                author = {
                    "id": row.pop("author", str(1000 + sum(map(ord, name)) % 997)),
                    "name": name,
                    "avatar": row.pop("avatar", None),
                    **({"badges": row.pop("badges")} if "badges" in row else {}),
                }
                if isinstance(parent, int):
                    parent = made[parent]
                live = row.pop("live", False)
                ago = row.pop("ago", 60)
                comment = world.add(
                    channel, author, row.pop("text", ""), parent, created=stamp(time.time() - ago), **row
                )
                if comment["deleted"]:
                    comment.update(author=None, html="")
                made.append(comment["id"])
                if live:
                    channel.event("comment.created", {"comment": comment})
        for key, (kind, data) in order.get("tell", {}).items():
            world.channel(key).event(kind, data, made_up=True)
        for key, url in order.get("urls", {}).items():
            world.channel(key).url = url
        for event in order.get("events", []):
            world.channel(event["channel"]).event(event["type"], event["data"], made_up=True)
        for signal in order.get("signals", []):
            channel = world.channel(signal["channel"])
            for client in list(channel.clients):
                client.tell({"sub": channel.sub, "type": signal["type"], "data": signal["data"]})
        if "raw" in order:
            for client in list(world.live):
                client.tell(order["raw"])
        world.people = order.get("people", world.people)
        world.settings.update(order.get("settings", {}))
        if order.get("forget"):
            for channel in world.channels.values():
                channel.seq += 5
                channel.lost = channel.seq
                channel.events.clear()
        if order.get("drop"):
            for client in list(world.live):
                client.end()
        if "lock" in order:
            world.channel(order["lock"]).locked = True
            world.channel(order["lock"]).event(
                "channel.updated", {"comments": world.channel(order["lock"]).count(), "locked": True}
            )
        return {"ids": made, "drift": world.drift, "log": world.log, "chats": chats,
                "live": sorted(type(c).__name__ for c in world.live),
                "clients": {k: len(c.clients) for k, c in world.channels.items()},
                "positions": {k: c.position for k, c in world.channels.items()}}  # fmt: skip


class Root(Resource):
    def __init__(self, world: World, built: Built, port: int) -> None:
        super().__init__()
        factory = WebSocketServerFactory(protocols=["cackle.v1"])
        factory.protocol = Ws
        factory.world = world
        factory.startFactory()
        self.api, self.ws = Api(world, built, port), WebSocketResource(factory)

    def getChild(self, name, request):
        request.prepath, request.postpath = [], []
        return self.ws if request.path == b"/rt/ws" else self.api


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    env = sys.argv[2] if len(sys.argv) > 2 else "prod"
    world = World()
    site = Site(Root(world, Built(env), port))
    site.protocol = HTTPChannel
    listening = reactor.listenTCP(port, site, interface="127.0.0.1")
    print(listening.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
