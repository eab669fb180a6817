"""Reading the configuration. The file of defaults is in tests/admin/test_defaults.py."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Config, ConfigError, Section, load, parse


class ParseTests(SynchronousTestCase):
    def refusal(self, text: str) -> str:
        error = str(self.assertRaises(ConfigError, parse, text.encode(), "x.toml"))
        self.assertTrue(error.startswith("x.toml: "), error)
        self.assertNotIn("\n", error)
        return error

    def test_own_url(self) -> None:
        """Links in mail begin with what [mail] says, else with the deployment's address, else with the node's."""
        node = 'node = "n1"\n[[nodes]]\nname = "n1"\nurl = "https://n1.example"\n'
        far = '[[deployments]]\nname = "eu"\nurl = "https://eu.example"\nsites = [1, 9]\n'
        for text, url in (
            ("", ""), (node, "https://n1.example"), ('deployment = "eu"\n' + node + far, "https://eu.example"),
            (node + '[mail]\nurl = "https://mail.example"\n', "https://mail.example"),
        ):  # fmt: skip
            self.assertEqual(parse(text.encode()).own_url, url)
        self.assertIn("url", self.refusal('[mail]\nurl = "ftp://x"'))

    def test_nothing(self) -> None:
        """No file at all is a working configuration."""
        self.assertEqual(load(), Config())
        self.assertEqual(parse(b""), Config())
        self.assertEqual(load().listen[0].endpoint, "tcp:8080:interface=127.0.0.1")

    def test_values(self) -> None:
        """Given keys are taken, all others keep their defaults."""
        config = parse(b'node = "a"\n[[nodes]]\nname = "a"\n[http]\nhead_bytes = 4096\n[[listen]]\nendpoint = "tcp:80"')
        self.assertEqual((config.http.head_bytes, config.http.head_fields), (4096, Config().http.head_fields))
        self.assertEqual([listen.endpoint for listen in config.listen], ["tcp:80"])

    def test_wrong_keys_and_types_are_named(self) -> None:
        """The message has the key's path."""
        for text, words in (
            ("hots = 1", ["hots"]),
            ("[database]\npoool = 8", ["poool", "$.database"]),
            ('[http]\nhead_bytes = "8"', ["int", "$.http.head_bytes"]),
            ("[http]\nhead_bytes = 0", [">= 1", "$.http.head_bytes"]),
            ("[http]\nhead_timeout = -1.0", ["$.http.head_timeout"]),
            ('[log]\nlevel = "loud"', ["loud", "$.log.level"]),
            ("[[database.server]]\nname = 'x'", ["dsn", "$.database.server"]),
        ):
            refusal = self.refusal(text)
            for word in words:
                self.assertIn(word, refusal)

    def test_contradictions(self) -> None:
        """What each key allows but the whole does not."""
        self.refusal("listen = []")
        self.assertIn("share a name", self.refusal("[[nodes]]\nname = 'local'\n[[nodes]]\nname = 'local'"))
        self.assertIn("'b'", self.refusal("node = 'b'\n[[nodes]]\nname = 'a'"))
        self.assertIn("not both", self.refusal("[database]\ndsn = 'x'\n[[database.server]]\ndsn = 'y'"))

    def test_deployments(self) -> None:
        """Names, addresses and ranges of deployments; the own one is among them."""
        eu = "[[deployments]]\nname = 'eu'\nurl = 'https://eu.example'\nsites = [1000, 1999]\n"
        rest = "[[deployments]]\nname = 'global'\nurl = 'https://c.example'\nsites = [1, 999]\n"
        self.assertEqual(parse((rest + eu).encode()).deployments[1].sites, (1000, 1999))
        for text, words in (
            (eu, "'global' is not among"), (rest + eu + eu, "share a name"),
            ("deployment = 'E U'", "as in a host name"),
            (rest + eu.replace("[1000", "[999"), "overlaps that of 'global'"),
            (rest + eu.replace("1000,", "2000,"), "is none"), (rest + eu.replace("1999", "2147483648"), "is none"),
            (rest + eu.replace("https://eu", "eu"), "url begins with"),
        ):  # fmt: skip
            self.assertIn(words, self.refusal(text), text)

    def test_discovery(self) -> None:
        """Who wants to be found says where; alone in a mesh is enough then."""
        given = "node = 'a'\n[discovery]\nenabled = true\n[mesh]\nfolder = 'm'\n"
        given += "[[nodes]]\nname = 'a'\nmesh = 'h:1'\n"
        self.assertIn("with a url", self.refusal(given))
        self.assertIn("with a url", self.refusal("[discovery]\nenabled = true"))
        self.assertEqual(len(parse((given + "url = 'http://a'").encode()).nodes), 1)

    def test_impossible(self) -> None:
        """Times that never end, places that are nowhere, addresses that no browser can use."""
        for text, words in (
            ("shutdown_timeout = inf", "$.shutdown_timeout"), ("[realtime]\nheartbeat = inf", "$.realtime.heartbeat"),
            ("[realtime]\ndrain_seconds = -1.0", "$.realtime.drain_seconds"),
            ("[microcache]\nstale_if_error = nan", "$.microcache.stale_if_error"),
            ("[[nodes]]\nname = 'local'\nlatitude = inf", "$.nodes[0].latitude"),
            ("[[nodes]]\nname = 'local'\nurl = 'n1.example.com'", "url begins with"),
        ):  # fmt: skip
            self.assertIn(words, self.refusal(text), text)

    def test_no_toml(self) -> None:
        """Broken syntax and broken text are one line."""
        self.refusal("[http")
        self.assertRaises(ConfigError, parse, b"\xff\xfe")

    def test_file(self) -> None:
        """A file is named in its errors; one that can't be read is an error."""
        path = Path(self.mktemp())
        path.write_text("x = 1")
        self.assertIn(str(path), str(self.assertRaises(ConfigError, load, path)))
        self.assertIn("No such file", str(self.assertRaises(ConfigError, load, "/nonexistent/c.toml")))
        self.assertRaises(ConfigError, load, path.parent)

    def test_immutable(self) -> None:
        """Nobody changes a configuration that others read."""
        self.assertRaises(AttributeError, setattr, Config(), "node", "x")
        self.assertRaises(AttributeError, setattr, Config().http, "head_bytes", 1)

    @given(st.binary(max_size=80))
    def test_any_bytes(self, raw: bytes) -> None:
        """Any bytes are a configuration or a ConfigError."""
        try:
            parse(raw)
        except ConfigError:
            pass


class MeshTests(SynchronousTestCase):
    def test_needs(self) -> None:
        """A mesh is of two listed nodes at least, each with an address."""
        one = b'node = "a"\n[mesh]\nfolder = "mesh"\n[[nodes]]\nname = "a"\nmesh = "h:1"\n'
        self.assertIn("two [[nodes]]", str(self.assertRaises(ConfigError, parse, one)))
        two = one + b'[[nodes]]\nname = "b"\n'
        self.assertIn("'b'", str(self.assertRaises(ConfigError, parse, two)))
        self.assertEqual(parse(two + b'mesh = "h:2"\n').nodes[1].mesh, "h:2")


class SectionTests(SynchronousTestCase):
    def sections(self) -> list[type[Section]]:
        found: list[type[Section]] = []
        waiting: list[type[Section]] = [Section]
        while waiting:
            found.extend(waiting[0].__subclasses__())
            waiting.extend(waiting.pop(0).__subclasses__())
        return found

    def test_all_are_frozen_and_strict(self) -> None:
        """A new section can't forget it: unknown keys are errors everywhere, and nothing is mutable."""
        for section in self.sections():
            info = msgspec.inspect.type_info(section)
            assert isinstance(info, msgspec.inspect.StructType)
            self.assertTrue(info.forbid_unknown_fields, section)
            self.assertTrue(section.__struct_config__.frozen, section)

    def test_no_inline_secrets(self) -> None:
        """Secrets are named by file."""
        for section in self.sections():
            for field in msgspec.structs.fields(section):
                if any(word in field.name for word in ("password", "secret", "token")):
                    self.assertTrue(field.name.endswith("_file"), f"{section.__name__}.{field.name}")


class MarkTests(SynchronousTestCase):
    """What editors of Windows write."""

    def test_byte_order_mark(self) -> None:
        """A mark before the text is none of it; another encoding is told as such."""
        self.assertEqual(parse(b"\xef\xbb\xbfnode = 'n1'\r\n").node, "n1")
        error = self.assertRaises(ConfigError, parse, "node = 'n1'".encode("utf-16"))
        self.assertIn("UTF-8", str(error))
