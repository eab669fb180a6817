"""The one table of settings: complete, shown as taken, and strict when something is set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import ConfigError
from cackled.domain import setting_table
from cackled.domain.errors import BadField
from cackled.domain.setting_table import SettingTable, as_text
from cackled.domain.settings import SiteSettings
from cackled.domain.site import build_site
from cackled.products import PRODUCTS
from cackled.products.comments.settings import CommentSettings
from cackled.products.registry import Registry

SHAPE = Registry(PRODUCTS).settings({})
KINDS = Registry(PRODUCTS).setting_kinds
TABLE = SettingTable(SHAPE)
ROOT = Path(__file__).resolve().parents[2]


class TableTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """Every setting is declared, with help; what is shown as its default can be typed back."""
        kinds = Registry(PRODUCTS).setting_kinds
        names = [f"{product}.{name}" for product, kind in kinds.items() for name in kind.__struct_fields__]
        self.assertEqual(list(TABLE.settings), [*SiteSettings.__struct_fields__, *names])
        defaults = SHAPE.values(SiteSettings(), ())
        for one in TABLE.settings.values():
            self.assertTrue(one.help, one.name)
            default = defaults[one.name]
            self.assertEqual(TABLE.read(one.name, as_text(default)), default)

    def test_documented(self) -> None:
        """The documentation has the table as it is (print it with SettingTable.markdown)."""
        documented = (ROOT / "docs" / "operations.md").read_text("utf-8")
        missing = [line for line in TABLE.markdown().splitlines() if line not in documented]
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
            self.assertEqual(TABLE.read(name, text), value, (name, text))

    def test_large_numbers(self) -> None:
        """A number has as many digits as its largest, and no more."""
        kind = msgspec.inspect.type_info(Annotated[int, Meta(ge=0, le=2**50)])
        self.assertEqual(setting_table._number("1099511627776", kind), 2**40)
        for text in (str(2**50 + 1), "9" * 5_000):
            with self.assertRaises(ValueError):
                setting_table._number(text, kind)

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
                TABLE.read(name, text)
            self.assertTrue(caught.exception.detail.startswith(f"{name}: "), (name, text, caught.exception.detail))
        with self.assertRaises(BadField) as caught:
            TABLE.read("edit", "60")
        self.assertIn("edit_seconds", caught.exception.detail)

    def test_where_webhooks_may_go(self) -> None:
        """The sender's own rules are asked as well."""

        def never(url: str) -> None:
            raise ValueError("10.0.0.1 is no public address")

        with self.assertRaises(BadField) as caught:
            TABLE.read("webhook_url", "http://10.0.0.1/", never)
        self.assertEqual(caught.exception.detail, "webhook_url: 10.0.0.1 is no public address")

    @given(st.sampled_from(sorted(TABLE.settings)), st.text(max_size=60))
    def test_anything(self, name: str, text: str) -> None:
        """Any text is a value that the declaration takes and that reads back, or is refused."""
        try:
            value = TABLE.read(name, text)
        except BadField:
            return
        product, key, _ = SHAPE.place(name)
        msgspec.convert({key: value}, KINDS[product] if product else SiteSettings)
        self.assertEqual(TABLE.read(name, as_text(value)), value)


class ShapeTests(SynchronousTestCase):
    """What stands in the catalog, whoever wrote it."""

    def comments(self, text: str, **given: object) -> CommentSettings:
        shape = Registry(PRODUCTS).settings({"comments": given})
        return build_site(1, "", text, (), shape).product(CommentSettings)

    def test_stored(self) -> None:
        """Under the product, or under the bare name, as an older release writes it: then that wrote last."""
        for text, level in (
            ("{}", 5), ('{"level": 3}', 3), ('{"products": {"comments": {"level": 3}}}', 3),
            ('{"level": 2, "products": {"comments": {"level": 3}}}', 2), ('{"products": {"comments": {"new": 1}}}', 5),
            ('{"products": {"comments": 7}}', 5), ('{"products": 7}', 5), ('{"level": "x"}', 5), ("7", 5),
        ):
            self.assertEqual(self.comments(text).level, level, text)
        self.flushLoggedErrors()

    def test_defaults(self) -> None:
        """A deployment's defaults hold where the site chose nothing."""
        self.assertEqual(self.comments("{}", max_length=100).max_length, 100)
        chosen = self.comments('{"max_length": 7}', max_length=100, level=1)
        self.assertEqual(chosen, CommentSettings(max_length=7, level=1))
        table = SettingTable(Registry(PRODUCTS).settings({"comments": {"level": 1}}))
        self.assertEqual(table.settings["comments.level"].default, "1")

    def test_wrong_defaults(self) -> None:
        """Defaults that can't be used are told in one line with their place."""
        wrong: tuple[tuple[dict[str, dict[str, object]], str], ...] = (
            ({"comments": {"level": 99}}, "[products.comments]"), ({"comments": {"colour": 1}}, "colour"),
            ({"chess": {}}, "[products.chess]"),
        )  # fmt: skip
        for defaults, said in wrong:
            with self.assertRaises(ConfigError) as caught:
                Registry(PRODUCTS).settings(defaults)
            self.assertIn(said, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_new_sites(self) -> None:
        """What a new site chooses is stored under both names; what is not there is refused."""
        both = '{"level":3,"products":{"comments":{"level":3}}}'
        for text in ('{"level": 3}', '{"products": {"comments": {"level": 3}}}'):
            self.assertEqual(SHAPE.checked(text), both)
        for text in ("[]", '{"new": 1}', '{"level": "x"}', '{"products": {"chess": {"a": 1}}}', '{"products": 3}'):
            self.assertRaises(BadField, SHAPE.checked, text)
