"""The line that says where the demo is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.scripts.common import SCRIPTS, script
from tests.support.daemon import free_ports


class AddressTests(SynchronousTestCase):
    """Where the daemon listens, from what it was given."""

    def setUp(self) -> None:
        """The script, and a place for configurations."""
        self.announce = script("announce")
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def address(self, text: str, *before: str) -> str | None:
        """What is announced for a configuration."""
        path = self.folder / "c.toml"
        path.write_text(text)
        return self.announce.base_url([*before, "-c", str(path)])

    def test_addresses(self) -> None:
        """Any plain TCP endpoint gives an address that a browser on this machine can open."""
        for endpoint, url in (
            ("tcp:8080:interface=127.0.0.1", "http://127.0.0.1:8080"),
            ("tcp:81", "http://127.0.0.1:81"),
            ("tcp:port=82:interface=0.0.0.0:backlog=5", "http://127.0.0.1:82"),
            (r"tcp:83:interface=\\:\\:1", "http://[::1]:83"),
            ("tcp:84:interface=192.0.2.7", "http://192.0.2.7:84"),
        ):
            self.assertEqual(self.address(f'[[listen]]\nendpoint = "{endpoint}"\n'), url)

    def test_options(self) -> None:
        """The file is found however it is named."""
        path = self.folder / "d.toml"
        path.write_text('[[listen]]\nendpoint = "tcp:85"\n')
        for arguments in (["-c", str(path)], ["--config", str(path)], [f"--config={path}"]):
            self.assertEqual(self.announce.base_url(arguments), "http://127.0.0.1:85")

    def test_nothing_to_announce(self) -> None:
        """No plain listener, no demo, no usable configuration: silence."""
        self.assertIsNone(self.address('[[listen]]\nendpoint = "unix:/run/x"\n'))
        self.assertIsNone(self.address("[demo]\nenabled = false\n"))
        self.assertIsNone(self.address("nonsense = 1\n"))

    def test_ends_with_the_daemon(self) -> None:
        """A daemon that is gone is not waited for."""
        (port,) = free_ports(1)
        path = self.folder / "e.toml"
        path.write_text(f'[[listen]]\nendpoint = "tcp:{port}"\n')
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        root = SCRIPTS.parent
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / "announce.py"), str(gone.pid), "-c", str(path.resolve())],
            env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
