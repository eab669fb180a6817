"""Signing up, making a site, proving its hosts, what it uses, and deleting it by two."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.common import ResolverBase
from twisted.names.server import DNSServerFactory
from twisted.trial.unittest import TestCase

from cackled.accounts.account_mail import Letters
from cackled.accounts.hosts import Hosts, clean_host, host_of
from cackled.domain.errors import BadField
from cackled.outbound.text_records import TextRecords
from tests.accounts.test_members import MailCase
from tests.api.common import Answer, ApiCase
from tests.support.staff import OWN, PASSWORD, StaffClient, make_account, sign_in

OPEN = '[accounts]\nsignup = "open"\nsites = 2\n'
EXEMPT = '[limits]\nexempt = ["127.0.0.0/8"]\n'


class JoiningTests(MailCase):
    """Signing up, and forgotten passwords."""

    toml = EXEMPT + OPEN

    async def ask_for(self, what: str, email: str, **more: Any) -> Answer:
        """As a page of the panel does."""
        answer = await self.ask("POST", f"/api/v1/auth/{what}", {"email": email, **more}, **OWN)
        await self.written()
        return answer

    async def written(self) -> None:
        """Wait until all letters are."""
        letters = self.application.shared[Letters]
        while letters.under_way or letters.waiting:
            await self.ask("GET", "/healthz")

    async def test_sign_up(self) -> None:
        """A letter, a link, a password; unverified accounts are none."""
        answer = await self.ask_for("signup", "New@one.example", name="Neu")
        self.assertEqual((answer.status, answer.json()), (202, {"email": "New@one.example"}))
        token = self.token()
        body = {"token": token, "password": PASSWORD}
        made = await self.ask("POST", "/api/v1/auth/link", body, **OWN)
        self.assertEqual(made.json()["account"]["name"], "Neu")
        self.assertEqual((await self.ask_for("login", "new@one.example", password=PASSWORD)).status, 200)

    async def test_alike(self) -> None:
        """Known or not, the answer is the same byte for byte, and nothing is looked up before it is given."""
        await make_account(self, "owner", email="ann@one.example", password=True)
        self.sql("update catalog.account set verified_at = now()")
        for what in ("signup", "reset"):
            answers = []
            for email in ("ann@one.example", "bob@one.example"):
                answer = await self.ask_for(what, email)
                answers.append((answer.status, answer.body.replace(email.encode(), b"?"), sorted(answer.headers)))
            self.assertEqual(answers[0], answers[1])
        letters = [(to, message["subject"]) for to, message in self.sent]
        self.assertEqual(letters, [
            ("ann@one.example", "You have an account already"), ("bob@one.example", "Confirm your mail address"),
            ("ann@one.example", "Choose a new password"), ("bob@one.example", "Choose a new password"),
        ])  # fmt: skip

    async def test_flood(self) -> None:
        """Nobody's mail is flooded: three letters, then one in ten minutes."""
        await make_account(self, "owner", email="ann@one.example")
        for _ in range(6):
            self.assertEqual((await self.ask_for("reset", "ann@one.example")).status, 202)
        self.assertEqual(len(self.sent), 3)
        # The last link works, those before it no more.
        for number, slug in ((0, "link-spent"), (2, None)):
            body = {"token": self.token(number), "password": "a quite new one"}
            answer = await self.ask("POST", "/api/v1/auth/link", body, **OWN)
            self.assertEqual(answer.slug if slug else answer.status, slug or 200)

    async def test_bad(self) -> None:
        """No addresses, and what would break out of a header."""
        for email in ("", "x", "a@b\r\nBcc: c@d.e", "a b@c.d", "a@b,c@d.e", "<a@b.c>", "a\x00@b.c", "@", "a@", "@b"):
            for what in ("signup", "reset"):
                self.assertEqual((await self.ask_for(what, email)).slug, "bad-field", email)
        self.assertEqual(self.sent, [])

    async def test_mail_server_down(self) -> None:
        """It is tried again; where there is no mail server at all, that is said."""
        letters = self.application.shared[Letters]
        tries: list[str] = []

        async def send(to: str, message: Any) -> None:
            tries.append(to)
            if len(tries) < 3:
                raise OSError("down")

        letters._send = send

        class Quick:
            """A clock whose waits are short."""

            @staticmethod
            def callLater(seconds: float, call: Any, *args: Any) -> Any:
                return reactor.callLater(0, call, *args)  # type: ignore[attr-defined]

            @staticmethod
            def seconds() -> float:
                return 0.0

        letters._clock = Quick()
        await self.ask_for("signup", "x@one.example")
        self.assertEqual(len(tries), 3)
        letters._send = None
        self.assertEqual((await self.ask_for("signup", "x@one.example")).slug, "no-mail")


class ClosedTests(MailCase):
    """Where nobody signs up."""

    toml = '[accounts]\nsignup = "closed"\n'

    async def test_closed(self) -> None:
        """No signing up, no sites, no invitations but to those who have an account."""
        answer = await self.ask("POST", "/api/v1/auth/signup", {"email": "x@y.z"}, **OWN)
        self.assertEqual(answer.slug, "signup-closed")
        self.assertEqual((await self.ask("GET", "/api/v1/auth/ways")).json(), {"signup": "closed", "mail": True})
        owner = await sign_in(self, "owner")
        self.assertEqual((await owner.ask("POST", "/api/v1/sites", {"name": "X"})).slug, "signup-closed")
        body = {"email": "x@one.example", "role": "analyst"}
        self.assertEqual((await owner.ask("POST", "/api/v1/sites/1/members", body)).slug, "signup-closed")
        await make_account(self, email="x@one.example")
        self.assertEqual((await owner.ask("POST", "/api/v1/sites/1/members", body)).status, 201)


class HostNameTests(TestCase):
    """Names."""

    def test_clean(self) -> None:
        """As they are asked for; what can't be proven is refused."""
        self.assertEqual(clean_host(" Bücher.Example. "), "xn--bcher-kva.example")
        for bad in ("", "localhost", "127.0.0.1", "a..b", "-a.b", "a/b.c", "a b.c", "x" * 300 + ".y", "http://a.b",
                    "[::1]", "a.b:80", "\ud800.b", "*.a.b"):  # fmt: skip
            with self.assertRaises(BadField, msg=bad):
                clean_host(bad)

    def test_of_pattern(self) -> None:
        """The host of an origin."""
        for pattern, found in (
            ("a.example", ("a.example", False)), ("*.a.example", ("a.example", True)),
            ("https://a.example:8443", ("a.example", False)), ("localhost:*", ("localhost", False)),
        ):  # fmt: skip
            self.assertEqual(host_of(pattern), found)


class SiteCase(ApiCase):
    """Where anybody may sign up; DNS and pages are dictionaries."""

    toml = EXEMPT + OPEN

    async def setUp(self) -> None:
        await super().setUp()
        self.records: dict[str, list[str]] = {}
        self.pages: dict[str, bytes] = {}
        self.hosts = self.application.shared[Hosts]

        async def text_records(name: str) -> list[str]:
            if name not in self.records:
                raise OSError(f"there is no name {name}")
            return self.records[name]

        async def fetch(url: str, most: int) -> bytes:
            if url not in self.pages:
                raise OSError("connection refused")
            return self.pages[url]

        self.hosts._text_records, self.hosts._fetch = text_records, fetch
        self.ann = await sign_in(self, "", email="ann@one.example", name="Ann")

    async def make(self, *origins: str) -> dict[str, Any]:
        """A site."""
        answer = await self.ann.ask("POST", "/api/v1/sites", {"name": "Mine", "origins": list(origins)})
        self.assertEqual(answer.status, 201, answer)
        return answer.json()


class ProofTests(SiteCase):
    """Making a site and proving its hosts."""

    async def prove(self, site: int, host: str) -> Answer:
        """Look for the proof."""
        return await self.ann.ask("POST", f"/api/v1/sites/{site}/hosts/{host}/proof")

    async def add(self, site: int, host: str) -> dict[str, Any]:
        """A host that is to be proven."""
        return (await self.ann.ask("POST", f"/api/v1/sites/{site}/hosts", {"host": host})).json()

    async def test_dns(self) -> None:
        """Origins wait until their host is proven; DNS proves what is below as well."""
        made = await self.make("mine.example", "*.mine.example", "localhost:*", "evil.example")
        site = made["site"]
        self.assertEqual((made["origins"], len(made["waiting"])), (["localhost:*"], 3))
        # Whoever made it is shown at once what proves them.
        listed = (await self.ann.ask("GET", f"/api/v1/sites/{site}/hosts")).json()["hosts"]
        self.assertEqual([one["host"] for one in listed], ["evil.example", "mine.example"])
        self.assertFalse(self.application.sites.get(site).allows_origin("https://mine.example"))
        host = await self.add(site, "Mine.example")
        refused = await self.prove(site, "mine.example")
        self.assertEqual(refused.slug, "not-proven")
        self.assertIn("there is no name _cackled.mine.example", refused.json()["detail"])
        self.records["_cackled.mine.example"] = ["v=spf1", f"cackled-site={'x' * 43}"]
        self.assertEqual((await self.prove(site, "mine.example")).slug, "not-proven")
        self.records["_cackled.mine.example"].append(host["content"])
        self.assertEqual((await self.prove(site, "mine.example")).json()["method"], "dns")
        found = self.application.sites.get(site)
        self.assertTrue(found.allows_origin("https://mine.example") and found.allows_origin("https://a.mine.example"))
        self.assertFalse(found.allows_origin("https://evil.example"))
        settings = (await self.ann.ask("GET", f"/api/v1/sites/{site}/settings")).json()
        self.assertEqual(settings["waiting"], ["evil.example"])
        # Taken back, and they count no more.
        self.assertEqual((await self.ann.ask("DELETE", f"/api/v1/sites/{site}/hosts/mine.example")).status, 204)
        self.assertFalse(self.application.sites.get(site).allows_origin("https://mine.example"))

    async def test_pages(self) -> None:
        """A file or a meta tag proves the host itself alone; another site's token proves nothing."""
        for kind in ("file", "meta"):
            made = await self.make("a.example", "*.a.example")
            site = made["site"]
            host = await self.add(site, "a.example")
            if kind == "file":
                self.pages["https://a.example/.well-known/cackled-site.txt"] = host["content"].encode() + b"\n"
            else:
                self.assertEqual((await self.prove(site, "a.example")).slug, "not-proven")
                self.pages["http://a.example/"] = f"<!doctype html><HEAD>{host['meta']}<p>\xff".encode("latin-1")
            self.assertEqual((await self.prove(site, "a.example")).json()["method"], kind)
            found = self.application.sites.get(site)
            self.assertTrue(found.allows_origin("https://a.example"))
            self.assertFalse(found.allows_origin("https://b.a.example"))

    async def test_later_origins(self) -> None:
        """An origin that is added to a site waits as well; one of a host that is proven does not."""
        site = (await self.make())["site"]
        host = await self.add(site, "a.example")
        self.records["_cackled.a.example"] = [host["content"]]
        await self.prove(site, "a.example")
        seen = await self.ann.ask("GET", f"/api/v1/sites/{site}/settings")
        body = {"origins": ["x.a.example", "b.example", "*.b.example", "10.0.0.1:8080"]}
        tag = seen.headers["etag"]
        changed = (await self.ann.ask("PATCH", f"/api/v1/sites/{site}/settings", body, if_match=tag)).json()
        self.assertEqual(changed["origins"], ["x.a.example"])
        self.assertEqual(sorted(changed["waiting"]), ["*.b.example", "10.0.0.1:8080", "b.example"])
        listed = (await self.ann.ask("GET", f"/api/v1/sites/{site}/hosts")).json()["hosts"]
        self.assertEqual({one["host"] for one in listed}, {"a.example", "b.example"})

    async def test_bounds(self) -> None:
        """So many sites of an account; bad names; hosts that the site has not."""
        first = await self.make()
        bad = await self.ann.ask("POST", "/api/v1/sites", {"name": "x", "origins": ["*"]})
        self.assertEqual(bad.slug, "bad-field")
        self.assertEqual((await self.ann.ask("POST", "/api/v1/sites", {"name": " "})).slug, "bad-field")
        await self.make()
        self.assertEqual((await self.ann.ask("POST", "/api/v1/sites", {"name": "x"})).slug, "sites")
        self.assertEqual((await self.prove(first["site"], "other.example")).slug, "not-found")
        me = (await self.ann.ask("GET", "/api/v1/auth/me")).json()
        self.assertEqual([one["role"] for one in me["sites"]], ["owner", "owner"])


class TextRecordTests(TestCase):
    """TXT records of a real server."""

    async def test_lookup(self) -> None:
        """Strings of a record are put together; a name that is not there is told apart from a server that is not."""
        zone = {
            "_cackled.a.example": [dns.Record_TXT(b"cackled-", b"site=x", ttl=0), dns.Record_TXT(b"other", ttl=0)],
        }  # fmt: skip
        soa = dns.Record_SOA(b"ns.a.example", b"x.a.example", 1)
        authority = FileAuthority.__new__(FileAuthority)
        ResolverBase.__init__(authority)
        authority.soa = (b"a.example", soa)
        authority.records = {b"a.example": [soa], **{name.encode(): found for name, found in zone.items()}}
        factory = DNSServerFactory(authorities=[authority])
        factory.noisy = False
        protocol = dns.DNSDatagramProtocol(factory)
        protocol.noisy = False
        port = reactor.listenUDP(0, protocol, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        ask = TextRecords(reactor, f"127.0.0.1:{port.getHost().port}")
        self.assertEqual(sorted(await ask("_cackled.a.example")), ["cackled-site=x", "other"])
        with self.assertRaises(OSError):
            await ask("_cackled.b.a.example")


class DeletionTests(ApiCase):
    """Two persons."""

    toml = EXEMPT

    async def want(self, who: StaffClient, name: str = "Two") -> Answer:
        """Ask for site 2 to be deleted."""
        return await who.ask("POST", "/api/v1/sites/2/deletion", {"name": name})

    async def test_two(self) -> None:
        """One owner asks, another agrees; an admin may call it off."""
        ann, bob = await sign_in(self, "owner", site=2), await sign_in(self, "owner", site=2)
        admin = await sign_in(self, "admin", site=2)
        self.assertEqual((await self.want(admin)).slug, "role")
        self.assertEqual((await self.want(ann, "Too")).slug, "bad-field")
        self.assertEqual((await self.want(ann)).json()["done"], False)
        self.assertEqual((await self.want(ann)).slug, "deletion")
        self.sql("update catalog.site_farewell set asked_at = now() - interval '4 days'")
        self.assertEqual((await self.want(ann)).slug, "deletion")
        self.assertEqual((await admin.ask("GET", "/api/v1/sites/2/deletion")).json()["asked"], True)
        self.sql("update catalog.site_farewell set asked_at = now()")
        made = await sign_in(self, "owner", site=2, name="Ann's other account")
        self.assertEqual((await self.want(made)).slug, "deletion")
        self.assertEqual((await admin.ask("DELETE", "/api/v1/sites/2/deletion")).status, 204)
        self.assertEqual((await self.want(bob)).json()["done"], False)
        self.assertEqual((await self.want(ann)).json()["done"], True)
        # It is gone when that is said.
        self.assertEqual(self.sql("select id from catalog.site where id = 2"), [])
        self.assertIsNone(self.application.sites.find(2))
        self.assertEqual((await ann.ask("GET", "/api/v1/sites/2/deletion")).slug, "unknown-site")
        self.assertIsNotNone(self.application.sites.find(1))

    async def test_alone(self) -> None:
        """The only owner waits three days; after two weeks it is forgotten."""
        ann = await sign_in(self, "owner", site=2)
        await self.want(ann)
        self.assertEqual((await self.want(ann)).slug, "deletion")
        self.sql("update catalog.site_farewell set asked_at = now() - interval '15 days'")
        self.assertEqual((await self.want(ann)).json()["done"], False)
        self.sql("update catalog.site_farewell set asked_at = now() - interval '4 days'")
        self.assertEqual((await self.want(ann)).json()["done"], True)
        # It is gone when that is said.
        self.assertEqual(self.sql("select id from catalog.site where id = 2"), [])
        self.assertIsNone(self.application.sites.find(2))


class UsageTests(ApiCase):
    """What a site uses."""

    async def test_usage(self) -> None:
        """Reads and credits of the month by readPreference; limits as they hold."""
        ann = await sign_in(self, "analyst")
        for _ in range(3):
            await self.ask("GET", "/api/v1/sites/1/comments?channel=page&readPreference=primary")
        told = (await ann.ask("GET", "/api/v1/sites/1/usage")).json()
        (row,) = [one for one in told["reads"] if one["preference"] == "primary"]
        self.assertEqual(row, {"preference": "primary", "reads": 3, "credits": 15, "price": 5})
        self.assertIn("comments.post", [one["name"] for one in told["limits"]])
        for month in ("2026-13", "0000-01", "x", "2026-1"):
            self.assertEqual((await ann.ask("GET", f"/api/v1/sites/1/usage?month={month}")).slug, "bad-field", month)
        self.assertEqual((await ann.ask("GET", "/api/v1/sites/1/usage?month=2020-01")).json()["reads"], [])


