"""Uploads over a bad network, while the daemon is killed: what was acknowledged stays, and the file is the one sent.

Each sender asks how much is here and goes on in a way drawn by chance: cut connections, several writers at once, wrong
places, bodies that are too long or end too soon. PNG has a checksum for each part: a picture with a wrong byte can't be
made.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from tests.media import corpus
from tests.support.client import Visitor
from tests.support.daemon import PATIENCE, Daemon

SENDERS = 6
UPLOADS = "/api/v1/sites/1/uploads"
# What a client is told where it did wrong; 503 while the database comes back.
REFUSED = {400, 408, 409, 413, 503}


class Told(NamedTuple):
    """An answer; status 0: the connection was cut, by us, by the network or by the daemon's end."""

    status: int
    headers: dict[str, str]
    body: bytes


CUT = Told(0, {}, b"")


class Sender:
    """One visitor and one file."""

    def __init__(self, daemon: Daemon, token: str, seed: int) -> None:
        self.daemon = daemon
        self.token = token
        self.chance = random.Random(seed)
        side = self.chance.choice((60, 160, 320))
        self.file = corpus.saved(Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)), "PNG")
        self.seen: Counter[str] = Counter()
        self.acknowledged = 0
        self.place = ""
        self.faults: list[str] = []

    def ask(
        self, method: str, path: str, body: bytes = b"", cut: int | None = None, more: int = 0, chunked: bool = False,
        **headers: int,
    ) -> Told:  # fmt: skip
        """One request on a connection of its own. *cut*: after so many bytes; *more*: bytes announced, but not sent."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}",
                 "Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"]  # fmt: skip
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if method in ("POST", "PATCH"):
            lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body) + more}")
        sent = body if cut is None else body[:cut]
        if chunked:
            sent = b"%x\r\n%b\r\n" % (len(sent), sent) if sent else b""
            sent += b"0\r\n\r\n" if cut is None else b""
        try:
            with socket.create_connection(("127.0.0.1", self.daemon.port), timeout=PATIENCE) as line:
                line.sendall("\r\n".join([*lines, "", ""]).encode() + sent)
                if cut is not None or more:
                    if self.chance.random() < 0.5:
                        # Ended at once, without a word.
                        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return CUT
                with HTTPResponse(line, method=method) as answer:
                    answer.begin()
                    given = {name.lower(): value for name, value in answer.getheaders()}
                    return Told(answer.status, given, answer.read())
        except (OSError, HTTPException):
            time.sleep(0.05)
            return CUT

    def patch(self, at: int, body: bytes, **how: int | None) -> Told:
        """Send a part."""
        return self.ask("PATCH", self.place, body, Upload_Offset=at, **how)  # type: ignore[arg-type]

    def step(self, at: int) -> None:
        """Go on from *at* in some way."""
        rest = self.file[at:]
        way = self.chance.choice(("cut", "chunks", "short", "place", "long", "three", "part", "part"))
        self.seen[way] += 1
        answer, allowed = CUT, False
        if way == "cut":
            answer = self.patch(at, rest, cut=self.chance.randint(0, len(rest)))
        elif way == "chunks":
            answer = self.patch(at, rest, cut=self.chance.randint(0, len(rest)), chunked=True)
        elif way == "short":
            answer = self.patch(at, rest, more=5_000)
        elif way == "place":
            answer = self.patch(at + self.chance.choice((-1, 1, 10**9)), os.urandom(1_000))
        elif way == "long":
            answer = self.patch(at, rest + os.urandom(5_000))
        elif way == "three":
            writers = [threading.Thread(target=self.patch, args=(at, rest)) for _ in range(3)]
            for one in writers:
                one.start()
            for one in writers:
                one.join()
        else:
            size = self.chance.randint(1, len(rest))
            answer, allowed = self.patch(at, rest[:size]), True
            if answer.status == 204:
                self.acknowledged = int(answer.headers["upload-offset"])
                if self.acknowledged != at + size:
                    self.faults.append(f"{self.acknowledged} in place of {at + size}")
        if answer.status == 204 and not allowed:
            self.faults.append(f"{way} was taken")
        elif answer.status not in REFUSED | {0, 204}:
            self.faults.append(f"{way}: {answer}")

    def run(self) -> None:
        """Send the file, until its picture is there."""
        began = time.monotonic()
        made = False
        while not made and not self.faults:
            if time.monotonic() - began > 2 * PATIENCE:
                self.faults.append(f"not whole after {self.seen}")
            elif not self.place:
                self.place = self.ask("POST", UPLOADS, Upload_Length=len(self.file)).headers.get("location", "")
            else:
                told = self.ask("HEAD", self.place)
                if told.status == 200:
                    made = self.go_on(int(told.headers["upload-offset"]))
                elif told.status not in (0, 503):
                    self.faults.append(f"HEAD: {told}")

    def go_on(self, at: int) -> bool:
        """The next step; whether the picture is there."""
        if not self.acknowledged <= at <= len(self.file):
            self.faults.append(f"{at} bytes are here, {self.acknowledged} were acknowledged of {len(self.file)}")
        elif at < len(self.file):
            self.step(at)
        else:
            told = self.ask("GET", self.place)
            if told.status == 200:
                return json.loads(told.body)["media"] is not None
            if told.status not in (0, 503):
                self.faults.append(f"GET: {told}")
        return False


class UploadTests(SynchronousTestCase):
    """Several senders, one daemon."""

    def test_killed(self) -> None:
        """Nothing that was acknowledged is lost, nothing wrong is taken, and the log has no traceback."""
        daemon = Daemon.for_test(self, '[limits]\nexempt = ["127.0.0.0/8"]\n')
        daemon.admin("site set 1 media.pictures yes")
        daemon.admin("site set 1 media.hourly 1000")
        senders = [Sender(daemon, Visitor(daemon.url).token, seed) for seed in range(SENDERS)]
        running = [threading.Thread(target=one.run) for one in senders]
        for one in running:
            one.start()
        while sum(one.acknowledged > 0 for one in senders) < 2 and any(one.is_alive() for one in running):
            time.sleep(0.01)
        daemon.kill()
        daemon.restart()
        for one in running:
            one.join()
        self.assertEqual([one.faults for one in senders], [[]] * SENDERS)
        self.assertNotIn("Traceback", daemon.log())
