"""Bundles of the browser side as `cackled/web/README.md` defines them, for tests: may touch rjsmin and rcssmin."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import rcssmin
import rjsmin

WEB = Path(__file__).resolve().parents[2] / "cackled" / "web"
TOKEN = "__CACKLE_" + "CONFIG__"


def manifest() -> dict:
    """The parsed ``bundles.json``."""
    return json.loads((WEB / "bundles.json").read_text())


def minify(name: str, sources: list[str]) -> bytes:
    """One bundle as it is served in production."""
    text = "".join((WEB / source).read_text() + "\n" for source in sources)
    return (rjsmin.jsmin(text) if name.endswith(".js") else rcssmin.cssmin(text)).encode()


def gzipped(body: bytes) -> int:
    """Bytes over the wire."""
    return len(gzip.compress(body, 9))


class Built:
    """All files by path, and the loader; ``env`` is prod or devel."""

    def __init__(self, env: str = "prod", servers: list[dict] | None = None) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}
        spec = manifest()
        paths = {}
        for name, sources in {**spec["bundles"], **spec["lazy"]}.items():
            if env == "prod":
                body = minify(name, sources)
                paths[name] = [self._add(hashlib.sha256(body).hexdigest()[:12], name, body)]
            else:
                paths[name] = [self._add("devel", source, (WEB / source).read_bytes()) for source in sources]
        config = {
            "servers": servers or [{"url": "", "weight": 1}],
            "bundles": {
                widget: {kind: [path for name in names for path in paths[name]] for kind, names in kinds.items()}
                for widget, kinds in spec["widgets"].items()
            },
            "lazy": {name: paths[name] for name in spec["lazy"]},
        }
        loader = (WEB / "loader.js").read_text()
        if env == "prod":
            loader = rjsmin.jsmin(loader)
        self.loader = loader.replace(TOKEN, json.dumps(config, separators=(",", ":"))).encode()

    def _add(self, folder: str, name: str, body: bytes) -> str:
        path = f"/widget/{folder}/{name}"
        self.files[path] = ("text/javascript" if name.endswith(".js") else "text/css", body)
        return path
