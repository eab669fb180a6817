"""A webhook from end to end: the real daemon, a comment, and a receiver that checks the signature."""

from __future__ import annotations

import hmac
import json
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.client import Visitor
from tests.support.daemon import Daemon
from tests.support.receiver import Receiver

SECRET = "a-canary-of-a-secret"


class WebhookTests(SynchronousTestCase):
    def test_signed_and_tried_again(self) -> None:
        """An event comes signed, once more after a failure, with the same id; the secret is in no log."""
        receiver = Receiver()
        self.addCleanup(receiver.close)
        port = receiver.server_address[1]
        daemon = Daemon.for_test(
            self, f"[dns]\nenabled = false\n[outbound]\nports = [{port}]\nnetworks = ['127.0.0.0/8']\n"
        )
        daemon.admin(f"site set 1 webhook_url http://127.0.0.1:{port}/hook")
        daemon.admin(f"site set 1 webhook_secret {SECRET}")
        Visitor(daemon.url).post("page", "tell it")
        end = time.monotonic() + 60
        while len(receiver.got) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertGreaterEqual(len(receiver.got), 2, daemon.log()[-2000:])
        (first, body), (again, same) = receiver.got[:2]
        self.assertEqual((body, first["x-cackle-event-id"]), (same, again["x-cackle-event-id"]))
        signed = hmac.new(SECRET.encode(), first["x-cackle-timestamp"].encode() + b"." + body, "sha256").hexdigest()
        self.assertEqual(first["x-cackle-signature"], f"sha256={signed}")
        told = json.loads(body)
        self.assertEqual((told["type"], told["data"]["comment"]["html"]), ("comment.created", "<p>tell it</p>"))
        while daemon.admin("outbox")["waiting"] and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(daemon.admin("outbox")["waiting"], 0)
        self.assertEqual(daemon.admin("outbox dead"), [])
        self.assertNotIn(SECRET, daemon.log())
