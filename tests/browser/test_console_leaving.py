"""An operator who is none any more hears nothing; the consoles of the others go on as they stand."""

from __future__ import annotations

from tests.browser.test_console import ConsoleCase


class LeavingTests(ConsoleCase):
    """Two operators look at one chat, and one of them is dismissed."""

    def test_dismissed(self) -> None:
        """What is said from then on comes to the colleague alone, once, in the page that they had open."""
        ann, ben = self.operator("ann"), self.operator("ben")
        chat = self.start("Vera", "Before")
        for page in (ann, ben):
            self.console(page, f"?list=all&chat={chat[0]}")
            page.locator(".line", has_text="Before").wait_for()
            page.evaluate("window.here = true")
        self.daemon.admin(f"account add ben@site{self.site}.example --role analyst --site {self.site}")
        ben.locator(".chat-bar.warn", has_text="Your role on this site").first.wait_for()
        self.say(chat, "Afterwards")
        ann.locator(".line", has_text="Afterwards").wait_for()
        self.say(chat, "Finally")
        ann.locator(".line", has_text="Finally").wait_for()
        self.assertEqual([ann.locator(".line", has_text=one).count() for one in ("Before", "Afterwards")], [1, 1])
        self.assertTrue(ann.evaluate("window.here"))
        self.assertNotIn("Afterwards", ben.content())
        self.assertTrue(ben.evaluate("window.here"))
