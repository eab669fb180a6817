"""The comments widget by itself: reading, writing, drafts, errors, keyboard, hostile text, strict hosts."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

from tests.support.browser import MockCase

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<a href='javascript:window.hacked=1'>x</a><a href=\"&#106;avascript:window.hacked=1\">y</a>",
    "<svg><a xlink:href='javascript:window.hacked=1'><text>z</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hacked=1></style></mglyph></table></mtext></math>",
    "<p onclick='window.hacked=1' style='position:fixed;inset:0'>covers</p>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe><object data=x></object>",
    "<form action=x><input name=a></form>",
    "<b><i><b>unclosed <",
    "<a href='https://ok.example/?a=1&amp;b=2' target=_self onclick=window.hacked=1>fine</a>",
]
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws:; img-src https:; "
    "require-trusted-types-for 'script'; trusted-types cackle"
)
OLD = 86_400 * 3


class ReadingTests(MockCase):
    def test_structure(self) -> None:
        """Names, times, votes and nested replies, as lists to a screen reader."""
        ids = self.seed(
            {"text": "Root", "name": "Ann", "up": 3, "score": 3, "ago": OLD},
            {"text": "Reply", "name": "Ben", "parent": 0},
        )
        page = self.plain()
        tree = page.evaluate("""() => [...document.querySelectorAll('[role=listitem]')].map(n => ({
            id: n.id, parent: n.parentNode.getAttribute('role'), depth: document.querySelectorAll('#' + n.id).length,
            name: n.querySelector('.mc-name').textContent, iso: n.querySelector('time').dateTime,
            full: n.querySelector('time').title}))""")
        self.assertEqual([row["name"] for row in tree], ["Ann", "Ben"])
        self.assertEqual([row["id"] for row in tree], [f"mc-{cid}" for cid in ids])
        self.assertEqual({row["parent"] for row in tree}, {"list"})
        self.soon(lambda: self.assertEqual(page.inner_text("time >> nth=0"), "3 days ago"))
        self.assertIn(tree[0]["iso"][:4], tree[0]["full"])
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-time", "href"), f"#mc-{ids[0]}"))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-up", "aria-pressed"), "false"))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "2 comments"))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-name", "dir"), "auto"))

    def test_nothing_paints_outside(self) -> None:
        """Names and texts paint nothing outside of their boxes: towers of marks would (a shadow stands for them)."""
        self.seed({"text": "Word", "name": "Ben", "ago": OLD}, {"text": "Plain", "name": "Ann", "ago": OLD})
        page = self.plain()
        page.wait_for_selector("text=Plain")
        page.add_style_tag(content=".mc-name, .mc-to, .mc-text { text-shadow: 0 -60px red, 0 90px red }")
        shadow = page.evaluate("getComputedStyle(document.querySelector('.mc-text')).textShadow")
        self.assertIn("-60px", shadow)
        red = """async shot => {
            const image = await createImageBitmap(await (await fetch("data:image/png;base64," + shot)).blob());
            const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            const dots = canvas.getImageData(0, 0, image.width, image.height).data;
            let count = 0;
            for (let i = 0; i < dots.length; i += 4) count += dots[i] > 200 && dots[i + 1] < 90 && dots[i + 2] < 90;
            return count;
        }"""

        def painted() -> int:
            return page.evaluate(red, b64encode(page.screenshot()).decode())

        self.assertEqual(painted(), 0)
        page.add_style_tag(content=".mc-name, .mc-text { overflow: visible }")
        self.assertGreater(painted(), 20)

    def test_one_request(self) -> None:
        """The first render asks the API one thing."""
        self.seed("Only one")
        self.plain().wait_for_selector("text=Only one")
        self.soon(lambda: self.assertEqual([line.split("?")[0] for line in self.steer()["log"]], ["GET /bootstrap"]))

    def test_empty(self) -> None:
        """No comments: an invitation."""
        page = self.plain()
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-empty"), "No comments yet. Be the first."))
        self.soon(lambda: self.assertFalse(page.is_visible(".mc-sorts")))

    def test_nothing_jumps(self) -> None:
        """Layout shift is 0 with something below the widget, empty or full, quick or slow."""
        self.seed(*(f"Comment {n}" for n in range(12)), channel="full")
        for channel in ("full", "none"):
            for delay in (0, 0.7):
                if delay:
                    self.steer(fail=[{"path": "/bootstrap", "status": 200, "delay": delay}])
                page = self.plain(f"channel={channel}")
                page.wait_for_timeout(400)
                self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0, (channel, delay)))

    def test_skeleton_waits(self) -> None:
        """Quiet shapes in the place of what comes, after 300 ms: while the answer is slow, and while the script is."""
        shapes = """() => {
            const node = document.getElementById('mc-container'), style = node && getComputedStyle(node, '::before');
            return node && style.content !== 'none' && style.backgroundImage.includes('gradient')
                && style.animationDelay === '0.3s'; }"""
        self.steer(fail=[{"path": "/bootstrap", "status": 200, "delay": 2}])
        page = self.plain(wait="")
        self.until(page, shapes)
        page.wait_for_selector(".mc-header")
        self.soon(lambda: self.assertFalse(page.evaluate(shapes)))
        self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0))
        context = self.context()
        # Never answered.
        held: list = []
        context.route("**/comments.js", lambda route: held.append(route))
        page = context.new_page()
        page.goto(f"{self.base}/pages/plain.html", wait_until="commit")
        self.until(page, shapes)
        self.until(page, "!window.Cackle?.widgets?.Comment")
        held[0].abort()

    def test_served_text_stays_until_then(self) -> None:
        """Comments that the site printed inside the container are read until the live ones stand."""
        self.seed("Live")
        self.steer(fail=[{"path": "/bootstrap", "status": 200, "delay": 4}])
        page = self.plain(
            wait="",
            script="""
            addEventListener('DOMContentLoaded', () => {
                const p = document.createElement('p'); p.id = 'mc-content'; p.textContent = 'Printed';
                document.getElementById('mc-container').append(p); });
        """,
        )
        self.until(page, "!!window.Cackle?.widgets?.Comment")
        page.wait_for_timeout(100)
        self.soon(lambda: self.assertTrue(page.is_visible("text=Printed")))
        page.wait_for_selector("text=Live")
        self.soon(lambda: self.assertEqual(page.locator("#mc-content").count(), 0))

    def test_pages(self) -> None:
        """More comments come by cursor, none twice, and the keyboard goes on at the first new one."""
        self.seed(*({"text": f"Comment {n}", "ago": 1000 - n} for n in range(30)))
        page = self.plain("o=" + quote('{"size": 10}'))
        self.soon(lambda: self.assertEqual(page.locator(".mc-c").count(), 10))
        for count in (20, 30):
            page.click("text=More comments")
            self.until(page, f"document.querySelectorAll('.mc-c').length === {count}")
        self.soon(lambda: self.assertFalse(page.is_visible("text=More comments")))
        self.soon(lambda: self.assertEqual(len(set(self.texts(page))), 30))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.className.includes('mc-c')")))

    def test_more_replies(self) -> None:
        """Replies that are not on the page are a button away."""
        self.seed("Root", *({"text": f"Reply {n}", "parent": 0} for n in range(60)))
        page = self.plain()
        page.click("text=Show 10 more replies")
        self.until(page, "document.querySelectorAll('.mc-c').length === 61")
        self.soon(lambda: self.assertEqual(page.locator("text=more repl").count(), 0))

    def test_sort(self) -> None:
        """Another order, and it is remembered."""
        self.seed({"text": "Best", "score": 9}, {"text": "Newest"})
        page = self.plain()
        self.soon(lambda: self.assertEqual(self.texts(page), ["Best", "Newest"]))
        page.click(".mc-sort >> text=New")
        self.until(page, "document.querySelector('.mc-text').innerText === 'Newest'")
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-sort >> text=New", "aria-pressed"), "true"))
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Newest", "Best"]))

    def test_collapse(self) -> None:
        """A branch folds by its line and unfolds, with the keyboard; focus goes along."""
        self.seed("Root", {"text": "Reply", "parent": 0})
        page = self.plain()
        page.focus(".mc-thread")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertFalse(page.is_visible("text=Reply >> nth=-1") and page.is_visible(".mc-replies")))
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.textContent"), "1 reply"))
        page.keyboard.press("Space")
        self.soon(lambda: self.assertTrue(page.is_visible(".mc-replies")))
        self.soon(
            lambda: self.assertEqual(page.evaluate("document.activeElement.className.includes('mc-thread')"), True)
        )

    def test_depth(self) -> None:
        """Past three levels replies stop moving inwards and say whom they answer."""
        self.seed("L0", *({"text": f"L{n}", "parent": n - 1, "name": f"N{n}"} for n in range(1, 6)))
        page = self.plain()
        lefts = page.evaluate(
            "[...document.querySelectorAll('.mc-body')].map(n => Math.round(n.getBoundingClientRect().left))"
        )
        self.assertEqual(len(set(lefts[:4])), 4)
        self.assertEqual(len(set(lefts[3:])), 1)
        self.soon(lambda: self.assertIn("to \u2068N4\u2069", page.locator(".mc-to").last.text_content()))

    def test_link_to_comment(self) -> None:
        """#mc-ID scrolls there, also to a reply on a page that isn't loaded."""
        ids = self.seed(
            {"text": "Old root", "ago": 9999},
            {"text": "Sought", "parent": 0},
            *(f"Comment {n}\n\na\n\nb" for n in range(30)),
        )
        context = self.context()
        page = context.new_page()
        page.goto(f"{self.base}/pages/plain.html?o={quote(json.dumps({'sort': 'new', 'size': 10}))}#mc-{ids[1]}")
        page.wait_for_selector("text=Sought")
        self.until(
            page,
            "(r => r.top > 0 && r.bottom < innerHeight)([...document.querySelectorAll('.mc-text')]"
            ".find(n => n.innerText === 'Sought').getBoundingClientRect())",
        )

    def test_links_stay_on_the_page(self) -> None:
        """A page with a base of its own, as many applications have: a comment's link still is one into this page."""
        root = self.seed("Root")[0]
        page = self.context().new_page()
        page.route(
            "**/pages/plain.html",
            lambda route: route.fulfill(
                body=route.fetch().text().replace("<head>", '<head><base href="/elsewhere/">'), content_type="text/html"
            ),
        )
        page.goto(f"{self.base}/pages/plain.html")
        page.click(".mc-time")
        self.assertEqual(page.url, f"{self.base}/pages/plain.html#mc-{root}")

    def test_linked_elsewhere(self) -> None:
        """The comment of another page is not shown here: it is said where it is, with a link where that is known."""
        there = self.seed("Said elsewhere", channel="other")[0]
        self.seed("Said here")
        for url, link in (("", 0), ("https://site.example/other", 1)):
            self.steer(urls={"other": url})
            page = self.plain()
            page.evaluate("id => { location.hash = 'mc-' + id; }", there)
            page.wait_for_selector(".mc-bar.mc-on >> text=The linked comment is on another page.")
            self.soon(lambda: self.assertEqual(page.locator(".mc-bar a").count(), link))
            if link:
                self.soon(lambda: self.assertEqual(page.get_attribute(".mc-bar a", "href"), f"{url}#mc-{there}"))
            self.soon(lambda: self.assertEqual(self.texts(page), ["Said here"]))
            page.context.close()
        # What was said on this page, when its conversation was another one.
        page = self.plain()
        self.steer(urls={"other": page.url})
        page.evaluate("id => { location.hash = 'mc-' + id; }", there)
        page.wait_for_selector(".mc-bar.mc-on >> text=The linked comment is no longer there.")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Said here"]))

    def test_deleted_keeps_its_place(self) -> None:
        """A tombstone for a deleted comment with replies."""
        self.seed({"text": "", "deleted": True}, {"text": "Still here", "parent": 0})
        page = self.plain()
        self.soon(lambda: self.assertTrue(page.is_visible("text=This comment was deleted")))
        self.soon(lambda: self.assertTrue(page.is_visible("text=Still here")))

    def test_hostile_html(self) -> None:
        """Even if the server let markup through: nothing runs, only allowed elements and attributes exist."""
        self.seed(*({"text": "x", "html": html, "name": html} for html in HOSTILE))
        page = self.plain()
        page.wait_for_timeout(300)
        found = page.evaluate("""() => [...document.querySelectorAll('.mc-text *')].map(n =>
            [n.localName, ...[...n.attributes].map(a => a.name).filter(a => !/^(href|rel|target|dir)$/.test(a))])""")
        self.assertEqual({tuple(f) for f in found} - {("p",), ("a",), ("b",), ("i",)}, set())
        hrefs = page.evaluate("[...document.querySelectorAll('.mc-text a')].map(a => a.getAttribute('href'))")
        self.assertEqual([h for h in hrefs if h], ["https://ok.example/?a=1&b=2"])
        self.soon(lambda: self.assertIsNone(page.evaluate("window.hacked ?? null")))

    def test_strict_host(self) -> None:
        """Under default-src 'none' with the documented line, and with Trusted Types enforced, everything works."""
        page = self.plain("csp=" + quote(STRICT))
        self.post(page, "Under strict rules")
        page.click(".mc-tool >> nth=0", force=True) if page.is_visible(".mc-tool") else page.click(".mc-input")
        page.click(".mc-more >> nth=0")
        page.wait_for_selector(".mc-menu")

    def test_languages(self) -> None:
        """lang of the widget, else of the page; overrides by msg; plurals."""
        self.seed("1", "2", "3")
        page = self.plain("lang=ru")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "3 комментария"))
        page = self.plain("lang=ru&o=" + quote('{"lang": "ja", "msg": {"join": "Say it"}}'))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "3 件のコメント"))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-input", "placeholder"), "Say it"))
        page = self.plain("lang=xx")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "3 comments"))

    def test_right_to_left(self) -> None:
        """In a right-to-left page avatars stand right, and nothing is cut off."""
        self.seed({"text": "שלום", "name": "יעל"}, {"text": "English", "parent": 0})
        page = self.plain("dir=rtl&lang=he", viewport={"width": 360, "height": 700})
        boxes = page.evaluate("[...document.querySelectorAll('.mc-avatar')].map(n => n.getBoundingClientRect().right)")
        self.assertGreater(min(boxes), 250)
        self.soon(lambda: self.assertFalse(page.evaluate("document.documentElement.scrollWidth > innerWidth")))

    def test_long_words(self) -> None:
        """A word of 2,000 letters and a name of 200 break; the page doesn't scroll sideways, even at 320 px."""
        self.seed(
            {"text": "a" * 2000, "name": "W" * 200},
            {"text": "x", "html": "<pre><code>" + "y" * 500 + "</code></pre>", "parent": 0},
        )
        page = self.plain(viewport={"width": 320, "height": 700})
        self.soon(lambda: self.assertFalse(page.evaluate("document.documentElement.scrollWidth > innerWidth")))

    def test_contrast(self) -> None:
        """Quiet text keeps 4.5:1 on white and on dark."""
        self.seed("Text")
        for look in ("", "dark", "serif", "picture"):
            page = self.plain(f"look={look}")
            ratio = page.evaluate("""() => {
                const draw = c => {
                    const x = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
                    x.fillStyle = c; x.fillRect(0, 0, 1, 1); return [...x.getImageData(0, 0, 1, 1).data]; };
                const over = (f, b) => f.slice(0, 3).map((v, i) => v * f[3] / 255 + b[i] * (1 - f[3] / 255));
                const lum = c => { const l = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                    return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
                const root = document.querySelector('.mc-root');
                const paper = draw(getComputedStyle(root).getPropertyValue('--mc-paper'));
                return Math.min(...['.mc-t', '.mc-acts', '.mc-typing', '.mc-sort', '.mc-formbtn'].map(s => {
                    const n = document.querySelector(s), style = getComputedStyle(n);
                    const back = s === '.mc-formbtn' ? draw(style.backgroundColor) : paper;
                    const a = lum(over(draw(style.color), back)) + .05, b = lum(back.slice(0, 3)) + .05;
                    return a > b ? a / b : b / a; }));
            }""")
            self.assertGreaterEqual(ratio, 4.5, look)

    def test_touch_targets(self) -> None:
        """On touch every control is at least 40 px high."""
        self.seed("Text", {"text": "Reply", "parent": 0})
        page = self.plain(viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
        page.tap(".mc-input")
        heights = page.evaluate("""() =>
            [...document.querySelectorAll('.mc-root [role=button], .mc-root button, .mc-root textarea')]
            .filter(n => n.offsetParent && !n.classList.contains('mc-thread'))
            .map(n => [n.className, n.getBoundingClientRect().height])""")
        self.assertGreater(len(heights), 8)
        self.assertEqual([row for row in heights if row[1] < 40], [])

    def test_menu_within_the_window(self) -> None:
        """On a small phone the menu of the deepest comment stands whole in the window, in long languages too."""
        ids = self.seed("Root", *({"text": "Deeper", "parent": n} for n in range(3)))
        for query in ("lang=ru", "lang=ar&dir=rtl"):
            page = self.plain(query, viewport={"width": 320, "height": 600}, has_touch=True, is_mobile=True)
            for comment in (ids[0], ids[3]):
                page.click(f"#mc-{comment} > .mc-body .mc-more")
                page.wait_for_selector(".mc-menu")
                left, right = page.evaluate(
                    "(r => [r.left, r.right])(document.querySelector('.mc-menu').getBoundingClientRect())"
                )
                self.assertTrue(0 <= left < right <= 320, (query, left, right))
                page.keyboard.press("Escape")

    def test_forced_colors(self) -> None:
        """Where the visitor forces colours, a box that is written in is still told from others."""
        page = self.plain(forced_colors="active")
        page.focus(".mc-input")
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("getComputedStyle(document.querySelector('.mc-box')).outlineWidth"), "2px"
            )
        )

    def test_load_failure(self) -> None:
        """The server is away at the first render: a word and a way to try again."""
        self.seed("There after all")
        self.steer(fail=[{"path": "/bootstrap", "status": 503}])
        page = self.plain(wait="text=Comments can’t be loaded right now.")
        page.click("text=Try again")
        page.wait_for_selector("text=There after all")


class PhoneTests(MockCase):
    def test_nothing_jumps_later(self) -> None:
        """On a phone neither the count of readers nor a typing line moves anything."""
        self.seed(*(f"Comment {n}" for n in range(12)))
        for lang in ("en", "ru"):
            options = {"viewport": {"width": 360, "height": 700}, "has_touch": True, "is_mobile": True}
            page = self.plain(f"lang={lang}", script="delete window.BroadcastChannel;", **options)
            place = page.locator(".mc-list").bounding_box()
            other = self.plain(script="delete window.BroadcastChannel;")
            page.wait_for_selector(".mc-online.mc-on")
            other.click(".mc-input")
            other.type(".mc-input", "x")
            page.wait_for_selector(".mc-typing.mc-on")
            self.soon(lambda: self.assertEqual(page.locator(".mc-list").bounding_box(), place))
            self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0))

    def test_header_keeps_its_room(self) -> None:
        """Bell and filter, which come later, move nothing, and the orders stay within the window in long languages."""
        self.seed(*(f"Comment {n}" for n in range(3)))
        for width, lang in ((320, "ru"), (320, "fr"), (580, "ru"), (700, "fr")):
            options = {"viewport": {"width": width, "height": 600}}
            page = self.plain(f"lang={lang}", script="delete window.BroadcastChannel;", **options)
            page.wait_for_selector(".mc-bell .mc-press")
            page.wait_for_selector(".mc-filter")
            self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0, (width, lang)))
            self.soon(lambda: self.assertEqual(page.evaluate("document.documentElement.scrollWidth"), width, lang))
            # One reader at a time: this is not about their count.
            page.context.close()
