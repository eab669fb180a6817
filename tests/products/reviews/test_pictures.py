"""Photos that visitors add to their reviews."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tests.media import corpus
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.support.search_rules import Page
from tests.support.staff import site_key


class PictureTests(ReviewCase):
    """Real pictures, over the API."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "media.pictures", True)
        self.auth = await self.visitor()

    async def picture(self, auth: str | None = None, color: str = "red") -> str:
        """A picture of a visitor; gives its id."""
        answer = await self.ask(
            "POST", "/api/v1/sites/1/media?alt=A%20mug", corpus.picture(color=color), content_type="image/jpeg",
            authorization=auth or self.auth,
        )  # fmt: skip
        self.assertEqual(answer.status, 201, answer)
        return str(answer.json()["id"])

    def items(self) -> list[Any]:
        """What pictures are with, in the order in which they came."""
        return [item for (item,) in self.sql("select item from media order by created_at")]

    async def test_shown(self) -> None:
        """A picture is in the review, in the page, in the events, with its size and words, and it is the review's."""
        mine, other = await self.picture(), await self.picture(await self.visitor(), "blue")
        answer = await self.post(self.auth, media=["https://one.example/a.png", mine])
        self.assertEqual(answer.status, 201, answer)
        number = answer.json()["review"]["id"]
        url, shown = answer.json()["review"]["media"]
        self.assertEqual(url, {"url": "https://one.example/a.png", "alt": ""})
        self.assertEqual((shown["id"], shown["alt"], shown["width"], shown["height"]), (mine, "A mug", 400, 300))
        self.assertEqual((await self.ask("GET", shown["url"])).status, 200)
        self.assertEqual((await self.page())["page"]["reviews"][0]["media"], [url, shown])
        self.assertIn(mine, str(self.events()))
        self.assertEqual((await self.summary())["with_media"], 1)
        self.assertEqual(self.items(), [f"review:{number}", ""])
        for name in (other, mine, "1-" + "x" * 22, mine.replace("1-", "2-")):
            refused = await self.post(await self.visitor(), media=[name])
            self.assertEqual(refused.slug, "media-unknown", name)
        self.assertEqual((await self.post(await self.visitor(), media=[f"{mine}x"])).slug, "media")

    async def test_once(self) -> None:
        """Sent again with its pictures it is answered again; with others, or with none, that is another review."""
        mine, more = await self.picture(), await self.picture(color="blue")
        link = "https://one.example/a.png"
        first = await self.post(self.auth, media=[link, mine], pros="Blue", idempotency_key="a")
        self.assertEqual(first.status, 201, first)
        again = await self.post(self.auth, media=[link, mine], pros="Blue", idempotency_key="a")
        self.assertEqual((again.status, again.json()["review"]["id"]), (201, first.json()["review"]["id"]), again)
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        for media, pros in (
            ([link, more], "Blue"), ([mine], "Blue"), ([link], "Blue"), ([], "Blue"), ([link, mine], "Red"),
        ):  # fmt: skip
            reused = await self.post(self.auth, media=media, pros=pros, idempotency_key="a")
            self.assertEqual((reused.status, reused.slug), (422, "key-reused"), (media, pros))

    async def test_old_calls(self) -> None:
        """Cackle's calls give addresses that other servers reach, ours too."""
        made = await self.post(self.auth, media=["https://one.example/a.png", await self.picture()])
        url, shown = (one["url"] for one in made.json()["review"]["media"])
        key = (await site_key(self, ["read"], site=1, name="old")).headers["authorization"].partition(" ")[2]
        asked = urlencode({"id": 1, "siteApiKey": key, "modified": 0})
        for address, name in (
            ("/review/1/list?chan=mug", "reviewMiniDtoList"), (f"/api/3.0/review/list.json?{asked}", "reviews"),
        ):  # fmt: skip
            rows = (await self.ask("GET", address, origin=None)).json()[name]
            self.assertEqual([row["media"] for row in rows], [f"{url} http://localhost{shown}"], address)

    async def test_without_scripts(self) -> None:
        """On pages without scripts photos have sizes and words, at addresses that answer; gone with the review."""
        mine = await self.picture()
        made = await self.post(self.auth, media=[mine, "https://one.example/a.png"])
        number = made.json()["review"]["id"]
        for part in ("", "/fragment"):
            page = await self.ask("GET", f"/threads/1{part}?widget=Review&channel=mug")
            self.assertIn(b'alt="A mug" width="320" height="240" loading="lazy"', page.body, page)
            self.assertIn(b'<img src="https://one.example/a.png" alt="Photo 2" loading="lazy"', page.body)
            self.assertEqual(Page(page.body.decode()).wrong, [])
            src = page.body.partition(b'<img src="')[2].partition(b'"')[0].decode()
            self.assertEqual((await self.ask("GET", "/media/" + src.partition("/media/")[2])).status, 200)
        await self.ask("DELETE", f"{REVIEWS}/{number}", authorization=self.auth)
        self.assertNotIn(b"<img", (await self.ask("GET", "/threads/1?widget=Review&channel=mug")).body)

    async def test_changed(self) -> None:
        """A picture that is taken out is with nothing; what waits for a moderator is not swept; erasure takes all."""
        first, second = await self.picture(), await self.picture(color="blue")
        number = (await self.post(self.auth, media=[first])).json()["review"]["id"]
        edited = await self.ask("PATCH", f"{REVIEWS}/{number}", {"media": [first, second]}, authorization=self.auth)
        self.assertEqual(edited.status, 200, edited)
        self.assertEqual(self.items(), [f"review:{number}"] * 2)
        await self.ask("PATCH", f"{REVIEWS}/{number}", {"media": [second]}, authorization=self.auth)
        self.assertEqual(self.items(), ["", f"review:{number}"])
        self.sql("insert into review_revision (site_id, review_id, data) values (1, %s, %s)", int(number),
                 f'{{"media":[{{"id":"{first}"}}]}}')  # fmt: skip
        self.assertEqual(self.items(), [f"review:{number}"] * 2)
        self.sql("delete from review_revision")
        self.assertEqual(self.items(), ["", f"review:{number}"])
        gone = await self.ask("DELETE", f"{REVIEWS}/{number}", authorization=self.auth)
        self.assertEqual((gone.status, self.items()), (200, ["", ""]))
