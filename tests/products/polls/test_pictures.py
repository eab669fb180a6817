"""Pictures of options that staff upload: shown with the poll, and by nothing else."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.api.test_private import SECRET, grant
from tests.media import corpus
from tests.media.test_private import SIGNED
from tests.products.polls.common import PollCase


class PictureTests(PollCase):
    """Site 1 with an owner."""

    timeout = 300

    async def added(self, color: str = "red") -> dict[str, Any]:
        """A picture by staff."""
        answer = await self.owner.ask(
            "POST", "/api/v1/sites/1/pictures?alt=x", corpus.picture(color=color), content_type="image/jpeg"
        )
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    async def seen(self, url: str) -> int:
        """What a stranger is answered."""
        return (await self.ask("GET", url)).status

    async def gone(self, url: str) -> None:
        """It is answered no more as soon as this node has heard of that."""
        for _ in range(1200):
            if await self.seen(url) == 404:
                return
            await deferLater(reactor, 0.05)  # type: ignore[arg-type]
        self.fail(f"{url} is still there")

    async def test_shown(self) -> None:
        """Before it is saved its uploader alone sees it, then everybody, and after its option it goes."""
        one, two = await self.added("red"), await self.added("blue")
        self.assertEqual((await self.seen(one["url"]), await self.seen(one["preview"])), (404, 200))
        poll = await self.make(options=[{"text": "red", "image": one["url"]}, {"text": "", "image": two["url"]}])
        self.assertEqual([await self.seen(each["url"]) for each in (one, two)], [200, 200])
        shown = (await self.poll(poll))["poll"]
        self.assertEqual([each["image"] for each in shown["options"]], [one["url"], two["url"]])
        for part in ("", "/fragment"):
            page = await self.ask("GET", f"/threads/1{part}?widget=Poll&poll={poll}")
            self.assertEqual(page.body.count(b'width="96" height="72"'), 2, page)
            # A link needs words; an option that is a picture alone is called by its place.
            self.assertEqual(page.body.count(b'alt="red"') + page.body.count(b'alt="Option 2"'), 2, page)
        options = [{"id": each["id"], "text": each["text"] or "blue", "image": ""} for each in shown["options"]]
        options[0]["image"] = one["url"]
        version = shown["version"]
        saved = await self.owner.ask("PATCH", f"/api/v1/sites/1/polls/{poll}", {"version": version, "options": options})
        self.assertEqual(saved.status, 200, saved)
        await self.gone(two["url"])
        self.assertEqual(await self.seen(one["url"]), 200)
        self.assertEqual(self.sql("select item, shown from media order by item"),
                         [("", False), (f"poll:{poll}", True)])  # fmt: skip

    async def test_private(self) -> None:
        """Of a private site they are at signed addresses alone, for those who may read it."""
        one = await self.added()
        poll = await self.make(options=[{"text": "red", "image": one["url"]}, {"text": "blue", "image": ""}])
        await self.application.sites.change(1, "channel_secret", SECRET)
        await self.application.sites.change(1, "private", True)
        self.assertEqual(await self.seen(one["url"]), 404)
        token = grant()
        answers = [
            await self.ask("GET", f"{path}token={token}")
            for path in (
                f"/api/v1/sites/1/polls/{poll}?", f"/bootstrap?widget=Poll&site=1&poll={poll}&",
                f"/threads/1?widget=Poll&poll={poll}&",
            )
        ]  # fmt: skip
        for answer in answers:
            found = SIGNED.search(answer.body)
            assert found is not None, answer
            self.assertNotIn(one["url"].encode(), answer.body)
            self.assertEqual(await self.seen(found[0].decode()), 200)

    async def test_refused(self) -> None:
        """Another site's, another poll's, a visitor's, one that is not there, and what is no picture."""
        one = await self.added()
        poll = await self.make(options=[{"text": "red", "image": one["url"]}, {"text": "blue"}])
        self.assertTrue(poll)
        unknown = one["url"].replace(one["id"], "1-" + "x" * 22)
        self.sql("update media set account_id = null where item = ''")
        body: dict[str, Any] = {"question": "Which?", "options": []}
        for image, slug in (
            (one["url"], "media-unknown"), (unknown, "media-unknown"), ("/media/2" + one["url"][8:], "bad-field"),
            ("/media/x", "bad-field"), ("//evil.example/x.webp", "bad-field"), ("javascript:x", "bad-field"),
        ):
            body["options"] = [{"text": "a", "image": image}, {"text": "b"}]
            self.assertEqual((await self.owner.ask("POST", "/api/v1/sites/1/polls", body)).slug, slug, image)
        page = await self.owner.ask("POST", "/api/v1/sites/1/pictures", corpus.SVG, content_type="image/png")
        self.assertEqual(page.slug, "media-type")
        stranger = await self.ask("POST", "/api/v1/sites/1/pictures", corpus.picture(), content_type="image/png")
        self.assertIn(stranger.status, (401, 403))
        self.assertEqual(self.sql("select count(*) from media"), [(1,)])
