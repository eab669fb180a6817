"""What pages say of themselves: kept where it makes sense, left out where not, and never a refusal."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.page_facts import MAX_TITLE, MAX_URL, page_title, page_url
from cackled.marks import cut

PAGE = "https://one.example/shop/?a=1"
ANYTHING = st.one_of(
    st.none(), st.integers(), st.floats(), st.booleans(), st.lists(st.text()), st.text(), st.text(min_size=1100),
    st.lists(st.sampled_from(["http", "s", ":", "//", "/", "?", "#", "@", "a", "[", "]", "%", " ", "\n",
    "\ud83d", "é", "..", "\\", "x" * 600]))
    .map("".join),
)  # fmt: skip


class PageUrlTests(SynchronousTestCase):
    """`page_url`."""

    def test_kept(self) -> None:
        """Whole addresses as they are, others relative to the page."""
        for raw, url in (
            ("https://one.example/x?y#z", "https://one.example/x?y#z"), (" HTTPS://One.example ",
            "https://One.example"),
            ("/shop/5", "https://one.example/shop/5"), ("5", "https://one.example/shop/5"), ("../x",
            "https://one.example/x"),
            ("//two.example/p", "https://two.example/p"), ("?b", "https://one.example/shop/?b"), ("#c",
            "https://one.example/shop/?a=1#c"),
            ("https://one.example/a b", "https://one.example/a%20b"), ("https://one.example/a\nb",
            "https://one.example/ab"),
            ("https://u:p@one.example/", "https://one.example/"), ("https://one.example/\ud83d",
            "https://one.example/"),
            ("https://one.example/é", "https://one.example/é"),
        ):  # fmt: skip
            self.assertEqual(page_url(raw, PAGE), url, raw)

    def test_left_out(self) -> None:
        """What no browser could open again."""
        for raw in (None, 5, 7.5, [], {}, True, "", "about:srcdoc", "about:blank", "javascript:x",
        "data:,x", "blob:https://one.example/5",
                    "file:///etc/x", "http://a b/", "http://a%b", "http://[", "mailto:a@b.example"):  # fmt: skip
            self.assertEqual(page_url(raw, PAGE), "", raw)
        for raw in ("/x", "x", "//one.example/x", "?x"):
            self.assertEqual(page_url(raw), "", raw)

    def test_long(self) -> None:
        """The fragment goes first, then the query; what is still too long is left out."""
        start = "https://one.example/x"
        self.assertEqual(page_url(f"{start}?a#{'f' * 1000}"), f"{start}?a")
        self.assertEqual(page_url(f"{start}?{'q' * 1000}#f"), start)
        self.assertEqual(page_url(f"{start}{'p' * 1000}"), "")
        self.assertEqual(page_url(f"{start}{'é' * 60_000}"), "")

    @given(ANYTHING, st.sampled_from(["", PAGE]))
    def test_anything(self, raw: object, base: str) -> None:
        """Whatever comes: an address of the web or nothing, bounded, and the same again."""
        url = page_url(raw, base)
        url.encode()
        self.assertTrue(url == "" or re.fullmatch(r"https?://[^\s/?#@]+([/?#]\S*)?", url), url)
        self.assertLessEqual(len(url), MAX_URL)
        self.assertEqual(page_url(url, base), url)


class PageTitleTests(SynchronousTestCase):
    """`page_title` and `cut`."""

    @given(ANYTHING)
    def test_anything(self, raw: object) -> None:
        """Whatever comes: one line of text that can be stored."""
        title = page_title(raw)
        title.encode()
        self.assertEqual(title, " ".join(title.split()))
        self.assertLessEqual(len(title), MAX_TITLE)
        self.assertEqual(page_title(title), title)

    def test_whole_characters(self) -> None:
        """Nothing is torn apart at the end."""
        start = "x" * (MAX_TITLE - 1)
        for last in ("👩\u200d👧", "👍🏽", "🇩🇪", "a\u0323\u0302\u0300", "क्षि", "❤\ufe0f",
        "🏴\U000e0067\U000e0062\U000e007f"):
            self.assertIn(page_title(start + last), (start, start + last[0]) if len(last) == 1 else (start,), last)
        self.assertEqual(cut("abc", 2), "ab")
        self.assertEqual(cut("ab", 2), "ab")
