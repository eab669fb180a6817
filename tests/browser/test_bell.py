"""The bell over the real daemon: following a conversation, being told live, reading, and by keyboard alone."""

from __future__ import annotations

import os

from tests.browser.test_live import ALONE
from tests.support.browser import BrowserCase
from tests.support.client import Visitor
from tests.support.daemon import Daemon

CHANNEL = "window.cackle_widget = [{widget: 'Comment', id: 1, channel: %r, lang: %r}]; "
# Where pictures of this test go, for those who look at them.
PICTURES = os.environ.get("CACKLED_PICTURES", "")


class BellTests(BrowserCase):
    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if BellTests.daemon is None:
            BellTests.daemon = Daemon(
                '[mail]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nurl = "https://comments.example"\n'
            )
        self.url = BellTests.daemon.url

    def reader(self, channel: str, lang: str = "en", **options):
        """A page with the conversation *channel* alone."""
        context = self.context(**options)
        context.add_init_script(ALONE)
        script = CHANNEL % (channel, lang)
        context.route("**/demo/demo.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        page = self.page(f"{self.url}/demo?embed=1", context=context)
        page.wait_for_selector(".mc-belltop")
        return page

    def picture(self, page, name: str) -> None:
        """Keep a picture, where somebody wants to look."""
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}.png")

    def write(self, channel: str, text: str, name: str = "Bob") -> None:
        """Somebody else writes."""
        Visitor(self.url, 1, name).post(channel, text)

    def test_told(self) -> None:
        """Follow, hear of an answer live, read it; the count is there after a reload and in another language."""
        page = self.reader("bell-told")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-belltop").strip(), "Follow"))
        page.click(".mc-belltop")
        page.wait_for_selector(".mc-bellbox .mc-bellfollow[aria-pressed=false]")
        self.picture(page, "bell-empty")
        page.evaluate(
            "() => { window.told = []; const w = document.querySelector('.mc-root').cackle.widget;"
            " w.o.callback.subscribe = [e => told.push(!!e.channel)]; }"
        )
        page.click(".mc-bellfollow")
        page.wait_for_selector(".mc-bellfollow[aria-pressed=true]")
        self.until(page, "told.length === 1 && told[0]")
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mc-bellbox").count(), 0))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-belltop')")))
        self.write("bell-told", "the first answer")
        page.wait_for_selector(".mc-bellcount:not([hidden])")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-bellcount"), "1"))
        self.write("bell-told", "a *second* <b>answer</b>", name="Eve <x>")
        page.wait_for_selector(".mc-bellcount:text-is('2')")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mc-bellone")
        self.picture(page, "bell-told")
        self.soon(lambda: self.assertEqual(page.locator(".mc-bellone").count(), 2))
        self.soon(lambda: self.assertIn("Eve <x> wrote", page.inner_text(".mc-bellitem >> nth=0")))
        page.wait_for_selector(".mc-bellcount", state="hidden")
        page.reload()
        page.wait_for_selector(".mc-belltop[aria-label=Notices]")
        self.soon(lambda: self.assertEqual(page.locator(".mc-bellcount:not([hidden])").count(), 0, "they were read"))
        for lang, scheme, size in (("ar", "dark", (360, 700)), ("de", "light", (360, 700))):
            other = self.reader("bell-told", lang, color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
            other.click(".mc-belltop")
            other.wait_for_selector(".mc-bellfollow")
            box = other.locator(".mc-bellbox").bounding_box()
            self.assertGreaterEqual(box["x"], 0, lang)
            self.assertLessEqual(box["x"] + box["width"], size[0], lang)
            self.picture(other, f"bell-{lang}")

    def test_mail(self) -> None:
        """An address is taken, a malformed one is not; the person of a comment is followed from its menu."""
        page = self.reader("bell-mail")
        fay = Visitor(self.url, 1, "Fay")
        fay.post("bell-mail", "follow me")
        page.wait_for_selector("text=follow me")
        page.locator(".mc-acts .mc-act.mc-more").first.click()
        page.click("text=Follow Fay")
        page.wait_for_selector("text=You follow Fay.")
        page.click(".mc-belltop")
        page.fill(".mc-bellmail", "nobody")
        # News that come meanwhile leave it alone.
        fay.post("bell-mail", "followed")
        page.wait_for_selector(".mc-bellbox .mc-bellone")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-bellmail"), "nobody"))
        page.click(".mc-bellrow button")
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-bellmail", "aria-invalid"), "true"))
        page.fill(".mc-bellmail", "ann@mail.example")
        page.click(".mc-bellrow button")
        page.wait_for_selector("text=Confirm it with the mail")
        self.picture(page, "bell-mail")
