"""Feeds: valid Atom (RFC 4287), what is in them and for whom, and how caches hear of changes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.api.test_threads import SECRET, ThreadCase

ATOM = "{http://www.w3.org/2005/Atom}"
THREAD = "{http://purl.org/syndication/thread/1.0}"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def invalid(text: bytes) -> list[str]:
    """What RFC 4287 does not allow in a document."""
    feed = ElementTree.fromstring(text)
    found = [] if feed.tag == f"{ATOM}feed" else ["the root is no feed"]
    ids: list[str] = []
    for one in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            if len(one.findall(f"{ATOM}{name}")) != 1:
                found.append(f"one {name} (4.1.1, 4.1.2)")
        ids.append(one.findtext(f"{ATOM}id", ""))
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s<>]+", ids[-1]):
            found.append(f"{ids[-1]} is no IRI (4.2.6)")
        for name in ("updated", "published"):
            for time in one.findall(f"{ATOM}{name}"):
                if not _TIME.fullmatch(time.text or ""):
                    found.append(f"{name}: {time.text} is no time (3.3)")
        relations = [(link.get("rel", "alternate"), link.get("type"), link.get("hreflang")) for link in one.findall(
            f"{ATOM}link")]  # fmt: skip
        if len(set(relations)) != len(relations):
            found.append("two links of a relation (4.1.1)")
        if any(not re.match("https?://", link.get("href", "")) for link in one.findall(f"{ATOM}link")):
            found.append("a link without a whole address")
        authors = one.findall(f"{ATOM}author")
        if one is not feed and (not authors or not authors[0].findtext(f"{ATOM}name")):
            found.append("an entry without an author (4.1.2)")
        for content in one.findall(f"{ATOM}content"):
            if content.get("type") != "html" or len(content):
                found.append("content (4.1.3.3)")
    if len(set(ids)) != len(ids):
        found.append("ids are not unique (4.2.6)")
    if not any(link.get("rel") == "self" for link in feed.findall(f"{ATOM}link")):
        found.append("no link to itself (4.1.1)")
    return found


class FeedTests(ThreadCase):
    async def feed(self, query: str = "", site: int = 1, **headers: str | None) -> ElementTree.Element:
        """The feed, checked."""
        got = await self.ask("GET", f"/feeds/{site}/comments.atom{query}", **headers)
        self.assertEqual((got.status, got.headers["content-type"]), (200, "application/atom+xml; charset=utf-8"), got)
        self.assertEqual(invalid(got.body), [])
        return ElementTree.fromstring(got.body)

    @staticmethod
    def said(feed: ElementTree.Element) -> list[str]:
        """The texts of all entries."""
        return [one.findtext(f"{ATOM}content", "") for one in feed.findall(f"{ATOM}entry")]

    async def test_feed(self) -> None:
        """The latest first, answers with what they answer; hostile texts stay texts; unchanged ones are 304."""
        self.assertEqual(self.said(await self.feed("?channel=page")), [], "nobody wrote yet")
        first = await self.post(self.author, "]]> <b>&amp; \x0b\ufffe one", name='A"<&\x0c')
        await self.post(self.author, "two", parent=first["comment"]["id"])
        await self.post(self.author, "else", key="other")
        feed = await self.feed("?channel=page")
        self.assertEqual(self.said(feed)[0], "<p>two</p>")
        self.assertEqual(len(self.said(feed)), 2)
        self.assertEqual(feed.findtext(f"{ATOM}title"), "Comments on X")
        answer, root = feed.findall(f"{ATOM}entry")
        above = answer.find(f"{THREAD}in-reply-to")
        assert above is not None
        self.assertEqual(above.get("ref"), root.findtext(f"{ATOM}id"))
        links = [one.get("href") for one in root.findall(f"{ATOM}link")]
        self.assertEqual(links, [f"https://one.example/x#mc-{first['comment']['id']}"])
        self.assertEqual(self.said(await self.feed()), ["<p>else</p>", *self.said(feed)])
        got = await self.ask("GET", "/feeds/1/comments.atom?channel=page")
        same = await self.ask("GET", "/feeds/1/comments.atom?channel=page", if_none_match=got.headers["etag"])
        self.assertEqual((same.status, same.body), (304, b""))
        self.assertIn("hit", same.headers["cache-status"])
        await self.post(self.author, "three")
        self.assertEqual(self.said(await self.feed("?channel=page"))[0], "<p>three</p>")
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{first['comment']['id']}", authorization=self.author)
        self.assertEqual(len(self.said(await self.feed("?channel=page"))), 2, "a stone is no news")
        self.assertEqual(self.said(await self.feed(site=2)), [])
        self.assertEqual(self.said(await self.feed("?channel=page", site=2)), [])
        self.assertEqual((await self.feed("?lang=de")).findtext(f"{ATOM}title"), "Kommentare zu One")

    async def test_closed(self) -> None:
        """Locks and private sites hold; a site's feed leaves out what may not be read."""
        await self.post(self.author, "open", key="open")
        for number in range(60):
            await self.post(self.author, f"canary {number}", key="vip/1")
        sites = self.application.sites
        await sites.change(1, "locks", "vip/* read signed-in")
        self.assertEqual(self.said(await self.feed()), ["<p>open</p>"])
        self.assertEqual((await self.ask("GET", "/feeds/1/comments.atom?channel=vip/1")).slug, "sign-in-first")
        await sites.change(1, "private", True)
        await sites.change(1, "channel_secret", SECRET)
        self.assertEqual((await self.ask("GET", "/feeds/1/comments.atom")).status, 401)
        feed = await self.feed(f"?channel=open&token={self.grant()}")
        self.assertEqual(self.said(feed), ["<p>open</p>"])

    async def test_bad_calls(self) -> None:
        """What can't be answered is a problem document."""
        for path, status in (
            ("/feeds", 404), ("/feeds/1", 404), ("/feeds/x/comments.atom", 404), ("/feeds/9/comments.atom", 404),
            ("/feeds/1/other.atom", 404), ("/feeds/1/comments.atom?lang=xx", 400),
            ("/feeds/1/comments.atom?channel=%00", 400), ("/feeds/1/comments.atom?host=7", 400),
        ):  # fmt: skip
            self.assertEqual((await self.ask("GET", path)).status, status, path)
