"""Origins as they are typed, and the headers of browsers that they let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.origins import OriginError, OriginPattern, normalise, readable
from cackled.domain.site import build_site


class OriginTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """Names of all scripts become what a browser sends; what stands behind a host by habit goes."""
        for text, pattern, origin in (
            ("Example.COM", "example.com", "https://example.com"),
            (" https://example.com/ ", "https://example.com", "https://example.com"),
            ("HTTPS://Example.com", "https://example.com", "https://example.com"),
            ("example.com.", "example.com", "http://example.com"),
            ("bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("bu\u0308cher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("*.пример.рф:8080", "*.xn--e1afmkfd.xn--p1ai:8080", "http://a.xn--e1afmkfd.xn--p1ai:8080"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah", "https://xn--r8jz45g.xn--zckzah"),
            ("faß.de", "xn--fa-hia.de", "https://xn--fa-hia.de"),
            ("i❤.ws", "xn--i-7iq.ws", "https://xn--i-7iq.ws"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("my_site.example.com", "my_site.example.com", "https://my_site.example.com"),
            ("_x.example", "_x.example", "https://_x.example"),
            ("localhost:*", "localhost:*", "http://localhost:5173"),
            ("http://127.0.0.1:08000", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("[0:0::1]:*", "[::1]:*", "http://[::1]:8000"),
        ):
            self.assertEqual(normalise(text), pattern, text)
            self.assertEqual(normalise(pattern), pattern, "once is enough")
            self.assertTrue(build_site(1, "x", "{}", [pattern]).allows_origin(origin), (pattern, origin))

    def test_refused(self) -> None:
        """Everything else is refused in a sentence that says why."""
        for text, why in (
            ("null", "can't be allowed"), ("NULL", "can't be allowed"), (" null ", "can't be allowed"),
            ("*", "every page"), ("https://a.example/blog", "write https://a.example"), ("a.example?x", "no path"),
            ("a.example#x", "no path"), ("ftp://a.example", "https://"), ("file:///x", "https://"), ("", "a host"),
            ("user@a.example", "no user"), ("https://", "no host"), ("a..example", "empty"), (".example", "empty"),
            ("a.*.example", "star"), ("*a.example", "star"), ("*.", "no host"), ("a b.example", "no part"),
            ("-a.example", "no part"), ("a-.example", "no part"), ("a.example:", "port"), ("a.example:x", "port"),
            ("a.example:0", "port"), ("a.example:65536", "port"), ("a.example:\u0661", "port"), ("::1", "brackets"),
            ("[::1", "bracket"), ("[::g]", "IPv6"), ("[::1]x", "no origin"), ("x" * 64 + ".example", "too long"),
            (".".join(["x" * 60] * 5), "too long"), ("a\x00.example", "no part"), ("a\n.example", "no part"),
            ("%.example", "no part"), ("https:\\\\a.example", "no path"),
        ):
            with self.assertRaises(OriginError) as caught:
                normalise(text)
            message = str(caught.exception)
            self.assertIn(why, message, text)
            self.assertNotIn("\n", message)

    def test_readable(self) -> None:
        """Names are shown in their own script; what can't be is left."""
        self.assertEqual(readable("*.xn--e1afmkfd.xn--p1ai:8080"), "*.пример.рф:8080")
        self.assertEqual(readable("xn--zzzzzz-.example"), "xn--zzzzzz-.example")

    @given(st.text(max_size=60))
    def test_anything(self, text: str) -> None:
        """Whatever is typed is refused, or a pattern that stays as it is."""
        try:
            pattern = normalise(text)
        except OriginError:
            return
        self.assertTrue(pattern.isascii())
        self.assertEqual(normalise(pattern), pattern)
        OriginPattern.parse(pattern)
