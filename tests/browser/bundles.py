"""The files of the browser side as the daemon serves them, for tests without one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from cackled.transport.assets import Assets

WEB = Path(__file__).resolve().parents[2] / "cackled" / "web"


def manifest() -> dict:
    """The parsed ``bundles.json``."""
    return json.loads((WEB / "bundles.json").read_text())


def gzipped(body: bytes) -> int:
    """Bytes over the wire."""
    return len(gzip.compress(body, 9))


class Built:
    """The loader, and the other files by their paths; ``env`` is prod or devel."""

    def __init__(self, env: str = "prod", servers: list[dict] | None = None) -> None:
        self.assets = Assets(WEB, env)
        self.loader = self.assets.loader(lambda: {"servers": servers or [{"url": "", "weight": 1}]}).current().body

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Type and content of what stands at a path."""
        prefix, _, rest = path.partition("/widget/")
        file = None if prefix else self.assets.file(rest.split("/"))
        return None if file is None else (file.content_type.decode(), file.body)

    def body(self, name: str) -> bytes:
        """The content of a bundle of prod."""
        (path,) = self.assets.urls()[name]
        found = self.find(path)
        assert found is not None
        return found[1]
