"""A visitor whose clock is wrong: times, the time for editing and the session go by the server's."""

from __future__ import annotations

from tests.browser.test_live import ALONE
from tests.support.browser import MockCase

WRONG = """
(by => {
  const real = Date, now = () => real.now() + by;
  window.Date = class extends real {
    constructor(...given) { given.length ? super(...given) : super(now()); }
    static now() { return now(); }
  };
})(%d);
"""
OFF = (-86_400, -1_200, 1_200, 86_400 * 400)


class ClockTests(MockCase):
    def test_wrong_clock(self) -> None:
        """Minutes, a day or a year off, both ways: ages are right, Edit is there, and one session does for all."""
        for seconds in OFF:
            self.steer(reset=True)
            self.seed({"text": "Root", "ago": 300})
            page = self.plain(script=ALONE + WRONG % (seconds * 1000))
            self.soon(lambda: self.assertEqual(page.inner_text("time >> nth=0"), "5 min. ago", seconds))
            for text in ("One", "Two", "Three"):
                self.post(page, text)
            page.click(".mc-up")
            page.wait_for_timeout(200)
            self.soon(lambda: self.assertEqual(page.locator(".mc-edit").count(), 3, seconds))
            page.reload()
            page.wait_for_selector(".mc-edit >> nth=2")
            self.post(page, "Four")
            self.soon(lambda: self.assertEqual(page.inner_text(".mc-c:has-text('Four') time"), "just now"))
            sessions = [line for line in self.steer()["log"] if "/sessions" in line]
            self.assertEqual(len(sessions), 1, seconds)
