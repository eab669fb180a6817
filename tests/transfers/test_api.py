"""Imports and exports by the API: pieces, guesses, questions, dry runs, pauses, restarts, undo, downloads; who may."""

from __future__ import annotations

import gzip
import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from cackled.admin.transfer import shown
from cackled.importing.store import Runs
from cackled.transfers.runner import DROP_FILES, TransferWork
from tests.api.common import ApiCase
from tests.support.staff import sign_in, site_key

clock: Any = reactor
IMPORTS, EXPORTS = "/api/v1/sites/1/imports", "/api/v1/sites/1/exports"
HEAD = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Blog</title><link>https://blog.example</link><wp:base_blog_url>https://blog.example</wp:base_blog_url>
"""


def wxr(comments: int, page: str = "https://blog.example/a/") -> bytes:
    """An export of WordPress with a page."""
    made = [HEAD, f"<item><title>A</title><link>{page}</link><wp:post_id>1</wp:post_id>"
            "<wp:post_type>post</wp:post_type><wp:status>publish</wp:status>".encode()]  # fmt: skip
    for n in range(1, comments + 1):
        made.append(
            f"<wp:comment><wp:comment_id>{n}</wp:comment_id><wp:comment_author>Ann</wp:comment_author>"
            f"<wp:comment_author_email>ann@blog.example</wp:comment_author_email>"
            f"<wp:comment_date_gmt>2020-01-01 00:{n // 60 % 60:02}:{n % 60:02}</wp:comment_date_gmt>"
            f"<wp:comment_content>text {n}</wp:comment_content><wp:comment_approved>1</wp:comment_approved>"
            f"<wp:comment_type>comment</wp:comment_type><wp:comment_parent>0</wp:comment_parent>"
            "<wp:comment_user_id>0</wp:comment_user_id></wp:comment>\n".encode()
        )
    return b"".join((*made, b"</item></channel></rss>\n"))


class TransferCase(ApiCase):
    """With somebody who may, and the job at hand."""

    async def setUp(self) -> None:
        await super().setUp()
        self.ann = await sign_in(self, "admin")
        self.work = self.application.shared[TransferWork]

    async def put(self, number: str, at: int, data: bytes, who: Any = None) -> Any:
        """A piece of a file."""
        return await (who or self.ann).ask(
            "PUT", f"{IMPORTS}/{number}/file?at={at}", data, content_type="application/octet-stream"
        )

    async def begin(self, data: bytes, step: int = 0, **more: Any) -> str:
        """An import whose file is there."""
        made = await self.ann.ask("POST", IMPORTS, {"size": len(data), **more})
        self.assertEqual(made.status, 201, made)
        number = str(made.json()["id"])
        step = step or len(data)
        for at in range(0, len(data), step):
            answer = await self.put(number, at, data[at : at + step])
            self.assertEqual(answer.status, 200, answer)
        return number

    async def one(self, number: str) -> dict[str, Any]:
        """How it is."""
        found: dict[str, Any] = (await self.ann.ask("GET", f"{IMPORTS}/{number}")).json()
        return found

    async def act(self, number: str, action: str, **more: Any) -> Any:
        """Do something with it."""
        return await self.ann.ask("POST", f"{IMPORTS}/{number}/actions", {"action": action, **more})

    def texts(self) -> list[str]:
        """What is on the site."""
        return [row[0] for row in self.sql("select src from comment where site_id = 1 order by id")]


class ImportTests(TransferCase):
    """Files in."""

    async def test_whole(self) -> None:
        """Packed, in pieces, its format guessed: a dry run, then for real, again, and taken back."""
        number = await self.begin(gzip.compress(wxr(30)), 100, dry=True, name="blog.xml.gz")
        one = await self.one(number)
        self.assertEqual((one["state"], one["format"], one["product"]), ("waiting", "wxr", "comments"))
        self.assertTrue(await self.work.import_one())
        one = await self.one(number)
        self.assertEqual((one["state"], one["added"], one["report"]["added"]), ("done", 0, 30))
        self.assertEqual(one["actions"], ["bring", "stop"])
        self.assertEqual(self.texts(), [])
        self.assertEqual((await self.act(number, "bring")).status, 200)
        self.assertTrue(await self.work.import_one())
        self.assertFalse(await self.work.import_one())
        one = await self.one(number)
        self.assertEqual((one["state"], one["added"], one["present"], one["actions"]), ("done", 30, 0, ["undo"]))
        self.assertEqual(self.texts(), [f"text {n}" for n in range(1, 31)])
        self.assertEqual(self.sql("select count(*) from transfer_piece"), [(0,)])
        again = await self.begin(wxr(31))
        await self.work.import_one()
        one = await self.one(again)
        self.assertEqual((one["added"], one["present"]), (1, 30))
        self.assertEqual((await self.act(number, "undo")).json()["actions"], [])
        await self.work.import_one()
        self.assertEqual(((await self.one(number))["state"], self.texts()), ("undone", ["text 31"]))
        listed = (await self.ann.ask("GET", f"{IMPORTS}?size=1")).json()
        self.assertEqual([[one["id"] for one in listed["imports"]], listed["next"]], [[again], again])
        self.assertIn("reviews", {one["product"] for one in listed["formats"]})
        rest = (await self.ann.ask("GET", f"{IMPORTS}?cursor={listed['next']}")).json()
        self.assertEqual([one["id"] for one in rest["imports"]], [number])
        log = {row[0] for row in self.sql("select action from audit where site_id = 1 and target like 'import:%'")}
        self.assertEqual(log, {"import.begun", "import.bring", "import.undo"})

    async def test_pictures(self) -> None:
        """What is wished of pictures is noted with the import, and looked for by the outbox."""
        # No stranger may name that server.
        data = wxr(3).replace(b"text 2", b"&lt;img src='http://127.0.0.1/2.png'&gt; text 2")
        dry = await self.begin(data, dry=True, photos=True)
        await self.work.import_one()
        one = await self.one(dry)
        self.assertEqual((one["report"]["pictures"], one["pictures"]), (1, None))
        await self.act(dry, "bring")
        await self.work.import_one()
        self.sql("update outbox set next_at = now() where kind = 'import-pictures'")
        while self.sql("select 1 from outbox where kind = 'import-pictures' and done_at is null"):
            await deferLater(clock, 0.05)
        found = (await self.one(dry))["pictures"]
        self.assertEqual(found, {"wished": 1, "taken": 0, "waiting": 0, "failed": {"refused": 1}})
        run = await Runs(self.application.parts.database, 1).find(int(dry))
        assert run is not None
        self.assertEqual(shown(run)[0], f"import {dry} of  (wxr): done")
        self.assertIn("  pictures: 0 of 1 are here, 0 are still to be fetched", shown(run))
        self.assertIn("  pictures that stay links (refused): 1", shown(run))

    async def test_pieces(self) -> None:
        """A piece that came is taken once; one that is elsewhere, too long or too much is refused."""
        data = wxr(2)
        number = (await self.ann.ask("POST", IMPORTS, {"size": len(data)})).json()["id"]
        await self.put(number, 0, data[:50])
        self.assertEqual((await self.put(number, 0, data[:50])).json()["received"], 50)
        for at, piece in ((60, data[60:]), (40, data[40:]), (50, data[50:] + b"x")):
            self.assertEqual((await self.put(number, at, piece)).slug, "import-place")
        self.assertEqual((await self.put(number, 50, b"")).status, 400)
        self.assertEqual((await self.put(number, 50, b"x" * (8 * 1024**2 + 1))).status, 413)
        self.assertEqual((await self.put(number, 50, data[50:])).json()["state"], "waiting")
        await self.work.import_one()
        self.assertEqual(self.texts(), ["text 1", "text 2"])

    async def test_map(self) -> None:
        """Addresses are mapped; a map that can't be read is refused."""
        await self.begin(wxr(1), map="https://blog.example/*,https://new.example/*\n")
        await self.work.import_one()
        self.assertEqual(self.sql("select url from channel where site_id = 1"), [("https://new.example/a",)])
        wrong = await self.ann.ask("POST", IMPORTS, {"size": 5, "map": "only-one-column\n"})
        self.assertEqual((wrong.status, wrong.slug), (400, "bad-field"))

    async def test_asked(self) -> None:
        """What can be read in two ways is asked; what is of no known format too; what is broken says so."""
        table = "title,body,rating,review_date,reviewer_name,product_handle\nA,Good,5,03/04/2024,Ann,kettle\n"
        number = await self.begin(table.encode())
        await self.work.import_one()
        one = await self.one(number)
        self.assertEqual((one["state"], one["choices"]), ("asked", ["reviews-dmy", "reviews-mdy"]))
        self.assertIn("03/04/2024", one["error"])
        self.assertEqual((await self.act(number, "answer", format="wxr")).status, 400)
        self.assertEqual((await self.act(number, "answer", format="reviews-dmy")).json()["state"], "waiting")
        await self.work.import_one()
        self.assertEqual((await self.one(number))["added"], 1)
        self.assertEqual(self.sql("select to_char(created_at, 'MM-DD') from review"), [("04-03",)])
        number = await self.begin(b"\0\1\2 nothing that is known")
        one = await self.one(number)
        self.assertEqual((one["state"], "wxr" in one["choices"]), ("asked", True))
        await self.act(number, "answer", format="wxr")
        await self.work.import_one()
        one = await self.one(number)
        self.assertEqual((one["state"], one["actions"]), ("failed", ["resume", "stop"]))
        self.assertTrue(one["error"])
        self.assertEqual((await self.act(number, "stop")).json()["actions"], [])
        self.assertEqual(self.sql("select count(*) from transfer_piece"), [(0,)])

    async def test_paused(self) -> None:
        """One that waits is paused and resumed; what a node left is taken up by the next, from its pieces."""
        number = await self.begin(wxr(3), 400)
        self.assertEqual((await self.act(number, "pause")).json()["actions"], ["resume", "stop"])
        self.assertFalse(await self.work.import_one())
        self.assertEqual((await self.act(number, "pause")).slug, "import-state")
        await self.act(number, "resume")
        # A node began, wrote one comment, and went away.
        self.sql("update import_run set state = 'writing', beat_at = now() - interval '2 minutes'")
        self.assertTrue(await self.work.import_one())
        self.assertEqual(len(self.texts()), 3)

    async def test_shutdown(self) -> None:
        """What is stopped with its process waits for the next."""
        number = await self.begin(wxr(3))
        self.work.stop()
        self.assertFalse(await self.work.import_one())
        self.assertEqual((await self.one(number))["state"], "waiting")

    async def test_old(self) -> None:
        """Files that nobody came back for go."""
        data = wxr(1)
        await self.begin(data, dry=True)
        number = (await self.ann.ask("POST", IMPORTS, {"size": len(data)})).json()["id"]
        await self.put(number, 0, data[:9])
        await self.work.import_one()
        run = self.application.database.parts[0].system.write
        self.assertEqual((await run(DROP_FILES))[0][0], 0)
        self.sql("update import_run set beat_at = now() - interval '8 days'")
        self.assertEqual((await run(DROP_FILES))[0][0], 2)
        self.assertEqual((await self.one(number))["state"], "stopped")

    async def test_bounds(self) -> None:
        """Sizes, formats and numbers that can't be; no more than a few at once."""
        for body in ({"size": 0}, {"size": 2**31 + 1}, {"size": 5, "format": "nonsense"}, {"size": 5, "by": "x"}):
            self.assertIn((await self.ann.ask("POST", IMPORTS, body)).status, (400, 422), body)
        for _ in range(5):
            self.assertEqual((await self.ann.ask("POST", IMPORTS, {"size": 9})).status, 201)
        self.assertEqual((await self.ann.ask("POST", IMPORTS, {"size": 9})).slug, "imports-many")
        self.assertEqual((await self.ann.ask("GET", f"{IMPORTS}/99999")).status, 404)

    async def test_walls(self) -> None:
        """Not for moderators, nor for another site's owner, nor for keys that are for reading."""
        number = await self.begin(wxr(1))
        ways = (("GET", IMPORTS, None), ("GET", f"{IMPORTS}/{number}", None), ("POST", IMPORTS, {"size": 9}),
                ("POST", f"{IMPORTS}/{number}/actions", {"action": "stop"}), ("GET", EXPORTS, None),
                ("POST", EXPORTS, {"format": "csv"}))  # fmt: skip
        for who in (
            await sign_in(self, "moderator"), await sign_in(self, "owner", site=2), await site_key(self, ["read"]),
            await site_key(self, ["sync"], site=2),
        ):  # fmt: skip
            for method, path, body in ways:
                self.assertIn((await who.ask(method, path, body)).status, (401, 403, 404), (who.name, path))
            self.assertIn((await self.put(number, 0, b"x", who)).status, (401, 403, 404))
        other = await sign_in(self, "owner", site=2, email="two@two.example")
        there = "/api/v1/sites/2/imports"
        self.assertEqual((await other.ask("GET", there)).json()["imports"], [])
        self.assertEqual((await other.ask("GET", f"{there}/{number}")).status, 404)


class ExportTests(TransferCase):
    """Files out."""

    async def test_whole(self) -> None:
        """Made, fetched by an address, brought into another site; removed."""
        await self.begin(wxr(20))
        await self.work.import_one()
        made = (await self.ann.ask("POST", EXPORTS, {"format": "jsonl"})).json()
        path = f"{EXPORTS}/{made['id']}"
        self.assertEqual((await self.ann.ask("POST", f"{path}/link", {})).slug, "export-state")
        self.assertTrue(await self.work.export_one())
        self.assertFalse(await self.work.export_one())
        one = (await self.ann.ask("GET", path)).json()
        self.assertEqual((one["state"], one["actions"]), ("done", ["download", "stop"]))
        link = (await self.ann.ask("POST", f"{path}/link", {})).json()
        place = "/exports/" + link["url"].partition("/exports/")[2]
        file = await self.ask("GET", place)
        self.assertEqual((file.status, int(file.headers["content-length"])), (200, one["size"]))
        self.assertIn(".jsonl.gz", file.headers["content-disposition"])
        lines = [json.loads(line) for line in gzip.decompress(file.raw.partition(b"\r\n\r\n")[2]).splitlines()]
        self.assertEqual([one["type"] for one in lines], ["export", "page", *["comment"] * 20])
        self.assertEqual((await self.ask("HEAD", place)).headers["content-length"], file.headers["content-length"])
        for wrong in (place[:-1] + "x", place.replace("1.", "2.", 1), "/exports/", "/exports/1.2.3", place + "/x"):
            self.assertEqual((await self.ask("GET", wrong)).status, 404, wrong)
        self.assertEqual((await self.ask("POST", place, {})).status, 405)
        self.assertEqual((await self.ann.ask("DELETE", path)).json()["state"], "gone")
        self.assertEqual((await self.ask("GET", place)).status, 404)
        self.assertEqual(self.sql("select count(*) from transfer_piece"), [(0,)])

    async def test_formats(self) -> None:
        """Every format of every product makes a file."""
        await self.begin(wxr(2))
        await self.work.import_one()
        for one in (await self.ann.ask("GET", EXPORTS)).json()["formats"][:9]:
            made = await self.ann.ask("POST", EXPORTS, {"product": one["product"], "format": one["name"]})
            self.assertEqual(made.status, 201, one)
            await self.work.export_one()
            shown = (await self.ann.ask("GET", f"{EXPORTS}/{made.json()['id']}")).json()
            self.assertEqual((shown["state"], shown["error"]), ("done", ""), one)
        self.assertEqual((await self.ann.ask("POST", EXPORTS, {"format": "nonsense"})).status, 400)
