"""A journal of conversations: visitors and operators who retry until they are told, cut off at random.

    crowd = ChatCrowd(case, [daemon.url, ..], staff=[cookie, ..], visitors=12, messages=20)
    ... faults ...
    figures = crowd.finish(lambda sql: [...])
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.client import Answer, call
from tests.support.journal import attempt

# Seconds that one step may take in all, faults included; of a large crowd more.
PATIENCE = 150.0
# Seconds that a listener stays at most before it is cut off; in a large crowd longer, as its threads share a processor.
LISTENS = 3.0


def staff_cookies(daemon: Any, count: int, role: str = "operator", site: int = 1) -> list[str]:
    """Sessions of so many new accounts, as the header ``Cookie`` has them."""
    made = []
    for number in range(count):
        told = daemon.admin(f"account add {role}{number}@staff.example --role {role} --site {site}")
        token = told["link"].rpartition("=")[2]
        answer = call(f"{daemon.url}/api/v1/auth/link", "POST", {"token": token}, **own(daemon.url))
        assert answer.status == 200, answer.body
        cookies = answer.headers.get_all("Set-Cookie")
        made.append("; ".join(one.partition(";")[0] for one in cookies))
    return made


def own(url: str) -> dict[str, str]:
    """What a page of the panel sends."""
    return {"Origin": url, "X_Cackled_Panel": "1", "Sec_Fetch_Site": "same-origin"}


class Side(threading.Thread):
    """One of those who talk: asks again until there is an answer, of whichever node."""

    def __init__(self, crowd: ChatCrowd, number: int, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.crowd = crowd
        self.number = number
        self.random = random.Random(f"{crowd.seed} {name}")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask until it is neither refused for now nor cut off.

        Raises:
            TimeoutError: that does not come.
        """
        end = time.monotonic() + self.crowd.patience
        node = self.number
        while time.monotonic() < end:
            url = self.crowd.urls[node % len(self.crowd.urls)]
            more = {**own(url), **headers} if "Cookie" in headers else headers
            answer = attempt(f"{url}/api/v1/sites/1/chats{path}", method, body, timeout=20, **more)
            if answer is not None and answer.status not in (429, 502, 503):
                return answer
            self.crowd.cuts += 1
            node += 1
            time.sleep(0.05 + self.random.random() / 5)
        raise TimeoutError(f"{self.name}: {method} {path}")

    def run(self) -> None:
        """Do it; what goes wrong is kept."""
        try:
            self.talk()
        except Exception as error:
            self.crowd.wrong.append(f"{self.name}: {error!r}")

    def talk(self) -> None:
        """What they do."""
        raise NotImplementedError


class Talker(Side):
    """A visitor: starts, says all they have to say, and hears what is told, over cuts and sleeps."""

    def __init__(self, crowd: ChatCrowd, number: int) -> None:
        super().__init__(crowd, number, f"v{number}")
        self.chat = ""
        self.headers: dict[str, str] = {}
        # (seq, id) of acknowledged messages of theirs, in the order in which they were acknowledged.
        self.acks: list[tuple[int, str]] = []
        # seq -> what was told live, or loaded after a gap.
        self.heard: dict[int, dict[str, Any]] = {}
        self.doubled: list[int] = []
        self.seq = 0
        # Up to which seq they said that they have read.
        self.has_read = 0
        self.sub = self.token = ""
        self.over = False
        self.listener = threading.Thread(target=self.listen, daemon=True)

    def talk(self) -> None:
        session = None
        while session is None or session.status not in (200, 201):
            session = attempt(f"{self.crowd.urls[0]}/api/v1/sites/1/sessions", "POST")
        auth = {"Authorization": f"Bearer {session.json()['token']}"}
        body = {"key": f"k{self.number}", "text": f"{self.name} 0", "name": self.name}
        # Each has an address of its own, where the daemon believes that: of one, twenty conversations are let through.
        address = f"10.1.{self.number // 250}.{self.number % 250 + 1}"
        started = self.ask("POST", "", body, X_Forwarded_For=address, **auth)
        assert started.status == 201, started.body
        told = started.json()
        self.chat, self.headers = told["chat"], {"Authorization": f"Bearer {told['token']}"}
        self.token = told["token"]
        self.sub = f"1/{told['channel']}"
        self.listener.start()
        for number in range(1, self.crowd.messages):
            key = {"Idempotency_Key": str(uuid.uuid4())}
            body = {"text": f"{self.name} {number}"}
            answer = self.ask("POST", f"/{self.chat}/messages", body, **self.headers, **key)
            assert answer.status in (200, 201), answer.body
            message = answer.json()["message"]
            self.acks.append((message["seq"], message["id"]))
            if self.random.random() < 0.3:
                self.read()
            time.sleep(self.random.random() * self.crowd.pause)

    def read(self) -> None:
        """Tell what they have read: the newest text that they heard."""
        newest = max((seq for seq, one in list(self.heard.items()) if one), default=0)
        if newest:
            answer = self.ask("PUT", f"/{self.chat}/read", {"seq": newest}, **self.headers)
            assert answer.status in (200, 204), answer.body
            self.has_read = max(self.has_read, newest)

    def listen(self) -> None:
        """An EventSource that is cut every now and then, and sleeps."""
        node = self.number
        while not self.over:
            node += 1
            try:
                self._once(self.crowd.urls[node % len(self.crowd.urls)], self.random.random() * self.crowd.listens)
            except (OSError, ValueError):
                pass
            time.sleep(self.random.random() * 0.3)

    def _once(self, url: str, seconds: float) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        end = time.monotonic() + seconds
        with socket.create_connection((host, int(port)), timeout=5) as made:
            place = f"{self.sub}@{self.seq}&token={self.token}"
            made.sendall(f"GET /rt/sse?sub={place} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            file = made.makefile("rb")
            while time.monotonic() < end and not self.over:
                line = file.readline()
                if not line:
                    return
                if line.startswith(b"data: "):
                    self._take(json.loads(line[6:]))

    def _take(self, told: dict[str, Any]) -> None:
        if told["type"] == "recovered" and not told["recovered"]:
            # What was missed is loaded: it is not told once more.
            self.crowd.gaps += 1
            since = max((seq for seq, one in self.heard.items() if one), default=0)
            while True:
                page = self.ask("GET", f"/{self.chat}/messages?since={since}&size=100", **self.headers).json()
                for one in page["messages"]:
                    self.heard.setdefault(one["seq"], one)
                    since = one["seq"]
                if not page["more"]:
                    break
            self.seq = max(self.seq, told["seq"])
        elif "seq" in told and told["type"] not in ("recovered", "hello"):
            seq = told["seq"]
            if seq <= self.seq:
                self.doubled.append(seq)
            self.seq = max(self.seq, seq)
            self.heard[seq] = told["data"].get("message") or {}


class Answerer(Side):
    """An operator: takes what is offered, answers each message once, marks as read; gone for a while now and then."""

    def __init__(self, crowd: ChatCrowd, number: int, cookie: str) -> None:
        super().__init__(crowd, number, f"o{number}")
        self.headers = {"Cookie": cookie}
        self.over = False
        self.answered: dict[str, int] = {}
        # (chat, seq, id) of acknowledged answers.
        self.acks: list[tuple[str, int, str]] = []

    def talk(self) -> None:
        self.ask("PUT", "/desk", {"state": "online", "capacity": 50}, **self.headers)
        while not self.over:
            self.ask("POST", "/desk/beat", {}, **self.headers)
            page = self.ask("GET", "?state=mine&size=100", **self.headers).json()
            for row in page["chats"]:
                self.answer(row)
            # Who is not heard of for a minute is lost.
            time.sleep(0.1 + self.random.random() * min(self.crowd.pause, 20))

    def answer(self, row: dict[str, Any]) -> None:
        """Answer what is new in a conversation, if anything is."""
        chat = row["id"]
        if not row["unread"]:
            return
        key = {"Idempotency_Key": f"{self.name}-{row['seq']}"}
        body = {"text": f"{self.name} to {row['seq']}", "anyway": True}
        said = self.ask("POST", f"/{chat}/messages", body, **self.headers, **key)
        if said.status in (200, 201):
            message = said.json()["message"]
            self.acks.append((chat, message["seq"], message["id"]))
            self.ask("PUT", f"/{chat}/read", {"seq": message["seq"]}, **self.headers)
        elif said.status != 409:
            self.crowd.wrong.append(f"{self.name}: {said.status} {said.body[:200]!r}")


class ChatCrowd:
    """All of them, started."""

    def __init__(
        self, case: Any, urls: Sequence[str], cookies: Sequence[str], visitors: int, messages: int,
        pause: float = 0.3, seed: int = 1,
    ) -> None:  # fmt: skip
        self.case = case
        self.urls = tuple(urls)
        self.messages = messages
        self.pause = pause
        self.seed = seed
        self.patience = max(PATIENCE, visitors / 4)
        self.listens = max(LISTENS, visitors / 40)
        self.wrong: list[str] = []
        self.cuts = 0
        self.gaps = 0
        self.talkers = [Talker(self, number) for number in range(visitors)]
        self.answerers = [Answerer(self, number, cookie) for number, cookie in enumerate(cookies)]
        for one in self.answerers:
            one.start()
        end = time.monotonic() + self.patience
        while not call(f"{self.urls[0]}/bootstrap?widget=Chat&site=1").json()["chat"]["accepting"]:
            if self.wrong or time.monotonic() > end:
                case.fail(f"nobody comes to the desks: {self.wrong}")
            time.sleep(0.1)
        for two in self.talkers:
            two.start()

    def said(self) -> int:
        """How many messages of visitors are acknowledged."""
        return sum(len(one.acks) for one in self.talkers)

    def wait_said(self, count: int) -> None:
        """Wait until so many are."""
        end = time.monotonic() + self.patience
        while self.said() < count and not self.wrong:
            if time.monotonic() > end:
                self.case.fail(f"only {self.said()} messages of {count}")
            time.sleep(0.05)

    def finish(self, sql: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, int]:
        """Wait until all is said and heard, and check what must hold; gives figures."""
        case = self.case
        for one in self.talkers:
            one.join(self.patience)
            case.assertFalse(one.is_alive(), one.name)
        case.assertEqual(self.wrong, [])
        # Nobody is forgotten: each conversation (but the demo's own) comes to an operator, who reads all of it.
        end = time.monotonic() + self.patience
        left = "key <> 'demo' and (assignee is null or state <> 'open' or said_visitor > seen_operator)"
        while sql(f"select 1 from chat where {left} limit 1"):
            if time.monotonic() > end:
                case.fail(str(sql("select id, state, assignee, said_visitor, seen_operator from chat")))
            time.sleep(0.2)
        for one in self.answerers:
            one.over = True
        for one in self.answerers:
            one.join(self.patience)
        case.assertEqual(self.wrong, [])
        stands = dict(sql("select c.id, h.seq from chat c join channel h using (site_id) where h.id = c.channel_id"))
        for one in self.talkers:
            while one.seq < stands[int(one.chat)]:
                if time.monotonic() > end:
                    case.fail(f"{one.name} is at {one.seq} of {stands[int(one.chat)]}")
                time.sleep(0.05)
            one.over = True
        for one in self.talkers:
            one.listener.join(30)
            self._check(one, sql)
        answers = [ack for one in self.answerers for ack in one.acks]
        self._check_operators(sql)
        return {
            "conversations": len(self.talkers), "messages": self.said(), "answers": len(answers), "cuts": self.cuts,
            "gaps": self.gaps,
        }  # fmt: skip

    def _check(self, talker: Talker, sql: Callable[[str], list[tuple[Any, ...]]]) -> None:
        """What one visitor was told of is kept once, in its order, and heard in that order."""
        case, name = self.case, talker.name
        kept = sql(f"select seq, id, sender, text from chat_message where chat_id = {talker.chat} and kind = 'text'"
                   " order by seq")  # fmt: skip
        mine = [text for _, _, sender, text in kept if sender == "visitor"]
        case.assertEqual(mine, [f"{name} {number}" for number in range(self.messages)], name)
        case.assertEqual(len({seq for seq, *_ in kept}), len(kept), f"{name}: a number twice")
        ids = {int(one): seq for seq, one, *_ in kept}
        case.assertEqual([ids.get(int(one)) for _, one in talker.acks], [seq for seq, _ in talker.acks], name)
        case.assertEqual(talker.acks, sorted(talker.acks), f"{name}: order")
        case.assertEqual(talker.doubled, [], f"{name}: heard twice, or out of order")
        heard = {int(one["id"]): seq for seq, one in talker.heard.items() if one and one["kind"] == "text"}
        case.assertEqual({one: heard.get(one) for one in ids}, ids, f"{name}: heard")
        ((seen, most, said, read),) = sql(
            f"select seen_operator, said_operator, (select max(seq) from chat_message where chat_id = c.id "
            f"and sender = 'visitor'), seen_visitor from chat c where id = {talker.chat}"
        )
        case.assertGreaterEqual(read, talker.has_read, f"{name}: what the visitor has read")
        case.assertLessEqual(read, max(most, said), f"{name}: read what is not there")
        case.assertGreaterEqual(seen, said, f"{name}: what the operator has read")
        case.assertGreaterEqual(most, said, f"{name}: answered")

    def _check_operators(self, sql: Callable[[str], list[tuple[Any, ...]]]) -> None:
        """Each acknowledged answer is kept once; nobody had a conversation while another had it."""
        case = self.case
        kept = {int(one): (chat, seq) for one, chat, seq in sql(
            "select id, chat_id, seq from chat_message where sender = 'operator' and kind = 'text'")}  # fmt: skip
        for one in self.answerers:
            case.assertEqual([kept.get(int(id_)) for _, _, id_ in one.acks],
                             [(int(chat), seq) for chat, seq, _ in one.acks], one.name)  # fmt: skip
        doubled = [text for text, n in Counter(
            (chat, text) for chat, text in sql("select chat_id, text from chat_message where sender = 'operator'"
                                               " and kind = 'text'")).items() if n > 1]  # fmt: skip
        case.assertEqual(doubled, [], "an answer twice")
        # An operator joins, and has it until they lose it: whoever answers is who joined last.
        for talker in self.talkers:
            has: int | None = None
            rows = sql("select account_id, kind, event, sender from chat_message"
                       f" where chat_id = {talker.chat} order by seq, id")  # fmt: skip
            for account, kind, event, sender in rows:
                if kind == "event" and json.loads(event)["name"] == "joined":
                    has = account
                elif sender == "operator" and kind == "text":
                    case.assertEqual(account, has, f"{talker.name}: answered by who does not have it")
