"""The poll widget against the real daemon: the demo's page of polls, by mouse and keyboard, live in a second window."""

from __future__ import annotations

from twisted.trial.unittest import SkipTest

from tests.browser.libraries import HOSTS
from tests.support.browser import BrowserCase
from tests.support.client import Visitor
from tests.support.daemon import Daemon

AXE = HOSTS / "node_modules" / "axe-core" / "axe.min.js"
# The page around the polls is not theirs to judge.
RUN = """async () => (await axe.run('.mcp-root', {resultTypes: ['violations']})).violations
    .map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join(' | '))"""
LOOKS = {
    "light": ({}, ""),
    "dark phone": ({"viewport": {"width": 360, "height": 740}, "has_touch": True, "color_scheme": "dark"}, ""),
    "right to left": ({}, "?lang=ar&dir=rtl"),
}
# How far everything below each option moves: nothing may.
SHIFTS = "new PerformanceObserver(l => l.getEntries().forEach(e => {window.shift = (window.shift || 0) + e.value}))"
SHIFTS += ".observe({type: 'layout-shift', buffered: false})"


COMMENTS = "window.cackle_widget = [{widget: 'Comment', id: 1, channel: 'with-polls'}];"
FOCUSED = "document.activeElement.shadowRoot.activeElement.closest('[data-option]').dataset.option"


class PollTests(BrowserCase):
    """One daemon for all tests: each has a poll of its own."""

    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if PollTests.daemon is None:
            PollTests.daemon = Daemon()
        self.url = f"{PollTests.daemon.url}/demo/polls"

    def open(self, **options):
        """The page, in a browser of its own."""
        return self.page(self.url, context=self.context(**options), wait="#mc-poll-5 .mcp-poll")

    def votes(self, page, option: str, count: int) -> None:
        """Wait until the first poll shows so many votes of an option."""
        node = f"#mc-poll [data-option='{option}'] .mcp-votes"
        self.until(page, f'document.querySelector("{node}").innerText === "{count} votes"')

    def text(self, page, selector: str) -> str:
        return page.locator(selector).first.inner_text()

    def test_demo_is_dark(self) -> None:
        """On a dark phone the demo's page is dark, as what it holds."""
        page = self.open(color_scheme="dark", viewport={"width": 360, "height": 700})
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(22, 24, 29)"
            )
        )

    def test_vote(self) -> None:
        """A vote by keyboard shows at once, moves nothing, and is seen live elsewhere; it is kept over a reload."""
        one, two = self.open(), self.open()
        for page in (one, two):
            page.evaluate(SHIFTS)
        one.focus("#mc-poll input >> nth=0")
        one.keyboard.press("Space")
        one.keyboard.press("ArrowDown")
        self.soon(
            lambda: self.assertEqual(
                one.evaluate("document.activeElement.closest('[data-option]').dataset.option"), "2"
            )
        )
        one.focus("#mc-poll .mcp-vote")
        one.keyboard.press("Enter")
        for page in (one, two):
            self.votes(page, "2", 18)
            self.soon(lambda: self.assertEqual(self.text(page, '#mc-poll [data-option="2"] .mcp-percent'), "20 %"))
        two.wait_for_timeout(500)
        self.soon(lambda: self.assertEqual(two.evaluate("window.shift || 0"), 0))
        one.reload()
        one.wait_for_selector("#mc-poll .mcp-mine")
        self.soon(lambda: self.assertEqual(one.locator("#mc-poll input:checked").count(), 1))
        one.click("#mc-poll button:has-text('Take my vote back')")
        self.votes(two, "2", 17)

    def test_ranked(self) -> None:
        """Options are ranked by buttons and arrow keys; the rounds are told in words."""
        page = self.open()
        for option in ("2", "4", "1"):
            page.click(f'#mc-poll-3 [data-option="{option}"] .mcp-up')
        page.focus('#mc-poll-3 [data-option="1"] .mcp-up')
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        self.soon(lambda: self.assertEqual(self.text(page, '#mc-poll-3 [data-option="1"] .mcp-up'), "1"))
        page.keyboard.press("ArrowDown")
        self.soon(lambda: self.assertEqual(self.text(page, '#mc-poll-3 [data-option="1"] .mcp-up'), "2"))
        page.click("#mc-poll-3 .mcp-vote")
        self.until(page, "document.querySelector('#mc-poll-3 .mcp-vote').innerText === 'Change my vote'")
        page.click("#mc-poll-3 summary")
        self.soon(lambda: self.assertIn("Round 1", self.text(page, "#mc-poll-3 .mcp-rounds")))

    def test_hidden(self) -> None:
        """What is shown after voting is not there before; the quiz tells what was right."""
        page = self.open()
        self.soon(lambda: self.assertEqual(self.text(page, "#mc-poll-5 .mcp-votes"), ""))
        self.soon(lambda: self.assertEqual(page.locator(".mcp-right").count(), 0))
        page.click("#mc-poll-5 label:has-text('Mars')")
        page.click("#mc-poll-5 .mcp-vote")
        page.wait_for_selector("#mc-poll-5 [data-option='2'].mcp-right")
        self.soon(lambda: self.assertIn("Jupiter turns", self.text(page, "#mc-poll-5")))
        self.soon(lambda: self.assertEqual(page.locator("#mc-poll-5 .mcp-vote").count(), 0))

    def test_languages(self) -> None:
        """In the page's language, right to left as well."""
        page = self.page(f"{self.url}?lang=ru", context=self.context(), wait="#mc-poll .mcp-vote")
        self.until(page, "document.querySelector('#mc-poll .mcp-vote').innerText === 'Голосовать'")

    def test_rounds(self) -> None:
        """A picture of how ballots went, for the eyes, stands above the table; it stays open when somebody votes."""
        page, other = self.open(), self.open()
        page.click("#mc-poll-3 summary")
        self.soon(lambda: self.assertEqual(page.locator("#mc-poll-3 svg[aria-hidden=true] rect").count(), 9))
        self.soon(lambda: self.assertEqual(page.locator("#mc-poll-3 .mcp-rounds tr").count(), 3))
        other.click('#mc-poll-3 [data-option="1"] .mcp-up')
        other.click("#mc-poll-3 .mcp-vote")
        self.until(page, "document.querySelector('#mc-poll-3 [data-option=\"1\"] .mcp-votes').innerText === '15 votes'")
        self.until(page, "document.querySelector('#mc-poll-3 .mcp-rounds').open")

    def test_proposing(self) -> None:
        """What somebody types as a further option stays there, and in focus, while others vote."""
        page, other = self.open(), self.open()
        page.fill("#mc-poll-2 .mcp-write", "Sunday mor")
        before = self.text(page, "#mc-poll-2 [role=status] span")
        other.click("#mc-poll-2 label >> nth=0")
        other.click("#mc-poll-2 .mcp-vote")
        self.until(page, "n => document.querySelector('#mc-poll-2 [role=status] span').innerText !== n", before)
        page.keyboard.type("ning")
        self.soon(lambda: self.assertEqual(page.input_value("#mc-poll-2 .mcp-write"), "Sunday morning"))
        page.click("#mc-poll-2 button:has-text('Propose')")
        self.until(page, "document.querySelector('#mc-poll-2 .mcp-error').innerText.includes('waits for approval')")
        self.soon(lambda: self.assertEqual(page.input_value("#mc-poll-2 .mcp-write"), ""))

    def test_default_place(self) -> None:
        """A poll needs no container to be named: it is ``mc-poll``. One that is not there says so."""
        page = self.open()
        page.wait_for_selector("#mc-poll .mcp-poll")
        page.evaluate("""() => {
            const place = document.createElement('div');
            place.id = 'nowhere';
            document.body.append(place);
            cackle_widget.push({widget: 'Poll', id: 1, pollId: '999', container: 'nowhere'});
        }""")
        self.until(page, "document.querySelector('#nowhere').innerText.includes('There is no such poll')")

    def test_axe(self) -> None:
        """axe-core's rules, in each look: before voting, after it, and with the rounds open."""
        if not AXE.is_file():
            raise SkipTest("axe-core is not installed (scripts/test does that where npm is)")
        for name, (options, query) in LOOKS.items():
            page = self.page(self.url + query, context=self.context(**options), wait="#mc-poll-5 .mcp-poll")
            page.wait_for_selector("#mc-poll-3 .mcp-poll")
            page.evaluate(AXE.read_text())
            self.soon(lambda: self.assertEqual(page.evaluate(RUN), [], name))
            page.click("#mc-poll-5 label >> nth=1")
            page.click("#mc-poll-5 .mcp-vote")
            page.wait_for_selector("#mc-poll-5 .mcp-right")
            page.click("#mc-poll-3 summary")
            page.wait_for_timeout(300)
            self.soon(lambda: self.assertEqual(page.evaluate(RUN), [], f"{name}: answered, rounds open"))

    def comments(self, *, staff: bool):
        """A page with comments, whose authors have the badge of staff or not, as the server says it."""

        def told(route) -> None:
            answer = route.fetch()
            data = answer.json()
            for one in data["page"]["comments"]:
                one["author"] = {**one["author"], "badges": ["staff"] if staff else ["verified"]}
            route.fulfill(response=answer, json=data)

        context = self.context()
        context.route("**/demo/demo.js", lambda route: route.fulfill(body=COMMENTS, content_type="text/javascript"))
        context.route("**/bootstrap?widget=Comment&*", told)
        assert PollTests.daemon is not None
        return self.page(f"{PollTests.daemon.url}/demo?embed=1", context=context, wait=".mc-text")

    def test_in_comments(self) -> None:
        """A line of staff shows a poll below the text, live and by keyboard; hidden results stay hidden; of everybody
        else it is a line of text, and nothing of polls is loaded.
        """
        assert PollTests.daemon is not None
        ann = Visitor(PollTests.daemon.url, 1, "Ann")
        text = "Which one?\n[poll 1]\n\n[poll 4]\n\nThank you, and [poll 2] is no line.\n\n> [poll 3]\n\n[poll 999999]"
        self.assertEqual(ann.post("with-polls", text).status, 201)
        page = self.comments(staff=True)
        for number in range(3):
            page.locator(".mc-poll").nth(number).scroll_into_view_if_needed()
        page.wait_for_selector(".mc-poll:nth-child(2) .mcp-poll")
        shown = page.inner_text(".mc-text")
        for line, there in (("Which one?", True), ("[poll 1]", False), ("[poll 4]", False), ("[poll 2]", True),
                            ("[poll 3]", True)):  # fmt: skip
            self.assertEqual(line in shown, there, line)
        self.soon(lambda: self.assertEqual(page.locator(".mc-poll").count(), 3))
        page.wait_for_selector(".mc-poll:nth-child(3) >> text=There is no such poll.")
        self.soon(lambda: self.assertEqual(page.locator(".mc-poll:nth-child(2) .mcp-votes:not(:empty)").count(), 0))
        first = page.locator(".mc-poll").first
        radio = first.locator("input").first
        self.soon(lambda: self.assertNotEqual(radio.evaluate("n => getComputedStyle(n).appearance"), "none"))
        radio.focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        self.soon(lambda: self.assertEqual(page.evaluate(FOCUSED), "2"))
        before = first.locator(".mcp-votes").nth(1).inner_text()
        first.locator(".mcp-vote").click()
        first.locator(".mcp-mine .mcp-votes").wait_for()
        votes = "document.querySelector('.mc-poll').shadowRoot.querySelectorAll('.mcp-votes')[1].innerText"
        page.wait_for_function(f"was => {votes} !== was", arg=before)
        # The other tests count the votes of this poll.
        first.locator("button:has-text('Take my vote back')").click()
        page.wait_for_function(f"was => {votes} === was", arg=before)
        other = self.comments(staff=False)
        other.wait_for_selector(".mc-tools", state="attached")
        other.wait_for_timeout(500)
        self.soon(lambda: self.assertIn("[poll 1]", other.inner_text(".mc-text")))
        self.soon(lambda: self.assertEqual(other.locator(".mc-poll").count(), 0))
        loaded = other.evaluate("performance.getEntriesByType('resource').map(e => e.name).join(' ')")
        self.assertNotRegex(loaded, r"/polls[.-]|widget=Poll|embed\.js")
