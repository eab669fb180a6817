"""From what was typed to what is stored: nothing breaks it, nothing dangerous gets through,
nothing visible is lost."""

from __future__ import annotations

from html.parser import HTMLParser

import nh3
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain import text
from cackled.domain.errors import BadField, Refused, Unprocessable

TAGS = {"a", "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "span"}
# The only classes that there are.
CLASSES = {"span": r"spoiler", "code": r"language-[\w+#.-]{1,20}"}
# Known ways past sanitisers (mutation XSS, odd schemes, broken markup), as text and inside Markdown.
HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<math><mtext><mglyph><svg><mtext><style><path id='</style><img onerror=alert(1) src>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;&#x61;vascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    '[x](http://a.example/"onmouseover=alert(1)//)',
    '[x](<http://a.example/ "onmouseover=alert(1)>)',
    "[x](http://a.example 'title\" onmouseover=\"alert(1)')",
    "<javascript:alert(1)>",
    '<http://a.example/?x="onclick=alert(1)">',
    "![x](javascript:alert(1))",
    '![x" onerror="alert(1)](http://a.example/x.png)',
    "```<img src=x onerror=alert(1)>\ncode\n```",
    '``` "onclick=alert(1)\n</code></pre><script>alert(1)</script>\n```',
    "`<script>alert(1)</script>`",
    "> <iframe src=javascript:alert(1)>",
    "http://a.example/<script>alert(1)</script>",
    'http://a.example/"><script>alert(1)</script>',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<style>@import 'javascript:alert(1)'</style>",
    "<base href=javascript:alert(1)//>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<x onclick=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<a\x0chref=javascript:alert(1)>x</a>",
    "[x]: javascript:alert(1)\n[x]",
    "//evil.example/x",
    "[x](//evil.example)",
    "[x](/\\evil.example)",
]


class Markup(HTMLParser):
    """Collects the elements, attributes and text that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.others: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def harmless(test: SynchronousTestCase, html: str) -> None:
    """Only known elements, and the only attributes are a link's address (of a known scheme) and its fixed rel."""
    seen = Markup(html)
    test.assertEqual(seen.others, [], html)
    for tag, attributes in seen.found:
        test.assertIn(tag, TAGS, html)
        known = {"href", "rel"} if tag == "a" else {"class"} if tag in CLASSES else set()
        test.assertLessEqual(set(attributes), known, html)
        if "class" in attributes:
            test.assertRegex(attributes["class"] or "", rf"\A{CLASSES[tag]}\Z", html)
        if tag == "a":
            test.assertEqual(attributes.get("rel"), "nofollow ugc noopener noreferrer", html)
            href = attributes.get("href")
            if href is not None:
                test.assertRegex(href, r"(?i)\A(https?://|mailto:)", html)


def cleaned_again(html: str) -> str:
    """*html* through the sanitiser once more, told the same."""
    return nh3.clean(
        html, tags=TAGS, attributes={"a": {"href"}, "span": {"class"}, "code": {"class"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener noreferrer",
    )  # fmt: skip


characters = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("<>\"'&`*_~[]()!#->\\ \n\t\x00:/=\u200b\u202e\ufeff\u2028")),
    max_size=300,
)
MARKS = ["||", "> ", "- ", "1. ", "```\n", "\n\n", "*", "**", "~~", "`", "[", "](", ")", "    "]
markdown = st.lists(
    st.one_of(characters, st.sampled_from(HOSTILE), st.sampled_from(MARKS)), max_size=12
).map("".join)  # fmt: skip


class CleanTextTests(SynchronousTestCase):
    """`clean_text`."""

    @given(characters)
    @example("\ud800")
    @example("\r\r\r")
    def test_only_refusals(self, raw: str) -> None:
        """Any text is cleaned or refused; what was cleaned is encodable, bounded, and does not change any more."""
        try:
            clean = text.clean_text(raw, 100)
        except Refused as error:
            self.assertEqual((error.status, error.field), (422, "text"))
            return
        clean.encode("utf-8")
        self.assertLessEqual(len(clean), 100)
        self.assertNotIn("\x00", clean)
        self.assertNotIn("\r", clean)
        if "```" not in clean and "~~~" not in clean:
            self.assertNotIn("\n\n\n", clean)
        self.assertEqual(text.clean_text(clean, 100), clean)

    def test_length(self) -> None:
        """The cap counts characters of the cleaned text, and is exact."""
        self.assertEqual(text.clean_text("я" * 100, 100), "я" * 100)
        self.assertEqual(text.clean_text("  " + "😀" * 100 + "\n\n\n", 100), "😀" * 100)
        for raw in ("x" * 101, "x" * 1000, "x" + " " * 99 + "y", " " * 401):
            with self.assertRaises(Unprocessable) as caught:
                text.clean_text(raw, 100)
            self.assertEqual(caught.exception.slug, "text-too-long", repr(raw))

    def test_empty(self) -> None:
        """Text of which nothing can be seen is empty, by whatever characters."""
        invisible = [
            "", " ", "\n\t\r", "\u200b", "\u200d\u200c", "\ufeff", "\u00ad", "\u2060\u2061", "\u3164", "\u115f\u1160",
            "\u2800", "\u180e", "\u00a0\u2003\u3000", "\u202e", "\ufe0f", "\u034f", "\uffa0", "\x00\x01",
            "\U000e0020",
            "\u200b \u3164\n\u00ad",
        ]  # fmt: skip
        for raw in invisible:
            with self.assertRaises(Unprocessable, msg=repr(raw)) as caught:
                text.clean_text(raw, 100)
            self.assertEqual(caught.exception.slug, "text-empty", repr(raw))

    def test_kept(self) -> None:
        """What joins emoji, marks direction and sets lines apart stays."""
        for raw in ("👩\u200d👧", "❤\ufe0f", "a\u200cb", "\u200fעברית", "one\n\ntwo", "tab\tbed"):
            self.assertEqual(text.clean_text(raw, 100), raw)
        self.assertEqual(text.clean_text("a\r\n\r\n\r\n\r\nb\rc", 100), "a\n\nb\nc")
        self.assertEqual(text.clean_text("e\u0301", 100), "é")

    def test_line_ends(self) -> None:
        """Whatever ends a line in Unicode does here; words are never glued together."""
        for end in "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029":
            self.assertEqual(text.clean_text(f"one{end}two", 100), "one\ntwo", repr(end))
            self.assertEqual(text.clean_line(f"one{end}two"), "one two", repr(end))
            self.assertEqual(text.clean_name(f"one{end}two"), "one two", repr(end))

    def test_blank_lines_in_code(self) -> None:
        """They stay where code is, and nowhere else make a hole."""
        for fence in ("```", "~~~"):
            source = text.clean_text(f"a\n\n{fence}\nb\n\n\n\nc\n{fence}", 100)
            self.assertEqual(text.render(source), "<p>a</p>\n<pre><code>b\n\n\n\nc\n</code></pre>")
        self.assertEqual(text.clean_text("a\n\n\n\nb", 100), "a\n\nb")

    def test_length_first(self) -> None:
        """What is too long is not looked at."""
        seen: list[str] = []
        self.patch(text, "normalised", lambda raw: seen.append(raw) or raw)
        self.assertRaises(Unprocessable, text.clean_text, "\u0300" * 401, 100)
        self.assertRaises(BadField, text.clean_name, "\u0300" * 62_000)
        self.assertEqual(seen, [])
        text.clean_line("\u0300" * 62_000, 300)
        self.assertEqual([len(one) for one in seen], [1200])

    def test_marks(self) -> None:
        """Few marks on a letter, in texts, names and lines."""
        tower = "a" + "\u0301\u0316" * 25
        for made in (text.clean_text(tower, 100), text.clean_name(tower), text.clean_line(tower)):
            self.assertLessEqual(len(made), 9)


class CleanNameTests(SynchronousTestCase):
    """`clean_name` and `clean_line`."""

    @given(characters)
    def test_only_refusals(self, raw: str) -> None:
        """A name is one visible line of at most 60 characters, or refused by its field."""
        try:
            name = text.clean_name(raw)
        except Refused as error:
            self.assertEqual((error.status, error.field), (400, "name"))
            return
        self.assertTrue(1 <= len(name) <= 60)
        self.assertEqual(name, " ".join(name.split()))
        self.assertNotRegex(name, "[\u202a-\u202e\u2066-\u2069\x00-\x1f\u2028]")
        self.assertEqual(text.clean_name(name), name)

    def test_examples(self) -> None:
        """Spaces fold; overrides of direction go; length is exact."""
        self.assertEqual(text.clean_name("  Ann\n \tLee "), "Ann Lee")
        self.assertEqual(text.clean_name("\u202eAnn\u2066"), "Ann")
        self.assertEqual(text.clean_name("x" * 60), "x" * 60)
        for raw in ("x" * 61, "", "\u200b", "x" * 2000):
            self.assertRaises(BadField, text.clean_name, raw)

    @given(characters)
    def test_line(self, raw: str) -> None:
        """A cleaned line holds no line end that a terminal or page would break at."""
        self.assertNotRegex(text.clean_line(raw), "[\x00-\x08\n\u2028\u2029]")


class RenderTests(SynchronousTestCase):
    """`render`."""

    def test_hostile(self) -> None:
        """No known trick leaves more than harmless markup, alone, quoted, in lists, links and emphasis."""
        for trick in HOSTILE:
            for around in ("%s", "> %s", "- %s", "*%s*", "[%s](http://a.example)", "a\n\n%s\n\nb", "```\n%s\n```"):
                html = text.render(text.clean_text(around % trick, 10_000))
                harmless(self, html)
                self.assertEqual(cleaned_again(html), html)

    @settings(max_examples=150)
    @given(markdown)
    def test_anything(self, raw: str) -> None:
        """Whatever comes is harmless, already clean, and never empty."""
        try:
            clean = text.clean_text(raw, 8_000)
        except Unprocessable:
            return
        html = text.render(clean)
        harmless(self, html)
        self.assertEqual(cleaned_again(html), html)
        self.assertTrue(html)

    def test_markdown(self) -> None:
        """The small Markdown that is promised."""
        for source, html in (
            ("*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>"),
            ("a\nb", "<p>a<br>\nb</p>"),
            ("> a", "<blockquote>\n<p>a</p>\n</blockquote>"),
            ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
            ("```py\na < b\n```", '<pre><code class="language-py">a &lt; b\n</code></pre>'),
            ("# no heading", "<p># no heading</p>"),
            ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
            ("setup.py and a@b.example", "<p>setup.py and a@b.example</p>"),
        ):
            self.assertEqual(text.render(source), html)
        link = '<a href="%s" rel="nofollow ugc noopener noreferrer">%s</a>'
        self.assertEqual(text.render("https://a.example/x"), f"<p>{link % (('https://a.example/x',) * 2)}</p>")
        self.assertEqual(text.render("[t](http://a.example)"), f"<p>{link % ('http://a.example', 't')}</p>")

    def test_as_typed(self) -> None:
        """What is no markup in anybody's mind is shown as it was typed."""
        for source in (
            "1986. What a summer.", "1986) x", "2. second\n3. third", "1) a\n2) b", "01. a", "0. a",
            "+ 1 from me", "+1", "2*3*4 = 24",
            "a*b*c", "snake_case_name", "__init__.py", "un*frigging*believable", "\u00af\\_(ツ)_/\u00af",
            "C:\\dir\\", "\\\\server\\share",
            "a\\\nb", "use &nbsp; and &lt;b&gt;", "&#8203;", "# one", "---", "***", "a\n---", "a\n===",
            "|a|b|", "[1] and [2]", "[x]: http://a",
            "*", "**", "5* and 4*", "~ ~~ ~~~~ x", "1\\. x", "![x]", "a\n1986. b", "``` ", "say\n```", "-5 degrees",
        ):  # fmt: skip
            seen = "".join(Markup(text.render(source)).words)
            self.assertEqual(seen, source.strip() if "```" in source else source, text.render(source))

    def test_lists(self) -> None:
        """Numbers are those that were typed; what has no mark is not in the list."""
        for source, html in (
            ("1. a\n2. b\n3. c", "<ol>\n<li>a</li>\n<li>b</li>\n<li>c</li>\n</ol>"),
            ("1. a\n3. c", "<ol>\n<li>a</li>\n</ol>\n<p>3. c</p>"),
            ("1. a\n1. b", "<ol>\n<li>a</li>\n</ol>\n<ol>\n<li>b</li>\n</ol>"),
            ("1. a\nb\n2. c", "<ol>\n<li>a</li>\n</ol>\n<p>b<br>\n2. c</p>"),
            ("- a\nb", "<ul>\n<li>a</li>\n</ul>\n<p>b</p>"),
            ("- a\n  b", "<ul>\n<li>a<br>\nb</li>\n</ul>"),
            ("- 1. a\n  2. b\n- c", "<ul>\n<li>\n<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n</li>\n<li>c</li>\n</ul>"),
            ("1. a\n   1. b\n   2. c\n2. d",
             "<ol>\n<li>a\n<ol>\n<li>b</li>\n<li>c</li>\n</ol>\n</li>\n<li>d</li>\n</ol>"),
        ):  # fmt: skip
            self.assertEqual(text.render(source), html)

    def test_quotes(self) -> None:
        """An answer directly below a quote is not in the quote."""
        for source, html in (
            ("> a\nb", "<blockquote>\n<p>a</p>\n</blockquote>\n<p>b</p>"),
            ("> a\n> b\n\nc", "<blockquote>\n<p>a<br>\nb</p>\n</blockquote>\n<p>c</p>"),
            ("> > a\n> b\nc",
            "<blockquote>\n<blockquote>\n<p>a</p>\n</blockquote>\n<p>b</p>\n</blockquote>\n<p>c</p>"),
            ("> - a\nb", "<blockquote>\n<ul>\n<li>a</li>\n</ul>\n</blockquote>\n<p>b</p>"),
        ):
            self.assertEqual(text.render(source), html)

    def test_fences(self) -> None:
        """Nothing that stands beside a fence is lost but a language."""
        self.assertEqual(text.render("```c++\nx\n```"), '<pre><code class="language-c++">x\n</code></pre>')
        self.assertEqual(text.render("```" + "x" * 21 + "\ny\n```"), "<pre><code>y\n</code></pre>")
        self.assertEqual(text.render("``` def f(): pass\nx\n```"), "<pre><code>def f(): pass\nx\n</code></pre>")

    def test_spoilers(self) -> None:
        """Double bars around words; not around spaces, over paragraphs, or in code."""
        hidden = '<span class="spoiler">'
        for source, html in (
            ("||it was *the* cook||", f"<p>{hidden}it was <em>the</em> cook</span></p>"),
            ("a||b||c", f"<p>a{hidden}b</span>c</p>"),
            ("a || b || c", "<p>a || b || c</p>"), ("||a", "<p>||a</p>"), ("||||", "<p>||||</p>"),
            ("`||a||`", "<p><code>||a||</code></p>"), ("||a\n\nb||", "<p>||a</p>\n<p>b||</p>"),
            ("||a\nb||", f"<p>{hidden}a<br>\nb</span></p>"),
        ):  # fmt: skip
            self.assertEqual(text.render(source), html)

    def test_links(self) -> None:
        """Links say where they lead."""
        link = '<a href="%s" rel="nofollow ugc noopener noreferrer">%s</a>'
        apple = "\u0430\u0440\u0440\u04cf\u0435.com"
        code = "xn--80ak6aa92e.com"
        for source, html in (
            ("www.a.example/x.", link % ("http://www.a.example/x", "www.a.example/x") + "."),
            ("\u201chttps://a.example/x\u201d", "\u201c" + link % (("https://a.example/x",) * 2) + "\u201d"),
            (f"https://{apple}/", link % ((f"https://{code}/",) * 2)),
            (f"<https://{apple}/>", link % ((f"https://{code}/",) * 2)),
            (f"[x](https://{apple}/)", link % (f"https://{code}/", "x") + f" ({code})"),
            ("[https://bank.example](https://a.example/)",
             link % ("https://a.example/", "https://bank.example") + " (a.example)"),
            ("[a.example](https://a.example/x)", link % ("https://a.example/x", "a.example")),
            ("https://u:p@a.example/", "https://u:p@a.example/"),
            ("[x](https://u:p@a.example/)", "[x](https://u:p@a.example/)"),
            ("[x](<https://u@a.example/>)", "[x](&lt;https://u@a.example/&gt;)"),
            ("<https://u:p@a.example/>", "&lt;https://u:p@a.example/&gt;"),
            ("`https://a.example`", "<code>https://a.example</code>"),
            ("[see www.a.example](https://a.example)", link % ("https://a.example", "see www.a.example")),
            ("https://a.example/_x_y_", link % (("https://a.example/_x_y",) * 2) + "_"),
        ):  # fmt: skip
            self.assertEqual(text.render(source), f"<p>{html}</p>")

    def test_work_is_bounded(self) -> None:
        """However a text is made, the parser looks at each character a few times, and few elements come of it."""
        looks = 0
        skip = ParserInline.skipToken

        def counted(parser: ParserInline, state: StateInline) -> None:
            nonlocal looks
            looks += 1
            skip(parser, state)

        self.patch(ParserInline, "skipToken", counted)
        for piece in (
            "://[", "https://[", "[", "[]", "[](", "![", "[[a](b)", "[`", "[<", "[*a", "[a](http://b", "](",
            "*a", "*a **b ", "***", "~~a",
            "_a_ ", "`", "``a`", "<", "<a", "> ", "- ", "\n- a", "1. ", "\n1. a", "\n> - a", "\\*",
            "https://a ", "www.a.bb ", "www.", "&",
            "mailto:a@b.cc ", "<https://a>", "a@b.c:", "http://a/(", "[x](http://a)", "\n```\n", "\n",
            "\n\\", "*_~~", "\u200b[",
        ):  # fmt: skip
            looks = 0
            source = text.clean_text(("a" + piece * 8000)[:8000], 8000)
            html = text.render(source)
            self.assertLessEqual(looks, 2 * 8000 + 1000, piece)
            self.assertLessEqual(len(Markup(html).found), 4100, piece)
            self.assertLessEqual(len(html.encode()), 8 * 8000, piece)

    def test_no_images(self) -> None:
        """An image is no image: pages must not be made to fetch what a visitor names."""
        self.assertNotIn("<img", text.render("![x](http://a.example/x.png)"))

    def test_deep(self) -> None:
        """Text nested deeper than we follow is shown as typed rather than lost."""
        for source in (">" * 4000 + "deep", "- " * 2000 + "deep", "*" * 3999 + "deep", "[" * 7000 + "deep",
                       "`" * 7000 + "deep", "![" * 3500 + "deep", "**a" * 2600 + "deep"):  # fmt: skip
            html = text.render(text.clean_text(source, 8_000))
            self.assertIn("deep", html)
            harmless(self, html)

    def test_nothing_visible(self) -> None:
        """What renders to nothing is shown as it was typed."""
        for source in (
            "[](http://a.example)",
            "```\n```",
            "&#8203;",
            "&nbsp;",
            "&#x202e;",
            "> ",
            "[ ](http://a.example)",
            "[\u200b](http://a.example)",
        ):
            html = text.render(source)
            seen = "".join(Markup(html).words)
            self.assertRegex(seen, r"[!-~]", (source, html))
            harmless(self, html)

    def test_no_relative_links(self) -> None:
        """A link without a scheme would point into the site that shows the comment: it stays text."""
        for target in ("/logout", "logout?now=1", "//evil.example", "#top", "?delete=1", "/\\evil.example", "http:x"):
            self.assertNotIn("<a", text.render(f"[x]({target})"), target)
            self.assertIn("x", text.render(f"[x]({target})"))


class PlainTests(SynchronousTestCase):
    """The short way of plain text gives what the long way gives."""

    ALPHABET = st.one_of(
        st.sampled_from(list("ab Яё.,:;!?()-+'\"#=|@/%$^{}*_~`[]<>&\\\n\n\t 019wmht\u00a0\u2028\u200b\x00")),
        st.characters(exclude_categories=["Cs"]),
    )
    WORDS = st.sampled_from(
        ["http:", "https:/", "www.", "www.a.com", "WWW.a.bb", "1986. x", "2*3*4", "\\_", "__", "a@b.cc",
        "mailto", "mailto:a@b.cc", "1. x", "- ", "+ a", "\n", "\n\n", " ",
         "word", "слово", "# h", "===", "---", "    code", "(c)", "...", "--", '"q"', "|a|b|", "![", "ftp:", "HTTP:",
         "*a*", " *a b* ", "**a**", " **Ab c**.", "(*x*)", "*я*", " *", "* ", "**", "*\u65e5*", "*a\nb*",
         "*a.*", "***a***",
         "x.com:80/a", "😀", "e\u0301", "{a}", "%20", "\x0c", "\n\n\n"]
    )  # fmt: skip

    @settings(max_examples=400, deadline=None)
    @given(st.one_of(st.text(ALPHABET, max_size=40), st.lists(WORDS, max_size=12).map("".join)))
    def test_same(self, source: str) -> None:
        """Byte for byte, whatever it takes on."""
        made = text.plain(source)
        if made is not None:
            self.assertEqual(made, text.render_markdown(source))

    def test_taken_on(self) -> None:
        """Ordinary prose takes the short way, several paragraphs and quotes too; Markdown and links don't."""
        for source in ("Hello.", 'He said: "no" (twice).\nIt\'s so.\n\nПривет, мир!', "e.g. setup.py, a@b.c"):
            self.assertIsNotNone(text.plain(source), source)
        for source in ("*a*", "So *well* done, **two words**!", "(*x*)\n**Я**", "*1. a* b"):
            self.assertEqual(text.plain(source), text.render_markdown(source), source)
        many = "*a* " * 1000 + "b"
        self.assertEqual(text.render(many), text.render_markdown(many))
        for source in ("*a", "2*3*4", "*a.*", "a*b*", "***a***", "* a* b", "*a **b** c*", "*a\nb*"):
            self.assertIsNone(text.plain(source), source)
        for source in ("a_b", "see https://x.y", "- a", "1. a", "a & b", "a < b", "`a`", "a  \nb", " a", ""):
            self.assertIsNone(text.plain(source), source)
