"""Pictures in comments, in a browser, against the real daemon."""

from __future__ import annotations

from typing import Any

from tests.browser.test_live import ALONE
from tests.media import corpus
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon

CHANNEL = "window.cackle_widget = [{widget: 'Comment', id: 1, channel: %r}]; "
SHIFT = """
window.shifted = 0;
new PerformanceObserver(list => list.getEntries().forEach(one => {
  if (!one.hadRecentInput) window.shifted += one.value;
})).observe({type: 'layout-shift', buffered: true});
"""
LOADED = "() => { const i = document.querySelector('.mc-album img'); return !!i && i.complete && i.naturalWidth > 0 }"


class PictureTests(BrowserCase):
    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if PictureTests.daemon is None:
            PictureTests.daemon = Daemon()
            PictureTests.daemon.admin("site set 1 media.pictures yes")
        self.url = PictureTests.daemon.url

    def reader(self, channel: str, **options: Any):
        """A page of the demo site with the conversation *channel* alone."""
        context = self.context(**options)
        context.add_init_script(ALONE + SHIFT)
        context.route(
            "**/demo/demo.js", lambda route: route.fulfill(body=CHANNEL % channel, content_type="text/javascript")
        )
        page = self.page(f"{self.url}/demo?embed=1", context=context)
        self.until(page, "performance.getEntriesByType('resource').some(e => e.name.includes('later.js'))")
        return page

    def test_added(self) -> None:
        """Chosen, sent with the comment, seen by others without a shift; taken out again by an edit."""
        page = self.reader("pictures-1")
        box = page.locator(".mc-input").first
        box.click()
        box.fill("Look at this.")
        self.until(page, "document.querySelector('.mc-picfile')")
        page.locator(".mc-picfile").set_input_files(
            files=[{"name": "mug.jpg", "mimeType": "image/jpeg", "buffer": corpus.picture()}]
        )
        page.locator(".mc-picitem .mc-picwords").wait_for(timeout=60_000)
        # A draft keeps it.
        page.reload()
        page.locator(".mc-picitem .mc-picwords").wait_for(timeout=60_000)
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, LOADED)
        self.soon(lambda: self.assertEqual(page.locator(".mc-picitem").count(), 0))
        other = self.reader("pictures-1")
        self.until(other, LOADED)
        self.soon(lambda: self.assertLess(other.evaluate("window.shifted"), 0.01))
        page.locator(".mc-edit").first.click()
        page.locator(".mc-c .mc-picitem").wait_for(timeout=60_000)
        page.get_by_label("Remove the picture").first.click()
        page.locator(".mc-c .mc-form .mc-formbtn").first.click()
        self.until(page, "!document.querySelector('.mc-album')")
        self.until(other, "!document.querySelector('.mc-album')")
