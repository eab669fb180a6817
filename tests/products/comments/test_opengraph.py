"""What pages say of themselves, honest ones and others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.products.comments.previews.opengraph import LONGEST_TAG, MOST_BYTES, TEXT, TITLE, Facts, facts_of

URL = "https://blog.example/a/b?c=1"
HTML = "text/html; charset=utf-8"


def facts(page: str | bytes, kind: str = HTML) -> Facts | None:
    """Of a page at `URL`."""
    return facts_of(page.encode() if isinstance(page, str) else page, kind, URL)


class FactsTests(SynchronousTestCase):
    """Which words are taken."""

    def test_open_graph(self) -> None:
        """Open Graph comes first, whatever the order in the page; entities are read, lines are one."""
        found = facts(
            "<!doctype html><html><head><title>Window</title><meta name=description content='A\n  short text'>"
            '<META property="og:title" content="Tom &amp; Jerry"/><meta content="The Blog" property=og:site_name>'
            '<meta property="og:image" content="../i.png?a=1&amp;b=2"></head>'
        )
        self.assertEqual(
            found, Facts("Tom & Jerry", "A short text", "The Blog", "https://blog.example/i.png?a=1&b=2")
        )

    def test_title(self) -> None:
        """Without it the title counts, and the host is the site; a script in it is words."""
        found = facts("<head><title lang=en><script>alert(1)</script> &lt;b&gt;</title><meta name=x content=y>")
        self.assertEqual(found, Facts("<script>alert(1)</script> <b>", "", "blog.example"))

    def test_not_markup(self) -> None:
        """What stands in scripts, comments, drawings and below the head says nothing."""
        page = (
            "<head><!-- <title>no</title> --><script>'<title>no</title>'</script><svg><title>no</title></svg>"
            "<noscript><meta property=og:title content=no></noscript><title>Yes</title></head>"
            "<body><meta property=og:title content=no>"
        )
        self.assertEqual(facts(page), Facts("Yes", "", "blog.example"))

    def test_nothing(self) -> None:
        """Without a title there is nothing to show, and of what is no page neither."""
        empty = "<meta property=og:title content=' '>"
        for page in ("", "<p>Hello", "<title> \u200b </title>", "<title>never closed", empty):
            self.assertIsNone(facts(page), page)
        self.assertIsNone(facts("<title>x</title>", "image/svg+xml"))
        self.assertIsNone(facts("<title>x</title>", ""))

    def test_cut(self) -> None:
        """Words are bounded, and nothing turns the text around them."""
        found = facts(f"<title>{'a' * 5000}\u202e</title><meta name=description content='{'é ' * 3000}'>")
        assert found is not None
        self.assertEqual((len(found.title), found.title[-1], len(found.text) <= TEXT), (TITLE, "…", True))
        turned = facts("<title>a\u202eb\u2066c</title>")
        assert turned is not None
        self.assertEqual(turned.title, "abc")

    def test_long_number(self) -> None:
        """A character reference without end is no error."""
        number = "&#" + "1" * 5_000 + ";"
        found = facts(f"<title>a{number}</title><meta name=description content='{number}b'>")
        assert found is not None
        self.assertEqual((found.title, found.text), ("a\ufffd", "\ufffdb"))

    def test_encodings(self) -> None:
        """The encoding that is said, in the head of the answer before the page's; unknown ones are UTF-8."""
        word = "Привет"
        for encoding in ("windows-1251", "koi8-r", "utf-8"):
            page = f"<meta charset={encoding}><title>{word}</title>".encode(encoding)
            for kind in ("text/html", f'text/html;charset="{encoding}"'):
                found = facts(page, kind)
                assert found is not None
                self.assertEqual(found.title, word, (encoding, kind))
        found = facts("\ufeff<title>x é</title>".encode("utf-16-le"), "text/html")
        assert found is not None
        self.assertEqual(found.title, "x é")
        for name in ("zlib", "rot13", "unicode_escape", "idna", "utf-7", "windows-9999", "\u0663", "x" * 500, "'\""):
            found = facts("<title>\\u0041 +AGE- é</title>", f"text/html; charset={name}")
            assert found is not None
            self.assertEqual(found.title, "\\u0041 +AGE- é", name)
        found = facts(b"<title>\xff\xfe\xc3( ok</title>", "text/html; charset=utf-8")
        assert found is not None
        self.assertTrue(found.title.endswith("( ok"))

    def test_pictures(self) -> None:
        """A picture is at a web address, or there is none."""
        for address, found in (
            ("javascript:alert(1)", ""), ("data:image/png;base64,AA", ""), ("//cdn.example/a b.png", "https://cdn.example/a%20b.png"),
            ("http://user:word@cdn.example/x", ""), ("http://[::1/x", ""), ("file:///etc/passwd", ""),
        ):  # fmt: skip
            said = facts(f'<title>x</title><meta property="og:image" content="{address}">')
            assert said is not None
            self.assertEqual(said.picture, found, address)

    def test_floods(self) -> None:
        """Floods of what looks like tags end, and what stands behind the bound is not read."""
        floods = ("<meta \"", "<", "<a", "<!--", "<title>", "<script", "<meta a=", "<meta " + "a" * 9000, "a=' " * 4)
        for flood in floods:
            self.assertIsNone(facts(flood * (MOST_BYTES // len(flood) + 1) + "<title>late</title>"), flood[:20])
        self.assertIsNone(facts("<meta property=og:title " + "x" * LONGEST_TAG + " content=late>"))

    @given(st.text(alphabet="<>/!-metaiscrp=\"' ogcn:&;", max_size=300), st.sampled_from(["text/html", HTML]))
    def test_anything(self, page: str, kind: str) -> None:
        """Whatever stands there, it is read without an error."""
        found = facts(page, kind)
        self.assertTrue(found is None or found.title)
