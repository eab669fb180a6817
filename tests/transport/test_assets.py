"""Tests of how bundles are served, the loader, and what can't be reached through them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import brotli
import msgspec
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport.assets import Assets
from cackled.transport.bundle_lists import AssetsError
from tests.support.answers import Answer, Server, get

SCRIPT = "// a comment that goes\nimport {x} from './b.js';\nwindow.x = x;\n"


class AssetsTestCase(SynchronousTestCase):
    """A small folder of sources, and what was built of it."""

    env: Any = "prod"
    cached = False

    def setUp(self) -> None:
        """Write the folder and serve it."""
        self.folder = self.mktemp()
        os.makedirs(os.path.join(self.folder, "lib"))
        os.makedirs(os.path.join(self.folder, "demo"))
        os.makedirs(os.path.join(self.folder, "build"))
        self.write("lib/a.js", SCRIPT + "/* " + "long " * 200 + "*/")
        self.write("lib/b.js", "export const x = 1;\n" * 20)
        self.write("base.css", ".mc-a { color: red; }\n")
        self.write("loader.js", "// loads\nvar config = __CACKLE_CONFIG__;\nwindow.y = config;\n")
        self.write("build/comments.js", "var a=1;window.x=a;" * 50)
        self.write("build/editor.js", "var b=1;window.x=b;" * 50)
        self.write("build/comments.css", ".mc-a{color:red}")
        self.write("build/comments-de.js", "var de=1;" * 50)
        self.write("build/comments-ru.js", "var ru=1;" * 50)
        for name in ("locales", "own"):
            os.makedirs(os.path.join(self.folder, name))
            for language in ("de", "en", "ru"):
                words = {"widget": {name: f"</script>{language}"}, "problems": {f"{name}-x": {"other": "{n}"}}}
                self.write(f"{name}/{language}.json", msgspec.json.encode({**words, "mail": {}}).decode())
        self.write("build/loader.js", "var config=__CACKLE_CONFIG__;window.y=config;")
        self.write(
            "build/manifest.json",
            '{"bundles": {"comments.js": ["comments.js"], "comments.css": ["comments.css"]},'
            ' "lazy": {"editor.js": ["editor.js"]}, "languages": ["de", "ru"],'
            ' "widgets": {"Comment": {"js": ["comments.js"], "css": ["comments.css"], "words": true}}}',
        )
        self.write("demo/index.html", "<h1>Demo</h1>")
        self.write("demo/.secret", "no")
        self.write(
            "bundles.json",
            '{"bundles": {"comments.js": ["lib/a.js"], "comments.css": ["base.css"]},'
            ' "lazy": {"editor.js": ["lib/b.js"]}, "locales": ["locales", "own"],'
            ' "widgets": {"Comment": {"js": ["comments.js"], "css": ["comments.css"], "words": true}}}',
        )
        self.write("../outside.js", "secret")
        self.serve()

    def write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def serve(self) -> None:
        self.server = Server(fast=self.cached or None)
        self.assets = Assets([self.folder], self.env, microcache=self.server.microcache if self.cached else None)
        self.servers = [{"url": "https://a.example</script>\u2028", "weight": 1}]
        self.loader = self.assets.loader(lambda: {"servers": self.servers})
        for name, resource in (
            (b"widget", self.assets.resource()),
            (b"widget.js", self.loader),
        ):
            self.server.root.putChild(name, resource)

    def ask(self, target: str, *fields: str, **more: Any) -> Answer:
        return self.server.ask(get(target, *fields, **more))


class ProdTests(AssetsTestCase):
    """Bundles."""

    def test_after_an_upgrade(self) -> None:
        """Pages that were opened before it still get their files, and new ones theirs."""
        folder = Path(self.mktemp())
        self.assets.keep(folder)
        (old,) = self.assets.urls()["comments.js"]
        before = self.ask(old)
        self.write("build/comments.js", "var after;")
        self.serve()
        self.assertEqual(self.ask(old).status, 404)
        self.assets.keep(folder)
        (new,) = self.assets.urls()["comments.js"]
        again = self.ask(old, "Accept-Encoding: br")
        self.assertEqual(brotli.decompress(again.body), before.body)
        for name in ("content-type", "cache-control", "access-control-allow-origin"):
            self.assertEqual(again.headers[name], before.headers[name])
        self.assertIn(b"var after", self.ask(new).body)
        self.assertEqual(self.ask(old.replace("comments.js", "other.js")).status, 404)

    def test_compressed_before(self) -> None:
        """The form that was made with the bundle is served as it is; one of another text is not believed."""
        body = "var a=1;window.x=a;" * 50
        made = brotli.compress(body.encode(), quality=1)
        best = self.ask(*self.assets.urls()["comments.js"], "Accept-Encoding: br").body
        self.assertNotEqual(best, made)
        for packed, served in ((made, made), (brotli.compress(b"var other"), best), (b"no brotli", best)):
            Path(self.folder, "build/comments.js.br").write_bytes(packed)
            self.serve()
            self.assertEqual(self.ask(*self.assets.urls()["comments.js"], "Accept-Encoding: br").body, served)

    def test_nowhere_to_keep(self) -> None:
        """A folder that can't be used costs a line in the log, not the start."""
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.assets.keep(Path(os.devnull) / "bundles")
        self.assertEqual([formatEvent(event) for event in events],
                         [f"{os.devnull}/bundles: former bundles: Not a directory"])  # fmt: skip

    def test_bundle(self) -> None:
        """One file, as it was built, immutable, open to all origins, of the right type."""
        (url,) = self.assets.urls()["comments.js"]
        self.assertTrue(re.fullmatch("/widget/[0-9a-f]{12}/comments.js", url))
        answer = self.ask(url)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, b"var a=1;window.x=a;" * 50)
        for name, value in (
            ("content-type", "text/javascript; charset=utf-8"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
            ("vary", "Accept-Encoding"),
        ):
            self.assertEqual(answer.headers[name], value)
        css = self.ask(self.assets.urls()["comments.css"][0])
        self.assertEqual((css.body, css.headers["content-type"]), (b".mc-a{color:red}", "text/css; charset=utf-8"))

    def test_codings(self) -> None:
        """Compressed forms are ready; each has its tag and is revalidated by it."""
        (url,) = self.assets.urls()["comments.js"]
        plain, packed = self.ask(url), self.ask(url, "Accept-Encoding: br")
        self.assertEqual(brotli.decompress(packed.body), plain.body)
        self.assertEqual(packed.headers["content-encoding"], "br")
        self.assertEqual(self.assets.sizes()["comments.js"]["br"], len(packed.body))
        self.assertNotEqual(packed.headers["etag"], plain.headers["etag"])
        self.assertEqual(self.ask(url, "If-None-Match: " + plain.headers["etag"]).status, 304)
        self.assertEqual(self.ask(url, "If-None-Match: " + packed.headers["etag"]).status, 200)

    def test_name_follows_content(self) -> None:
        """A changed bundle gives all another address, and another version: they share one hash, whatever folder."""
        product = os.path.join(self.folder, "..", "product", "build")
        os.makedirs(product)
        self.write("../product/build/wall.js", "var wall")
        self.write("../product/build/manifest.json", '{"bundles": {"wall.js": ["wall.js"]}}')
        both = [self.folder, os.path.dirname(product)]
        before, version = Assets(both).urls(), Assets(both).version
        self.write("build/comments.js", "var changed")
        after = Assets(both).urls()
        self.assertNotEqual(before["comments.js"], after["comments.js"])
        self.assertNotEqual(before["editor.js"], after["editor.js"])
        self.assertNotEqual(before["wall.js"], after["wall.js"])
        self.assertEqual(len({url.split("/")[2] for urls in after.values() for url in urls}), 1)
        self.assertNotEqual(version, Assets(both).version)

    def test_missing(self) -> None:
        """Another hash, another name, the sources: 404, for a short time, readable by the page."""
        (url,) = self.assets.urls()["comments.js"]
        for target in (
            "/widget", "/widget/", "/widget/0000000000000000/comments.js", url + "x", url + "/x",
            "/widget/devel/lib/a.js", "/widget/" + url.split("/")[2] + "/other.js", "/widget/%ff/%ff",
        ):  # fmt: skip
            answer = self.ask(target)
            self.assertEqual(answer.status, 404, target)
            self.assertEqual(answer.headers["cache-control"], "public, max-age=10")
            self.assertEqual(answer.headers["access-control-allow-origin"], "*")

    def test_loader(self) -> None:
        """The configuration is in it, can't end a script, and is renewed when told."""
        answer = self.ask("/widget.js")
        self.assertEqual(answer.headers["cache-control"], "public, max-age=300, stale-while-revalidate=86400")
        self.assertNotIn(b"loads", answer.body)
        self.assertNotIn(b"</script", answer.body)
        self.assertNotIn("\u2028".encode(), answer.body)
        text = re.search(rb"config=(\{.*\});", answer.body)
        assert text is not None
        config = msgspec.json.decode(text[1])
        self.assertEqual(config["servers"], self.servers)
        for name, paths in (("comments.js", config["bundles"]["Comment"]["js"]), ("editor.js", ["editor.js"])):
            self.assertEqual([config["path"] + path for path in paths], self.assets.urls()[name])
        # Each byte is in every page's way: nothing that the loader does not read.
        self.assertEqual(set(config), {"servers", "bundles", "locales", "path"})
        self.assertEqual(self.ask("/widget.js", "If-None-Match: " + answer.headers["etag"]).status, 304)
        self.servers.append({"url": "https://b.example", "weight": 1})
        self.assertEqual(self.ask("/widget.js").body, answer.body)
        self.loader.changed()
        self.assertIn(b"b.example", self.ask("/widget.js").body)
        self.assertEqual(self.ask("/widget.js", method="HEAD").body, b"")

    def test_languages(self) -> None:
        """All languages have one hash, which changes with each of them; the loader is told their names and one path."""

        def told() -> tuple[list[str], str]:
            found = self.assets.config()
            (path,) = found["bundles"]["Comment"]["words"]
            return found["locales"], found["path"] + path

        names, path = told()
        self.assertEqual(names, ["de", "ru"])
        for name in names:
            answer = self.ask(path.replace("*", name))
            self.assertIn(f"var {name}=1".encode(), answer.body)
            self.assertIn("immutable", answer.headers["cache-control"])
        self.assertEqual(self.ask(path.replace("*", "en")).status, 404)
        version = self.assets.version
        self.write("build/comments-ru.js", "var other")
        self.serve()
        self.assertNotEqual(told()[1], path)
        self.assertNotEqual(self.assets.version, version)

    def test_languages_after_an_upgrade(self) -> None:
        """A loader that a browser has kept still gets its words."""
        folder = Path(self.mktemp())
        self.assets.keep(folder)
        told = self.assets.config()
        path = told["path"] + told["bundles"]["Comment"]["words"][0]
        self.write("build/comments-ru.js", "var other")
        self.serve()
        self.assets.keep(folder)
        self.assertIn(b"var ru=1", self.ask(path.replace("*", "ru")).body)
        self.assertIn(b"var de=1", self.ask(path.replace("*", "de")).body)

    def test_bad_folders(self) -> None:
        """What is wrong with a folder is said with the name of the file."""
        for text, word in (
            ("{", "manifest.json"),
            ('{"bundels": {}}', "bundels"),
            ('{"bundles": {"a.js": ["none.js"]}}', "none.js"),
            ('{"bundles": {"a.js": ["../bundles.json"]}}', "bundles.json"),
            ('{"bundles": {"a.exe": []}}', "a.exe"),
            ('{"bundles": {}, "widgets": {"W": {"js": ["x.js"]}}}', "x.js"),
        ):
            self.write("build/manifest.json", text)
            self.assertIn(word, str(self.assertRaises(AssetsError, Assets, [self.folder])))
        os.remove(os.path.join(self.folder, "build", "manifest.json"))
        # Nobody has built it: how that is done is said too.
        self.assertIn("web.py", str(self.assertRaises(AssetsError, Assets, [self.folder])))
        self.assertRaises(AssetsError, Assets, [self.mktemp()])


class CachedTests(ProdTests):
    """Bundles through the microcache: the same, and hits."""

    cached = True

    def test_hits(self) -> None:
        """The second request is answered from the cache, with the forms made at start."""
        (url,) = self.assets.urls()["comments.js"]
        for target in (url, "/widget.js"):
            first, second = (self.ask(target, "Accept-Encoding: br") for _ in range(2))
            self.assertEqual(first.body, second.body)
            self.assertEqual(second.headers["cache-status"], "cackled; hit; ttl=3")
        self.assertEqual(len(self.ask(url, "Accept-Encoding: br").body), self.assets.sizes()["comments.js"]["br"])


class DevelTests(AssetsTestCase):
    """Sources one by one."""

    env = "devel"

    def test_sources(self) -> None:
        """Every module has its own address, behind those that it imports, as it is on disk now."""
        self.assertEqual(self.assets.urls()["comments.js"], ["/widget/devel/lib/b.js", "/widget/devel/lib/a.js"])
        answer = self.ask("/widget/devel/lib/a.js")
        self.assertIn(b"comment that goes", answer.body)
        self.assertEqual(answer.headers["cache-control"], "no-cache")
        self.write("lib/a.js", "var changed")
        self.assertEqual(self.ask("/widget/devel/lib/a.js").body, b"var changed")
        listed = msgspec.json.decode(self.ask("/widget/devel/list.json").body)
        self.assertEqual(listed, self.assets.urls())
        told = self.assets.config()
        self.assertEqual(told["script"], {"type": "module"})
        self.assertEqual([told["path"] + path for path in told["lazy"]["editor.js"]], listed["editor.js"])

    def test_folders(self) -> None:
        """A product's modules are found beside those of the core, which they import by where they lie."""
        product = os.path.join(self.folder, "..", "product", "web")
        os.makedirs(product)
        text = "import {x} from '../../" + os.path.basename(self.folder) + "/lib/b.js';\n"
        self.write("../product/web/wall.js", text)
        self.write("../product/secret.js", "secret")
        self.write("../product/web/bundles.json", '{"bundles": {"wall.js": ["wall.js"]}}')
        assets = Assets([self.folder, product], "devel")
        name = os.path.basename(self.folder)
        self.assertEqual(
            assets.urls()["wall.js"], [f"/widget/devel/{name}/lib/b.js", "/widget/devel/product/web/wall.js"]
        )
        found = assets.file(["devel", "product", "web", "wall.js"])
        assert found is not None
        self.assertEqual(found.body, text.encode())
        self.assertIsNone(assets.file(["devel", "product", "secret.js"]))
        self.write("../product/web/bundles.json", '{"bundles": {"editor.js": ["wall.js"]}}')
        self.assertIn("editor.js", str(self.assertRaises(AssetsError, Assets, [self.folder, product], "devel")))

    def test_packaged(self) -> None:
        """What imports npm packages is served as it was built, for browsers can't resolve their names."""
        listed = msgspec.json.decode(Path(self.folder, "bundles.json").read_bytes())
        self.write("bundles.json", msgspec.json.encode({**listed, "packaged": ["editor.js"]}).decode())
        self.serve()
        self.assertEqual(self.assets.urls()["editor.js"], ["/widget/devel/build/editor.js"])
        self.assertIn(b"var b=1", self.ask("/widget/devel/build/editor.js").body)
        self.assertEqual(self.assets.urls()["comments.js"], ["/widget/devel/lib/b.js", "/widget/devel/lib/a.js"])

    def test_languages(self) -> None:
        """A catalogue is served as a script that adds its words, and none of the server's own."""
        config = self.assets.config()
        self.assertEqual((config["locales"], config["path"]), (["de", "ru"], "/widget/devel/"))
        self.assertEqual(config["bundles"]["Comment"]["words"], ["locales/*.json", "own/*.json"])
        answer = self.ask("/widget/devel/own/ru.json")
        self.assertEqual(answer.headers["content-type"], "text/javascript; charset=utf-8")
        self.assertEqual(
            answer.body.decode().strip(),
            '(c=>{c=c.ru=c.ru||{};Object.assign(c,{"own":"</script>ru"});'
            'Object.assign(c.problems=c.problems||{},{"own-x":{"other":"{n}"}});})(window.Cackle.locales=window.Cackle.locales||{});',
        )
        for text in ("{", '{"widget": 5}', '{"widget": {"a": 5}}'):
            self.write("own/ru.json", text)
            self.assertEqual(self.ask("/widget/devel/own/ru.json").status, 404)

    def test_traversal(self) -> None:
        """Nothing outside the folder, nothing hidden, no other types, whatever the path."""
        os.symlink("../outside.js", os.path.join(self.folder, "link.js"))
        for path in (
            "../outside.js", "lib/../../outside.js", "%2e%2e/outside.js", "..%2foutside.js",
            "lib%2f..%2f..%2foutside.js", "/etc/passwd", "//etc/passwd", "lib", "lib/", ".", "",
            "demo/.secret", "link.js", "lib/a.js%00",
            "lib/a.js/",            "lib\\a.js", "%ff.js", "bundles.json/", "lib/none.js",
        ):  # fmt: skip
            answer = self.ask("/widget/devel/" + path)
            self.assertEqual(answer.status, 404, path)
            self.assertNotIn(b"secret", answer.body)

    def test_loader(self) -> None:
        """The loader is not minified, and read anew."""
        self.assertIn(b"// loads", self.ask("/widget.js").body)
        self.write("loader.js", "other(__CACKLE_CONFIG__)")
        self.assertTrue(self.ask("/widget.js").body.startswith(b"other({"))
        self.assertEqual(self.ask("/widget.js").headers["cache-control"], "no-cache")
