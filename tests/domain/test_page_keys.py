"""The channel of a page by its address: what the table says, and what the browser makes of any other address."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from cackled.domain.page_keys import MOST, TRACKING, fit, is_address, page_key, parameter_pattern

ROOT = Path(__file__).resolve().parents[2]
TABLE = json.loads((ROOT / "tests" / "support" / "page_keys.json").read_text())
NODE = shutil.which("node")
SCRIPT = """
import {readFileSync} from 'node:fs';
globalThis.window = {Cackle: {}};
const {pageKey} = await import('./cackled/web/lib/key.js');
console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(([address, host]) => {
  try { return pageKey(new URL(address, 'https://example.com/'), host); } catch { return null; }
})));
"""


def in_browser(asked: list[tuple[str, bool]]) -> list[str | None]:
    """What the browser's function makes of (address, host); None where it is no address."""
    if NODE is None:
        raise SkipTest("node is not installed")
    command = [NODE, "--input-type=module", "-e", SCRIPT]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT)
    assert not done.returncode, done.stderr
    answers: list[str | None] = json.loads(done.stdout)
    return answers


class TableTests(SynchronousTestCase):
    def pairs(self) -> list[tuple[str, bool, str]]:
        return [(a, host, key) for name, host in (("path", False), ("host", True)) for a, key in TABLE[name]]

    def test_server(self) -> None:
        """Every line of the table; a key is its own key."""
        for address, host, key in self.pairs():
            self.assertEqual(page_key(address, host=host), key, address)
            self.assertEqual(page_key(key, host=host), key)
        for one in TABLE["same"]:
            self.assertEqual(len({page_key(address) for address in one}), 1, one)

    def test_browser(self) -> None:
        """The same in the browser."""
        asked = self.pairs()
        found = in_browser([(address, host) for address, host, _ in asked])
        self.assertEqual(
            [(address, key) for (address, _, _), key in zip(asked, found, strict=True)],
            [(address, key) for address, _, key in asked],
        )

    def test_long(self) -> None:
        """A key that is too long keeps a hash of the rest, the same on both sides; no escape is cut in two."""
        made = [one["before"] + one["repeat"] * one["times"] + one["after"] for one in TABLE["long"]]
        keys = [page_key(address) for address in made]
        self.assertEqual([len(key) for key in keys], [one["length"] for one in TABLE["long"]])
        for key, one in zip(keys, TABLE["long"], strict=True):
            self.assertTrue(key.endswith(one["end"]), key)
        self.assertEqual(in_browser([(address, False) for address in made]), keys)
        self.assertEqual(len(set(keys)), len(keys))
        self.assertEqual([page_key(key) for key in keys], keys)


PIECES = st.sampled_from(
    [*"/?&=#%.;:@!'()*+,~[]{}|^`\\<>\" \t-_", "//", "..", "%2e", "%2E%2e", "%41", "%d0%bf", "%D0", "%zz", "%", "п", "é",
     "日", "😀", "a", "b", "Z", "1", "utm_source=x", "UTM_X", "fbclid=1", "xclid", "gclid", "mc_eid=", "_ga=1", "igsh",
     "~", "a" * 120,
     "\x00", "\x7f", "\u2028", "\ufeff", "\u00a0"]
)  # fmt: skip
REST = st.lists(st.one_of(PIECES, st.characters(exclude_categories=("Cs",))), max_size=30).map("".join)
HOSTS = st.sampled_from(
    ["example.com", "www.example.com", "WWW.Example.com:443", "h:80", "h:8443", "user:pw@h", "[::1]", "xn--p1ai"]
)


class PropertyTests(SynchronousTestCase):
    def test_browser_and_server(self) -> None:
        """Any address: both make the same key, and it is its own key and short enough."""
        asked: list[tuple[str, bool]] = []

        @hypothesis_settings(max_examples=400, deadline=None)
        @given(st.sampled_from(["https", "http", "HTTP"]), HOSTS, st.sampled_from("/?"), REST, st.booleans())
        @example("https", "h", "/", "a/../..//b/%2E%2e/", False)
        def collect(scheme: str, host: str, first: str, rest: str, with_host: bool) -> None:
            asked.append((f"{scheme}://{host}{first}{rest}", with_host))

        collect()
        keys = [page_key(address, host=host) for address, host in asked]
        found = in_browser(asked)
        for one, key, other in zip(asked, keys, found, strict=True):
            if other is not None:
                self.assertEqual(key, other, one)
            self.assertLessEqual(len(key), MOST)
            self.assertTrue(key.startswith("/") and key.isascii(), one)
            self.assertEqual(page_key(key, host=one[1]), key, one)

    @given(st.text(max_size=200))
    @hypothesis_settings(deadline=None)
    def test_anything(self, text: str) -> None:
        """Whatever is given is made a key of."""
        for host in (False, True):
            key = page_key(text, host=host)
            self.assertTrue(key.startswith("/") and len(key) <= MOST and key.isascii(), text)
        self.assertLessEqual(len(fit(text).encode("utf-16-le")), 2 * MOST)


class PartsTests(SynchronousTestCase):
    def test_one_list(self) -> None:
        """The browser leaves out the same parameters."""
        source = (ROOT / "cackled" / "web" / "lib" / "key.js").read_text()
        self.assertIn(f"/^{parameter_pattern(TRACKING).pattern}/i", source)

    def test_of_the_site(self) -> None:
        """Further parameters are left out by name."""
        more = parameter_pattern(["ref", "src_*"])
        self.assertEqual(page_key("/p?ref=1&a=2&src_x=3&reference=4&utm_id=5", leave_out=more), "/p?a=2&reference=4")

    def test_addresses(self) -> None:
        """What is taken for an address."""
        for key in ("https://example.com/p", "HTTP://example.com", "http://x"):
            self.assertTrue(is_address(key), key)
        for key in ("demo", "/p", "//example.com/p", "https://", "https:///p", "http:", "httpx://a", "a https://a", ""):
            self.assertFalse(is_address(key), key)
