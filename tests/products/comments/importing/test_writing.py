"""What becomes of what was read: once, in its place, forgotten where it has to be, and taken back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, ensureDeferred

from cackled.database.errors import QueryTimeout, Unavailable
from cackled.domain.erasure import Erasures
from cackled.domain.people import Facts, Following, People
from cackled.importing.mapping import UrlMap
from cackled.importing.records import BadFile
from cackled.importing.run import Busy, Stopped
from cackled.products import PRODUCTS
from cackled.products.comments.importing import IMPORTS
from cackled.products.comments.importing.writer import CommentWriter
from cackled.products.comments.pages import Wanted
from cackled.products.registry import Registry
from tests.domain.common import ANN, BOB
from tests.products.comments.importing.common import FORMATS, NOW, ImportCase, clock


def waline(*comments: dict[str, Any]) -> str:
    """An export with these; a second apart."""
    made = [
        {"objectId": str(n), "comment": f"text {n}", "nick": "Ann", "url": "/a/", "status": "approved",
         "insertedAt": 1_600_000_000_000 + 1000 * n} | one
        for n, one in enumerate(comments, 1)
    ]  # fmt: skip
    return json.dumps({"type": "waline", "version": 1, "data": {"Comment": made}})


class OnceTests(ImportCase):
    """The same file again changes nothing."""

    async def test_again(self) -> None:
        """All is there; what came since is added below what it answers."""
        first = await self.bring("waline", waline({}, {"pid": "1"}, {}))
        before = self.sql("select id, parent_id, root_id, depth, src from comment order by id")
        self.assertEqual((first.added, first.present), (3, 0))
        again = await self.bring("waline", waline({}, {"pid": "1"}, {}, {"pid": "2"}, {"pid": "99"}))
        self.assertEqual((again.added, again.present), (3, 3))
        rows = self.sql("select id, parent_id, root_id, depth, src from comment order by id")
        self.assertEqual([row for row in rows if row in before], before)
        self.assertEqual(self.texts(), {"/a": [["text 1", ["text 2", "text 4"]], "text 3", ["", "text 5"]]})
        self.assertEqual(self.sql("select n_comments from visitor where n_comments > 0"), [(1,)] * 5)
        self.check_sound()
        self.assertEqual(self.events_told(), [("/a", "channel.updated")] * 2)

    async def test_deleted_here(self) -> None:
        """What a moderator deleted since does not come back."""
        await self.bring("waline", waline({}, {}))
        gone = self.sql("select id from comment where src = 'text 1'")[0][0]
        await self.comment_moderation.remove(gone)
        await self.bring("waline", waline({}, {}))
        self.assertEqual(self.sql("select src, status from comment order by id"), [("", 4), ("text 2", 1)])
        self.check_sound()

    async def test_two_sources(self) -> None:
        """The same numbers in two blogs are two comments, also at the same moment."""
        await self.bring("waline", waline({}), label="one")
        await self.bring("waline", waline({"comment": "other"}), label="two")
        self.assertEqual(self.texts(), {"/a": ["text 1", "other"]})
        self.check_sound()

    async def test_two_sites(self) -> None:
        """Neither site has anything of the other's, and neither's visitors are the other's."""
        other = await self.sites.add("Two", ["two.example"], site_id=2)
        await self.bring("waline", waline({"mail": "ann@example.test"}))
        await self.bring("waline", waline({"mail": "ann@example.test"}, {}), site=other)
        self.assertEqual(len(self.texts(1)["/a"]), 1)
        self.assertEqual(len(self.texts(2)["/a"]), 2)
        self.assertEqual(self.sql("select count(distinct visitor_id), count(*) from import_author"), [(2, 2)])
        runs = [one.id for one in await self.importing().runs.list(2**62, 10)]
        self.assertEqual(len(runs), 1)
        self.assertIsNone(await self.importing().runs.find(self.run_id))


class OrderTests(ImportCase):
    """Numbers follow time."""

    async def test_times(self) -> None:
        """From before there were numbers, from yesterday, and from the future; answers come after what they answer."""
        report = await self.bring("waline", waline(
            {"insertedAt": "2009-05-01T00:00:00Z"}, {"insertedAt": "2095-01-01T00:00:00Z"}, {"insertedAt": None},
            {"insertedAt": "2001-01-01T00:00:00Z", "pid": "1"}, {"insertedAt": "2026-01-01T00:00:00Z"},
            {"insertedAt": "2025-01-15T00:00:00Z"},
        ))  # fmt: skip
        rows = self.sql("select src, id, created_at from comment order by id")
        self.assertEqual([row[0] for row in rows], ["text 1", "text 4", "text 6", "text 5", "text 2", "text 3"])
        self.assertEqual(report.changed, {"future": 1, "no-date": 1})
        self.assertEqual(rows[1][2].year, 2001)
        written = await self.post("now", key="/a")
        self.assertGreater(int(json.loads(written.comment)["id"]), rows[3][1])
        newest = max(id for _, id, _ in rows)
        self.assertGreaterEqual(self.sql("select last_comment_id from comment_channel")[0][0], newest)

    async def test_circles(self) -> None:
        """Comments that answer each other, or themselves, are cut apart."""
        report = await self.bring("waline", waline({"pid": "2"}, {"pid": "1"}, {"pid": "3"}, {"pid": "1"}))
        self.assertEqual(self.sql("select count(*) from comment"), [(4,)])
        self.assertGreaterEqual(report.changed["circle"], 1)
        self.check_sound()

    async def test_elsewhere(self) -> None:
        """What answers a comment on another page answers nothing."""
        report = await self.bring("waline", waline({}, {"pid": "1", "url": "/b"}))
        self.assertEqual(self.texts(), {"/a": ["text 1"], "/b": ["text 2"]})
        self.assertEqual(report.changed, {"parent-elsewhere": 1})
        self.check_sound()

    async def test_page_shows_it(self) -> None:
        """A page gives out what was imported as anything else."""
        await self.bring("waline", waline({"like": 7, "mail": "a@example.test"}, {"pid": "1"}, {"status": "waiting"}))
        page = json.loads(b"{" + (await self.comments.page("/a", Wanted("old"))).value + b"}")
        self.assertEqual(page["channel"]["comments"], 2)
        root, = page["page"]["comments"]  # fmt: skip
        self.assertEqual((root["author"]["name"], root["up"], root["created"]), ("Ann", 7, "2020-09-13T12:26:41.000Z"))
        self.assertNotIn("example.test", json.dumps(page))


class AddressTests(ImportCase):
    """Which page something is on."""

    async def test_map(self) -> None:
        """Lines, patterns, pages that are left out, and one page for all spellings."""
        urls = UrlMap.read([
            "old,new\n", "http://old.example/about.html,https://new.example/about\n",
            "https://old.example/blog/*,https://new.example/posts/*\n", "/gone/*,\n",
        ])  # fmt: skip
        addresses = ["https://www.old.example/about.html/", "http://old.example/blog/2020/x?utm_source=q", "/gone/1",
                     "https://old.example/gone/2", "http://old.example/same", "https://old.example/same/#c"]
        report = await self.bring("waline", waline(*({"url": url} for url in addresses)), urls=urls)
        self.assertEqual(self.texts(), {
            "/about": ["text 1"], "/posts/2020/x": ["text 2"], "/same": ["text 5", "text 6"]})  # fmt: skip
        self.assertEqual(report.left, {"not-mapped": 2})
        self.assertEqual(list(report.merged), ["/same"])
        self.assertEqual(self.sql("select url from channel where key = '/about'"), [("https://new.example/about",)])

    async def test_bad_map(self) -> None:
        """A map that is none is refused in one line."""
        with self.assertRaisesRegex(BadFile, "no new address"):
            UrlMap.read(["just one column\n"])


class RunTests(ImportCase):
    """One import from beginning to end."""

    async def test_dry(self) -> None:
        """A dry run says what would come, and changes nothing."""
        await self.bring("waline", waline({}))
        report = await self.bring("waline", waline({}, {}, {"comment": " "}), dry=True)
        self.assertEqual((report.added, report.present, report.left), (1, 1, {"empty": 1}))
        self.assertEqual(self.texts(), {"/a": ["text 1"]})
        self.assertEqual((await self.run_now()).state, "done")

    async def test_cut_off(self) -> None:
        """An import that was killed between two batches goes on where it was, with nothing twice."""
        export = self.file(waline(*({"url": f"/{n % 3}"} for n in range(30))))
        self.patch(__import__("cackled.importing.run", fromlist=["run"]), "BATCH", 7)
        written: list[int] = []
        write = CommentWriter.write

        async def failing(self: Any, run: int, pages: Any, items: Any) -> Any:
            if len(written) == 2:
                written.append(0)
                raise Unavailable("killed")
            written.append(len(items))
            return await write(self, run, pages, items)

        self.patch(CommentWriter, "write", failing)
        work = self.importing()
        self.run_id = await work.begin("comments", FORMATS["waline"], export, _options(), dry=False, who="test")
        with self.assertRaises(Unavailable):
            await work.go(self.run_id, export, FORMATS["waline"], IMPORTS)
        self.assertEqual(self.sql("select count(*) from comment"), [(14,)])
        with self.assertRaises(Busy):
            await work.go(self.run_id, export, FORMATS["waline"], IMPORTS)
        self.sql("update import_run set beat_at = now() - interval '10 minutes'")
        again = await work.begin("comments", FORMATS["waline"], export, _options(), dry=False, who="test")
        self.assertEqual(again, self.run_id)
        report = await work.go(again, export, FORMATS["waline"], IMPORTS)
        self.assertEqual((report.added, report.present), (30, 0))
        self.assertEqual(sum(written), 30)
        self.check_sound()
        self.assertEqual(self.events_told(), [(f"/{n}", "channel.updated") for n in range(3)])

    async def test_busy_database(self) -> None:
        """A batch, or the pages of one, that take too long are done in smaller parts; all comes once."""
        wrote: list[int] = []
        settled: list[int] = []
        write, settle = CommentWriter.write, CommentWriter.settle

        async def slow_write(writer: CommentWriter, run: int, pages: Any, items: Any) -> Any:
            wrote.append(len(items))
            if len(items) > 5:
                raise QueryTimeout("too long")
            return await write(writer, run, pages, items)

        async def slow_settle(writer: CommentWriter, run: int, channels: Any) -> Any:
            settled.append(len(channels))
            if len(channels) > 2:
                raise QueryTimeout("too long")
            return await settle(writer, run, channels)

        patch = self.patch(CommentWriter, "write", slow_write)
        report = await self.bring("waline", waline(*({"url": "/a/"} for _ in range(20))))
        self.assertEqual((report.added, report.present), (20, 0))
        self.assertEqual(wrote[:3], [20, 10, 5])
        patch.restore()

        self.patch(CommentWriter, "settle", slow_settle)
        made = ({"objectId": f"x{n}", "url": f"/{n}/"} for n in range(7))
        self.assertEqual((await self.bring("waline", waline(*made))).added, 7)
        self.assertEqual(settled[:2], [6, 3])
        self.assertEqual(len(self.texts()), 8)
        self.check_sound()

        async def never(writer: CommentWriter, *args: Any) -> Any:
            raise QueryTimeout("too long")

        self.patch(CommentWriter, "write", never)
        with self.assertRaises(QueryTimeout):
            await self.bring("waline", waline({}, {}))

    async def test_cut_off_without_spool(self) -> None:
        """Where the spool is lost as well it begins anew, and finds what is there."""
        export = self.file(waline(*({} for _ in range(20))))
        self.patch(__import__("cackled.importing.run", fromlist=["run"]), "BATCH", 7)
        work = self.importing()
        told: list[str] = []

        def say(what: str, done: int, of: int) -> None:
            told.append(what)
            if what == "written":
                work.stop()

        work._say = say
        self.run_id = await work.begin("comments", FORMATS["waline"], export, _options(), dry=False, who="test")
        with self.assertRaises(Stopped):
            await work.go(self.run_id, export, FORMATS["waline"], IMPORTS)
        self.assertEqual((await self.run_now()).state, "stopped")
        report = await self.importing().go(self.run_id, export, FORMATS["waline"], IMPORTS)
        self.assertEqual((report.added, report.present), (20, 0))
        self.check_sound()

    async def test_bad_files(self) -> None:
        """What is none of the format is refused in a line, and nothing is written."""
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><disqus>&b;</disqus>'
        external = '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><disqus/>'
        deep = "<disqus>" + "<a>" * 100 + "</a>" * 100 + "</disqus>"
        for format, content in (
            ("disqus", bomb), ("disqus", external), ("disqus", deep), ("disqus", ""), ("disqus", "<rss></rss>"),
            ("disqus", "<disqus><thread></disqus>"), ("disqus", b"\x1f\x8bnot packed"), ("wxr", "no xml"),
            ("waline", "[]"), ("waline", "{"), ("waline", b"\xff\xfe\xff"), ("artalk", "{\"a\": 1"), ("isso", "x"),
            ("isso", b"SQLite format 3\x00damaged"), ("remark42", "no lines"), ("commento", "{}"),
            ("comentario", '{"version": 9}'), ("fastcomments", "a,b\n1,2\n"), ("cusdis", "{}"), ("hyvor", "nope"),
            ("valine", "[" * 200_000), ("cackle", "[[[["),
        ):  # fmt: skip
            with self.assertRaises(BadFile, msg=f"{format} {content[:40]!r}"):
                await self.bring(format, content)
            self.assertEqual((await self.run_now()).state, "failed", format)
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_damaged_parts(self) -> None:
        """What is broken within a file is left out, the rest comes; bad bytes are replaced."""
        report = await self.bring("waline", waline(
            {"objectId": ""}, {"objectId": None}, {"comment": "a\x00b\ud83d"}, {"nick": "x" * 500},
            {"comment": "y" * 50_000},
            {"url": None}, {"url": "http://[bad"}, {"pid": "\x00"}, {"insertedAt": "nonsense"}, {"ip": "10.0.0.999"},
            {"mail": "no mail"}, {"like": "many"}, {"nick": {"a": 1}}, {"objectId": "3"},
        ))  # fmt: skip
        self.assertEqual(report.left["broken"], 2)
        self.assertEqual(report.left["repeated"], 1)
        self.assertEqual((report.changed["shortened"], report.changed["renamed"]), (1, 1))
        self.assertEqual(self.sql("select max(length(src)), max(length(author_name)) from comment"), [(20_000, 60)])
        self.check_sound()


def _options() -> Any:
    from cackled.importing.run import Options

    return Options()


class UndoTests(ImportCase):
    """An import is taken back as a whole."""

    async def test_undo(self) -> None:
        """Nothing is left of it but what somebody answered here, as a stone; it can come again."""
        await self.post("mine", key="/a", name="Bob", by=BOB)
        await self.bring("waline", waline({"sticky": 1, "mail": "a@example.test"}, {"pid": "1"}, {"url": "/b"},
                                          {"status": "waiting"}))  # fmt: skip
        parent = self.sql("select id from comment where src = 'text 2'")[0][0]
        await self.post("an answer", key="/a", name="Bob", by=BOB, parent=parent)
        await self.undo()
        self.assertEqual(self.texts(), {"/a": [["", ["", "an answer"]], "mine"]})
        self.check_sound()
        self.assertEqual(self.counts(), {"/a": (2, 2, 0), "/b": (0, 0, 0)})
        for table in ("import_item", "import_author"):
            self.assertEqual(self.sql(f"select count(*) from {table}"), [(0,)])
        self.assertEqual(self.sql("select name from visitor"), [("Bob",)])
        self.assertEqual(self.sql("select sum(pending), sum(approved) from state_day where kind = 'comment'"), [(0, 0)])
        self.assertEqual((await self.run_now()).state, "undone")
        told = [page for page, kind in self.events_told() if kind == "channel.updated"]
        self.assertEqual(told, ["/a", "/a", "/b", "/b"])
        report = await self.bring("waline", waline({}, {"pid": "1"}))
        self.assertEqual(report.added, 2)
        self.check_sound()

    async def test_in_steps(self) -> None:
        """Many steps, with threads across them."""
        self.patch(__import__("cackled.importing.run", fromlist=["run"]), "UNDO_BATCH", 3)
        await self.bring("waline", waline(*({"pid": str(n)} for n in range(1, 12))))
        deepest = self.sql("select id from comment order by id desc limit 1")[0][0]
        self.sql(f"update comment set depth = 1 where id = {deepest}")
        await self.post("an answer", key="/a", name="Bob", by=BOB, parent=deepest)
        await self.undo()
        self.assertEqual(self.sql("select count(*) from comment where src <> ''"), [(1,)])
        self.sql("update comment c set depth = p.depth + 1 from comment p where p.id = c.parent_id")


class PeopleTests(ImportCase):
    """Whose it is."""

    async def test_claimed(self) -> None:
        """Who shows that the address is theirs has what was imported under it, and what is imported later."""
        await self.bring("waline", waline({"mail": "Ann@Example.test", "nick": "Old Ann"}, {}))
        people = People(self.site, self.database)
        facts = Facts(provider="mail", subject="ann@example.test", level=1, name="Ann B.", email="ann@example.test",
                      verified=True, stated=NOW)  # fmt: skip
        session = await people.sign_in(facts, 0, ANN, NOW)
        work = self.sql("select body from outbox where kind = 'people' order by id")
        following = Following(self.database, Registry(PRODUCTS).authored, self.evicted.append)
        for (body,) in work:
            said = json.loads(body)
            await following.follow(1, int(said["visitor"]), int(said["from"]))
        self.assertEqual(
            self.sql("select visitor_id, author_name from comment order by id")[0], (session.visitor, "Ann B."))
        self.assertNotEqual(self.sql("select visitor_id from comment order by id")[1], (session.visitor,))
        await self.bring("waline", waline({"mail": "Ann@Example.test", "nick": "Old Ann"}, {},
                                          {"mail": "Ann@Example.test", "nick": "Old Ann"}))  # fmt: skip
        self.assertEqual(self.sql("select visitor_id from comment where src = 'text 3'"), [(session.visitor,)])

    async def test_not_claimed_unverified(self) -> None:
        """An address that somebody only says is theirs is worth nothing."""
        await self.bring("waline", waline({"mail": "ann@example.test"}))
        facts = Facts(provider="x", subject="1", level=1, name="Eve", email="ann@example.test", stated=NOW)
        await People(self.site, self.database).sign_in(facts, 0, ANN, NOW)
        self.assertEqual([row for row in self.sql("select body from outbox") if '"from":"0"' not in row[0]], [])

    async def test_erased(self) -> None:
        """Who was forgotten stays forgotten, also when the file comes again."""
        export = waline({"mail": "ann@example.test", "nick": "Ann"}, {"pid": "1", "nick": "Bob"})
        await self.bring("waline", export)
        who = self.sql("select visitor_id from import_author where email <> ''")[0][0]
        erasures = Erasures(
            self.database, clock, self.file("", "journal"), self.evicted.append, _here, Registry(PRODUCTS).erasables
        )
        await erasures.erase(1, who)
        self.assertEqual(self.sql(f"select count(*) from import_author where visitor_id = {who}"), [(0,)])
        await self.undo()
        await self.bring("waline", export)
        self.assertEqual(self.texts(), {"/a": [["", "text 2"]]})
        for table in ("import_author", "visitor", "comment"):
            self.assertNotIn("ann@", str(self.sql(f"select * from {table}")).lower())
        self.check_sound()


async def _here(function: Any, *args: Any) -> Any:
    return function(*args)


_IDS = st.integers(0, 25).map(str)
_COMMENTS = st.lists(
    st.fixed_dictionaries({
        "objectId": _IDS, "pid": st.one_of(st.just(""), _IDS), "url": st.sampled_from(["/a", "/b", ""]),
        "status": st.sampled_from(["approved", "approved", "approved", "waiting", "spam"]),
        "insertedAt": st.one_of(st.none(), st.integers(0, 2_000_000_000_000)),
        "comment": st.sampled_from(["x", "y", ""]),
    }), max_size=14,
)  # fmt: skip


class TreeTests(ImportCase):
    """Random trees, orphans, circles and states."""

    def test_trees(self) -> Deferred[None]:
        """Whatever comes: every comment once, below its parent where that is on the same page, and counts that hold."""
        cases: list[list[dict[str, Any]]] = []

        @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(_COMMENTS)
        def gather(comments: list[dict[str, Any]]) -> None:
            cases.append(comments)

        gather()

        async def check() -> None:
            for n, comments in enumerate(cases):
                for table in ("comment", "channel", "comment_channel", "import_item"):
                    self.sql(f"delete from {table}")
                report = await self.bring("waline", waline(*comments), label=str(n))
                self.check_sound()
                kept: dict[str, dict[str, Any]] = {}
                for one in comments:
                    if one["comment"]:
                        kept.setdefault(one["objectId"], one)
                kept = {id: one for id, one in kept.items() if one["url"]}
                rows = self.sql(
                    "select i.external_id, p.external_id, c.status from comment c "
                    "join import_item i on i.item_id = c.id left join import_item p on p.item_id = c.parent_id"
                )
                found = {id: (parent, status) for id, parent, status in rows}
                self.assertEqual(set(kept) - set(found), set())
                for id, (parent, _) in found.items():
                    if id not in kept:
                        continue
                    wanted = kept[id]["pid"]
                    if parent is not None:
                        self.assertEqual(parent, wanted)
                    elif wanted != id and wanted in kept and kept[wanted]["url"] == kept[id]["url"]:
                        self.assertGreaterEqual(report.changed.get("circle", 0), 1)
                await self.undo()
                self.assertEqual(self.sql("select count(*) from comment"), [(0,)])

        return ensureDeferred(check())
