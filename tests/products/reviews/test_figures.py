"""How reviews are checked is what the site does; what owners learn; the demo's reviews."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from msgspec import json as strict

import cackled.products.reviews as package
from cackled.products.reviews import answers, checks, seed, staff_api
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.support.staff import sign_in


class CheckTests(ReviewCase):
    """The statements, and whether they are true."""

    async def codes(self) -> dict[str, Any]:
        """What the site says, by code."""
        answer = await self.ask("GET", f"{REVIEWS}/checks")
        self.assertEqual(answer.status, 200, answer)
        return {one["code"]: one["values"] for one in answer.json()["statements"]}

    async def test_said_and_done(self) -> None:
        """For each way a site may be set up, what is said of it is what it does."""
        for writers in ("buyers", "signed-in", "everyone"):
            await self.setting(writers=writers)
            codes = await self.codes()
            answer = await self.post(await self.visitor(), 5, f"page-{writers}")
            self.assertEqual(f"who-{writers}" in codes, True)
            self.assertEqual(answer.status == 201, "who-everyone" in codes, writers)
            self.assertEqual(answer.status == 403 and answer.slug == "buyers-only", "purchase-all" in codes, writers)
        await self.setting(writers="everyone")
        self.assertIn("purchase-none", await self.codes())
        order = {"order": "1", "products": [{"channel": "mug"}], "request": False}
        noted = (await self.owner.ask("POST", f"{REVIEWS}/orders", order)).json()
        self.assertIn("purchase-some", await self.codes())
        await self.post(await self.visitor(), 5, order=noted["token"])
        await self.post(await self.visitor(), 1)
        for sort, code in (("new", "order-newest"), ("helpful", "order-helpful")):
            await self.setting(sort=sort)
            self.assertIn(code, await self.codes())
            self.assertEqual((await self.page())["page"]["sort"], sort)
        # One for each visitor, and every star is shown.
        codes = await self.codes()
        self.assertIn("one-per-visitor", codes)
        ann = await self.visitor()
        self.assertEqual([(await self.post(ann, 1, "cup")).status for _ in range(2)], [201, 409])
        self.assertIn("all-published", codes)
        self.assertIn("published-at-once", codes)
        for star in range(1, 6):
            await self.made(star=star, key="all")
        self.assertEqual((await self.summary("all"))["histogram"], [1] * 5)
        rules = "/api/v1/sites/1/rules"
        await self.owner.ask("PUT", rules, {"moderation": "pre"}, if_match='"0"')
        codes = await self.codes()
        self.assertIn("premoderated", codes)
        self.assertNotIn("published-at-once", codes)
        self.assertEqual((await self.post(await self.visitor(), 5, "pot")).json()["review"]["state"], "pending")
        await self.owner.ask("PUT", rules, {"first": 1}, if_match='"1"')
        self.assertEqual((await self.codes())["premoderated-some"], {"reasons": ["first"]})
        await self.setting(requests="consent", request_days=9)
        self.assertEqual((await self.codes())["requests"], {"days": 9})

    async def test_not_all_bought(self) -> None:
        """Nobody is told that all reviews are of buyers while one is shown that came without an order."""
        first = await self.made(text="Before only buyers wrote")
        await self.setting(writers="buyers")
        codes = await self.codes()
        self.assertLessEqual({"who-buyers", "purchase-some", "one-per-order"}, set(codes))
        body = {"items": [f"review:{first}"], "action": "reject", "why": "duplicate"}
        await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        self.assertIn("purchase-all", await self.codes())
        self.sql("update review set status = 1, source = 'Judge.me', verified = 'source'")
        codes = await self.codes()
        self.assertEqual((codes["imported"], "purchase-some" in codes), ({"sources": ["Judge.me"]}, True))
        await self.setting(writers="signed-in")
        self.assertIn("one-per-person", await self.codes())

    async def test_rules(self) -> None:
        """Each rule that keeps a review back, for a while or for some, is told; one that refuses openly is none."""
        rules, version = "/api/v1/sites/1/rules", 0

        async def ruled(**chosen: Any) -> dict[str, Any]:
            nonlocal version
            done = await self.owner.ask("PUT", rules, chosen, if_match=f'"{version}"')
            self.assertEqual(done.status, 200, done)
            version += 1
            return await self.codes()

        codes = await ruled(moderation="pre", trusted_after=3)
        self.assertIn("premoderated-trusted", codes)
        self.assertNotIn("premoderated", codes)
        self.assertIn("premoderated-trusted", await ruled(moderation="pre", trusted=["7"]))
        for chosen, told in (
            ({"words": [{"text": "bad words"}]}, ["words"]), ({"capitals": 50}, ["form"]), ({"repeats": 9}, ["form"]),
            ({"spam": {"duplicates": 2}}, ["alike"]), ({"spam": {"burst": 9}}, ["rush"]),
            ({"spam": {"least_seconds": 2}}, ["rush"]), ({"names": ["boss"], "names_action": "hold"}, ["names"]),
            ({"links": 0, "languages": ["en"]}, ["links", "languages"]),
            ({"patterns": [{"pattern": "a+b", "action": "reject"}]}, ["patterns"]),
        ):  # fmt: skip
            self.assertEqual((await ruled(**chosen))["premoderated-some"], {"reasons": told}, chosen)
        for open_ in ({"words": [{"text": "bad words", "action": "refuse"}]}, {"names": ["boss"]},
                      {"links": 0, "links_action": "refuse"}):  # fmt: skip
            self.assertIn("published-at-once", await ruled(**open_), open_)
        codes = await ruled(webhook={"url": "https://one.example/ask", "secret": "s" * 20}, spam={"enabled": False})
        self.assertIn("asked", codes)
        self.assertNotIn("filter", codes)
        # So many reports let a review wait, which is told with the number.
        self.assertEqual((await ruled(flags=2))["report-hides"], {"n": 2})
        review = await self.made(text="reported")
        for left in (1, 0):
            path = f"{REVIEWS}/{review}/flags"
            await self.ask("POST", path, {"reason": "x"}, authorization=await self.visitor())
            self.assertEqual((await self.summary())["count"], left)

    async def test_nothing_hides_silently(self) -> None:
        """Neither a rule nor a shadow ban hides a review without its author seeing that it waits for a moderator."""
        rules = {"words": [{"text": "rubbish", "action": "reject"}]}
        await self.owner.ask("PUT", "/api/v1/sites/1/rules", rules, if_match='"0"')
        answer = await self.post(await self.visitor(), 1, text="rubbish")
        self.assertEqual(answer.json()["review"]["state"], "pending", answer)
        ann = await self.visitor()
        ban = {"kind": "visitor", "value": self.visitor_of(ann), "shadow": True}
        self.assertEqual((await self.owner.ask("POST", "/api/v1/sites/1/bans", ban)).status, 201)
        answer = await self.post(ann, 1, text="unheard")
        self.assertEqual((answer.status, answer.json()["review"]["state"]), (201, "pending"), answer)
        found = (await self.owner.ask("GET", "/api/v1/sites/1/moderation/items?state=pending&q=unheard")).json()
        self.assertEqual([one["marks"] for one in found["items"]], [[{"mark": "shadow"}]], found)
        self.assertEqual(self.sql("select distinct status, shadow from review"), [(0, False)])
        self.counts_agree()

    async def test_all_codes_have_words(self) -> None:
        """The widget knows every code that there is, and every reason for which something is held."""
        known = (Path(str(package.__file__)).parent / "web" / "checks.js").read_text()
        source = Path(str(checks.__file__)).read_text()
        codes = set(re.findall(r'Statement\("([a-z-]+)"', source)) | set(checks._ONE_EACH.values())
        codes |= {*await self.codes(), "who-everyone", "who-signed-in", "who-buyers"}
        self.assertGreater(len(codes), 20)
        for code in codes:
            self.assertIn(f"'{code}':" if "-" in code else f"  {code}:", known)
        for name in checks._HOLDS:
            self.assertIn(f"  {name}: 'held", known)


class FigureTests(ReviewCase):
    """What owners learn."""

    async def test_statistics(self) -> None:
        """By day and criterion, and the words that go with one star."""
        await self.setting(criteria="quality: Quality")
        for n in range(6):
            star = 1 if n < 3 else 5
            text = "It leaks badly" if star == 1 else "Lovely colour"
            await self.made(star=star, text=text, criteria={"quality": star})
        answer = await self.owner.ask("GET", f"{REVIEWS}/statistics?channel=mug")
        told = strict.decode(answer.body, type=staff_api.StatisticsAnswer)
        self.assertEqual((told.days[0].count, told.days[0].stars), (6, [3, 0, 0, 0, 3]))
        self.assertEqual((told.criteria["quality"].average, told.criteria["quality"].count), (3, 6))
        self.assertEqual({one.word for one in told.words}, {"leaks", "badly"})

    async def test_signals(self) -> None:
        """Bursts, one network, the same words and what deviates are shown, and nothing is done about them."""
        for _ in range(11):
            await self.made(star=5, text="The very same words as everybody else")
        answer = await self.owner.ask("GET", f"{REVIEWS}/signals")
        told = strict.decode(answer.body, type=staff_api.SignalsAnswer)
        self.assertLessEqual({"network", "same-text"}, {one.kind for one in told.signals})
        self.assertEqual((await self.summary())["count"], 11)

    async def test_export(self) -> None:
        """Removed ones are in it, with the reason; another site's are not."""
        review = await self.made(star=1, text="gone")
        await self.made(star=5, text="there")
        body = {"items": [f"review:{review}"], "action": "delete", "why": "personal-data"}
        await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        answer = await self.owner.ask("GET", f"{REVIEWS}/export")
        rows = [json.loads(line) for line in answer.body.decode().splitlines()]
        self.assertEqual([(one["text"], one["state"], one["reason"]) for one in rows],
                         [("gone", "deleted", "personal-data"), ("there", "approved", "")])  # fmt: skip
        other = await sign_in(self, "owner", site=2)
        self.assertEqual((await other.ask("GET", "/api/v1/sites/2/reviews/export")).body, b"")

    async def test_products_and_lists(self) -> None:
        """Facts of a product are kept; lists are in the order of the Bayesian mean and show the true one."""
        facts = {"channel": "mug", "name": "Mug", "category": "cups", "brand": "B", "gtin": "4006381333931"}
        answer = await self.owner.ask("PUT", "/api/v1/sites/1/products", facts)
        self.assertEqual((answer.status, answer.json()["name"]), (200, "Mug"), answer)
        await self.owner.ask("PUT", "/api/v1/sites/1/products", {"channel": "cup", "category": "cups"})
        wrong = await self.owner.ask("PUT", "/api/v1/sites/1/products", {"channel": "x", "gtin": "12"})
        self.assertEqual(wrong.slug, "bad-field")
        for star in (5, 5, 5, 5, 4):
            await self.made(star=star)
        await self.made(star=5, key="cup")
        await self.made(star=1, key="other")
        top = await self.ask("GET", f"{REVIEWS}/top?category=cups")
        told = strict.decode(top.body, type=answers.TopAnswer).products
        self.assertEqual([(one.key, one.average) for one in told], [("mug", 4.8), ("cup", 5)])

    async def test_seed(self) -> None:
        """The demo's reviews are written once, by who bought and who did not."""
        for _ in range(2):
            await seed.fill(self.application.parts, self.site)
        summary = await self.summary("demo-kettle")
        self.assertEqual((summary["count"], summary["verified"]), (len(seed.KETTLE), 6))
        self.counts_agree("demo-kettle")
        # One waits for a moderator.
        self.assertEqual((await self.summary("demo-knife"))["count"], len(seed.KNIFE) - 1)
        self.assertEqual(self.sql("select count(*) from review where status = 0 and kind = 0"), [(1,)])
