"""Prints the demo page's address, and a link into the panel, as soon as the daemon answers.

    announce.py PID ARGUMENTS      # the daemon's process, and what `twistd cackled` was given

Ends when that process does: there is nothing to announce then.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from cackled.admin.client import AdminError, send
from cackled.config import Config, ConfigError, load

PATIENCE = 300.0
# Where the port answers before the daemon can have bound it, somebody else has it: our daemon is about to end.
EARLY = 3.0
DEMO_OWNER = "demo@localhost"


def configuration(arguments: list[str]) -> Config | None:
    """The configuration that the daemon of these arguments has; None where it can't be read."""
    path = None
    for index, one in enumerate(arguments):
        if one in ("-c", "--config"):
            path = arguments[index + 1] if index + 1 < len(arguments) else None
        elif one.startswith("--config="):
            path = one.partition("=")[2]
    if path is None and Path("cackled.toml").is_file():
        path = "cackled.toml"
    try:
        return load(path)
    except ConfigError:
        return None


def base_url(arguments: list[str]) -> str | None:
    """Where the daemon of these arguments listens over TCP without TLS; None where it does not, or has no demo."""
    settings = configuration(arguments)
    return (settings.listening_url or None) if settings is not None and settings.demo.enabled else None


def panel_link(settings: Config) -> str:
    """A link that signs the demo's owner in, once; empty where none can be had."""
    try:
        answer = send(settings, f"account add {DEMO_OWNER} --role owner --site 1")
    except (AdminError, ConfigError):
        return ""
    data = answer["data"]
    return str(data["link"]) if isinstance(data, dict) else ""


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
        settings = configuration(sys.argv[2:])
        link = panel_link(settings) if settings is not None else ""
        panel = f"  The panel, as the demo's owner (works once): {link}\n" if link else ""
        print(f"\n  cackled is running. Open the demo page: {url}/demo\n{panel}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
