"""A page that was asleep, or without a network, has its line back as soon as somebody looks at it, not when its pause
is over. On a clock that stands until it is told to go on.
"""

from __future__ import annotations

import time

from tests.browser.test_live import ALONE
from tests.support.browser import PATIENCE, MockCase, Page

# Every pause is as long as it may be; every attempt at a line is counted, and the last one that failed is known.
COUNTED = (
    ALONE
    + """
Math.random = () => 0.999;
window.attempts = window.failed = 0;
for (const name of ['WebSocket', 'EventSource']) {
  const real = window[name];
  window[name] = function (...given) {
    const number = ++attempts, made = new real(...given);
    made.addEventListener('error', () => { failed = number; });
    return made;
  };
}
const fetched = window.fetch;
window.fetch = (address, ...more) => {
  if (!String(address).includes('/rt/poll')) return fetched(address, ...more);
  const number = ++attempts;
  return fetched(address, ...more).then(
    answer => { if (!answer.ok) failed = number; return answer; },
    error => { failed = number; throw error; });
};
"""
)


class WakeTests(MockCase):
    """What ends a pause."""

    def broken(self) -> Page:
        """A page whose line was cut, and which has tried again so often that it now waits for seconds."""
        context = self.context()
        context.clock.install()
        page = self.plain(context=context, script=COUNTED)
        self.until(page, "attempts === 1")
        self.wait_live()
        context.clock.pause_at(page.evaluate("Date.now() + 1"))
        self.steer(block=["ws", "sse", "poll"], drop=True)
        for number in range(2, 9):
            self.step(page, 100, f"attempts >= {number}")
        # Only then: what is under way would get through.
        self.until(page, "failed === 8")
        self.steer(block=[])
        # Its next attempt is seconds away.
        page.clock.run_for(1000)
        self.soon(lambda: self.assertEqual(page.evaluate("attempts"), 8))
        self.soon(lambda: self.assertEqual(self.steer()["live"], []))
        return page

    def wait_live(self) -> None:
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            if len(self.steer()["live"]) == 1:
                return
            time.sleep(0.05)
        self.fail("there is no line")

    def step(self, page: Page, milliseconds: int, until: str) -> None:
        """Let the page's clock go on bit by bit; what the network does takes its own time."""
        for _ in range(600):
            if page.evaluate(until):
                return
            page.clock.run_for(milliseconds)
            self.steer()
        self.fail(f"never became true: {until}")

    def woken(self, how: str) -> None:
        page = self.broken()
        page.evaluate(how)
        page.clock.run_for(400)
        self.until(page, "attempts === 9")
        self.wait_live()

    def test_looked_at(self) -> None:
        """The tab comes to the front."""
        self.woken("document.dispatchEvent(new Event('visibilitychange'))")

    def test_network(self) -> None:
        """The network is back."""
        self.woken("dispatchEvent(new Event('online'))")

    def test_shown_again(self) -> None:
        """The page comes out of the browser's back and forward cache."""
        self.woken(
            "dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}));"
            "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
        )

    def test_hidden(self) -> None:
        """A tab that goes to the back has no reason to hurry."""
        page = self.broken()
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.clock.run_for(400)
        self.steer()
        self.soon(lambda: self.assertEqual(page.evaluate("attempts"), 8))
