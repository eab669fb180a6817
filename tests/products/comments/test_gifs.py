"""The search for GIFs: the site's own server alone is asked, within bounds; what is taken is a picture like others."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.server import Request, Site

from cackled.outbound.guard import Policy
from cackled.outbound.post import GuardedHttp
from cackled.products.comments.gifs import MOST, MOST_BYTES, Gifs
from tests.api.common import ApiCase
from tests.media import corpus
from tests.products.comments.test_previews import Pages, leads

clock: Any = reactor
GIFS = "/api/v1/sites/1/gifs"


class GifTests(ApiCase):
    """Over the API, with a server of the site's at gifs.example (127.0.0.2)."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        self.pages = Pages()
        self.found: Any = [{"preview": "/s.gif", "url": "/l.gif", "alt": "A\u202e cat", "more": 1}]
        self.words: list[bytes] = []
        self.pages.pages["/find"] = self.answer
        listening = clock.listenTCP(0, Site(self.pages), interface="127.0.0.2")
        self.addCleanup(listening.stopListening)
        port = listening.getHost().port
        self.server = f"http://gifs.example:{port}"
        names = {"gifs.example": "127.0.0.2", "in.example": "127.0.0.1"}
        http = GuardedHttp(
            clock, lambda host: succeed([names[host]]), Policy(ports=(port,), networks=("127.0.0.2/32",))
        )
        self.application.shared[Gifs] = Gifs(http, clock.seconds)
        await self.application.sites.change(1, "media.pictures", True)
        await self.application.sites.change(1, "comments.gifs", self.server + "/find?q={q}&n=1")
        self.auth = await self.visitor()

    def answer(self, request: Request) -> bytes:
        """What is found."""
        self.words += (request.args or {}).get(b"q", [b""])
        return self.found if isinstance(self.found, bytes) else json.dumps(self.found).encode()

    async def search(self, words: str) -> Any:
        """Ask; gives the answer."""
        return await self.ask("GET", f"{GIFS}?q={words}", authorization=self.auth)

    async def test_search(self) -> None:
        """What is found is on the site's server, and is kept: who asks at the same time, or again, shares it."""
        answers = await gatherResults(
            [Deferred.fromCoroutine(self.search("Black%20%26%20cat")) for _ in range(3)]
        )
        gif = {"preview": f"{self.server}/s.gif", "url": f"{self.server}/l.gif", "alt": "A cat"}
        for answer in (*answers, await self.search("black%20%26%20cat")):
            self.assertEqual((answer.status, answer.json()), (200, {"gifs": [gif]}))
        self.assertEqual(self.words, [b"Black & cat"])
        self.assertEqual((await self.ask("GET", f"{GIFS}?q=x")).status, 401)

    async def test_bounds(self) -> None:
        """Other servers' pictures are left out, and so is what is too many; what makes no sense is no error of ours."""
        one = {"preview": "/s", "url": "/l"}
        self.found = [
            {"preview": "https://evil.example/s", "url": "/l"}, {"preview": "/s", "url": "http://in.example/l"},
            {"preview": "javascript:alert(1)", "url": "/l"}, {"preview": "http://[", "url": "/l"}, *[one] * 100,
        ]  # fmt: skip
        found = (await self.search("a")).json()["gifs"]
        self.assertEqual(len(found), MOST - 4)
        self.assertEqual(found[0], {"preview": f"{self.server}/s", "url": f"{self.server}/l", "alt": ""})
        deep = b'[{"preview":"/s","url":"/l","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}]"
        long = b"[" + b" " * MOST_BYTES + b"]"
        for body in (deep, long, b"<html>", b"{}", b"[1]", b"\xff", b'[{"preview":1,"url":2}]'):
            self.found = body
            answer = await self.search(f"b{len(self.words)}")
            self.assertEqual((answer.status, answer.slug), (503, "unavailable"), body[:20])
        self.pages.pages["/find"] = leads(b"http://in.example/")
        self.assertEqual((await self.search("c")).status, 503)

    async def test_taken(self) -> None:
        """One that is taken is a picture of the visitor's own, made anew, and can be shown with a comment."""
        self.pages.pages["/l.gif"] = lambda request: corpus.moving()
        made = await self.ask("POST", GIFS, {"url": f"{self.server}/l.gif", "alt": "A cat"}, authorization=self.auth)
        self.assertEqual(made.status, 201, made)
        self.assertEqual((made.json()["alt"], made.json()["frames"]), ("A cat", 5))
        body = {"channel": {"key": "page"}, "name": "Ann", "text": "", "media": [made.json()["id"]]}
        written = await self.ask("POST", "/api/v1/sites/1/comments", body, authorization=self.auth)
        self.assertEqual((written.status, written.json()["comment"]["media"][0]["alt"]), (201, "A cat"), written)
        other = self.server.replace("gifs.", "x.") + "/l.gif"
        for url in ("http://in.example/l.gif", other, "file:///etc/passwd", "", "/l.gif"):
            answer = await self.ask("POST", GIFS, {"url": url}, authorization=self.auth)
            self.assertEqual((answer.status, answer.slug), (422, "media-unknown"), url)
        gone = await self.ask("POST", GIFS, {"url": f"{self.server}/gone.gif"}, authorization=self.auth)
        self.assertEqual(gone.status, 503)
        bad = await self.ask("POST", GIFS, {"url": f"{self.server}/find"}, authorization=self.auth)
        self.assertEqual((bad.status, bad.slug), (422, "media-type"))

    async def test_capitals(self) -> None:
        """An address in capitals is the same server's."""
        await self.application.sites.change(1, "comments.gifs", self.server.replace("gifs", "GIFS") + "/find?q={q}&n=1")
        found = (await self.search("a")).json()["gifs"]
        self.assertEqual(found[0]["url"], f"{self.server}/l.gif")

    async def test_no_pictures(self) -> None:
        """A site that takes no pictures has none fetched; a key in the address is not written into the log."""
        await self.application.sites.change(1, "media.pictures", False)
        body = {"url": f"{self.server}/l.gif"}
        answer = await self.ask("POST", GIFS, body, authorization=self.auth)
        self.assertEqual((answer.status, answer.slug, self.pages.asked), (403, "no-pictures", []))
        await self.application.sites.change(1, "comments.gifs", self.server + "/gone?key=secret&q={q}")
        lines: list[str] = []
        note = lambda event: lines.append(str(formatEvent(event)))  # noqa: E731
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.assertEqual((await self.search("a")).status, 503)
        self.assertIn("the search for GIFs of site 1 fails: it answers 404", lines)
        self.assertNotIn("key=secret", " ".join(one for one in lines if "GIF" in one))

    async def test_off(self) -> None:
        """A site without such a search has none, and nobody is asked."""
        await self.application.sites.change(1, "comments.gifs", "")
        self.assertEqual((await self.search("a")).status, 404)
        body = {"url": f"{self.server}/l.gif"}
        self.assertEqual((await self.ask("POST", GIFS, body, authorization=self.auth)).status, 404)
        self.assertEqual(self.pages.asked, [])
