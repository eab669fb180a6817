"""The chat of the stand-in for the daemon (`tests.browser.mock`): conversations in memory, in the formats of the API.

An order's ``chat`` sets members of what the first request says; ``operator`` is what an operator does in each open
conversation: ``join`` (a name), ``say`` (a text), ``quick`` (answers to it), ``typing``, ``read``, ``close``.
"""

from __future__ import annotations

import time

from tests.browser.world import DESCRIBED, Channel, World, render, stamp

STATUS = {
    "status": "online", "accepting": True, "leave": True, "next_opening": None, "departments": [], "before": [],
    "offline": [], "consent": "", "greeting": {"text": "", "name": "", "avatar": ""}, "invitations": [],
    "rating": True, "max_length": 4_000, "edit_seconds": 300, "position": "1/7@0",
}  # fmt: skip
# Of an invitation that says nothing else.
RULE = {
    "name": "", "on": True, "address": "", "seconds": 0, "pages": 0, "referrer": "", "returning": None,
    "in_hours": False, "countries": [], "scroll": None, "exit": False, "other": "",
}  # fmt: skip
Answer = tuple[int, object]


class Chat:
    """One conversation."""

    def __init__(self, world: World, number: int, state: str) -> None:
        self.world, self.id, self.token = world, str(number), f"secret-{number}"
        self.channel: Channel = world.channel(f"chat:{number}")
        self.messages: list[dict] = []
        self.keys: dict[str, dict] = {}
        self.uploads = 0
        self.chat = {
            "id": self.id, "state": state, "operator": None, "position": 1 if state == "waiting" else None, "wait": 120,
            "read": {"visitor": 0, "operator": 0}, "rating": None, "created": stamp(time.time()), "closed": None,
            "closed_by": None,
        }  # fmt: skip

    def tell(self, kind: str, data: dict) -> None:
        self.channel.event(kind, data)

    def tell_chat(self, kind: str) -> None:
        """Tell how the conversation is now."""
        self.tell(kind, {**self.chat, "read": dict(self.chat["read"])})

    def add(self, sender: str, text: str, key: str = "", kind: str = "text", **more: object) -> dict:
        names = {"visitor": "", "operator": (self.chat["operator"] or {}).get("name", "Olga"), "system": ""}
        ids = {"visitor": "900001", "operator": "account:7", "system": ""}
        message = {
            "id": str(len(self.messages) + 1), "seq": self.channel.seq + 1, "from": sender, "kind": kind,
            "author": {"id": ids[sender], "name": names[sender]}, "text": text, "html": render(text),
            "files": [], "created": stamp(time.time()), "edited": None, "deleted": False, "key": key, **more,
        }  # fmt: skip
        self.messages.append(message)
        self.tell("message.created", {"message": message, "chat": self.id})
        return message

    def close(self, by: str) -> None:
        self.chat.update(state="closed", closed=stamp(time.time()), closed_by=by)
        self.tell_chat("chat.closed")

    def act(self, order: dict) -> None:
        """What an operator does."""
        if "join" in order:
            operator = {"id": "account:7", "name": order["join"], "avatar": ""}
            self.chat.update(state="open", operator=operator, position=None)
            self.tell_chat("chat.assigned")
            author = {"id": "account:7", "name": order["join"]}
            self.add("system", "", kind="event", event={"name": "joined"}, author=author)
        if order.get("typing"):
            for client in list(self.channel.clients):
                client.tell({"sub": self.channel.sub, "type": "typing", "data": {"by": "operator", "name": "Olga"}})
        if "say" in order:
            self.add("operator", order["say"], **({"quick": order["quick"]} if "quick" in order else {}))
        if order.get("read"):
            self.chat["read"]["operator"] = self.channel.seq
            self.tell("chat.read", {"id": self.id, "by": "operator", "seq": self.channel.seq})
        if order.get("close"):
            self.close("operator")


class Chats:
    """All of a site."""

    def __init__(self, world: World) -> None:
        self.world, self.chats, self.status = world, dict[str, Chat](), dict(STATUS)
        self.starts: dict[str, Chat] = {}
        self.bodies: list[dict] = []

    def steer(self, order: dict) -> list[dict]:
        """What an order changes; -> all that was started, as it was sent."""
        self.status.update(order.get("chat", {}))
        self.status["invitations"] = [{**RULE, **one} for one in self.status["invitations"]]
        for chat in self.chats.values():
            if chat.chat["state"] != "closed" and "operator" in order:
                chat.act(order["operator"])
        return self.bodies

    def answer(self, method: str, rest: list[str], query: dict, body: dict, token: str, key: str) -> Answer:
        """The answer to a call below ``/chats``."""
        if not rest:
            return self.start(body)
        chat = self.chats.get(rest[0])
        if chat is None or token != chat.token:
            return 404, {"type": "/problems/chat", "status": 404, "title": "x"}
        what = rest[1] if len(rest) > 1 else ""
        if DESCRIBED.route(method, "/".join(["/api/v1/sites/1/chats", *rest])) is None:
            return 404, {"type": "/problems/not-found", "status": 404, "title": "x"}
        if what == "":
            return 200, {"chat": chat.chat, "seq": chat.channel.seq, "channel": chat.channel.id}
        if what == "messages":
            return self.messages(chat, method, rest[2:], query, body, key)
        if what == "read":
            chat.chat["read"]["visitor"] = max(chat.chat["read"]["visitor"], body["seq"])
        elif what == "close":
            chat.close("visitor")
        elif what == "rating":
            chat.chat["rating"] = body
        elif what == "files":
            chat.uploads += 1
            return 201, {
                "id": f"{chat.uploads}-abcdefghijklmnopqrstuv", "url": "/demo/icon.svg", "alt": "", "width": 320,
                "height": 200, "color": "#aabbcc",
            }  # fmt: skip
        elif what == "typing":
            return 204, b""
        elif what == "logout":
            self.bodies.append({"logout": chat.id})
            return 204, b""
        elif what == "visit":
            self.bodies.append({"visit": body})
            return 204, b""
        return 200, {"seq": chat.channel.seq}

    def start(self, body: dict) -> Answer:
        chat = self.starts.get(body["key"])
        if chat is None:
            self.bodies.append(body)
            chat = Chat(self.world, len(self.chats) + 1, "offline" if body.get("offline") else "waiting")
            self.starts[body["key"]] = self.chats[chat.id] = chat
            chat.add("visitor", body["text"], body["key"])
        return 201, {
            "chat": chat.id, "token": chat.token, "position": chat.chat["position"], "state": chat.chat["state"],
            "wait": chat.chat["wait"], "channel": chat.channel.id, "seq": chat.channel.seq,
            "operator": chat.chat["operator"],
        }  # fmt: skip

    def messages(self, chat: Chat, method: str, rest: list[str], query: dict, body: dict, key: str) -> Answer:
        if method == "GET":
            since, before = int(query.get("since", ["0"])[0]), int(query.get("before", ["0"])[0])
            size = int(query.get("size", ["50"])[0])
            found = [m for m in chat.messages if m["seq"] > since and (not before or m["seq"] < before)]
            shown = found[:size] if since else found[-size:]
            return 200, {"messages": shown, "seq": chat.channel.seq, "more": len(shown) < len(found)}
        if method == "POST":
            if key in chat.keys:
                return 200, {"message": chat.keys[key], "seq": chat.keys[key]["seq"]}
            if chat.chat["state"] == "closed":
                return 409, {"type": "/problems/chat-closed", "status": 409, "title": "x"}
            files = [
                {"id": one, "url": "/demo/icon.svg", "alt": "", "width": 320, "height": 200, "color": "#aabbcc"}
                for one in body.get("files", [])
            ]
            chat.keys[key] = message = chat.add("visitor", body["text"], key, files=files)
            return 201, {"message": message, "seq": chat.channel.seq}
        message = next(m for m in chat.messages if m["id"] == rest[0])
        if method == "PATCH":
            message.update(text=body["text"], html=render(body["text"]), edited=stamp(time.time()))
        else:
            message.update(text="", html="", deleted=True)
        chat.tell("message.updated", {"message": message, "chat": chat.id})
        return 200, {"message": message, "seq": chat.channel.seq}
