"""An append-only journal of what clients were told, and the clients that write it: writers that retry, and a subscriber
for each transport. Standard library only, blocking sockets in threads: nothing is shared with the daemon's own code
but the format of a position.

    journal = Journal(folder / "journal")
    readers = [kind(journal, daemon.port, "1/42@0") for kind in READERS]
    writer = Writer(journal, daemon.url, "page", "a", count=20)
    ...
    journal.check(case, sub="1/42", served=comments(daemon.url, "page"))
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.client import Answer, call

# What one attempt may take; a loaded machine is slow.
TIMEOUT = 20.0


class Journal:
    """One JSON object a line, written before anybody acts on it; ``at`` is monotonic seconds."""

    def __init__(self, path: Path) -> None:
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - held open until `close`
        self._lock = threading.Condition()

    def write(self, what: str, **fields: Any) -> None:
        """Append one line."""
        with self._lock:
            line = {"at": time.monotonic(), "what": what, **fields}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            self._kept.setdefault(what, []).append(line)
            self._lock.notify_all()

    def lines(self, what: str) -> list[dict[str, Any]]:
        """The lines of one kind, in order; one that is being written is not there yet."""
        with self._lock:
            return list(self._kept.get(what, ()))

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._file.close()

    def check(
        self, case: Any, sub: str, served: list[dict[str, Any]], first: int = 1, slow: tuple[str, ...] = (),
        created: str = "comment.created",
    ) -> dict[str, int]:  # fmt: skip
        """Assert the promise for one channel: nothing acknowledged is lost, nothing is there twice, order is kept, and
        every subscriber has every event once, in order, without a gap, up to the last acknowledged one. *created* is
        the type of events of what was written. Those named *slow* may have gaps, but only such as they were told of.
        Gives figures.
        """
        acks = [line for line in self.lines("ack") if line["sub"] == sub]
        ids = [one["id"] for one in served]
        lost = {line["id"] for line in acks} - set(ids)
        case.assertEqual(lost, set(), "acknowledged and lost")
        doubled = [text for text, n in Counter(one["html"] for one in served).items() if n > 1]
        case.assertEqual(doubled, [], "written twice")
        case.assertEqual(len(set(ids)), len(ids), "served twice")
        case.assertEqual(len({line["id"] for line in acks}), len(acks), "one comment for two requests")
        for writer in {line["writer"] for line in acks}:
            seqs = [line["seq"] for line in acks if line["writer"] == writer]
            case.assertEqual(seqs, sorted(seqs), f"order of {writer}")
        last = max((line["seq"] for line in acks), default=first - 1)
        events = [line for line in self.lines("event") if line["sub"] == sub]
        for reader in {line["reader"] for line in self.lines("reader")}:
            mine = [line for line in events if line["reader"] == reader]
            seqs = [line["seq"] for line in mine]
            gaps = [line["seq"] for line in self.lines("gap") if line["reader"] == reader]
            if reader in slow:
                silent = [b for a, b in zip([first - 1, *seqs], seqs, strict=False) if b != a + 1 and b - 1 not in gaps]
                case.assertEqual(silent, [], f"{reader}: a gap that was not told, a double or disorder")
                case.assertEqual(seqs[-1:], [last], f"{reader} does not go on")
                continue
            case.assertEqual(gaps, [], f"{reader}: recovered: false")
            case.assertEqual(seqs, list(range(first, first + len(seqs))), f"{reader}: gap, double or disorder")
            case.assertGreaterEqual(first + len(seqs) - 1, last, f"{reader} has not all of it")
            got = {line["id"]: line["seq"] for line in mine if line["type"] == created}
            told = {line["id"]: line["seq"] for line in acks}
            case.assertEqual({one: got.get(one) for one in told}, told, f"{reader}: events of acknowledged comments")
        return {"acknowledged": len(acks), "lost": len(lost), "doubled": len(doubled), "events": len(events)}

    def wait_readers(self, case: Any, sub: str, seq: int, timeout: float = 30.0) -> None:
        """Wait until every subscriber has the event *seq*."""
        end = time.monotonic() + timeout
        names = {line["reader"] for line in self.lines("reader")}
        while time.monotonic() < end:
            have = {line["reader"] for line in self.lines("event") if line["sub"] == sub and line["seq"] == seq}
            if have >= names:
                return
            time.sleep(0.05)
        case.fail(f"{sorted(names - have)} did not get {sub}@{seq}")


def comments(url: str, key: str, site: int = 1) -> list[dict[str, Any]]:
    """All root comments of a channel, oldest first, as the API serves them from the primary."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = call(f"{url}/api/v1/sites/{site}/comments?channel={key}&sort=old&size=100&cursor={cursor}")
        if answer.status != 200:
            raise AssertionError(f"{answer.status} {answer.body!r}")
        page = answer.json()["page"]
        found += page["comments"]
        if not page["cursor"]:
            return found
        cursor = page["cursor"]


def attempt(url: str, method: str = "GET", body: Any = None, timeout: float = TIMEOUT, **headers: str) -> Answer | None:
    """As `call`, but None where the connection failed."""
    try:
        return call(url, method, body, timeout=timeout, **headers)
    except (OSError, http.client.HTTPException, urllib.error.URLError):
        return None


class Writer(threading.Thread):
    """Posts *count* comments one after the other, each with a key of its own, each until it is acknowledged; fewer when
    it is told that it is over."""

    place, member = "comments", "comment"

    def __init__(
        self, journal: Journal, url: str, key: str, name: str, count: int, token: str, site: int = 1
    ) -> None:
        super().__init__(name=f"writer {name}", daemon=True)
        self._journal = journal
        self._api = f"{url}/api/v1/sites/{site}/{self.place}"
        self.over = False
        # Seconds between a comment and the next.
        self.pause = 0.0
        self._key = key
        self._name = name
        self._count = count
        self._token = token
        self.wrong: list[str] = []

    def run(self) -> None:
        """Post."""
        for number in range(self._count):
            if self.over:
                return
            text = f"{self._name} writes number {number}"
            key = str(uuid.uuid4())
            end = time.monotonic() + 60
            while not self.once(text, key):
                if time.monotonic() > end:
                    self.wrong.append(f"{text}: given up")
                    return
                time.sleep(0.05)
            time.sleep(self.pause)

    def body(self, text: str) -> dict[str, Any]:
        """What is posted."""
        return {"channel": {"key": self._key, "url": "http://localhost/p", "title": ""}, "text": text, "name": "Ann"}

    def once(self, text: str, key: str) -> bool:
        """One attempt; whether it was acknowledged."""
        began = time.monotonic()
        answer = attempt(self._api, "POST", self.body(text), Authorization=f"Bearer {self._token}", Idempotency_Key=key)
        took = time.monotonic() - began
        if answer is None:
            self._journal.write("cut", writer=self._name, took=took)
            return False
        if answer.status == 201:
            told = answer.json()
            sub, _, seq = told["position"].partition("@")
            replayed = answer.headers.get("Idempotent-Replayed") == "true"
            self._journal.write("ack", writer=self._name, id=told[self.member]["id"], sub=sub, seq=int(seq), took=took,
                                began=began, replayed=replayed)  # fmt: skip
            return True
        after = answer.headers.get("Retry-After")
        self._journal.write("refused", writer=self._name, status=answer.status, after=after, took=took)
        if answer.status != 503 or not after:
            self.wrong.append(f"{text}: {answer.status}, Retry-After {after}: {answer.body[:200]!r}")
        return False


class Reader(threading.Thread):
    """A subscriber that comes back by its position whenever it is cut off."""

    kind = ""

    def __init__(self, journal: Journal, port: int, position: str) -> None:
        super().__init__(name=self.kind, daemon=True)
        self.journal = journal
        self.port = port
        self.sub, _, seq = position.partition("@")
        self.seq = int(seq)
        self.over = False
        self.sessions = 0
        self._socket: socket.socket | None = None
        journal.write("reader", reader=self.kind)
        self.start()

    def run(self) -> None:
        """Follow, until told to stop."""
        while not self.over:
            try:
                self.follow()
            except (OSError, http.client.HTTPException, ValueError, EOFError):
                pass
            finally:
                self.close()
            time.sleep(0.05)

    def stop(self) -> None:
        """End; the thread ends with its connection."""
        self.over = True
        self.close()
        self.join(10)

    def close(self) -> None:
        """Close the connection."""
        held, self._socket = self._socket, None
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            held.close()

    def connect(self) -> socket.socket:
        """A connection."""
        self._socket = made = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        return made

    def ask(self, made: socket.socket, path: str, *fields: str) -> Any:
        """Send a GET; gives the connection's file, its status line and head read. Raises ValueError unless 200/101."""
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", ""]
        made.sendall("\r\n".join(lines).encode())
        file = made.makefile("rb")
        status = file.readline().split(b" ")
        if len(status) < 2 or status[1] not in (b"200", b"101"):
            raise ValueError(f"{status!r}")
        while file.readline().strip():
            pass
        return file

    def follow(self) -> None:
        """One connection."""
        raise NotImplementedError

    def beat(self) -> None:
        """A heartbeat came."""

    def take(self, text: bytes) -> None:
        """Note one message."""
        message = json.loads(text)
        if message.get("seq") and message["type"] not in ("recovered", "hello"):
            data = message["data"]
            found = next((data[one]["id"] for one in ("comment", "review") if one in data), data.get("id"))
            self.journal.write("event", reader=self.kind, sub=message["sub"], seq=message["seq"], type=message["type"],
                               id=found)  # fmt: skip
            self.seq = message["seq"]
        elif message["type"] == "recovered" and not message["recovered"]:
            self.journal.write("gap", reader=self.kind, seq=message["seq"])
            self.seq = message["seq"]


class WebSocketReader(Reader):
    """RFC 6455, text frames of any length, pings answered."""

    kind = "websocket"

    def follow(self) -> None:
        """One connection."""
        made = self.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        file = self.ask(
            made, f"/rt/ws?sub={self.sub}@{self.seq}", "Connection: Upgrade", "Upgrade: websocket",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: cackle.v1",
        )  # fmt: skip
        self.sessions += 1
        while True:
            opcode, payload = read_frame(file)
            if opcode == 1:
                self.take(payload)
            elif opcode == 9:
                self.beat()
                made.sendall(client_frame(10, payload))
            elif opcode == 8:
                return


class EventSourceReader(Reader):
    """WHATWG server-sent events; resumes by Last-Event-ID as a browser does."""

    kind = "eventsource"
    last = ""

    def follow(self) -> None:
        """One connection."""
        fields = [f"Last-Event-ID: {self.last}"] if self.last else []
        start = f"{self.sub}@{self.seq}"
        file = self.ask(self.connect(), f"/rt/sse?sub={start}", "Accept: text/event-stream", *fields)
        self.sessions += 1
        ident, data = "", b""
        while True:
            line = file.readline()
            if not line.endswith(b"\n"):
                raise EOFError
            line = line.rstrip(b"\n")
            if not line:
                if ident:
                    self.last = ident
                if data:
                    self.take(data)
                ident, data = "", b""
            elif line.startswith(b"id: "):
                ident = line[4:].decode()
            elif line.startswith(b"data: "):
                data += line[6:]


class PollReader(Reader):
    """Long poll, one connection for many polls."""

    kind = "poll"

    def follow(self) -> None:
        """Polls over one connection until it breaks."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        link.connect()
        self._socket = link.sock
        self.sessions += 1
        cursor = f"{self.sub}@{self.seq}"
        while not self.over:
            link.request("GET", f"/rt/poll?sub={cursor}&wait=2")
            answer = link.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ValueError(str(answer.status))
            told = json.loads(body)
            for one in told["events"]:
                self.take(json.dumps(one).encode())
            (cursor,) = told["cursor"]
            self.seq = int(cursor.partition("@")[2])


READERS = (WebSocketReader, EventSourceReader, PollReader)


def read_frame(file: Any) -> tuple[int, bytes]:
    """One whole frame of a server: opcode and payload."""

    def exactly(count: int) -> bytes:
        data = file.read(count)
        if len(data) != count:
            raise EOFError
        return data

    first, second = exactly(2)
    size = second & 127
    if size == 126:
        size = int.from_bytes(exactly(2), "big")
    elif size == 127:
        size = int.from_bytes(exactly(8), "big")
    return first & 15, exactly(size)


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame of at most 125 bytes."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index & 3] for index, byte in enumerate(payload))
    return bytes((0x80 | opcode, 0x80 | len(payload))) + mask + masked
