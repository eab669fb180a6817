"""Tests of scripts/packaging: bundles of a small folder, what is kept, and what is said when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import brotli
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.web import packaging

web = packaging()
SCRIPT = "// a comment that goes\n(function () {\n  var first = 1; window.x = first;\n})()\n"


class BundleTests(SynchronousTestCase):
    """What stands in build/."""

    def setUp(self) -> None:
        """A folder with a script, a style sheet and their list."""
        if web.system_node() is None:
            raise SkipTest("there is no Node")
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.write("a.js", SCRIPT)
        self.write("b.js", SCRIPT.replace("x", "y"))
        self.write("a.css", "/* goes */\n.mc-a { color: red; inset-inline: 0 }\n")
        self.spec(bundles={"all.js": ["a.js", "b.js"], "all.css": ["a.css"]}, widgets={"A": {"js": ["all.js"]}})

    def write(self, name: str, text: str) -> None:
        """A source."""
        (self.folder / name).write_text(text)

    def spec(self, **lists: object) -> None:
        """The list of bundles."""
        self.write("bundles.json", json.dumps(lists))

    def built(self, name: str) -> str:
        """A finished file."""
        return (self.folder / "build" / name).read_text()

    def test_minified(self) -> None:
        """Scripts one behind another, none swallowing the next; styles as they were meant; the list beside them."""
        self.assertEqual(web.build([self.folder]), [self.folder])
        text = self.built("all.js")
        self.assertNotIn("comment that goes", text)
        self.assertNotIn("first", text)
        self.assertLess(text.index("window.x"), text.index("window.y"))
        self.assertEqual(self.built("all.css").strip(), ".mc-a{color:red;inset-inline:0}")
        for name in ("all.js", "all.css"):
            packed = (self.folder / "build" / f"{name}.br").read_bytes()
            self.assertEqual(brotli.decompress(packed).decode(), self.built(name))
        listed = json.loads(self.built("manifest.json"))
        self.assertEqual(listed["bundles"], {"all.js": ["all.js"], "all.css": ["all.css"]})
        self.assertEqual(listed["widgets"], {"A": {"js": ["all.js"]}})

    def test_languages(self) -> None:
        """A catalogue, or one section of it, is a script of a bundle; each language but English has a bundle of all."""
        for name, folder in (("x", "locales"), ("y", "own")):
            (self.folder / folder).mkdir()
            for language in ("en", "ru"):
                words = {"widget": {name: f"{name} {language}"}, "problems": {"a-b": language}, "mail": {"m": "mail"}}
                self.write(f"{folder}/{language}.json", json.dumps(words))
        self.spec(bundles={"all.js": ["locales/en.json#widget", "a.js"]}, locales=["locales", "own"])
        web.build([self.folder])
        english, russian = self.built("all.js"), self.built("all-ru.js")
        self.assertIn("x en", english)
        self.assertNotIn("a-b", english)
        for one in ("x ru", "y ru", "a-b"):
            self.assertIn(one, russian)
        self.assertNotIn("mail", russian)
        self.assertEqual(json.loads(self.built("manifest.json"))["languages"], ["ru"])
        self.assertFalse((self.folder / "build" / "all-en.js").exists())

    def test_loaded_with(self) -> None:
        """A bundle takes what it imports of the one before it from there, and brings the words that this has not."""
        (self.folder / "locales").mkdir()
        words = {"told": "Told", "kept": "Kept", "left": "Left"}
        self.write("locales/en.json", json.dumps({"widget": words}))
        self.write("shared.js", "export const first = () => 'shared';\nexport const second = () => 'other';\n")
        self.write("host.js", "import {first} from './shared.js';\nwindow.kept = first('told');\n")
        late = "import {second, first} from './shared.js';\nwindow.late = () => second() + first('kept');\n"
        self.write("late.js", late)
        self.write("last.js", "import {second} from './shared.js';\nwindow.last = () => second();\n")
        self.spec(
            bundles={"host.js": ["locales/en.json#widget", "host.js"]},
            lazy={"late.js": ["late.js"], "last.js": ["last.js"]},
            **{"with": {"late.js": "host.js", "last.js": "host.js"}},
        )
        web.build([self.folder])
        host, guest, other = (self.built(name) for name in ("host.js", "late.js", "last.js"))
        # A word counts as named where it stands in quotes, not where something else has its name.
        self.assertIn("Told", host)
        for word in ("Kept", "Left"):
            self.assertNotIn(word, host)
            self.assertIn(word, guest)
        self.assertNotIn("Told", guest)
        self.assertNotIn("shared", guest)
        page = f"""
            globalThis.window = globalThis;
            window.Cackle = {{}};
            {host}{guest}{other}
            console.log(JSON.stringify([kept, late(), last()]));
        """
        ran = subprocess.run([web.node(), "-e", page], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(ran.stdout), ["shared", "othershared", "other"])

    def test_only_what_changed(self) -> None:
        """Nothing is made twice; a changed source is seen."""
        web.build([self.folder])
        self.assertEqual(web.build([self.folder]), [])
        self.write("a.js", "window.z = 1")
        self.assertEqual(web.build([self.folder]), [self.folder])
        self.assertIn("window.z=1", self.built("all.js"))

    def test_licences(self) -> None:
        """A module brings what it imports, other people's packages with their licences."""
        self.write("panel.js", "import {h, render} from 'preact';\nrender(h('p', null, 'x'), document.body);\n")
        self.spec(bundles={"panel.js": ["panel.js"]})
        os.symlink(web.MODULES, self.folder / "node_modules")
        web.build([self.folder])
        text = self.built("panel.js")
        self.assertRegex(text, r"/\*! preact [\d.]+, MIT\n")
        self.assertIn("Permission is hereby granted", text)
        self.assertNotIn("\nimport", text)

    def test_wrong_sources(self) -> None:
        """What is wrong is said with file and line; the bundles of before stay."""
        web.build([self.folder])
        before = self.built("all.js")
        for text, words in (("var = 1", "a.js:1"), ("import './none.js'\nvar a", "./none.js")):
            self.write("a.js", text)
            self.spec(bundles={"all.js": ["a.js"]})
            error = self.assertRaises(web.WebError, web.build, [self.folder])
            self.assertIn(words, str(error))
            self.assertNotIn("    at ", str(error))
        self.spec(bundles={"all.js": ["../outside.js"]})
        self.assertIn("outside.js", str(self.assertRaises(web.WebError, web.build, [self.folder])))
        self.assertEqual(self.built("all.js"), before)

    def test_nothing_to_fetch_from(self) -> None:
        """Without packages and without a registry: one line that says what is missing."""
        root = Path(self.mktemp()).resolve()
        root.mkdir()
        shutil.copy(web.LOCK, root)
        shutil.copy(web.ROOT / "package.json", root)
        (root / ".npmrc").write_text("registry=http://127.0.0.1:9/\nfetch-retries=0\n")
        self.patch(web, "ROOT", root)
        self.patch(web, "MODULES", root / "node_modules")
        self.patch(web, "_PATIENCE", ("--fetch-retries=0", "--prefer-online", f"--cache={root / 'cache'}"))
        error = self.assertRaises(web.WebError, web.build, [self.folder])
        self.assertRegex(str(error), r"^cackled: npm could not fetch the packages of package-lock.json \(\w+\)$")


class LockTests(SynchronousTestCase):
    """package-lock.json."""

    def test_no_hosts(self) -> None:
        """It names versions and hashes; where they are fetched is npm's configuration."""
        lock = json.loads(web.LOCK.read_text())
        for name, package in lock["packages"].items():
            self.assertNotIn("resolved", package, name)
            if name:
                self.assertIn("integrity", package, name)
        wanted = json.loads((web.ROOT / "package.json").read_text())
        for versions in (wanted["dependencies"], wanted["devDependencies"]):
            for name, version in versions.items():
                self.assertRegex(version, r"^\d+\.\d+\.\d+$", name)
