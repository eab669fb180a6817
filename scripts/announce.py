"""Prints the demo page's address as soon as the daemon answers.

    announce.py PID ARGUMENTS      # the daemon's process, and what `twistd cackled` was given

Ends when that process does: there is nothing to announce then.
"""

from __future__ import annotations

import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from cackled.config import ConfigError, load

PATIENCE = 300.0
# Where the port answers before the daemon can have bound it, somebody else has it: our daemon is about to end.
EARLY = 3.0


def base_url(arguments: list[str]) -> str | None:
    """Where the daemon of these arguments listens over TCP without TLS; None where it does not."""
    path = None
    for index, one in enumerate(arguments):
        if one in ("-c", "--config"):
            path = arguments[index + 1] if index + 1 < len(arguments) else None
        elif one.startswith("--config="):
            path = one.partition("=")[2]
    if path is None and Path("cackled.toml").is_file():
        path = "cackled.toml"
    try:
        settings = load(path)
    except ConfigError:
        return None
    if not settings.demo.enabled:
        return None
    for listen in settings.listen:
        match = re.match(r"tcp:(?:port=)?(\d+)(.*)", listen.endpoint)
        if match:
            interface = re.search(r":interface=((?:\\:|[^:])+)", match[2])
            host = interface[1].replace("\\:", ":") if interface else "127.0.0.1"
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
            return f"http://[{host}]:{match[1]}" if ":" in host else f"http://{host}:{match[1]}"
    return None


def alive(pid: int) -> bool:
    """Whether the process is there."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether the daemon is ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False


def main() -> None:
    """Wait for the daemon, then say where the demo is."""
    daemon = int(sys.argv[1])
    url = base_url(sys.argv[2:])
    if url is None:
        return
    began = time.monotonic()
    if answers(url):
        time.sleep(EARLY)
    while not answers(url):
        if not alive(daemon) or time.monotonic() - began > PATIENCE:
            return
        time.sleep(0.1)
    if alive(daemon):
        print(f"\n  cackled is running. Open the demo page: {url}/demo\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
