"""Following: who is told of what, on the page; what nobody is told of; and what goes with a visitor."""

from __future__ import annotations

from typing import Any

from cackled.products.comments.notices.gather import Gatherer
from tests.api.common import ApiCase


class NoticeCase(ApiCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.ann, self.bob = await self.visitor(), await self.visitor()

    async def call(self, method: str, path: str, who: str, body: Any = None, status: int = 200, site: int = 1) -> Any:
        """One call of the API."""
        got = await self.ask(method, f"/api/v1/sites/{site}/{path}", body, authorization=who)
        self.assertEqual(got.status, status, got)
        return got.json() if got.body else None

    async def gather(self) -> int:
        """Let all that happened be told."""
        return await self.application.shared[Gatherer].run()

    async def channel(self, key: str = "page") -> str:
        """The channel of a conversation."""
        return str((await self.bootstrap(key)).json()["channel"]["id"])

    async def follow(self, who: str, kind: str = "conversation", target: str = "", status: int = 204) -> None:
        """Follow something."""
        await self.call("PUT", f"follows/{kind}/{target or await self.channel()}", who, status=status)

    async def told(self, who: str) -> list[tuple[str, str]]:
        """What somebody was told: why, and the text."""
        found = await self.call("GET", "notices", who)
        return [(one["reason"], one["comment"]["html"]) for one in found["notices"]]


class NoticeTests(NoticeCase):
    async def test_told(self) -> None:
        """Answers, a followed conversation and a followed person, each once and for the first reason; never oneself."""
        self.assertEqual(await self.call("GET", "notices", self.ann),
                         {"unread": 0, "live": None, "notices": [], "cursor": None})  # fmt: skip
        await self.follow(self.ann)
        first = await self.post(self.ann, "mine")
        await self.post(self.bob, "an answer", parent=first["comment"]["id"])
        await self.post(self.bob, "another")
        await self.follow(self.ann, "person", self.visitor_of(self.bob))
        await self.post(self.bob, "elsewhere", key="other")
        self.assertGreater(await self.gather(), 0)
        self.assertEqual(await self.gather(), 0, "nobody is told twice")
        self.assertEqual(
            await self.told(self.ann),
            [("person", "<p>elsewhere</p>"), ("conversation", "<p>another</p>"), ("reply", "<p>an answer</p>")],
        )
        self.assertEqual(await self.told(self.bob), [])
        found = await self.call("GET", "notices?size=2", self.ann)
        self.assertEqual((found["unread"], len(found["notices"])), (3, 2))
        rest = await self.call("GET", f"notices?size=2&cursor={found['cursor']}", self.ann)
        self.assertEqual([one["reason"] for one in rest["notices"]], ["reply"])
        place = f"https://one.example/x#mc-{rest['notices'][0]['comment']['id']}"
        self.assertEqual(rest["notices"][0]["permalink"], place)
        follows = (await self.call("GET", "follows", self.ann))["follows"]
        self.assertEqual([(one["kind"], one["name"]) for one in follows], [("person", "Ann"), ("conversation", "X")])
        await self.call("DELETE", f"follows/conversation/{await self.channel()}", self.ann, status=204)
        await self.call("DELETE", f"follows/person/{self.visitor_of(self.bob)}", self.ann, status=204)
        await self.post(self.bob, "unheard")
        await self.gather()
        self.assertEqual(len(await self.told(self.ann)), 3)

    async def test_read(self) -> None:
        """The count goes down when notices were read, and every page of the reader hears of it; it never goes back."""
        await self.follow(self.ann)
        await self.post(self.bob, "one")
        await self.post(self.bob, "two")
        await self.gather()
        found = await self.call("GET", "notices", self.ann)
        channel = int(found["live"].partition("/")[2].partition("@")[0])
        told = "select data from event where channel_id = %s order by seq"
        self.assertEqual(self.sql(told, channel), [('{"unread":2}',)])
        await self.call("PUT", "notices/read", self.ann, {"upto": found["notices"][1]["id"]}, 204)
        self.assertEqual((await self.call("GET", "notices", self.ann))["unread"], 1)
        self.assertEqual(self.sql(told, channel), [('{"unread":2}',), ('{"unread":1}',)])
        await self.call("PUT", "notices/read", self.ann, {"upto": "9223372036854775807"}, 204)
        await self.call("PUT", "notices/read", self.ann, {"upto": "1"}, 204)
        found = await self.call("GET", "notices", self.ann)
        self.assertEqual((found["unread"], [one["read"] for one in found["notices"]]), (0, [True, True]))
        await self.post(self.bob, "three")
        await self.gather()
        self.assertEqual((await self.call("GET", "notices", self.ann))["unread"], 1, "what comes later is not read")

    async def test_numbers(self) -> None:
        """Notices are numbered by time, so that a site that moved to another shard does not begin anew."""
        await self.follow(self.ann)
        await self.post(self.bob, "one")
        await self.gather()
        ((number,),) = self.sql("select id from notice")
        self.assertGreater(number, self.sql("select max(id) from comment")[0][0])

    async def test_never_told(self) -> None:
        """What waits is told when it is approved; what went is not told; nor is what a blocked author wrote."""
        await self.follow(self.ann)
        made = await self.post(self.bob, "gone soon")
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{made['comment']['id']}", authorization=self.bob)
        await self.gather()
        self.assertEqual(await self.told(self.ann), [])
        await self.ask("PUT", f"/api/v1/sites/1/blocks/{self.visitor_of(self.bob)}", authorization=self.ann)
        await self.post(self.bob, "from a blocked one")
        await self.gather()
        self.assertEqual(await self.told(self.ann), [])
        eve = await self.visitor()
        told = await self.post(eve, "canary")
        await self.gather()
        self.assertEqual(len(await self.told(self.ann)), 1)
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{told['comment']['id']}", authorization=eve)
        self.assertEqual(await self.told(self.ann), [], "what was deleted since is not shown")

    async def test_closed(self) -> None:
        """In a conversation that one may not read nothing is followed, and nothing is shown any more."""
        await self.follow(self.ann)
        await self.post(self.bob, "canary")
        await self.gather()
        await self.application.sites.change(1, "locks", "page read signed-in")
        self.assertEqual(await self.told(self.ann), [])
        channel = str(self.site.channel("comments", "page"))
        await self.follow(self.bob, target=channel, status=401)
        self.assertEqual(await self.call("GET", "follows", self.ann), {"follows": []})

    async def test_tenants(self) -> None:
        """A visitor of another site sees nothing, whatever they follow there."""
        other = await self.visitor(2)
        channel = await self.channel()
        await self.ask("PUT", f"/api/v1/sites/2/follows/conversation/{channel}", authorization=other)
        await self.ask("PUT", f"/api/v1/sites/2/follows/person/{self.visitor_of(self.bob)}", authorization=other)
        await self.post(self.bob, "canary")
        await self.gather()
        self.assertEqual((await self.call("GET", "notices", other, site=2))["notices"], [])
        self.assertEqual(self.sql("select count(*) from notice"), [(0,)])
        await self.call("GET", "notices", other, status=401)

    async def test_erased_and_carried(self) -> None:
        """Nothing is left of a visitor who is forgotten; what a guest followed is theirs once they sign in."""
        await self.follow(self.ann)
        await self.follow(self.ann, "person", self.visitor_of(self.bob))
        first = await self.post(self.ann, "hello")
        await self.follow(self.bob)
        await self.post(self.bob, "hi", parent=first["comment"]["id"])
        await self.gather()
        ann, bob = int(self.visitor_of(self.ann)), int(self.visitor_of(self.bob))
        self.sql("insert into person (site_id, visitor_id, name, skeleton, level) values (1, 77, 'Ann', 'ann', 1)")
        await self.application.following.follow(1, 77, ann)
        self.assertEqual(
            self.sql("select kind, target from follow where visitor_id = 77 order by kind"),
            [(1, self.site.channel("comments", "page")), (2, bob)],
        )
        self.assertEqual(self.sql("select reason from notice where visitor_id = 77"), [(1,)])
        self.assertEqual(self.sql("select count(*) from follower where visitor_id = %s", ann), [(0,)])
        await self.application.erasures.erase(1, bob)
        for table in ("follower", "follow", "notice", "push_browser"):
            self.assertEqual(self.sql(f"select count(*) from {table} where visitor_id = %s", bob), [(0,)], table)
        self.assertEqual(self.sql("select count(*) from follow where target = %s", bob), [(0,)])
        self.assertEqual(self.sql("select count(*) from notice where author_id = %s", bob), [(0,)])

    async def test_settings(self) -> None:
        """How one is told can be changed, piece by piece; what can't be is refused by name."""
        shown = await self.call("GET", "notices/settings", self.ann)
        self.assertEqual((shown["email"], shown["state"], shown["digest"], shown["mail"]), ("", "none", "off", False))
        changed = await self.call(
            "PATCH", "notices/settings", self.ann, {"zone": "Europe/Berlin", "quiet": [22, 7], "language": "de"}
        )
        self.assertEqual((changed["zone"], changed["quiet"], changed["language"]), ("Europe/Berlin", [22, 7], "de"))
        for wrong, status in (
            ({"zone": "Mars/Phobos"}, 400), ({"quiet": [1]}, 400), ({"quiet": [24, 0]}, 400), ({"digest": "x"}, 400),
            ({"email": "nobody"}, 400), ({"email": "a@b\r\nBcc: c@d"}, 400), ({"email": "a@b"}, 422),
            ({"language": "xx"}, 400),
        ):  # fmt: skip
            await self.call("PATCH", "notices/settings", self.ann, wrong, status)
        again = await self.call("GET", "notices/settings", self.ann)
        self.assertEqual(again | {"page": changed["page"]}, changed)
        page = await self.ask("GET", changed["page"].partition("localhost")[2])
        self.assertEqual((page.status, "Europe/Berlin" in page.body.decode()), (200, True), page)
        for kind, target, status in (("x", "1", 404), ("person", self.visitor_of(self.ann), 422),
                                     ("conversation", "x", 404), ("person", "9" * 30, 404)):  # fmt: skip
            await self.follow(self.ann, kind, target, status)
