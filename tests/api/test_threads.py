"""Conversations as pages: what is shown, to whom, how caches hear of changes, and the form without scripts."""

from __future__ import annotations

import re
from time import time
from urllib.parse import urlencode
from xml.etree import ElementTree

import jwt

from tests.api.common import Answer, ApiCase
from tests.support.search_rules import Page, violations

SECRET = "a secret of the site that is long enough"


class ThreadCase(ApiCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.author = await self.visitor()

    async def page(self, query: str = "channel=page", part: str = "", site: int = 1, **headers: str | None) -> Answer:
        """A page of the conversation."""
        return await self.ask("GET", f"/threads/{site}{part}?{query}", **headers)

    def grant(self) -> str:
        """A grant of all of site 1."""
        return jwt.encode({"aud": "site:1", "exp": int(time()) + 600}, SECRET, algorithm="HS256")

    async def send_form(self, path: str, fields: dict[str, str], **headers: str | None) -> Answer:
        """Send a form."""
        given: dict[str, str | None] = {
            "content_type": "application/x-www-form-urlencoded", "origin": "http://localhost",
            "sec_fetch_site": "same-origin", **headers,
        }  # fmt: skip
        return await self.ask("POST", path, urlencode(fields).encode(), **given)

    def whole(self, answer: Answer) -> Page:
        """A page, checked: well nested, ids once, structured data by the rules, no script."""
        page = Page(answer.body.decode())
        self.assertEqual(page.wrong, [])
        self.assertEqual(len(page.ids), len(set(page.ids)))
        for one in page.data:
            self.assertEqual(violations(one), [])
        return page


class PageTests(ThreadCase):
    async def test_page(self) -> None:
        """Comments with their answers, structured data, canonical address, escaped texts, marked links."""
        text = 'See https://spam.example and <b>"this"</b> </script><script>'
        first = await self.post(self.author, text, name="A<b>")
        root = int(first["comment"]["id"])
        answer = await self.post(self.author, "An *answer*", parent=str(root))
        await self.post(self.author, "below", parent=answer["comment"]["id"])
        got = await self.page()
        self.assertEqual((got.status, got.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(got.headers["content-language"], "en")
        self.assertNotIn("x-robots-tag", got.headers)
        page = self.whole(got)
        self.assertEqual(page.relation("canonical"), "https://one.example/x")
        self.assertIn('<https://one.example/x>; rel="canonical"', got.headers["link"])
        self.assertIn("Comments on X", page.text)
        self.assertIn(text, page.text)
        links = [one for one in page.links if one.get("href", "").startswith("https://spam.example")]
        self.assertEqual([one["rel"].split()[:2] for one in links], [["nofollow", "ugc"]])
        self.assertIn(f"mc-{root}", page.ids)
        (data,) = page.data
        self.assertEqual((data["commentCount"], data["url"]), (3, "https://one.example/x"))
        one = data["comment"][0]
        self.assertEqual(one["author"]["name"], "A<b>")
        self.assertEqual(one["url"], f"https://one.example/x#mc-{root}")
        self.assertEqual(one["comment"][0]["text"], "An answer")
        self.assertEqual(one["comment"][0]["comment"][0]["text"], "below")
        head = await self.ask("HEAD", "/threads/1?channel=page")
        self.assertEqual((head.status, head.body), (200, b""))
        part = await self.page(part="/fragment")
        self.assertEqual(part.headers["x-robots-tag"], "noindex")
        self.assertEqual(part.headers["access-control-allow-origin"], "*")
        self.assertNotIn("<html", part.body.decode())
        self.assertNotIn("<style", part.body.decode())
        shown = self.whole(part)
        self.assertTrue(shown.forms[0]["action"].startswith("http://localhost/threads/1/write?"), shown.forms)
        self.assertEqual(shown.data[0]["comment"], data["comment"])

    async def test_cached(self) -> None:
        """Answered from memory with an ETag, until somebody writes; another language is another page."""
        await self.post(self.author, "one")
        got = await self.page()
        again = await self.page(if_none_match=got.headers["etag"])
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertIn("hit", again.headers["cache-status"])
        await self.post(self.author, "two")
        more = await self.page(if_none_match=got.headers["etag"])
        self.assertEqual(more.status, 200)
        self.assertIn("two", Page(more.body.decode()).text)
        german = await self.page("channel=page&lang=de")
        self.assertIn('<html lang="de" dir="ltr">', german.body.decode())
        self.assertIn("Kommentare zu X", german.body.decode())
        self.assertIn('dir="rtl"', (await self.page("channel=page&lang=ar")).body.decode())

    async def test_paged(self) -> None:
        """Pages lead to each other and hold every comment once; so do answers below one."""
        ids = [(await self.post(self.author, f"no. {n}"))["comment"]["id"] for n in range(1, 104)]
        self.sql("update comment set created_at = now() - interval '1 day' where id = %s", int(ids[0]))
        first = self.whole(await self.page())
        self.assertEqual((first.relation("prev"), first.forms), ("", []))
        second = self.whole(await self.ask("GET", first.relation("next")))
        third = self.whole(await self.ask("GET", second.relation("next")))
        self.assertEqual(third.relation("next"), "")
        self.assertEqual(len(third.forms), 1, "one writes at the end")
        found = [one.removeprefix("mc-") for page in (first, second, third) for one in page.ids if one != "mc-write"]
        self.assertEqual(found, ids)
        self.assertEqual([p.data[0]["datePublished"] for p in (second, third)], [first.data[0]["datePublished"]] * 2)
        back = self.whole(await self.ask("GET", third.relation("prev")))
        self.assertEqual(back.ids, second.ids)
        self.assertEqual(self.whole(await self.ask("GET", back.relation("prev"))).ids, first.ids)
        below = [(await self.post(self.author, f"b{n}", parent=ids[0]))["comment"]["id"] for n in range(60)]
        page = self.whole(await self.page())
        shown = [one.removeprefix("mc-") for one in page.ids if one.removeprefix("mc-") in below]
        more = next(one["href"] for one in page.links if "root=" in one.get("href", ""))
        rest = self.whole(await self.ask("GET", more))
        self.assertEqual([*shown, *(one.removeprefix("mc-") for one in rest.ids)], below)

    async def test_never_shown(self) -> None:
        """What waits, was taken away, or is a shadow's, is in no page, in no structured data and in no sitemap."""
        words = {}
        for number, state in enumerate(("pending", "spam", "rejected", "deleted", "shadow"), 1):
            made = await self.post(self.author, f"canary {state}", key=f"only-{state}" if number % 2 else "page")
            words[state] = int(made["comment"]["id"])
        for state, status in (("pending", 0), ("spam", 2), ("rejected", 3), ("deleted", 4)):
            self.sql("update comment set status = %s, shown = false where id = %s", status, words[state])
        self.sql("update comment set shadow = true, status = 3, shown = false where id = %s", words["shadow"])
        self.application.infrastructure.microcache.clear()
        self.application.infrastructure.cache.clear()
        for state in words:
            for key in ("page", f"only-{state}"):
                for part in ("", "/fragment"):
                    got = await self.page(f"channel={key}", part)
                    self.assertEqual(got.status, 200)
                    self.assertNotIn("canary", got.body.decode())
                    self.assertEqual(got.headers.get("x-robots-tag"), "noindex", "there is nothing to find")

    async def test_deleted(self) -> None:
        """A stone keeps its place, says that it is one, and says no name."""
        first = await self.post(self.author, "canary", name="Zygmunt")
        await self.post(self.author, "an answer", parent=first["comment"]["id"], name="Bob")
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{first['comment']['id']}", authorization=self.author)
        page = self.whole(await self.page())
        self.assertNotIn("canary", page.text)
        self.assertNotIn("Zygmunt", page.text)
        (data,) = page.data
        self.assertEqual(data["comment"][0]["creativeWorkStatus"], "Deleted")
        self.assertEqual(data["comment"][0]["comment"][0]["author"]["name"], "Bob")

    async def test_closed(self) -> None:
        """Private sites and locked conversations: nothing is shown, no robot may keep it, no cache does; no form."""
        await self.post(self.author, "canary")
        sites = self.application.sites
        self.assertEqual((await self.page()).status, 200)
        await sites.change(1, "locks", "pa* read signed-in")
        for part in ("", "/fragment"):
            got = await self.page(part=part)
            self.assertEqual((got.status, got.headers["x-robots-tag"]), (401, "noindex"))
            self.assertIn("no-store", got.headers["cache-control"])
            self.assertNotIn("canary", got.body.decode())
        self.assertEqual((await self.page("channel=page", "/write")).status, 401)
        self.assertNotIn("one.example", (await self.ask("GET", "/threads/1/sitemap.xml")).body.decode())
        await sites.change(1, "locks", "pa* write signed-in")
        got = await self.page()
        self.assertEqual((got.status, self.whole(got).forms), (200, []))
        self.assertEqual((await self.page("channel=page", "/write")).status, 404)
        await sites.change(1, "locks", "")
        await sites.change(1, "private", True)
        await sites.change(1, "channel_secret", SECRET)
        got = await self.page()
        self.assertEqual((got.status, got.headers["x-robots-tag"]), (401, "noindex"))
        self.assertEqual((await self.ask("GET", "/threads/1/sitemap.xml")).status, 404)
        token = self.grant()
        got = await self.page(f"channel=page&token={token}")
        self.assertEqual((got.status, got.headers["x-robots-tag"]), (200, "noindex"))
        self.assertIn("no-store", got.headers["cache-control"])
        self.assertIn("canary", got.body.decode())
        self.assertNotIn("<form", got.body.decode())

    async def test_tenants(self) -> None:
        """Site 2 never shows what was written on site 1, whatever it is asked for."""
        first = await self.post(self.author, "canary")
        for query in ("channel=page", f"channel=page&root={first['comment']['id']}"):
            for part in ("", "/fragment"):
                self.assertNotIn("canary", (await self.page(query, part, site=2)).body.decode())
        write = await self.ask("GET", f"/threads/2/write?channel=page&parent={first['comment']['id']}")
        self.assertEqual(write.status, 404)
        self.assertNotIn("canary", write.body.decode())
        self.assertNotIn("one.example", (await self.ask("GET", "/threads/2/sitemap.xml")).body.decode())

    async def test_sitemap(self) -> None:
        """The site's pages that have comments, each once; pages of others are none of them."""
        await self.post(self.author, "one", key="a")
        await self.post(self.author, "two", key="b", channel={"key": "b", "url": "https://one.example/b?x=1&y=2"})
        await self.post(self.author, "three", key="c", channel={"key": "c", "url": "https://evil.example/c"})
        got = await self.ask("GET", "/threads/1/sitemap.xml")
        self.assertEqual((got.status, got.headers["content-type"]), (200, "application/xml; charset=utf-8"))
        tree = ElementTree.fromstring(got.body)
        space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
        self.assertEqual(
            [one.text for one in tree.iter(f"{space}loc")], ["https://one.example/b?x=1&y=2", "https://one.example/x"]
        )
        self.assertTrue(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(one.text))
                            for one in tree.iter(f"{space}lastmod")))  # fmt: skip
        parts = [await self.ask("GET", f"/threads/1/sitemap.xml?of=8&part={part}") for part in range(8)]
        found = {str(one.text) for part in parts for one in ElementTree.fromstring(part.body).iter(f"{space}loc")}
        self.assertEqual(found, {"https://one.example/b?x=1&y=2", "https://one.example/x"})
        for wrong in ("of=8&part=8", "of=0&part=1", "of=99999", "part=-1&of=2", "of=x"):
            self.assertEqual((await self.ask("GET", f"/threads/1/sitemap.xml?{wrong}")).status, 400, wrong)
        icon = await self.ask("GET", "/favicon.ico")
        self.assertEqual((icon.status, icon.headers["content-type"]), (200, "image/svg+xml"))
        robots = await self.ask("GET", "/robots.txt")
        self.assertEqual((robots.status, robots.headers["content-type"]), (200, "text/plain; charset=utf-8"))

    async def test_bad_calls(self) -> None:
        """What can't be answered is a page with a status, and never a fault."""
        for path, status in (
            ("/threads", 404), ("/threads/", 404), ("/threads/x?channel=page", 404), ("/threads/99?channel=page", 404),
            ("/threads/1", 400), ("/threads/1?channel=page&cursor=x", 400), ("/threads/1/nothing?channel=page", 404),
            ("/threads/1/fragment/more?channel=page", 404), ("/threads/1?channel=page&lang=xx", 400),
            ("/threads/1?channel=page&root=5", 404), ("/threads/1?channel=page&root=x", 404),
            ("/threads/1?channel=%ff", 400), ("/threads/1?channel=" + "x" * 600, 200), ("/threads/1?widget=X", 400),
            ("/threads/1/write?channel=page&parent=77", 404), ("/threads/1/?channel=page", 404),
            ("/threads/1?channel=%00", 400), ("/threads/1?channel=page&cursor=LDEyMzQ1Njc4OTAxMjM0NTY3ODkw", 400),
        ):  # fmt: skip
            got = await self.ask("GET", path)
            self.assertEqual(got.status, status, (path, got))
            self.assertNotIn("Traceback", got.body.decode())
        self.assertEqual((await self.ask("PUT", "/threads/1?channel=page", b"")).status, 405)
        self.assertEqual((await self.send_form("/threads/1?channel=page", {})).status, 404)


class FormTests(ThreadCase):
    def fields(self, answer: Answer) -> tuple[str, dict[str, str]]:
        """The form of a page: where it goes, and its fields."""
        form = self.whole(answer).forms[-1]
        return form["action"], form["fields"]

    async def looked(self, **fields: str) -> tuple[str, dict[str, str]]:
        """The form of the page that shows what is going to be posted."""
        action, given = self.fields(await self.page("channel=new&title=The%20page&url=https://one.example/new"))
        self.assertEqual(given["website"], "")
        given |= {"name": "Eve", "text": "hello *there*", **fields, "step": "look"}
        answer = await self.send_form(action, given)
        self.assertEqual(answer.status, 200, answer)
        self.assertIn("no-store", answer.headers["cache-control"])
        return self.fields(answer)

    async def test_write(self) -> None:
        """Form, look, post: the comment is there, with the page's address; what is sent twice is one comment."""
        action, fields = await self.looked()
        self.assertEqual((fields["text"], fields["name"]), ("hello *there*", "Eve"))
        self.assertTrue(fields["ticket"])
        done = await self.send_form(action, {**fields, "step": "post"})
        self.assertEqual(done.status, 200, done)
        self.assertIn("It is published.", done.body.decode())
        self.assertIn("https://one.example/new#mc-", done.body.decode())
        again = await self.send_form(action, {**fields, "step": "post"})
        self.assertEqual(again.status, 200)
        self.assertEqual(self.sql("select author_name, src from comment"), [("Eve", "hello *there*")])
        self.assertEqual(self.sql("select url, title from channel"), [("https://one.example/new", "The page")])
        self.assertIn("there", Page((await self.page("channel=new")).body.decode()).text)
        cookie = done.headers["set-cookie"]
        self.assertIn("HttpOnly; SameSite=Lax", cookie)
        action, fields = await self.looked(text="once more")
        await self.send_form(action, {**fields, "step": "post"}, cookie=cookie.partition(";")[0])
        self.assertEqual(self.sql("select count(distinct visitor_id), count(*) from comment"), [(1, 2)])

    async def test_answer(self) -> None:
        """An answer shows what it answers, and stands below it."""
        first = await self.post(self.author, "the question", key="new")
        number = first["comment"]["id"]
        page = self.whole(await self.page("channel=new"))
        link = next(one["href"] for one in page.links if "parent=" in one["href"])
        form = await self.ask("GET", link)
        self.assertIn("the question", form.body.decode())
        action, fields = self.fields(form)
        self.assertEqual(fields["parent"], number)
        action, fields = self.fields(await self.send_form(action, {**fields, "text": "42", "step": "look"}))
        self.assertEqual((await self.send_form(action, {**fields, "step": "post"})).status, 200)
        found = self.sql("select author_name, parent_id from comment where src = '42'")
        self.assertEqual(found, [("Guest", int(number))])

    async def test_not_from_elsewhere(self) -> None:
        """Only our own page posts: another's form is shown to its sender first, or refused, and tickets are for one
        channel and an hour."""
        action, fields = await self.looked()
        posted = {**fields, "step": "post"}
        wrong: list[tuple[dict[str, str], dict[str, str | None], str]] = [
            (posted, {"origin": "https://one.example", "sec_fetch_site": "cross-site"}, action),
            (posted, {"origin": "null"}, action),
            (posted, {"sec_fetch_site": "same-site"}, action),
            ({**posted, "ticket": ""}, {}, action),
            ({**posted, "ticket": fields["ticket"][:-1] + "A"}, {}, action),
            ({**posted, "ticket": "1." + fields["ticket"].partition(".")[2]}, {}, action),
            (posted, {}, action.replace("channel=new", "channel=other")),
            (posted, {}, action.replace("/threads/1/", "/threads/2/")),
        ]
        for given, headers, path in wrong:
            answer = await self.send_form(path, given, **headers)
            self.assertEqual(answer.status, 200, (given, headers, answer))
            self.assertEqual(self.fields(answer)[1]["text"], "hello *there*", "nothing typed is lost")
        answer = await self.send_form(action, posted, origin="https://evil.example")
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])

    async def test_protected(self) -> None:
        """The field that people don't see, and haste, are judged; what waits says so and is shown nowhere."""
        await self.application.sites.change(1, "comments.max_length", 40)
        action, fields = await self.looked()
        done = await self.send_form(action, {**fields, "website": "http://spam.example", "step": "post"})
        self.assertEqual(done.status, 200)
        self.assertEqual(self.sql("select status from comment"), [(2,)], "spam")
        self.assertIn("A moderator reads it first.", done.body.decode())
        self.assertNotIn("hello", (await self.page("channel=new")).body.decode())
        action, fields = await self.looked()
        done = await self.send_form(action, {**fields, "text": "x" * 41, "step": "post"})
        self.assertEqual(done.status, 422)
        self.assertIn("The text is too long.", done.body.decode())
        self.assertEqual(self.fields(done)[1]["text"], "x" * 41)
        for text in ("", "  ", "\u200b", "\0"):
            done = await self.send_form(action, {**fields, "text": text, "step": "post"})
            self.assertEqual((done.status, "Write something first." in done.body.decode()), (422, True), repr(text))
        for body in (b"\xff\xfe=%ff&text=%ff&step=look", b"&" * 5000, b"text=" + b"x" * 150_000 + b"&step=look"):
            answer = await self.ask("POST", action, body, content_type="application/x-www-form-urlencoded")
            self.assertIn(answer.status, (200, 413, 422), body[:40])

    async def test_line_ends(self) -> None:
        """Line ends and markup of a text come through the form as they were typed."""
        text = "\nfirst </textarea><script>\r\nsecond & \"third\""
        _, fields = await self.looked(text=text)
        self.assertEqual(fields["text"], text.replace("\r\n", "\n"))


class LimitTests(ThreadCase):
    toml = '[limits.calls]\n"comments.post" = {rate = 0.001, burst = 1}\n'

    async def test_limited(self) -> None:
        """Posting draws from the limit of comments; what was typed is still there."""
        for status in (200, 429):
            action, fields = FormTests.fields(self, await self.page("channel=new"))  # type: ignore[arg-type]
            looked = await self.send_form(action, {**fields, "text": "hi", "step": "look"})
            action, fields = FormTests.fields(self, looked)  # type: ignore[arg-type]
            done = await self.send_form(action, {**fields, "step": "post"})
            self.assertEqual(done.status, status, done)
        self.assertIn("retry-after", done.headers)
        self.assertEqual(FormTests.fields(self, done)[1]["text"], "hi")  # type: ignore[arg-type]
