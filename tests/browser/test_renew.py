"""A grant that runs out while the page is open: the page is asked for another one, and goes on from where it was."""

from __future__ import annotations

from tests.browser.test_live import ALONE
from tests.support.browser import MockCase, Page

# The page's WebSocket, what it said, and a way to have the server end the subscription for want of a grant.
WATCHED = (
    ALONE
    + """
window.asked = 0; window.said = [];
const real = window.WebSocket;
window.WebSocket = function (...given) {
  window.line = new real(...given);
  const send = line.send.bind(line);
  line.send = text => { said.push(JSON.parse(text)); send(text); };
  return line;
};
window.expire = () => {
  const sub = decodeURIComponent(/sub=([^&@]*)/.exec(decodeURIComponent(line.url))[1]);
  const message = line.onmessage;
  real.prototype.send.call(line, JSON.stringify({type: 'unsub', sub: sub}));
  message({data: JSON.stringify({type: 'error', code: 'token', sub: sub})});
};
"""
)


class RenewTests(MockCase):
    """The option `renew`."""

    def opened(self, renew: str) -> Page:
        """A page with a grant, and a way to another one."""
        page = self.plain('o={"token":"old"}', script=WATCHED + f"window.renew = () => {{ asked++; {renew} }};")
        self.until(page, "window.line && line.readyState === 1 && line.url.includes('token=old')")
        self.seed({"text": "Before", "live": True})
        page.wait_for_selector("text=Before")
        return page

    def test_another(self) -> None:
        """It is brought at once, from where the page stood: what was written meanwhile is there, once."""
        page = self.opened("return new Promise(done => { window.done = done; });")
        page.evaluate("expire()")
        self.until(page, "asked === 1")
        self.seed({"text": "Meanwhile", "live": True})
        page.evaluate("done('new')")
        page.wait_for_selector("text=Meanwhile")
        self.seed({"text": "Afterwards", "live": True})
        page.wait_for_selector("text=Afterwards")
        self.soon(lambda: self.assertEqual(sorted(self.texts(page)), ["Afterwards", "Before", "Meanwhile"]))
        wish = page.evaluate("said.filter(m => m.type === 'sub').pop()")
        self.assertEqual((wish["token"], wish["sub"].split("@")[1]), ("new", "1"))

    def test_none(self) -> None:
        """Where there is none any more, or each new one is refused as well, the page is not asked again and again."""
        for renew in ("return null;", "return 'new';"):
            page = self.opened(renew)
            page.evaluate("expire()")
            self.until(page, "asked === 1")
            page.evaluate("expire()")
            page.wait_for_timeout(300)
            self.soon(lambda: self.assertEqual(page.evaluate("asked"), 1))
            self.steer(reset=True)

    def test_first_render(self) -> None:
        """The page is older than its grant: another one is asked for once, and the comments stand."""
        self.seed("Root")
        self.steer(fail=[{"path": "token=old", "status": 401, "times": 9}])
        page = self.plain(
            'o={"token":"old"}', script=ALONE + "window.asked = 0; window.renew = () => { asked++; return 'new'; };"
        )
        page.wait_for_selector("text=Root")
        self.until(page, "performance.getEntriesByType('resource').some(e => e.name.includes('later.js'))")
        self.post(page, "Mine")
        self.soon(lambda: self.assertEqual(page.evaluate("asked"), 1))

    def test_calls(self) -> None:
        """A call of the API whose grant has run out is made again with another one, in the same visitor's name."""
        self.seed(*(f"Comment {n}" for n in range(30)))
        page = self.plain(
            'o={"token":"old"}', script=ALONE + "window.asked = 0; window.renew = () => { asked++; return 'new'; };"
        )
        self.post(page, "Before")
        self.steer(fail=[{"path": "token=old", "status": 401, "times": 9}])
        self.post(page, "After")
        page.click("text=More comments")
        self.until(page, "document.querySelectorAll('.mc-c').length === 32")
        self.soon(lambda: self.assertEqual(page.locator(".mc-badge").count(), 2))
        self.soon(lambda: self.assertEqual(page.evaluate("asked"), 1))

    def test_first_render_without(self) -> None:
        """Where the page has no other grant, its reader is told, and the page is not asked in a loop."""
        self.steer(fail=[{"path": "/bootstrap", "status": 401, "times": 99}])
        page = self.plain(
            'o={"token":"old"}',
            wait="",
            script=ALONE + "window.asked = 0; window.renew = () => { asked++; return null; };",
        )
        page.wait_for_selector("text=Comments can’t be loaded")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(page.evaluate("asked"), 1))
