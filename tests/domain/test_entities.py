"""Character references in strangers' text, of any length."""

from __future__ import annotations

from html import unescape

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.entities import read_entities
from cackled.domain.word_matching import compared


class EntityTests(SynchronousTestCase):
    """As browsers read them."""

    def test_long(self) -> None:
        """Numbers that Python's own function does not take are no characters; zeros before one change nothing."""
        for text, read in (
            ("&#" + "1" * 5_000 + ";", "\ufffd"), ("&#" + "0" * 5_000 + "65;b", "Ab"), ("&#" + "0" * 5_000, "\ufffd"),
            ("&#x" + "1" * 5_000, "\ufffd"), ("&amp;#65;", "&#65;"), ("&#;", "&#;"),
        ):  # fmt: skip
            self.assertEqual(read_entities(text), read, text[:20])

    @given(st.text("&#x0123;amplt9", max_size=40))
    def test_same(self, text: str) -> None:
        """Others are as Python's function reads them."""
        self.assertEqual(read_entities(text), unescape(text))

    def test_compared(self) -> None:
        """Words are found behind a number without end."""
        self.assertIn("spam", compared("&#" + "1" * 5_000 + "; &#0000000115;pam"))
