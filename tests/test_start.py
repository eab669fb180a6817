"""What a start loads: every process pays for it, so what few need is loaded when it is first needed.

Modules are counted, not seconds: the count is the same on every machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[1]
# What a daemon needs for some requests, some configurations or some operators alone.
LATER = (
    "PIL", "autobahn", "babel", "cackled.admin.shell", "cackled.cluster.redis", "cackled.cluster.tls",
    "cackled.outbound.agent", "cffi", "click", "difflib", "dns", "ijson", "jinja2", "lxml", "markdown_it", "pycparser",
    "twisted.conch", "twisted.mail", "twisted.web.client", "txredisapi", "unittest", "webauthn",
)  # fmt: skip


def loaded(statement: str) -> set[str]:
    """The modules that a new interpreter has after *statement*."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env=environ)
    return set(json.loads(told.stdout.splitlines()[-1]))


class StartTests(SynchronousTestCase):
    """Imports of the programs."""

    def test_daemon_and_worker(self) -> None:
        """Neither loads what most of them never need."""
        for module in ("cackled.daemon.service", "cackled.daemon.worker_process"):
            found = loaded(f"import {module}")
            self.assertIn(module, found)
            self.assertEqual([one for one in LATER if one in found], [], module)

    def test_no_reactor(self) -> None:
        """twistd reads the options before there is a reactor; ours is chosen then."""
        found = loaded("import cackled.tap, cackled.daemon.service")
        self.assertNotIn("twisted.internet.reactor", found)

    def test_command_line(self) -> None:
        """A command that only talks to the daemon loads neither Twisted nor any part of the daemon but its own."""
        bare = loaded("pass")
        found = loaded("import cackled.admin.cli, cackled.admin.client") - bare
        for name in ("twisted", "argon2", "cryptography", "psycopg2", "logging", "zope", "asyncio"):
            self.assertNotIn(name, found)
        ours = {one for one in found if one.startswith("cackled.") and not one.startswith("cackled.admin")}
        self.assertEqual(ours, {"cackled.config", "cackled.config_base", "cackled.config_people"})
        self.assertLess(len(found), 150)

    def test_pictures(self) -> None:
        """The program that is started for each picture loads its own modules and none of the daemon's."""
        found = loaded("from cackled.media import image_worker, images, sandbox")
        ours = {one for one in found if one.startswith("cackled")}
        own = ("", ".image_worker", ".images", ".sandbox")
        self.assertEqual(ours, {"cackled", *(f"cackled.media{one}" for one in own)})
        self.assertNotIn("twisted", found)
