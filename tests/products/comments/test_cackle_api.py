"""Cackle's calls at their old addresses: what the published plugins send, and what they do with the answers."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import quote, urlencode

from tests.api.common import ORIGIN, Answer, ApiCase
from tests.support.staff import site_key

FORM = "application/x-www-form-urlencoded"


class OldCase(ApiCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.key = await self.of_site(["read", "sync"])

    async def of_site(self, scopes: list[str], site: int = 1) -> str:
        client = await site_key(self, scopes, site=site, name=f"old{scopes}")
        return client.headers["authorization"].partition(" ")[2]

    async def get(self, path: str, site: int | str = 1, key: str | None = None, **query: Any) -> Answer:
        """What a plugin asks for."""
        key = self.key if key is None else key
        query = {"id": site, "siteApiKey": key, "accountApiKey": key, **query}
        return await self.ask("GET", f"{path}?{urlencode(query)}", referer="https://one.example/")

    async def form(self, path: str, fields: dict[str, Any], **headers: str) -> Answer:
        """A form by POST."""
        return await self.ask("POST", path, urlencode(fields).encode(), content_type=FORM, **headers)

    async def write(self, text: str, key: str = "7", **more: Any) -> dict[str, Any]:
        token = await self.visitor()
        body = {"channel": {"key": key, "url": f"https://one.example/?p={key}"}, "text": text, "name": "Ann", **more}
        answer = await self.ask("POST", "/api/v1/sites/1/comments", body, origin=ORIGIN, authorization=token)
        self.assertEqual(answer.status, 201, answer)
        made: dict[str, Any] = answer.json()["comment"] | {"token": token}
        return made


class SyncTests(OldCase):
    async def test_plugin(self) -> None:
        """The WordPress plugin's round: keys are checked, pages with news, what is new after the last comment, what
        changed; numbers rise, times are milliseconds, a hundred rows are more."""
        checked = (await self.get("/api/2.0/site/info.json")).json()["siteInfo"]
        self.assertTrue(checked["correctKey"])
        self.assertEqual(checked["lang"], "en")
        first = await self.write("one")
        second = await self.write("two", parent=first["id"])
        await self.write("elsewhere", key="8")
        chans = (await self.get("/api/3.0/comment/chan/list.json", gtModify=0)).json()["chans"]
        self.assertEqual([one["channel"] for one in chans], ["7", "8"])
        found = (await self.get("/api/3.0/comment/list.json", chan="7", commentId=0)).json()["comments"]
        self.assertEqual([str(one["id"]) for one in found], [first["id"], second["id"]])
        one, two = found
        self.assertEqual((two["parentId"], one["parentId"]), (one["id"], None))
        self.assertEqual((one["message"], one["status"], one["siteId"]), ("<p>one</p>", "approved", 1))
        self.assertEqual(one["chan"]["channel"], "7")
        self.assertEqual((one["author"], one["anonym"]["name"]), (None, "Ann"))
        self.assertLess(abs(one["created"] / 1000 - time.time()), 600)
        after = (await self.get("/api/3.0/comment/list.json", chan="7", commentId=one["id"])).json()["comments"]
        self.assertEqual([row["id"] for row in after], [two["id"]])
        # Deleted afterwards: told as changed, without a word.
        gone = await self.ask(
            "DELETE", f"/api/v1/sites/1/comments/{second['id']}", origin=ORIGIN, authorization=second["token"]
        )
        self.assertEqual(gone.status, 200)
        last = max(row["modified"] for row in found)
        (changed,) = (await self.get("/api/3.0/comment/list.json", chan="7", modified=last, page=0)).json()["comments"]
        self.assertEqual((changed["id"], changed["status"], changed["message"]), (two["id"], "deleted", ""))
        self.assertEqual((await self.get("/api/3.0/comment/list.json", chan="7", modified=changed["modified"])).json(),
                         {"comments": []})  # fmt: skip
        self.assertEqual((await self.get("/api/3.0/comment/list.json", chan="7", modified=0, page=1)).json(),
                         {"comments": []})  # fmt: skip
        paged = (await self.get("/api/2.0/comment/list.json", modified=0, page=0, size=2)).json()["comments"]
        self.assertEqual((len(paged["content"]), paged["totalPages"], paged["lastPage"]), (2, 2, False))

    async def test_pages(self) -> None:
        """More than a hundred: read in parts, nothing twice and nothing left out; hidden ones too."""
        await self.write("first")
        rows = self.sql("select channel_id, visitor_id from comment limit 1")[0]
        self.sql(
            "insert into comment (id, site_id, channel_id, root_id, visitor_id, depth, status, shown, author_name, "
            "src, html) select 9000000000000000 + n, 1, %s, 9000000000000000 + n, %s, 0, "
            "case when n %% 7 = 0 then n / 7 %% 5 else 1 end, n %% 7 <> 0 or n / 7 %% 5 = 1, 'x', 'x', 'x' "
            "from generate_series(1, 230) n", *rows,
        )  # fmt: skip
        seen: list[int] = []
        while True:
            answer = await self.get("/api/3.0/comment/list.json", chan="7", commentId=seen[-1] if seen else 0)
            found = answer.json()["comments"]
            seen += [one["id"] for one in found]
            if len(found) < 100:
                break
        self.assertEqual(seen, sorted(set(seen)))
        self.assertEqual(len(seen), 231)
        by_change = []
        for page in range(3):
            answer = await self.get("/api/3.0/comment/list.json", modified=0, page=page)
            by_change += [one["id"] for one in answer.json()["comments"]]
        self.assertEqual(sorted(by_change), seen)

    async def test_keys(self) -> None:
        """A wrong key, another site's, one for other things: nothing is told, in the form that plugins know."""
        await self.write("secret words")
        others = await self.of_site(["read"], site=2)
        sso = await self.of_site(["sso"])
        for site, key in ((1, "wrong"), (1, ""), (1, others), (2, self.key), (1, sso), (99, self.key), ("x", self.key),
                          (1, "cackled_1_" + "a" * 30), (1, "cackled_1_\u00e9")):  # fmt: skip
            for path in ("/api/3.0/comment/list.json", "/api/2.0/comment/list.json", "/api/3.0/comment/chan/list.json"):
                answer = await self.get(path, site, key)
                self.assertGreaterEqual(answer.status, 400, (site, key))
                self.assertNotIn(b"secret words", answer.raw)
            self.assertEqual((await self.get("/api/2.0/site/info.json", site, key)).json()["siteInfo"],
                             {"correctKey": False})  # fmt: skip
            query = urlencode({"siteId": site, "siteApiKey": key, "accountApiKey": key})
            self.assertEqual((await self.ask("GET", f"/api/keys/check?{query}")).body, b"fail")
        query = urlencode({"siteId": 1, "siteApiKey": self.key, "accountApiKey": "x"})
        self.assertEqual((await self.ask("GET", f"/api/keys/check?{query}")).body, b"success")
        # A key that reads does not write.
        reads = await self.of_site(["read"])
        answer = await self.form("/api/3.0/comment/post.json", {"id": 1, "siteApiKey": reads, "comments": "{}"})
        self.assertEqual((answer.status, answer.json()["responseApi"]["status"]), (403, "fail"))

    async def test_first_plugins(self) -> None:
        """Before 2.0: the key names the site; an answer may be wrapped in a function's call, of a sane name."""
        one = await self.write("one")
        query = {"accountApiKey": self.key, "siteApiKey": self.key, "id": 0, "callback": "jQuery17.x"}
        answer = await self.ask("GET", f"/api/comment/list?{urlencode(query)}")
        self.assertTrue(answer.body.startswith(b"/**/jQuery17.x({"))
        self.assertEqual(answer.headers["content-type"], "text/javascript; charset=utf-8")
        told = json.loads(answer.body[len(b"/**/jQuery17.x(") : -2])
        self.assertEqual([str(row["id"]) for row in told["comments"]], [one["id"]])
        for name in ("alert(1)//", "<script>", "a b"):
            answer = await self.ask("GET", f"/api/comment/mutable_list?{urlencode(query | {'callback': name})}")
            self.assertTrue(answer.body.startswith(b'{"comments"'), answer)
        setup = f"/api/wp115/setup?{urlencode({'accountApiKey': self.key, 'siteApiKey': self.key})}"
        answer = await self.form(setup, {"chan0": "https://one.example/?p=1", "post0": 1, "count": 1})
        self.assertEqual(answer.json(), {"responseApi": {"status": "ok"}})

    async def test_bad_numbers(self) -> None:
        """What is no number is refused; nothing breaks."""
        for query in (
            {"commentId": "x"}, {"modified": "-1"}, {"modified": "9" * 30}, {"page": "99999999999", "modified": 1},
            {"size": "x"}, {"chan": "\0"}, {"chan": "x" * 5000, "commentId": 1},
        ):  # fmt: skip
            answer = await self.get("/api/3.0/comment/list.json", **query)
            self.assertIn(answer.status, (200, 400), query)


class PostTests(OldCase):
    async def post(self, comments: list[Any], **page: Any) -> Answer:
        """An import call."""
        told = {"chan": "7", "url": "https://one.example/?p=7", "title": "Post", "comments": comments, **page}
        return await self.form("/api/3.0/comment/post.json", {
            "id": 1, "siteApiKey": self.key, "accountApiKey": self.key, "comments": json.dumps(told),
        })  # fmt: skip

    async def test_import(self) -> None:
        """Comments come with author, time, state and answers; sent again, they are there once."""
        made = [
            {"id": 12, "parent": 11, "msg": "reply", "status": "approved", "created": "1700000001000",
             "ip": "192.0.2.1", "user": {"id": 5, "name": "Bob", "email": "bob@example.test"}},
            {"id": 11, "msg": "root <b>bold</b>", "status": "approved", "created": "1700000000000",
             "name": "Ann", "email": "ann@example.test"},
            {"id": 13, "msg": "hidden", "status": "spam", "created": "1700000002000", "name": "Eve"},
            {"msg": "no id"}, "nonsense",
        ]  # fmt: skip
        answer = await self.post(made)
        self.assertEqual(answer.json(), {"responseApi": {"status": "ok", "added": 3, "present": 0, "left": 2}})
        later = {"id": 14, "parent": 12, "msg": "later", "created": "1700000003000", "name": "A"}
        again = await self.post([*made, later])
        self.assertEqual((again.json()["responseApi"]["added"], again.json()["responseApi"]["present"]), (1, 3))
        rows = self.sql("select src, status, depth, created_at = to_timestamp(1700000000) from comment order by id")
        self.assertEqual([row[:3] for row in rows], [("root **bold**", 1, 0), ("reply", 1, 1), ("hidden", 2, 0),
                                                     ("later", 1, 2)])  # fmt: skip
        self.assertTrue(rows[0][3])
        page = await self.ask("GET", "/api/v1/sites/1/comments?channel=7")
        self.assertEqual(len(page.json()["page"]["comments"]), 1)
        listed = (await self.get("/api/3.0/comment/list.json", chan="7", commentId=0)).json()["comments"]
        self.assertEqual([one["status"] for one in listed], ["approved", "approved", "spam", "approved"])

    async def test_odd_values(self) -> None:
        """What no database takes as a number, a date or a text is left out, or the comment is."""
        wrong = (None, [], {}, "\0", 1e308, -1, -(10**16), 10**18, "9999-99-99", [None, {}], "http://\u2100/",
                 "".join(chr(97 + n * 7 % 26) for n in range(5000)))  # fmt: skip
        good = {"id": 12, "parent": 11, "msg": "text", "status": "approved", "created": "1700000001000",
                "ip": "192.0.2.1", "user": {"id": 5, "name": "Bob"}, "rating": 1, "media": "x"}  # fmt: skip
        for name in good:
            for value in wrong:
                answer = await self.post([{**good, name: value}, {"id": 1, "msg": "also"}])
                self.assertEqual(answer.status, 200, (name, value, answer))
                told = answer.json()["responseApi"]
                self.assertEqual(told["added"] + told["present"] + told["left"], 2)
        self.assertEqual(self.sql("select count(*) from comment where src = 'also'"), [(1,)])

    async def test_bad(self) -> None:
        """What can't be taken is refused as a whole, and says why."""
        for comments in ("", "x", "[]", "{}", '{"comments":1}', "[" * 5000, '{"comments":[]}'):
            answer = await self.form("/api/3.0/comment/post.json", {
                "id": 1, "siteApiKey": self.key, "comments": comments,
            })  # fmt: skip
            self.assertEqual((answer.status, answer.json()["responseApi"]["status"]), (400, "fail"), comments)
        self.assertEqual((await self.post([{"id": n, "msg": "x"} for n in range(101)])).status, 400)
        circle = [{"id": 1, "parent": 2, "msg": "a"}, {"id": 2, "parent": 1, "msg": "b"}]
        self.assertEqual((await self.post(circle)).status, 400)
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])


class PageTests(OldCase):
    async def test_counts(self) -> None:
        """Field 0 is the place in the question; a private site's and locked pages' numbers are told to nobody."""
        await self.write("one")
        asked = {"len": 3, "0": "none", "1": "7", "2": ""}
        answer = await self.form("/widget/1/count", asked, origin="https://any.example")
        self.assertEqual(answer.json()["commentCount"]["counts"], "0:0:0:0,1:1:0:0")
        self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        self.assertEqual((await self.ask("GET", "/widget/1/count?len=1&0=7")).status, 405)
        self.assertEqual((await self.form("/widget/77/count", {"len": 1, "0": "7"})).status, 404)
        self.assertEqual((await self.form("/widget/1/count", {"len": "9" * 9, "0": "7"})).status, 400)

    async def test_bootstrap(self) -> None:
        """A page's comments as a script: answers behind what they answer, nothing that only the site may know."""
        one = await self.write("one")
        two = await self.write("two")
        await self.write("below", parent=one["id"])
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{two['id']}", origin=ORIGIN, authorization=two["token"])
        answer = await self.ask("GET", "/widget/1/bootstrap?callback=jQuery1_2&chan=7&order=asc")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.body.startswith(b"/**/jQuery1_2("))
        (told,) = json.loads(answer.body.partition(b"(")[2].rpartition(b")")[0]).values()
        self.assertEqual([row["message"] for row in told["comments"]], ["<p>one</p>", "<p>below</p>"])
        first, below = told["comments"]
        self.assertEqual((below["parentId"], first["anonym"]["name"], first["author"]), (one["id"], "Ann", None))
        self.assertNotIn(b"127.0.0.1", answer.body)
        self.assertLess(abs(first["created"] / 1000 - time.time()), 600)
        empty = (await self.ask("GET", "/widget/1/bootstrap?url=https://one.example/nothing")).json()
        self.assertEqual(empty["commentBootstrap"]["comments"], [])
        self.assertEqual((await self.ask("GET", "/widget/77/bootstrap?chan=7")).status, 404)
        self.assertEqual((await self.ask("GET", "/widget/1/bootstrap")).status, 400)
        other = (await self.ask("GET", "/widget/2/bootstrap?chan=7")).json()
        self.assertEqual(other["commentBootstrap"]["comments"], [])

    async def test_feed(self) -> None:
        """The feed of a page is led to where it is here, and is there."""
        await self.write("one")
        answer = await self.ask("GET", "/widget/0/comments.rss?site=1&chan=7&name=x")
        self.assertEqual((answer.status, answer.headers["location"]), (308, "/feeds/1/comments.atom?channel=7"))
        self.assertIn(b"one", (await self.ask("GET", answer.headers["location"])).body)

    async def test_by_get(self) -> None:
        """What moderators did by GET is not done, and says how it is done."""
        one = await self.write("one")
        for deed in ("approve", "removeByAdmin", "banUser"):
            answer = await self.ask("GET", f"/comment/{one['id']}/{deed}?callback=x")
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
            self.assertIn("never done by GET", answer.json()["detail"])
        self.assertEqual(self.sql("select status from comment"), [(1,)])
        for path in ("/widget/1/subscription?email=a@example.test&site=1&chan=7", "/widget/1/unsubscription?email=x"):
            answer = await self.ask("GET", path)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
            self.assertIn("PUT /api/v1/sites/{site}/follows/", answer.json()["detail"])
        self.assertEqual((await self.ask("POST", "/widget/1/subscription", {"email": "a@example.test"})).status, 404)
        # What has another shape here says which.
        for method, path, told in (
            ("GET", f"/comment/{one['id']}/isBanned", "/sites/{site}/bans"),
            ("POST", "/upload2", "/sites/{site}/media"), ("GET", "/upload2", "/sites/{site}/media"),
        ):  # fmt: skip
            answer = await self.ask(method, path)
            self.assertEqual(answer.status, 404)
            self.assertIn(told, answer.json()["detail"])
        for path in ("/comment/1/explode", "/login/1/x.json", "/api/3.0/x", "/api/4.0/comment/list.json", "/login"):
            self.assertEqual((await self.ask("GET", path)).status, 404, path)

    async def test_assets(self) -> None:
        """What stands below /widget goes on."""
        answer = await self.ask("GET", "/widget/0123456789/none.js")
        self.assertEqual(answer.status, 404)

    async def test_sign_in(self) -> None:
        """A guest, and who the site vouches for: what is given writes comments; what does not hold gets nothing."""
        await self.application.sites.change(1, "identity.cackle_sso", True)
        await self.application.sites.change(1, "identity.cackle_secret", "k3y-of-the-site")
        guest = await self.form("/login/1/anonym.json", {"name": "Gil"}, origin=ORIGIN)
        self.assertEqual(guest.json()["widgetUser"]["name"], "Gil")
        self.assertTrue(guest.json()["authorizeResponse"]["token"])
        user = base64.b64encode(json.dumps({"id": "u1", "name": "Ann", "email": "ann@example.test"}).encode()).decode()
        stamp = str(int(time.time()))
        signed = hashlib.md5(f"{user}k3y-of-the-site{stamp}".encode()).hexdigest()
        answer = await self.form("/login/1/sso.json", {"token": f"{user} {signed} {stamp}"}, origin=ORIGIN)
        told = answer.json()["widgetUser"]
        self.assertEqual((told["name"], told["provider"]), ("Ann", "sso"))
        body = {"channel": {"key": "7"}, "text": "signed", "name": "Ann"}
        posted = await self.ask(
            "POST", "/api/v1/sites/1/comments", body, origin=ORIGIN, authorization=f"Bearer {told['token']}"
        )
        self.assertEqual(posted.status, 201, posted)
        # The plugin finds its own user in it.
        (row,) = (await self.get("/api/3.0/comment/list.json", chan="7", commentId=0)).json()["comments"]
        self.assertEqual((row["author"]["provider"], row["author"]["openId"].partition("_")[2]), ("sso", "u1"))
        self.assertEqual(row["author"]["email"], "ann@example.test")
        forged = await self.form("/login/1/sso.json", {"token": f"{user} {'0' * 32} {stamp}"}, origin=ORIGIN)
        self.assertEqual((forged.status, forged.json()["widgetUser"]), (401, None))
        evil = await self.form("/login/1/anonym.json", {"name": "x"}, origin="https://evil.example")
        self.assertEqual(evil.slug, "origin")
        self.assertEqual((await self.ask("GET", f"/login/1/sso.json?token={quote(signed)}")).status, 405)
        self.assertEqual((await self.ask("GET", "/login/1/authorize.json?callback=f")).body[:6], b"/**/f(")
