"""Webhooks over the API: made, changed with If-Match, rotated, tested, replayed; who may."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from cackled.domain.webhook_sending import WebhookSender
from cackled.events import CONFIDENTIAL, PERSONAL
from cackled.features import registry
from tests.api.common import ORIGIN, ApiCase
from tests.support.receiver import Receiver
from tests.support.staff import sign_in, site_key

HOOKS = "/api/v1/sites/1/webhooks"


class WebhookTests(ApiCase):
    toml = '[limits]\nexempt = ["127.0.0.0/8"]\n'

    async def setUp(self) -> None:
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.there = f"http://127.0.0.1:{self.receiver.server_address[1]}/hook"
        self.toml += f"[outbound]\nports = [{self.receiver.server_address[1]}]\nnetworks = ['127.0.0.0/8']\n"
        await super().setUp()
        self.sender = self.application.shared[WebhookSender]

    async def tell(self) -> None:
        """Send what is due."""
        self.sql("update webhook_endpoint set next_at = now(), claimed_until = null")
        await self.sender.run()
        await self.sender.finish()

    async def test_each_type(self) -> None:
        """Each type that can be chosen reaches who chose it, one that takes all but private conversations, and nobody
        of another site."""
        ann = await sign_in(self, "admin")
        types = (await ann.ask("GET", HOOKS)).json()["types"]
        self.assertGreater(len(types), 25)
        await ann.ask("POST", HOOKS, {"url": self.there})
        for number, one in enumerate(types, 1):
            if number % 19 == 0:
                self.sql("delete from webhook_endpoint where types <> '{}'")
            made = await ann.ask("POST", HOOKS, {"url": self.there, "types": [one]})
            self.assertEqual(made.status, 201, made)
            self.sql("select announce(1, 7, %s, %s, '{}', false)", number, one)
            told = self.sql(
                "select d.endpoint_id from webhook_delivery d join webhook_event e on e.id = d.event_id "
                "where e.site_id = 1 and e.type = %s order by 1", one,
            )  # fmt: skip
            expected = [(int(made.json()["id"]),)]
            self.assertEqual(told, expected if one.startswith(CONFIDENTIAL) else [(1,), *expected], one)
            self.sql("select announce(2, 7, %s, %s, '{}', false)", number, one)
        self.assertEqual(self.sql("select count(*) from webhook_event where site_id = 2"), [(0,)])

    async def test_whole(self) -> None:
        """From the address to a signed request, a failure, a dead letter, and sending it again."""
        ann = await sign_in(self, "admin")
        listed = (await ann.ask("GET", HOOKS)).json()
        # Every type of every product that there is.
        for one in registry().events:
            (self.assertNotIn if one.type.startswith(PERSONAL) else self.assertIn)(one.type, listed["types"])
        made = await ann.ask("POST", HOOKS, {"url": self.there, "types": ["comment.created"], "note": "search"})
        self.assertEqual(made.status, 201, made)
        hook, secret = f"{HOOKS}/{made.json()['id']}", made.json()["secret"]
        shown = await ann.ask("GET", hook)
        self.assertNotIn(secret.encode(), shown.raw)
        self.assertEqual(shown.json()["state"], "on")
        # The receiver's first answer is 500.
        tested = (await ann.ask("POST", f"{hook}/test")).json()
        self.assertEqual((tested["ok"], tested["status"]), (False, 500))
        token = await self.visitor()
        posted = await self.ask(
            "POST", "/api/v1/sites/1/comments", {"channel": {"key": "p"}, "text": "hello", "name": "Ann"},
            origin=ORIGIN, authorization=token,
        )  # fmt: skip
        self.assertEqual(posted.status, 201, posted)
        await self.tell()
        headers, body = self.receiver.got[-1]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(base64.b64decode(secret[6:]), signed, "sha256").digest()).decode()
        self.assertEqual(headers["webhook-signature"], f"v1,{wanted}")
        self.assertEqual(json.loads(body)["type"], "comment.created")
        (row,) = (await ann.ask("GET", f"{hook}/deliveries?state=sent")).json()["deliveries"]
        self.assertEqual((row["type"], row["tries"], row["status"]), ("comment.created", 1, 204))
        whole = (await ann.ask("GET", f"{hook}/deliveries/{row['id']}")).json()
        self.assertEqual((whole["data"]["comment"]["html"], len(whole["tries"])), ("<p>hello</p>", 1))
        again = await ann.ask("POST", f"{hook}/deliveries/{row['id']}/replay")
        self.assertEqual(again.json(), {"count": 1})
        await self.tell()
        self.assertEqual(self.receiver.got[-1][0]["webhook-id"], headers["webhook-id"])
        self.assertEqual(len((await ann.ask("GET", f"{hook}/tries")).json()["tries"]), 3)
        page = (await ann.ask("GET", f"{hook}/tries?size=2")).json()
        rest = (await ann.ask("GET", f"{hook}/tries?size=2&cursor={page['next']}")).json()
        self.assertEqual((len(page["tries"]), len(rest["tries"]), rest["next"]), (2, 1, None))
        changed = await ann.ask("PATCH", hook, {"enabled": False}, if_match=shown.headers["etag"])
        self.assertEqual((changed.status, changed.json()["state"]), (200, "off"))
        self.assertEqual((await ann.ask("PATCH", hook, {"note": "x"}, if_match=shown.headers["etag"])).slug, "outdated")
        self.assertEqual((await ann.ask("PATCH", hook, {"note": "x"})).slug, "if-match")
        turned = (await ann.ask("POST", f"{hook}/rotate", {"overlap": 60})).json()
        self.assertNotEqual(turned["secret"], secret)
        self.assertIsNotNone((await ann.ask("GET", hook)).json()["old_secret_until"])
        self.assertEqual((await ann.ask("POST", f"{hook}/replay")).json(), {"count": 0})
        self.assertEqual((await ann.ask("DELETE", hook)).status, 204)
        self.assertEqual((await ann.ask("GET", hook)).slug, "not-found")
        log = json.dumps(self.sql("select action, detail::text from audit"))
        self.assertIn("webhook.rotated", log)
        self.assertNotIn(secret, log)

    async def test_who(self) -> None:
        """Not a moderator, nor somebody of another site; a key by its scope."""
        ann, mod, other = await sign_in(self), await sign_in(self, "moderator"), await sign_in(self, site=2)
        made = (await ann.ask("POST", HOOKS, {"url": self.there})).json()
        hook = f"{HOOKS}/{made['id']}"
        for who in (mod, other):
            self.assertEqual((await who.ask("GET", HOOKS)).slug, "role")
            self.assertEqual((await who.ask("POST", f"{hook}/test")).slug, "role")
        theirs = f"/api/v1/sites/2/webhooks/{made['id']}"
        calls: tuple[tuple[str, str, Any], ...] = (
            ("GET", theirs, None), ("POST", f"{theirs}/test", None), ("POST", f"{theirs}/rotate", None),
            ("DELETE", theirs, None), ("GET", f"{theirs}/tries", None), ("GET", f"{theirs}/deliveries", None),
            ("POST", f"{theirs}/replay", None),
        )  # fmt: skip
        for method, path, body in calls:
            self.assertEqual((await other.ask(method, path, body)).slug, "not-found", path)
        key = await site_key(self, ["read"])
        self.assertEqual((await key.ask("GET", HOOKS)).status, 200)
        self.assertEqual((await key.ask("POST", HOOKS, {"url": self.there})).slug, "role")

    async def test_bad(self) -> None:
        """What can't be used is refused, and says which member."""
        ann = await sign_in(self)
        for body, field in (
            ({"url": "http://10.0.0.1/"}, "url"), ({"url": "javascript:1"}, "url"), ({}, "url"),
            ({"url": self.there, "types": ["x"]}, "types"), ({"url": self.there, "note": "n" * 300}, "note"),
            ({"url": self.there, "types": "all"}, "types"),
        ):  # fmt: skip
            answer = await ann.ask("POST", HOOKS, body)
            self.assertEqual((answer.status, answer.json().get("field")), (400, field), answer)
        for path in ("/abc", "/-1", "/99999999999999999999"):
            self.assertIn((await ann.ask("GET", HOOKS + path)).status, (400, 404))
