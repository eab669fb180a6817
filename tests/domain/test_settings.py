"""The one table of settings: complete, shown as taken, and strict when something is set."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain import settings
from cackled.domain.errors import BadField
from cackled.domain.sites import SiteSettings

ROOT = Path(__file__).resolve().parents[2]


class TableTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """Every setting is declared, with help; what is shown as its default can be typed back."""
        self.assertEqual(list(settings.SETTINGS), list(SiteSettings.__struct_fields__))
        for one in settings.SETTINGS.values():
            self.assertTrue(one.help, one.name)
            default = getattr(SiteSettings(), one.name)
            self.assertEqual(settings.read(one.name, settings.as_text(default)), default)

    def test_documented(self) -> None:
        """The documentation has the table as it is (print it with cackled.domain.settings.markdown)."""
        documented = (ROOT / "docs" / "operations.md").read_text("utf-8")
        missing = [line for line in settings.markdown().splitlines() if line not in documented]
        self.assertEqual(missing, [])

    def test_values(self) -> None:
        """What is taken, in the spellings of people."""
        for name, text, value in (
            ("votes", "yes", True), ("votes", "True", True), ("votes", "on", True), ("votes", "1", True),
            ("votes", "no", False), ("votes", "FALSE", False), ("votes", "off", False), ("votes", "0", False),
            ("edit_seconds", "0", 0), ("edit_seconds", " 60 ", 60), ("level", "20", 20), ("notify", "all", "all"),
            ("channel_secret", "x" * 32, "x" * 32), ("channel_secret", "", ""), ("webhook_url", "", ""),
            ("webhook_url", "https://hooks.example/x?y=1", "https://hooks.example/x?y=1"),
            ("webhook_url", "http://192.0.2.1:8080/", "http://192.0.2.1:8080/"), ("moderator_email", "a@b.c", "a@b.c"),
        ):
            self.assertEqual(settings.read(name, text), value, (name, text))

    def test_refused(self) -> None:
        """What would break later is refused now, in a sentence that begins with the setting's name."""
        for name, text in (
            ("votes", "maybe"), ("votes", ""), ("edit_seconds", "soon"), ("edit_seconds", "86401"), ("level", "-1"),
            ("level", "1.5"), ("level", "1e1"), ("level", "9" * 30), ("level", "\u0661"), ("max_length", "0"),
            ("notify", "nothing"),
            ("channel_secret", "short"), ("channel_secret", "x" * 31), ("channel_secret", "x" * 513),
            ("channel_secret", "x" * 40 + "\n" + "y"), ("webhook_url", "ftp://x"), ("webhook_url", "https://"),
            ("webhook_url", "https:///x"), ("webhook_url", "hooks.example"), ("webhook_url", "//hooks.example/"),
            ("webhook_url", "https://u:p@hooks.example/"), ("webhook_url", "https://hooks.example:99999/"),
            ("webhook_url", "https://[::1/"), ("webhook_url", "https://a..b/"), ("webhook_url", "https://a b/"),
            ("webhook_url", "https://b\u00fccher.example/"), ("webhook_url", "https://a.example/#x"),
            ("webhook_url", "javascript:alert(1)"), ("webhook_url", "https://a.example/" + "x" * 3000),
            ("moderator_email", "nobody"), ("moderator_email", "a@b\r\nBcc: c@d"), ("webhook_secret", "a\x1b[0m"),
        ):
            with self.assertRaises(BadField) as caught:
                settings.read(name, text)
            self.assertTrue(caught.exception.detail.startswith(f"{name}: "), (name, text, caught.exception.detail))
        with self.assertRaises(BadField) as caught:
            settings.read("edit", "60")
        self.assertIn("edit_seconds", caught.exception.detail)

    def test_where_webhooks_may_go(self) -> None:
        """The sender's own rules are asked as well."""

        def never(url: str) -> None:
            raise ValueError("10.0.0.1 is no public address")

        with self.assertRaises(BadField) as caught:
            settings.read("webhook_url", "http://10.0.0.1/", never)
        self.assertEqual(caught.exception.detail, "webhook_url: 10.0.0.1 is no public address")

    @given(st.sampled_from(sorted(settings.SETTINGS)), st.text(max_size=60))
    def test_anything(self, name: str, text: str) -> None:
        """Any text is a value that `SiteSettings` takes and that reads back, or is refused."""
        try:
            value = settings.read(name, text)
        except BadField:
            return
        msgspec.convert({name: value}, SiteSettings)
        self.assertEqual(settings.read(name, settings.as_text(value)), value)
