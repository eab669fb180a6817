"""The reader in a control group of this machine, of whichever version it has, with a limit that is reached for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.daemon import child_environment

LIMIT = 300 << 20
TAKEN = 100 << 20
# Joins the group before it reads, takes memory, and gives some back.
CHILD = """
import os, sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from cackled.cache.pressure import MemoryReader
read = MemoryReader()
print(read().group)
held = bytearray(b"x") * int(sys.argv[2])
print(read().group)
del held
print(read().group)
"""


def new_group(test: SynchronousTestCase) -> Path:
    """A group of our own with a limit on memory; version 2 where that controller is there, else version 1."""
    mount = Path("/sys/fs/cgroup")
    if (mount / "cgroup.controllers").exists():
        parent, limit = mount, "memory.max"
        if "memory" not in (mount / "cgroup.subtree_control").read_text().split():
            raise SkipTest("groups have no memory controller here")
    else:
        parent, limit = mount / "memory", "memory.limit_in_bytes"
    group = parent / f"cackled-test-{os.getpid()}"
    try:
        group.mkdir()
        test.addCleanup(group.rmdir)
        (group / limit).write_text(str(LIMIT))
    except OSError as error:
        raise SkipTest(f"no control group can be made: {error.strerror}") from None
    return group


class RealGroupTests(SynchronousTestCase):
    def test_limit(self) -> None:
        """What the group leaves is its limit less what is used, and follows what is taken and given back."""
        group = new_group(self)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(group), str(TAKEN)], capture_output=True, text=True, timeout=60,
            check=False, env=child_environment(),
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        before, full, after = map(int, done.stdout.split())
        self.assertLess(before, LIMIT)
        self.assertGreater(before, LIMIT // 2)
        self.assertLess(full, before - TAKEN * 9 // 10)
        self.assertGreater(full, before - TAKEN * 12 // 10)
        self.assertGreater(after, full + TAKEN * 8 // 10)
