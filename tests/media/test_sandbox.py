"""What a confined process can't do: tried by real ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import cackled

BEGIN = """
import socket, os, subprocess, sys
from cackled.media import sandbox
held = open(os.devnull, "rb")
sandbox.limit(1_000_000_000, 2)
sandbox.confine()
"""


def confined(work: str) -> tuple[int, str]:
    """Run *work* confined; gives how it ended and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + work], capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": str(Path(cackled.__file__).parents[1])},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


class SandboxTests(SynchronousTestCase):
    """Each of these works outside."""

    def test_refused(self) -> None:
        """Files, names, sockets, programs, other processes."""
        for work in (
            "open('/etc/passwd')", "open('/tmp/x', 'w')", "os.listdir('/')", "os.unlink('/tmp/none')",
            "socket.socket()",
            "os.fork()", "os.execv('/bin/true', ['true'])", "os.kill(1, 0)", "os.symlink('a', '/tmp/b')",
        ):  # fmt: skip
            code, said = confined(f"try:\n  {work}\nexcept PermissionError: print('refused')\nelse: print('done')")
            self.assertEqual((code, said.strip()), (0, "refused"), work)

    def test_bounds(self) -> None:
        """Memory and time end."""
        self.assertIn("MemoryError", confined("x = bytearray(2_000_000_000)")[1])
        self.assertEqual(confined("while True: pass")[0], -24)

    def test_work(self) -> None:
        """Computing, and what is open, go on."""
        self.assertEqual(confined("print(sum(range(10)), held.read())"), (0, "45 b''\n"))


class DecoderTests(SynchronousTestCase):
    """What decodes a stranger's file is in the confined process alone."""

    def test_no_decoder_elsewhere(self) -> None:
        """No module of the daemon has one; only the worker's module has."""
        root = Path(cackled.__file__).parent
        decoders = re.compile(r"^\s*(?:from|import) (PIL|pillow_heif|cv2|pyvips|wand|imageio|pypdf|fitz|av)\b", re.M)
        found = {str(one.relative_to(root)) for one in root.rglob("*.py") if decoders.search(one.read_text())}
        self.assertEqual(found, {"media/images.py"})
        loaded = subprocess.run(
            [sys.executable, "-c", "import cackled.features, cackled.daemon.service, sys; print('PIL' in sys.modules)"],
            capture_output=True, text=True, timeout=120, env={"PYTHONPATH": str(root.parent)}, check=True,
        )  # fmt: skip
        self.assertEqual(loaded.stdout.strip(), "False")
