"""The configuration file of defaults."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.defaults import render
from cackled.config import Config, Limits, parse
from cackled.features import registry


def shipped() -> str:
    """The file as the command prints it."""
    made = registry()
    return render(made.setting_kinds, made.default_limits)


SHIPPED = Path(__file__).parents[2] / "conf" / "cackled.toml"


class DefaultsTests(SynchronousTestCase):
    def test_shipped_file(self) -> None:
        """conf/cackled.toml is what the program says (renew it: cackled default-config > conf/cackled.toml)."""
        self.assertEqual(SHIPPED.read_text("utf-8"), shipped())

    def test_as_it_is(self) -> None:
        """With everything commented out the file means the defaults."""
        self.assertEqual(parse(shipped().encode()), Config())

    def test_uncommented(self) -> None:
        """With every setting taken in (rows of tables left out) the file still means the defaults."""
        kept: list[str] = []
        row = False
        for line in shipped().splitlines():
            if re.match(r"#?\[", line):
                row = line.startswith("#[")
            if not row and not line.endswith("# not set"):
                kept.append(re.sub(r"^#(\w+ = )", r"\1", line))
        text = "\n".join(kept)
        self.assertIn("\nhead_timeout = 10.0\n", text)
        self.assertEqual(parse(text.encode()), Config())

    def test_rows(self) -> None:
        """Rows can be taken in too, once what they need is given."""
        text = re.sub(r"^#(\[.*|\w+ = )", r"\1", shipped(), flags=re.MULTILINE)
        text = re.sub(r"^\w+ = +# not set$", "", text, flags=re.MULTILINE)
        text = re.sub(r"^(\w+) = +# needed$", r'\1 = "local"', text, flags=re.MULTILINE)
        text = text.replace('\nnumber = "local"', "\nnumber = 1")
        # Those that share another's numbers have none to take in.
        text = re.sub(r"^\[limits\.calls\..*\](?=\n\n)", "", text, flags=re.MULTILINE)
        text = text.replace('\ndsn = ""\npassword_file = ""\n# How', '\ndsn = "x"\n# How')
        text = text.replace('\nsites = "local"', "\nsites = [1, 9]").replace('\nurl = "local"', '\nurl = "http://local"')
        config = parse(text.replace('deployment = "global"', 'deployment = "local"').encode())
        self.assertEqual((config.listen, config.nodes[0].name), (Config().listen, "local"))
        self.assertEqual(config.database.server[0].dsn, "local")
        self.assertEqual(registry().limits(config.limits)[0], registry().limits(Limits())[0])
        self.assertEqual(config.limits.calls["comments.post"], registry().default_limits["comments.post"])

    def test_every_setting_is_there(self) -> None:
        """No key of any section is missing."""
        text = shipped()
        for key in ("shutdown_timeout", "head_bytes", "history_events", "posts_per_site", "geo_names", "longitude"):
            self.assertRegex(text, rf"(?m)^#{key} = ")

    def test_comments_come_along(self) -> None:
        """What config.py says about a key stands above it."""
        self.assertIn("# Memory of the machine that is never counted as free.\n#reserve_bytes = ", shipped())
