"""Titles of videos: asked of their sites once, by the letter of oEmbed; of what is answered words alone are taken."""

from __future__ import annotations

import msgspec
from twisted.internet.defer import Deferred
from twisted.web.server import Request

from cackled.domain import oembed
from cackled.domain.fetching import Unfetched
from cackled.domain.videos import canonical
from cackled.products.comments.previews.oembed import fetch_title
from cackled.products.comments.previews.opengraph import Facts
from tests.products.comments.test_previews import PreviewCase, leads

FILM = "https://youtu.be/abcdefghijk"


class OembedCase(PreviewCase):
    """The server stands for YouTube and Vimeo."""

    async def setUp(self) -> None:
        await super().setUp()
        self.wrong: list[str] = []
        self.said: bytes = b""
        self.videos = {
            "https://www.youtube.com/watch?v=abcdefghijk": "A film", "https://vimeo.com/123/abcdef0123": "Another",
        }  # fmt: skip
        self.patch(oembed, "PROVIDERS", {
            "youtube": ("YouTube", self.url("/oembed?format=json&url="), "https://www.youtube.com/watch?v="),
            "vimeo": ("Vimeo", self.url("/api/oembed.json?url="), "https://vimeo.com/"),
        })  # fmt: skip
        self.pages.pages.update({"/oembed": self.answer, "/api/oembed.json": self.answer})

    def answer(self, request: Request) -> bytes:
        """As the sites answer; notes what they would not understand."""
        arguments = {name.decode(): [one.decode() for one in values] for name, values in request.args.items()}
        wanted = {"url", "format"} if request.path == b"/oembed" else {"url"}
        if set(arguments) != wanted or arguments.get("format", ["json"]) != ["json"] or len(arguments["url"]) != 1:
            self.wrong.append(f"arguments {arguments}")
        if request.getHeader("accept") != "application/json" or request.getHeader("cookie"):
            self.wrong.append("headers")
        if arguments["url"][0] not in self.videos:
            self.wrong.append(f"no video {arguments['url']}")
            request.setResponseCode(404)
            return b"Not Found"
        request.setHeader(b"content-type", b"application/json")
        return self.said or msgspec.json.encode({
            "type": "video", "version": "1.0", "title": f" {self.videos[arguments['url'][0]]}\u202e <b>\n",
            "html": "<iframe src='https://evil.example/'></iframe>", "width": 200,
            "thumbnail_url": self.url("/pic.jpg"),
        })  # fmt: skip


class TitleTests(OembedCase):
    """In comments."""

    async def test_titles(self) -> None:
        """A comment's videos have their titles, asked for once; no picture is fetched, and no HTML is taken."""
        await self.write(f"{FILM}\n\nhttps://player.vimeo.com/video/123?h=abcdef0123\n\nhttps://youtube.com/@channel")
        await self.write(FILM)
        self.assertEqual(self.pages.asked, [], "nothing is asked while somebody writes")
        await self.work()
        second, first = await self.shown()
        film = {"url": FILM, "title": "A film <b>", "site": "YouTube", "video": True}
        self.assertEqual(second["links"], [film])
        other = {"url": "https://player.vimeo.com/video/123?h=abcdef0123", "title": "Another <b>", "site": "Vimeo"}
        self.assertEqual(first["links"], [film, {**other, "video": True}])
        await self.write(FILM)
        await self.work()
        self.assertEqual((await self.shown())[0]["links"], [film])
        # Of two that are written at the same time each may ask; from then on it is known.
        self.assertLessEqual(self.pages.asked.count("/oembed"), 2)
        self.assertEqual(self.pages.asked.count("/api/oembed.json"), 1)
        self.assertNotIn("/pic.jpg", self.pages.asked)
        self.assertEqual(self.wrong, [])

    async def test_not_wanted(self) -> None:
        """Where links have no previews nobody is asked for titles."""
        await self.application.sites.change(1, "comments.previews", False)
        await self.write(FILM)
        await self.work()
        self.assertEqual(self.pages.asked, [])
        self.assertNotIn("links", (await self.shown())[0])

    async def test_bad_answers(self) -> None:
        """What is no answer, has no title, is too long, or leads to within, is none."""
        video = canonical(FILM)
        assert video is not None
        for said in (
            b"<html>", b"[]", b"{}", b'{"title":""}', b'{"title":7}', b'{"title":"\\u200b \\n"}', b"\xff{",
            b"[" * 20_000, b'{"title":"x"' + b" " * 40_000,
        ):  # fmt: skip
            self.said = said
            await self.assertFailure(self.title(video), Unfetched)
        self.said = b'{"title":"' + b"long " * 100 + b'"}'
        self.assertLessEqual(len((await self.title(video)).title), 150)
        self.pages.pages["/oembed"] = leads(self.url("/", "127.0.0.1").encode())
        error = await self.assertFailure(self.title(video), Unfetched)
        self.assertIn("no public address", str(error))
        self.assertEqual(self.within.asked, [])

    def title(self, video: str) -> Deferred[Facts]:
        """What is found."""
        return Deferred.fromCoroutine(fetch_title(self.http, video))
