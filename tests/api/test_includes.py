"""The ready includes of docs/includes, each run against a server: comments come, and nothing breaks without them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from tests.api.common import ApiCase
from tests.support.client import call
from tests.support.daemon import free_ports
from tests.support.site_builders import hugo, jekyll, program

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "includes"
clock: Any = reactor
EMPTY = '<div id="mc-container"></div>'


class IncludeTests(ApiCase):
    def source(self, name: str, port: int | None = None) -> str:
        """An include for site 1 of this server; *port*: of another."""
        text = (FOLDER / name).read_text()
        # A page of a real site does not wait for a slow server; a test on a slow machine does.
        for short, long in (("'timeout' => 1,", "'timeout' => 60,"), ("timeout(1000)", "timeout(60000)"),
                            ("timeout=1)", "timeout=60)"), ("open_timeout: 1, read_timeout: 1", "read_timeout: 60"),
                            ("timeout 1s;", "timeout 60s;")):  # fmt: skip
            text = text.replace(short, long)
        # The site's number first: a port may have the same digits.
        return text.replace("17", "1").replace("https://comments.example", f"http://127.0.0.1:{port or self.port}")

    async def run_program(self, program: str, *arguments: str) -> str:
        """What a program writes."""
        found = shutil.which(program)
        if found is None:
            raise SkipTest(f"there is no {program}")
        out, err, code = await getProcessOutputAndValue(found, arguments, env={"PATH": "/usr/bin:/bin"}, reactor=clock)
        self.assertEqual(code, 0, err)
        return out.decode()

    async def test_php(self) -> None:
        """PHP: the fragment in the container, by the address or by a name; of a server that is away, an empty one."""
        await self.post(await self.visitor(), "included text", key="/a%20page?x=1&y=2")
        call = "echo cackled_comments('https://one.example/a page/?x=1&y=2', 'A title');"
        for port, found in ((self.port, True), (1, False)):
            text = self.source("cackled.php", port).removeprefix("<?php")
            out = await self.run_program("php", "-r", text + call)
            self.assertEqual("included text" in out, found)
            self.assertTrue(out.startswith('<div id="mc-container">') and out.endswith("</div>"), out)
        text = self.source("cackled.php").removeprefix("<?php")
        await self.post(await self.visitor(), "by its name", key="some/name/")
        named = "echo cackled_comments('https://one.example/elsewhere', 'A title', '', 'some/name/');"
        self.assertIn("by its name", await self.run_program("php", "-r", text + named))
        out = await self.run_program("php", "-r", text + "echo cackled_comments('');")
        self.assertEqual(out, EMPTY, "what is refused is nothing")

    async def test_eleventy(self) -> None:
        """Eleventy's shortcode, at build time."""
        await self.post(await self.visitor(), "included text", key="/a")
        for port, found in ((self.port, True), (1, False)):
            place = Path(self.mktemp() + ".mjs").resolve()
            place.write_text(self.source("eleventy.config.mjs", port) + "console.log(await cackled('/a/', 'A & B'));\n")
            out = await self.run_program("node", str(place))
            self.assertEqual("included text" in out, found, out)

    async def test_django(self) -> None:
        """Django's tag, with as much of Django as it uses."""
        await self.post(await self.visitor(), "included text", key="/a")
        kept: dict[str, Any] = {}

        class Cache:
            get = staticmethod(kept.get)
            set = staticmethod(lambda key, value, seconds: kept.__setitem__(key, value))

        class Library:
            simple_tag = staticmethod(lambda function: function)

        fakes = {name: ModuleType(name) for name in ("django", "django.core", "django.core.cache", "django.utils",
                                                     "django.utils.safestring", "django.template")}  # fmt: skip
        vars(fakes["django.core.cache"])["cache"] = Cache
        vars(fakes["django.utils.safestring"])["mark_safe"] = lambda text: text
        vars(fakes["django.template"])["Library"] = Library
        vars(fakes["django"])["template"] = fakes["django.template"]
        sys.modules.update(fakes)
        self.addCleanup(lambda: [sys.modules.pop(name) for name in fakes])
        for port, found in ((self.port, True), (1, False)):
            space: dict[str, Any] = {}
            exec(compile(self.source("django_cackled.py", port), "django_cackled.py", "exec"), space)
            kept.clear()
            out = await deferToThread(space["cackled_comments"], "https://one.example/a/", "Title")
            self.assertEqual("included text" in out, found, out)

    async def test_rails(self) -> None:
        """Rails' helper, with Action View's own tags and escaping."""
        await self.post(await self.visitor(), "included text", key="/a")
        program("ruby")
        for port, found in ((self.port, True), (1, False)):
            out = await self.run_program(
                "ruby", "-e",
                "begin; require 'action_view'; rescue LoadError; print 'none'; exit; end; module Rails; "
                "def self.cache; self; end; def self.fetch(key, **given); yield; end; end;"
                + self.source("cackled_helper.rb", port)
                + "class Page; include ActionView::Helpers::TagHelper; include CackledHelper; end;"
                "print Page.new.cackled_comments('https://one.example/a/', 'Title')",
            )
            if out == "none":
                raise SkipTest("there is no Action View")
            self.assertEqual("included text" in out, found, out)
            self.assertTrue(out.startswith('<div id="mc-container">') and out.endswith("</div>"), out)
            # HTML that is not to be escaped once more.
            self.assertNotIn("&lt;", out)

    async def test_jekyll(self) -> None:
        """Jekyll's tag, when a site is built."""
        await self.post(await self.visitor(), "included text", key="/a")
        for port, found in ((self.port, True), (1, False)):
            files = {"_plugins/cackled.rb": self.source("jekyll_cackled.rb", port), "_config.yml": "title: A site\nurl: https://one.example\n",
                     "a/index.html": "---\ntitle: A page\n---\n{% cackled %}"}  # fmt: skip
            made = await deferToThread(jekyll, self, files)
            out = (made / "a" / "index.html").read_text()
            self.assertEqual("included text" in out, found, out)
            self.assertIn('<div id="mc-container">', out)

    async def test_hugo(self) -> None:
        """Hugo's partial, when a site is built."""
        await self.post(await self.visitor(), "included text", key="/a")
        for port, found in ((self.port, True), (1, False)):
            files = {
                "layouts/partials/cackled.html": self.source("hugo-cackled.html", port),
                "layouts/_default/single.html": '{{ partial "cackled.html" . }}',
                # Hugo asks no bare address unless it is told to.
                "hugo.toml": 'baseURL = "https://one.example/"\ntitle = "A site"\ndisableKinds = ["home", "term"]\n'
                '[security.http]\nurls = [".*"]\n',
                "content/a.md": "+++\ntitle = 'A page'\n+++\nWords.",
            }
            made = await deferToThread(hugo, self, files)
            out = (made / "a" / "index.html").read_text()
            self.assertEqual("included text" in out, found, out)
            self.assertIn("mc-container", out)

    async def test_nginx(self) -> None:
        """nginx' own includes: with the answer in the page, and the page alone where it does not come."""
        await self.post(await self.visitor(), "included text", key="/a")
        nginx = program("nginx")
        for port, found in ((self.port, True), (1, False)):
            folder = Path(self.mktemp()).resolve()
            (folder / "www").mkdir(parents=True)
            (folder / "www" / "page.html").write_text(
                'before <div id="mc-container">'
                '<!--# include virtual="/cackled-comments?url=https://one.example/a/" --></div> after'
            )
            (own,) = free_ports(1)
            user = "user root;" if os.getuid() == 0 else ""
            temporary = "".join(
                f"{one}_temp_path {folder}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            (folder / "n.conf").write_text(
                f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; "
                f"events {{}} http {{ access_log off; {temporary} default_type text/html; "
                f"server {{ listen 127.0.0.1:{own}; root {folder}/www;\n{self.source('nginx.conf', port)}\n}} }}"
            )
            child = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "n.conf")])
            try:
                while True:
                    try:
                        answer = await deferToThread(call, f"http://127.0.0.1:{own}/page.html", timeout=120.0)
                        break
                    except OSError:
                        self.assertIsNone(child.poll(), "nginx has ended")
                        await deferLater(clock, 0.05)
            finally:
                child.terminate()
                child.wait()
            out = answer.body.decode()
            self.assertEqual((answer.status, "included text" in out), (200, found), out)
            self.assertTrue(out.startswith("before ") and out.endswith("</div> after"), out)
            straight = (folder / "www" / "page.html").read_text()
            self.assertNotEqual(out, straight)
