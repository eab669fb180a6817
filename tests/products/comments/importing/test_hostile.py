"""Files that somebody made to do harm, or that real programs wrote badly: what can come comes, the rest is said."""
# ruff: noqa: E501 - files as they are

from __future__ import annotations

import bz2
import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cackled.importing.format_detection import guess
from cackled.importing.formats import Parts
from cackled.importing.html_text import to_markdown
from cackled.importing.mapping import UrlMap
from cackled.importing.records import BadFile
from cackled.importing.source import MOST_VALUE, Source
from cackled.importing.spool import Spool
from cackled.products.comments.importing.writer import CommentWriter
from tests.products.comments.importing import test_formats as samples
from tests.products.comments.importing.common import FORMATS, NOW, ImportCase, lines
from tests.products.comments.importing.tree_writers import Comment, formats
from tests.support.growth import check_growth

ISSO_JSON = [{"id": "/a", "title": "A", "comments": [
    {"id": 1, "author": "Ann", "email": "a@b.example", "created": "2020-01-01 00:00:00", "text": "one"}]}]  # fmt: skip
FAST = {"comments": [{"id": "f1", "urlId": "b", "comment": "x", "commenterName": "Z", "votes": -2, "parentId": "f0"}]}
VALINE = {"results": [{"objectId": "x", "comment": "r", "url": "/c", "pid": "y", "insertedAt": {"iso": "2024-01-01"}}]}
ARTALK = [{"id": "1", "rid": "0", "content": "hi", "created_at": "2024-01-01 08:00:00 +0800", "page_key": "/a/",
           "vote_up": "2", "nick": "Ann", "site_urls": "https://example.test/"}]  # fmt: skip
DOCUMENTS: dict[str, Any] = {
    "commento": samples.COMMENTO, "hyvor": samples.HYVOR, "cusdis": samples.CUSDIS, "cackle": samples.CACKLE,
    "isso": ISSO_JSON, "fastcomments": FAST, "valine": VALINE, "artalk": ARTALK,
}  # fmt: skip
# What stands where something else was meant, as JSON.
WRONG = ("null", "[]", "{}", "[[]]", '""', '"\\u0000"', '"\\ud800"', "1e308", "1e999", "-1", "1" + "0" * 400, "true",
         '{"iso":[]}', '{"$oid":{}}', '"9999-99-99"', '"http://["', '"http://\\u2100/"', "[null,{}]", "99999999999999999")  # fmt: skip
PLACE = "@@place@@"


def places(value: Any) -> Iterator[Any]:
    """Copies of a document, each with `PLACE` in the place of one of its values."""
    if isinstance(value, dict):
        for name in value:
            for made in places(value[name]):
                yield {**value, name: made}
    elif isinstance(value, list):
        for number, one in enumerate(value):
            for made in places(one):
                yield [*value[:number], made, *value[number + 1 :]]
    yield PLACE


def database(sql: str) -> bytes:
    """A SQLite database."""
    db = sqlite3.connect(":memory:")
    db.executescript(sql)
    return db.serialize()


class FilesTests(ImportCase):
    """Read and put in order, without writing."""

    async def setUp(self) -> None:
        await super().setUp()
        self.writer = CommentWriter(Parts(database=self.database, source="s"), self.site)

    def read(self, format: str, content: str | bytes, **more: Any) -> Any:
        """The report of a file, or why it can't be read."""
        path = self.file(content)
        spool = Spool(path.parent / "spool", self.site, UrlMap(), host="https://example.test")
        writer = self.writer
        try:
            return spool.fill(
                FORMATS[format].read(Source(path, host="https://example.test", **more)), writer.channel,
                writer.prepare, writer.missing, NOW, "x",
            )  # fmt: skip
        except BadFile as error:
            return str(error)
        finally:
            spool.remove()

    def test_wrong_values(self) -> None:
        """Anything may stand anywhere: nothing breaks, and what is not touched by it comes."""
        for format, document in DOCUMENTS.items():
            for number, made in enumerate(places(document)):
                text = json.dumps(made)
                # Two of them in each place; all of them in each format.
                for step in range(2):
                    wrong = WRONG[(2 * number + step) % len(WRONG)]
                    self.read(format, text.replace(f'"{PLACE}"', wrong))
        first, *rest = samples.REMARK.splitlines()
        for number, line in enumerate(rest):
            for turn, made in enumerate(places(json.loads(line))):
                wrong = json.dumps(made).replace(f'"{PLACE}"', WRONG[turn % len(WRONG)])
                self.read("remark42", "\n".join([first, *rest[:number], wrong, *rest[number + 1 :]]))

    def test_cut(self) -> None:
        """Broken off anywhere, and with any byte another."""
        for format, text in (
            ("disqus", samples.DISQUS), ("wxr", samples.WXR), ("remark42", samples.REMARK),
            *((name, json.dumps(document)) for name, document in DOCUMENTS.items()),
        ):  # fmt: skip
            data = text.encode()
            for at in range(0, len(data), max(1, len(data) // 12)):
                self.read(format, data[:at])
                self.read(format, data[:at] + b"\xff" + data[at + 1 :])
                self.read(format, data[:at] + b"\0" + data[at:])

    def test_archives(self) -> None:
        """What is packed in another way says so; so does a bomb."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("export.json", "[]")
        for format in FORMATS:
            self.assertIn("ZIP archive", self.read(format, file.getvalue()))
            self.assertIn("bzip2", self.read(format, bz2.compress(b"[]")))
            self.assertIsInstance(self.read(format, b""), str)
            self.assertIsInstance(self.read(format, gzip.compress(b'[{"a":1}]' * 999)[:-9]), str)
            bomb = gzip.compress(b"[" + b" " * 2_000_000)
            self.assertIsInstance(self.read(format, bomb, most=1_000_000), str)
        whole = gzip.compress(database(samples.ISSO))
        self.assertEqual(self.read("isso", whole).items, 5)
        self.assertIn("more than can be read", self.read("isso", whole, most=5000))

    def test_entities(self) -> None:
        """Billions of laughs, files of ours and of others: no document type is read."""
        for body in (
            '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
            '<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE rss SYSTEM "http://127.0.0.1/x.dtd">',
            '<!DOCTYPE rss [<!ENTITY % p "<!ENTITY q \'x\'>">%p;]>',
        ):
            for format in ("wxr", "disqus"):
                told = self.read(format, f'<?xml version="1.0"?>{body}<rss>&b;</rss>')
                self.assertIn("document type", told)

    def test_encodings(self) -> None:
        """UTF-16 with and without its mark, and said where it is not; old encodings of one byte; marks of UTF-8."""
        xml = samples.WXR.replace("Line one", "Строка").replace('encoding="UTF-8"', 'encoding="utf-16"')
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"):
            self.assertEqual(self.read("wxr", xml.encode(encoding)).items, 4, encoding)
            self.assertEqual(guess(xml.encode(encoding), frozenset(FORMATS)), "wxr", encoding)
        old = xml.replace("utf-16", "windows-1251")
        self.assertEqual(self.read("wxr", old.encode("cp1251", "replace")).items, 4)
        for encoding in ("utf-16", "utf-16-le", "utf-8-sig"):
            for format, document in DOCUMENTS.items():
                self.assertGreater(self.read(format, json.dumps(document).encode(encoding)).items, 0, (format, encoding))
        table = "id,urlId,comment\n1,/a,Привет\n"
        for encoding in ("utf-16", "utf-8-sig", "cp1251"):
            self.assertEqual(self.read("fastcomments", table.encode(encoding)).items, 1, encoding)

    def test_large(self) -> None:
        """What is too large for itself is left out, and all else comes; a page may have any number of comments."""
        large = "x" * (MOST_VALUE + 10)
        for format, content in (
            ("artalk", json.dumps([{**ARTALK[0], "id": "2", "content": large}, ARTALK[0]])),
            ("isso", json.dumps([{**ISSO_JSON[0], "comments": [{"id": 2, "text": large}, *ISSO_JSON[0]["comments"]]}])),
            ("jsonl", lines({"type": "export"}, {"type": "page", "id": "1", "key": "/a"},
                            {"type": "comment", "id": "2", "text": large, "page": "1", "state": "approved",
                             "author": {"id": "5"}},
                            {"type": "comment", "id": "3", "text": "x", "page": "1", "state": "approved",
                             "author": {"id": "5"}})),
            ("wxr", samples.WXR.replace("waits", large)),
        ):  # fmt: skip
            report = self.read(format, content)
            self.assertEqual(report.left.get("broken", 0), 1, (format, report))
            self.assertGreater(report.items, 0, format)
        self.assertIn("too long", self.read("fastcomments", f"id,comment\n1,{large}\n"))
        text = "y" * 19_000
        page = [{"id": n, "author": "Ann", "text": text} for n in range(300)]
        self.assertGreater(len(json.dumps(page)), MOST_VALUE)
        # The name of a page may come after its comments.
        self.assertEqual(self.read("isso", json.dumps([{"comments": page, "id": "/a"}])).items, 300)
        nested = {"pages": [{"comments": [{"content": text, "approved": True, **one} for one in page], "id": "p", "slug": "s"}]}
        self.assertEqual(self.read("cusdis", json.dumps(nested)).items, 300)
        self.assertEqual(self.read("hyvor", json.dumps(nested).replace('"slug"', '"identifier"')).items, 300)

    def test_databases(self) -> None:
        """Older ones with fewer columns; views that never end; bytes where text was meant; damaged ones."""
        old = ("create table threads(id integer primary key, uri, title); insert into threads values (1, '/a', 'A');"
               "create table comments(tid, id integer primary key, created, text);"
               "insert into comments values (1, 1, 1500000000, 'x');")  # fmt: skip
        self.assertEqual(self.read("isso", database(old)).shown, 1)
        for format, sql, said in (
            ("isso", "create table threads(id, uri, title); create view comments as with recursive c(x) as "
             "(select 1 union all select x + 1 from c) select 1 tid, 1 id, 1 created, '' text from c", "no table comments"),
            ("isso", "create table threads(id, uri)", "title"), ("isso", "create table x(y)", "no table threads"),
            ("cusdis", 'create table "pa""ges"(id)', "no tables"),
        ):  # fmt: skip
            self.assertIn(said, self.read(format, database(sql)))
        odd = samples.ISSO + "update comments set text = x'ff00fe', author = x'ff', created = 'abc', likes = 'x', dislikes = 1e300;"
        self.assertEqual(self.read("isso", database(odd)).items, 5)
        whole = database(samples.ISSO)
        for at in range(100, len(whole), 701):
            self.read("isso", whole[:at] + b"\xd3\x7f" * 8 + whole[at + 16 :])
            self.read("isso", whole[:at])

    def test_columns(self) -> None:
        """What a database computes, or has beside what is asked for, is not read, however large."""
        boom = "blob generated always as (zeroblob(60000000)) virtual"
        isso = samples.ISSO.replace("notification INTEGER DEFAULT 0", f"boom {boom}, notification INTEGER DEFAULT 0")
        isso = isso.replace("INSERT INTO comments", "INSERT INTO comments(tid,id,parent,created,modified,mode,remote_addr,text,"
                            "author,email,website,likes,dislikes,voters,notification)")  # fmt: skip
        large = isso + "update comments set voters = zeroblob(3000000);"
        for sql in (isso, large):
            self.assertEqual(self.read("isso", database(sql)).items, 5)
        cusdis = ("create table pages(id, slug, url, title, x); insert into pages values ('p', '/a', '', 'A', zeroblob(9000000));"
                  f"create table comments(id, pageId, content, approved, boom {boom});"
                  "insert into comments values ('1', 'p', 'x', 1);")  # fmt: skip
        self.assertEqual(self.read("cusdis", database(cusdis)).items, 1)
        self.assertIn("no columns", self.read("cusdis", database("create table pages(x); create table comments(y);")))
        virtual = ("create table threads(id, uri, title);"
                   "create virtual table comments using fts5(tid, id, created, text, content='forever');"
                   "create view forever as with recursive c(x) as (select 1 union all select x + 1 from c) select 1 tid, x id, 1 created, "
                   "'' text, x rowid from c;")  # fmt: skip
        self.assertIn("no table comments", self.read("isso", database(virtual)))

    def test_stars(self) -> None:
        """A map of addresses takes no longer than it is long; the first star takes as much as it can."""
        urls = UrlMap([("/" + "*a" * 200 + "*b", "/x*")])
        self.assertEqual(urls.find("/" + "a" * 900), "/" + "a" * 900)
        check_growth(self, lambda size: urls.find("/" + "a" * size), 4_000)
        urls = UrlMap([("/*/b*c", "/n/*-*"), ("*", "/all")])
        for old, new in (("/1/b/2/bxc", "/n/1/b/2-x"), ("/1/bc", "/n/1-"), ("/1/b", "/all"), ("/b", "/all")):
            self.assertEqual(urls.find(old), new, old)
        self.assertEqual(UrlMap([("/ab*ba", "/n")]).find("/aba"), "/aba")
        with self.assertRaisesRegex(BadFile, "lines with stars"):
            UrlMap((f"/{n}*", "/x") for n in range(1_001))

    def test_marks(self) -> None:
        """Marks of a rich text are as many as somebody means."""

        def read(marks: int) -> Any:
            node = {"type": "text", "text": "x" * 1_000_000, "marks": [{"type": "bold"}] * marks}
            body = json.dumps({"type": "doc", "content": [{"type": "paragraph", "content": [node]}]})
            return self.read("hyvor", json.dumps([{"id": 1, "page_id": 1, "body": body}]))

        self.assertEqual(read(100).left, {"no-page": 1})
        check_growth(self, read, 100_000)

    def test_deep(self) -> None:
        """Elements in elements, spaces and marks in a row: the work grows as the text does, not as its square."""
        for piece in ("<blockquote>", "<ul><li>", "<div>", "<b>", "<a href='http://a.example/'>", "<code>"):
            text = to_markdown(piece * 20_000 + "a<br>" * 20_000)
            self.assertLess(len(text), 2_000_000, piece)
        self.assertEqual(to_markdown("<div>" * 500 + "x" + "</div>" * 500 + "y"), "x\n\ny")
        self.assertEqual(to_markdown("<blockquote>" * 20 + "x" + "</blockquote>" * 20 + "y"), "> " * 12 + "x\n\ny")
        for text in ("<code>a" + "\t" * 190_000 + "b</code>", "a" + " " * 190_000 + "<b>b</b>", "<" * 190_000):
            to_markdown(text, lines=True)
        spaces = {"type": "waline", "data": {"Comment": [{"objectId": "1", "comment": " " * 1_000_000 + "x", "url": "/"}]}}
        self.assertEqual(self.read("waline", json.dumps(spaces)).left, {"empty": 1})
        self.assertIn("nested", self.read("artalk", "[" * 5000))
        answers: dict[str, Any] = {"id": "0", "content": "x", "approved": True}
        for n in range(1, 80):
            answers = {"id": str(n), "content": "x", "approved": True, "replies": [answers]}
        self.assertEqual(self.read("cusdis", json.dumps({"pages": [{"id": "p", "slug": "s", "comments": [answers]}]})).items, 80)


class WrittenTests(ImportCase):
    """To the database."""

    async def test_numbers(self) -> None:
        """Counts, dates and names that no database takes."""
        one = json.loads(json.dumps(samples.COMMENTO))
        for number, score in enumerate((1e308, -1e308, 10**15)):
            one["comments"][number] |= {"score": score, "state": "approved", "creationDate": "0001-01-01T00:00:00Z"}
        await self.bring("commento", json.dumps(one))
        self.assertEqual(max(row[0] for row in self.sql("select greatest(up, down) from comment")), 2_000_000_000)
        self.check_sound()
        ours = lines(
            {"type": "export"}, {"type": "page", "id": "1", "key": "/\0x", "title": "T\0"},
            {"type": "comment", "id": "7", "page": "1", "state": "approved", "text": "kept", "edited": 99999999999999999,
             "author": {"id": "5", "name": "A\0nn", "email": "a@\0b.example", "url": "http://\u2100/"},
             "votes": [["5", 1], ["x", 1], [5, "y"], 7]},
            {"type": "comment", "id": "8", "page": "1", "state": "approved", "text": "also", "edited": -5, "parent": "8",
             "author": {"id": "5"}},
        )  # fmt: skip
        await self.bring("jsonl", ours)
        self.assertEqual(self.texts()["/x"], ["kept", "also"])
        twice = samples.REMARK.replace("email_ab12", "a\\u0000b").replace("github_9", "v\\u0000w")
        report = await self.bring("remark42", twice)
        self.assertEqual(report.items, 3)
        self.check_sound()

    async def test_twice_in_one_file(self) -> None:
        """The same id comes once; circles of one, two and three are cut; what answers the missing stands below stones."""
        made = [
            {**ARTALK[0], "id": id, "rid": parent, "content": id}
            for id, parent in (("a", "a"), ("b", "c"), ("c", "b"), ("d", "f"), ("e", "d"), ("f", "e"), ("g", "gone"),
                               ("a", ""), ("g", ""))
        ]  # fmt: skip
        report = await self.bring("artalk", json.dumps(made))
        self.assertEqual((report.left, report.items), ({"repeated": 2}, 8))
        self.assertEqual((report.changed["circle"], report.changed["parent-missing"]), (2, 1))
        self.check_sound()
        again = await self.bring("artalk", json.dumps(made))
        self.assertEqual((again.added, again.present), (0, 8))

    async def test_wrong_format(self) -> None:
        """A file of another system than was said brings nothing, or is refused by its name; nothing breaks."""
        one = Comment(0, "/a", -1, "Ann", "x", "approved")
        for written in formats():
            content = written.write([one, replace(one, number=1, parent=0)])
            for name in FORMATS:
                if name == written.name:
                    continue
                try:
                    report = await self.bring(name, content, dry=True, host="https://example.test")
                except BadFile as error:
                    self.assertLess(len(str(error)), 300)
                    continue
                known = guess(content, frozenset(FORMATS))
                self.assertTrue(report.items or known in ("", name), (written.name, name))
        with self.assertRaisesRegex(BadFile, r"Nothing in the file is what Valine.* it looks like waline"):
            await self.bring("valine", next(one for one in formats() if one.name == "waline").write([one]))
        self.assertEqual((await self.run_now()).state, "failed")
        # An export that has none is none of another system.
        report = await self.bring("waline", '{"type":"waline","version":1,"data":{"Comment":[]}}')
        self.assertEqual((report.items, report.added), (0, 0))

    async def test_deep_threads(self) -> None:
        """Answers some thousand deep come and go; a tail leads into a circle of thousands, which is cut once."""
        made = [{**ARTALK[0], "id": str(n), "rid": str(n - 1), "content": "x"} for n in range(1, 3_001)]
        report = await self.bring("artalk", json.dumps(made[::-1]))
        self.assertEqual((report.added, report.changed), (3_000, {}))
        self.assertEqual(self.sql("select max(depth), max(n_thread) from comment"), [(2_999, 2_999)])
        await self.undo()
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])
        made[0]["rid"] = "3000"
        tail = {**ARTALK[0], "id": "tail", "rid": "1500"}
        report = await self.bring("artalk", json.dumps([*made, tail]), dry=True, label="circle")
        self.assertEqual((report.items, report.changed), (3_001, {"circle": 1}))

    async def test_no_room(self) -> None:
        """Where the spool can't be written the import fails with a line that says so, and may be begun again."""

        def full(*given: Any) -> Any:
            raise sqlite3.OperationalError("database or disk is full")

        with self.patched(Spool, "fill", full), self.assertRaisesRegex(BadFile, "disk is full"):
            await self.bring("artalk", json.dumps(ARTALK))
        self.assertEqual((await self.run_now()).state, "failed")
        report = await self.bring("artalk", json.dumps(ARTALK))
        self.assertEqual(report.added, 1)

    async def test_file_changes(self) -> None:
        """A file that is another by the second look, or gone: an end with a reason, or what both looks agree on."""
        text = json.dumps(samples.COMMENTO)
        opened = Source.open
        for other in (b"", b"{", json.dumps({**samples.COMMENTO, "comments": []}).encode(), None):
            path = self.file(text)
            looks = 0

            def changing(source: Source, path: Path = path, other: bytes | None = other) -> Any:
                nonlocal looks
                looks += 1
                if looks == 3:
                    path.unlink()
                    if other is not None:
                        path.write_bytes(other)
                return opened(source)

            with self.patched(Source, "open", changing):
                try:
                    report = await self.bring("commento", path, dry=True)
                    self.assertEqual(report.items, 0)
                except BadFile as error:
                    self.assertLess(len(str(error)), 300)
            self.assertGreaterEqual(looks, 3)

    @contextmanager
    def patched(self, what: Any, name: str, by: Any) -> Iterator[None]:
        """*by* in the place of an attribute, for a while."""
        was = getattr(what, name)
        setattr(what, name, by)
        try:
            yield
        finally:
            setattr(what, name, was)
