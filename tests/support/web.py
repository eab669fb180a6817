"""The browser side's files are made before the tests run, and anew where a source has changed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def packaging() -> ModuleType:
    """The module scripts/packaging/web.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("cackled_packaging_web", ROOT / "scripts" / "packaging" / "web.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(*folders: Path) -> None:
    """Make the bundles of the package, or of *folders*, where they are not of the sources as they are now.

    Raises:
        WebError: what is needed can't be fetched, or a source is wrong.
    """
    packaging().build(folders, tools=True)


def ready() -> None:
    """The same for the package; what is missing is said once, and the tests that need it fail."""
    packaging_web = packaging()
    try:
        packaging_web.build(tools=True)
    except packaging_web.WebError as error:
        print(error, file=sys.stderr)
