"""Pictures of comments go out with them, and come back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from cackled.domain.personal_data import collect
from cackled.features import registry
from cackled.products.comments.exporting import EXPORTS
from cackled.products.comments.importing import IMPORTS
from tests.api.common import ApiCase
from tests.media import corpus
from tests.support.returning import Returning

WRITES = {one.name: one.write for one in EXPORTS}
BASE = "https://talk.example"
COMMENTS = "/api/v1/sites/1/comments"


class PictureCase(Returning, ApiCase):
    """A site with comments that show pictures."""

    product = "comments"
    imports = IMPORTS
    format = next(one for one in IMPORTS.formats if one.name == "jsonl")
    writes = WRITES["jsonl"]
    tables = ("comment", "comment_search", "comment_channel", "import_item", "import_author", "import_run")

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "media.pictures", True)
        self.ann, self.bob = await self.visitor(), await self.visitor()
        self.red = await self.picture("A red mug, \"large\" & <new>")
        self.blue = await self.picture("", "blue")
        self.green = await self.picture("Green", "green", self.bob)
        self.first = await self.write([self.red, self.blue], "Look.")
        self.second = await self.write([self.green], "", self.bob, parent=self.first)
        await self.write([], "None here.")
        self.kept = self.sql("select id, media from comment order by id")

    async def picture(self, alt: str, color: str = "red", auth: str | None = None) -> str:
        """A picture of a visitor; gives its id."""
        body = corpus.picture(color=color)
        answer = await self.ask(
            "POST", "/api/v1/sites/1/media", body, content_type="image/jpeg", authorization=auth or self.ann
        )
        self.assertEqual(answer.status, 201, answer)
        number = str(answer.json()["id"])
        described = await self.ask("PATCH", f"/api/v1/sites/1/media/{number}", {"alt": alt},
                                   authorization=auth or self.ann)  # fmt: skip
        self.assertIn(described.status, (200, 204), described)
        return number

    async def write(self, media: list[str], text: str, auth: str | None = None, **more: Any) -> str:
        """A comment; gives its id."""
        body = {"channel": {"key": "mug"}, "name": "Ann", "text": text, "media": media, **more}
        answer = await self.ask("POST", COMMENTS, body, authorization=auth or self.ann)
        self.assertEqual(answer.status, 201, answer)
        return str(answer.json()["comment"]["id"])

    async def taken(self, format: str) -> bytes:
        """An export."""
        site = self.application.sites.get(1)
        return b"".join([part async for part in WRITES[format](self.application.database, site, BASE)])

    async def lines(self) -> list[bytes]:
        """Our own."""
        return (await self.taken("jsonl")).splitlines()

    def items(self) -> dict[str, Any]:
        """What each picture is with, and whether everybody may see it."""
        return {f"1-{id}": (item, shown) for id, item, shown in self.sql("select id, item, shown from media")}

    def usage(self) -> Any:
        """What is counted of the site's pictures."""
        return self.sql("select pictures, bytes from media_site where site_id = 1")


class OutTests(PictureCase):
    """What the formats say of pictures."""

    async def test_own_lines(self) -> None:
        """Whole addresses, words and sizes; nothing where there are no pictures."""
        found = [json.loads(line) for line in await self.lines()]
        comments = [one for one in found if one["type"] == "comment"]
        red, blue = comments[0]["media"]
        self.assertEqual(
            (red["id"], red["url"], red["alt"], red["width"], red["height"]),
            (self.red, f"{BASE}/media/{self.red}/400.webp", "A red mug, \"large\" & <new>", 400, 300),
        )
        self.assertEqual((blue["id"], blue["alt"]), (self.blue, ""))
        self.assertEqual([len(one["sha256"]) for one in (red, blue)], [64, 64])
        self.assertNotIn("media", comments[2])
        self.assertEqual({len(one["mac"]) for one in found}, {40})

    async def test_others(self) -> None:
        """Other systems get images in the text, a table their addresses."""
        address = f"{BASE}/media/{self.red}/400.webp"
        for format in ("wxr", "disqus"):
            text = (await self.taken(format)).decode()
            self.assertIn(f'<p>Look.</p><p><img src="{address}" alt="A red mug, &quot;large&quot; &amp; &lt;new&gt;" '
                          'width="400" height="300"></p>', text, format)  # fmt: skip
            self.assertEqual(text.count("<img "), 3, format)
        rows = list(csv.DictReader(io.StringIO((await self.taken("csv")).decode("utf-8-sig"))))
        self.assertEqual(
            [row["pictures"] for row in rows],
            [f"{address} {BASE}/media/{self.blue}/400.webp", f"{BASE}/media/{self.green}/400.webp", ""],
        )

    async def test_person(self) -> None:
        """Who wrote it is given them as JSON, with whole addresses; what a text says stays as it was."""
        text = 'it says "url": "/media/x"'
        await self.write([], text)
        visitor = self.sql("select visitor_id from comment where id = %s", int(self.first))[0][0]
        pieces = [part async for part in collect(self.application.database, 1, visitor, registry().held, BASE)]
        rows = json.loads(b"".join(pieces))["held"]["comment"]["rows"]
        shown = next(row["media"] for row in rows if row["id"] == int(self.first))
        wanted = [f"{BASE}/media/{one}/400.webp" for one in (self.red, self.blue)]
        self.assertEqual([one["url"] for one in shown], wanted)
        self.assertEqual(shown[0]["alt"], "A red mug, \"large\" & <new>")
        self.assertIn(text, [row["src"] for row in rows])
        self.assertEqual([row["media"] for row in rows if row["src"] == text], [None])


class BackTests(PictureCase):
    """Our own lines, read again."""

    async def test_back(self) -> None:
        """The same pictures with the same words; each is its comment's again, and counted once."""
        lines, items, usage = await self.lines(), self.items(), self.usage()
        self.emptied()
        self.assertEqual(set(self.items().values()), {("", False)})
        report = await self.back(lines)
        self.assertEqual((report.added, report.left, report.changed), (3, {}, {}))
        self.assertEqual(self.sql("select id, media from comment order by id"), self.kept)
        self.assertEqual((self.items(), self.usage()), (items, usage))
        self.assertEqual(items[self.green], (f"comment:{self.second}", True))
        self.assertEqual(await self.lines(), lines)
        (shown,) = [one for one in (await self.ask("GET", f"{COMMENTS}?channel=mug")).json()["page"]["comments"]
                    if one["id"] == self.first]  # fmt: skip
        self.assertEqual((await self.ask("GET", shown["media"][0]["url"])).status, 200)
        again = await self.back(lines)
        self.assertEqual((again.added, again.present), (0, 3))
        self.assertEqual((self.items(), self.usage()), (items, usage))
        await self.last.undo(self.sql("select min(id) from import_run")[0][0])
        self.assertEqual((self.sql("select count(*) from comment"), set(self.items().values())),
                         ([(0,)], {("", False)}))  # fmt: skip
        self.assertEqual(self.usage(), usage)

    async def test_gone(self) -> None:
        """A picture that is gone is made again of another with its contents; else its comment comes without it, and one
        without words says where it was."""
        lines, usage = await self.lines(), self.usage()
        self.emptied()
        same = await self.picture("Mine", "red", self.bob)
        for one in (self.red, self.green):
            self.sql("select drop_media(1, %s)", [one.removeprefix("1-")])
        report = await self.back(lines)
        self.assertEqual(report.added, 3)
        media, src = self.sql("select media, src from comment where id = %s", int(self.first))[0]
        self.assertEqual([(one["id"], one["alt"]) for one in json.loads(media)],
                         [(self.red, "A red mug, \"large\" & <new>"), (self.blue, "")])  # fmt: skip
        self.assertEqual(src, "Look.")
        self.assertEqual(self.items()[self.red], (f"comment:{self.first}", True))
        self.assertEqual(self.items()[same], ("", False))
        # Two contents are left of three.
        self.assertEqual((usage[0][0], self.usage()[0][0]), (3, 2))
        media, src, html = self.sql("select media, src, html from comment where id = %s", int(self.second))[0]
        address = f"{BASE}/media/{self.green}/400.webp"
        self.assertEqual((media, src), ("", f"<{address}>"))
        self.assertIn(f'href="{address}"', html)
        # Taken away with the other: the last one takes the contents with it.
        for one in (self.red, same):
            self.sql("select drop_media(1, %s)", [one.removeprefix("1-")])
        self.assertEqual(self.usage()[0][0], 1)

    async def test_within_a_day(self) -> None:
        """However old pictures are, they can be brought back for a day after their comments went."""
        lines, items = await self.lines(), self.items()
        self.sql("update media set created_at = now() - interval '9 days'")
        self.emptied()
        await self.application.housekeeping.run()
        await self.back(lines)
        self.assertEqual(self.items(), items)
        self.emptied()
        self.sql("update media set freed_at = now() - interval '25 hours'")
        await self.application.housekeeping.run()
        self.assertEqual((self.items(), self.usage()), ({}, [(0, 0)]))

    async def test_not_ours(self) -> None:
        """Who writes a line of their own gets no picture of anybody, but links; nor what is with something else."""
        lines, items = await self.lines(), self.items()
        theirs = await self.picture("Secret", "black", self.bob)
        bob = self.sql("select visitor_id from media where id = %s", theirs.removeprefix("1-"))[0][0]
        forged = json.loads(lines[-1])
        named = {"id": theirs, "url": f"{BASE}/media/{theirs}/400.webp", "alt": "", "width": 4, "height": 3}
        forged.update(id="999000111222", parent=None, text="Mine", media=[named])
        forged["author"]["id"] = str(bob)
        for bad in ("x", 7, None, [[]], [{"url": 5}], [{"id": theirs}], {"a": 1}):
            broken = json.loads(lines[-1]) | {"id": "9990001112" + str(len(str(bad))), "text": "Odd", "media": bad}
            lines.append(json.dumps(broken).encode())
        await self.back([*lines, json.dumps(forged).encode()])
        media, src = self.sql("select media, src from comment where id = 999000111222")[0]
        self.assertEqual((media, src), ("", f"Mine\n\n<{BASE}/media/{theirs}/400.webp>"))
        self.assertEqual({one for one, in self.sql("select media from comment where src = 'Odd'")}, {""})
        self.assertEqual(self.items(), items | {theirs: ("", False)})
        # Vouched for, it is theirs; one that is shown elsewhere stays there.
        forged.update(id="999000111224")
        taken = json.loads(json.dumps(forged)) | {"id": "999000111226"}
        taken["media"][0].update(id=self.green, url=f"{BASE}/media/{self.green}/400.webp")
        await self.back([lines[0], *(line for line in lines if b'"type":"page"' in line),
                         *(json.dumps(one).encode() for one in (forged, taken))], own=True)  # fmt: skip
        self.assertEqual(self.items(), items | {theirs: ("comment:999000111224", True)})
        self.assertEqual(self.sql("select media, src from comment where id = 999000111226"), [("", "Mine")])

    async def test_forgotten(self) -> None:
        """Who was forgotten meanwhile stays so, their pictures too."""
        lines = await self.lines()
        self.emptied()
        bob = self.sql("select visitor_id from media where id = %s", self.green.removeprefix("1-"))[0][0]
        self.sql("insert into erasure (site_id, visitor_id) values (1, %s)", bob)
        await self.back(lines)
        found = self.sql("select media, src, status from comment where id = %s", int(self.second))
        self.assertEqual(found, [("", "", 4)])
        self.assertEqual(self.items()[self.green], ("", False))
