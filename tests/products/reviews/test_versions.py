"""Earlier versions of a review, for readers of sites that show them."""

from __future__ import annotations

from typing import Any

from msgspec import json

from cackled.products.reviews import answers
from tests.products.reviews.common import REVIEWS, ReviewCase

RULES = "/api/v1/sites/1/rules"


class VersionTests(ReviewCase):
    """What readers saw is to be seen, and nothing else."""

    async def versions(self, review: str, auth: str | None = None) -> Any:
        """The titles and stars of what is given."""
        answer = await self.ask("GET", f"{REVIEWS}/{review}/versions", authorization=auth)
        self.assertEqual(answer.status, 200, answer)
        found = json.decode(answer.body, type=answers.VersionsAnswer).versions
        return [(one.star, one.html) for one in found]

    async def change(self, auth: str, review: str, **members: Any) -> Any:
        """An edit by its author."""
        answer = await self.ask("PATCH", f"{REVIEWS}/{review}", members, authorization=auth)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["review"]

    async def act(self, action: str, review: str, why: str = "") -> Any:
        """What a moderator does."""
        body = {"items": [f"review:{review}"], "action": action, "why": why}
        answer = await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def test_off(self) -> None:
        """A site that does not show them gives none, and says so in how reviews are checked."""
        ann = await self.visitor()
        review = await self.made(ann, 2, text="first")
        await self.change(ann, review, text="second")
        answer = await self.ask("GET", f"{REVIEWS}/{review}/versions")
        self.assertEqual((answer.status, answer.slug), (404, "not-found"))
        codes = (await self.ask("GET", f"{REVIEWS}/checks")).json()["statements"]
        self.assertIn("edits-history", [one["code"] for one in codes])
        await self.setting(history=True)
        codes = (await self.ask("GET", f"{REVIEWS}/checks")).json()["statements"]
        self.assertIn("edits-shown", [one["code"] for one in codes])
        self.assertEqual(await self.versions(review), [(2, "<p>first</p>")])

    async def test_only_what_was_shown(self) -> None:
        """What waited, was refused or stood hidden was never a version for readers; what moderators took in is."""
        await self.setting(history=True)
        ann = await self.visitor()
        review = await self.made(ann, 1, text="one", title="first")
        await self.change(ann, review, star=3, text="two")
        await self.change(ann, review, text="two")
        self.assertEqual(await self.versions(review), [(1, "<p>one</p>")])
        await self.act("reject", review, "personal-data")
        self.assertEqual((await self.ask("GET", f"{REVIEWS}/{review}/versions")).slug, "not-found")
        await self.change(ann, review, text="three")
        await self.change(ann, review, text="four")
        await self.act("approve", review)
        # "two" was hidden for a reason when it was changed, "three" was never shown.
        self.assertEqual(await self.versions(review), [(1, "<p>one</p>")])
        await self.owner.ask("PUT", RULES, {"moderation": "pre"}, if_match='"0"')
        waits = await self.change(ann, review, text="five")
        self.assertIn("revision", waits)
        await self.act("reject", review, "offtopic")
        await self.change(ann, review, star=5, text="six")
        await self.act("approve", review)
        self.assertEqual(await self.versions(review), [(3, "<p>four</p>"), (1, "<p>one</p>")])
        self.assertNotIn("text", str((await self.ask("GET", f"{REVIEWS}/{review}/versions")).json()))

    async def test_gone_with_the_review(self) -> None:
        """Its author takes it away: no word of any version is kept, decided on or not."""
        await self.setting(history=True)
        ann = await self.visitor()
        review = await self.made(ann, 1, text="secret one")
        await self.owner.ask("PUT", RULES, {"moderation": "pre"}, if_match='"0"')
        for n, action in enumerate(("approve", "reject")):
            await self.change(ann, review, text=f"secret {n}")
            await self.act(action, review, "" if action == "approve" else "offtopic")
        await self.owner.ask("PUT", f"{REVIEWS}/{review}/reply", {"text": "secret answer", "name": "Shop"})
        self.assertEqual(len(await self.versions(review)), 1)
        await self.ask("DELETE", f"{REVIEWS}/{review}", authorization=ann)
        self.assertEqual((await self.ask("GET", f"{REVIEWS}/{review}/versions", authorization=ann)).slug, "not-found")
        kept = self.sql("select before, after from review_change where before || after like '%%secret%%'")
        self.assertEqual(kept, [])

    async def test_bounded_and_private(self) -> None:
        """At most twenty, the latest; of a closed site's review none without a grant; of another site's never."""
        await self.setting(history=True)
        ann = await self.visitor()
        review = await self.made(ann, 1, text="v0")
        for n in range(1, 24):
            await self.change(ann, review, text=f"v{n}")
        found = await self.versions(review)
        self.assertEqual((len(found), found[0], found[-1]), (20, (1, "<p>v22</p>"), (1, "<p>v3</p>")))
        await self.application.sites.change(2, "reviews.history", True)
        answer = await self.ask("GET", f"/api/v1/sites/2/reviews/{review}/versions", origin=None)
        self.assertEqual(answer.status, 404)
        await self.application.sites.change(1, "private", True)
        answer = await self.ask("GET", f"{REVIEWS}/{review}/versions")
        self.assertEqual(answer.status, 401)
