"""What a site brings in and takes out is for its admins: nobody else reads a word of it, by whatever way."""

from __future__ import annotations

import gzip
import io
from typing import Any

from twisted.logger import globalLogPublisher, textFileLogObserver

from tests.support.read_routes import read_all
from tests.support.staff import sign_in, site_key
from tests.transfers.test_api import EXPORTS, IMPORTS, TransferCase, wxr

# In what only the admins of site 1 may see. What is imported and approved is shown to everybody there, and has none.
HIDDEN = {
    "name": "canary1name", "label": "canary2label", "map": "canary3map", "mail": "canary4mail", "held": "canary5held",
    "page": "canary6page", "left": "canary7left", "who": "canary8who", "file": "canary9file", "error": "canary0error",
}  # fmt: skip


class CanaryTests(TransferCase):
    """Site 1 has it all, site 2 nothing."""

    timeout = 300

    async def fill(self) -> dict[str, str]:
        """Runs in every state, an export whose file is there, files in pieces; gives the ids of site 1."""
        say = HIDDEN
        ann = await sign_in(self, "admin", name=say["who"], email="who@staff.example")
        data = wxr(3).replace(b"ann@blog.example", f"{say['mail']}@blog.example".encode())
        data = data.replace(b"text 2</wp:comment_content><wp:comment_approved>1", b"%s</wp:comment_content>"
                            b"<wp:comment_approved>0" % say["held"].encode())  # fmt: skip
        data = data.replace(b"</item>", b"</item><item><title>B</title><link>https://blog.example/%s</link>"
                            b"<wp:post_id>2</wp:post_id><wp:post_type>post</wp:post_type><wp:status>draft</wp:status>"
                            b"<wp:comment><wp:comment_id>%s</wp:comment_id><wp:comment_content>x</wp:comment_content>"
                            b"<wp:comment_approved>1</wp:comment_approved></wp:comment></item>"
                            % (say["page"].encode(), say["left"].encode()))  # fmt: skip
        self.ann = ann
        run = await self.begin(data, name=say["name"], label=say["label"], map=f"/{say['map']}/*,/x/*\n")
        self.assertTrue(await self.work.import_one())
        broken = await self.begin(say["file"].encode(), format="wxr")
        self.sql("update import_run set error = %s, state = 'failed' where id = %s", say["error"], int(broken))
        begun = (await ann.ask("POST", IMPORTS, {"size": 99, "name": say["name"]})).json()["id"]
        await self.put(begun, 0, say["file"].encode())
        made = (await ann.ask("POST", EXPORTS, {"format": "jsonl"})).json()["id"]
        self.assertTrue(await self.work.export_one())
        return {"run": run, "broken": broken, "begun": begun, "export": made}

    def found(self, answer: Any) -> set[str]:
        """Which of them are in an answer."""
        return {one for one, canary in HIDDEN.items() if canary.encode() in answer.raw + answer.body}

    async def test_outputs(self) -> None:
        """Every route that reads, as those of another site, staff who may not, keys of other scopes, and visitors."""
        log = io.StringIO()
        observer = textFileLogObserver(log)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        ids = await self.fill()
        seen: set[str] = set()
        for path in (IMPORTS, EXPORTS, *(f"{IMPORTS}/{ids[one]}" for one in ("run", "broken"))):
            seen |= self.found(await self.ann.ask("GET", path))
        self.assertEqual(seen, {"name", "left", "who", "error"})
        strangers = [
            (await sign_in(self, "owner", site=2, email="two@two.example"), (1, 2)),
            (await site_key(self, ["read", "sync", "moderate"], site=2), (2,)),
        ]
        for client, sites in strangers:
            for site in sites:
                for number in set(ids.values()):
                    async for path, answer in read_all(self, site, client=client, ids={"run": number}):
                        self.assertLess(answer.status, 500, path)
                        self.assertEqual(self.found(answer), set(), (path, client.name))
        # On the site itself: the queue shows what is held, and its address of mail; the log tells who did what.
        inside = [
            (await sign_in(self, "moderator"), {"held", "mail", "who"}), (await sign_in(self, "analyst"), {"who"}),
            (await site_key(self, ["read"]), {"who"}),
        ]  # fmt: skip
        for client, apart in inside:
            async for path, answer in read_all(self, 1, client=client, ids={"run": ids["run"]}, queries=("", "?q=can")):
                self.assertLess(answer.status, 500, path)
                self.assertEqual(self.found(answer) - apart, set(), (path, client.name))
        for site in (1, 2):
            auth = await self.visitor(site)
            async for path, answer in read_all(self, site, auth=auth):
                self.assertEqual(self.found(answer), set(), path)
            for path in (f"/bootstrap?widget=Comment&site={site}&url=https%3A%2F%2Fblog.example%2Fa%2F",
                         f"/threads/{site}?url=https%3A%2F%2Fblog.example%2Fa%2F", f"/threads/{site}/sitemap.xml",
                         f"/feeds/{site}/comments.atom", f"/privacy/{site}"):  # fmt: skip
                self.assertEqual(self.found(await self.ask("GET", path)), set(), path)
        self.assertFalse([one for one in HIDDEN.values() if one in log.getvalue()])

    async def test_walls(self) -> None:
        """Another site's admin neither sends, acts on, makes an address of, nor fetches what is site 1's."""
        ids = await self.fill()
        other = await sign_in(self, "owner", site=2, email="two@two.example")
        key = await site_key(self, ["sync"], site=2)
        before = self.sql("select * from import_run where site_id = 1 order by id")
        for client in (other, key):
            for number in set(ids.values()):
                for site in (1, 2):
                    base = f"/api/v1/sites/{site}"
                    for method, path, body in (
                        ("PUT", f"imports/{number}/file?at=13", b"stolen"),
                        ("POST", f"imports/{number}/actions", {"action": "stop"}),
                        ("POST", f"imports/{number}/actions", {"action": "undo"}),
                        ("DELETE", f"exports/{number}", None), ("POST", f"exports/{number}/link", {}),
                    ):  # fmt: skip
                        kind = "application/octet-stream" if method == "PUT" else "application/json"
                        answer = await client.ask(method, f"{base}/{path}", body, content_type=kind)
                        self.assertIn(answer.status, (401, 403, 404, 409), (path, answer))
                        self.assertEqual(self.found(answer), set())
        self.assertEqual(self.sql("select * from import_run where site_id = 1 order by id"), before)
        # An address of a file names its site: with another's number it opens nothing.
        link = (await self.ann.ask("POST", f"{EXPORTS}/{ids['export']}/link", {})).json()["url"]
        place = "/exports/" + link.partition("/exports/")[2]
        whole = await self.ask("GET", place)
        text = gzip.decompress(whole.raw.partition(b"\r\n\r\n")[2]).decode()
        self.assertEqual({one for one, canary in HIDDEN.items() if canary in text}, {"held", "mail"})
        self.assertEqual((await self.ask("GET", place.replace("/1.", "/2."))).status, 404)

    async def test_fresh(self) -> None:
        """The address of a file with everybody's mail is for who has just shown that it is them, or for a key."""
        ids = await self.fill()
        self.sql("update catalog.account_session set fresh_at = now() - interval '1 hour'")
        path = f"{EXPORTS}/{ids['export']}/link"
        self.assertEqual((await self.ann.ask("POST", path, {})).slug, "not-fresh")
        key = await site_key(self, ["sync"])
        self.assertEqual((await key.ask("POST", path, {})).status, 200)
