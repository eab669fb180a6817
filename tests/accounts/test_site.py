"""A site's settings, keys and log over the API."""

from __future__ import annotations

import csv
import json
import time
from typing import Any

import jwt

from cackled.accounts.api import settings
from cackled.domain.audit import Audit
from tests.api.common import Answer, ApiCase
from tests.support.staff import StaffClient, sign_in, site_key


class SettingsTests(ApiCase):
    """The document and its version."""

    async def read(self, who: StaffClient, site: int = 1) -> Answer:
        """The document."""
        return await who.ask("GET", f"/api/v1/sites/{site}/settings")

    async def change(self, who: StaffClient, body: Any, tag: str | None, site: int = 1) -> Answer:
        """Change some of it."""
        return await who.ask("PATCH", f"/api/v1/sites/{site}/settings", body, if_match=tag)

    async def test_change(self) -> None:
        """Name, origins and settings change together; the daemon goes by them at once, and the log says what, not
        how."""
        ann = await sign_in(self, "admin")
        seen = await self.read(ann)
        body = {
            "name": "Uno", "origins": ["one.example", "HTTPS://Other.example"],
            "settings": {"comments.max_length": 77, "typing": False, "webhook_secret": "geheim"},
        }  # fmt: skip
        changed = await self.change(ann, body, seen.headers["etag"])
        self.assertEqual(changed.status, 200, changed)
        self.assertNotEqual(changed.headers["etag"], seen.headers["etag"])
        told = changed.json()
        self.assertEqual((told["name"], told["origins"]), ("Uno", ["https://other.example", "one.example"]))
        self.assertEqual(told["settings"]["comments.max_length"], 77)
        self.assertIs(told["settings"]["webhook_secret"], True)
        self.assertNotIn(b"geheim", changed.raw)
        site = self.site
        self.assertEqual((site.name, site.settings.typing, site.settings.webhook_secret), ("Uno", False, "geheim"))
        self.assertTrue(site.allows_origin("https://other.example"))
        (row,) = await Audit(site, self.application.database).entries()
        self.assertEqual((row.actor, row.action), (f"account:{ann.account}", "settings.changed"))
        self.assertNotIn("geheim", str(row))
        # Null is the default again, and the rest stays.
        tag = changed.headers["etag"]
        again = (await self.change(ann, {"settings": {"comments.max_length": None}}, tag)).json()
        self.assertEqual(again["settings"]["typing"], False)
        self.assertNotEqual(again["settings"]["comments.max_length"], 77)

    async def test_two_at_once(self) -> None:
        """Of two who saw the same, one is told that it changed; nothing of the other's is lost."""
        ann, bob = await sign_in(self, "admin"), await sign_in(self, "owner")
        tag = (await self.read(ann)).headers["etag"]
        self.assertEqual((await self.change(ann, {"name": "A"}, tag)).status, 200)
        self.assertEqual((await self.change(bob, {"name": "B"}, tag)).slug, "outdated")
        self.assertEqual((await self.change(bob, {"name": "B"}, None)).slug, "if-match")
        for tag in ("*", "x", '"x"', '"99"', '"1", "2"'):
            self.assertEqual((await self.change(bob, {"name": "B"}, tag)).slug, "outdated")
        # What an operator changes counts as well.
        tag = (await self.read(ann)).headers["etag"]
        await self.application.sites.add_origin(1, "third.example")
        self.assertEqual((await self.change(ann, {"name": "C"}, tag)).slug, "outdated")
        tag = (await self.read(ann)).headers["etag"]
        await self.application.sites.change(1, "typing", False)
        self.assertEqual((await self.change(ann, {"name": "C"}, tag)).slug, "outdated")

    async def test_bad(self) -> None:
        """What can't be used is refused, and nothing of it is done."""
        ann = await sign_in(self, "admin")
        before = await self.read(ann)
        tag = before.headers["etag"]
        for body in (
            {"name": ""}, {"name": "x" * 300}, {"name": 7}, {"origins": ["null"]}, {"origins": [""]},
            {"origins": ["x.example"] * 101}, {"settings": {"nonsense": 1}}, {"settings": {"typing": "maybe"}},
            {"settings": {"comments.max_length": "many"}}, {"settings": {"comments.max_length": -1}},
            {"settings": {"webhook_url": "http://127.0.0.1/x"}}, {"settings": {"webhook_url": "gopher://x.y"}},
            {"settings": {"channel_secret": "short"}}, {"settings": {"typing": False, "presence": 3}},
            {"colour": "red"}, {"origins": ["*"]}, {"settings": {"moderator_email": "x\ny"}},
            {"settings": {"webhook_secret": "a\x07b"}}, {"settings": []},
        ):  # fmt: skip
            answer = await self.change(ann, body, tag)
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), body)
        self.assertEqual((await self.read(ann)).body, before.body)

    async def test_rights(self) -> None:
        """Moderators and operators change nothing; a key needs the scope, and sets no secrets."""
        for role in ("moderator", "operator", "analyst"):
            who = await sign_in(self, role)
            self.assertEqual((await self.change(who, {"name": "X"}, '"1"')).slug, "role")
        reader, writer = await site_key(self, ["read"], name="r"), await site_key(self, ["sync"], name="s")
        tag = (await self.read(reader)).headers["etag"]
        self.assertEqual((await self.change(reader, {"name": "X"}, tag)).slug, "role")
        self.assertEqual((await self.change(writer, {"settings": {"channel_secret": ""}}, tag)).slug, "role")
        self.assertEqual((await self.change(writer, {"name": "X"}, tag)).status, 200)


class KeyTests(ApiCase):
    """Keys of a site."""

    async def make(self, who: StaffClient, **body: Any) -> Answer:
        """A new key."""
        return await who.ask("POST", "/api/v1/sites/1/keys", {"scopes": ["read"], **body})

    async def test_life(self) -> None:
        """Shown once, used, rotated with an overlap, ended; two of a name at a time."""
        ann = await sign_in(self, "admin")
        made = (await self.make(ann)).json()
        stored = str(self.sql("select * from catalog.site_key"))
        self.assertNotIn(made["key"], stored)
        server = StaffClient(self, 0, "", {"authorization": f"Bearer {made['key']}"})
        self.assertEqual((await server.ask("GET", "/api/v1/sites/1/settings")).status, 200)
        (shown,) = (await ann.ask("GET", "/api/v1/sites/1/keys")).json()["keys"]
        self.assertEqual((shown["id"], shown["hint"]), (made["id"], made["key"][-4:]))
        self.assertIsNotNone(shown["used"])
        second = (await ann.ask("POST", f"/api/v1/sites/1/keys/{made['id']}/rotate", {})).json()
        self.assertEqual((await self.make(ann)).slug, "keys")
        self.assertEqual((await self.make(ann, name="another")).status, 201)
        # The old one goes on for a while.
        self.assertEqual((await server.ask("GET", "/api/v1/sites/1/settings")).status, 200)
        self.assertEqual((await ann.ask("DELETE", f"/api/v1/sites/1/keys/{made['id']}")).status, 204)
        self.assertEqual((await server.ask("GET", "/api/v1/sites/1/settings")).slug, "bad-key")
        self.assertEqual((await ann.ask("DELETE", f"/api/v1/sites/1/keys/{made['id']}")).slug, "not-found")
        server = StaffClient(self, 0, "", {"authorization": f"Bearer {second['key']}"})
        self.assertEqual((await server.ask("GET", "/api/v1/sites/1/settings")).status, 200)
        actions = [row.action for row in await Audit(self.site, self.application.database).entries()]
        self.assertEqual(actions, ["key.ended", "key.made", "key.rotated", "key.made"])

    async def test_signing(self) -> None:
        """What a site signs with is kept for the scope sso alone, and gone when the key is."""
        ann = await sign_in(self, "owner")
        made = (await self.make(ann, scopes=["sso"])).json()
        self.assertEqual(self.sql("select secret from catalog.site_key"), [(made["key"],)])
        claims = {"aud": "site:1", "sub": "u1", "name": "Una", "iat": time.time(), "exp": time.time() + 60}
        signed = {"sso": jwt.encode(claims, made["key"], algorithm="HS256")}
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/sessions", signed)).status, 201)
        # Another site's, or one for something else, signs nothing.
        other = (await site_key(self, ["sso"], site=2)).headers["authorization"].removeprefix("Bearer ")
        reads = (await site_key(self, ["read"])).headers["authorization"].removeprefix("Bearer ")
        for key in (other, reads):
            forged = {"sso": jwt.encode(claims, key, algorithm="HS256")}
            self.assertEqual((await self.ask("POST", "/api/v1/sites/1/sessions", forged)).slug, "bad-statement")
        await ann.ask("DELETE", f"/api/v1/sites/1/keys/{made['id']}")
        self.assertEqual(self.sql("select secret from catalog.site_key where id = %s", int(made["id"])), [(None,)])
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/sessions", signed)).slug, "bad-statement")

    async def test_bad(self) -> None:
        """Scopes that there are not, names that are too long; nothing by whoever signed in long ago, or with a key."""
        ann = await sign_in(self, "admin")
        for body in ({"scopes": []}, {"scopes": ["root"]}, {"scopes": "read"}, {"name": "x" * 100}, {"scopes": [1]}):
            self.assertEqual((await self.make(ann, **body)).slug, "bad-field", body)
        self.sql("update catalog.account_session set fresh_at = now() - interval '1 hour'")
        self.assertEqual((await self.make(ann)).slug, "not-fresh")
        key = await site_key(self, ["read", "sync", "moderate", "sso"])
        self.assertEqual((await self.make(key)).slug, "role")
        other = await site_key(self, ["read"], site=2)
        self.assertEqual((await other.ask("GET", "/api/v1/sites/1/settings")).slug, "bad-key")


class AuditTests(ApiCase):
    """The log."""

    async def test_pages(self) -> None:
        """By cursor, by actor, by action, by target."""
        ann = await sign_in(self, "analyst")
        for n in range(7):
            action = "comment.approved" if n % 2 else "ban.added"
            self.sql(f"select record_audit(1, 'account:{n % 3}', '', %s, 'comment:{n}')", action)
        path = "/api/v1/sites/1/audit?size=3"
        first = (await ann.ask("GET", path)).json()
        second = (await ann.ask("GET", f"{path}&before={first['next']}")).json()
        third = (await ann.ask("GET", f"{path}&before={second['next']}")).json()
        targets = [row["target"] for page in (first, second, third) for row in page["entries"]]
        self.assertEqual(targets, [f"comment:{n}" for n in reversed(range(7))])
        self.assertIsNone(third["next"])
        for query, count in (("action=comment", 3), ("action=comm", 0), ("actor=account:0", 3), ("target=comment:5", 1),
                             ("action=ban.added", 4), ("action=%25", 0)):  # fmt: skip
            self.assertEqual(len((await ann.ask("GET", f"/api/v1/sites/1/audit?{query}")).json()["entries"]), count)
        operator = await sign_in(self, "operator")
        self.assertEqual((await operator.ask("GET", path)).slug, "role")

    async def test_export(self) -> None:
        """As CSV that no spreadsheet runs, and as JSON Lines; in parts where there is much."""
        ann = await sign_in(self, "admin")
        self.patch(settings, "MOST_EXPORTED", 2)
        for n in range(3):
            self.sql("select record_audit(1, 'account:1', '=cmd(),\"x\"', 'ban.added', %s)", f"comment:{n}")
        path = "/api/v1/sites/1/audit"
        first = await ann.ask("GET", f"{path}/csv")
        rows = list(csv.reader(first.body.decode().splitlines()))
        self.assertEqual(rows[0], ["id", "at", "actor", "name", "action", "target", "detail"])
        self.assertEqual([(row[3], row[5]) for row in rows[1:]], [("'=cmd(),\"x\"", "comment:2"),
                                                                ("'=cmd(),\"x\"", "comment:1")])  # fmt: skip
        more = await ann.ask("GET", f"{path}/jsonl?before={first.headers['x-cackled-next']}")
        self.assertEqual([json.loads(line)["target"] for line in more.body.splitlines()], ["comment:0"])
        self.assertNotIn("x-cackled-next", more.headers)
        self.assertIn('filename="audit-1.jsonl"', more.headers["content-disposition"])
        self.assertEqual((await ann.ask("GET", f"{path}/csv?before=x")).slug, "bad-field")
        analyst = await sign_in(self, "analyst")
        self.assertEqual((await analyst.ask("GET", f"{path}/csv")).slug, "role")
