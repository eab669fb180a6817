"""What a process knows of the cluster it does not watch itself: a worker is told by its parent.

May touch: msgspec.
"""

from __future__ import annotations

from msgspec import Struct


class Server(Struct, frozen=True):
    """A node that browsers may be sent to. ``weight``: how likely, against the others."""

    name: str
    url: str
    weight: int


class View(Struct, frozen=True):
    """The usable nodes, and what is wrong with this one as a member of the cluster (empty: nothing)."""

    servers: tuple[Server, ...] = ()
    trouble: str = ""
    draining: bool = False

    def others(self, own: str) -> tuple[Server, ...]:
        """Those that clients of node *own* can be sent to."""
        return tuple(server for server in self.servers if server.name != own and server.url)
