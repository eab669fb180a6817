"""Pictures that visitors add to their comments."""

from __future__ import annotations

from typing import Any

from tests.api.common import Answer, ApiCase
from tests.media import corpus
from tests.support.staff import sign_in

COMMENTS = "/api/v1/sites/1/comments"


class PictureTests(ApiCase):
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

    async def write(self, *media: str, auth: str | None = None, **more: Any) -> Answer:
        """A comment with pictures."""
        headers = {name: more.pop(name) for name in ("idempotency_key",) if name in more}
        body = {"channel": {"key": "mug"}, "name": "Ann", "text": "Look.", "media": list(media), **more}
        return await self.ask("POST", COMMENTS, body, authorization=auth or self.auth, **headers)

    async def change(self, number: str, **body: Any) -> Answer:
        """An edit."""
        return await self.ask("PATCH", f"{COMMENTS}/{number}", body, authorization=self.auth)

    def items(self) -> list[Any]:
        """What pictures are with, in the order in which they came."""
        return [item for (item,) in self.sql("select item from media order by created_at")]

    async def shown(self) -> Any:
        """The comments of the page."""
        return (await self.ask("GET", f"{COMMENTS}?channel=mug")).json()["page"]["comments"]

    async def test_shown(self) -> None:
        """A picture is in the comment, in the page, in the event, with its size and words, and it is the comment's."""
        mine, other = await self.picture(), await self.picture(await self.visitor(), "blue")
        answer = await self.write(mine, idempotency_key="a" * 16)
        self.assertEqual(answer.status, 201, answer)
        made = answer.json()["comment"]
        (picture,) = made["media"]
        self.assertEqual((picture["id"], picture["alt"], picture["width"]), (mine, "A mug", 400))
        self.assertEqual((picture["height"], len(picture["color"])), (300, 7))
        self.assertEqual((await self.ask("GET", picture["url"])).status, 200)
        self.assertEqual((await self.shown())[0]["media"], [picture])
        self.assertIn(mine, str(self.sql("select data from event")))
        self.assertEqual(self.items(), [f"comment:{made['id']}", ""])
        # The same again, though its picture is with it now; and what is not the visitor's own, or shown already.
        again = await self.write(mine, idempotency_key="a" * 16)
        self.assertEqual((again.status, again.json()["comment"]["id"]), (201, made["id"]))
        for name in (other, mine, "1-" + "x" * 22, mine.replace("1-", "2-"), "https://one.example/a.png", ""):
            self.assertEqual((await self.write(name)).slug, "media-unknown", name)
        self.assertEqual((await self.write(mine, mine)).slug, "media-unknown")
        self.assertEqual((await self.write(*["1-" + "x" * 22] * 5)).status, 400)
        self.assertEqual(len(await self.shown()), 1)

    async def test_changed(self) -> None:
        """An edit may leave pictures as they are, change their order, and take them away."""
        first, second = await self.picture(), await self.picture(color="blue")
        number = (await self.write(first)).json()["comment"]["id"]
        with_it = [f"comment:{number}"] * 2
        kept = await self.change(number, text="Look there.")
        self.assertEqual([one["id"] for one in kept.json()["comment"]["media"]], [first])
        both = await self.change(number, text="Look.", media=[second, first])
        self.assertEqual([one["id"] for one in both.json()["comment"]["media"]], [second, first])
        self.assertEqual(self.items(), with_it)
        one = await self.change(number, text="Look.", media=[second])
        self.assertEqual([one["id"] for one in one.json()["comment"]["media"]], [second])
        self.assertEqual(self.items(), ["", with_it[0]])
        none = await self.change(number, text="Look.", media=[])
        self.assertNotIn("media", none.json()["comment"])
        self.assertEqual(self.items(), ["", ""])

    async def test_moderated(self) -> None:
        """What waits is shown to nobody else; a change that waits has its pictures, and is approved with them."""
        first, second = await self.picture(), await self.picture(color="blue")
        owner = await sign_in(self)
        path = "/api/v1/sites/1/rules"
        tag = (await owner.ask("GET", path)).headers["etag"]
        await owner.ask("PUT", path, {"moderation": "pre"}, if_match=tag)
        made = (await self.write(first)).json()["comment"]
        self.assertEqual((made["state"], made["media"][0]["id"]), ("pending", first))
        self.assertEqual((await self.shown(), self.items()), ([], [f"comment:{made['id']}", ""]))
        self.assertEqual(self.sql("select data from event where type = 'comment.created'"), [])
        self.sql("select set_comment_status(1, %s, 1, false)", int(made["id"]))
        self.assertEqual((await self.shown())[0]["media"][0]["id"], first)
        changed = (await self.change(made["id"], text="Look there.", media=[second])).json()["comment"]
        self.assertEqual((changed["state"], changed["media"][0]["id"]), ("pending", second))
        self.assertEqual((await self.shown())[0]["media"][0]["id"], first)
        self.assertEqual(self.items(), [f"comment:{made['id']}"] * 2)
        self.sql("delete from comment_revision")
        self.assertEqual(self.items(), [f"comment:{made['id']}", ""])

    async def test_gone(self) -> None:
        """A deleted comment shows none, here and in the log; erasing its author removes the pictures."""
        mine = await self.picture()
        number = (await self.write(mine)).json()["comment"]["id"]
        self.assertEqual((await self.write(parent=number, auth=await self.visitor())).status, 201)
        gone = await self.ask("DELETE", f"{COMMENTS}/{number}", authorization=self.auth)
        self.assertEqual((gone.status, self.items()), (200, [""]))
        self.assertNotIn(mine, str(self.sql("select data from event")))
        self.assertNotIn(mine, str(await self.shown()))
        second = await self.picture(color="blue")
        await self.write(second)
        visitor = self.sql("select visitor_id from media limit 1")[0][0]
        self.sql("select erase_media(1, %s, 100)", visitor)
        self.sql("select erase_comments(1, %s, 100)", visitor)
        self.assertEqual(self.items(), [])
        self.assertNotIn(second, str(self.sql("select data from event")) + str(self.sql("select media from comment")))
