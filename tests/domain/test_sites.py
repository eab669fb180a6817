"""Sites: whose pages may speak for them, their settings, and the directory that holds them all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.query import Query, Rows
from cackled.domain.errors import NotFound
from cackled.domain.origins import OriginPattern, split_origin
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site, build_site
from cackled.domain.sites import SELECT_SITES, SiteDirectory
from cackled.events import Position, channel_id
from cackled.products.comments.settings import CommentSettings
from tests.domain.common import DomainCase, clock


def site(*patterns: str) -> Site:
    return build_site(7, "Seven", "{}", patterns)


class OriginTests(SynchronousTestCase):
    """Origins against patterns."""

    def test_matrix(self) -> None:
        """Each pattern lets in exactly what it names."""
        for pattern, good, bad in (
            (
                "example.com",
                ["https://example.com", "http://example.com", "https://example.com:443", "http://example.com:80",
                 "HTTPS://EXAMPLE.COM"],
                ["null", "", "https://sub.example.com", "https://evil-example.com", "https://example.com.evil.org",
                 "https://example.com:8443", "http://example.com:443", "https://example.com@evil.org",
                 "https://evil.org/example.com", "https://evil.org?example.com", "https://evil.org#example.com",
                 "ftp://example.com", "file://example.com", "example.com", "//example.com", "https://example.com/",
                 "https://example.com/x", "https://example.com?x", "https://example.com#x", "https://user@example.com",
                 "https://examplecom", "https://example.com.", "https://[example.com]", "chrome-extension://example.com"],
            ),
            (
                "*.example.com",
                ["https://a.example.com", "http://a.b.example.com", "https://A.Example.Com"],
                ["https://example.com", "https://.example.com", "https://evilexample.com", "https://a.example.com.evil.org",
                 "https://a.example.com:8000", "null"],
            ),
            (
                "localhost:*",
                ["http://localhost", "http://localhost:1", "https://localhost:65535", "http://localhost:8080"],
                ["http://localhost.evil.org", "http://127.0.0.1:8080", "http://localhost:99999", "http://localhost:x",
                 "http://sub.localhost:80", "null"],
            ),
            ("https://example.com", ["https://example.com"], ["http://example.com", "https://example.com:444"]),
            ("http://example.com:8080", ["http://example.com:8080"], ["http://example.com", "https://example.com:8080"]),
            (
                "[::1]:*",
                ["http://[::1]:8000", "https://[::1]"],
                ["http://[::2]:8000", "http://::1", "http://[::1", "http://[::1]evil", "http://1:8000"],
            ),
            ("127.0.0.1:*", ["http://127.0.0.1:5000"], ["http://127.0.0.1.evil.org", "http://127.0.0.11"]),
        ):  # fmt: skip
            one = site(pattern)
            for origin in good:
                self.assertTrue(one.allows_origin(origin), (pattern, origin))
            for origin in bad:
                self.assertFalse(one.allows_origin(origin), (pattern, origin))

    def test_none(self) -> None:
        """A site without patterns lets nobody in."""
        self.assertFalse(site().allows_origin("https://example.com"))

    @given(st.text(max_size=80))
    def test_any_text(self, origin: str) -> None:
        """Any text has an answer, and a host that does not end in ours is not let in."""
        parts = split_origin(origin)
        allowed = site("*.example.com", "example.com").allows_origin(origin)
        if allowed:
            assert parts is not None
            self.assertTrue(parts[1].endswith("example.com"))

    @given(st.text("abc.:*[]/-1 \n", max_size=20))
    def test_patterns(self, text: str) -> None:
        """Any text is a pattern or a ValueError."""
        try:
            OriginPattern.parse(text)
        except ValueError as error:
            self.assertIn("origin pattern", str(error))

    def test_no_patterns(self) -> None:
        """What would match more than it says is no pattern."""
        for text in ("*", "*.", "*:*", "a.*.com", "https://", "ftp://a.com", "a.com/x", "a.com:", "a b", "", "a.com\n",
                     "*.*.com", "a.com:-1", "[::1", ".com", "-a.com", "a.com:99999999"):  # fmt: skip
            self.assertRaises(ValueError, OriginPattern.parse, text)


class SiteTests(SynchronousTestCase):
    """`Site` and `build_site`."""

    def test_names(self) -> None:
        """Whatever names data of a tenant holds the tenant."""
        one, two = build_site(1, "", "{}", ()), build_site(2, "", "{}", ())
        self.assertEqual(one.channel("comments", "k"), channel_id("comments", "k"))
        self.assertNotEqual(one.group(5), two.group(5))
        self.assertEqual(one.position(5, 3), Position(1, 5, 3))

    def test_settings(self) -> None:
        """Unknown settings are left out; broken ones give the defaults and a word in the log."""
        self.assertEqual(build_site(1, "", '{"notify": "all", "new": 1}', ()).settings, SiteSettings(notify="all"))
        for broken in ('{"notify": "x"}', '{"typing": -1}', "[]", "nonsense"):
            self.assertEqual(build_site(1, "", broken, ()).settings, SiteSettings())
        self.assertEqual(build_site(1, "", "{}", ("a.com", "b*d")).origins, (OriginPattern.parse("a.com"),))

    def test_public(self) -> None:
        """A browser learns nothing of webhooks or secrets."""
        settings = SiteSettings(webhook_url="https://a", webhook_secret="s", channel_secret="c")
        public = Site(1, "", settings, products=(CommentSettings(),)).public_settings()
        # In this order, as ever: answers are compared byte for byte.
        known = ["level", "edit_seconds", "max_length", "votes", "deletion", "reactions", "typing", "presence"]
        known.append("private")
        self.assertEqual(list(public), known)


class SiteDirectoryTests(DomainCase):
    """`SiteDirectory` on a real catalog."""

    async def test_lookup(self) -> None:
        """Known by id; unknown is 404; all come by id."""
        await self.sites.add("Three", ["three.example"], site_id=3)
        self.assertEqual(self.sites.get(3).name, "Three")
        self.assertEqual([one.id for one in self.sites.all()], [1, 3])
        self.assertEqual(len(self.sites), 2)
        self.assertIsNone(self.sites.find(2))
        with self.assertRaises(NotFound) as caught:
            self.sites.get(2)
        self.assertEqual((caught.exception.status, caught.exception.slug), (404, "unknown-site"))

    async def test_add(self) -> None:
        """Ids follow the highest; a taken id gives None and changes nothing; bad patterns and settings are refused."""
        made = await self.sites.add("New", ["NEW.example", "new.example"])
        assert made is not None
        self.assertEqual((made.id, made.patterns), (2, ("new.example",)))
        self.assertIsNone(await self.sites.add("Again", ["x.example"], site_id=1))
        self.assertEqual(self.sites.get(1).patterns, ("one.example",))
        for name, patterns, settings in (("x", ["a b"], "{}"), ("x", [], '{"level": 99}'), ("x", [], "nonsense"),
                                         ("x", [], '{"colour": 1}')):  # fmt: skip
            self.assertEqual((await self.refused(self.sites.add(name, patterns, settings=settings))).status, 400)
        self.assertEqual(len(self.sites), 2)
        self.assertEqual(self.sql("select count(*) from catalog.site"), [(2,)])

    async def test_origins(self) -> None:
        """Added and taken away; another directory sees it when it reads anew."""
        other = SiteDirectory(self.database)
        await other.refresh()
        await self.sites.add_origin(1, "*.One.example")
        self.assertTrue(self.sites.get(1).allows_origin("https://a.one.example"))
        self.assertFalse(other.get(1).allows_origin("https://a.one.example"))
        await other.refresh()
        self.assertTrue(other.get(1).allows_origin("https://a.one.example"))
        await self.sites.remove_origin(1, "*.ONE.example")
        self.assertFalse(self.sites.get(1).allows_origin("https://a.one.example"))
        self.assertEqual((await self.refused(self.sites.remove_origin(1, "zero.example"))).status, 404)
        self.assertEqual((await self.refused(self.sites.add_origin(9, "a.example"))).status, 404)
        self.assertEqual((await self.refused(self.sites.add_origin(1, "a b"))).field, "origin")

    async def test_change(self) -> None:
        """One setting changes, the others stay; unknown names and wrong kinds are named."""
        await self.sites.change(1, "level", 2)
        await self.sites.change(1, "votes", False)
        await self.sites.change(1, "comments.edit_seconds", 60)
        await self.sites.change(1, "notify", "all")
        site = self.sites.get(1)
        self.assertEqual(site.settings, SiteSettings(notify="all"))
        self.assertEqual(site.product(CommentSettings), CommentSettings(level=2, votes=False, edit_seconds=60))
        for name, value in (("level", "x"), ("level", 99), ("nothing", 1), ("max_length", 0), ("votes", None),
                            ("comments.nothing", 1), ("comments.level", 99), ("chess.level", 1)):  # fmt: skip
            error = await self.refused(self.sites.change(1, name, value))
            self.assertEqual((error.status, error.field), (400, name))
        stored = json.loads(self.sql("select settings::text from catalog.site where id = 1")[0][0])
        # A server of an older release finds what it knows where it was.
        comments = {"level": 2, "votes": False, "edit_seconds": 60}
        self.assertEqual(stored, {**comments, "notify": "all", "products": {"comments": comments}})

    async def test_change_by_two(self) -> None:
        """Two nodes that don't know of each other's change yet both change what they meant to, and nothing else."""
        other = SiteDirectory(self.database)
        await other.refresh()
        self.sql("update catalog.site set settings = settings || '{\"of a newer release\": 1}' where id = 1")
        await self.sites.change(1, "level", 3)
        await other.change(1, "typing", False)
        await self.sites.refresh()
        self.assertEqual(self.sites.get(1).settings, SiteSettings(typing=False))
        self.assertEqual(self.sites.get(1).product(CommentSettings).level, 3)
        self.assertIn("of a newer release", self.sql("select settings::text from catalog.site where id = 1")[0][0])

    async def test_readings_in_order(self) -> None:
        """A reading that comes late does not put back what a later one has replaced."""
        system, held = self.database.system, Deferred[None]()
        came: list[str] = []

        class Late:
            """The database, whose first list of sites is on its way for long."""

            async def read(self, query: Query, *args: Any, **more: Any) -> Rows:
                rows = await system.read(query, *args, **more)
                if query is SELECT_SITES:
                    came.append(query.name)
                    if len(came) == 1:
                        await held
                return rows

        self.patch(self.database, "_system", Late())
        early = Deferred.fromCoroutine(self.sites.refresh())
        while not came:
            await deferLater(clock, 0.001)
        self.sql("update catalog.site set name = 'Renamed' where id = 1")
        late = Deferred.fromCoroutine(self.sites.refresh())
        clock.callLater(0.05, held.callback, None)
        await early
        await late
        self.assertEqual((self.sites.get(1).name, len(came)), ("Renamed", 2))

    async def test_secret(self) -> None:
        """The session key is long, random and the same for every node."""
        key = await self.sites.secret("session")
        self.assertEqual(len(key), 32)
        self.assertEqual(await SiteDirectory(self.database).secret("session"), key)
