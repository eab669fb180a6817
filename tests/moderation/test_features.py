"""What of a text the filter looks at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import Refused
from cackled.moderation.features import BUCKETS, LONGEST, MOST_LINKS, MOST_WORDS, features, links_of, words_of
from cackled.moderation.languages import fits, guess
from tests.moderation.common import draft


class WordTests(SynchronousTestCase):
    def test_words(self) -> None:
        """Words as a reader sees them, in order, whatever they are typed with."""
        self.assertEqual(words_of("Hello, WORLD! It's 2 o'clock."), ["hello", "world", "it's", "2", "o'clock"])
        self.assertEqual(words_of("ca\u200bsi\u00adno"), ["casino"])
        self.assertEqual(words_of("vіagra"), ["viagra"])
        self.assertEqual(words_of("Привет, мир"), ["привет", "мир"])
        self.assertEqual(words_of("日本語です"), ["日本", "本語", "語で", "です"])
        self.assertEqual(words_of("---"), [])

    def test_bounds(self) -> None:
        """No text has more or longer words than that."""
        for text in ("a " * 100_000, "a" * 100_000, "日" * 100_000, "é" * 100_000, "\u0300" * 100_000, "🎉" * 9000):
            found = words_of(text)
            self.assertLessEqual(len(found), MOST_WORDS)
            self.assertLessEqual(max(map(len, found), default=0), LONGEST)

    def test_links(self) -> None:
        """Links that are shown, and no more than are looked at."""
        self.assertEqual(links_of(draft("see https://a.example/x").html), ["https://a.example/x"])
        self.assertEqual(len(links_of(draft(" ".join(f"https://a{n}.example" for n in range(60))).html)), MOST_LINKS)

    @given(st.text(max_size=400), st.text(max_size=80), st.text(max_size=80))
    def test_any(self, text: str, name: str, title: str) -> None:
        """Whatever is typed has features in the filter's buckets, the same again, each with a name."""
        try:
            one = draft(text)
        except Refused:
            return
        other = draft(text, name=name, title=title)
        for each in (one, other):
            found = features(each)
            self.assertEqual(found.places, features(each).places)
            self.assertTrue(all(0 <= place < BUCKETS for place in found.places))
            self.assertEqual(set(found.named().values()), set(found.places))


class LanguageTests(SynchronousTestCase):
    def test_guess(self) -> None:
        """Texts of some length, by letters and frequent words."""
        for code, text in (
            ("en", "I think that the soil is what matters most for this, not the seeds"),
            ("de", "Ich glaube, dass der Boden das ist, was nicht mit den Samen zu tun hat"),
            ("fr", "Je pense que le sol est plus important que les graines pour une plante"),
            ("ru", "Я думаю, что почва важнее, чем семена, и это не так просто, как мы думали"),
            ("ja", "これは日本語の文章です、よろしくお願いします"),
            ("zh", "我认为土壤比种子更重要这是真的吗"),
            ("ko", "저는 토양이 씨앗보다 더 중요하다고 생각합니다"),
            ("he", "אני חושב שהאדמה חשובה יותר מהזרעים"),
        ):
            self.assertEqual(guess(text, words_of(text)).language, code, text)

    def test_fits(self) -> None:
        """What can't be told passes, and so does a neighbour; what is certainly another language does not."""
        for text, languages, right in (
            ("ok", ("ru",), True),
            ("Wonderful!!! Wonderful!!!", ("de",), True),
            ("I think that the soil is what matters most for this", ("de",), False),
            ("Я думаю, что это не так просто, как мы думали", ("en", "de"), False),
            ("Jeg tror at det ikke er så lett som vi har trodd", ("da",), True),
            ("我认为土壤比种子更重要这是真的吗", ("ja",), True),
            ("これは日本語の文章です、よろしくお願いします", ("zh",), False),
        ):
            self.assertEqual(fits(text, words_of(text), languages), right, text)
