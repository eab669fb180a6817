"""What is held of a visitor, and what a site removed, is told to nobody of another site, nor to who may not there."""

from __future__ import annotations

import json
from time import time

from cackled.privacy.store import PrivacyLinks
from tests.privacy.test_privacy import PrivacyCase
from tests.support.read_routes import read_all
from tests.support.staff import sign_in, site_key

# What of site 1's visitor is shown to nobody but them and the site's admins. The kind of a figure is one, too.
SECRETS = {"mail": "canary1mail", "page": "canary2page", "left": "canary3left", "figure": "canary4figure"}
NUMBER = 4_815_162_342


class CanaryTests(PrivacyCase):
    """A visitor of site 1 and one of the same number on site 2."""

    timeout = 300

    async def fill(self) -> tuple[str, int]:
        """Rows with a secret in every table that only admins see; gives the visitor's token and number."""
        token, number = await self.written()
        say = SECRETS
        self.sql(
            "insert into import_author (site_id, source, author, visitor_id, name, email, url, run_id)"
            " values (1, 's', 'a', %s, 'Ann', %s, %s, 1)",
            number, f"{say['mail']}@example.com", f"https://{say['page']}.example",
        )  # fmt: skip
        self.sql("insert into privacy_removed values (1, current_date, %s, 7), (2, current_date, 'other', 1)",
                 say["figure"])  # fmt: skip
        self.sql("insert into privacy_rule (site_id, address_months) values (1, 97), (2, 0)")
        self.sql(f"insert into erasure (site_id, visitor_id) values (1, {NUMBER})")
        # The same number is somebody else on another site.
        self.sql("insert into visitor (site_id, id, name) values (2, %s, 'Other')", number)
        return token, number

    async def test_outputs(self) -> None:
        """Every route that reads, as staff of another site, staff who may not, keys, and other visitors."""
        _, number = await self.fill()
        ann = await sign_in(self, "admin")
        given = (await ann.ask("GET", f"/api/v1/sites/1/people/{number}/data")).body.decode()
        kept = (await ann.ask("GET", "/api/v1/sites/1/retention")).body.decode()
        seen = {one for one, canary in SECRETS.items() if canary in given + kept}
        self.assertEqual(seen, {"mail", "page", "figure"})
        ids = {"visitor": str(number)}
        queries = ("", f"?q={number}", f"?q={SECRETS['mail']}%40example.com")
        others = [
            (await sign_in(self, "owner", site=2), 2, set()),
            (await sign_in(self, "owner", site=2, email="b@b.example"), 1, set()),
            (await site_key(self, ["read", "sync", "moderate"], site=2), 2, set()),
            (await sign_in(self, "analyst"), 1, set()), (await site_key(self, ["moderate", "sso"]), 1, {"mail"}),
            # A moderator judges authors by their address.
            (await sign_in(self, "moderator"), 1, {"mail"}), (await site_key(self, ["read"]), 1, {"figure"}),
        ]  # fmt: skip
        for client, site, apart in others:
            async for path, answer in read_all(self, site, client=client, ids=ids, queries=queries):
                self.assertLess(answer.status, 500, path)
                text = (answer.raw + answer.body).decode("utf-8", "replace")
                found = {one for one, canary in SECRETS.items() if canary in text}
                self.assertEqual(found - apart, set(), (path, client.name))
                if client.name != "server" or site == 2:
                    self.assertNotIn(str(NUMBER), text, path)
        for site in (1, 2):
            auth = await self.visitor(site)
            async for path, answer in read_all(self, site, auth=auth, ids=ids, queries=queries):
                text = (answer.raw + answer.body).decode("utf-8", "replace")
                self.assertFalse([one for one in SECRETS.values() if one in text], path)

    async def test_walls(self) -> None:
        """One's own data of one site opens none of another, by session, by link and by page; erasing keeps to it."""
        token, number = await self.fill()
        for path, method, body in (
            ("data", "GET", None), ("data-link", "POST", None), ("erase", "POST", {"mode": "remove", "sure": True}),
        ):  # fmt: skip
            answer = await self.ask(
                method, f"/api/v1/sites/2/me/{path}", body, origin="https://two.example", authorization=token
            )
            self.assertEqual(answer.status, 401, path)
        links = self.application.shared[PrivacyLinks]
        for opened in (False, True):
            link = await links.token(1, visitor=number, opened=opened)
            self.assertEqual((await self.ask("GET", f"/privacy/2/mine?token={link}")).status, 410)
            for step in ("mine", "data", "erase"):
                sent = await self.form(f"/privacy/2/{step}", token=link, mode="remove", sure="1")
                self.assertEqual(sent.status, 410, step)
        other = await sign_in(self, "owner", site=2)
        await other.ask("POST", f"/api/v1/sites/2/people/{number}/erase", {"mode": "remove", "sure": True})
        self.assertEqual(self.sql("select name from visitor where site_id = 2 and id = %s", number), [])
        self.assertEqual(self.rows()[0][:2], ("mine", "Ann"))
        (held,) = json.loads((await self.own("GET", "data", token)).body)
        self.assertIn("import_author", held["held"])

    async def test_fresh(self) -> None:
        """Somebody's data is given out, and erased, by who has just shown that it is them, or by a server."""
        _, number = await self.written()
        ann = await sign_in(self, "admin")
        self.sql("update catalog.account_session set fresh_at = now() - interval '1 hour'")
        base = f"/api/v1/sites/1/people/{number}"
        self.assertEqual((await ann.ask("GET", f"{base}/data")).slug, "not-fresh")
        sure = {"mode": "remove", "sure": True}
        self.assertEqual((await ann.ask("POST", f"{base}/erase", sure)).slug, "not-fresh")
        self.assertEqual(self.rows()[0][:2], ("mine", "Ann"))
        key = await site_key(self, ["sync"])
        self.assertEqual((await key.ask("GET", f"{base}/data")).status, 200)
        self.assertEqual((await key.ask("POST", f"{base}/erase", sure)).status, 204)

    async def test_old_links(self) -> None:
        """A link that has run out, is of the wrong kind or was changed opens nothing."""
        _, number = await self.written()
        links = self.application.shared[PrivacyLinks]
        good = await links.token(1, visitor=number)
        for wrong in (good[:-2], good + "x", "", "a.b.c", "é", good.replace(".", "..", 1), "x" * 3000):
            self.assertIn((await self.form("/privacy/1/mine?token=" + wrong.encode().hex())).status, (410,))
            self.assertEqual((await self.form("/privacy/1/data", token=wrong)).status, 410)
        self.assertEqual((await self.form("/privacy/1/data", token=good)).status, 410)
        late = PrivacyLinks(self.application.sites.secret, lambda: time() - 25 * 3600, self.infrastructure.random)
        ended = await late.token(1, visitor=number)
        self.assertEqual((await self.ask("GET", f"/privacy/1/mine?token={ended}")).status, 410)
