"""What few polls need, in Chromium: signing in, names of voters, ranking, videos, what is asked for and until when."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.browser.test_polls import AXE, RUN
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon

SECRET = "poll-secret"
SEND = """async ([path, body]) => {
    const headers = {'content-type': 'application/json', 'x-cackled-panel': '1'};
    const answer = await fetch('/api/v1' + path, {method: 'POST', headers, body: JSON.stringify(body)});
    return [answer.status, await answer.json()];
}"""
ORDER = "[...document.querySelectorAll('#mc-poll [data-option]')].map(n => n.dataset.option).join('')"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}


def words_of(name: str) -> str:
    """What the site's own server says of somebody who is signed in there."""
    value = {"id": name, "name": name.title(), "email": f"{name}@visitor.example"}
    data = base64.b64encode(json.dumps(value).encode()).decode()
    stamp = int(time.time())
    return f"{data} {hashlib.md5(f'{data}{SECRET}{stamp}'.encode()).hexdigest()} {stamp}"


class PollKindTests(BrowserCase):
    """One daemon, one owner who makes the polls."""

    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if PollKindTests.daemon is None:
            made = PollKindTests.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
            made.admin("site set 1 identity.sign_in yes")
            made.admin(f"site set 1 identity.cackle_secret {SECRET}")
            made.admin("site set 1 identity.cackle_sso yes")
        self.url = PollKindTests.daemon.url

    def make(self, **poll: Any) -> str:
        """A poll of site 1; its id."""
        assert PollKindTests.daemon is not None
        told = PollKindTests.daemon.admin("account add polls@staff.example --role owner --site 1")
        page = self.page(told["link"], context=self.context(), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        options = [{"text": one} for one in ("Red", "Green", "Blue", "White")]
        body = {"question": "Which colour?", "options": options, "burst": 0, **poll}
        status, saved = page.evaluate(SEND, ["/sites/1/polls", body])
        self.assertEqual(status, 201, saved)
        page.context.close()
        return str(saved["id"])

    def open(self, poll: str, look: dict[str, Any] | None = None, direction: str = "ltr", **options: Any) -> Any:
        """A page with that poll alone."""
        entry = {"widget": "Poll", "id": 1, "pollId": poll, **options}
        script = f"document.documentElement.dir = '{direction}'; window.cackle_widget = [{json.dumps(entry)}];"
        context = self.context(**(look or {}))
        context.route("**/demo/polls.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        return self.page(f"{self.url}/demo/polls", context=context, wait="#mc-poll .mcp-poll")

    def says(self, page: Any, words: str) -> None:
        """The poll says that, soon."""
        self.soon(lambda: self.assertIn(words, page.inner_text("#mc-poll")))

    def clean(self, page: Any, name: str) -> None:
        """axe-core finds nothing."""
        if not AXE.is_file():
            raise SkipTest("axe-core is not installed (scripts/test does that where npm is)")
        page.evaluate(AXE.read_text())
        self.soon(lambda: self.assertEqual(page.evaluate(RUN), [], name))

    def test_said(self) -> None:
        """How many are asked for, until when, and when results come; a vote that is not whole can't be sent."""
        closes = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
        poll = self.make(kind="multiple", min=2, max=3, results="closed", closes_at=closes)
        for name, look in LOOKS.items():
            page = self.open(poll, look)
            for words in ("To choose: 2–3", "Closes ", "Results come when it closes"):
                self.says(page, words)
            vote = page.locator("#mc-poll .mcp-vote")
            page.locator("#mc-poll input").nth(0).check()
            self.soon(lambda: self.assertTrue(vote.is_disabled()))
            page.locator("#mc-poll input").nth(1).check()
            self.soon(lambda: self.assertTrue(vote.is_enabled()))
            self.clean(page, name)
        vote.click()
        self.says(page, "You have voted")
        self.soon(lambda: self.assertEqual(page.locator("#mc-poll .mcp-votes:not(:empty)").count(), 0))
        page = self.open(poll, direction="rtl", lang="ar")
        self.says(page, "عدد الخيارات")
        self.clean(page, "right to left")

    def test_mirrored(self) -> None:
        """From right to left: words of any language begin at the right, as do bars and the mark of what was right,
        which is told in words; before there are numbers no bar says that there are none.
        """
        options = [{"text": "Mars"}, {"text": "Jupiter", "correct": True}]
        page = self.open(self.make(kind="quiz", options=options, results="voted"), direction="rtl", lang="ar")
        looks = "([name, what]) => [...document.querySelectorAll(name)].map(n => getComputedStyle(n)[what])"
        self.assertEqual(set(page.evaluate(looks, [".mcp-option-text, .mcp-topic-text", "textAlign"])), {"right"})
        self.assertEqual(page.evaluate(looks, [".mcp-bar", "visibility"]), ["hidden"] * 2)
        page.click("#mc-poll label:has-text('Mars')")
        page.click("#mc-poll .mcp-vote")
        right = page.locator("#mc-poll .mcp-right")
        right.get_by_text("✓ الإجابة الصحيحة").wait_for()
        self.soon(lambda: self.assertEqual(page.evaluate(looks, [".mcp-bar", "visibility"]), ["visible"] * 2))
        (shadow,) = page.evaluate(looks, [".mcp-right", "boxShadow"])
        self.assertRegex(shadow, r"(^|\s)-\d")
        self.clean(page, "mirrored")

    def test_ranked_in_line(self) -> None:
        """What gives an option its place stands where its bar begins, and its words right after that."""
        page = self.open(self.make(kind="ranked"), LOOKS["phone"])
        page.wait_for_selector("#mc-poll .mcp-up")
        at = "name => document.querySelector('#mc-poll [data-option=\\'2\\'] ' + name).getBoundingClientRect().%s"
        left, words = page.evaluate(at % "left", ".mcp-up"), page.evaluate(at % "left", ".mcp-option-text")
        self.assertAlmostEqual(left, page.evaluate(at % "left", ".mcp-bar"), delta=1)
        self.assertLess(words - page.evaluate(at % "right", ".mcp-up"), 24)
        page.locator('#mc-poll [data-option="2"] .mcp-up').tap()
        page.wait_for_selector("#mc-poll [data-option='2'] .mcp-grip:not(:empty)")

    def test_names(self) -> None:
        """A poll of people who signed in: strangers are asked to; names are shown, and that is said first."""
        poll = self.make(identity="account", voters_shown=True)
        page = self.open(poll)
        self.says(page, "Sign in to vote.")
        self.says(page, "Names of voters are shown")
        page.click("#mc-poll .mcp-signin")
        page.wait_for_selector("#mc-poll .mc-ways")
        page.click("#mc-poll .mcp-signin")
        page.wait_for_selector("#mc-poll .mc-ways", state="detached")
        ann = self.open(poll, ssoAuth=words_of("ann"))
        ann.locator("#mc-poll .mcp-signin").wait_for(state="detached")
        ann.click("#mc-poll label:has-text('Green')")
        ann.click("#mc-poll .mcp-vote")
        self.says(ann, "You have voted")
        # It is seen live by the one who only looks on.
        self.says(page, "1 voter")
        page.click("#mc-poll summary:has-text('Who voted')")
        self.says(page, "Ann")
        self.soon(lambda: self.assertRegex(page.inner_text("#mc-poll .mcp-names:has-text('Ann')"), r"^Green\s+Ann$"))
        self.clean(page, "names")

    def test_dragged(self) -> None:
        """Ranked by mouse, by finger and by keys: each leads to the order that is sent."""
        poll = self.make(kind="ranked")
        page = self.open(poll)
        for option in ("1", "2", "3"):
            page.click(f'#mc-poll [data-option="{option}"] .mcp-up')
        self.until(page, f"{ORDER} === '1234'")
        page.locator('#mc-poll [data-option="3"] .mcp-option-text').drag_to(
            page.locator('#mc-poll [data-option="1"] .mcp-option-text')
        )
        self.until(page, f"{ORDER} === '3124'")
        page.focus('#mc-poll [data-option="2"] .mcp-up')
        page.keyboard.press("ArrowUp")
        self.until(page, f"{ORDER} === '3214'")
        page.click("#mc-poll .mcp-vote")
        self.says(page, "You have voted")
        page.reload()
        page.wait_for_selector("#mc-poll .mcp-mine")
        self.until(page, f"{ORDER} === '3214'")
        self.fingers(poll)

    def fingers(self, poll: str) -> None:
        """On a phone."""
        page = self.open(poll, LOOKS["phone"])
        for option in ("4", "2"):
            page.locator(f'#mc-poll [data-option="{option}"] .mcp-up').tap()
        self.until(page, f"{ORDER} === '4213'")
        wire = page.context.new_cdp_session(page)

        def at(selector: str) -> dict[str, float]:
            box = page.locator(selector).bounding_box()
            assert box is not None
            return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

        page.locator('#mc-poll [data-option="2"]').scroll_into_view_if_needed()
        start, over = at('#mc-poll [data-option="2"] .mcp-grip'), at('#mc-poll [data-option="4"]')
        half = {"x": start["x"], "y": (start["y"] + over["y"]) / 2}
        for kind, points in (
            ("touchStart", [start]), ("touchMove", [half]), ("touchMove", [over]), ("touchEnd", []),
        ):  # fmt: skip
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.until(page, f"{ORDER} === '2413'")
        self.clean(page, "phone")

    def test_videos(self) -> None:
        """Nothing of the other site is asked for before somebody plays the video."""
        options = [
            {"text": "Duck", "video": "https://youtu.be/dQw4w9WgXcQ"},
            {"text": "Goose", "video": "https://vimeo.com/76979871"},
        ]
        poll = self.make(options=options)
        # The demo's own policy forbids frames; other people's pages do not.
        page = self.open(poll, {"bypass_csp": True})
        foreign: list[str] = []
        page.context.route("https://**", lambda route: (foreign.append(route.request.url), route.abort()))
        page.reload()
        page.wait_for_selector("#mc-poll .mcp-poll")
        self.clean(page, "videos")
        self.assertEqual(foreign, [])
        with page.expect_request("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?**"):
            page.click("#mc-poll button:has-text('Play: Duck')")
        page.wait_for_selector("#mc-poll iframe[title=Duck]", state="attached")
