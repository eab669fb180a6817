"""Prints the demo page's address as soon as the daemon of the same arguments answers."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from twisted.internet.endpoints import _parse

from cackled.config import ConfigError, load


def base_url(arguments: list[str]) -> str | None:
    path = None
    for flag in ("-c", "--config"):
        if flag in arguments[:-1]:
            path = arguments[arguments.index(flag) + 1]
    if path is None and Path("cackled.toml").is_file():
        path = "cackled.toml"
    try:
        settings = load(path)
    except ConfigError:
        return None
    for listen in settings.listen:
        args, options = _parse(listen.endpoint)
        if args[0] == "tcp":
            port = options.get("port") or args[1]
            host = options.get("interface", "127.0.0.1").replace("0.0.0.0", "127.0.0.1")
            return f"http://{host}:{port}"
    return None


def main() -> None:
    url = base_url(sys.argv[1:])
    if url is None:
        return
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                break
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    else:
        return
    print(f"\n  cackled is running. Open the demo page: {url}/demo\n", file=sys.stderr, flush=True)


main()
