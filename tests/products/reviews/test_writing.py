"""Reviews are written, read, changed, deleted, voted on and answered; what is counted of them is exact."""

from __future__ import annotations

import random
from typing import Any

from msgspec import json
from twisted.internet.defer import Deferred, gatherResults

from cackled.products.reviews import answers, pages
from cackled.products.reviews.events import REVIEW
from tests.products.reviews.common import REVIEWS, ReviewCase


class WriteTests(ReviewCase):
    """One after another."""

    async def test_whole(self) -> None:
        """Everything that is said comes back, as the Structs describe it; the log has it; the page and sums follow."""
        await self.setting(
            criteria="quality: Quality; value: Value for money", attributes="fit: Fit = small, right, large",
            fields="title pros cons text recommend experienced variant",
        )  # fmt: skip
        ann = await self.visitor()
        said = {
            "title": "A <good> mug", "pros": "warm\nround", "cons": "heavy", "text": "It *holds* tea.",
            "recommend": True, "criteria": {"quality": 5, "value": 3}, "attributes": {"fit": "large"},
            "variant": "blue", "experienced": "2024-01-31",
        }  # fmt: skip
        answer = await self.post(ann, 4, **said)
        self.assertEqual(answer.status, 201, answer)
        json.decode(answer.body, type=answers.Written)
        review = answer.json()["review"]
        for name in set(said) - {"text"}:
            self.assertEqual(review[name], said[name], name)
        self.assertEqual((review["star"], review["text"]), (4, "It *holds* tea."))
        self.assertEqual(review["html"], "<p>It <em>holds</em> tea.</p>")
        page = await self.page()
        json.decode(json.encode(page), type=answers.Page)
        self.assertEqual(page["page"]["reviews"][0], {k: v for k, v in review.items() if k != "text"})
        self.assertEqual(page["summary"], answer.json()["summary"])
        self.assertEqual(
            page["summary"],
            {
                "count": 1, "average": 4, "sum": 4, "histogram": [0, 0, 0, 1, 0], "recommend": 1, "recommend_of": 1,
                "criteria": {"quality": {"average": 5, "count": 1}, "value": {"average": 3, "count": 1}}, "verified": 0,
                "with_media": 0, "unrated": 0, "questions": 0, "own": {"count": 1, "average": 4},
            },
        )  # fmt: skip
        first = await self.first()
        self.assertEqual(first["page"], page["page"])
        self.assertEqual(first["position"], answer.json()["position"])
        self.assertEqual([kind for kind, _ in self.events()], ["review.created"])
        empty = await self.first("cup")
        self.assertEqual(empty["summary"], json.decode(pages.NONE))
        self.assertEqual((await self.summary("cup"))["average"], None)
        self.assertEqual(self.sql("select scrubbed_review()")[0][0], REVIEW.scrubbed)

    async def test_refused(self) -> None:
        """What can't be used is refused with its field, and nothing is written."""
        await self.setting(criteria="quality: Quality", attributes="fit: Fit = small, right")
        ann = await self.visitor()
        for members, slug, field in (
            ({"star": None}, "star-missing", "star"),
            ({"star": 0}, "bad-field", None), ({"star": 6}, "bad-field", None), ({"star": 4.5}, "bad-field", None),
            ({"star": "5"}, "bad-field", None),
            ({"criteria": {"speed": 3}}, "criteria", "criteria.speed"),
            ({"criteria": {"quality": 9}}, "bad-field", None),
            ({"attributes": {"fit": "huge"}}, "attribute", "attributes.fit"),
            ({"experienced": "31.01.2024"}, "bad-field", "experienced"),
            ({"experienced": "2999-01-01"}, "experienced", "experienced"),
            ({"media": ["http://one.example/a.jpg"]}, "media", "media[0]"),
            ({"media": ["https://evil.example/a.jpg"]}, "media", "media[0]"),
            ({"text": "x" * 5_001}, "text-too-long", "text"),
            ({"title": "x" * 151}, "text-too-long", "title"),
            ({"name": " "}, "bad-field", "name"),
            ({"kind": "question", "text": "?"}, "not-found", None),
        ):
            answer = await self.post(ann, **{"star": 5, **members})
            self.assertEqual(answer.slug, slug, (members, answer))
            if field:
                self.assertEqual(answer.json()["field"], field)
        self.assertEqual((await self.post(None)).status, 401)
        self.assertEqual(self.sql("select count(*) from review"), [(0,)])

    async def test_once(self) -> None:
        """A person reviews a page once; a second time they are told which that is. Sent again it is answered again."""
        ann = await self.visitor()
        first = await self.post(ann, 5, idempotency_key="a")
        again = await self.post(ann, 5, idempotency_key="a")
        self.assertEqual((again.status, again.json()["review"]["id"]), (201, first.json()["review"]["id"]))
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        for star, more in ((4, {}), (5, {"text": "Other words"})):
            answer = await self.post(ann, star, **more, idempotency_key="a")
            self.assertEqual((answer.status, answer.slug), (422, "key-reused"), star)
        second = await self.post(ann, 1)
        self.assertEqual((second.slug, second.json()["review"]), ("reviewed", first.json()["review"]["id"]))
        self.assertEqual((await self.post(ann, 1, "cup")).status, 201)
        self.assertEqual((await self.summary())["histogram"], [0, 0, 0, 0, 1])

    async def test_edit_and_delete(self) -> None:
        """Changed stars are counted anew, the log has the new words; deleted, nothing is left, and one may write."""
        ann, bob = await self.visitor(), await self.visitor()
        review = await self.made(ann, 2, text="secret words")
        for path in (f"{REVIEWS}?channel=mug&", f"{REVIEWS}/{review}?", f"{REVIEWS}/summary?channel=mug&",
                     "/bootstrap?widget=Review&site=1&channel=mug&"):  # fmt: skip
            for preference in ("primary", "primaryPreferred", "secondaryPreferred", "nearest"):
                for after, stale in ((1, None), (99, "1")):
                    answer = await self.ask("GET", f"{path}readPreference={preference}&after={after}")
                    self.assertEqual((answer.status, answer.headers.get("x-cackled-stale")), (200, stale), path)
        path = f"{REVIEWS}/{review}"
        self.assertEqual((await self.ask("PATCH", path, {"star": 1}, authorization=bob)).slug, "author")
        changed = await self.ask("PATCH", path, {"star": 4, "text": "other words"}, authorization=ann)
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual(changed.json()["summary"]["histogram"], [0, 0, 0, 1, 0])
        self.assertIsNotNone(changed.json()["review"]["edited"])
        self.assertNotIn("secret", str(self.events()))
        history = self.sql("select deed, before::json ->> 'star', after::json ->> 'star' from review_change")
        self.assertEqual(history, [("edit", "2", "4")])
        self.assertEqual((await self.ask("DELETE", path, authorization=bob)).slug, "author")
        gone = await self.ask("DELETE", path, authorization=ann)
        self.assertEqual((gone.status, gone.json()["summary"]["count"]), (200, 0))
        self.assertNotIn("words", str(self.events()))
        self.assertEqual(self.sql("select count(*) from review where src <> '' or html <> ''"), [(0,)])
        self.assertEqual((await self.ask("GET", path)).slug, "not-found")
        self.assertEqual((await self.page())["page"]["reviews"], [])
        self.assertEqual((await self.post(ann, 3)).status, 201)
        self.counts_agree()

    async def test_votes(self) -> None:
        """Each visitor counts once and never for themselves; what helped most comes first."""
        ann, bob, cid = [await self.visitor() for _ in range(3)]
        first, second = await self.made(ann, 5), await self.made(bob, 1)

        async def vote(auth: str, review: str, value: int) -> Any:
            return await self.ask("PUT", f"{REVIEWS}/{review}/vote", {"value": value}, authorization=auth)

        self.assertEqual((await vote(ann, first, 1)).json()["value"], 0)
        for _ in range(2):
            answer = await vote(cid, first, 1)
        self.assertEqual([answer.json()[name] for name in ("up", "down", "value")], [1, 0, 1])
        ids = [one["id"] for one in (await self.page())["page"]["reviews"]]
        self.assertEqual(ids, [first, second])
        self.assertEqual((await vote(cid, first, -1)).json()["down"], 1)
        self.assertEqual((await vote(cid, first, 0)).json()["down"], 0)
        # Wilson's lower bound at 95 %, as tables have it.
        for up, down, rank in ((1, 0, 0.2065), (10, 0, 0.7225), (60, 40, 0.5020), (0, 5, 0), (0, 0, 0)):
            self.assertAlmostEqual(self.sql("select helpful_rank(%s, %s)", up, down)[0][0], rank, 4)

    async def test_orders_and_filters(self) -> None:
        """Each order pages through all, once each; stars and words filter."""
        await self.setting(fields="text")
        made = {}
        for n, star in enumerate((5, 3, 1, 5, 4, 2, 3)):
            made[await self.made(star=star, text=f"word{n} common")] = star
        for sort in ("helpful", "new", "old", "high", "low", "media"):
            found: list[str] = []
            cursor = ""
            while True:
                page = (await self.page(query=f"&sort={sort}&size=2&cursor={cursor}"))["page"]
                found += [one["id"] for one in page["reviews"]]
                cursor = page["cursor"]
                if cursor is None:
                    break
            self.assertEqual(sorted(found), sorted(made), sort)
            stars = [made[one] for one in found]
            if sort in ("high", "low"):
                self.assertEqual(stars, sorted(stars, reverse=sort == "high"))
            if sort in ("new", "old"):
                self.assertEqual(found, sorted(found, key=int, reverse=sort == "new"))
        some = await self.page(query="&star=5&star=1")
        self.assertEqual(sorted(one["star"] for one in some["page"]["reviews"]), [1, 5, 5])
        self.assertEqual(some["summary"]["count"], 7)
        words = await self.page(query="&q=Word3+common")
        self.assertEqual([one["star"] for one in words["page"]["reviews"]], [5])
        self.assertEqual((await self.page(query="&q=c:1"))["page"]["reviews"], [])
        for hostile in ("%00", "%27%3A%26%7C%21()", "a%00b", "%F0%9F%8D%B5", ":*", "%3C-%3E", "x" * 200):
            answer = await self.ask("GET", f"{REVIEWS}?channel=mug&q={hostile}")
            self.assertEqual(answer.status, 200, (hostile, answer))
            self.assertEqual((await self.ask("GET", f"{REVIEWS}/top?category={hostile}")).status, 200, hostile)
        for cursor in ("x", "1", "nan_1", "1e999_1", "1_99999999999999999999", "inf_2"):
            answer = await self.ask("GET", f"{REVIEWS}?channel=mug&cursor={cursor}")
            self.assertIn(answer.status, (200, 400), (cursor, answer))

    async def test_reply(self) -> None:
        """The site answers once, changes it, takes it away; visitors can't."""
        review = await self.made()
        path = f"{REVIEWS}/{review}/reply"
        refused = await self.ask("PUT", path, {"text": "Thanks"}, authorization=await self.visitor())
        self.assertEqual(refused.status, 401)
        for text in ("Thanks", "Thank *you*"):
            answer = await self.owner.ask("PUT", path, {"text": text, "name": "The shop"})
            self.assertEqual(answer.status, 200, answer)
        shown = (await self.page())["page"]["reviews"][0]["reply"]
        self.assertEqual((shown["html"], shown["name"]), ("<p>Thank <em>you</em></p>", "The shop"))
        self.assertIsNotNone(shown["edited"])
        self.assertEqual((await self.owner.ask("DELETE", path)).json()["review"]["reply"], None)

    async def test_questions(self) -> None:
        """Questions stand apart from reviews, with their answers, and have no stars that count."""
        await self.setting(questions=True)
        ann, bob = await self.visitor(), await self.visitor()
        asked = await self.post(ann, None, kind="question", text="Is it dishwasher safe?")
        self.assertEqual(asked.status, 201, asked)
        question = asked.json()["review"]["id"]
        self.assertEqual((await self.post(bob, None, kind="answer", text="Yes", parent="1")).slug, "question")
        self.assertEqual((await self.post(bob, None, kind="answer", text="Yes", parent=question)).status, 201)
        page = await self.page(query="&kind=question")
        json.decode(json.encode(page), type=answers.Page)
        one = page["page"]["reviews"][0]
        self.assertEqual((one["answered"], [a["html"] for a in one["answers"]]), (1, ["<p>Yes</p>"]))
        self.assertEqual((page["summary"]["count"], page["summary"]["questions"]), (0, 1))
        self.assertEqual((await self.page())["page"]["reviews"], [])
        await self.ask("DELETE", f"{REVIEWS}/{question}", authorization=ann)
        self.assertEqual(self.sql("select count(*) from review where status = 1"), [(0,)])
        self.counts_agree()

    async def test_ratings(self) -> None:
        """Many products in one request: the true mean is shown, the Bayesian one sorts."""
        for star in (5, 5, 5, 4):
            await self.made(star=star, key="mug")
        await self.made(star=5, key="cup")
        query = "&".join(f"channel={key}" for key in ("mug", "cup", "none"))
        ratings = (await self.ask("GET", f"{REVIEWS}/ratings?{query}")).json()["ratings"]
        self.assertEqual((ratings["mug"]["count"], ratings["mug"]["average"]), (4, 4.75))
        self.assertEqual(ratings["none"], {"count": 0, "average": None, "sum": 0, "score": None})
        # Mean 4.8, weight 2.5 (the median of 4 and 1).
        self.assertAlmostEqual(ratings["cup"]["score"], (2.5 * 4.8 + 5) / 3.5, 2)
        self.assertEqual((await self.ask("GET", f"{REVIEWS}/ratings")).slug, "bad-field")

    async def test_settings_are_public(self) -> None:
        """A browser is told what the form asks for."""
        await self.setting(criteria="quality: Quality", attributes="fit: Fit = small, right")
        told = (await self.first())["site"]["settings"]
        self.assertEqual(told["review_criteria"], [{"id": "quality", "name": "Quality"}])
        self.assertEqual(told["review_attributes"], [{"id": "fit", "name": "Fit", "values": ["small", "right"]}])


class CountTests(ReviewCase):
    """What is kept is what is there."""

    async def test_histories(self) -> None:
        """After any history of writing, changing, deleting and deciding what is kept is what the reviews say."""
        await self.setting(criteria="a: A; b: B", questions=True)
        source = random.Random(20261130)
        visitors = [await self.visitor() for _ in range(6)]
        made: dict[str, str] = {}
        for step in range(150):
            who = source.choice(visitors)
            deed = source.choice(("post", "post", "edit", "delete", "state", "state"))
            members = {
                "star": source.randint(1, 5), "recommend": source.choice((True, False, None)),
                "criteria": {name: source.randint(1, 5) for name in ("a", "b") if source.random() < 0.6},
            }  # fmt: skip
            if deed == "post":
                answer = await self.post(who, **members)
                if answer.status == 201:
                    made[answer.json()["review"]["id"]] = who
            elif made:
                review = source.choice(sorted(made))
                if deed == "edit":
                    await self.ask("PATCH", f"{REVIEWS}/{review}", members, authorization=made[review])
                elif deed == "delete":
                    await self.ask("DELETE", f"{REVIEWS}/{review}", authorization=made[review])
                    del made[review]
                else:
                    # A review that was deleted doesn't come back beside a newer one of the same visitor.
                    self.sql(
                        "select set_review_status(1, id, %s, 'offtopic', false) from review where id = %s",
                        source.choice((0, 1, 2, 3)), int(review),
                    )  # fmt: skip
            if step % 10 == 0:
                self.counts_agree()
        self.counts_agree()
        shown = self.sql("select star from review where status = 1 and kind = 0")
        summary = await self.summary()
        self.assertEqual(summary["count"], len(shown))
        self.assertEqual(summary["sum"], sum(star for (star,) in shown))
        self.assertEqual(summary["histogram"], [sum(star == n for (star,) in shown) for n in range(1, 6)])

    async def test_together(self) -> None:
        """Many at once are all counted; one visitor at once many times counts once."""
        ann = await self.visitor()
        sent = [Deferred.fromCoroutine(self.post(ann, 5)) for _ in range(12)]
        statuses = [answer.status for answer in await gatherResults(sent)]
        self.assertEqual(sorted(statuses), [201] + [409] * 11)
        visitors = [await self.visitor() for _ in range(40)]
        sent = [Deferred.fromCoroutine(self.post(who, 1 + n % 5)) for n, who in enumerate(visitors)]
        await gatherResults(sent)
        summary = await self.summary()
        self.assertEqual((summary["count"], summary["histogram"]), (41, [8, 8, 8, 8, 9]))
        review = int((await self.page())["page"]["reviews"][0]["id"])
        votes = [
            Deferred.fromCoroutine(
                self.ask("PUT", f"{REVIEWS}/{review}/vote", {"value": 1}, authorization=visitors[n % 20])
            )
            for n in range(60)
        ]
        await gatherResults(votes)
        votes_of_author = self.sql(
            "select count(*) from review_vote v where review_id = %s", review
        )[0][0]
        up = self.sql("select up from review where id = %s", review)[0][0]
        self.assertEqual(up, votes_of_author)
        self.assertIn(up, (19, 20))
        self.counts_agree()

    async def test_recount(self) -> None:
        """A count that is wrong is found, put right, and told to operators and pages."""
        await self.made(star=5)
        # One that somebody holds at this moment is passed over.
        while (found := self.sql("select checked, wrong from recount_reviews()")) == [(0, 0)]:
            self.assertEqual(self.sql("select count(*) from review_summary where recounted_at is null"), [(1,)])
        self.assertEqual(found, [(1, 0)])
        self.assertEqual(self.sql("select checked, wrong from recount_reviews()"), [(0, 0)])
        self.sql("update review_summary set n = 7, changed_at = now() + interval '1 second'")
        self.assertEqual(self.sql("select checked, wrong from recount_reviews()"), [(1, 1)])
        self.assertEqual((await self.summary())["count"], 1)
        self.assertEqual(self.events()[-1][0], "summary.updated")
        self.counts_agree()
