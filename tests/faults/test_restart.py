"""The daemon dies, or its clients' connections do, in the middle of writes."""

from __future__ import annotations

import json
import signal
import socket
import struct
import time
import uuid

import psycopg2

from tests.support.client import Answer
from tests.support.faults import KEY, SUB, FaultCase
from tests.support.journal import comments


class RestartTests(FaultCase):
    """What was acknowledged outlives the daemon; what was not is written once when it is sent again."""

    def post(self, text: str, key: str) -> Answer:
        """One comment with an idempotency key."""
        return self.visitor.post(KEY, text, Idempotency_Key=key)

    def test_killed_in_the_middle_of_a_stream(self) -> None:
        """SIGKILL of the daemon under four writers, twice; subscribers resume by position over the restart."""
        daemon = self.run_daemon()
        self.follow()
        writers = self.writers(4, 40)
        recovered = []
        for acks in (30, 90):
            self.wait_acks(acks)
            killed = time.monotonic()
            daemon.kill()
            daemon.start()
            recovered.append(self.recovery(killed))
        figures = self.finish(writers)
        for reader in self.readers:
            self.assertGreaterEqual(reader.sessions, 3, reader.kind)
        self.tell(**figures, recovery=max(recovered))

    def test_killed_between_two_posts(self) -> None:
        """The answer to the first is repeated after the restart, with the old token; the second is the next number."""
        daemon = self.run_daemon()
        self.follow()
        first = self.post("before", "first-key")
        self.assertEqual(first.status, 201)
        daemon.kill()
        daemon.start()
        again = self.post("before", "first-key")
        self.assertEqual((again.status, again.headers.get("Idempotent-Replayed")), (201, "true"))
        self.assertEqual(again.json()["comment"]["id"], first.json()["comment"]["id"])
        second = self.post("after", "second-key")
        self.assertEqual(second.json()["position"], f"{SUB}@{int(first.json()['position'].partition('@')[2]) + 1}")
        self.assertEqual(len(comments(daemon.url, KEY)), 2)
        self.journal.wait_readers(self, SUB, int(second.json()["position"].partition("@")[2]))
        self.assert_quiet_log()

    def test_killed_after_the_commit_and_before_the_answer(self) -> None:
        """The row is there, nobody was told: the retry after the restart gets that very comment."""
        daemon = self.run_daemon()
        self.follow()
        self.assertEqual(self.post("makes the channel", str(uuid.uuid4())).status, 201)
        folder = daemon.data().parent / "run"
        link = psycopg2.connect(host=str(folder), port=5432, user="cackled", dbname="cackled")
        self.addCleanup(link.close)
        cursor = link.cursor()
        # The statement waits for the channel's row, the daemon stops, the row is let go: PostgreSQL commits alone.
        cursor.execute("select 1 from channel where key = %s for update", (KEY,))
        self.assertEqual(cursor.rowcount, 1)
        held = send(daemon.port, self.visitor.token, "committed and not told", "lost-answer")
        watch = psycopg2.connect(host=str(folder), port=5432, user="cackled", dbname="cackled")
        self.addCleanup(watch.close)
        watch.autocommit = True
        look = watch.cursor()
        self.wait(look, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
        daemon.signal(signal.SIGSTOP)
        link.rollback()
        self.wait(look, "select count(*) from comment where html like '%committed and not told%'")
        link.close()
        watch.close()
        daemon.kill()
        held.settimeout(10)
        try:
            self.assertEqual(held.recv(1), b"")
        except ConnectionResetError:
            pass
        held.close()
        daemon.start()
        again = self.post("committed and not told", "lost-answer")
        self.assertEqual((again.status, again.headers.get("Idempotent-Replayed")), (201, "true"))
        texts = [one["html"] for one in comments(daemon.url, KEY)]
        self.assertEqual(len([text for text in texts if "committed and not told" in text]), 1)
        self.journal.wait_readers(self, SUB, int(again.json()["position"].partition("@")[2]))
        self.assert_quiet_log()

    def wait(self, cursor: psycopg2.extensions.cursor, query: str) -> None:
        """Wait until the count is not 0."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
        self.fail(query)

    def test_connection_cut_inside_a_write(self) -> None:
        """A client that is gone before the answer and asks again with its key gets one comment, whoever was faster."""
        daemon = self.run_daemon()
        self.follow()
        replayed = 0
        for number in range(40):
            key, text = str(uuid.uuid4()), f"cut off number {number}"
            held = send(daemon.port, self.visitor.token, text, key)
            time.sleep((number % 8) / 1000)
            if number % 2:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            held.close()
            answer = self.post(text, key)
            self.assertEqual(answer.status, 201, answer.body)
            replayed += answer.headers.get("Idempotent-Replayed") == "true"
            told = answer.json()
            self.journal.write("ack", writer="cut", id=told["comment"]["id"], sub=SUB, replayed=False,
                               seq=int(told["position"].partition("@")[2]))  # fmt: skip
        figures = self.finish([])
        self.assertEqual(figures["acknowledged"], 40)
        self.assertGreater(replayed, 0, "no cut request was ever written: the fault did not strike")
        self.tell(**figures | {"replayed": replayed})


def send(port: int, token: str, text: str, key: str) -> socket.socket:
    """A whole POST on a connection of its own, whose answer is left there."""
    channel = {"key": KEY, "url": "http://localhost/page", "title": KEY}
    body = json.dumps({"channel": channel, "text": text, "name": "Ann", "parent": None}).encode()
    made = socket.create_connection(("127.0.0.1", port), timeout=20)
    made.sendall(
        b"POST /api/v1/sites/1/comments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + f"Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return made
