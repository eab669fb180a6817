"""The first render: shared bytes hold nothing of a visitor, own votes come by ticket, nothing is older than asked."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import deferLater

from cackled.events import Position
from cackled.products.comments.service import Comments
from tests.api.common import ORIGIN, ApiCase, clock

VOTE = "/api/v1/sites/1/comments/{}/vote"


class SharedTests(ApiCase):
    """What everybody gets."""

    async def test_answer(self) -> None:
        """Site, channel, position, page and an empty ``me``, as the protocol describes them."""
        auth = await self.visitor()
        made = await self.post(auth, "Hi")
        answer = await self.bootstrap(origin="https://anywhere.example")
        self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertNotIn("set-cookie", answer.headers)
        told = answer.json()
        self.assertEqual(list(told), ["site", "channel", "position", "page", "me"])
        self.assertEqual(told["site"]["id"], "1")
        self.assertEqual(set(told["site"]), {"id", "name", "settings"})
        self.assertEqual(told["position"], made["position"])
        channel = str(self.site.channel("comments", "page"))
        self.assertEqual(
            told["channel"],
            {"id": channel, "key": "page", "seq": 1, "url": "https://one.example/x", "title": "X", "comments": 1,
             "locked": False},
        )  # fmt: skip
        self.assertEqual(told["me"], {"votes": {}, "blocked": []})
        comment = {name: value for name, value in made["comment"].items() if name != "source"}
        self.assertEqual(
            told["page"], {"sort": "best", "comments": [{**comment, "replies": [], "more": 0}], "cursor": None}
        )

    async def test_nobody(self) -> None:
        """A channel nobody wrote on is 200 at seq 0; the url stands for a missing key, without its fragment."""
        told = (await self.bootstrap("новая")).json()
        self.assertEqual((told["channel"]["key"], told["channel"]["seq"], told["page"]["comments"]), ("новая", 0, []))
        told = (await self.ask("GET", "/bootstrap?site=1&url=https%3A%2F%2Fone.example%2Fx%3Fa%3D1%23frag")).json()
        self.assertEqual(told["channel"]["key"], "/x?a=1")

    async def test_nothing_of_a_visitor(self) -> None:
        """After a visitor voted, blocked and read with token and ticket, the shared bytes are as for strangers."""
        one = (await self.post(await self.visitor(), "text"))["comment"]
        session = await self.session()
        auth = f"Bearer {session['token']}"
        await self.ask("PUT", f"/api/v1/sites/1/blocks/{one['author']['id']}", authorization=auth)
        await self.ask("PUT", VOTE.format(one["id"]), {"value": 1}, authorization=auth)
        ticket = f"{session['visitor']}.{session['view']}"
        secrets = [session["token"], session["view"], session["visitor"], "192.0.2", "127.0.0.1", "source"]
        for _ in range(2):
            for headers, query in (({}, ""), ({"authorization": auth}, ""), ({}, f"&me={ticket}")):
                answer = await self.bootstrap(query=query, **headers)
                mine = {"votes": {one["id"]: 1}, "blocked": [one["author"]["id"]]}
                if headers or query:
                    self.assertEqual(answer.json()["me"], mine)
                    self.assertEqual(answer.headers["cache-control"], "private, no-store")
                    self.assertNotIn("etag", answer.headers)
                    self.assertIn("bypass", answer.headers["cache-status"])
                else:
                    self.assertEqual(answer.json()["me"], {"votes": {}, "blocked": []})
                    for secret in secrets:
                        self.assertNotIn(secret.encode(), answer.raw)
                answer = await self.bootstrap()
                self.assertEqual(answer.json()["me"], {"votes": {}, "blocked": []})
        for cached in self.infrastructure.cache:
            self.assertNotIn(session["view"].encode(), cached.loaded.value)
            self.assertNotIn(b'"votes"', cached.loaded.value)

    async def test_tickets(self) -> None:
        """A ticket that is wrong, of another site or cut gives a stranger's answer that is still not shared."""
        session, theirs = await self.session(1), await self.session(2)
        other = await self.session(1)
        for ticket in ("", "x", f"{session['visitor']}.x", f"{theirs['visitor']}.{theirs['view']}",
                       f"{other['visitor']}.{session['view']}", "%ff"):  # fmt: skip
            answer = await self.bootstrap(query=f"&me={ticket}")
            if ticket == "%ff":
                self.assertEqual((answer.status, answer.json()["field"]), (400, "me"))
            else:
                self.assertEqual((answer.status, answer.json()["me"]), (200, {"votes": {}, "blocked": []}))
            self.assertNotIn("etag", answer.headers)
        answer = await self.bootstrap(authorization="Bearer nonsense")
        self.assertEqual((answer.status, answer.slug), (401, "bad-token"))

    async def test_problems(self) -> None:
        """An unknown site is 404 and a cursor of somebody else 400, readable by any page."""
        for query, site, status, slug in (("", 9, 404, "unknown-site"), ("&cursor=zzz", 1, 400, "bad-field")):
            answer = await self.bootstrap(query=query, site=site, origin=ORIGIN)
            self.assertEqual((answer.status, answer.slug), (status, slug))
            self.assertEqual(answer.headers["access-control-allow-origin"], "*")

    async def test_key_collision(self) -> None:
        """A key that meets another in one id reads as empty, from every cache."""
        await self.post(await self.visitor(), "theirs")
        await self.bootstrap()
        self.sql("update channel set key = 'another'")
        self.application.router.forget()
        for _ in range(2):
            told = (await self.bootstrap()).json()
            self.assertEqual((told["channel"]["seq"], told["page"]["comments"]), (0, []))


class CacheTests(ApiCase):
    """Microcache, cache and ``after``."""

    async def test_microcache(self) -> None:
        """The second answer comes from memory, says so, revalidates by its ETag, and goes with the next event."""
        auth = await self.visitor()
        await self.post(auth, "first")
        asked = self.count_reads()
        one = await self.bootstrap()
        two = await self.bootstrap()
        self.assertEqual(one.body, two.body)
        self.assertEqual(two.headers["x-microcachable"], "1")
        self.assertIn("hit", two.headers["cache-status"])
        self.assertEqual(asked, [1])
        same = await self.bootstrap(if_none_match=two.headers["etag"])
        self.assertEqual((same.status, same.body), (304, b""))
        await self.post(auth, "second")
        three = await self.bootstrap()
        self.assertIn(b"second", three.body)
        self.assertNotEqual(three.headers["etag"], two.headers["etag"])

    def count_reads(self) -> list[int]:
        """How many pages are read from here on."""
        counted = [0]
        original = Comments.page

        def page(comments: Comments, *args: Any, **more: Any) -> Any:
            counted[0] += 1
            return original(comments, *args, **more)

        self.patch(Comments, "page", page)
        return counted

    async def test_after(self) -> None:
        """Who knows of a newer seq is not answered from anything older, though caches know nothing of it yet."""
        auth = await self.visitor()
        await self.post(auth, "first")
        await self.bootstrap()
        # A write that another node made, whose event has not come here.
        self.sql("update channel set seq = 9, title = 'newer'")
        self.assertEqual((await self.bootstrap()).json()["channel"]["seq"], 1)
        answer = (await self.bootstrap(query="&after=9")).json()
        self.assertEqual((answer["channel"]["seq"], answer["channel"]["title"]), (9, "newer"))
        self.assertEqual((await self.bootstrap(query="&after=5")).json()["channel"]["seq"], 9)

    async def test_after_beyond(self) -> None:
        """A seq that was never reached is answered with what there is."""
        await self.post(await self.visitor(), "first")
        self.assertEqual((await self.bootstrap(query="&after=999999999999")).json()["channel"]["seq"], 1)

    async def test_own_write(self) -> None:
        """Whoever wrote reads it in the next request, however warm the caches are."""
        auth = await self.visitor()
        for n in range(5):
            made = await self.post(auth, f"number {n}")
            seq = Position.parse(made["position"]).seq
            for query in ("", f"&after={seq}"):
                answer = await self.bootstrap(query=query)
                self.assertGreaterEqual(answer.json()["channel"]["seq"], seq)
                self.assertIn(f"number {n}".encode(), answer.body)

    async def test_events_from_elsewhere(self) -> None:
        """A write on another node (here: straight in the database) clears the caches when its event arrives."""
        await self.post(await self.visitor(), "first")
        await self.bootstrap()
        self.sql("select * from post_comment(1, %s, 'page', '', '', 5, 'n', null, null, null, 's', '<p>far</p>', 3, "
                 "false)",
                 self.site.channel("comments", "page"))  # fmt: skip
        for _ in range(300):
            answer = await self.bootstrap()
            if b"<p>far</p>" in answer.body:
                break
            await deferLater(clock, 0.01)
        self.assertIn(b"<p>far</p>", answer.body)

    async def test_unknown_arguments(self) -> None:
        """What we do not know changes nothing and comes back nowhere."""
        await self.post(await self.visitor(), "first")
        plain = await self.bootstrap()
        odd = await self.bootstrap(query="&evil=%3Cscript%3E", x_forwarded_host="evil.example")
        self.assertEqual(odd.body, plain.body)

    async def test_unknown_widget(self) -> None:
        """A widget that there is not is refused, and those that there are are named."""
        for name in ("Other", "comment", "Comment%00", "%ff"):
            answer = await self.ask("GET", f"/bootstrap?widget={name}&site=1&channel=page")
            self.assertEqual((answer.status, answer.slug, answer.json()["field"]), (400, "bad-field", "widget"), name)
        self.assertEqual((await self.ask("GET", "/bootstrap?site=1&channel=page")).status, 200)

    async def test_sites_apart(self) -> None:
        """The same key on two sites is two channels, in every cache."""
        await self.post(await self.visitor(), "of one")
        for _ in range(2):
            self.assertIn(b"of one", (await self.bootstrap()).body)
            two = await self.bootstrap(site=2)
            self.assertNotIn(b"of one", two.body)
            self.assertTrue(json.loads(two.body)["position"].startswith("2/"))
