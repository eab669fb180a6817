"""Budgets of the browser side, and that minified bundles are what was written."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from cackled.transport.assets import Assets
from cackled.transport.bundle_lists import BundleLists
from tests.browser.bundles import FOLDERS, WEB, Built, gzipped
from tests.support.web import packaging

COMMENTS = WEB.parent / "products" / "comments" / "web"
POLLS = WEB.parent / "products" / "polls" / "web"
SERVERS = [{"url": "https://a.comments.example", "weight": 3}, {"url": "https://b.comments.example", "weight": 2}]


class BundlesTests(SynchronousTestCase):
    def modules(self) -> list[Path]:
        """All scripts of the widgets; the panel stands in a page of our own."""
        found = [path for folder in FOLDERS for path in folder.rglob("*.js")]
        return [path for path in found if not {"build", "demo", "panel", "apidocs", "adapters"} & set(path.parts)]

    def size(self, name: str) -> int:
        return gzipped(Built().body(name))

    def test_loader(self) -> None:
        """The loader as it is served, with two servers, is at most 2 KB (2,048 bytes)."""
        served = Assets(FOLDERS).loader(lambda: {"servers": SERVERS}).current()
        self.assertLessEqual(len(served.coded(b"gzip")), 2048)
        self.assertLessEqual(gzipped(served.body), 2048)

    def test_first_render(self) -> None:
        """Loader, script and style of the first render of comments: at most 20 KB (20,480 bytes) over the wire."""
        total = gzipped(Built(servers=SERVERS).loader) + self.size("comments.js") + self.size("comments.css")
        self.assertLessEqual(total, 20_480)

    def test_counter(self) -> None:
        """The counter stays below 1 KB."""
        self.assertLess(self.size("count.js"), 1000)

    def test_console(self) -> None:
        """The operators' console, before a chat is opened, without styles: at most 20 KB (20,480 bytes)."""
        self.assertLessEqual(self.size("console.js"), 20_480)

    def test_polls(self) -> None:
        """Script and style of polls, without words: at most 3 KB (3,072 bytes) over the base that widgets share."""
        web = packaging()
        if web.system_node() is None:
            raise SkipTest("there is no Node")
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        lib = WEB / "lib"
        names = {"dom": "el", "live": "subscribe", "reasons": "reason", "loader": "loader"}
        names["widget"] = "register, Widget"
        text = "".join(f"import {{{what}}} from '{lib / name}.js';\n" for name, what in names.items())
        (folder / "base.js").write_text(f"{text}window.x = [{', '.join(names.values())}];\n")
        (folder / "bundles.json").write_text('{"bundles": {"base.js": ["base.js"]}}')
        web.build([folder])
        words = b""
        for one in (WEB, POLLS):
            catalogue = json.loads((one / "locales" / "en.json").read_text())
            shown = {section: catalogue[section] for section in ("widget", "problems")}
            words += json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
        base = gzipped((folder / "build" / "base.js").read_bytes() + words)
        self.assertLessEqual(self.size("polls.js") + self.size("polls.css") - base, 3_072)

    def test_lists(self) -> None:
        """Every module and style sheet of widgets is in a bundle."""
        lists = BundleLists(FOLDERS, built=False)
        root = FOLDERS[0].parent
        every = {path for name in lists.sources for path in lists.modules(name)}
        named = {path for path in every if "/panel" not in path and "/build/" not in path}
        there = {
            str(path.relative_to(root))
            for folder in FOLDERS
            for path in folder.rglob("*")
            if path.suffix in (".js", ".css")
            and path.relative_to(folder).parts[0] not in ("build", "demo", "loader.js", "panel", "apidocs", "adapters")
        }
        named = {path for path in named if not path.endswith(".json")}
        self.assertEqual(named, there)

    def test_no_product_in_the_core(self) -> None:
        """The core's list, the loader and what it loads for itself name no product."""
        for name in ("bundles.json", "loader.js", "lib/loader.js", "lib/warn.js"):
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", (WEB / name).read_text(), flags=re.S)
            self.assertNotRegex(text, r"(?i)comment|review|poll|chat", name)

    def test_token(self) -> None:
        """The loader has one place for the configuration."""
        self.assertEqual((WEB / "loader.js").read_text().count("__CACKLE_" + "CONFIG__"), 1)

    def test_no_html_sinks(self) -> None:
        """Nothing of the widgets writes markup or evaluates text."""
        for path in self.modules():
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
            for sink in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "DOMParser",
            ):
                # The panel parses stored HTML apart, where nothing runs, and rebuilds it from known elements.
                if (path.name, sink) != ("rich.js", "DOMParser"):
                    self.assertNotIn(sink, text, f"{path.name}: {sink}")

    def test_own_promises(self) -> None:
        """Pages replace Promise and fetch: whoever needs them takes those that are kept."""
        for path in self.modules():
            if path.name == "loader.js":
                continue
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
            if re.search(r"\bPromise\b", text):
                self.assertRegex(text, r"import \{[^}]*\bPromise\b[^}]*\} from '[./a-z]*/loader.js'", path.name)
            self.assertEqual(len(re.findall(r"(?<![.\w])fetch\(", text)), int(path.match("lib/fetching.js")), path.name)

    def test_css_yields(self) -> None:
        """Structure weighs one class, looks are in a layer and weigh nothing, nothing is !important: the page's own
        rules win. The few that weigh more are for what pages dress by attributes.
        """
        for sheet in ("comments.css", "later.css"):
            self.yields((COMMENTS / sheet).read_text())
        reviews = (COMMENTS.parents[1] / "reviews" / "web" / "reviews.css").read_text()
        self.yields(reviews.replace("mcr-", "mc-").replace("#mc-review", "#mc-container"))

    def yields(self, text: str) -> None:
        """What `test_css_yields` promises, of one sheet."""
        css = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.assertNotIn("!important", css)
        structure, _, looks = css.partition("@layer cackle {")

        def selectors(text: str) -> list[str]:
            found = []
            for group in re.findall(r"([^{};]+)\{", text):
                if group.strip().startswith(("@", "from", "to")):
                    continue
                # Commas inside brackets part no selectors.
                found += [one.strip() for one in re.split(r",(?![^(]*\))", group)]
            return found

        for selector in selectors(looks):
            self.assertTrue(selector.startswith(":where("), selector)
        for selector in selectors(structure):
            weight = re.sub(r":where\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", "", selector)
            self.assertNotRegex(weight, r"(^|[ >+])[a-z*#]", selector)
            strong = weight.startswith((".mc-strict ", ".mc-form .mc-box ", ".mc-c .mc-text ", ".mc-root [hidden]"))
            self.assertEqual(
                len(re.findall(r"\.mc-", weight)) + selector.startswith(":where(#mc-container"),
                1 if not strong else len(re.findall(r"\.mc-", weight)),
                selector,
            )
        for selector in selectors(css):
            # A pseudo-element is not allowed there, and is dropped silently.
            self.assertIsNone(re.search(r":where\([^()]*::", selector), selector)
            # Whatever stands beside anything: then each node put into the page, the host's too, styles all anew.
            self.assertIsNone(re.search(r"[+~]\s*(\*|:)", selector), selector)
