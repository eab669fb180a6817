"""The build backend (PEP 517, PEP 660): setuptools, with the browser side's bundles made first.

So ``pip install .`` and ``pip install -e .`` leave them in cackled/web/build and wheels contain them. Node is a
requirement of the build only where the machine has none.
"""

from __future__ import annotations

import sys
from typing import Any

import web
from setuptools import build_meta

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

build_sdist = build_meta.build_sdist
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def _node() -> list[str]:
    return [] if web.system_node() else [web.NODE_PACKAGE]


def _bundles() -> None:
    try:
        web.build()
    except web.WebError as error:
        # pip shows what a failed build printed.
        sys.exit(str(error))


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What has to be installed first."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_node()]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """What has to be installed first."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_node()]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """The wheel, with the bundles in it."""
    _bundles()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """An editable install; the bundles are made in the tree."""
    _bundles()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
