"""The queue over HTTP: rights, shapes, collisions, and what of another site can be seen (nothing)."""

from __future__ import annotations

from typing import Any

from cackled.accounts.store import People
from cackled.database.query import ReadPreference
from tests.api.common import ORIGIN, ApiCase
from tests.support.staff import client_of, sign_in, site_key

BASE = "/api/v1/sites/1/moderation"


class QueueApiCase(ApiCase):
    """With a moderator, and comments that the rules hold."""

    async def setUp(self) -> None:
        await super().setUp()
        self.eve = await sign_in(self, "moderator", name="Eve")
        session = (await self.ask("POST", "/api/v1/sites/1/sessions", {}, origin=ORIGIN)).json()
        self.visitor = {"origin": ORIGIN, "authorization": f"Bearer {session['token']}"}
        self.made = await self.comment("hello")
        self.sql("update comment set status = 0, shown = false")
        self.sql("update comment_channel set n_visible = 0, n_root = 0, n_pending = 1")
        self.sql("update channel set n_visible = 0, n_root = 0, n_pending = 1")

    async def comment(self, text: str, key: str = "page") -> str:
        """Write one; gives its name in the queue."""
        body = {"channel": {"key": key}, "text": text, "name": "Ann"}
        answer = await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)
        self.assertEqual(answer.status, 201, answer)
        return "comment:" + answer.json()["comment"]["id"]

    async def listed(self, query: str = "", who: Any = None) -> list[str]:
        """The items of a listing."""
        answer = await (who or self.eve).ask("GET", f"{BASE}/items?{query}")
        self.assertEqual(answer.status, 200, answer)
        return [one["id"] for one in answer.json()["items"]]


class FlowTests(QueueApiCase):
    """What a moderator does."""

    async def test_life(self) -> None:
        """Look, claim, decide, look at its history, undo."""
        self.assertEqual(await self.listed(), [self.made])
        item = (await self.eve.ask("GET", f"{BASE}/items")).json()["items"][0]
        self.assertEqual((item["text"], item["state"], item["author"]["name"]), ("hello", "pending", "Ann"))
        self.assertEqual((await self.eve.ask("GET", f"{BASE}/count?q=hello")).json(), {"count": 1, "more": False})
        claim = await self.eve.ask("PUT", f"{BASE}/items/{self.made}/claim", {"seconds": 60})
        self.assertEqual(claim.json()["claim"]["name"], "Eve")
        self.assertEqual((await self.eve.ask("DELETE", f"{BASE}/items/{self.made}/claim")).status, 204)
        body = {"items": [self.made], "action": "approve", "versions": {self.made: item["version"]}}
        done = (await self.eve.ask("POST", f"{BASE}/actions", body)).json()
        self.assertEqual(done["done"], [self.made])
        late = await (await sign_in(self, "admin")).ask("POST", f"{BASE}/actions", {**body, "action": "spam"})
        self.assertEqual((late.status, late.slug), (409, "changed"))
        self.assertEqual((late.json()["deed"], late.json()["state"]), ("approve", "approved"))
        page = (await self.ask("GET", "/api/v1/sites/1/comments?channel=page")).json()
        self.assertEqual(len(page["page"]["comments"]), 1)
        detail = (await self.eve.ask("GET", f"{BASE}/items/{self.made}")).json()
        self.assertEqual([one["deed"] for one in detail["history"]], ["approve"])
        undone = await self.eve.ask("POST", f"{BASE}/actions/{done['id']}/undo")
        self.assertEqual((undone.json()["done"], undone.json()["state"]), ([self.made], "undone"))
        page = (await self.ask("GET", "/api/v1/sites/1/comments?channel=page")).json()
        self.assertEqual(page["page"]["comments"], [])
        actions = (await self.eve.ask("GET", f"{BASE}/actions?mine=1")).json()["actions"]
        self.assertEqual([(one["action"], one["state"]) for one in actions], [("approve", "undone")])

    async def test_filter(self) -> None:
        """All that matches goes on in the background."""
        body = {"filter": {"state": "pending", "q": "hello"}, "action": "spam"}
        begun = (await self.eve.ask("POST", f"{BASE}/actions", body)).json()
        self.assertEqual((begun["state"], begun["total"], begun["done"]), ("running", 1, []))
        await self.application.outbox.run()
        now = (await self.eve.ask("GET", f"{BASE}/actions/{begun['id']}")).json()
        self.assertEqual((now["state"], now["done"]), ("done", 1))
        self.assertEqual(await self.listed("state=spam"), [self.made])
        self.assertEqual((await self.eve.ask("POST", f"{BASE}/actions/{begun['id']}/pause")).slug, "state")

    async def test_live(self) -> None:
        """Everybody of the staff is told the same place."""
        place = (await self.eve.ask("GET", f"{BASE}/live")).json()["position"]
        self.assertRegex(place, r"^1/[0-9]+@0$")
        self.assertEqual((await self.eve.ask("GET", f"{BASE}/live")).json()["position"], place)

    async def test_read_nearby(self) -> None:
        """Listing and counting ask the nearest server; the primary, where that is behind what the caller heard of."""
        place = (await self.eve.ask("GET", f"{BASE}/live")).json()["position"]
        await self.eve.ask("PUT", f"{BASE}/items/{self.made}/claim", {"seconds": 60})
        for after in ("", "after=0", "after=1", "after=99", "after=1&readPreference=secondaryPreferred"):
            answer = await self.eve.ask("GET", f"{BASE}/items?{after}")
            self.assertEqual([one["id"] for one in answer.json()["items"]], [self.made], after)
            self.assertEqual((await self.eve.ask("GET", f"{BASE}/count?{after}")).json()["count"], 1, after)
        self.assertEqual((await self.eve.ask("GET", f"{BASE}/items?after=x")).slug, "bad-field")
        # Where the primary itself has not come so far, the answer is marked; it is not an error.
        for path in (f"{BASE}/items?", f"{BASE}/count?"):
            for preference in ("primary", "primaryPreferred", "secondaryPreferred", "nearest"):
                for after, stale in ((1, None), (99, "1")):
                    answer = await self.eve.ask("GET", f"{path}readPreference={preference}&after={after}")
                    self.assertEqual((answer.status, answer.headers.get("x-cackled-stale")), (200, stale), preference)
        asked = []
        part = self.application.database.site(1)
        read = type(part).read

        async def noted(face: Any, query: Any, *args: Any, **more: Any) -> Any:
            asked.append((query.name, more.get("preference")))
            return await read(face, query, *args, **more)

        self.patch(type(part), "read", noted)
        system = type(self.application.database.system)
        if "read" in vars(system):
            self.patch(system, "read", noted)
        for after, wanted in ((1, ReadPreference.NEAREST), (99, ReadPreference.PRIMARY_PREFERRED)):
            asked.clear()
            await self.eve.ask("GET", f"{BASE}/items?after={after}")
            self.assertIn(("select_comment_items", wanted), asked, place)
            self.assertNotIn(ReadPreference.PRIMARY, [how for name, how in asked if "comment" in name])

    async def test_live_when_closed(self) -> None:
        """It is heard on a private site too; the word that opens it opens nothing else."""
        told = (await self.eve.ask("GET", f"{BASE}/live")).json()
        place, ticket = told["position"], told["token"]
        secret = "a-secret-of-the-site-that-is-long-enough"
        await self.application.sites.change(1, "channel_secret", secret)
        await self.application.sites.change(1, "private", True)
        await self.eve.ask("POST", f"{BASE}/actions", {"items": [self.made], "action": "approve"})
        heard = await self.ask("GET", f"/rt/poll?sub={place}&token={ticket}&wait=1")
        self.assertEqual((heard.status, b"item.decided" in heard.body), (200, True), heard)
        page = self.sql("select id from channel where product = 'comments'")[0][0]
        for sub, token, slug in (
            (place, "", "no-token"), (place, "staff", "bad-token"), (f"1/{page}@0", ticket, "bad-token"),
            (f"1/{page}@0", "", "no-token"),
        ):  # fmt: skip
            refused = await self.ask("GET", f"/rt/poll?sub={sub}&token={token}&wait=5")
            self.assertEqual(refused.slug, slug, (sub, token))

    async def test_bad_input(self) -> None:
        """A reason for each."""
        for query in ("state=x", "q=ip:x", "ip=x", "cursor=x", "size=0", "q=" + "x" * 500, "product=nothing"):
            answer = await self.eve.ask("GET", f"{BASE}/items?{query}")
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), query)
        for body in ({}, {"action": "approve"}, {"action": "x", "items": [self.made]}, {"items": [self.made]},
                     {"action": "approve", "items": ["x"]}, {"action": "approve", "items": [1]},
                     {"action": "approve", "items": [self.made], "filter": {"state": "all"}},
                     {"action": "approve", "filter": {"state": "deleted"}}):  # fmt: skip
            answer = await self.eve.ask("POST", f"{BASE}/actions", body)
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), body)
        self.assertEqual((await self.eve.ask("GET", f"{BASE}/items/comment:1")).status, 404)
        self.assertEqual((await self.eve.ask("GET", f"{BASE}/items/x")).status, 400)
        self.assertEqual((await self.eve.ask("POST", f"{BASE}/actions/999/undo")).status, 404)


class RightTests(QueueApiCase):
    """Who may."""

    async def test_roles(self) -> None:
        """Moderators, admins, owners, and keys that are for it; nobody else."""
        body = {"items": [self.made], "action": "seen"}
        for role in ("owner", "admin"):
            self.assertEqual((await (await sign_in(self, role)).ask("POST", f"{BASE}/actions", body)).status, 200, role)
        key = await site_key(self, ["moderate"])
        self.assertEqual((await key.ask("POST", f"{BASE}/actions", body)).status, 200)
        for who in (await sign_in(self, "operator"), await sign_in(self, "analyst"), await site_key(self, ["sync"]),
                    await sign_in(self, "owner", site=2), await site_key(self, ["moderate"], site=2)):  # fmt: skip
            for method, path, sent in (("GET", "/items", None), ("POST", "/actions", body), ("GET", "/live", None)):
                answer = await who.ask(method, BASE + path, sent)
                self.assertIn(answer.status, (401, 403), answer)
        self.assertEqual((await self.ask("GET", f"{BASE}/items", **self.visitor)).status, 401)
        self.assertEqual((await self.ask("GET", f"{BASE}/items")).status, 401)

    async def test_sections(self) -> None:
        """A moderator of a section sees and decides on what is there alone."""
        sport = await self.comment("goal", "/sport/cup")
        self.sql("update comment set status = 0, shown = false")
        sam = await sign_in(self, "moderator", name="Sam")
        self.sql("update catalog.membership set sections = '{/sport}' where account_id = %s", sam.account)
        self.assertEqual(await self.listed(who=sam), [sport])
        foreign = {"items": [self.made], "action": "spam"}
        self.assertEqual((await sam.ask("POST", f"{BASE}/actions", foreign)).slug, "section")
        self.assertEqual((await sam.ask("GET", f"{BASE}/items/{self.made}")).slug, "section")
        self.assertEqual((await sam.ask("POST", f"{BASE}/actions", {"items": [sport], "action": "spam"})).status, 200)

    async def test_sections_elsewhere(self) -> None:
        """What leads out of a section: colleagues' actions, claims, bans that take along, conversations by address."""
        await self.comment("goal", "/sport/cup")
        news = await self.comment("war", "/news")
        sam = await sign_in(self, "moderator", name="Sam")
        self.sql("update catalog.membership set sections = '{/sport}' where account_id = %s", sam.account)
        made = await self.eve.ask("POST", f"{BASE}/actions", {"items": [news], "action": "seen", "why": "a secret"})
        action = f"{BASE}/actions/{made.json()['id']}"
        calls = [("GET", action), ("POST", f"{action}/undo"), ("POST", f"{action}/pause"), ("POST", f"{action}/stop"),
                 ("POST", f"{action}/resume"), ("DELETE", f"{BASE}/items/{news}/claim"),
                 ("GET", f"{BASE}/conversations?channel=/news")]  # fmt: skip
        for method, path in calls:
            self.assertEqual((await sam.ask(method, path)).slug, "section", (method, path))
        self.assertEqual((await sam.ask("GET", f"{BASE}/actions")).json(), {"actions": []})
        for named in ("/news", "/sport/../news", "/sport/%2e%2e/news", "https://one.example/news"):
            body = {"channel": named, "closed": True}
            self.assertIn((await sam.ask("PATCH", f"{BASE}/conversations", body)).slug, ("section", "not-found"), named)
        self.assertEqual(self.sql("select key from channel where locked"), [])
        near = await sam.ask("PATCH", f"{BASE}/conversations", {"channel": "https://one.example/sport/cup", "slow": 5})
        self.assertEqual(near.status, 200)
        # What holds, or shows, more than sections.
        visitor = self.sql("select visitor_id from comment limit 1")[0][0]
        ban = {"kind": "visitor", "value": str(visitor), "take": "spam"}
        taken = (await self.eve.ask("POST", "/api/v1/sites/1/bans", ban)).json()
        calls = [("POST", "/bans", ban), ("GET", "/bans", None), ("DELETE", f"/bans/{taken['id']}?restore=1", None),
                 ("GET", f"/bans/preview?kind=visitor&value={visitor}", None), ("GET", "/polls", None),
                 ("POST", "/rules/dry-run", {})]  # fmt: skip
        for method, path, sent in calls:
            answer = await sam.ask(method, f"/api/v1/sites/1{path}", sent)
            self.assertEqual((answer.status, answer.slug), (403, "section"), (method, path))
        self.assertEqual(len(self.sql("select 1 from ban")), 1)

    async def test_what_moderators_of_sections_write(self) -> None:
        """They answer, edit and move within their sections, and not beyond."""
        sport, news = await self.comment("goal", "/sport/cup"), await self.comment("war", "/news")
        sam = await self.of_sections("/sport")
        for item, status in ((sport, 201), (news, 403)):
            sent = {"comment": item.partition(":")[2], "text": "hear, hear"}
            self.assertEqual((await sam.ask("POST", f"{BASE}/comments", sent)).status, status, item)
        for item, status in ((sport, 200), (news, 403)):
            path = f"{BASE}/comments/{item.partition(':')[2]}"
            self.assertEqual((await sam.ask("PATCH", path, {"text": "other"})).status, status, item)
        own, foreign = sport.partition(":")[2], news.partition(":")[2]
        for body, status in (
            ({"comment": own, "to": "/news"}, 403), ({"comment": foreign, "to": "/sport/cup"}, 403),
            ({"channel": "/news", "to": "/sport/cup"}, 403), ({"channel": "/sport/cup", "to": "/news"}, 403),
            ({"comment": own, "to": "/sport/tennis"}, 200), ({"comment": "1", "to": "/sport/x"}, 404),
        ):  # fmt: skip
            answer = await sam.ask("POST", f"{BASE}/conversations/move", body)
            self.assertEqual(answer.status, status, (body, answer))
        self.assertEqual(self.sql("select count(*) from comment c join channel h on h.id = c.channel_id "
                                  "where h.key = '/sport/tennis'")[0][0], 2)  # fmt: skip

    async def test_author_within_sections(self) -> None:
        """The card of an author shows what they wrote in the sections, and is not there where that is nothing."""
        await self.comment("war", "/news")
        await self.comment("peace", "/news")
        visitor = self.sql("select visitor_id from comment limit 1")[0][0]
        sam = await self.of_sections("/sport")
        card = f"{BASE}/authors/{visitor}"
        for method, path, sent in (("GET", "", None), ("POST", "/notes", {"text": "x"}),
                                   ("POST", "/warnings", {"text": "x"}), ("DELETE", "/notes/1", None)):  # fmt: skip
            self.assertEqual((await sam.ask(method, card + path, sent)).status, 404, path)
        await self.comment("goal", "/sport/cup")
        shown = (await sam.ask("GET", card)).json()
        self.assertEqual((shown["counts"], shown["name"]), ({"approved": 1}, "Ann"))
        whole = (await self.eve.ask("GET", card)).json()
        self.assertEqual(whole["counts"], {"approved": 3, "pending": 1})
        self.assertGreater(shown["first_seen"], whole["first_seen"])
        self.assertEqual((await sam.ask("POST", card + "/notes", {"text": "x"})).status, 201)

    async def test_live_within_sections(self) -> None:
        """Moderators of sections hear of what is in those; all others of everything."""
        sport, news = await self.comment("goal", "/sport/cup"), await self.comment("war", "/news")
        sam = await self.of_sections("/sport", "/games")
        own = (await sam.ask("GET", f"{BASE}/live")).json()["position"]
        whole = (await self.eve.ask("GET", f"{BASE}/live")).json()["position"]
        self.assertNotEqual(own.partition("@")[0], whole.partition("@")[0])
        again = await self.of_sections("/games", "/sport")
        # In whatever order they are named.
        self.assertNotEqual((await again.ask("GET", f"{BASE}/live")).json()["position"], own)
        of_sam, of_eve = [(await one.ask("GET", f"{BASE}/live")).json() for one in (sam, self.eve)]
        own, whole = of_sam["position"], of_eve["position"]
        self.assertEqual((await again.ask("GET", f"{BASE}/live")).json()["position"], own)
        await self.eve.ask("PUT", f"{BASE}/items/{news}/claim", {"seconds": 60})
        for item in (news, sport):
            await self.eve.ask("POST", f"{BASE}/actions", {"items": [item], "action": "spam"})
        heard = await self.ask("GET", f"/rt/poll?sub={own}&token={of_sam['token']}&wait=1")
        self.assertIn(sport.encode(), heard.body)
        self.assertNotIn(news.encode(), heard.body)
        for one, other in ((own, of_eve), (whole, of_sam)):
            refused = await self.ask("GET", f"/rt/poll?sub={one}&token={other['token']}&wait=1")
            self.assertEqual(refused.status, 403 if one == own else 401)
        heard = await self.ask("GET", f"/rt/poll?sub={whole}&token={of_eve['token']}&wait=1")
        self.assertTrue(sport.encode() in heard.body and news.encode() in heard.body, heard)

    async def test_who_left_hears_nothing(self) -> None:
        """Whatever ends somebody's power ends the channels that they knew; who stays asks for the new ones."""
        sam = await sign_in(self, "moderator", name="Sam")
        owner = await sign_in(self, "owner")
        key = await site_key(self, ["moderate"])
        members, keys = "/api/v1/sites/1/members", "/api/v1/sites/1/keys"
        number = (await owner.ask("GET", keys)).json()["keys"][0]["id"]

        tickets: dict[str, str] = {}

        async def place(who: Any) -> str:
            told = (await who.ask("GET", f"{BASE}/live")).json()
            tickets[told["position"]] = told["token"]
            return str(told["position"])

        async def moved(deed: Any, known: str) -> None:
            await deed
            item = await self.comment("more")
            await self.eve.ask("POST", f"{BASE}/actions", {"items": [item], "action": "seen"})
            heard = await self.ask("GET", f"/rt/poll?sub={known}&token={tickets.get(known, '')}&wait=0")
            self.assertNotIn(item.encode(), heard.body)
            self.assertNotEqual((await place(self.eve)).partition("@")[0], known.partition("@")[0])

        await moved(key.ask("GET", f"{BASE}/count"), "1/77@0")  # nobody left: see that this test can fail
        before = await place(self.eve)
        await sam.ask("GET", f"{BASE}/count")
        self.assertEqual(await place(self.eve), before)
        change = {"role": "moderator", "sections": ["/sport"]}
        await moved(owner.change("PATCH", f"{members}/{sam.account}", change), await place(sam))
        await moved(owner.change("PATCH", f"{members}/{sam.account}", {"role": "analyst"}), await place(sam))
        change = {"role": "moderator"}
        await moved(owner.change("PATCH", f"{members}/{sam.account}", change), await place(self.eve))
        other = await client_of(self, sam.account)
        await moved(other.ask("DELETE", "/api/v1/auth/sessions"), await place(sam))
        await moved(other.ask("POST", "/api/v1/auth/logout"), await place(other))
        sam = await client_of(self, sam.account)
        await moved(owner.ask("DELETE", f"{members}/{sam.account}"), await place(sam))
        await moved(owner.ask("DELETE", f"{keys}/{number}"), await place(key))
        # Nothing of the ended ones is left but the log.
        self.assertEqual(self.sql("select count(*) from channel where product = 'staff'")[0][0], 1)

    async def of_sections(self, *sections: str) -> Any:
        """A moderator of sections."""
        made = await sign_in(self, "moderator", name="Sam")
        await self.application.shared[People].appoint(1, made.account, "moderator", sections)
        return made

    async def test_odd_values(self) -> None:
        """U+0000, numbers that no column holds and texts that are too long: nothing breaks."""
        bans = "/api/v1/sites/1/bans"
        for path in (f"{BASE}/items?author=%00", f"{BASE}/items?mark=a%00", f"{bans}?q=%00",
                     f"{BASE}/items/comment:1%00", "/api/v1/sites/1/audit?actor=%00",
                     "/api/v1/sites/1/hosts/%00/proof"):  # fmt: skip
            method = "POST" if path.endswith("proof") else "GET"
            self.assertEqual((await (await sign_in(self)).ask(method, path)).slug, "bad-field", path)
        for path in (f"{BASE}/items?author={2**63}", f"{BASE}/items?q=author:%23{10**19 - 1}"):
            self.assertEqual((await self.eve.ask("GET", path)).json()["items"], [], path)
        one = {"items": [self.made], "action": "seen"}
        for body in ({**one, "versions": {self.made: 2**31}}, {**one, "versions": {self.made: 2**64}},
                     {"filter": {"author": "x" * 3_000}, "action": "seen"}):  # fmt: skip
            self.assertEqual((await self.eve.ask("POST", f"{BASE}/actions", body)).slug, "bad-field", body)
        number = self.made.partition(":")[2]
        edit = {"text": "x", "version": 2**31}
        self.assertEqual((await self.eve.ask("PATCH", f"{BASE}/comments/{number}", edit)).slug, "bad-field")
        for until in ("9999-12-31T23:59:59-23:59", "9999-12-31"):
            ban = {"kind": "name", "value": "Bob", "until": until}
            self.assertEqual((await self.eve.ask("POST", bans, ban)).slug, "bad-field", until)
        done = await self.eve.ask("POST", f"{BASE}/actions", {**one, "why": "a\0b \\u0000 c"})
        actions = (await self.eve.ask("GET", f"{BASE}/actions")).json()["actions"]
        self.assertEqual((done.status, actions[0]["why"]), (200, "ab \\u0000 c"))
