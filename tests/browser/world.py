"""What the mock server knows: sites, channels and comments in memory, in the formats of the API."""

from __future__ import annotations

import html
import time
from collections import defaultdict

from tests.support.shapes import Described

DESCRIBED = Described()
START = int(time.time() * 1000)


class Channel:
    def __init__(self, key: str, drift: list[str]) -> None:
        self.drift = drift
        self.key, self.seq, self.locked, self.title, self.url = key, 0, False, "", ""
        self.comments: dict[str, dict] = {}
        self.events: list[dict] = []
        self.lost = 0
        self.clients: set = set()

    @property
    def id(self) -> str:
        return str(4_000_000 + sum(ord(c) << (i % 8) for i, c in enumerate(self.key)))

    @property
    def sub(self) -> str:
        return f"1/{self.id}"

    @property
    def position(self) -> str:
        return f"{self.sub}@{self.seq}"

    def count(self) -> int:
        return sum(not c["deleted"] for c in self.comments.values())

    def json(self) -> dict:
        return {"id": self.id, "key": self.key, "seq": self.seq, "url": self.url, "title": self.title,
                "comments": self.count(), "locked": self.locked}  # fmt: skip

    def event(self, kind: str, data: dict, *, made_up: bool = False) -> None:
        if not made_up:
            self.drift += DESCRIBED.event(kind, data)
        self.seq += 1
        message = {"sub": self.sub, "seq": self.seq, "type": kind, "data": data}
        self.events.append(message)
        for client in list(self.clients):
            client.tell(message)

    def since(self, seq: int) -> list[dict] | None:
        if seq < self.lost or seq > self.seq:
            return None
        return [e for e in self.events if e["seq"] > seq]


class World:
    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        # Where an answer or an event is not as the server declares it.
        self.drift: list[str] = []
        self.votes: dict[str, dict[str, int]] = defaultdict(dict)
        self.reactions: dict[str, dict[str, list[str]]] = defaultdict(dict)
        # Names that are known beside those of a conversation.
        self.people: list[str] = []
        # Of the site, beside those that it always has.
        self.settings: dict = {}
        self.blocks: dict[str, set[str]] = defaultdict(set)
        self.keys: dict[str, dict] = {}
        self.sources: dict[str, str] = {}
        self.last = START
        self.visitors = 0
        self.fail: list[dict] = []
        self.block: list[str] = []
        self.live: set = set()
        self.log: list[str] = []

    def channel(self, key: str) -> Channel:
        if key not in self.channels:
            self.channels[key] = Channel(key, self.drift)
        return self.channels[key]

    def by_sub(self, sub: str) -> Channel | None:
        return next((c for c in self.channels.values() if c.sub == sub), None)

    def find(self, cid: str) -> tuple[Channel, dict] | tuple[None, None]:
        for channel in self.channels.values():
            if cid in channel.comments:
                return channel, channel.comments[cid]
        return None, None

    def add(self, channel: Channel, author: dict, text: str, parent: str | None = None, **more) -> dict:
        self.last += 1
        up = channel.comments.get(parent) if parent else None
        cid = str(self.last * 4096)
        comment = {"id": cid, "parent": parent, "root": up["root"] if up else cid,
                   "depth": up["depth"] + 1 if up else 0,
                   "author": author, "html": more.pop("html", None) or render(text),
                   "created": more.pop("created", None) or stamp(time.time()), "edited": None,
                   "up": 0, "down": 0, "score": 0, "deleted": False}  # fmt: skip
        comment.update(more)
        self.sources[cid] = text
        channel.comments[cid] = comment
        return comment


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def render(text: str) -> str:
    return "".join(
        f"<p>{'<br>'.join(html.escape(part).split(chr(10)))}</p>" for part in text.split("\n\n") if part.strip()
    )


def page(world: World, channel: Channel, query: dict) -> dict:
    size = int(query.get("size", ["25"])[0])
    start = int(query.get("cursor", [""])[0] or 0)
    sort = query.get("sort", ["best"])[0]
    parent = query.get("parent", [""])[0]
    children = defaultdict(list)
    for c in channel.comments.values():
        children[c["parent"]].append(c)

    def alive(c: dict) -> bool:
        return not c["deleted"] or any(alive(r) for r in children[c["id"]])

    if parent:
        rows = [c for c in channel.comments.values() if c["root"] == parent and c["parent"] and alive(c)]
        shown = rows[start : start + size]
        comments = [{**c, "replies": [], "more": 0} for c in shown]
    else:
        rows = [c for c in children[None] if alive(c)]
        rows.sort(key=lambda c: (c["score"] if sort == "best" else 0, int(c["id"])), reverse=sort != "old")
        shown = rows[start : start + size]
        comments = []
        for root in shown:
            budget = [50]

            def tree(c: dict, budget: list[int] = budget) -> dict:
                replies = []
                for r in children[c["id"]]:
                    if alive(r) and budget[0] > 0:
                        budget[0] -= 1
                        replies.append(tree(r))
                return {**c, "replies": replies, "more": 0}

            made = tree(root)
            total = sum(
                c["root"] == root["id"] and c["parent"] is not None and alive(c) for c in channel.comments.values()
            )
            made["more"] = max(0, total - (50 - budget[0]))
            comments.append(made)
    cursor = str(start + size) if start + size < len(rows) else None
    return {
        "channel": channel.json(),
        "position": channel.position,
        "page": {"sort": sort, "comments": comments, "cursor": cursor},
    }
