"""What a confined process can't do: tried by real ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

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


class LeaveTests(SynchronousTestCase):
    """A user of its own, where whoever runs the daemon may give one; without the filter of system calls."""

    def left(self, work: str) -> str:
        """What *work* writes after it has left."""
        begin = BEGIN.replace("sandbox.limit(1_000_000_000, 2)\nsandbox.confine()", "left = sandbox.leave()")
        done = subprocess.run(
            [sys.executable, "-c", begin + work], capture_output=True, text=True, timeout=120,
            env={"PYTHONPATH": str(Path(cackled.__file__).parents[1])}, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def test_own_user(self) -> None:
        """Nobody's user and group, no further groups, and no way back; two processes are two users."""
        if os.geteuid():
            raise SkipTest("only root gives users")
        work = """
try: os.setuid(0)
except PermissionError: print(left, *{*os.getresuid(), *os.getresgid()}, os.getgroups(), os.getpid())
"""
        numbers = set()
        for _ in range(2):
            left, number, groups, own = self.left(work).rsplit(None, 3)
            self.assertEqual((left, groups), ("True", "[]"))
            self.assertEqual(int(number), 0x7000_0000 + int(own))
            numbers.add(number)
        self.assertEqual(len(numbers), 2)

    def test_no_files(self) -> None:
        """Its file system is one empty folder that is not its own; its parent is out of reach."""
        if os.geteuid():
            raise SkipTest("only root gives users")
        work = """
def tried(deed):
    try: deed()
    except OSError as error: print(type(error).__name__, end=" ")
    else: print("done", end=" ")
print(left, end=" ")
for deed in (lambda: os.listdir("/"), lambda: os.listdir("/.."), lambda: open("/etc/passwd"), lambda: open("x", "w"),
             lambda: os.mkdir("/x"), lambda: os.chroot("/"), lambda: os.kill(os.getppid(), 9)):
    tried(deed)
"""
        self.assertEqual(self.left(work).split(), ["True", *["PermissionError"] * 7])

    def test_without_rights(self) -> None:
        """Who has no such right goes on as they are."""
        script = """
import os
from cackled.media import sandbox
if not os.getuid(): os.setuid(65_534)
was = os.getuid()
print(sandbox.leave(), os.getuid() == was, bool(os.listdir("/")))
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=120,
            env={"PYTHONPATH": str(Path(cackled.__file__).parents[1])}, check=True,
        )  # fmt: skip
        self.assertEqual(done.stdout.split(), ["False", "True", "True"], done.stderr)


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
