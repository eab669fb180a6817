"""The panel's pages of imports and exports: a file is uploaded, watched, brought in, taken back; another is fetched."""

from __future__ import annotations

import gzip
import json
import re
from contextlib import contextmanager
from pathlib import Path

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS
from tests.support.browser import BrowserCase
from tests.support.client import Visitor, call
from tests.support.daemon import Daemon
from tests.transfers.test_api import wxr


class PanelTransferTests(BrowserCase):
    """One daemon, one owner."""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
        self.addCleanup(self.daemon.stop)

    def at(self, page, path: str) -> None:
        """Go to a page of the panel."""
        page.goto(f"{page.url.partition('/panel')[0]}/panel{path}")
        page.get_by_role("heading", name="Import and export", level=1).wait_for()

    def test_whole(self) -> None:
        """A dry run, the import, undo, an export."""
        told = self.daemon.admin("account add owner@staff.example --role owner --site 1")
        context = self.context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
        page = self.page(told["link"], context=context, wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        self.at(page, "/sites/1/imports")
        page.get_by_text("Nothing was imported yet.").wait_for()
        self.clean(page)
        file = Path(self.mktemp())
        file.write_bytes(gzip.compress(wxr(40)))
        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_role("button", name="Upload").click()
        one = page.locator("article")
        one.get_by_role("button", name="Import for real").wait_for()
        self.soon(lambda: self.assertIn("WordPress", one.inner_text()))
        self.soon(lambda: self.assertEqual(one.locator("dd").nth(1).inner_text().strip(), "40"))
        self.clean(page)
        one.get_by_role("button", name="Import for real").click()
        one.get_by_role("button", name="Undo the import").wait_for()
        self.soon(lambda: self.assertEqual(one.locator("dd").nth(1).inner_text().strip(), "40"))
        page.get_by_role("link", name="Exports").click()
        page.get_by_role("button", name="Export", exact=True).click()
        page.get_by_role("button", name="Download").wait_for()
        self.clean(page)
        with self.shown_again(page, "**/link") as coming:
            page.get_by_role("button", name="Download").click()
        lines = gzip.decompress(Path(coming.value.path()).read_bytes()).splitlines()
        self.assertEqual(len([one for one in lines if re.search(rb'"text":"text \d+"', one)]), 40)
        self.at(page, "/sites/1/imports")
        one.get_by_role("button", name="Undo the import").click()
        page.get_by_role("dialog").get_by_role("button", name="Undo the import").click()
        one.get_by_text("undone", exact=True).wait_for()
        self.mapped(page)
        self.people(page)

    def mapped(self, page) -> None:
        """Paths are on the host that is typed, the map is a file, and pages are known by address or by name."""
        page.goto(f"{page.url.partition('/panel')[0]}/panel/sites/1/imports")
        page.get_by_text("More options").click()
        page.get_by_label("Address of the old site").fill("https://old.example")
        table = Path(self.mktemp())
        table.write_text("https://old.example/a/,https://new.example/moved\n/left/,\n")
        page.get_by_label("Map from a CSV file").set_input_files(table)
        self.soon(lambda: self.assertIn("/moved", page.get_by_label("Map of addresses", exact=True).input_value()))
        page.get_by_label("Dry run: only say what would come").uncheck()
        self.clean(page)
        bare = wxr(3, "/a/").replace(b"https://blog.example", b"")
        left = wxr(3, "https://blog.example/left/")
        named = (
            wxr(3, "https://blog.example/b/")
            .replace(b"<rss ", b'<rss xmlns:dsq="http://www.disqus.com/" ')
            .replace(b"<wp:post_id>", b"<dsq:thread_identifier>its-own-name</dsq:thread_identifier><wp:post_id>")
        )
        for data, by, came in ((bare, "their address", 3), (left, "their address", 0),
                               (named, "the name the site gave them", 3)):  # fmt: skip
            page.get_by_label("Pages are known by").select_option(label=by)
            before = page.locator("article").count()
            file = Path(self.mktemp())
            file.write_bytes(data)
            page.get_by_label("File", exact=True).set_input_files(file)
            page.get_by_role("button", name="Upload").click()
            one = page.locator("article").first
            self.soon(lambda n=before: self.assertEqual(page.locator("article").count(), n + 1))
            if came:
                one.get_by_role("button", name="Undo the import").wait_for()
            else:
                # Nothing came that could be taken back.
                one.get_by_text("the map leaves it out").wait_for()
            self.soon(lambda n=came: self.assertEqual(one.locator("dd").nth(1).inner_text().strip(), str(n)))
        for where in ("url=https://new.example/moved", "channel=its-own-name"):
            text = call(f"{self.daemon.url}/threads/1?{where}").body.decode()
            self.assertEqual(re.findall(r"text \d", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)),
                             ["text 1", "text 2", "text 3"], where)  # fmt: skip

    def people(self, page) -> None:
        """Somebody's data: found, fetched, erased once one is sure."""
        posted = Visitor(self.daemon.url).post("people", "theirs")
        self.assertEqual(posted.status, 201, posted)
        page.goto(f"{page.url.partition('/panel')[0]}/panel/sites/1/people")
        page.get_by_label("Visitor", exact=True).fill(posted.json()["comment"]["author"]["id"])
        page.get_by_role("button", name="Search").click()
        with self.shown_again(page, "**/data") as coming:
            page.get_by_role("button", name="Download").click()
        self.assertIn("theirs", Path(coming.value.path()).read_text())
        self.clean(page)
        page.get_by_role("button", name="Erase").click()
        dialog = page.get_by_role("dialog")
        self.soon(lambda: self.assertTrue(dialog.get_by_role("button", name="Erase").is_disabled()))
        dialog.get_by_label("I know that this can't be undone.").check()
        dialog.get_by_role("button", name="Erase").click()
        page.get_by_text("Nobody was found.").wait_for()

    @contextmanager
    def shown_again(self, page, address: str):
        """The call to *address* is refused once because the sign-in is old: the file comes after a fresh proof."""

        def refuse(route) -> None:
            page.unroute(address)
            problem = {"type": "https://cackle.dev/problems/not-fresh", "title": "Not fresh", "status": 403}
            route.fulfill(status=403, content_type="application/problem+json", body=json.dumps(problem))

        page.route(address, refuse)
        page.route("**/auth/confirm", lambda route: route.fulfill(status=204))
        with page.expect_download() as coming:
            yield coming
            dialog = page.get_by_role("dialog")
            dialog.get_by_text("This needs a fresh proof that it is you.").wait_for()
            self.clean(page)
            dialog.get_by_label("Password").fill("correct horse battery")
            dialog.get_by_role("button", name="Go on").click()
        page.unroute("**/auth/confirm")
        dialog.wait_for(state="detached")

    def clean(self, page) -> None:
        """axe finds nothing, light and dark."""
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if AXE.exists():
                page.evaluate(AXE.read_text())
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
