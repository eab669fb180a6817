"""Combining marks: few on each character, whatever comes, and never a long run before the normal form is made."""

from __future__ import annotations

import re
from unicodedata import category, is_normalized, normalize

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled import marks

ALPHABET = st.sampled_from("aя가\u1100\u1161 \u0301\u0315\u0300\u0344\u0f73\u0958\u0915\u094d\u200d\u200b\ufe0f\u20dd"
                           "\u05b0\u0e34\u0f90\U0001d165\U0001d160\U0001f600\U000e0100\u034f")  # fmt: skip


def most_in_a_row(text: str) -> int:
    """The longest run of marks; format characters neither count nor end it."""
    most = run = 0
    for character in text:
        kind = category(character)
        run = run + 1 if kind[0] == "M" else run if kind == "Cf" else 0
        most = max(most, run)
    return most


class MarksTests(SynchronousTestCase):
    """`bounded` and `normalised`."""

    @given(st.text(ALPHABET, max_size=60))
    @example("a" + "\u0344" * 9)
    @example("a" + "\u0301\u200d" * 20 + "b")
    def test_bounded(self, text: str) -> None:
        """No more marks than may be; in NFC; the same again; nothing but marks is gone."""
        made = marks.normalised(text)
        self.assertLessEqual(most_in_a_row(made), marks.MOST_MARKS)
        self.assertTrue(is_normalized("NFC", made))
        self.assertEqual(marks.normalised(made), made)
        if most_in_a_row(normalize("NFD", text)) <= marks.MOST_MARKS:
            self.assertEqual(made, normalize("NFC", text))

    def test_every_mark(self) -> None:
        """Whatever Unicode has a combining class for, or calls a mark, is bounded."""
        for code in range(0x300, 0xE0200):
            character = chr(code)
            if category(character)[0] == "M":
                self.assertEqual(marks.bounded("a" + character * 20), "a" + character * marks.MOST_MARKS, hex(code))

    def test_bounded_before_the_normal_form(self) -> None:
        """Sorting marks is quadratic in their run: no long one reaches it."""
        seen: list[str] = []

        def spy(form: str, text: str) -> str:
            seen.append(text)
            return normalize(form, text)  # type: ignore[arg-type]

        self.patch(marks, "normalize", spy)
        for text in ("a" + "\u0315\u0300" * 31_000, "\u0315" * 62_000, "\u0300\u200d" * 31_000, "\u0344" * 62_000):
            self.assertLess(len(marks.normalised(text)), 62_001)
        self.assertEqual(len(seen), 4)
        self.assertLessEqual(max(map(most_in_a_row, seen)), marks.MOST_MARKS)

    def test_compatibility_forms(self) -> None:
        """What becomes a mark in NFKC is bounded as one: nothing makes a long run of marks in any normal form."""
        for code in range(0x300, 0x30000):
            letter = chr(code)
            if category(letter) != "Cs" and category(normalize("NFKD", letter)[0])[0] == "M":
                made = marks.bounded(f"a{letter}\u0301" * 2 + f"{letter}\u0301" * 50)
                self.assertLessEqual(most_in_a_row(normalize("NFKD", made)), 4 * marks.MOST_MARKS, hex(code))
                # The rest of a character ends the run.
                whole = normalize("NFKD", letter)
                if category(whole[-1])[0] == "M":
                    self.assertLessEqual(len(made), 6 + marks.MOST_MARKS, hex(code))

    def test_writing_is_kept(self) -> None:
        """What languages need stays as it is."""
        for text in ("Việt Nam", "שָׁלוֹם בְּרֵאשִׁ֖ית", "مُحَمَّدٌ", "ཧྐྵྨླྺྼྻྂ", "ก็ที่ป้ำ",
        "नमस्ते क्ष्म्य", "👩\u200d❤\ufe0f\u200d💋\u200d👩", "1\ufe0f\u20e3",
                     "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"):  # fmt: skip
            self.assertEqual(marks.normalised(text), normalize("NFC", text))
            self.assertEqual(re.sub(r"\s", "", marks.bounded(text)), re.sub(r"\s", "", text))
