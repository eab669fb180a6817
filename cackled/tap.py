"""What `twistd cackled` takes and makes.

Imported by twistd before there is a reactor; that is when ours is chosen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from cackled import __version__
from cackled.clock import install_monotonic_reactor
from cackled.config import Config, ConfigError, load

DEFAULT_FILE = "cackled.toml"


class Options(usage.Options):
    """Command line of `twistd cackled`."""

    optParameters = [
        ["config", "c", None, f"configuration file (default: ./{DEFAULT_FILE} where it exists, else all defaults)"],
    ]
    longdesc = "Live comments for web sites, from one daemon. See conf/cackled.toml for all settings."

    def opt_version(self) -> None:
        """Print the version and leave."""
        print(f"cackled {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Read the configuration and install the reactor on the monotonic clock."""
        path = self["config"]
        if path is None and Path(DEFAULT_FILE).is_file():
            path = DEFAULT_FILE
        try:
            self["settings"] = load(path)
        except ConfigError as error:
            raise usage.UsageError(str(error)) from None
        self["path"] = path
        self["log_file"] = self._log_file()
        install_monotonic_reactor()

    def _log_file(self) -> str | None:
        """Where `twistd --logfile` wants the log; a daemon in the background has nowhere else to put it."""
        given: Any = self.parent or {}
        name = given.get("logfile") or ("" if given.get("nodaemon", True) else "twistd.log")
        return str(Path(name).absolute()) if name not in ("", "-") and not given.get("syslog") else None

    def refuse(self, why: str) -> None:
        """Tell the process that waits for a daemon in the background that there will be none; it would wait on."""
        given: Any = self.parent or {}
        pipe = given.get("statusPipe")
        if pipe is not None:
            os.write(pipe, f"1 {why}".encode()[:100])


def makeService(options: Options) -> IService:
    """The daemon as a service."""
    from twisted.internet import reactor

    from cackled.daemon.service import Daemon

    settings: Config = options["settings"]
    return Daemon(reactor, settings, options["path"], options["log_file"], options.refuse)
