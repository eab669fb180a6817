"""For everybody: axe finds nothing wrong, the keyboard gets everywhere in few steps, what comes is said in words."""

from __future__ import annotations

from urllib.parse import quote

from twisted.trial.unittest import SkipTest

from tests.browser.libraries import HOSTS
from tests.support.browser import MockCase

AXE = HOSTS / "node_modules" / "axe-core" / "axe.min.js"
# The page around the widget is not ours to judge.
RUN = """async () => (await axe.run('.mc-root', {resultTypes: ['violations']})).violations
    .map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join(' | '))"""
RICH = (
    '<p>In the end <span class="spoiler">the gardener</span> did it.</p>'
    '<pre><code class="language-python">def run(): # fast\n    return "a" + 1\n</code></pre>'
    "<p>Plain, <a href='https://a.example/'>linked</a>.</p><blockquote><p>quoted</p></blockquote><ul><li>one</li></ul>"
    f"<pre><code>{'wide ' * 80}</code></pre>"
)
LOOKS = {
    "light": ({}, ""),
    "dark": ({}, "look=dark"),
    "serif": ({}, "look=serif"),
    "phone": ({"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}, ""),
    "right to left": ({}, "dir=rtl&lang=he"),
    "dark phone, right to left": (
        {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
        "look=dark&dir=rtl&lang=ar",
    ),
}


class AccessTests(MockCase):
    def conversation(self) -> None:
        """Something of everything."""
        self.steer(settings={"reactions": [["like", "👍"], ["own", "🦊"]]})
        self.seed(
            {"text": "x", "html": RICH, "name": "Ann", "reactions": {"like": 2}, "featured": True},
            {"text": "An answer", "name": "Ben", "parent": 0},
            {"text": "And another", "name": "Cem", "parent": 1},
            {"text": "Deeper", "name": "Dee", "parent": 2},
            {"text": "Beside", "name": "Eve", "parent": 3},
            {"text": "long words " * 200, "name": "Guest"},
            {"text": "Answered", "deleted": True},
            {"text": "Still there", "parent": 6},
        )

    def clean(self, page, where: str) -> None:
        """axe has nothing to say."""
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(page.evaluate(RUN), [], where))

    def test_axe(self) -> None:
        """axe-core's rules, in each look: empty, a conversation, while writing, a menu, a failed post."""
        if not AXE.is_file():
            raise SkipTest("axe-core is not installed (scripts/test does that where npm is)")
        for name, (options, query) in LOOKS.items():
            self.steer(reset=True)
            page = self.plain(query, **options)
            page.evaluate(AXE.read_text())
            self.clean(page, f"{name}: empty")
            page.context.close()
            self.conversation()
            page = self.plain(query, **options)
            page.evaluate(AXE.read_text())
            self.until(page, "!!Cackle['later.js']")
            self.clean(page, f"{name}: reading")
            page.click(".mc-more.mc-act >> nth=0")
            page.wait_for_selector(".mc-menu")
            self.clean(page, f"{name}: menu")
            page.keyboard.press("Escape")
            page.click(".mc-react >> nth=0")
            page.click(".mc-filter")
            page.click(".mc-entry >> nth=-1")
            page.wait_for_selector(".mc-filtered")
            self.clean(page, f"{name}: some by themselves")
            page.keyboard.press("Escape")
            page.click(".mc-input")
            page.keyboard.type("@")
            page.wait_for_selector(".mc-names")
            self.clean(page, f"{name}: names")
            page.fill(".mc-input", "Some words")
            for n, part in enumerate(("editor", "emoji", "preview")):
                page.click(f".mc-tool >> nth={n}")
                page.wait_for_selector(f".mc-{part}")
            page.wait_for_selector(".mc-preview p")
            self.clean(page, f"{name}: writing")
            self.steer(fail=[{"path": "/comments", "method": "POST", "status": 500, "times": 1}])
            page.fill(".mc-input", "Fails")
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".mc-retry")
            page.wait_for_timeout(2200)
            self.clean(page, f"{name}: failed")
            page.context.close()

    def test_few_stops(self) -> None:
        """A hundred comments: two stops of the Tab key each at most, and one press leads past them all."""
        rows: list = []
        for n in range(25):
            rows.append({"text": f"Root {n}", "name": f"N{n}"})
            rows += [{"text": "Reply", "parent": 4 * n, "name": f"R{n}-{k}"} for k in range(3)]
        self.seed(*rows)
        page = self.plain()
        stops = page.evaluate("[...document.querySelectorAll('.mc-list [tabindex=\"0\"], .mc-list a')].length")
        # The time that links to it and the row of actions; the line beside the replies of each root.
        self.assertEqual(stops, 225)
        page.focus(".mc-sort >> nth=2")
        page.focus(".mc-skip")
        self.soon(
            lambda: self.assertEqual(page.evaluate("getComputedStyle(document.querySelector('.mc-skip')).opacity"), "1")
        )
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-listfoot')")))

    def test_arrows(self) -> None:
        """Within a row of actions arrows move, Home and End to its ends, up and down to the next comment's row."""
        self.seed("One", "Two")
        page = self.plain()
        self.until(page, "!!Cackle['later.js'] && !!document.querySelector('.mc-online.mc-on, .mc-c')")
        self.until(page, "!!Cackle['later.js']")
        page.wait_for_timeout(200)

        def focused() -> str:
            return page.evaluate("document.activeElement.className + '@' + document.activeElement.closest('.mc-c').id")

        page.focus(".mc-up >> nth=0")
        first = focused()
        page.keyboard.press("ArrowRight")
        self.soon(lambda: self.assertIn("mc-down", focused()))
        page.keyboard.press("End")
        self.soon(lambda: self.assertIn("mc-more", focused()))
        page.keyboard.press("ArrowRight")
        self.soon(lambda: self.assertEqual(focused(), first))
        page.keyboard.press("ArrowDown")
        self.soon(lambda: self.assertIn("mc-up", focused()))
        self.soon(lambda: self.assertNotEqual(focused(), first))
        page.keyboard.press("ArrowUp")
        self.soon(lambda: self.assertEqual(focused(), first))
        # The row keeps its one stop where it was last.
        page.keyboard.press("End")
        self.soon(
            lambda: self.assertEqual(page.evaluate("document.querySelectorAll('.mc-acts [tabindex=\"0\"]').length"), 2)
        )
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        self.soon(lambda: self.assertIn("mc-more", focused()))

    def test_arrows_right_to_left(self) -> None:
        """The arrow that points onwards goes onwards."""
        self.seed("One")
        page = self.plain("dir=rtl&lang=he")
        self.until(page, "!!Cackle['later.js']")
        page.wait_for_timeout(200)
        page.focus(".mc-up")
        page.keyboard.press("ArrowLeft")
        self.soon(lambda: self.assertIn("mc-down", page.evaluate("document.activeElement.className")))

    def test_menu_keys(self) -> None:
        """Home, End, and the first letter of an entry; Escape returns."""
        self.seed("One")
        page = self.plain()
        page.focus(".mc-more")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mc-menu")

        def focused() -> str:
            return page.evaluate("document.activeElement.textContent")

        self.soon(lambda: self.assertEqual(focused(), "Copy link"))
        for key, entry in (("End", "Block author"), ("Home", "Copy link"), ("r", "Report"), ("B", "Block author"),
                           ("ArrowDown", "Copy link"), ("ArrowUp", "Block author"), ("z", "Block author")):  # fmt: skip
            page.keyboard.press(key)
            self.soon(lambda: self.assertEqual(focused(), entry, key))
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-more')")))

    def test_labels(self) -> None:
        """No two authors' buttons are called the same, and each name holds the words that are seen."""
        self.seed({"text": "One", "name": "Ann"}, {"text": "Two", "name": "Ben"})
        page = self.plain()
        labels = page.evaluate(
            "[...document.querySelectorAll('.mc-acts .mc-press')].map(n => [n.getAttribute('aria-label'), n.innerText])"
        )
        self.assertEqual(len({label for label, _ in labels}), 8)
        self.assertIn("Vote up Ann’s comment", [label for label, _ in labels])
        for label, text in labels:
            self.assertIn(text.strip(), label)

    def test_nothing_empty(self) -> None:
        """No list without entries is announced, and what scrolls can be focused."""
        page = self.plain()
        self.soon(
            lambda: self.assertEqual(page.evaluate("document.querySelectorAll('[role=list]:not([hidden])').length"), 0)
        )
        page.context.close()
        self.conversation()
        page = self.plain()
        self.soon(lambda: self.assertFalse(page.is_hidden(".mc-list")))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-text pre", "tabindex"), "0"))

    def test_announced(self) -> None:
        """What comes is said at once, however many: who wrote, and how it begins."""
        self.seed("Here")
        page = self.plain()
        self.until(page, "!!document.querySelector('.mc-online.mc-on') || !!Cackle['later.js']")
        page.wait_for_timeout(500)
        self.seed({"text": "Good morning to all", "name": "Zoe", "live": True})
        self.until(page, "document.querySelector('.mc-hidden[aria-live]').textContent !== ''")
        self.soon(
            lambda: self.assertEqual(
                page.text_content(".mc-hidden[aria-live]"), "New comment by Zoe: Good morning to all"
            )
        )
        self.seed(
            {"text": "word " * 60, "name": "Yan", "live": True},
            {"text": "x", "html": "<p>One.</p><p>Two &lt;b&gt;.</p>", "name": "Xia", "live": True},
        )
        self.until(page, "document.querySelector('.mc-hidden[aria-live]').textContent.startsWith('2 new comments. ')")
        said = page.text_content(".mc-hidden[aria-live]")
        self.assertIn("Yan: word word", said)
        self.assertIn("Xia: One. Two <b>.", said)
        self.assertLess(len(said), 200)


class LookTests(MockCase):
    def test_folded(self) -> None:
        """A long text is folded until it is asked for; a short one is not; nothing moves before."""
        self.seed("short", "words " * 300, "line\n\n" * 40)
        page = self.plain()
        self.soon(lambda: self.assertEqual(page.locator(".mc-all").count(), 2))
        self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0))
        before = page.evaluate("document.querySelector('.mc-cut').getBoundingClientRect().height")
        page.focus(".mc-all >> nth=0")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertEqual(page.locator(".mc-all").count(), 1))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-c')")))
        after = page.evaluate("Math.max(...[...document.querySelectorAll('.mc-text')].map(n => n.scrollHeight))")
        self.assertGreater(after, before)
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("getComputedStyle(document.querySelectorAll('.mc-text')[0]).maskImage"), "none"
            )
        )

    def test_folded_and_focused(self) -> None:
        """What is focused within a folded text can be seen."""
        self.seed({"text": "x", "html": f"<p>{'words ' * 300}<a href='https://a.example/'>there</a></p>"})
        page = self.plain()
        page.focus(".mc-text a")
        self.soon(lambda: self.assertEqual(page.locator(".mc-cut").count(), 0))

    def test_own_text_is_whole(self) -> None:
        """What was just written is not folded away from its author."""
        page = self.plain()
        self.post(page, "words " * 400)
        self.soon(lambda: self.assertEqual(page.locator(".mc-cut").count(), 0))

    def test_beside_the_face(self) -> None:
        """In a right-to-left page a short Latin text stands beside its author's face, and reads left to right."""
        self.seed({"text": "Short.", "name": "Tom"}, {"text": "x", "html": "<p>שלום</p><p>Latin too.</p>"})
        page = self.plain("dir=rtl&lang=he")
        rows = page.evaluate("""() => [...document.querySelectorAll('.mc-text > p')].map(p => {
            const range = document.createRange(); range.selectNodeContents(p);
            return [getComputedStyle(p).direction, Math.round(range.getBoundingClientRect().right),
                    Math.round(p.closest('.mc-main').getBoundingClientRect().right)]; })""")
        self.assertEqual(sorted(row[0] for row in rows), ["ltr", "ltr", "rtl"])
        for _, text, edge in rows:
            self.assertLessEqual(edge - text, 1)

    def test_foot(self) -> None:
        """Cancel stands beside the button it undoes, at the end; on a phone each bar is one row."""
        self.seed("One")
        page = self.plain(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
        page.tap(".mc-reply")
        page.tap(".mc-slot .mc-tool >> nth=0")
        page.wait_for_selector(".mc-editor")
        boxes = page.evaluate("""() => ['.mc-tools', '.mc-cancel', '.mc-formbtn', '.mc-foot', '.mc-editor'].map(s => {
            const b = document.querySelector('.mc-slot ' + s).getBoundingClientRect();
            return [b.left, b.right, b.top, b.bottom, b.height]; })""")
        tools, cancel, submit, foot, editor = boxes
        self.assertLess(tools[1], cancel[0])
        self.assertLess(cancel[1], submit[0])
        self.assertLess(submit[0] - cancel[1], 30)
        self.assertLess(foot[1] - submit[1], 16)
        self.assertLess(foot[4], 64)
        self.assertLess(editor[4], 64)
        self.soon(lambda: self.assertEqual(page.evaluate("[...document.querySelectorAll('.mc-mark svg')].length"), 7))

    def test_preview(self) -> None:
        """The preview is the server's own rendering, follows the words, and goes with them."""
        page = self.plain()
        page.click(".mc-input")
        page.fill(".mc-input", "<b>first</b>")
        page.click(".mc-tool >> nth=2")
        page.wait_for_selector(".mc-preview p")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-preview p"), "<b>first</b>"))
        page.fill(".mc-input", "second")
        page.wait_for_selector(".mc-preview >> text=second")
        page.fill(".mc-input", "")
        page.wait_for_selector("text=Nothing to preview yet.")
        self.steer(fail=[{"path": "/preview", "status": 429, "retry": 1}])
        page.fill(".mc-input", "third")
        page.wait_for_selector(".mc-preview >> text=third")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-c")
        self.until(page, "!document.querySelector('.mc-preview')")

    def test_emoji(self) -> None:
        """Emoji stand behind one button; Escape shuts them."""
        page = self.plain()
        page.click(".mc-input")
        self.soon(lambda: self.assertEqual(page.locator(".mc-emoji").count(), 0))
        page.click(".mc-tool >> nth=1")
        page.wait_for_selector(".mc-emoji")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), "🙂"))
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mc-emoji").count(), 0))
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.getAttribute('aria-label')"), "Emoji"))

    def test_far_below(self) -> None:
        """In the order "old" one's own comment comes last: no jump, but a word, and the way there."""
        self.seed(*(f"Comment {n}" for n in range(25)))
        page = self.plain("o=" + quote('{"sort": "old"}'))
        self.post(page, "Mine")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertLess(page.evaluate("scrollY"), 50))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-pill"), "Your comment is at the end. Show it"))
        self.soon(lambda: self.assertIn("at the end", page.text_content(".mc-hidden[aria-live]")))
        page.keyboard.press("Enter")
        self.until(page, "scrollY > 500")
        self.until(page, "document.querySelector('.mc-pill').hidden")

    def test_errors_are_readable(self) -> None:
        """An error is not smaller than 15 px, and says what happened and that nothing is lost."""
        page = self.plain()
        self.steer(fail=[{"path": "/comments", "method": "POST", "status": 503, "times": 9}])
        page.click(".mc-input")
        page.fill(".mc-input", "Words")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-error:not(:empty)")
        self.soon(
            lambda: self.assertGreaterEqual(
                page.evaluate("parseFloat(getComputedStyle(document.querySelector('.mc-acts .mc-error')).fontSize)"), 15
            )
        )
        self.soon(
            lambda: self.assertEqual(
                page.inner_text(".mc-acts .mc-error"),
                "Not sent. The server can’t take this right now. Your text is safe.",
            )
        )

    def test_just_came(self) -> None:
        """What just came is plainly tinted."""
        self.seed("Here")
        page = self.plain()
        self.until(page, "!!Cackle['later.js']")
        page.wait_for_timeout(300)
        page.add_style_tag(content=".mc-fresh { animation-play-state: paused !important }")
        self.seed({"text": "Fresh", "live": True})
        page.wait_for_selector(".mc-fresh, .mc-pill:not([hidden])")
        if page.is_visible(".mc-pill"):
            page.click(".mc-pill")
        page.wait_for_selector(".mc-fresh")
        alpha = page.evaluate("""() => {
            const x = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
            x.fillStyle = getComputedStyle(document.querySelector('.mc-fresh')).backgroundColor; x.fillRect(0, 0, 1, 1);
            return x.getImageData(0, 0, 1, 1).data[3] / 255; }""")
        self.assertGreater(alpha, 0.15)
