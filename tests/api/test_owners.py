"""What programs of owners rely on: RateLimit fields, calls that are done once, cursors, conditional changes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.trial.unittest import SynchronousTestCase

import cackled
from cackled.api.route import Caller
from cackled.domain.replays import Kept, Once
from tests.api.common import ORIGIN, TABLE, ApiCase
from tests.support.staff import sign_in, site_key

# Lists that can't grow: the number of what they list is bounded where it is made, or they say of a fixed number of last
# things.
BOUNDED = frozenset((
    "accountHistory", "countComments", "getPollResults", "getStatistics", "listBlocks", "listFactors", "listFollows",
    "listChatMacros",
    "listChatReplies", "listDepartments", "listHosts", "listKeys", "listLately", "listMembers", "listReviewSignals",
    "listReviewVersions",
    "listMailTemplates", "listSessions", "listShareAccounts", "listShares", "listSignInProviders",
    "listSsoRefusals", "listTopProducts", "listWarnings", "listWaysToSignIn", "listWebhooks", "showUsage",
))  # fmt: skip
CURSORS = frozenset(("cursor", "before", "after", "offset"))
NOTES = "/api/v1/sites/1/moderation/authors/{}/notes"


class RateLimitTests(ApiCase):
    toml = (
        '[limits]\n[limits.calls."comments.preview"]\nrate = 0.5\nburst = 4\n'
        '[limits.calls.staff]\nrate = 1\nburst = 3\n[http]\ntrusted_proxies = ["127.0.0.0/8"]\n'
    )

    async def test_fields(self) -> None:
        """What is left counts down to nothing, of this caller alone; pages can read it; a refusal says it too."""
        token = await self.visitor()

        async def preview(address: str) -> Any:
            return await self.ask(
                "POST", "/api/v1/sites/1/comments/preview", {"text": "x"}, authorization=token, origin=ORIGIN,
                x_forwarded_for=address,
            )  # fmt: skip

        for left in (3, 2, 1, 0, 0):
            answer = await preview("192.0.2.1")
            self.assertEqual(answer.headers["ratelimit-policy"], '"comments.preview";q=4;w=8')
            self.assertRegex(answer.headers["ratelimit"], rf'^"comments.preview";r={left};t=[1-8]$')
        self.assertEqual(answer.status, 429)
        self.assertIn("ratelimit-policy", answer.headers["access-control-expose-headers"])
        self.assertIn(";r=3;", (await preview("192.0.2.9")).headers["ratelimit"])

    async def test_staff(self) -> None:
        """Calls of staff too; whoever is exempt is told nothing."""
        ann = await sign_in(self)
        answer = await ann.ask("GET", "/api/v1/sites/1/settings")
        self.assertRegex(answer.headers["ratelimit"], r'^"staff";r=[0-2];t=[1-3]$')


class OnceTests(ApiCase):
    """Idempotency-Key, on calls of all kinds."""

    async def visitor_number(self) -> str:
        token = await self.visitor()
        body = {"channel": {"key": "p"}, "text": "hello", "name": "Ann"}
        posted = await self.ask("POST", "/api/v1/sites/1/comments", body, origin=ORIGIN, authorization=token)
        return str(posted.json()["comment"]["author"]["id"])

    async def test_again(self) -> None:
        """The same call is answered as before, byte for byte, and done once; another call with that key is refused."""
        ann, ben = await sign_in(self), await sign_in(self)
        path = NOTES.format(await self.visitor_number())
        first = await ann.ask("POST", path, {"text": "secret note"}, idempotency_key="k-1")
        again = await ann.ask("POST", path, {"text": "secret note"}, idempotency_key="k-1")
        self.assertEqual((first.status, again.status, again.body), (201, 201, first.body))
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertNotIn("idempotent-replayed", first.headers)
        self.assertEqual(self.sql("select count(*) from author_note"), [(1,)])
        other = await ann.ask("POST", path, {"text": "another"}, idempotency_key="k-1")
        self.assertEqual((other.status, other.slug), (422, "key-reused"))
        # A colleague's key is another.
        self.assertEqual((await ben.ask("POST", path, {"text": "secret note"}, idempotency_key="k-1")).status, 201)
        self.assertEqual(self.sql("select count(*) from author_note"), [(2,)])
        bad = await ann.ask("POST", path, {"text": "x"}, idempotency_key="k" * 65)
        self.assertEqual(bad.slug, "bad-field")

    async def test_refused(self) -> None:
        """What was refused may be made right with the same key."""
        ann = await sign_in(self)
        hook = "/api/v1/sites/1/webhooks"
        bad = await ann.ask("POST", hook, {"url": "http://10.0.0.1/"}, idempotency_key="k")
        self.assertEqual(bad.status, 400)
        good = await ann.ask("POST", hook, {"url": "https://a.example/"}, idempotency_key="k")
        again = await ann.ask("POST", hook, {"url": "https://a.example/"}, idempotency_key="k")
        self.assertEqual((good.status, again.body), (201, good.body))
        # A secret that was answered stands nowhere.
        stored = b"".join(bytes(row[0]) for row in self.sql("select answer from idempotent_call"))
        self.assertNotIn(good.json()["secret"].encode(), stored)
        self.assertNotIn(b"whsec", stored)

    async def test_together(self) -> None:
        """Many at once: it is done once; the others get the answer, or are told that it is under way."""
        ann = await sign_in(self)
        path = NOTES.format(await self.visitor_number())
        calls = [
            Deferred.fromCoroutine(ann.ask("POST", path, {"text": "once"}, idempotency_key="same")) for _ in range(8)
        ]
        answers = [answer for _, answer in await DeferredList(calls)]
        self.assertEqual(self.sql("select count(*) from author_note"), [(1,)])
        self.assertTrue({one.status for one in answers} <= {201, 409}, answers)
        self.assertIn(201, {one.status for one in answers})
        for one in answers:
            if one.status == 409:
                self.assertEqual((one.slug, one.headers["retry-after"]), ("under-way", "2"))

    async def test_visitors(self) -> None:
        """Small writes of visitors take a key too."""
        token = await self.visitor()
        body = {"channel": {"key": "p"}, "text": "hello", "name": "Ann"}
        posted = await self.ask("POST", "/api/v1/sites/1/comments", body, origin=ORIGIN, authorization=token)
        path = f"/api/v1/sites/1/comments/{posted.json()['comment']['id']}"
        for replayed in (None, "true"):
            answer = await self.ask(
                "DELETE", path, origin=ORIGIN, authorization=token, idempotency_key="gone"
            )
            self.assertEqual((answer.status, answer.headers.get("idempotent-replayed")), (200, replayed))

    async def test_tenants(self) -> None:
        """One key of a server on two sites: two calls."""
        for site in (1, 2):
            key = await site_key(self, ["sync"], site=site)
            made = await key.ask(
                "POST", f"/api/v1/sites/{site}/webhooks", {"url": "https://a.example/"}, idempotency_key="k"
            )
            self.assertEqual(made.status, 201)
        self.assertEqual(self.sql("select count(distinct site_id) from webhook_endpoint"), [(2,)])

    def test_sealed(self) -> None:
        """Without the caller's token, or with another key, what is stored can't be read."""
        kept = Kept(201, [(b"etag", b'"1"')], b"words")
        stored = Once("token", "key", b"call").sealed(kept, b"n" * 12)
        self.assertEqual(Once("token", "key", b"other call").opened(stored), kept)
        for caller, key in (("other", "key"), ("token", "other")):
            self.assertIsNone(Once(caller, key, b"call").opened(stored))
        self.assertIsNone(Once("token", "key", b"call").opened(stored[:-1]))


class DeclarationTests(SynchronousTestCase):
    """What follows from the table of routes."""

    def test_cursors(self) -> None:
        """Every list that can grow is read in parts."""
        for route in TABLE.routes:
            fields = getattr(route.answer, "__struct_fields__", ())
            hints = getattr(route.answer, "__annotations__", {})
            lists = [one for one in fields if "list[" in str(hints.get(one, "")) or "tuple[" in str(hints.get(one, ""))]
            if route.method != "GET" or not lists or route.name in BOUNDED or "list" not in route.name.lower():
                continue
            query = route.query.__struct_fields__ if route.query is not None else ()
            self.assertTrue(CURSORS & set(query), f"{route.name} lists {lists}, and takes no cursor")

    def test_idempotency(self) -> None:
        """Every call that changes something takes a key; but those that sign in or resume, and opening a session."""
        for route in TABLE.routes:
            if route.method != "GET" and not (route.replayed or route.idempotent):
                self.assertTrue(
                    # Who comes by a link is nobody yet.
                    route.path.startswith("/auth/") or route.caller in (Caller.ANYONE, Caller.OWN_PAGE, Caller.VISITOR),
                    route.name,
                )

    def test_panel(self) -> None:
        """All that the panel calls is in the description."""
        known = {tuple("*" if one.startswith("{") else one for one in route.segments) for route in TABLE.routes}
        calls = re.compile(r"\b(?:get|post|put|patch|remove|ask)\(\s*(?:'[A-Z]+',\s*)?[`'](/[^`'?]*)[`'?]")
        seen = 0
        for path in (Path(cackled.__file__).parent / "web" / "panel").rglob("*.js"):
            for found in calls.finditer(path.read_text()):
                made = tuple("*" if "${" in one else one for one in found[1].strip("/").split("/"))
                seen += 1
                fits = any(
                    len(route) == len(made) and all(a in (b, "*") or b == "*" for a, b in zip(route, made, strict=True))
                    for route in known
                )
                self.assertTrue(fits, f"{path.name}: {json.dumps(found[1])}")
        self.assertGreater(seen, 30)
