"""Titles of videos in reviews and polls: asked of their sites by workers, once, and shown on open pages."""

from __future__ import annotations

from typing import Any

from cackled.domain import video_titles
from cackled.domain.outbox import Work
from cackled.domain.video_titles import videos_in
from cackled.products.polls.videos import PollVideos
from cackled.products.product import OutboxParts
from cackled.products.reviews.videos import ReviewVideos
from tests.api.common import clock
from tests.products.comments.test_oembed import FILM, OembedCase
from tests.support.staff import sign_in

OTHER = "https://vimeo.com/123/abcdef0123"


class VideoTitleCase(OembedCase):
    """Handlers as the outbox has them, with servers that stand for YouTube and Vimeo."""

    async def setUp(self) -> None:
        await super().setUp()
        one: Any = self.application
        parts = OutboxParts(
            sites=one.sites, database=one.database, send=None, sender="", links=one.links, own_url="", clock=clock,
            http=self.http,
        )  # fmt: skip
        self.handlers = {"poll-videos": PollVideos(parts), "review-videos": ReviewVideos(parts)}

    async def done(self) -> int:
        """Do what waits for them; gives how much that was."""
        rows = self.sql("delete from outbox where kind = any(%s) returning kind, id, body", list(self.handlers))
        for kind, id_, body in rows:
            await self.handlers[kind].deliver(Work(id_, 1, kind, body, 1, 0.0))
        return len(rows)


class ReviewTests(VideoTitleCase):
    async def review(self, text: str, **more: Any) -> Any:
        """A review; gives it as everybody has it."""
        auth = await self.visitor()
        body = {"channel": {"key": "mug"}, "star": 5, "text": text, "name": "Ann", **more}
        answer = await self.ask("POST", "/api/v1/sites/1/reviews", body, authorization=auth)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()["review"]

    async def shown(self) -> list[Any]:
        """The videos of all reviews, as a page has them."""
        answer = await self.ask("GET", "/api/v1/sites/1/reviews?channel=mug&sort=new&readPreference=primary")
        return [one.get("videos") for one in answer.json()["page"]["reviews"]]

    async def test_shown(self) -> None:
        """A review is shown with the titles; another text has others; what is not shown is not asked for."""
        made = await self.review(f"Look:\n\n{FILM}\n\n{OTHER}\n\nhttps://example.org/watch")
        self.assertNotIn("videos", made)
        seq = self.sql("select seq from channel where product = 'reviews'")
        self.assertEqual(await self.done(), 1)
        self.assertEqual(await self.shown(), [
            [{"url": FILM, "title": "A film <b>"}, {"url": OTHER, "title": "Another <b>"}],
        ])  # fmt: skip
        self.assertGreater(self.sql("select seq from channel where product = 'reviews'"), seq)
        self.assertEqual(self.wrong, [])
        made_title = {"url": FILM, "title": "A film <b>"}
        # The same once more is asked of nobody.
        await self.review(f"And here: \n\n{FILM}")
        asked = len(self.pages.asked)
        self.assertEqual(await self.done(), 1)
        self.assertEqual(len(self.pages.asked), asked)
        self.sql("update review set html = '<p>other</p>' where id = %s", int(made["id"]))
        self.assertEqual(self.sql("select videos from review where id = %s", int(made["id"])), [("",)])
        self.assertEqual(await self.done(), 0)
        await self.review("https://example.org/youtube.com")
        await self.done()
        self.assertEqual((len(self.pages.asked), await self.shown()), (asked, [None, [made_title], None]))

    async def test_failing(self) -> None:
        """A site that says nothing is not asked again at once; the review stays as it is."""
        self.videos.clear()
        await self.review(FILM)
        await self.done()
        await self.review(FILM)
        await self.done()
        self.assertEqual((await self.shown(), self.pages.asked.count("/oembed")), ([None, None], 1))
        self.assertEqual(self.sql("select title, failures from video_title"), [("", 1)])
        self.sql("update video_title set expires_at = now() - interval '2 days'")
        await self.application.housekeeping.run()
        self.assertEqual(self.sql("select count(*) from video_title"), [(0,)])

    def test_found(self) -> None:
        """Three of a text, each once; addresses as they are meant."""
        html = "".join(f'<p><a href="https://youtu.be/abcdefghij{n}">x</a></p>' for n in "kkabcd")
        self.assertEqual([video for _, video in videos_in(html)], [f"youtube:abcdefghij{n}" for n in "kab"])
        self.assertEqual(len(videos_in(html)), video_titles.MOST)
        self.assertEqual(videos_in('<a href="https://youtube.com/watch?a=1&amp;v=abcdefghijk">x</a>')[0][1],
                         "youtube:abcdefghijk")  # fmt: skip


class PollTests(VideoTitleCase):
    async def test_shown(self) -> None:
        """An option's video has its title, without another version for who edits; another video has none yet."""
        owner = await sign_in(self, "owner")
        options = [{"text": "Duck", "video": FILM}, {"text": "Goose", "video": OTHER}, {"text": "None"}]
        made = await owner.ask("POST", "/api/v1/sites/1/polls", {"question": "Which?", "options": options})
        self.assertEqual(made.status, 201, made)
        poll = made.json()["id"]

        async def titles() -> list[Any]:
            answer = await self.ask("GET", f"/api/v1/sites/1/polls/{poll}?readPreference=primary")
            return [one["video"] and one["video"]["title"] for one in answer.json()["poll"]["options"]]

        self.assertEqual(await titles(), ["", "", None])
        version = self.sql("select version from poll where id = %s", int(poll))
        # Of two options it is one piece of work.
        self.assertEqual(await self.done(), 1)
        self.assertEqual(await titles(), ["A film <b>", "Another <b>", None])
        self.assertEqual(self.sql("select version from poll where id = %s", int(poll)), version)
        self.assertEqual(self.wrong, [])
        self.videos["https://vimeo.com/7"] = "A third"
        self.sql("update poll_option set video = 'vimeo:7' where text = 'Duck'")
        self.assertEqual(await titles(), ["", "Another <b>", None])
        self.assertEqual(await self.done(), 1)
        self.assertEqual(await titles(), ["A third <b>", "Another <b>", None])

