"""Addresses in text: where they end, what they lead to, and what of them is shown."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain import links

# Cyrillic and others that look like Latin.
APPLE = "\u0430\u0440\u0440\u04cf\u0435.com"


def found(text: str) -> tuple[str, str] | None:
    """What is linked in *text*, as it was typed, and what is shown for it."""
    for at in re.finditer(links.BEGINNING, text, re.IGNORECASE):
        address = links.find(text, at.start())
        if address is not None:
            return text[at.start() : address.end], address.shown
    return None


class FindTests(SynchronousTestCase):
    """`find`."""

    def test_ends(self) -> None:
        """An address ends before quotation marks, brackets and punctuation that belong to the sentence."""
        address = "https://a.example/x"
        for before, after in (
            ("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u00ab", "\u00bb"), ("\u00bb", "\u00ab"),
            ("\u2018", "\u2019"),
            ("\u2039", "\u203a"), ('"', '"'), ("'", "'"), ("(", ")"), ("[", "]"), ("<", ">"), ("\u300c", "\u300d"),
            ("\u300e", "\u300f"), ("\uff08", "\uff09"), ("*", "*"), ("see ", "."), ("", ","), ("",
            "!?"), ("", "\u2026"),
            ("", "..."), ("", "\u3002"), ("", "\uff0c"), ("", ":"), ("", ";"), ("(see ", ")."),
            ("\u201c", ".\u201d"), ("", "\u200b"),
        ):  # fmt: skip
            self.assertEqual(found(before + address + after), (address, address), before + address + after)
            self.assertEqual(found(before + "www.a.example" + after), ("www.a.example",) * 2, before + after)

    def test_whole(self) -> None:
        """What belongs to an address stays in it."""
        for address in (
            "https://en.example/wiki/A_(b)", "https://a.example:8080/x?y=1&z=(2)#f",
            "http://[2001:db8::1]:80/", "www.a.example/x",
            "https://medium.example/@user", "mailto:a.b@c.example?subject=x", "http://localhost/",
            "https://a.example/it's",
            "HTTPS://A.EXAMPLE/X", "https://a.example/путь", "https://a.example/a-b_c~d*e",
        ):  # fmt: skip
            self.assertEqual(found(f"see {address}, please"), (address, address))

    def test_none(self) -> None:
        """No scheme, no host, or somebody's password: no link."""
        for text in (
            "https://", "http://.", "www.", "www.a", "xhttps://a.example", "https://-",
            "a@www.a.example", "http:a.example",
            "https://user:pass@a.example/", "https://user@a.example", "http://bank.example:80@a.example/",
            "https://bank.example:x:y@a.example", "https://a.example%40b.example/", f"https://{'a' * 300}.example/",
        ):  # fmt: skip
            self.assertIsNone(found(text), text)

    @given(st.lists(st.sampled_from(["https://", "www.", "mailto:", "a", ".", "@", ":", "/", "(", ")",
    "[", "]", "80", "\u0430", " ",
                                     "\u201d", "%", "xn--", "-", "_", "\u3002", "\u200d", "?", "#"]),
                                     max_size=20).map("".join))  # fmt: skip
    def test_anything(self, text: str) -> None:
        """Whatever comes: within the text, ASCII to go to, never with a user, and what is shown leads there too."""
        for at in range(len(text)):
            address = links.find(text, at) if text[at] in "hwm" else None
            if address is not None:
                self.assertTrue(at < address.end <= len(text))
                self.assertTrue(address.href.isascii())
                self.assertNotIn("@", re.split("[/?#]", address.href.partition("://")[2])[0])
                typed = "http://" + address.shown if text[at] == "w" else address.shown
                if text[at] != "m":
                    self.assertEqual(links.target(typed), address.href)


class ShownTests(SynchronousTestCase):
    """`display`, `honest` and `names`."""

    def test_honest(self) -> None:
        """Words of one writing system are shown in it."""
        for host in ("пример.рф", "пример.com", "bücher.example", "日本語.jp", "お名前.com", "한국.kr",
        "ελλάδα.gr", "مثال.example",
                     "नमस्ते.example", "việt.example", "straße.example", "โรงเรียน.example"):  # fmt: skip
            self.assertEqual(links.display(f"https://{host}/x"), f"https://{host}/x")

    def test_punycode(self) -> None:
        """Mixed writing, letters that look like Latin ones, and odd ones are shown as what they are."""
        for host in (APPLE, "g\u043e\u043egle.com", "раураl.com", "\u0391pple.com", "ｇｏｏｇｌｅ.com",
        "\u0261oogle.com", "www." + APPLE, "p\u0131zza.example",
                     "\u13da\u13c6.com", "a\u0301\u0323b.example", "x\u0660.example", "日本語abc.example",
                     "\u0455\u0441\u043e\u0440\u0435.com"):  # fmt: skip
            shown = links.display(f"https://{host}/x")
            self.assertTrue(shown.isascii(), shown)
            self.assertNotIn(host, shown)

    def test_typed_punycode_stays(self) -> None:
        """It is never turned into letters."""
        self.assertEqual(links.display("https://xn--80ak6aa92e.com/"), "https://xn--80ak6aa92e.com/")

    def test_names(self) -> None:
        """The words of a link may not name another host."""
        for words, host, honest in (
            ("here", "a.example", True), ("a.example", "a.example", True), ("https://www.a.example/x",
            "a.example", True),
            ("https://bank.example", "a.example", False), ("bank.example/login", "a.example", False),
            ("www.bank.example", "a.example", False),
            ("go to https://bank.example", "a.example", False), ("click", "xn--80ak6aa92e.com", False),
            ("пример.рф", "xn--e1afmkfd.xn--p1ai", True),
            ("слово", "xn--e1afmkfd.xn--p1ai", True),
        ):  # fmt: skip
            self.assertIs(links.names(words, host), honest, words)
