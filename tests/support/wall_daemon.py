"""The daemon and its command line with the wall as a product: see `tests.support.wall`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cackled.products import PRODUCTS
from tests.support import wall
from tests.support.daemon import ROOT, Daemon
from tests.support.web import build

BOTH = (*PRODUCTS, wall.WALL)
build(Path(wall.__file__).with_name("web"))
# Registers the wall in each process that has this in its PYTHONPATH, worker processes too.
PYTHONPATH = os.pathsep.join((str(Path(wall.__file__).with_name("site")), str(ROOT)))


class WallDaemon(Daemon):
    """The daemon with the wall."""

    def _child(self, cwd: Path) -> dict[str, Any]:
        made = super()._child(cwd)
        made["env"]["PYTHONPATH"] = PYTHONPATH
        return made


def run_cackled(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``cackled`` in *folder*."""
    code = "import sys; from cackled.admin.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
