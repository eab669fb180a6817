"""What may stand in a text, and how it is written: spoilers, code, quotes, names, what is pasted."""

from __future__ import annotations

import json
import urllib.request

from tests.support.browser import MockCase

SPOILER = '<p>So <span class="spoiler">the <em>cook</em></span> <span class="x" onclick="y">did it</span></p>'
CODE = '<pre><code class="language-python">def run():  # fast\n    return "a" + 1\n</code></pre>'
PASTE = """([html, plain]) => {
  const data = new DataTransfer();
  data.setData('text/html', html);
  data.setData('text/plain', plain);
  const event = new ClipboardEvent('paste', {clipboardData: data, cancelable: true});
  document.querySelector('.mc-input').dispatchEvent(event);
}"""


class TextTests(MockCase):
    def ready(self, key: str = "plain"):
        page = self.plain()
        self.until(page, "document.querySelector('.mc-tools')")
        return page

    def test_spoiler(self) -> None:
        """It is hidden, also from screen readers, until it is pressed; other spans are nothing."""
        self.seed({"html": SPOILER})
        page = self.ready()
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-spoiler", "role"), "button"))
        colour = "getComputedStyle(document.querySelector('.mc-spoiler')).color"
        self.soon(lambda: self.assertEqual(page.evaluate(colour), "rgba(0, 0, 0, 0)"))
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("document.querySelectorAll('.mc-text [onclick], .mc-text .x').length"), 0
            )
        )
        page.focus(".mc-spoiler")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertIsNone(page.get_attribute(".mc-spoiler", "role")))
        self.soon(lambda: self.assertNotEqual(page.evaluate(colour), "rgba(0, 0, 0, 0)"))

    def test_code(self) -> None:
        """Code with a language gets colours, and stays the same text."""
        self.seed({"html": CODE})
        page = self.ready()
        page.wait_for_selector(".mc-hl-k")
        spans = "[...document.querySelectorAll('pre span')]"
        kinds = page.evaluate(f"{spans}.map(n => n.className.slice(-1) + n.textContent)")
        self.assertEqual(kinds, ["kdef", "frun", "c# fast", "kreturn", 's"a"', "m1"])
        text = page.evaluate("document.querySelector('pre').textContent")
        self.assertEqual(text, 'def run():  # fast\n    return "a" + 1\n')

    def test_cards(self) -> None:
        """Previews of links stand below the text as words alone; where the site shows none, nothing is left of them."""
        link = "https://blog.example/a?b=1"
        picture = {"id": "1-a", "url": "/media/1-a/w320.webp", "alt": "", "width": 4, "height": 3, "color": "#aa3311"}
        links = [
            {"url": link, "title": "<b>Bold</b>", "text": "Some words.", "site": "Blog", "picture": picture},
            {"url": "javascript:alert(1)", "title": "No"},
            {"url": "https://two.example/", "title": "Two", "picture": {**picture, "url": "https://evil.example/x"}},
        ]
        one = {"html": f'<p><a href="{link}">here</a></p>', "links": links}
        self.steer(settings={"previews": True})
        self.seed(one, {"html": '<p><a href="https://x.example/">no preview</a></p>'})
        page = self.ready()
        self.soon(lambda: self.assertEqual(page.locator("a.mc-linkcard").count(), 2))
        card = page.locator("a.mc-linkcard").first
        self.soon(
            lambda: self.assertEqual((card.get_attribute("href"), card.get_attribute("target")), (link, "_blank"))
        )
        self.soon(lambda: self.assertEqual(card.locator(".mc-linkcardtitle").text_content(), "<b>Bold</b>"))
        self.soon(lambda: self.assertEqual(page.locator("a.mc-linkcard img").count(), 1))
        # In the row that was kept for it, and in its own style.
        self.soon(lambda: self.assertLess(card.bounding_box()["width"], 500))
        self.soon(lambda: self.assertEqual(card.evaluate("node => getComputedStyle(node).display"), "flex"))
        album = page.locator(".mc-album").first.bounding_box()["height"]
        self.soon(lambda: self.assertLessEqual(card.bounding_box()["height"], album))
        card.focus()
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.matches('.mc-linkcard')")))
        self.steer(settings={"previews": False})
        page = self.ready()
        self.soon(lambda: self.assertEqual(page.locator(".mc-album").count(), 0))
        self.soon(lambda: self.assertEqual(page.locator(".mc-linkcard").count(), 0))

    def test_gifs(self) -> None:
        """A GIF is searched for, chosen and put beside the text by keys alone; without the setting there is none."""
        self.steer(settings={"pictures": 1_000_000, "gifs": True})
        page = self.ready()
        button = page.locator(".mc-addgif")
        page.focus(".mc-input")
        button.press("Enter")
        self.soon(lambda: self.assertEqual(page.locator(".mc-gif").count(), 3))
        grid = "node => getComputedStyle(node).display"
        self.soon(lambda: self.assertEqual(page.locator(".mc-gifs").evaluate(grid), "grid"))
        words = page.locator(".mc-gifwords")
        self.soon(lambda: self.assertTrue(words.evaluate("node => node === document.activeElement")))
        words.fill("none")
        words.press("Enter")
        self.soon(lambda: self.assertEqual(page.locator(".mc-gif").count(), 0))
        self.soon(lambda: self.assertEqual(page.locator(".mc-gifbox [role=status]").text_content(), "There are none."))
        words.fill("cat")
        words.press("Enter")
        self.soon(lambda: self.assertEqual(page.locator(".mc-gif").count(), 3))
        words.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.getAttribute('aria-label')"), "Cat 1"))
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertEqual(page.locator(".mc-picitem").count(), 1))
        self.soon(lambda: self.assertEqual(page.locator(".mc-picwords").input_value(), "Cat 1"))
        self.soon(lambda: self.assertTrue(page.locator(".mc-formbtn").first.is_enabled()))
        button.press("Enter")
        words.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mc-gifbox").count(), 0))
        self.soon(lambda: self.assertEqual(button.get_attribute("aria-expanded"), "false"))
        self.steer(settings={"pictures": 1_000_000, "gifs": False})
        page = self.ready()
        page.focus(".mc-input")
        page.wait_for_selector(".mc-addpics")
        self.soon(lambda: self.assertEqual(page.locator(".mc-addgif").count(), 0))

    def test_formulas(self) -> None:
        """TeX is shown as MathML, asked for once for all of the page; what is no formula stays as it was typed."""
        self.steer(settings={"math": True})
        self.seed(
            {"html": '<p>So <code class="language-math">x^2</code> and <code class="language-math">\\nope</code></p>'},
            {"html": '<pre><code class="language-math">\\frac{1}{2}</code></pre>'},
            {"html": '<p><code class="language-math">x^2</code> <code class="language-math-display">y</code></p>'},
        )  # fmt: skip
        page = self.ready()
        self.soon(lambda: self.assertEqual(page.locator(".mc-text math").count(), 4))
        self.soon(lambda: self.assertEqual(page.locator(".mc-formula math[display=block]").count(), 2))
        self.soon(lambda: self.assertEqual(page.locator(".mc-text code").all_inner_texts(), ["\\nope"]))
        self.soon(lambda: self.assertEqual(page.locator("math msup").count(), 2))
        space = page.evaluate("document.querySelector('msup').namespaceURI")
        self.assertEqual(space, "http://www.w3.org/1998/Math/MathML")
        asked = [one for one in self.steer()["log"] if "/formulas" in one]
        self.assertEqual(len(asked), 1, asked)

    def test_formula_nodes(self) -> None:
        """Whatever comes, only elements and attributes of formulas are made."""
        self.steer(settings={"math": True})
        self.seed({"html": '<p><code class="language-math">x</code></p>'})
        page = self.ready()
        page.wait_for_selector(".mc-text math")
        names = "[...document.querySelectorAll('.mc-text p *')].map(n => n.localName + n.attributes.length)"
        self.soon(lambda: self.assertEqual(page.evaluate(names), ["math1", "mrow0", "mi0"]))

    def test_quotes(self) -> None:
        """A reply begins with what is selected; the menu quotes a text whose nothing is."""
        self.seed({"html": "<p>One two three</p><p>four</p>"})
        page = self.ready()
        page.evaluate("""() => {
          const text = document.querySelector('.mc-text p').firstChild;
          getSelection().setBaseAndExtent(text, 4, text, 7);
        }""")
        page.click(".mc-reply")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-slot .mc-input"), "> two\n\n"))
        page.fill(".mc-slot .mc-input", "")
        page.keyboard.press("Escape")
        page.click(".mc-more.mc-act")
        page.click(".mc-entry >> text=Quote")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-slot .mc-input"), "> One two three\n> \n> four\n\n"))

    def test_namesakes(self) -> None:
        """Of two people of one name the one that was chosen is meant, also after a reload and in an edit."""
        self.steer(people=["Ann"])
        self.seed({"name": "Ann", "text": "a"}, {"name": "Bob", "text": "c"})
        page = self.ready()
        ids = "[...document.querySelectorAll('.mc-names .mc-entry')].length"
        page.click(".mc-input")
        page.keyboard.type("Hi @ann")
        self.soon(lambda: self.assertEqual(page.evaluate(ids), 2))
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), "Hi @Ann "))
        self.until(page, "Object.values(localStorage).some(one => one.includes('(visitor:'))")
        page.reload()
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input").strip(), "Hi @Ann"))
        self.until(page, "document.querySelector('.mc-tools')")
        with page.expect_request(lambda one: one.method == "POST" and one.url.endswith("/comments")) as sent:
            page.click(".mc-formbtn")
        self.assertEqual(sent.value.post_data_json["text"], "Hi @[Ann](visitor:7)")

    def test_mention(self) -> None:
        """A mention leads to whom it means; other classes are nothing."""
        first = self.seed({"name": "Zoë", "text": "Hello"}, "b")[0]
        author = self.author_of(first)
        html = f'<p><span class="mention-{author}">@Zoë</span> <span class="mention-x onclick">y</span></p>'
        self.seed({"html": html})
        page = self.ready()
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-mention", "data-mention"), author))
        self.soon(lambda: self.assertEqual(page.locator(".mc-mention").count(), 1))
        page.focus(".mc-mention")
        page.keyboard.press("Enter")
        self.until(page, f"document.activeElement.id === 'mc-{first}'")

    def author_of(self, comment: str) -> str:
        """The number of who wrote a comment."""
        with urllib.request.urlopen(f"{self.base}/api/v1/sites/1/comments/{comment}", timeout=10) as answer:
            return json.load(answer)["comment"]["author"]["id"]

    def test_names(self) -> None:
        """An @ offers names of the conversation, then others; arrows choose; Escape shuts the list alone."""
        self.steer(people=["Zoë Quist", "Anton"])
        self.seed({"name": "Ann Lee", "text": "a"}, {"name": "Bob", "text": "b"})
        page = self.ready()
        page.click(".mc-input")
        page.keyboard.type("Hi @")
        page.wait_for_selector(".mc-names")
        self.soon(lambda: self.assertEqual(page.locator(".mc-names bdi").all_inner_texts(), ["Bob", "Ann Lee"]))
        page.keyboard.type("an")
        self.until(page, "document.querySelectorAll('.mc-names .mc-entry').length === 2")
        self.soon(lambda: self.assertEqual(page.locator(".mc-names bdi").all_inner_texts(), ["Ann Lee", "Anton"]))
        page.keyboard.press("ArrowDown")
        chosen = page.get_attribute(".mc-input", "aria-activedescendant")
        self.soon(lambda: self.assertEqual(page.inner_text(f"#{chosen} bdi"), "Anton"))
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), "Hi @Anton "))
        page.keyboard.type("and @zo")
        self.until(page, "document.querySelector('.mc-names bdi')?.textContent === 'Zoë Quist'")
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-names"), []))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-input')")))
        page.keyboard.type("x a@b")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-names"), []))

    def test_paste(self) -> None:
        """What is pasted with its looks becomes Markdown; scripts and styles are not in it."""
        page = self.ready()
        page.click(".mc-input")
        for html, markdown in (
            ("<meta><b style='font-weight:normal'><p>A <strong>bold</strong> <i>one</i></p></b>", "A **bold** *one*"),
            ("<ul><li>a</li><li>b <a href='https://x.example/'>l</a></li></ul>", "- a\n- b [l](https://x.example/)"),
            ("<ol><li>a<ul><li>in</li></ul></li><li>b</li></ol>", "1. a\n   - in\n2. b"),
            ("<blockquote><p>q</p><p>r</p></blockquote>after", "> q\n>\n> r\n\nafter"),
            ("<style>p{}</style><script>x</script><h2>Head</h2><p>text <code>c</code></p>", "Head\n\ntext `c`"),
            ("<pre>x\n  y</pre><a href='javascript:alert(1)'>z</a>", "```\nx\n  y\n```\n\nz"),
        ):  # fmt: skip
            page.fill(".mc-input", "")
            page.evaluate(PASTE, [html, "plain"])
            self.until(page, "document.querySelector('.mc-input').value")
            self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), markdown))
