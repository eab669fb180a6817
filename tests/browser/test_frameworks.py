"""The components for Astro, Next and Docusaurus in sites that these programs build: one page after another.

They are large (some 700 MB): `scripts/frameworks` installs them and runs this; elsewhere it is skipped. What the
components do in their frameworks' place is tested in `tests.browser.test_integrations` each time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.browser.test_adapters import HostCase

HERE = Path(__file__).resolve().parent / "frameworks"
COMPONENTS = HERE.parents[2] / "integrations"
INSTALLED = Path(sys.prefix) / "frameworks"
PATIENCE = 900.0


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


class FrameworkTests(HostCase):
    def built(self, name: str, program: str, components: dict[str, str], out: str) -> str:
        """The address of the site *name* built by *program*. *components*: path in it -> path in integrations/."""
        there = INSTALLED / name / "node_modules"
        if not (there / ".bin" / program).exists():
            raise SkipTest(f"{name} is not installed (scripts/frameworks does that)")
        folder = Path(tempfile.mkdtemp(prefix="cackled-site-")) / name
        self.addCleanup(shutil.rmtree, folder.parent, ignore_errors=True)
        shutil.copytree(HERE / name, folder)
        # Some bundlers don't follow links that lead out of the site.
        shutil.copytree(there, folder / "node_modules", symlinks=True, copy_function=os.link)
        for path, component in components.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(COMPONENTS / component, folder / path)
        quiet = {"ASTRO_TELEMETRY_DISABLED": "1", "NEXT_TELEMETRY_DISABLED": "1", "DOCUSAURUS_NO_TELEMETRY": "1",
                 "DISABLE_VERSION_CHECK": "1"}  # fmt: skip
        made = subprocess.run(
            [str(folder / "node_modules" / ".bin" / program), "build"], cwd=folder, capture_output=True, text=True,
            timeout=PATIENCE, check=False, env={**os.environ, **quiet, "PUBLIC_SERVER": self.url},
        )  # fmt: skip
        self.assertEqual(made.returncode, 0, (made.stdout + made.stderr)[-4000:])
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / out)))
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def walk(self, site: str, name: str) -> None:
        """By a link from the conversation of one page to that of another, and back: one at a time, without a reload."""
        for which in ("one", "two"):
            self.write(f"/{name}-{which}", f"on {name} {which}")
        page = self.page(f"{site}/{name}-one/", context=self.context(locale="en-US"), wait=".mc-text")
        self.soon(lambda: self.assertEqual(self.texts(page), [f"on {name} one"]))
        page.evaluate("window.same = true")
        page.locator(f"a[href*='{name}-two']:visible").first.click()
        self.soon(lambda: self.assertEqual(self.texts(page), [f"on {name} two"]))
        page.go_back()
        self.soon(lambda: self.assertEqual(self.texts(page), [f"on {name} one"]))
        self.assertTrue(page.evaluate("window.same"))
        self.post(page, "written here")
        self.soon(lambda: self.assertIn("written here", " ".join(self.texts(page))))

    def test_astro(self) -> None:
        """Astro, with view transitions."""
        components = {"src/components/Comments.astro": "astro/Comments.astro"}
        self.walk(self.built("astro", "astro", components, "dist"), "astro")

    def test_next(self) -> None:
        """Next, the app router, as a static site."""
        components = {f"integrations/{one}/Comments.jsx": f"{one}/Comments.jsx" for one in ("next", "react")}
        self.walk(self.built("next", "next", components, "out"), "next")

    def test_docusaurus(self) -> None:
        """Docusaurus; in the other colours it is drawn anew."""
        components = {
            f"src/integrations/{one}/Comments.jsx": f"{one}/Comments.jsx" for one in ("docusaurus", "react")
        }
        site = self.built("docusaurus", "docusaurus", components, "build")
        self.walk(site, "docusaurus")
