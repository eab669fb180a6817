"""Previews of links: servers of every kind are asked within bounds, and what is shown follows its comment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from cackled.domain.fetching import HOPS, Unfetched
from cackled.domain.outbox import Work
from cackled.domain.uploads import Uploads
from cackled.outbound.guard import Policy
from cackled.outbound.post import GuardedHttp
from cackled.products.comments.notices.gather import Gatherer
from cackled.products.comments.previews import cards
from cackled.products.comments.previews.cards import LinkCards, links_of
from cackled.products.comments.previews.fetching import fetch_facts
from cackled.products.comments.previews.opengraph import MOST_BYTES
from tests.api.common import ApiCase
from tests.media import corpus

clock: Any = reactor
COMMENTS = "/api/v1/sites/1/comments"
PAGE = b'<title>A page</title><meta name=description content="Words."><meta property="og:image" content="/pic.jpg">'
Answering = Callable[[Request], "bytes | int"]


class Pages(Resource):
    """Pages by path; counts what is asked for."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.pages: dict[str, Answering] = {}
        self.slow: list[Request] = []

    def render_GET(self, request: Request) -> bytes | int:
        path = request.path.decode()
        self.asked.append(path)
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        if path not in self.pages:
            request.setResponseCode(404)
            return b"no"
        return self.pages[path](request)


def leads(to: bytes, code: int = 302) -> Answering:
    """A redirect."""

    def answer(request: Request) -> bytes:
        request.setResponseCode(code)
        request.setHeader(b"location", to)
        return b""

    return answer


class PreviewCase(ApiCase):
    """A server at blog.example (127.0.0.2), which may be asked, and one within (127.0.0.1), which may not."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        self.application.outbox.stop()
        self.application.shared[Gatherer].stop()
        self.pages, self.within = Pages(), Pages()
        self.within.pages["/"] = lambda request: b"<title>Secret</title>"
        listening = clock.listenTCP(0, Site(self.pages), interface="127.0.0.2")
        self.addCleanup(listening.stopListening)
        self.web = listening.getHost().port
        inner = clock.listenTCP(self.web, Site(self.within), interface="127.0.0.1")
        self.addCleanup(inner.stopListening)
        self.names = {"blog.example": "127.0.0.2", "rebound.example": "127.0.0.1", "127.0.0.1": "127.0.0.1"}
        self.http = GuardedHttp(
            clock, lambda host: succeed([self.names[host]]), Policy(ports=(self.web,), networks=("127.0.0.2/32",))
        )
        self.cards = LinkCards(
            self.application.sites, self.application.database, self.http,
            lambda: self.application.shared[Uploads], clock,
        )  # fmt: skip
        await self.application.sites.change(1, "comments.previews", True)
        self.auth = await self.visitor()
        self.addCleanup(self.hang_up)

    def hang_up(self) -> None:
        """Let the slow ones go."""
        for request in self.pages.slow:
            request.transport.abortConnection()

    def url(self, path: str, host: str = "blog.example") -> str:
        """An address there."""
        return f"http://{host}:{self.web}{path}"

    async def write(self, text: str, key: str = "page", site: int = 1, auth: str | None = None) -> str:
        """A comment; gives its number."""
        answer = await self.ask(
            "POST", f"/api/v1/sites/{site}/comments", {"channel": {"key": key}, "name": "Ann", "text": text},
            authorization=auth or self.auth, origin=f"https://{'one' if site == 1 else 'two'}.example",
        )  # fmt: skip
        self.assertEqual(answer.status, 201, answer)
        return str(answer.json()["comment"]["id"])

    async def work(self) -> int:
        """Gather what is new, and do what that leads to; gives how much it was."""
        await self.application.shared[Gatherer].run()
        rows = self.sql(
            "update outbox set done_at = now() where kind = 'comment-links' and done_at is null "
            "returning id, site_id, kind, body"
        )
        for number, of, kind, body in rows:
            await self.cards.deliver(Work(number, of, kind, body, 1, 0.0))
        return len(rows)

    async def shown(self, site: int = 1) -> Any:
        """The comments of the page."""
        origin = f"https://{'one' if site == 1 else 'two'}.example"
        answer = await self.ask("GET", f"/api/v1/sites/{site}/comments?channel=page", origin=origin)
        return answer.json()["page"]["comments"]

    async def fetched(self, path: str, host: str = "blog.example") -> str:
        """The title of a page, or why there is none."""
        try:
            return (await fetch_facts(self.http, self.url(path, host))).title
        except Unfetched as error:
            return str(error)


class FetchingTests(PreviewCase):
    """Servers of every kind."""

    async def test_redirects(self) -> None:
        """Redirects are followed, each hop is guarded, and they come to an end."""
        self.pages.pages.update({
            "/": lambda request: PAGE, "/1": leads(b"/2", 301), "/2": leads(b"//blog.example:%d/#x" % self.web, 308),
            "/round": leads(b"/round"), "/in": leads(self.url("/", "127.0.0.1").encode()),
            "/name": leads(self.url("/", "rebound.example").encode()), "/file": leads(b"file:///etc/passwd"),
            "/js": leads(b"javascript:alert(1)"), "/user": leads(b"http://a:b@blog.example/"), "/none": leads(b""),
            "/bad": leads(b"http://[::1"), "/port": leads(b"http://blog.example:22/"), "/high": leads(b"/\xc3\xa9"),
        })  # fmt: skip
        self.assertEqual(await self.fetched("/1"), "A page")
        for path in ("/in", "/name"):
            self.assertEqual(await self.fetched(path), "127.0.0.1 is no public address")
        self.pages.asked.clear()
        self.assertEqual(await self.fetched("/round"), "it leads on and on")
        self.assertEqual(len(self.pages.asked), HOPS)
        for path in ("/file", "/js", "/user", "/bad", "/none"):
            self.assertIn(await self.fetched(path), ("it leads nowhere", "it leads on and on"), path)
        self.assertEqual(await self.fetched("/port"), "port 22 is not allowed")
        self.assertEqual(await self.fetched("/high"), "it answers 404")
        self.assertEqual(await self.fetched("/", "rebound.example"), "127.0.0.1 is no public address")
        self.assertEqual(self.within.asked, [])

    async def test_long(self) -> None:
        """Of a page without end only the beginning is read; what is packed, or no page, is left."""
        sent = []

        def endless(request: Request) -> int:
            class Producer:
                def resumeProducing(self) -> None:
                    sent.append(1)
                    request.write(b"<p>" + b"x" * 65_536)

                def stopProducing(self) -> None:
                    pass

            request.write(b"<title>Long</title>")
            request.registerProducer(Producer(), False)
            return NOT_DONE_YET

        def packed(request: Request) -> bytes:
            request.setHeader(b"content-encoding", b"gzip")
            return b"<title>x</title>"

        def picture(request: Request) -> bytes:
            request.setHeader(b"content-type", b"image/png")
            return b"<title>x</title>"

        self.pages.pages.update({"/": endless, "/packed": packed, "/picture": picture})
        self.assertEqual(await self.fetched("/"), "Long")
        # Sockets hold some of it.
        self.assertLess(len(sent) * 65_536, 64 * MOST_BYTES)
        self.assertEqual(await self.fetched("/packed"), "it is packed")
        self.assertEqual(await self.fetched("/picture"), "it says nothing of itself")
        self.assertEqual(await self.fetched("/gone"), "it answers 404")

    async def test_slow(self) -> None:
        """A server that does not answer costs its time and no more; the comment stays as it is."""

        def slow(request: Request) -> int:
            self.pages.slow.append(request)
            return NOT_DONE_YET

        self.pages.pages["/"] = slow
        self.patch(cards, "SECONDS", 0.2)
        await self.write(self.url("/"))
        self.assertEqual(await self.work(), 1)
        self.assertNotIn("links", (await self.shown())[0])
        self.assertEqual(self.sql("select card, failures from link_card"), [("", 1)])


class PreviewTests(PreviewCase):
    """From the comment to the page."""

    async def setUp(self) -> None:
        await super().setUp()

        def picture(request: Request) -> bytes:
            request.setHeader(b"content-type", b"image/jpeg")
            return corpus.picture()

        self.pages.pages.update({"/a": lambda request: PAGE, "/pic.jpg": picture})

    async def test_shown(self) -> None:
        """Title, words and picture are with the comment; open pages are told; the page is asked once."""
        number = await self.write(f"Look: {self.url('/a')}")
        seq = self.sql("select max(seq) from event")[0][0]
        self.assertEqual(await self.work(), 1)
        (comment,) = await self.shown()
        (link,) = comment["links"]
        picture = link.pop("picture")
        self.assertEqual(
            link, {"url": self.url("/a"), "title": "A page", "text": "Words.", "site": "blog.example"}
        )  # fmt: skip
        self.assertEqual((picture["alt"], picture["width"], picture["height"]), ("", 400, 300))
        self.assertEqual((await self.ask("GET", picture["url"])).status, 200)
        kind, told, data = self.sql("select type, seq, data from event order by seq desc limit 1")[0]
        self.assertEqual((kind, told), ("comment.updated", seq + 1))
        self.assertIn(picture["url"], data)
        self.assertEqual(self.pages.asked, ["/a", "/pic.jpg"])
        # It is known now; what it led to (comment.updated) leads to nothing more.
        await self.write(f"Again {self.url('/a')}", auth=await self.visitor())
        self.assertEqual(await self.work(), 1)
        self.assertEqual(await self.work(), 0)
        self.assertEqual(self.pages.asked, ["/a", "/pic.jpg"])
        both = [one["links"][0]["picture"]["id"] for one in await self.shown()]
        self.assertEqual(len(set(both)), 2)
        self.assertEqual(
            {item for (item,) in self.sql("select item from media where shown")},
            {f"comment:{one['id']}" for one in await self.shown()},
        )
        self.assertIn(f"comment:{number}", str(self.sql("select item from media")))

    async def test_follows_comment(self) -> None:
        """Another text has no preview; what is hidden, deleted or forgotten shows no picture, and no log has it."""
        number = await self.write(f"See {self.url('/a')}")
        await self.work()
        (link,) = (await self.shown())[0]["links"]
        picture = link["picture"]["url"]
        # A moderator hides it, and shows it again.
        self.sql("select set_comment_status(1, %s, 3, false)", int(number))
        self.assertEqual((await self.ask("GET", picture)).status, 404)
        self.assertNotIn("A page", str(self.sql("select data from event where data like '%%links%%'")))
        self.sql("select set_comment_status(1, %s, 1, false)", int(number))
        self.assertEqual((await self.ask("GET", picture)).status, 200)
        changed = await self.ask("PATCH", f"{COMMENTS}/{number}", {"text": "Nothing."}, authorization=self.auth)
        self.assertEqual((changed.status, "links" in changed.json()["comment"]), (200, False))
        self.assertEqual((await self.ask("GET", picture)).status, 404)
        self.assertEqual(self.sql("select item, shown from media"), [("", False)])
        # Deleted by its author.
        await self.ask("PATCH", f"{COMMENTS}/{number}", {"text": self.url("/a")}, authorization=self.auth)
        self.assertEqual(await self.work(), 1)
        picture = (await self.shown())[0]["links"][0]["picture"]["url"]
        await self.ask("DELETE", f"{COMMENTS}/{number}", authorization=self.auth)
        self.assertEqual((await self.ask("GET", picture)).status, 404)
        self.assertEqual(self.sql("select links from comment"), [("",)])
        self.assertNotIn("A page", str(self.sql("select data from event")))

    async def test_forgotten(self) -> None:
        """Erasing its author leaves nothing of it with the comment."""
        session = await self.session()
        await self.write(f"See {self.url('/a')}", auth=f"Bearer {session['token']}")
        await self.work()
        await self.application.erasures.erase(1, int(session["visitor"]))
        self.assertEqual(self.sql("select links from comment"), [("",)])
        self.assertEqual(self.sql("select count(*) from media where shown"), [(0,)])
        self.assertNotIn("A page", str(self.sql("select data from event")))

    async def test_waiting(self) -> None:
        """Nothing is asked for a comment that waits, or for a site that shows no previews."""
        other = await self.visitor(2)
        await self.write(self.url("/a"), site=2, auth=other)
        number = await self.write(self.url("/a"))
        self.sql("select set_comment_status(1, %s, 0, false)", int(number))
        self.assertEqual(await self.work(), 0)
        self.sql("select set_comment_status(1, %s, 1, false)", int(number))
        await self.application.shared[Gatherer].run()
        self.sql("select set_comment_status(1, %s, 2, false)", int(number))
        self.assertEqual(await self.work(), 1)
        self.assertEqual(self.pages.asked, [])
        # Switched off meanwhile.
        self.sql("select set_comment_status(1, %s, 1, false)", int(number))
        await self.application.shared[Gatherer].run()
        await self.application.sites.change(1, "comments.previews", False)
        self.assertEqual(await self.work(), 1)
        self.assertEqual(self.pages.asked, [])

    async def test_sites_apart(self) -> None:
        """What one site knows of an address is not there for another."""
        await self.application.sites.change(2, "comments.previews", True)
        await self.write(self.url("/a"))
        await self.work()
        await self.write(self.url("/a"), site=2, auth=await self.visitor(2))
        await self.work()
        self.assertEqual(self.pages.asked.count("/a"), 2)
        self.assertTrue((await self.shown(2))[0]["links"][0]["picture"]["id"].startswith("2-"))

    async def test_failures(self) -> None:
        """A failure is remembered, longer each time; without its picture the rest is shown."""
        self.pages.pages["/b"] = lambda request: PAGE.replace(b"/pic.jpg", b"/gone.jpg")
        self.pages.pages["/c"] = lambda request: PAGE.replace(b"/pic.jpg", b"/a")
        await self.write(f"{self.url('/gone')} {self.url('/b')} {self.url('/c')} {self.url('/a')}")
        await self.work()
        found = (await self.shown())[0]["links"]
        self.assertEqual([one["url"] for one in found], [self.url("/b"), self.url("/c")])
        self.assertEqual(["picture" in one for one in found], [False, False])
        self.pages.asked.clear()
        await self.write(f"{self.url('/gone')} again", auth=await self.visitor())
        await self.work()
        self.assertEqual(self.pages.asked, [])
        self.sql("update link_card set expires_at = now() - interval '1 minute'")
        await self.write(f"{self.url('/gone')} once more", auth=await self.visitor())
        await self.work()
        rows = self.sql("select failures, expires_at > now() + interval '29 minutes' from link_card where card = ''")
        self.assertEqual((self.pages.asked, rows), (["/gone"], [(2, True)]))

    async def test_changed_meanwhile(self) -> None:
        """What was found for a text that is another by then is shown with nothing."""
        number = await self.write(self.url("/a"))
        coming: Deferred[None] = Deferred()

        def late(request: Request) -> int:
            coming.addCallback(lambda _: (request.write(PAGE), request.finish()))
            started.callback(None)
            return NOT_DONE_YET

        started: Deferred[None] = Deferred()
        self.pages.pages["/a"] = late
        working = Deferred.fromCoroutine(self.work())
        await started
        await self.ask("PATCH", f"{COMMENTS}/{number}", {"text": "no"}, authorization=self.auth)
        coming.callback(None)
        await working
        self.assertNotIn("links", (await self.shown())[0])

    async def test_twice(self) -> None:
        """Work that is done twice at the same time shows one preview, and tells once."""
        number = await self.write(self.url("/a"))
        await self.application.shared[Gatherer].run()
        work = Work(1, 1, "comment-links", f'{{"comment":"{number}"}}', 1, 0.0)
        await gatherResults([Deferred.fromCoroutine(self.cards.deliver(work)) for _ in range(2)])
        self.assertEqual(self.sql("select count(*) from event where type = 'comment.updated'"), [(1,)])
        self.assertEqual(len((await self.shown())[0]["links"]), 1)

    async def test_floods(self) -> None:
        """One host is asked so often at once, and no more."""
        for n in range(12):
            links = " ".join(self.url(f"/{n}-{i}") for i in range(3))
            await self.write(links, auth=await self.visitor())
        await self.work()
        self.assertLess(len(self.pages.asked), 30)

    def test_links(self) -> None:
        """Three addresses of a text, each once; none of what has a player."""
        html = (
            '<p><a href="https://a.example/?x=1&amp;y=2" rel="x">a</a> <a href="mailto:a@b.example">m</a> '
            '<a href="https://www.youtube.com/watch?v=1">v</a> <a href="https://a.example/?x=1&amp;y=2">a</a> '
            '<a href="http://b.example/">b</a> <a href="https://c.example/">c</a> <a href="https://d.example/">d</a></p>'
        )
        self.assertEqual(
            links_of(html), ["https://a.example/?x=1&y=2", "http://b.example/", "https://c.example/"]
        )  # fmt: skip
