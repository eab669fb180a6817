"""Pictures of imported comments and of their authors: links at first, fetched where that is wished, from any server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

import cackled
from cackled.domain.fetching import Why
from cackled.domain.outbox import Work
from cackled.domain.uploads import Uploads
from cackled.importing.html_text import to_markdown
from cackled.importing.mapping import UrlMap
from cackled.importing.pictures import FoundPicture, linked_pictures, picture_mark, wished, without_mark
from cackled.importing.run import Importing, Options
from cackled.importing.spool import Report
from cackled.outbound import post
from cackled.outbound.guard import Policy
from cackled.outbound.post import GuardedHttp
from cackled.products.comments import imported_pictures
from cackled.products.comments.imported_pictures import ImportedPictures
from cackled.products.comments.importing import IMPORTS
from cackled.products.product import OutboxParts
from tests.api.common import ORIGIN, ApiCase
from tests.media import corpus
from tests.support.growth import check_growth
from tests.support.picture_server import PictureServer
from tests.support.staff import sign_in

clock: Any = reactor
FORMATS = {one.name: one for one in IMPORTS.formats}
# Later than any day on which this runs: what is dated later than now is put back.
NOW = 3_000_000_000.0
HOSTS = {"old.example": "127.0.0.2", "other.example": "127.0.0.2", "within.example": "127.0.0.1"}


class FetchCase(ApiCase):
    """A daemon's parts, and the server of pictures at ``old.example``."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        self.application.outbox.stop()
        self.there = PictureServer()
        listening = clock.listenTCP(0, Site(self.there), interface="127.0.0.2")
        self.addCleanup(listening.stopListening)
        self.web = listening.getHost().port
        inner = clock.listenTCP(0, Site(self.there), interface="127.0.0.1")
        self.addCleanup(inner.stopListening)
        self.within = inner.getHost().port
        policy = Policy(ports=(self.web, self.within), networks=("127.0.0.2/32",))
        http = GuardedHttp(clock, lambda host: succeed([HOSTS[host]]), policy)
        unused: Any = None
        self.pictures = ImportedPictures(OutboxParts(
            sites=self.application.sites, database=self.application.database, send=None, sender="", links=unused,
            own_url="", clock=clock, uploads=lambda: self.application.shared[Uploads], http=http,
        ))  # fmt: skip
        self.patch(imported_pictures, "PACE", 0.0)

    def link(self, path: str, host: str = "old.example") -> str:
        """An address there."""
        return f"http://{host}:{self.within if host == 'within.example' else self.web}{path}"

    async def bring(self, *texts: str, photos: bool = True, avatars: bool = False, **more: Any) -> Report:
        """Import comments with these texts (HTML) on one page, by FastComments' JSON; *more*: members of each."""
        rows = [
            {"id": f"c{n}", "urlId": "/a", "url": "https://one.example/a", "commentHTML": text,
             "date": f"2024-05-0{n + 1}T10:00:00Z", "commenterName": "Ann", "userId": "u1", "approved": True} | more
            for n, text in enumerate(texts)
        ]  # fmt: skip
        return await self.bring_file("fastcomments", json.dumps(rows), photos=photos, avatars=avatars)

    async def bring_file(self, format: str, text: str, **options: Any) -> Report:
        """Import a file; the run is `self.run_id`."""
        path = Path(self.mktemp())
        path.write_text(text)
        self.work = Importing(
            self.site, self.application.parts.database, deferToThread, Path(self.mktemp()), lambda: NOW, clock,
        )  # fmt: skip
        chosen = Options(**options)
        self.run_id = await self.work.begin("comments", FORMATS[format], path, chosen, dry=False, who="test",
                                            name=self.mktemp())  # fmt: skip
        return await self.work.go(self.run_id, path, FORMATS[format], IMPORTS, UrlMap())

    async def deliver(self, later: bool = False) -> int:
        """Do the work that is due, or *later* all; gives how much it was."""
        if later:
            self.sql("update import_picture set next_at = now()")
        rows = self.sql(
            "update outbox set done_at = now() where kind = 'import-pictures' and done_at is null "
            "and (%s or next_at <= now()) returning id, site_id, kind, body", later
        )
        for number, site, kind, body in rows:
            await self.pictures.deliver(Work(number, site, kind, body, 1, 0.0))
        return len(rows)

    async def shown(self, key: str = "https://one.example/a") -> list[dict[str, Any]]:
        """The comments of the page, oldest first."""
        answer = await self.ask("GET", f"/api/v1/sites/1/comments?channel={key}&sort=old&readPreference=primary")
        self.assertEqual(answer.status, 200, answer)
        return list(answer.json()["page"]["comments"])

    def counted(self) -> tuple[int, int, dict[str, int]]:
        """What is counted of the run's pictures: wished, taken, failed by reason."""
        (row,) = self.sql(
            "select pictures, pictures_taken, pictures_failed from import_run where id = %s", self.run_id
        )
        return row

    def sources(self) -> list[str]:
        """The texts of all comments."""
        return [text for (text,) in self.sql("select src from comment order by id")]


def long_image(words: str) -> str:
    """HTML and Markdown in which nothing is a picture, after *words*."""
    return words * 20_000


class FindingTests(SynchronousTestCase):
    """How texts name pictures."""

    def test_markdown(self) -> None:
        """Whoever wrote it: Markdown, HTML in it, boards; in code nothing is one, nor what no server has."""
        text = (
            "a ![x [y](https://e.example/n.png) ![b\\]c](https://e.example/1.png 'T') "
            "<img class=x src='https://e.example/2.png' "
            'alt="&lt;i>"> [img]https://e.example/3.png[/img] `![c](https://e.example/4.png)` ![](/5.png) '
            "<img src=data:image/png;base64,AA> ![](<https://e.example/6_(a).png>)\n```\n![](https://e.example/7.png)\n```"
        )
        made, found = linked_pictures(text)
        self.assertEqual([one.link.rpartition("/")[2] for one in found], ["1.png", "2.png", "3.png", "6_(a).png"])
        self.assertEqual([one.alt for one in found], ["b]c", "<i>", "", ""])
        for one in found:
            self.assertIn(one.mark, made)
        self.assertEqual(made.count("https://e.example/"), 7)
        self.assertEqual([one["link"] for one in wished(made, [*found, *found])][:2], [one.link for one in found[:2]])

    def test_html(self) -> None:
        """Small ones that lead to large ones, Disqus' uploads, and links that are none."""
        found: list[FoundPicture] = []
        upload = "https://uploads.disquscdn.com/images/abc.jpg"
        to_markdown(
            f'<a href="{upload}">{upload[:20]}…</a> <a href="https://e.example/x.jpg">words</a> '
            '<a href="https://e.example/page"><img src="https://e.example/s.png" alt="s"></a>'
            '<code><img src="https://e.example/code.png"></code> <img src="javascript:x"> <img src="/relative.png">',
            pictures=found,
        )
        self.assertEqual([one.link for one in found], [upload, "https://e.example/s.png"])

    def test_marks_go(self) -> None:
        """With a picture goes the line that had nothing else, and nothing beside it."""
        mark = picture_mark("https://e.example/a.png")
        for text, left in ((f"a\n\n{mark}\n\nb", "a\n\nb"), (f"- {mark}\n- x", "- x"), (f"> {mark}", ""), (mark, ""),
                           (f"1. {mark}\n\nsee {mark}.", "see ."), (mark[1:-1], mark[1:-1])):  # fmt: skip
            self.assertEqual(without_mark(text, mark), left)

    def test_quick(self) -> None:
        """However a text is made, it takes no longer than its length says."""
        for words in ("![", "`", "``` ", "<img '", '<img "', "[img]https://", "![a](https://e/(", "~~~", "![\\"):
            text = long_image(words)
            check_growth(self, lambda size, text=text: linked_pictures(f"![ {text[:size]}"), 80_000, words)


class WordTests(SynchronousTestCase):
    """What the panel says of them."""

    def test_reasons(self) -> None:
        """Each reason has words."""
        words = json.loads((Path(cackled.__file__).parent / "web/panel/locales/en.json").read_text())["panel"]
        reasons = {*get_args(Why), *imported_pictures._WHY.values(), "small", "many", "removed"}
        named = {name.rpartition(".")[2] for name in words if name.startswith("transfer.picture.")}
        self.assertEqual(named, reasons)


class CommentTests(FetchCase):
    """Pictures in comments."""

    async def test_not_wished(self) -> None:
        """Nothing is asked for; each is a link."""
        await self.bring(f'<p>See <img src="{self.link("/a.jpg")}" alt="a cup"></p>', photos=False)
        self.assertEqual(await self.deliver(later=True), 0)
        self.assertEqual(self.sources(), [f"See [a cup](<{self.link('/a.jpg')}>)"])
        self.assertEqual(self.there.asked, {})
        self.assertEqual(self.counted(), (0, 0, {}))

    async def test_fetched(self) -> None:
        """Each address is asked for once, whoever shows it; texts lose the links, pages hear, undoing frees all."""
        self.there.pages["/a.jpg"] = 200, corpus.picture()
        self.there.pages["/large.jpg"] = 200, corpus.picture(color="#204060")
        a, large = self.link("/a.jpg"), self.link("/large.jpg")
        report = await self.bring(
            f'<p>See</p><p><img src="{a}" alt="a [cup]"></p><p>there</p>', f'<img src="{a}">',
            f'<a href="{large}"><img src="{self.link("/small.jpg")}"></a> and <a href="https://x.example/">a page</a>',
        )
        self.assertEqual((report.added, report.pictures), (3, 3))
        self.assertEqual(self.counted(), (3, 0, {}))
        before = len(self.sql("select 1 from event"))
        while await self.deliver(later=True):
            pass
        self.assertEqual(self.there.asked, {"/a.jpg": 1, "/large.jpg": 1})
        self.assertEqual(self.counted(), (3, 3, {}))
        self.assertEqual(self.sources(), ["See\n\nthere", "", "and [a page](<https://x.example/>)"])
        comments = await self.shown()
        for one in comments:
            (picture,) = one["media"]
            self.assertTrue(picture["url"].startswith(f"/media/{picture['id']}/"), one)
            self.assertEqual((await self.ask("GET", picture["url"])).status, 200)
        self.assertEqual(comments[0]["media"][0]["alt"], "a [cup]")
        told = self.sql("select type from event order by created_at, seq")[before:]
        self.assertEqual(told, [("comment.updated",)] * 3)
        self.assertEqual(self.sql("select count(distinct hash), count(*) from media where shown"), [(2, 3)])
        # The same again changes nothing, and asks nobody.
        self.assertEqual(self.sql("select count(*) from import_picture"), [(0,)])
        await self.work.undo(self.run_id, IMPORTS)
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])
        self.assertEqual(self.sql("select distinct item, shown from media"), [("", False)])

    async def test_wished_later(self) -> None:
        """The same file once more, with the wish, brings pictures of what was there; once more, nothing."""
        self.there.pages["/a.jpg"] = 200, corpus.picture()
        text = f'Look: <img src="{self.link("/a.jpg")}">'
        await self.bring(text, photos=False)
        # What stands for it is another link, as long as nobody wished for it.
        self.sql("update comment set src = %s", f"Look: <{self.link('/a.jpg')}>")
        report = await self.bring(text)
        self.assertEqual((report.added, report.present), (0, 1))
        await self.deliver(later=True)
        self.assertEqual(len((await self.shown())[0]["media"]), 1)
        await self.bring(text)
        self.assertEqual(self.counted(), (0, 0, {}))
        self.assertEqual(self.there.asked, {"/a.jpg": 1})

    async def test_hostile_answers(self) -> None:
        """What can't be had or shown stays a link, and the report says why; nothing within is asked."""
        # Longer than any other answer takes, on whatever machine; and twice is often enough.
        self.patch(post, "SECONDS", 3.0)
        self.patch(imported_pictures, "WAITS", (60.0,))
        self.patch(imported_pictures, "MOST_BYTES", 300_000)
        there = self.there
        there.pages |= {
            "/page": (200, corpus.SCRIPT), "/svg.jpg": (200, corpus.SVG), "/bomb.png": (200, corpus.flood()),
            "/dot.gif": (200, corpus.picture("GIF", (1, 1))), "/empty": (200, b""),
            "/within.jpg": (200, corpus.picture()), "/cut.jpg": (200, corpus.picture()[:200]),
        }  # fmt: skip
        there.ways = {"/to-within": self.link("/within.jpg", "within.example"), "/round": self.link("/round"),
                      "/to-file": "file:///etc/passwd"}  # fmt: skip
        there.endless, there.silent = {"/endless"}, {"/silent"}
        paths = ("/page", "/svg.jpg", "/bomb.png", "/dot.gif", "/empty", "/cut.jpg", "/to-within", "/round", "/to-file",
                 "/endless", "/silent", "/missing")  # fmt: skip
        links = [self.link(path) for path in paths] + [self.link("/within.jpg", "within.example")]
        texts = [f'<img src="{link}">' for link in links]
        await self.bring(*texts[:8])
        first = self.run_id
        await self.bring_file("cackle", json.dumps({"comments": [
            {"id": n + 1, "chan": {"channel": "b", "id": 1, "url": "https://one.example/b"}, "media": link,
             "message": "m", "status": "approved", "created": 1714000000000 + n} for n, link in enumerate(links[8:])
        ]}), photos=True)  # fmt: skip
        for _ in range(6):
            await self.deliver(later=True)
        self.assertEqual(self.counted(), (5, 0, {"gone": 2, "large": 1, "slow": 1, "refused": 1}))
        self.run_id = first
        self.assertEqual(self.counted(), (8, 0, {"type": 4, "large": 1, "small": 1, "refused": 1, "gone": 1}))
        self.assertNotIn("/within.jpg", there.asked)
        self.assertEqual(there.asked["/silent"], 2)
        self.assertEqual({there.asked[one] for one in paths if one not in ("/round", "/silent")}, {1})
        self.assertEqual({text.rpartition("\n")[2] for text in self.sources()}, {f"<{link}>" for link in links})
        self.assertEqual(self.sql("select count(*) from media where item <> '' or shown"), [(0,)])
        self.assertEqual(self.sql("select count(*) from import_picture"), [(0,)])

    async def test_one_at_a_time(self) -> None:
        """A server is asked one thing at a time; where nobody answers, all there waits, and is given up."""
        for n in range(6):
            self.there.pages[f"/{n}.jpg"] = 200, corpus.picture(size=(60 + n, 60))
        there = [f'<img src="{self.link(f"/{n}.jpg")}">' for n in range(6)]
        await self.bring(*there)
        while await self.deliver(later=True):
            pass
        self.assertEqual((self.counted(), self.there.most), ((6, 6, {}), 1))
        self.there.pages = {f"/{n}.jpg": (503, b"") for n in range(6)}
        many = {"id": 0, "chan": {"channel": "b", "id": 1, "url": "https://one.example/b"}, "message": "m"}
        comments = [many | {"id": n + 1, "media": self.link(f"/{n}.jpg", "other.example")} for n in range(6)]
        await self.bring_file("cackle", json.dumps({"comments": comments}), photos=True)
        self.there.asked.clear()
        for _ in range(6):
            await self.deliver(later=True)
        self.assertEqual(self.counted(), (6, 0, {"away": 6}))
        self.assertEqual(sum(self.there.asked.values()), 4)

    async def test_cut_off(self) -> None:
        """Those of an import that was killed while it wrote come, too, once nobody has been at it for a while."""
        self.there.pages["/a.jpg"] = 200, corpus.picture()
        await self.bring(f'<img src="{self.link("/a.jpg")}">')
        self.sql("update import_run set state = 'writing'")
        await self.deliver(later=True)
        self.assertEqual(self.there.asked, {})
        self.assertEqual(await self.deliver(), 0)
        self.sql("update import_run set beat_at = now() - interval '11 minutes'")
        await self.deliver(later=True)
        self.assertEqual(self.counted(), (1, 1, {}))
        self.assertEqual(self.sql("select 1 from outbox where kind = 'import-pictures' and done_at is null"), [])

    async def test_changed_meanwhile(self) -> None:
        """Of what was edited, taken back or forgotten nothing is fetched; a run that is being written waits."""
        for name in "abc":
            self.there.pages[f"/{name}.jpg"] = 200, corpus.picture()
        await self.bring(*(f'x <img src="{self.link(f"/{name}.jpg")}">' for name in "abc"))
        ids = [id for (id,) in self.sql("select id from comment order by id")]
        self.sql("update import_run set state = 'writing'")
        await self.deliver(later=True)
        self.assertEqual(self.there.asked, {})
        self.sql("update import_run set state = 'done'")
        self.sql("update comment set src = 'other', html = '<p>other</p>' where id = %s", ids[0])
        await self.application.erasures.erase(1, self.sql("select visitor_id from comment")[0][0])
        await self.deliver(later=True)
        self.assertEqual(self.there.asked, {})
        self.assertEqual(self.counted(), (3, 0, {"removed": 3}))
        await self.bring(f'<img src="{self.link("/a.jpg")}">', id="late", userId="u2")
        await self.work.undo(self.run_id, IMPORTS)
        self.assertEqual(self.sql("select count(*) from import_picture"), [(0,)])


class AuthorTests(FetchCase):
    """Pictures of authors."""

    async def test_shown(self) -> None:
        """Fetched once, shown with all that they wrote, also with what comes later; an undone import takes it away."""
        self.there.pages["/me.png"] = 200, corpus.picture("PNG", (200, 120))
        await self.bring("one", "two", avatars=True, avatarSrc=self.link("/me.png"))
        self.assertEqual([one["author"]["avatar"] for one in await self.shown()], [None, None])
        self.assertEqual(self.counted(), (1, 0, {}))
        await self.deliver(later=True)
        self.assertEqual(self.counted(), (1, 1, {}))
        first, second = await self.shown()
        self.assertEqual(first["author"]["avatar"], f"/avatar/1/{first['author']['id']}")
        self.assertEqual(second["author"], first["author"])
        self.assertEqual(self.sql("select type from event order by created_at desc, seq desc")[0], ("channel.updated",))
        picture = await self.ask("GET", first["author"]["avatar"])
        self.assertEqual((picture.status, picture.headers["content-type"]), (200, "image/webp"))
        first_run = self.run_id
        report = await self.bring("one", "two", "three", avatars=True, avatarSrc=self.link("/me.png"))
        self.assertEqual((report.added, self.counted()), (1, (0, 0, {})))
        self.assertEqual((await self.shown())[2]["author"], first["author"])
        self.assertEqual(self.there.asked, {"/me.png": 1})
        await self.work.undo(self.run_id, IMPORTS)
        self.assertEqual(len(await self.shown()), 2)
        await self.work.undo(first_run, IMPORTS)
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])
        self.assertEqual((await self.ask("GET", first["author"]["avatar"])).status, 404)

    async def test_hostile(self) -> None:
        """What is no picture is none; the comments stay as they are."""
        self.there.pages["/me.png"] = 200, corpus.SCRIPT
        await self.bring("one", avatars=True, avatarSrc=self.link("/me.png"))
        await self.deliver(later=True)
        self.assertEqual(self.counted(), (1, 0, {"type": 1}))
        self.assertIsNone((await self.shown())[0]["author"]["avatar"])
        # Not wished: not even noted.
        await self.bring("two", avatarSrc=self.link("/other.png"), id="two", userId="u2")
        self.assertEqual((await self.deliver(later=True), self.counted()), (0, (0, 0, {})))

    async def test_forgotten(self) -> None:
        """Who is forgotten has no picture, and none is fetched. A guest without account or mail may have one."""
        self.there.pages["/me.png"] = 200, corpus.picture("PNG", (64, 64))
        await self.bring("one", avatars=True, avatarSrc=self.link("/me.png"), userId="")
        await self.deliver(later=True)
        author = int((await self.shown())[0]["author"]["avatar"].rpartition("/")[2])
        await self.application.erasures.erase(1, author)
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])
        await self.bring("two", avatars=True, avatarSrc=self.link("/me.png"), userId="u2", id="two")
        author = self.sql("select visitor_id from comment where status = 1")[0][0]
        await self.application.erasures.erase(1, author)
        self.assertEqual(self.sql("select count(*) from import_picture"), [(0,)])
        self.assertEqual(self.there.asked, {"/me.png": 1})

    async def test_moderated(self) -> None:
        """Readers can report it, and moderators remove it: from the queue, and at once."""
        self.there.pages["/me.png"] = 200, corpus.picture("PNG", (64, 64))
        mo = await sign_in(self, "moderator", name="Mo")
        await self.bring("one", avatars=True, avatarSrc=self.link("/me.png"))
        await self.deliver(later=True)
        author = (await self.shown())[0]["author"]["id"]
        flag = f"/api/v1/sites/1/visitors/{author}/picture/flags"
        reported = await self.ask("POST", flag, {"reason": "rude"}, origin=ORIGIN, authorization=await self.visitor())
        self.assertEqual(reported.status, 201, reported)
        items = (await mo.ask("GET", "/api/v1/sites/1/moderation/items?state=pending")).json()["items"]
        (item,) = (one for one in items if one["id"].startswith("picture:"))
        self.assertEqual((item["author"]["id"], item["author"]["name"]), (author, "Ann"))
        body = {"action": "reject", "items": [item["id"]], "versions": {item["id"]: item["version"]}}
        self.assertEqual((await mo.ask("POST", "/api/v1/sites/1/moderation/actions", body)).status, 200)
        self.assertIsNone((await self.shown())[0]["author"]["avatar"])
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])
        await self.bring("two", avatars=True, avatarSrc=self.link("/me.png"), id="two", userId="u2")
        await self.deliver(later=True)
        author = (await self.shown())[1]["author"]
        self.assertEqual((await self.ask("GET", author["avatar"])).status, 200)
        self.assertEqual((await mo.ask("DELETE", f"/api/v1/sites/1/visitors/{author['id']}/picture")).status, 204)
        self.assertEqual((await self.ask("GET", author["avatar"])).status, 404)

    async def test_removed_by_itself(self) -> None:
        """Where operators remove the picture, comments show it no more."""
        self.there.pages["/me.png"] = 200, corpus.picture("PNG", (64, 64))
        await self.bring("one", avatars=True, avatarSrc=self.link("/me.png"))
        await self.deliver(later=True)
        self.sql("select drop_media(1, array(select id from media))")
        self.assertEqual(self.sql("select author_extra from comment"), [("",)])
        self.assertEqual(self.sql("select picture from import_author"), [("",)])
