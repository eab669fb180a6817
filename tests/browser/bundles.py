"""The files of the browser side as the daemon serves them, for tests without one."""

from __future__ import annotations

import gzip
from pathlib import Path

from cackled.features import registry
from cackled.transport.assets import Assets

WEB = Path(__file__).resolve().parents[2] / "cackled" / "web"
FOLDERS = (WEB, *registry().web)


def gzipped(body: bytes) -> int:
    """Bytes over the wire."""
    return len(gzip.compress(body, 9))


class Built:
    """The loader, and the other files by their paths; ``env`` is prod or devel."""

    def __init__(self, env: str = "prod", servers: list[dict] | None = None) -> None:
        self.assets = Assets(FOLDERS, env)
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
