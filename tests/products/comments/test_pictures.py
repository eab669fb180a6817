"""Pictures that visitors add to their comments."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from cackled.database.errors import QueryFailed
from cackled.products.comments.queries import POST_COMMENT, with_pictures
from tests.api.common import Answer, ApiCase
from tests.media import corpus
from tests.support.staff import sign_in, site_key

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
        # With others, or with none, it is another comment.
        for media in ((await self.picture(color="green"),), (), (mine, other)):
            reused = await self.write(*media, idempotency_key="a" * 16)
            self.assertEqual((reused.status, reused.slug), (422, "key-reused"), media)
        self.sql("delete from media where item = '' and visitor_id = "
                 "(select visitor_id from comment where id = %s)", int(made["id"]))  # fmt: skip
        for name in (other, mine, "1-" + "x" * 22, mine.replace("1-", "2-"), "https://one.example/a.png", ""):
            self.assertEqual((await self.write(name)).slug, "media-unknown", name)
        self.assertEqual((await self.write(mine, mine)).slug, "media-unknown")
        self.assertEqual((await self.write(*["1-" + "x" * 22] * 5)).status, 400)
        self.assertEqual(len(await self.shown()), 1)

    async def test_old_calls(self) -> None:
        """Cackle's calls give addresses that other servers reach, also where ours is not configured."""
        made = (await self.write(await self.picture(), await self.picture())).json()["comment"]
        addresses = " ".join(f"http://localhost{one['url']}" for one in made["media"])
        key = (await site_key(self, ["read"], site=1, name="old")).headers["authorization"].partition(" ")[2]
        query = urlencode({"id": 1, "siteApiKey": key, "chan": "mug", "commentId": 0})
        listed = (await self.ask("GET", f"/api/3.0/comment/list.json?{query}")).json()["comments"]
        self.assertEqual([one["media"] for one in listed], [addresses])
        page = (await self.ask("GET", "/widget/1/bootstrap?chan=mug")).json()["commentBootstrap"]["comments"]
        self.assertEqual([one["media"] for one in page], [addresses])

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
        item = f"comment:{made['id']}"
        plain = f"/media/{first}/400.webp"
        listed = (await owner.ask("GET", "/api/v1/sites/1/moderation/items")).json()["items"][0]
        (seen,) = listed["media"]
        self.assertEqual((seen["alt"], seen["width"], seen["waits"]), ("A mug", 400, False))
        detail = (await owner.ask("GET", f"/api/v1/sites/1/moderation/items/{item}")).json()
        self.assertEqual(detail["item"]["media"], [seen])
        # Its author and its moderators see it, and nobody else.
        for path in (made["media"][0]["url"], seen["url"], seen["thumb"]):
            self.assertEqual((await self.ask("GET", path)).status, 200, path)
        self.assertEqual((await self.ask("GET", plain)).status, 404)
        self.assertEqual(self.sql("select data from event where type = 'comment.created'"), [])
        await self.decide(owner, item, "approve")
        self.assertEqual((await self.shown())[0]["media"][0]["url"], plain)
        self.assertEqual((await self.ask("GET", plain)).status, 200)
        for action in ("reject", "approve", "delete", "restore", "hold"):
            await self.decide(owner, item, action)
            wanted = 200 if action in ("approve", "restore") else 404
            for _ in range(100):
                # What is in memory goes when the database has told of it.
                if (answer := await self.ask("GET", plain)).status == wanted:
                    break
                await deferLater(reactor, 0.05)
            self.assertEqual((action, answer.status), (action, wanted))
        own = (await self.ask("GET", f"{COMMENTS}/{made['id']}", authorization=self.auth)).json()
        self.assertEqual((await self.ask("GET", own["comment"]["media"][0]["url"])).status, 200)
        self.assertEqual((await self.shown(), self.items()), ([], [f"comment:{made['id']}", ""]))
        self.sql("select set_comment_status(1, %s, 1, false)", int(made["id"]))
        self.assertEqual((await self.shown())[0]["media"][0]["id"], first)
        changed = (await self.change(made["id"], text="Look there.", media=[second])).json()["comment"]
        self.assertEqual((changed["state"], changed["media"][0]["id"]), ("pending", second))
        self.assertEqual((await self.shown())[0]["media"][0]["id"], first)
        self.assertEqual(self.items(), [f"comment:{made['id']}"] * 2)
        self.assertEqual((await self.ask("GET", f"/media/{second}/400.webp")).status, 404)
        self.assertEqual((await self.ask("GET", changed["media"][0]["url"])).status, 200)
        found = (await owner.ask("GET", f"/api/v1/sites/1/moderation/items/{item}")).json()["item"]["media"]
        self.assertEqual([(one["id"], one["waits"]) for one in found], [(first, False), (second, True)])
        self.sql("delete from comment_revision")
        self.assertEqual(self.items(), [f"comment:{made['id']}", ""])

    async def decide(self, owner: Any, item: str, action: str) -> None:
        """Do it as a moderator."""
        made = await owner.ask("POST", "/api/v1/sites/1/moderation/actions", {"items": [item], "action": action})
        self.assertEqual(made.json()["done"], [item])

    async def test_at_once(self) -> None:
        """Of two comments that name one picture at the same time, one is written."""
        mine = await self.picture()
        work = [Deferred.fromCoroutine(self.write(mine, text=text)) for text in ("One.", "Two.", "Three.")]
        answers = await gatherResults(work)
        self.assertEqual(sorted(one.status for one in answers), [201, 422, 422])
        self.assertEqual({one.slug for one in answers if one.status == 422}, {"media-unknown"})
        self.assertEqual(len(await self.shown()), 1)
        # It was looked up before another took it.
        kept = self.sql("select media from comment where media <> ''")[0][0]
        found = await self.assertFailure(Deferred.fromCoroutine(self.application.database.site(1).write(
            POST_COMMENT, 1, 5, "x", "", "", 77, "", None, None, None, "a", "a", "a", "", 5, False,
            with_pictures(None, json.loads(kept)),
        )), QueryFailed)  # fmt: skip
        self.assertIn("media-unknown", str(found))

    async def test_alone(self) -> None:
        """A picture needs no words; without one there is nothing to send."""
        mine = await self.picture()
        made = (await self.write(mine, text="")).json()["comment"]
        self.assertEqual((made["html"], made["source"], made["media"][0]["id"]), ("", "", mine))
        self.assertEqual((await self.write(text=" ")).slug, "text-empty")
        changed = (await self.change(made["id"], text="Now with words.")).json()["comment"]
        self.assertEqual(changed["media"][0]["id"], mine)
        self.assertEqual((await self.change(made["id"], text="")).status, 200)
        self.assertEqual((await self.change(made["id"], text="", media=[])).slug, "text-empty")
        self.assertEqual((await self.shown())[0]["media"][0]["id"], mine)

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
