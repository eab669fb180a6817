"""What a process knows of the cluster: the nodes for browsers. A worker gets it from its parent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from msgspec import Struct

from cackled.config import Node


class Server(Struct, frozen=True):
    """A node that browsers may be sent to. ``weight``: how likely, against the others."""

    name: str
    url: str
    weight: int


class View(Struct, frozen=True):
    """The usable nodes, and what is wrong with this one as a member of the cluster (empty: nothing).

    ``astray``: which primary this node alone can't reach, so that its clients are better off elsewhere.
    """

    servers: tuple[Server, ...] = ()
    trouble: str = ""
    draining: bool = False
    astray: str = ""

    def elsewhere(self, own: str, random: Random) -> str | None:
        """Where a client of node *own* can be sent: another node, by weight; None where there is none."""
        others = [server for server in self.servers if server.name != own and server.url]
        if not others:
            return None
        return random.choices(others, [server.weight for server in others])[0].url


def servers_of_nodes(nodes: Iterable[Node], free: Callable[[str], float] | None) -> tuple[Server, ...]:
    """*nodes* with their weights; *free*, where it is known: the share of a node's connections that is free."""

    def weight(node: Node) -> int:
        return node.weight if free is None else max(1, round(node.weight * 10 * free(node.name)))

    return tuple(Server(node.name, node.url, weight(node)) for node in nodes)
