"""What texts look like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.moderation.confusable import MOST, mixed, skeleton, skeletons


class SkeletonTests(SynchronousTestCase):
    def test_alike(self) -> None:
        """Letters of other scripts, figures, accents, case, spaces and invisible characters make no difference."""
        for name in (
            "Admin", "АdmІn", "ADM1N", "A d m i n", "@dmin", "𝐀dmin", "Αdmin", "a\u200bdmin", "ádmín", "Adrnin",
            "ａｄｍｉｎ", "Admın", "a\u0300dmin", "a.d-m_i n", "adm\u00adin", "Admin!",
        ):  # fmt: skip
            self.assertEqual(skeleton(name.rstrip("!")), skeleton("admin"), name)

    def test_others(self) -> None:
        """What nobody takes for it is another."""
        for name in ("Adam", "Amin", "Badmin", "администратор", "Ana", "管理人"):
            self.assertNotEqual(skeleton(name), skeleton("admin"), name)

    def test_words(self) -> None:
        """A word of a name is looked at by itself."""
        self.assertIn(skeleton("admin"), skeletons("the Аdmin"))
        self.assertNotIn(skeleton("admin"), skeletons("badminton fan"))

    def test_mixed(self) -> None:
        """A word that mixes look-alikes with Latin letters; not one that is of one script, nor signs of science."""
        for word in ("vіagra", "саsino", "pаypal"):
            self.assertTrue(mixed(word), word)
        for word in ("привет", "straße", "日本語abc", "µm", "naïve", "hello", "Ωmega".lower()[1:]):
            self.assertFalse(mixed(word), word)

    @given(st.text(max_size=300))
    def test_bounded(self, text: str) -> None:
        """Any text has one, of letters and figures alone, and of bounded length."""
        made = skeleton(text)
        self.assertTrue(made == "" or made.isalnum(), made)
        self.assertLessEqual(len(made), 18 * MOST)
        self.assertEqual(made, skeleton(text))
