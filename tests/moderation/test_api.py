"""The routes of rules and of the filter's figures, and comments that are judged."""

from __future__ import annotations

from typing import Any

from cackled.moderation.dry_run import BATCH
from cackled.moderation.moderation import Moderation
from tests.api.common import ApiCase
from tests.api.test_openapi import check, resolve
from tests.moderation.test_judge import solve
from tests.support.staff import sign_in, site_key

RULES = "/api/v1/sites/1/rules"


class RuleRouteTests(ApiCase):
    async def test_changed(self) -> None:
        """Read, changed by its version, and not by another's."""
        admin = await sign_in(self, "admin")
        answer = await admin.ask("GET", RULES)
        self.assertEqual((answer.status, answer.headers["etag"]), (200, '"0"'))
        rules = answer.json()["rules"]
        rules["words"] = [{"text": "casino", "action": "refuse"}]
        self.assertEqual((await admin.ask("PUT", RULES, rules)).slug, "if-match")
        changed = await admin.ask("PUT", RULES, rules, if_match='"0"')
        self.assertEqual((changed.status, changed.headers["etag"]), (200, '"1"'))
        self.assertEqual(changed.json()["by"], f"account:{admin.account}")
        audited = self.sql("select actor, action, detail::text from audit where action = 'rules.changed'")
        self.assertEqual(audited, [(f"account:{admin.account}", "rules.changed", '{"version": 1}')])
        for wrong in ('"0"', '"x"', "*", '"99999999999999999999"', ""):
            self.assertEqual((await admin.ask("PUT", RULES, rules, if_match=wrong)).status, 412, wrong)
        auth = await self.visitor()
        refused = await self.ask("POST", "/api/v1/sites/1/comments", self.comment("casino"), authorization=auth)
        self.assertEqual((refused.status, refused.slug, refused.json()["reason"]), (422, "rule", "word"))

    async def test_bad(self) -> None:
        """What can't be used is refused, with its place; nothing changes."""
        admin = await sign_in(self, "admin")
        for body in (
            {"first": -1}, {"nonsense": 1}, {"patterns": [{"pattern": "("}]}, {"words": [{"text": "**"}]},
            {"languages": ["xx"]}, {"spam": {"hold_at": 2}}, [], "x", None, {"words": [{"text": "x" * 101}]},
        ):  # fmt: skip
            answer = await admin.ask("PUT", RULES, body, if_match='"0"')
            self.assertIn(answer.status, (400, 422), body)
            self.assertTrue(answer.slug)
        self.assertEqual((await admin.ask("GET", RULES)).headers["etag"], '"0"')

    async def test_secrets(self) -> None:
        """Nobody reads a secret, and it stays."""
        admin = await sign_in(self, "admin")
        hook = {"url": "https://a.example", "secret": "canary-0123456789"}
        await admin.ask("PUT", RULES, {"webhook": hook}, if_match='"0"')
        answer = await admin.ask("GET", RULES)
        self.assertNotIn(b"canary", answer.raw)
        self.assertEqual((await admin.ask("PUT", RULES, answer.json()["rules"], if_match='"1"')).status, 200)
        self.assertIn("canary", self.sql("select rules from moderation_rules")[0][0])

    async def test_rights(self) -> None:
        """Moderators read and try, admins change; others, and those of another site, get nothing."""
        for role, reads, tries, changes, figures in (
            ("owner", 200, 200, 200, 200), ("moderator", 200, 200, 403, 200), ("operator", 403, 403, 403, 403),
            ("analyst", 403, 403, 403, 200),
        ):  # fmt: skip
            client = await sign_in(self, role)
            self.assertEqual((await client.ask("GET", RULES)).status, reads, role)
            self.assertEqual((await client.ask("POST", f"{RULES}/dry-run", {"rules": {}})).status, tries, role)
            self.assertEqual((await client.ask("GET", "/api/v1/sites/1/moderation/spam")).status, figures, role)
            self.assertEqual((await client.ask("PUT", RULES, {}, if_match='"0"')).status, changes, role)
        stranger = await sign_in(self, "owner", site=2)
        key = await site_key(self, ["moderate"], site=2)
        for client in (stranger, key):
            for method, path, body in (
                ("GET", RULES, None), ("PUT", RULES, {}), ("POST", f"{RULES}/dry-run", {"rules": {}}),
                ("GET", "/api/v1/sites/1/moderation/spam", None),
            ):  # fmt: skip
                self.assertIn((await client.ask(method, path, body, if_match='"1"')).status, (401, 403), path)
        self.assertEqual((await self.ask("GET", RULES)).status, 401)
        own = await site_key(self, ["moderate"])
        version = (await own.ask("GET", RULES)).headers["etag"]
        self.assertEqual((await own.ask("PUT", RULES, {"links": 1}, if_match=version)).status, 200)
        self.assertEqual((await own.ask("POST", f"{RULES}/dry-run", {"rules": {}})).status, 200)
        self.assertEqual(self.sql("select actor from audit where action = 'rules.changed' order by id desc limit 1"),
                         [((await own.ask("GET", RULES)).json()["by"],)])  # fmt: skip

    async def test_described(self) -> None:
        """The answers are as the description says."""
        document = (await self.ask("GET", "/api/v1/openapi.json")).json()
        owner = await sign_in(self, "owner")
        for path, method, address, body in (
            ("/sites/{site}/rules", "get", RULES, None),
            ("/sites/{site}/rules", "put", RULES, {"first": 1, "links": 3}),
            ("/sites/{site}/rules", "put", RULES, {"first": 1}),
            ("/sites/{site}/rules/dry-run", "post", f"{RULES}/dry-run", {"rules": {"first": 1}}),
            ("/sites/{site}/moderation/spam", "get", "/api/v1/sites/1/moderation/spam", None),
        ):
            answer = await owner.ask(method.upper(), address, body, if_match='"0"')
            told = document["paths"][path][method]["responses"][str(answer.status)]
            told = resolve(document, told["$ref"]) if "$ref" in told else told
            ((_, content),) = told["content"].items()
            self.assertEqual(check(document, content["schema"], answer.json()), [], (path, method))


class DryRunTests(ApiCase):
    async def run_all(self, client: Any, rules: dict[str, Any]) -> list[dict[str, Any]]:
        """All batches."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = await client.ask("POST", f"{RULES}/dry-run", {"rules": rules, "cursor": cursor})
            self.assertEqual(answer.status, 200, answer)
            found.append(answer.json())
            cursor = found[-1]["cursor"]
        return found

    async def test_would(self) -> None:
        """What rules would have done, by rule; nothing is changed."""
        auth, bob = await self.visitor(), await self.visitor()
        for text in ("hello", "casino one", "CASINO two", "https://a.example"):
            await self.post(auth, text)
        await self.post(bob, "hi all")
        moderator = await sign_in(self, "moderator")
        (found,) = await self.run_all(moderator, {"words": [{"text": "casino", "action": "spam"}], "links": 0})
        self.assertEqual((found["total"], found["looked"], found["acted"]), (5, 5, 3))
        self.assertEqual((found["marks"], found["states"]), ({"word": 2, "link": 1}, {"spam": 2, "hold": 1}))
        self.assertEqual((found["words"], len(found["examples"])), ({"casino": 2}, 3))
        (found,) = await self.run_all(moderator, {"first": 1})
        self.assertEqual((found["acted"], found["marks"]), (2, {"first": 2}))
        (found,) = await self.run_all(moderator, {"moderation": "pre", "trusted_after": 2})
        self.assertEqual(found["acted"], 3)
        self.assertEqual(self.sql("select count(*) from comment where status <> 1"), [(0,)])
        self.assertEqual(self.sql("select count(*) from moderation_rules"), [(0,)])

    async def test_batches(self) -> None:
        """A batch at a time; what is older than thirty days, or of another site, is not looked at."""
        auth = await self.visitor()
        await self.post(auth, "casino")
        self.sql(
            "insert into comment (id, site_id, channel_id, root_id, visitor_id, depth, author_name, src, html) "
            "select c.id + n * 4096, 1, c.channel_id, c.id, 7, 0, 'x', 'casino ' || n, '<p>casino</p>' "
            "from comment c, generate_series(1, %s) n",
            BATCH + 20,
        )
        self.sql(
            "insert into comment (id, site_id, channel_id, root_id, visitor_id, depth, author_name, src, html) "
            "select c.id - (40::bigint * 86400 * 1000000 << 12), 1, c.channel_id, c.id, 7, 0, 'x', 'casino', 'casino' "
            "from comment c order by id limit 1"
        )
        self.sql(
            "insert into comment (id, site_id, channel_id, root_id, visitor_id, depth, author_name, src, html) "
            "select id, 2, channel_id, root_id, 7, 0, 'x', 'casino canary', 'casino' from comment where site_id = 1"
        )
        moderator = await sign_in(self, "moderator")
        found = await self.run_all(moderator, {"words": [{"text": "casino"}]})
        self.assertEqual([one["batch"] for one in found], [BATCH, 21])
        self.assertEqual(sum(one["acted"] for one in found), BATCH + 21)
        self.assertEqual((found[-1]["looked"], found[-1]["total"]), (BATCH + 21, BATCH + 21))

    async def test_cursor(self) -> None:
        """A cursor that is none of ours is refused."""
        moderator = await sign_in(self, "moderator")
        for cursor in (
            "x", "1.2", "9.0.0.0.0", "0.0.99999999.0.0", "0.a.0.0.0", "0.0.0.0.0.0", "é.0.0.0.0", "-1.0.0.0.0",
        ):  # fmt: skip
            answer = await moderator.ask("POST", f"{RULES}/dry-run", {"rules": {}, "cursor": cursor})
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), cursor)


class ProofRouteTests(ApiCase):
    async def test_proof(self) -> None:
        """A stranger gets a challenge as a problem document, and is let in with the answer."""
        admin = await sign_in(self, "admin")
        await admin.ask("PUT", RULES, {"spam": {"proof": "strangers"}}, if_match='"0"')
        auth = await self.visitor()
        sent = self.comment("hello there")
        answer = await self.ask("POST", "/api/v1/sites/1/comments", sent, authorization=auth, idempotency_key="k")
        self.assertEqual((answer.status, answer.slug), (428, "proof-needed"))
        sent["proof"] = solve(answer.json())
        for _ in range(2):
            answer = await self.ask("POST", "/api/v1/sites/1/comments", sent, authorization=auth, idempotency_key="k")
            self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.sql("select count(*) from comment"), [(1,)])

    async def test_trap(self) -> None:
        """What a machine fills in is spam; the machine is told nothing of it."""
        auth = await self.visitor()
        sent = {**self.comment("hello there"), "website": "https://a.example", "seconds": 12.5}
        answer = await self.ask("POST", "/api/v1/sites/1/comments", sent, authorization=auth)
        self.assertEqual(answer.status, 201)
        self.assertEqual(self.sql("select status from comment"), [(2,)])
        for wrong in ({"website": "x" * 3000}, {"seconds": -1}, {"seconds": "x"}, {"proof": 5}, {"proof": "x" * 999}):
            answer = await self.ask("POST", "/api/v1/sites/1/comments", {**sent, **wrong}, authorization=auth)
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), wrong)


class PartTests(ApiCase):
    async def test_there(self) -> None:
        """The daemon judges with one set of parts."""
        made = self.application.shared[Moderation]
        self.assertEqual(made.store.waited, 0)
        await self.post(await self.visitor(), "hello")
        await self.post(await self.visitor(), "hello again")
        self.assertEqual(made.store.waited, 1)
