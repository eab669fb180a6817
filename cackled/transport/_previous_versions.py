"""Bundles of previous versions, for pages that were opened before an upgrade and for loaders that browsers cached.

Each version is a folder with a file ``<hash>.<hash of the content>.<name>`` for each bundle; the first hash is that of
its address, which several files may share. A file with other content is not used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

# Number of versions besides that of this program.
FORMER: Final = 4
# A bundle has some ten or hundred kilobytes; larger files are ignored.
LARGEST: Final = 1 << 20

Bundles = Mapping[tuple[str, str], bytes]


def content_hash(body: bytes) -> str:
    """The hash of a content, used in addresses and file names."""
    return blake2b(body, digest_size=8).hexdigest()


def keep(folder: Path, version: str, bundles: Bundles) -> dict[tuple[str, str], bytes]:
    """Store *bundles*, by (hash, name), as *version*; give those of the former versions, and forget still older ones.

    Several processes may do so at once.

    Raises:
        OSError: the folder can't be read or written.
    """
    own = folder / version
    if own.is_dir():
        os.utime(own)
    else:
        part = folder / f".{version}.{os.getpid()}"
        part.mkdir(parents=True, exist_ok=True)
        for (digest, name), body in bundles.items():
            (part / f"{digest}.{content_hash(body)}.{name}").write_bytes(body)
        try:
            part.rename(own)
        except OSError:
            # Another process created it first.
            shutil.rmtree(part, ignore_errors=True)
    others = sorted((one for one in folder.iterdir() if one.is_dir() and one != own), key=_age)
    found: dict[tuple[str, str], bytes] = {}
    for one in others[:FORMER]:
        found.update(_read(one))
    for one in others[FORMER:]:
        shutil.rmtree(one, ignore_errors=True)
    return {key: body for key, body in found.items() if key not in bundles}


def _age(folder: Path) -> float:
    """Sort key: the newest first; folders that are missing or incomplete last."""
    try:
        return -folder.stat().st_mtime if folder.name[0] != "." else 0.0
    except OSError:
        return 0.0


def _read(folder: Path) -> dict[tuple[str, str], bytes]:
    found = {}
    try:
        for path in folder.iterdir():
            digest, content, name = (*path.name.split(".", 2), "", "")[:3]
            if path.suffix not in (".js", ".css") or path.stat().st_size > LARGEST:
                continue
            if content_hash(body := path.read_bytes()) == content:
                found[digest, name] = body
    except OSError:
        # Another process has just forgotten it.
        pass
    return found
