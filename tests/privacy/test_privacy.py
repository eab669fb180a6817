"""One's own data: given out and forgotten, by oneself, by mail, by staff; shortened addresses; removal by age."""

from __future__ import annotations

import json
import re
from time import time
from typing import Any
from urllib.parse import urlencode

import msgspec

from cackled.clock import sleep
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.signed_links import SignedLinks
from cackled.privacy.letters import WORDS, PrivacyMail
from cackled.privacy.pages import stored
from cackled.privacy.settings import PrivacySettings
from cackled.privacy.store import JOBS, RuleCopies
from cackled.products.product import OutboxParts
from tests.api.common import ORIGIN, ApiCase, clock
from tests.support.staff import sign_in

COMMENTS = "/api/v1/sites/1/comments"


class PrivacyCase(ApiCase):
    """A visitor who wrote."""

    toml = '[limits]\nexempt = ["127.0.0.0/8"]\n[mail]\nhost = "127.0.0.1"\nport = 9\nurl = "http://localhost"\n' \
        'sender = "c@example.com"\n'  # fmt: skip

    async def written(self, text: str = "mine", name: str = "Ann") -> tuple[str, int]:
        """A comment of somebody new: their token and number."""
        token = await self.visitor()
        posted = await self.ask(
            "POST", COMMENTS, {"channel": {"key": "p"}, "text": text, "name": name}, origin=ORIGIN, authorization=token
        )
        self.assertEqual(posted.status, 201, posted)
        return token, int(posted.json()["comment"]["author"]["id"])

    def rows(self) -> list[tuple[Any, ...]]:
        """All comments."""
        return self.sql("select src, author_name, host(ip), status, visitor_id from comment order by id")

    async def own(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """A call of a visitor."""
        return await self.ask(method, f"/api/v1/sites/1/me/{path}", body, origin=ORIGIN, authorization=token)

    async def form(self, path: str, **fields: str) -> Any:
        """A form of a page of ours."""
        return await self.ask(
            "POST", path, urlencode(fields).encode(), content_type="application/x-www-form-urlencoded"
        )


class OwnTests(PrivacyCase):
    """By oneself."""

    async def test_export(self) -> None:
        """Everything of theirs and nothing of others; not without a session."""
        token, number = await self.written()
        await self.written("another's", "Bob")
        answer = await self.own("GET", "data", token)
        (given,) = answer.json()
        self.assertEqual(given["visitor"], str(number))
        self.assertEqual([row["src"] for row in given["held"]["comment"]["rows"]], ["mine"])
        self.assertNotIn("another", answer.body.decode())
        self.assertEqual((await self.ask("GET", "/api/v1/sites/1/me/data", origin=ORIGIN)).status, 401)

    async def test_erase(self) -> None:
        """Removed, or kept as nobody's; another's stays; only who is sure."""
        token, number = await self.written()
        other, _ = await self.written("kept", "Bob")
        self.assertEqual((await self.own("POST", "erase", token, {"mode": "remove", "sure": False})).status, 400)
        self.assertEqual((await self.own("POST", "erase", token, {"mode": "x", "sure": True})).status, 400)
        self.assertEqual((await self.own("POST", "erase", token, {"mode": "remove", "sure": True})).status, 204)
        self.assertEqual((await self.own("POST", "erase", other, {"mode": "anonymise", "sure": True})).status, 204)
        first, second = self.rows()
        self.assertEqual(first[:4], ("", "", None, 4))
        self.assertEqual(second[:4], ("kept", "Anonymous", None, 1))
        self.assertEqual(self.sql("select count(*) from visitor where site_id = 1"), [(0,)])
        self.assertNotIn(str(number), str(self.sql("select data from event where site_id = 1 and data like '%mine%'")))
        self.assertEqual(self.sql("select count(*) from event where data like '%Bob%'"), [(0,)])
        shown = (await self.ask("GET", "/api/v1/sites/1/comments?channel=p", origin=ORIGIN)).body.decode()
        self.assertIn("kept", shown)
        self.assertNotIn("Bob", shown)

    async def test_page_link(self) -> None:
        """The address of one's page opens once; what it leads to works, and for no other site."""
        token, number = await self.written()
        url = (await self.own("POST", "data-link", token)).json()["url"]
        place = "/privacy/1/" + url.partition("/privacy/1/")[2]
        self.assertEqual((await self.ask("GET", place)).status, 200)
        self.assertEqual((await self.ask("GET", place.replace("/1/", "/2/"))).status, 410)
        opened = await self.form(place)
        self.assertEqual(opened.status, 200)
        self.assertEqual((await self.form(place)).status, 410)
        inner = re.search(r'name="token" value="([^"]+)"', opened.body.decode())
        assert inner is not None
        data = await self.form("/privacy/1/data", token=inner[1])
        self.assertEqual(data.json()[0]["visitor"], str(number))
        self.assertEqual((await self.form("/privacy/2/data", token=inner[1])).status, 410)
        self.assertEqual((await self.form("/privacy/1/erase", token=inner[1], mode="remove")).status, 400)
        done = await self.form("/privacy/1/erase", token=inner[1], mode="remove", sure="1")
        self.assertEqual(done.status, 200)
        self.assertEqual(self.rows()[0][:2], ("", ""))
        self.assertEqual((await self.form("/privacy/1/erase", token=inner[1], mode="remove", sure="1")).status, 410)


class MailTests(PrivacyCase):
    """By a link of mail."""

    async def setUp(self) -> None:
        self.letters: list[tuple[str, Any]] = []
        await super().setUp()

    async def test_letter(self) -> None:
        """The same answer for every address; a letter for one that is known, seldom; its link opens its data."""
        # Nothing is sent by the application itself: its server takes no mail.
        self.application.outbox.stop()
        _, number = await self.written()
        self.sql(
            "insert into person (site_id, visitor_id, name, skeleton, email, email_verified) "
            "values (1, %s, 'Ann', 'ann', 'ann@example.com', true)",
            number,
        )
        unknown = await self.form("/privacy/1", email="nobody@example.com")
        known = await self.form("/privacy/1", email="ANN@example.com")
        self.assertEqual((unknown.status, known.status), (200, 200))
        self.assertEqual(unknown.body, known.body)
        for _ in range(4):
            await self.form("/privacy/1", email="ann@example.com")
        rows: list[Any] = []
        while not rows:
            await sleep(clock, 0.05)
            rows = self.sql("select id, body from outbox where kind = 'privacy-mail' order by id")
        self.assertLessEqual(len(rows), 3)
        self.assertEqual({json.loads(body)["to"].lower() for _, body in rows}, {"ann@example.com"})
        self.assertNotIn("token", str(rows), "the link is not stored")

        async def send(to: str, message: Any) -> None:
            self.letters.append((to, message))
            if len(self.letters) == 1:
                raise OSError("the server is down")

        app = self.application

        def mail(send: Any) -> PrivacyMail:
            parts = OutboxParts(
                sites=app.sites, database=app.database, send=send, sender="c@example.com",
                links=SignedLinks(app.sites.secret, time), own_url="http://localhost",
            )  # fmt: skip
            return PrivacyMail(parts)

        work = Work(rows[0][0], 1, "privacy-mail", rows[0][1], 0, time())
        with self.assertRaises(Retry):
            await mail(send).deliver(work)
        await mail(send).deliver(work)
        with self.assertRaises(GiveUp):
            await mail(send).deliver(msgspec.structs.replace(work, created=time() - 2 * 86_400))
        with self.assertRaises(GiveUp):
            await mail(None).deliver(work)
        self.assertEqual(len(self.letters), 2)
        self.assertEqual(self.letters[1][1]["Message-ID"], f"<cackled.1.{work.id}@example.com>")
        link = re.search(r"/privacy/1/mine\?token=\S+", self.letters[1][1].get_content())
        assert link is not None
        opened = await self.form(link[0])
        inner = re.search(r'name="token" value="([^"]+)"', opened.body.decode())
        assert inner is not None
        data = await self.form("/privacy/1/data", token=inner[1])
        self.assertEqual([one["visitor"] for one in data.json()], [str(number)])
        self.assertEqual((await self.form("/privacy/1", email="no address")).status, 400)


class StaffTests(PrivacyCase):
    """By whoever runs the site."""

    async def test_whole(self) -> None:
        """Found by name and number, given out, erased, in the log; not for moderators nor other sites."""
        _, number = await self.written(name="Zoe")
        ann = await sign_in(self, "admin")
        people = "/api/v1/sites/1/people"
        for text in ("zoe", str(number)):
            (found,) = (await ann.ask("GET", f"{people}?q={text}")).json()["people"]
            self.assertEqual((found["id"], found["name"], found["comments"]), (str(number), "Zoe", 1))
        self.assertEqual((await ann.ask("GET", f"{people}?q=nobody")).json(), {"people": []})
        given = (await ann.ask("GET", f"{people}/{number}/data")).json()
        self.assertIn("comment", given[0]["held"])
        for who in (await sign_in(self, "moderator"), await sign_in(self, "owner", site=2)):
            for method, path, body in (
                ("GET", f"{people}?q=zoe", None), ("GET", f"{people}/{number}/data", None),
                ("POST", f"{people}/{number}/erase", {"mode": "remove", "sure": True}),
            ):  # fmt: skip
                self.assertIn((await who.ask(method, path, body)).status, (403, 404))
        answer = await ann.ask("POST", f"{people}/{number}/erase", {"mode": "remove", "sure": True})
        self.assertEqual(answer.status, 204)
        self.assertEqual(self.rows()[0][:2], ("", ""))
        log = self.sql("select action from audit where site_id = 1 and target = %s order by id", f"visitor:{number}")
        self.assertEqual(log, [("visitor.exported",), ("visitor.erased",)])


class KeptTests(PrivacyCase):
    """What the settings do, and what the page says of it."""

    async def setUp(self) -> None:
        await super().setUp()
        # The node's own first run is over before rows are made that are counted here.
        while self.application.housekeeping._job._since is not None:
            await sleep(clock, 0.02)

    async def choose(self, **settings: Any) -> None:
        """Settings of site 1."""
        self.sql(
            "update catalog.site set settings = %s where id = 1", json.dumps({"products": {"privacy": settings}})
        )
        await self.application.sites.refresh()
        await self.application.shared[RuleCopies].sync()

    async def test_shortened(self) -> None:
        """Addresses are stored without their last part where the site says so; on no other site."""
        await self.written()
        await self.choose(truncated=True)
        await self.written("two", "Bob")
        self.assertEqual([row[2] for row in self.rows()], ["127.0.0.1", "127.0.0.0"])
        self.assertEqual(
            self.sql("select host(first_ip) from visitor where site_id = 1 and name = 'Bob'"), [("127.0.0.0",)]
        )
        for product, path, body in (
            ("chat.enabled", "chats", {"key": "k", "text": "Hello"}),
            ("reviews.posting", "reviews", {"channel": {"key": "p"}, "star": 5, "text": "Good", "name": "Cy"}),
        ):
            await self.application.sites.change(1, product, True)
            sent = await self.ask("POST", f"/api/v1/sites/1/{path}", body, authorization=await self.visitor())
            self.assertEqual(sent.status, 201, sent)
        self.assertEqual(self.sql("select host(address) from chat"), [("127.0.0.0",)])
        self.assertEqual(self.sql("select host(ip) from review"), [("127.0.0.0",)])
        # They go by age, too.
        await self.choose(truncated=True, address_months=4)
        for table in ("chat", "review"):
            self.sql(f"update {table} set created_at = now() - interval '5 months'")
        run = self.application.database.parts[0].system.write
        self.assertEqual([(await run(job))[0][0] for job in JOBS if "other" in job.name], [2])
        self.assertEqual(self.sql("select address from chat union all select ip from review"), [(None,), (None,)])
        short = self.sql("select host(truncated_address('2001:db8:1:2::3')), truncated_address(null)")
        self.assertEqual(short, [("2001:db8:1::", None)])

    async def test_removed(self) -> None:
        """What is older than the site's months goes, and figures say so; another site's stays."""
        await self.written()
        ann = await sign_in(self, "admin")
        number = self.sql("select id from comment")[0][0]
        await self.written("gone", "Bob")
        other = self.sql("select id from comment where src = 'gone'")[0][0]
        deleted = await ann.ask("DELETE", f"{COMMENTS}/{other}")
        if deleted.status >= 400:
            self.sql("update comment set status = 4 where id = %s", other)
        ago = "now() - interval '5 months'"
        self.sql(f"update comment set created_at = {ago}, modified_at = {ago}")
        self.sql("update visitor set last_seen = now() - interval '5 months'")
        run = self.application.database.parts[0].system.write
        for job in JOBS:
            self.assertEqual((await run(job))[0][0], 0)
        await self.choose(address_months=4, deleted_months=4)
        counts = [(await run(job))[0][0] for job in JOBS]
        self.assertEqual((counts[0], counts[1]), (2, 2))
        self.assertEqual(self.sql("select src, ip from comment where id = %s", number), [("mine", None)])
        self.assertEqual(self.sql("select src, html from comment where id = %s", other), [("", "")])
        told = (await ann.ask("GET", "/api/v1/sites/1/retention")).json()["removed"]
        self.assertEqual({one["what"]: one["count"] for one in told}["comment addresses"], 2)

    async def test_deleted_reviews(self) -> None:
        """Texts of reviews that a moderator deleted go as well, and those of the other site stay."""
        ann = await sign_in(self, "admin")
        for site in (1, 2):
            await self.application.sites.change(site, "reviews.posting", True)
            body = {"channel": {"key": "p"}, "star": 5, "text": "secret words", "name": "Cy"}
            origin = f"https://{'one' if site == 1 else 'two'}.example"
            sent = await self.ask("POST", f"/api/v1/sites/{site}/reviews", body, origin=origin,
                                  authorization=await self.visitor(site))  # fmt: skip
            self.assertEqual(sent.status, 201, sent)
        self.sql("update review set status = 4, modified_at = now() - interval '5 months'")
        (job,) = (one for one in JOBS if one.name == "forget_deleted_texts")
        run = self.application.database.parts[0].system.write
        self.assertEqual((await run(job))[0][0], 0)
        await self.choose(deleted_months=4)
        self.assertEqual((await run(job))[0][0], 1)
        self.assertEqual((await run(job))[0][0], 0)
        self.assertEqual(self.sql("select site_id, src from review order by 1"), [(1, ""), (2, "secret words")])
        told = (await ann.ask("GET", "/api/v1/sites/1/retention")).json()["removed"]
        self.assertEqual({one["what"]: one["count"] for one in told}, {"deleted reviews": 1})

    async def test_log(self) -> None:
        """Old lines of the log of staff go where the site says so, and no other's."""
        for site in (1, 1, 2):
            self.sql("select record_audit(%s, 'account:7', 'Ann', 'member.added', '', '{}'::jsonb)", site)
        first = "select min(id) from audit group by site_id"
        self.sql(f"update audit set at = now() - interval '13 months' where id in ({first})")
        (job,) = (one for one in JOBS if one.name == "forget_audit")
        run = self.application.database.parts[0].system.write
        self.assertEqual((await run(job))[0][0], 0)
        await self.choose(audit_months=12)
        before = self.sql("select count(*) from audit")[0][0]
        self.assertEqual((await run(job))[0][0], 1)
        self.assertEqual(self.sql("select count(*) from audit")[0][0], before - 1)
        kept = self.sql("select site_id from audit where at < now() - interval '1 year'")
        self.assertEqual(kept, [(2,)])

    async def test_page(self) -> None:
        """The page says what the settings are, in every language; no word of another's setting."""
        await self.choose(truncated=True, address_months=7, contact="<b>privacy@example.com")
        page = (await self.ask("GET", "/privacy/1", accept_language="de")).body.decode()
        words = WORDS.words("de")
        self.assertIn(words("addressShort"), page)
        self.assertIn(words("addressMonths", n=7), page)
        self.assertIn("&lt;b&gt;privacy@example.com", page)
        self.assertNotIn(words("addressWhole"), page)
        self.assertIn('lang="de"', page)
        self.assertIn(words("chatDays", n=365), page)
        await self.application.sites.change(1, "chat.keep_days", 30)
        page = (await self.ask("GET", "/privacy/1", accept_language="de")).body.decode()
        self.assertIn(words("chatDays", n=30), page)
        self.assertIn(WORDS.words("en")("addressWhole"), (await self.ask("GET", "/privacy/2")).body.decode())

    def test_agree(self) -> None:
        """Each setting that says what is stored changes what the page says of it."""
        words = WORDS.words("en")
        plain = stored(words, PrivacySettings())
        for change in (
            PrivacySettings(truncated=True), PrivacySettings(address_months=3), PrivacySettings(deleted_months=3)
        ):  # fmt: skip
            self.assertEqual(len([one for one in stored(words, change) if one not in plain]), 1, change)
        # What staff did is none of visitors' data.
        said = {"truncated", "address_months", "deleted_months", "contact", "audit_months"}
        self.assertEqual(set(PrivacySettings.__struct_fields__), said)
