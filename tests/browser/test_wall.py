"""A widget that a product brings by its own package alone: the loader mounts it, in prod and devel, and it is live."""

from __future__ import annotations

from tests.support.browser import BrowserCase
from tests.support.client import Visitor
from tests.support.wall_daemon import WallDaemon

PAGE = """
<!doctype html><meta charset="utf-8"><title>Wall</title><p>Above</p><div id="there"></div>
<div id="mc-container"></div>
<script>
cackle_widget = [{widget: 'Wall', id: 1, channel: 'page', container: 'there', lang: 'ru'},
  {widget: 'Comment', id: 1, channel: 'page'}];
</script>
<script async src="/widget.js"></script>
"""


class WallTests(BrowserCase):
    """The wall beside comments."""

    def shown(self, env: str) -> None:
        """What stands on the wall, and what comes while somebody looks; comments in the same page are as ever."""
        daemon = WallDaemon.for_test(self, f'env = "{env}"')
        ann = Visitor(daemon.url)
        said = {"channel": "page", "name": "Ann", "words": "Well said"}
        ann.call("/reactions", "POST", said)
        context = self.context()
        context.route("**/wall-page", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        page = self.page(f"{daemon.url}/wall-page", context=context, wait=".mc-wall li")
        self.soon(lambda: self.assertEqual(page.inner_text("#there .mc-title"), "1 reaction"))
        self.soon(lambda: self.assertEqual(page.inner_text("#there li"), "Well said"))
        page.wait_for_timeout(500)
        ann.call("/reactions", "POST", {**said, "words": "<b>And this</b>"})
        self.until(page, "document.querySelectorAll('#there li').length === 2")
        self.soon(lambda: self.assertEqual(page.inner_text("#there li >> nth=0"), "<b>And this</b>"))
        self.soon(lambda: self.assertEqual(page.inner_text("#there .mc-title"), "2 reactions"))
        # Its words are its own: those of comments have the same names.
        page.wait_for_selector("#mc-container .mc-header")
        self.soon(lambda: self.assertEqual(page.inner_text("#mc-container .mc-title"), "Comments"))
        sources = page.evaluate("[...document.scripts].map(s => s.src)")
        self.assertEqual(any("/widget/devel/" in one for one in sources), env == "devel")

    def test_prod(self) -> None:
        """Bundles."""
        self.shown("prod")

    def test_devel(self) -> None:
        """Modules."""
        self.shown("devel")
