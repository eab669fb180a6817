"""The browser's files, read once by each process of tests: daemons' parts are made for hundreds of tests."""

from __future__ import annotations

from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

from cackled.transport.assets import Assets
from cackled.transport.microcache import Microcache


class _Kept(Assets):
    """Keeps no former versions: what it has is gone with the test."""

    def keep(self, folder: Path) -> None:
        """Nothing; `tests.transport.test_assets` has the tests of this."""


@cache
def _read(folders: tuple[str | Path, ...], env: Any) -> _Kept:
    return _Kept(folders, env)


def shared_assets(folders: tuple[str | Path, ...], env: Any = "prod", *, microcache: Microcache) -> Assets:
    """In place of `Assets`, for parts that are made by a test."""
    made = copy(_read(folders, env))
    made._microcache = microcache if env == "prod" else None
    return made
