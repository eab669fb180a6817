"""Comments are shared with Mastodon: connecting, posting, trying again, letting go; against a strict instance."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from cackled.domain.personal_data import collect
from cackled.features import registry
from tests.api.common import ORIGIN
from tests.sharing.common import ACCOUNTS, SHARES, SharingCase
from tests.support.mastodon import LocalMastodon
from tests.support.staff import sign_in
from tests.support.windows import VERIFIER


class MastodonCase(SharingCase):
    """One instance, which the site takes accounts of."""

    async def setUp(self) -> None:
        self.instance = LocalMastodon()
        self.addCleanup(self.instance.close)
        self.ports = (self.instance.port,)
        self.settings = {"sharing.mastodon": True, "sharing.mastodon_server": self.instance.url}
        await super().setUp()

    def tearDown(self) -> None:
        self.assertEqual(self.instance.wrong, [])


class SharingTests(MastodonCase):
    """What works."""

    async def test_share(self) -> None:
        """Connected by a window, shared by the outbox, with the comment's address; the author is told where it is."""
        told = await self.connect("mastodon")
        self.assertEqual(told["networks"], [{"name": "mastodon", "asks": False}])
        account, = told["accounts"]  # fmt: skip
        self.assertEqual((account["network"], account["lost"]), ("mastodon", False))
        item = await self.write("**hello** there, @Bob ||hidden||")
        shares = await self.share(item, "mastodon")
        self.assertEqual([(one["item"], one["state"]) for one in shares], [(item, "waiting")])
        self.assertEqual(await self.work(), [])
        status, = self.instance.statuses.values()  # fmt: skip
        link = f"https://one.example/x#mc-{item.partition(':')[2]}"
        self.assertEqual(status["content"], f"hello there, @\u200bBob \u2026\n\n{link}")
        self.assertEqual(await self.shared(item), [("sent", "", status["url"])])
        # Its name is known now. Sent again, it is there once.
        listed = (await self.call("GET", ACCOUNTS)).json()
        self.assertTrue(listed["accounts"][0]["name"].startswith("@ann@127.0.0.1"))
        self.assertEqual(len(listed["shares"]), 1)
        await self.share(item, "mastodon")
        await self.work()
        self.assertEqual(self.instance.posts, 1)
        # The first render says that it can be shared, where the site offers it, and nothing elsewhere.
        self.assertEqual((await self.bootstrap()).json()["site"]["settings"]["sharing"], ["mastodon"])
        self.assertNotIn("sharing", (await self.bootstrap(site=2)).json()["site"]["settings"])

    async def test_held(self) -> None:
        """What waits for moderators is shared once it is approved; what never is, never."""
        owner = await sign_in(self, "owner")
        rules = "/api/v1/sites/1/rules"
        tag = (await owner.ask("GET", rules)).headers["etag"]
        self.assertEqual((await owner.ask("PUT", rules, {"first": 2}, if_match=tag)).status, 200)
        await self.connect("mastodon")
        item, other = await self.write("for later"), await self.write("for never")
        for one in (item, other):
            self.assertEqual([share["state"] for share in await self.share(one, "mastodon")], ["held"])
        await self.work()
        self.assertEqual(self.instance.posts, 0)
        base = "/api/v1/sites/1/moderation/actions"
        await owner.ask("POST", base, {"items": [other], "action": "reject"})
        await owner.ask("POST", base, {"items": [item], "action": "approve"})
        await self.work()
        self.assertEqual([one["content"][:9] for one in self.instance.statuses.values()], ["for later"])
        self.assertEqual((await self.shared(item))[0][0], "sent")
        self.assertEqual((await self.shared(other))[0][0], "held")

    async def test_taken_back(self) -> None:
        """What is hidden again before it went waits; what is deleted does not go."""
        await self.connect("mastodon")
        owner = await sign_in(self, "owner")
        item = await self.write()
        await self.share(item, "mastodon")
        base = "/api/v1/sites/1/moderation/actions"
        await owner.ask("POST", base, {"items": [item], "action": "spam"})
        await self.work()
        self.assertEqual((await self.shared(item))[0][0], "held")
        await owner.ask("POST", base, {"items": [item], "action": "approve"})
        number = item.partition(":")[2]
        self.assertEqual((await self.call("DELETE", f"/api/v1/sites/1/comments/{number}")).status, 200)
        await self.work()
        self.assertEqual(self.instance.posts, 0)
        self.assertEqual(await self.shared(item), [])

    async def test_lengths(self) -> None:
        """A text is cut as the instance counts, at a space, and never within a character."""
        await self.connect("mastodon")
        family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
        for text in ("word " * 300, family * 600, "e\u0301" * 700, "x" * 5_000, "https://one.example/" + "y" * 900):
            item = await self.write(text)
            await self.share(item, "mastodon")
            self.assertEqual(await self.work(), [])
            self.assertEqual((await self.shared(item))[0][0], "sent", text[:20])

    async def test_reconnect(self) -> None:
        """Connected once more, it is one account; let go, the token is given back, and nothing can be shared."""
        await self.connect("mastodon")
        await self.connect("mastodon")
        self.assertEqual(len(self.instance.apps), 1)
        self.assertEqual(self.sql("select count(*) from share_account"), [(1,)])
        item = await self.write()
        await self.share(item, "mastodon")
        self.assertEqual((await self.call("DELETE", f"{ACCOUNTS}/mastodon")).status, 204)
        self.assertEqual((await self.call("DELETE", f"{ACCOUNTS}/mastodon")).status, 404)
        await self.work()
        self.assertEqual((self.instance.posts, len(self.instance.revoked)), (0, 1))
        answer = await self.call("POST", SHARES, {"item": item, "networks": ["mastodon"]})
        self.assertEqual((answer.status, answer.slug), (404, "not-connected"))


class TroubleTests(MastodonCase):
    """What goes wrong."""

    async def test_tried_again(self) -> None:
        """Down, or too much for now: again later with the same key, a few times; then the author may say so."""
        await self.connect("mastodon")
        item = await self.write()
        await self.share(item, "mastodon")
        self.instance.answers = [503, 429]
        self.instance.lost = 1
        # The third is taken, and its answer does not come.
        for _ in range(3):
            self.assertEqual(len(await self.work()), 1)
        self.assertEqual(await self.work(), [])
        self.assertEqual((len(self.instance.statuses), self.instance.posts), (1, 4))
        self.assertEqual((await self.shared(item))[0][0], "sent")
        item = await self.write("another")
        await self.share(item, "mastodon")
        self.instance.answers = [500] * 8
        for _ in range(7):
            self.assertEqual(len(await self.work()), 1)
        self.assertEqual(await self.work(), [])
        self.assertEqual(await self.shared(item), [("failed", "down", "")])
        self.assertEqual([one["state"] for one in await self.share(item, "mastodon")], ["waiting"])
        await self.work()
        self.assertEqual((await self.shared(item))[0][0], "sent")

    async def test_refused(self) -> None:
        """What the instance does not take failed; where it does not know us any more, it has to be connected again."""
        await self.connect("mastodon")
        item = await self.write()
        self.instance.answers = [422]
        await self.share(item, "mastodon")
        await self.work()
        self.assertEqual(await self.shared(item), [("failed", "refused", "")])
        self.instance.tokens.clear()
        await self.share(item, "mastodon")
        await self.work()
        self.assertEqual(await self.shared(item), [("failed", "lost", "")])
        self.assertTrue((await self.call("GET", ACCOUNTS)).json()["accounts"][0]["lost"])
        posts = self.instance.posts
        await self.share(item, "mastodon")
        await self.work()
        self.assertEqual(self.instance.posts, posts)
        self.assertFalse((await self.connect("mastodon"))["accounts"][0]["lost"])
        await self.share(item, "mastodon")
        await self.work()
        self.assertEqual((await self.shared(item))[0][0], "sent")

    async def test_whose(self) -> None:
        """Nobody shares what is another's, with another's account, or with a code of another page or site."""
        await self.connect("mastodon")
        item, other = await self.write(), await self.visitor()
        for given in (item, "comment:99", "review:1", "comment:9223372036854775808"):
            answer = await self.call("POST", SHARES, {"item": given, "networks": ["mastodon"]}, other)
            self.assertEqual((answer.status, answer.slug), (404, "not-found"), given)
        theirs = await self.write("mine", other)
        answer = await self.call("POST", SHARES, {"item": theirs, "networks": ["mastodon"]}, other)
        self.assertEqual(answer.slug, "not-connected")
        self.assertEqual((await self.call("GET", SHARES, auth=other)).json(), {"shares": []})
        code = await self.code("mastodon")
        second = await self.visitor(2)
        await self.application.sites.change(2, "sharing.mastodon", True)
        elsewhere = ACCOUNTS.replace("/1/", "/2/")
        for path, auth, verifier in (
            (ACCOUNTS, other, "w" * 43), (ACCOUNTS, other, VERIFIER), (elsewhere, second, VERIFIER),
        ):  # fmt: skip
            origin = ORIGIN if "/1/" in path else "https://two.example"
            answer = await self.call("POST", path, {"code": code, "verifier": verifier}, auth, origin=origin)
            self.assertEqual((answer.status, answer.slug), (401, "bad-code"))
        wrong: Any
        for wrong in ({"item": item, "networks": []}, {"item": item, "networks": ["myspace"]}, {"networks": []}, [],
                      {"item": "x" * 50, "networks": ["mastodon"]}):  # fmt: skip
            self.assertEqual((await self.call("POST", SHARES, wrong)).status, 400, wrong)

    async def test_windows(self) -> None:
        """Windows are for pages of the site, come back to the browser that went, once, and say what went wrong."""
        for address, status, words in (
            (self.start("mastodon", **{"return": "https://two.example/"}), 403, "does not belong to this site"),
            (self.start("mastodon", challenge="short"), 403, "does not belong to this site"),
            (self.start("myspace"), 404, "does not offer that network"),
            (self.start("x"), 404, "does not offer that network"),
            (self.start("mastodon", site=2), 404, "does not offer that network"),
            ("/share/1/mastodon/callback?state=x&code=y", 410, "took too long"),
        ):
            answer = await self.visit(address)
            self.assertEqual(answer.status, status, address)
            self.assertIn(words, answer.body.decode())
        self.assertEqual((await self.visit("/share/9/mastodon")).status, 404)
        self.assertEqual((await self.visit("/share/1/mastodon/x")).status, 404)
        first = await self.visit(self.start("mastodon"))
        back = await self.out(first.headers["location"])
        self.assertEqual((await self.visit(back, cookie="cackled-local-share=another")).status, 410)
        self.assertEqual((await self.visit(back)).status, 410)
        self.instance.deny = True
        first = await self.visit(self.start("mastodon"))
        answer = await self.visit(await self.out(first.headers["location"]))
        self.assertEqual(answer.status, 403)
        self.assertIn("said no", answer.body.decode())

    async def test_named(self) -> None:
        """An instance that visitors name has to be a public server that is one."""
        await self.application.sites.change(1, "sharing.mastodon_server", "")
        asked = await self.visit(self.start("mastodon"))
        self.assertEqual(asked.status, 200)
        self.assertIn('name="instance"', asked.body.decode())
        for name in ("127.0.0.1", "x", "localhost", "a b.example", "[::1]", f"127.0.0.1:{self.instance.port}",
                     "http://user:pass@localhost/", "a" * 300):  # fmt: skip
            wrong = await self.visit(self.start("mastodon", instance=name))
            self.assertEqual(wrong.status, 200, name)
            self.assertIn('role="alert"', wrong.body.decode())

    async def test_not_public(self) -> None:
        """What strangers may not read is not shared, also where that came to be so later."""
        await self.connect("mastodon")
        item = await self.write()
        await self.share(item, "mastodon")
        await self.application.sites.change(1, "locks", "page read sso")
        await self.work()
        self.assertEqual(await self.shared(item), [("failed", "private", "")])
        answer = await self.call("POST", SHARES, {"item": item, "networks": ["mastodon"]})
        self.assertEqual((answer.status, answer.slug), (422, "not-public"))


class PrivacyTests(MastodonCase):
    """What is kept of it."""

    async def test_tokens(self) -> None:
        """Tokens are encrypted wherever they are, and neither the person's own data nor the log has one."""
        await self.connect("mastodon")
        token, = self.instance.tokens  # fmt: skip
        code = await self.code("mastodon")
        tables = ("share_account", "share", "one_time", "outbox")
        self.assertNotIn(token, "".join(str(self.sql(f"select x::text from {one} x")) for one in tables))
        rows = self.sql("select encode(sealed, 'escape') from share_account")
        self.assertNotIn(token, str(rows))
        self.assertNotIn(code, str(self.sql("select data from one_time")))
        held = b"".join([
            piece async for piece in collect(
                self.application.database, 1, int(self.visitor_of(self.auth)), registry().held)
        ])  # fmt: skip
        self.assertIn(b"share_account", held)
        self.assertNotIn(b"sealed", held)

    async def test_erased(self) -> None:
        """With the person go the account and what was shared; the token is given back."""
        await self.connect("mastodon")
        item = await self.write()
        await self.share(item, "mastodon")
        await self.application.erasures.erase(1, int(self.visitor_of(self.auth)))
        for table in ("share_account", "share"):
            self.assertEqual(self.sql(f"select count(*) from {table}"), [(0,)])
        await self.work()
        self.assertEqual((self.instance.posts, len(self.instance.revoked)), (0, 1))
        self.assertEqual(self.instance.tokens, {})

    async def test_carried(self) -> None:
        """What a guest connected is the person's that they are found to be."""
        await self.connect("mastodon")
        item = await self.write()
        await self.share(item, "mastodon")
        guest = int(self.visitor_of(self.auth))
        self.sql("select carry_guest(1, 777, %s)", guest)
        self.assertEqual(self.sql("select visitor_id from share_account"), [(777,)])
        self.assertEqual(self.sql("select visitor_id from share"), [(777,)])
        query = parse_qs(urlsplit(self.start("mastodon")).query)
        self.assertEqual(len(query["challenge"][0]), 43)
